//! Rules of `x-kubernetes-validations` in a definition: they must compile on the types that the
//! schema declares.

use super::shape::properties;
use crate::catalog::catalog;
use crate::cel::{self, Program, Type};
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
    node(at, path, None, &wrong, &mut found);
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

/// `lost` is where old and new values stop to be known as the same.
fn node(
    at: Node<'_, '_>,
    path: &Path<'_>,
    lost: Option<&str>,
    wrong: &[String],
    errors: &mut Errors,
) {
    let Node { schema, compiled, root } = at;
    let below = |schema, compiled: &Schema, path: &Path<'_>, lost, errors: &mut Errors| {
        let root = compiled.embedded.is_some();
        node(Node { schema, compiled, root }, path, lost, wrong, errors);
    };
    if let (Some(additional), Some(inner)) =
        (schema.get("additionalProperties"), compiled.member("\0"))
    {
        below(additional, inner, &path.child("additionalProperties"), lost, errors);
    }
    for (name, property) in properties(schema) {
        if let Some(inner) = compiled.property(name) {
            below(property, inner, &path.child("properties").key(name), lost, errors);
        }
    }
    if let (Some(items), Some(inner)) = (schema.get("items"), compiled.items.as_deref()) {
        let here = path.to_string();
        let keyed = matches!(compiled.list, ListType::Map(_));
        let lost = lost.or(if keyed { None } else { Some(&*here) });
        below(items, inner, &path.child("items"), lost, errors);
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
        rule(validation, &declared, &at.index(index), lost, errors);
    }
}

fn rule(
    rule: &Value<'_>,
    declared: &Type,
    path: &Path<'_>,
    lost: Option<&str>,
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
            message(rule, &env, path, errors);
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

fn message(rule: &Value<'_>, env: &cel::Env, path: &Path<'_>, errors: &mut Errors) {
    let text = rule.text("messageExpression");
    if text.is_empty() {
        return;
    }
    let detail = match Program::compile(env, text) {
        Err(error) => format!("messageExpression compilation failed: {error}"),
        Ok(program) if !matches!(program.output(), Type::String) => {
            "messageExpression must evaluate to a string".to_owned()
        }
        Ok(_) => return,
    };
    errors.invalid(&path.child("messageExpression"), Verbatim(&shown(rule)), &detail);
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
