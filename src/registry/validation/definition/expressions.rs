//! Rules of `x-kubernetes-validations` in a definition: they must compile on the types that the
//! schema declares.

use super::shape::properties;
use crate::base::limits::{CEL_DEFINITION_COST_MAX, CEL_RULE_COST_MAX, REQUEST_BODY_BYTES_MAX};
use crate::catalog::catalog;
use crate::cel::{self, Program, Type, estimate};
use crate::object::Value;
use crate::object::field::{FieldError, Path};
use crate::object::json_text::push_string;
use crate::object::structural::{ListType, Schema};
use crate::registry::read::Read as _;
use crate::registry::validation::{Errors, Report as _, Verbatim, rules};

/// Checks the rules of a node and of those below it. A node with errors of its own, or below it, is
/// left out: its types may be none.
pub(super) fn check(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if !has_rules(schema) {
        return;
    }
    let name = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let Some(metadata) = catalog().type_named(name) else { return };
    let compiled = Schema::compile(schema, metadata);
    let wrong: Vec<String> = errors.iter().map(|error| error.field.clone()).collect();
    let mut found = Errors::new();
    let at = Node { schema, compiled: &compiled, root: true };
    let mut total = Total::default();
    let above = Above { lost: None, cardinality: Some(1) };
    node(at, path, above, &wrong, (&mut total, &mut found));
    total.check(path, &mut found);
    errors.append(&mut found);
}

fn has_rules(schema: &Value<'_>) -> bool {
    !schema.items("x-kubernetes-validations").is_empty()
        || properties(schema).iter().any(|(_, below)| has_rules(below))
        || ["items", "additionalProperties"]
            .iter()
            .filter_map(|name| schema.get(name))
            .any(has_rules)
}

#[derive(Clone, Copy)]
struct Node<'n, 'a> {
    schema: &'n Value<'a>,
    compiled: &'n Schema,
    root: bool,
}

/// What the nodes above say of a node.
#[derive(Clone, Copy)]
struct Above<'l> {
    /// Where old and new values stop to be known as the same.
    lost: Option<&'l str>,
    /// How often the node may stand in an object; `None` without a limit.
    cardinality: Option<u64>,
}

/// What all rules together may cost.
#[derive(Default)]
struct Total {
    cost: u64,
    rules: Vec<(u64, String)>,
}

impl Total {
    fn add(&mut self, cost: u64, path: String) {
        self.cost = self.cost.saturating_add(cost);
        self.rules.push((cost, path));
    }

    /// Tells the dearest rules if all are too dear together.
    fn check(mut self, path: &Path<'_>, errors: &mut Errors) {
        if self.cost <= CEL_DEFINITION_COST_MAX {
            return;
        }
        self.rules.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        for (_, path) in self.rules.iter().take(DEAREST) {
            let detail = "contributed to estimated rule cost total exceeding cost limit for \
                          entire OpenAPIv3 schema";
            errors.push(FieldError::forbidden(&Path::root(path), detail));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.forbidden(path, &too_dear(what, self.cost, CEL_DEFINITION_COST_MAX));
    }
}

/// Rules that are told when all together are too dear.
const DEAREST: usize = 4;

/// `getCostErrorMessage`.
#[expect(clippy::cast_precision_loss, reason = "the factor is shown with one digit")]
fn too_dear(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        _ if factor > 100.0 => "more than 100x".to_owned(),
        _ if factor < 1.5 => format!("{factor:.6}x"),
        _ => format!("{factor:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding \
         maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

fn node(
    at: Node<'_, '_>,
    path: &Path<'_>,
    above: Above<'_>,
    wrong: &[String],
    (total, errors): (&mut Total, &mut Errors),
) {
    let Node { schema, compiled, root } = at;
    let lost = above.lost;
    let many = |limit: Option<i64>| {
        let limit = limit.and_then(|limit| u64::try_from(limit).ok());
        Some(above.cardinality?.saturating_mul(limit?))
    };
    if let (Some(additional), Some(inner)) =
        (schema.get("additionalProperties"), compiled.member("\0"))
    {
        let cardinality = many(compiled.rules.max_properties);
        let at = Node { schema: additional, compiled: inner, root: inner.embedded.is_some() };
        let path = path.child("additionalProperties");
        node(at, &path, Above { lost, cardinality }, wrong, (total, errors));
    }
    for (name, property) in properties(schema) {
        if let Some(inner) = compiled.property(name) {
            let at = Node { schema: property, compiled: inner, root: inner.embedded.is_some() };
            node(at, &path.child("properties").key(name), above, wrong, (total, errors));
        }
    }
    if let (Some(items), Some(inner)) = (schema.get("items"), compiled.items.as_deref()) {
        let here = path.to_string();
        let keyed = matches!(compiled.list, ListType::Map(_));
        let lost = lost.or(if keyed { None } else { Some(&*here) });
        let cardinality = many(compiled.rules.max_items);
        let at = Node { schema: items, compiled: inner, root: inner.embedded.is_some() };
        node(at, &path.child("items"), Above { lost, cardinality }, wrong, (total, errors));
    }
    let here = path.to_string();
    if wrong.iter().any(|field| field.starts_with(&here)) {
        return;
    }
    let list = schema.items("x-kubernetes-validations");
    if list.is_empty() {
        return;
    }
    let at = path.child("x-kubernetes-validations");
    let Some(declared) = cel::declared(compiled, root, "selfType") else {
        let detail = "failed to convert to declType for CEL validation rules";
        errors.push(FieldError::internal(&at, detail));
        return;
    };
    for (index, validation) in list.iter().enumerate() {
        let (own, most) = (at.index(index), &mut *total);
        let times = above
            .cardinality
            .unwrap_or_else(|| REQUEST_BODY_BYTES_MAX as u64 / (estimate::size_min(compiled) + 1));
        let cost = |program: &Program| program.cost_max(compiled, root);
        rule(validation, &declared, &own, (lost, times), (&cost, most), errors);
    }
}

fn rule(
    rule: &Value<'_>,
    declared: &Type,
    path: &Path<'_>,
    (lost, times): (Option<&str>, u64),
    (cost, total): (&dyn Fn(&Program) -> u64, &mut Total),
    errors: &mut Errors,
) {
    let env = rules::environment(declared, rule.flag("optionalOldSelf"));
    let mut uses_old = false;
    let at = path.child("rule");
    match Program::compile(&env, rule.text("rule")) {
        Err(error) => {
            let detail = format!("compilation failed: {error}");
            errors.invalid(&at, Verbatim(&shown(rule)), &detail);
        }
        Ok(program) if !matches!(program.output(), Type::Bool) => {
            let detail = "cel expression must evaluate to a bool";
            errors.invalid(&at, Verbatim(&shown(rule)), detail);
        }
        Ok(program) => {
            uses_old = program.uses("oldSelf");
            let spent = cost(&program).saturating_mul(times);
            if spent > CEL_RULE_COST_MAX {
                let text = too_dear("estimated rule cost", spent, CEL_RULE_COST_MAX);
                errors.forbidden(&at, &text);
            }
            total.add(spent, at.to_string());
            if let Some(program) = message(rule, &env, path, errors) {
                let spent = cost(&program);
                let at = path.child("messageExpression");
                if spent > CEL_RULE_COST_MAX {
                    let what = "estimated messageExpression cost";
                    errors.forbidden(&at, &too_dear(what, spent, CEL_RULE_COST_MAX));
                }
                total.add(spent, at.to_string());
            }
        }
    }
    if uses_old {
        if let Some(lost) = lost {
            let detail = format!(
                "oldSelf cannot be used on the uncorrelatable portion of the schema within {lost}"
            );
            errors.invalid(&at, rule.text("rule"), &detail);
        }
    } else if let Some(optional) = rule.get("optionalOldSelf").and_then(Value::as_bool) {
        let detail = "may not be set if oldSelf is not used in rule";
        errors.invalid(&path.child("optionalOldSelf"), optional, detail);
    }
}

fn message(
    rule: &Value<'_>,
    env: &cel::Env,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<Program> {
    let text = rule.text("messageExpression");
    if text.is_empty() {
        return None;
    }
    let detail = match Program::compile(env, text) {
        Err(error) => format!("messageExpression compilation failed: {error}"),
        Ok(program) if !matches!(program.output(), Type::String) => {
            "messageExpression must evaluate to a string".to_owned()
        }
        Ok(program) => return Some(program),
    };
    errors.invalid(&path.child("messageExpression"), Verbatim(&shown(rule)), &detail);
    None
}

/// A rule as Go shows the internal `ValidationRule`.
fn shown(rule: &Value<'_>) -> String {
    let mut out = String::from("{");
    for (name, key) in
        [("Rule", "rule"), ("Message", "message"), ("MessageExpression", "messageExpression")]
    {
        out.push_str(&format!("\"{name}\":"));
        push_string(&mut out, rule.text(key), true);
        out.push(',');
    }
    out.push_str("\"Reason\":");
    match rule.get("reason").and_then(Value::as_str) {
        Some(reason) => push_string(&mut out, reason, true),
        None => out.push_str("null"),
    }
    out.push_str(",\"FieldPath\":");
    push_string(&mut out, rule.text("fieldPath"), true);
    out.push_str(",\"OptionalOldSelf\":");
    out.push_str(match rule.get("optionalOldSelf").and_then(Value::as_bool) {
        None => "null",
        Some(true) => "true",
        Some(false) => "false",
    });
    out.push('}');
    out
}
