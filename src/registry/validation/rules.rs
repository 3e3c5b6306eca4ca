//! `x-kubernetes-validations`: rules of CEL that custom resources must keep
//! (`apiextensions-apiserver/pkg/apiserver/schema/cel`). A schema's rules are compiled once on each
//! shard that meets an object of it.

use super::Errors;
use crate::base::hash::HashMap;
use crate::base::limits::CEL_MESSAGE_BYTES_MAX;
use crate::cel::authorizer::NoAuthority;
use crate::cel::{self, Budget, Env, EvalError, Fault, Program, Type, Val};
use crate::object::Value;
use crate::object::field::{ErrorKind, FieldError, Path, Shown};
use crate::object::structural::{Additional, ListType, Schema, Validation};
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// Compiled rules by the address of the schema, which lives as long as the process.
    static COMPILED: RefCell<HashMap<usize, Option<Rc<Node<'static>>>>> = RefCell::default();
}

/// The rules of one node of a schema and of those below; nodes without any are left out.
#[derive(Debug)]
struct Node<'s> {
    /// What values are read by.
    schema: &'s Schema,
    rules: Vec<Compiled<'s>>,
    /// Why the rules of this node cannot be judged at all.
    broken: bool,
    properties: Vec<(&'s str, Self)>,
    additional: Option<Box<Self>>,
    items: Option<Box<Self>>,
    all_of: Vec<Self>,
}

#[derive(Debug)]
struct Compiled<'s> {
    source: &'s Validation,
    program: Result<Program, String>,
    message: Option<Program>,
    uses_old: bool,
}

/// The old state of a value, and of the nearest value above that has one: what did not change may
/// stay wrong.
#[derive(Debug, Clone, Copy, Default)]
struct Ratchet<'v> {
    current: Option<(&'v Value<'v>, &'v Value<'v>)>,
    above: Option<(&'v Value<'v>, &'v Value<'v>)>,
}

/// Judges `object` by the rules of `schema`, from the root on.
pub(super) fn check(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    schema: &'static Schema,
    errors: &mut Errors,
) {
    let Some(node) = compiled(schema) else { return };
    let ratchet = Ratchet { current: old.map(|old| (object, old)), above: None };
    let mut walk = Walk { budget: Budget::rules(), over: false, errors };
    walk.value(&node, None, object, old, ratchet);
}

/// Judges a default by the rules of its schema: as a value that does not change, and as a new one.
pub(super) fn check_default(
    default: &Value<'_>,
    schema: &Schema,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let root = schema.embedded.is_some();
    let declared = cel::declared(schema, root, "selfType");
    let Some(node) = Node::new(schema, schema, declared.as_ref(), root) else { return };
    for old in [Some(default), None] {
        let before = errors.len();
        let mut walk = Walk { budget: Budget::rules(), over: false, errors };
        walk.value(&node, Some(path), default, old, Ratchet::default());
        if errors.len() > before {
            return;
        }
    }
}

fn compiled(schema: &'static Schema) -> Option<Rc<Node<'static>>> {
    COMPILED.with_borrow_mut(|known| {
        let address = std::ptr::from_ref(schema).addr();
        known
            .entry(address)
            .or_insert_with(|| {
                let declared = cel::declared(schema, true, "selfType");
                Node::new(schema, schema, declared.as_ref(), true).map(Rc::new)
            })
            .clone()
    })
}

impl<'s> Node<'s> {
    /// The rules of `rules`, on values that follow `schema`; `None` if there are none.
    fn new(
        rules: &'s Schema,
        schema: &'s Schema,
        declared: Option<&Type>,
        root: bool,
    ) -> Option<Self> {
        let all_of = rules.rules.all_of.iter();
        let node = Self {
            schema,
            rules: match declared {
                Some(declared) => {
                    rules.validations.iter().map(|rule| Compiled::new(rule, declared)).collect()
                }
                None => Vec::new(),
            },
            broken: declared.is_none() && !rules.validations.is_empty(),
            properties: Self::below(rules, schema, root),
            additional: match (&rules.additional, &schema.additional) {
                (Additional::Schema(rules), Additional::Schema(schema)) => {
                    Self::of(rules, schema).map(Box::new)
                }
                _ => None,
            },
            items: rules
                .items
                .as_deref()
                .zip(schema.items.as_deref())
                .and_then(|(rules, schema)| Self::of(rules, schema))
                .map(Box::new),
            all_of: all_of.filter_map(|part| Self::new(part, schema, declared, root)).collect(),
        };
        let has = !node.rules.is_empty()
            || node.broken
            || !node.properties.is_empty()
            || node.additional.is_some()
            || node.items.is_some()
            || !node.all_of.is_empty();
        has.then_some(node)
    }

    fn of(rules: &'s Schema, schema: &'s Schema) -> Option<Self> {
        let root = schema.embedded.is_some();
        let declared = cel::declared(schema, root, "selfType");
        Self::new(rules, schema, declared.as_ref(), root)
    }

    fn below(rules: &'s Schema, schema: &'s Schema, root: bool) -> Vec<(&'s str, Self)> {
        let properties = rules.properties.iter();
        let properties = properties.filter_map(|(name, rules)| {
            // Metadata of a resource is not the schema's to judge.
            let judged = !(root && &**name == "metadata");
            let schema = schema.property(name).filter(|_| judged)?;
            Some((&**name, Self::of(rules, schema)?))
        });
        properties.collect()
    }
}

/// The environment of a rule on values of type `declared`.
pub(super) fn environment(declared: &Type, optional: bool) -> Env {
    let old = if optional { Type::optional(declared.clone()) } else { declared.clone() };
    Env::new().with("self", declared.clone()).with("oldSelf", old)
}

impl<'s> Compiled<'s> {
    fn new(source: &'s Validation, declared: &Type) -> Self {
        let env = environment(declared, source.optional_old_self);
        let program = match Program::compile(&env, &source.rule) {
            Ok(program) if matches!(program.output(), Type::Bool) => Ok(program),
            Ok(_) => Err("cel expression must evaluate to a bool".to_owned()),
            Err(error) => Err(format!("compilation failed: {error}")),
        };
        let message = match &*source.message_expression {
            "" => None,
            text => Program::compile(&env, text).ok(),
        };
        let message = message.filter(|program| matches!(program.output(), Type::String));
        let uses_old = program.as_ref().is_ok_and(|program| program.uses("oldSelf"));
        Self { source, program, message, uses_old }
    }

    /// The message, else the rule.
    fn name(&self) -> &str {
        let text =
            if self.source.message.is_empty() { &self.source.rule } else { &self.source.message };
        text.trim()
    }

    fn default_message(&self) -> String {
        if self.source.message.is_empty() {
            format!("failed rule: {}", self.name())
        } else {
            self.name().to_owned()
        }
    }
}

impl<'v> Ratchet<'v> {
    fn forgives(&self) -> bool {
        self.current.or(self.above).is_some_and(|(new, old)| new == old)
    }

    fn below(
        self,
        child: &'v Value<'v>,
        find: impl FnOnce(&'v Value<'v>) -> Option<&'v Value<'v>>,
    ) -> Self {
        let Some((_, old)) = self.current else { return self };
        Self { current: find(old).map(|old| (child, old)), above: self.current }
    }

    fn key(self, name: &str, child: &'v Value<'v>) -> Self {
        if self.current.is_some() && self.above.is_none() && matches!(name, "apiVersion" | "kind") {
            return Self::default();
        }
        self.below(child, |old| old.as_map()?.get(name))
    }
}

struct Walk<'w> {
    budget: Budget,
    over: bool,
    errors: &'w mut Errors,
}

type At<'p> = Option<&'p Path<'p>>;

impl Walk<'_> {
    fn value<'v>(
        &mut self,
        node: &Node<'v>,
        at: At<'_>,
        value: &'v Value<'v>,
        old: Option<&'v Value<'v>>,
        ratchet: Ratchet<'v>,
    ) {
        if value.is_null() || self.over {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        self.rules(node, at, value, old, ratchet);
        for part in &node.all_of {
            if self.over {
                return;
            }
            let above = Ratchet { current: None, above: ratchet.above };
            self.value(part, at, value, old, above);
        }
        match value {
            Value::List(list) => self.items(node, at, list, old, ratchet),
            Value::Map(map) => {
                for (name, child) in map.iter() {
                    if self.over {
                        return;
                    }
                    let before = old.and_then(Value::as_map).and_then(|old| old.get(name));
                    let ratchet = ratchet.key(name, child);
                    let property = node.properties.iter().find(|(known, _)| *known == name);
                    if let Some((_, below)) = property {
                        let path = join(at, name);
                        self.value(below, Some(&path), child, before, ratchet);
                    } else if let Some(below) = &node.additional {
                        let root = Path::root("");
                        let path = at.unwrap_or(&root).key(name);
                        self.value(below, Some(&path), child, before, ratchet);
                    }
                }
            }
            _ => {}
        }
    }

    fn items<'v>(
        &mut self,
        node: &Node<'v>,
        at: At<'_>,
        list: &'v [Value<'v>],
        old: Option<&'v Value<'v>>,
        ratchet: Ratchet<'v>,
    ) {
        let Some(below) = &node.items else { return };
        let keys: &[&str] = match &node.schema.list {
            ListType::Map(keys) => keys,
            ListType::Atomic | ListType::Set => &[],
        };
        let same = |item: &'v Value<'v>, old: &'v Value<'v>| {
            let list = old.as_list().filter(|_| !keys.is_empty())?;
            list.iter().find(|other| keys.iter().all(|key| other.get(key) == item.get(key)))
        };
        let root = Path::root("");
        for (index, item) in list.iter().enumerate() {
            if self.over {
                return;
            }
            let path = at.unwrap_or(&root).index(index);
            let before = old.and_then(|old| same(item, old));
            let ratchet = ratchet.below(item, |old| same(item, old));
            self.value(below, Some(&path), item, before, ratchet);
        }
    }

    fn rules<'v>(
        &mut self,
        node: &Node<'v>,
        at: At<'_>,
        value: &'v Value<'v>,
        old: Option<&'v Value<'v>>,
        ratchet: Ratchet<'v>,
    ) {
        let kind = node.schema.kind;
        if node.broken {
            let text = "rule compiler initialization error: failed to convert to declType for CEL \
                        validation rules";
            self.errors.push(invalid(at, kind, text));
            return;
        }
        if node.rules.is_empty() {
            return;
        }
        if self.budget.is_spent() {
            self.end(at, kind, OUT_OF_BUDGET);
            return;
        }
        // The schema lives as long as the process; values are looked at where they stand.
        let schema: &'v Schema = node.schema;
        let read = |value: &'v Value<'v>| match Val::typed(value, schema) {
            Ok(read) => read,
            Err(Fault::Error(message)) => Val::Failed(message),
            Err(_) => Val::Null,
        };
        let (value_read, old_read) = (read(value), old.map(read));
        for rule in &node.rules {
            if self.over {
                return;
            }
            if rule.uses_old && old.is_none() && !rule.source.optional_old_self {
                continue;
            }
            let old_read = match (&old_read, rule.source.optional_old_self) {
                (old, true) => Val::some_or_none(old.clone()),
                (Some(old), false) => old.clone(),
                (None, false) => Val::Null,
            };
            let values = [value_read.clone(), old_read];
            if self.holds(rule, at, kind, &values) {
                continue;
            }
            let detail = self.message(rule, at, kind, &values);
            if self.over || !rule.uses_old && ratchet.forgives() {
                continue;
            }
            self.errors.push(broken(rule, at, value, kind, &detail));
        }
    }

    /// True if the rule holds, or its error is told.
    fn holds(&mut self, rule: &Compiled<'_>, at: At<'_>, kind: &str, values: &[Val<'_>]) -> bool {
        let program = match &rule.program {
            Ok(program) => program,
            Err(error) => {
                self.errors.push(invalid(at, kind, &format!("rule compile error: {error}")));
                return true;
            }
        };
        match evaluate(program, values, &mut self.budget) {
            Ok(holds) => holds,
            Err(EvalError::Budget) => {
                self.end(at, kind, OUT_OF_BUDGET);
                true
            }
            Err(EvalError::Fault(Fault::Error(message))) => {
                let name = rule.name();
                let text = if message.starts_with("no such overload") {
                    format!(
                        "'{message}': call arguments did not match a supported operator, function \
                         or macro signature for rule: {name}"
                    )
                } else {
                    format!("{message} evaluating rule: {name}")
                };
                self.errors.push(invalid(at, kind, &text));
                true
            }
            Err(EvalError::Fault(_)) => {
                let text = format!(
                    "'operation cancelled: actual cost limit exceeded': no further validation \
                     rules will be run due to call cost exceeds limit for rule: {}",
                    rule.name()
                );
                self.end(at, kind, &text);
                true
            }
        }
    }

    /// What the rule says is wrong (`evalMessageExpression`).
    fn message(
        &mut self,
        rule: &Compiled<'_>,
        at: At<'_>,
        kind: &str,
        values: &[Val<'_>],
    ) -> String {
        let Some(program) = &rule.message else { return rule.default_message() };
        let source = &rule.source.message_expression;
        match message_text(program, values, &mut self.budget) {
            Ok(Some(text)) => text,
            Ok(None) => rule.default_message(),
            Err(EvalError::Budget) => {
                let text = "messageExpression evaluation failed due to running out of cost \
                            budget, no further validation rules will be run";
                self.end(at, kind, text);
                String::new()
            }
            Err(EvalError::Fault(_)) => {
                let text = format!(
                    "no further validation rules will be run due to call cost exceeds limit for \
                     messageExpression: {source:?}"
                );
                self.end(at, kind, &text);
                String::new()
            }
        }
    }

    fn end(&mut self, at: At<'_>, kind: &str, text: &str) {
        self.errors.push(invalid(at, kind, text));
        self.over = true;
    }
}

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

fn evaluate(program: &Program, values: &[Val<'_>], budget: &mut Budget) -> Result<bool, EvalError> {
    let result = program.eval(values, &NoAuthority, budget)?;
    Ok(matches!(result, Val::Bool(true)))
}

/// The text, if it is one that can be shown; the limits of cost are errors.
fn message_text(
    program: &Program,
    values: &[Val<'_>],
    budget: &mut Budget,
) -> Result<Option<String>, EvalError> {
    match program.eval(values, &NoAuthority, budget) {
        Ok(Val::Str(text)) => {
            let text = text.as_str().trim();
            let fits = !text.is_empty() && text.len() <= CEL_MESSAGE_BYTES_MAX;
            Ok((fits && !text.contains('\n')).then(|| text.to_owned()))
        }
        Ok(_) | Err(EvalError::Fault(Fault::Error(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

fn join<'p>(at: At<'p>, name: &'p str) -> Path<'p> {
    at.map_or_else(|| Path::root(name), |at| at.child(name))
}

fn field(at: At<'_>) -> String {
    at.map_or_else(|| "<nil>".to_owned(), Path::to_string)
}

fn invalid(at: At<'_>, kind: &str, detail: &str) -> FieldError {
    let body = format!("Invalid value: {kind:?}: {detail}");
    FieldError { kind: ErrorKind::Invalid, field: field(at), body }
}

/// The error of a rule that does not hold (`fieldErrorForReason`). Objects and lists are not shown.
fn broken(
    rule: &Compiled<'_>,
    at: At<'_>,
    value: &Value<'_>,
    kind: &str,
    detail: &str,
) -> FieldError {
    let mut shown = String::new();
    if !matches!(kind, "array" | "object") {
        shown.push_str(": ");
        value.show(&mut shown);
    }
    let (kind, shown, detail) = match &*rule.source.reason {
        "FieldValueForbidden" => (ErrorKind::Forbidden, "", detail),
        "FieldValueRequired" => (ErrorKind::Required, "", detail),
        "FieldValueDuplicate" => (ErrorKind::Duplicate, &*shown, ""),
        _ => (ErrorKind::Invalid, &*shown, detail),
    };
    let mut body = format!("{}{shown}", kind.text());
    if !detail.is_empty() {
        body.push_str(": ");
        body.push_str(detail);
    }
    let field = match (normal_path(&rule.source.field_path), at) {
        (path, _) if path.is_empty() => field(at),
        (path, None) => path,
        (path, Some(at)) => format!("{at}.{path}"),
    };
    FieldError { kind, field, body }
}

/// `.spec['a.b']` as upstream prints it behind a path: `spec[a.b]`, or `spec.name`.
fn normal_path(path: &str) -> String {
    let unquoted = path.replace("['", "[").replace("']", "]");
    unquoted.strip_prefix('.').map_or(unquoted.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::catalog::catalog;
    use crate::object::json_text;
    use crate::object::structural::Schema;
    use bumpalo::Bump;

    const SCHEMA: &str = r#"{"type":"object","properties":{"spec":{"type":"object",
        "x-kubernetes-validations":[
          {"rule":"self.min <= self.max","messageExpression":"'min is ' + string(self.min)",
           "fieldPath":".min","reason":"FieldValueForbidden"}],
        "properties":{
          "min":{"type":"integer"},"max":{"type":"integer"},
          "name":{"type":"string","x-kubernetes-validations":[
            {"rule":"self == oldSelf","message":"immutable"},
            {"rule":"!self.startsWith('x')"}]},
          "items":{"type":"array","x-kubernetes-list-type":"map",
            "x-kubernetes-list-map-keys":["k"],"items":{"type":"object",
            "properties":{"k":{"type":"string"},"v":{"type":"integer",
              "x-kubernetes-validations":[{"rule":"self >= oldSelf","message":"grow"}]}}}}}}}}"#;

    /// The errors of an object that has this `spec`, and had `old` before.
    fn errors(spec: &str, old: Option<&str>) -> Vec<String> {
        let arena = Bump::new();
        let parse = |text: &str| {
            let text = arena.alloc_str(&format!(r#"{{"kind":"W","spec":{text}}}"#));
            json_text::parse(text, &arena).expect("it is JSON")
        };
        let metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        let metadata = catalog().type_named(metadata).expect("it is known");
        let schema = json_text::parse(SCHEMA, &arena).expect("it is JSON");
        let schema: &'static Schema = Box::leak(Box::new(Schema::compile(&schema, metadata)));
        let (object, old) = (parse(spec), old.map(parse));
        let mut errors = Vec::new();
        check(&object, old.as_ref(), schema, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_broken_rule_tells_its_message_where_it_says() {
        let found = errors(r#"{"min":3,"max":2}"#, None);
        assert_eq!(found, ["spec.min: Forbidden: min is 3"]);
        let found = errors(r#"{"min":3}"#, None);
        let expected = "spec: Invalid value: \"object\": no such key: max evaluating rule: \
                        self.min <= self.max";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn transition_rules_compare_with_the_same_value_before() {
        let spec = r#"{"min":1,"max":2,"name":"a","items":[{"k":"a","v":3},{"k":"b","v":1}]}"#;
        assert!(errors(spec, None).is_empty());
        let changed = r#"{"min":1,"max":2,"name":"b","items":[{"k":"b","v":0},{"k":"a","v":4}]}"#;
        let expected = [
            "spec.name: Invalid value: \"b\": immutable",
            "spec.items[0].v: Invalid value: 0: grow",
        ];
        assert_eq!(errors(changed, Some(spec)), expected);
    }

    #[test]
    fn what_did_not_change_may_stay_wrong() {
        let old = r#"{"min":1,"max":2,"name":"xa"}"#;
        assert_eq!(errors(old, None).len(), 1);
        assert!(errors(r#"{"min":1,"max":3,"name":"xa"}"#, Some(old)).is_empty());
        assert_eq!(errors(r#"{"min":1,"max":3,"name":"xb"}"#, Some(old)).len(), 2);
    }
}
