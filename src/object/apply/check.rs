//! What an applied configuration must be before it can be merged (`typed.TypedValue.Validate`):
//! fields that the schema has, values of the right form, list items that can be told apart.

use crate::object::fieldset::{Element, Steps, element_of};
use crate::object::go_text::GoText;
use crate::object::place::Place;
use crate::object::schema::{ListKind, Scalar};
use crate::object::{List, Map, Value};
use bumpalo::Bump;
use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;

/// Everything that is wrong, as upstream joins it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Errors(Vec<String>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0.as_slice() {
            return f.write_str(one);
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// Checks a configuration at `place`.
pub(super) fn check<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    config: &Value<'a>,
) -> Result<(), Errors> {
    let mut walk = Walk { arena, errors: Vec::new() };
    walk.value(place, config, None);
    if walk.errors.is_empty() { Ok(()) } else { Err(Errors(walk.errors)) }
}

struct Walk<'a> {
    arena: &'a Bump,
    errors: Vec<String>,
}

type Above<'p, 'a> = Option<&'p Steps<'p, 'a>>;

impl<'a> Walk<'a> {
    fn tell(&mut self, above: Above<'_, 'a>, text: &str) {
        let mut error = String::new();
        if let Some(path) = above {
            let _ = write!(error, "{path}: ");
        }
        error.push_str(text);
        self.errors.push(error);
    }

    fn value(&mut self, place: Place<'_>, value: &Value<'a>, above: Above<'_, 'a>) {
        match (place, value) {
            (_, Value::Null) | (Place::Any, _) => {}
            (place, Value::Map(map)) if place.holds_maps() => self.members(place, map, above),
            (place, Value::List(list)) if place.holds_lists() => self.items(place, list, above),
            (place, other) if place.is_map() => {
                self.tell(above, &format!("expected map, got &{{{}}}", GoText(other)));
            }
            (place, other) if place.is_list() => {
                self.tell(above, &format!("expected list, got &{{{}}}", GoText(other)));
            }
            (Place::Scalar(scalar), value) => {
                if let Some(text) = wrong_scalar(scalar, value) {
                    self.tell(above, &text);
                }
            }
            _ => {}
        }
    }

    fn members(&mut self, place: Place<'_>, map: &Map<'a>, above: Above<'_, 'a>) {
        for (key, value) in map.iter() {
            let steps = Steps { above, element: Element::Field(key) };
            if place.refuses(key) {
                // Upstream stops at the first of them.
                self.tell(Some(&steps), "field not declared in schema");
                return;
            }
            self.value(place.member(key), value, Some(&steps));
        }
    }

    fn items(&mut self, place: Place<'_>, list: &List<'a>, above: Above<'_, 'a>) {
        let mut seen: BTreeSet<Element<'a>> = BTreeSet::new();
        let atomic = place.list_kind() == ListKind::Atomic;
        for (at, item) in list.iter().enumerate() {
            let element = if atomic {
                Element::Index(i64::try_from(at).unwrap_or(i64::MAX))
            } else {
                match element_of(self.arena, place, item) {
                    Ok(element) => element,
                    Err(text) => {
                        self.tell(above, &format!("element {at}: {text}"));
                        return;
                    }
                }
            };
            if !seen.insert(element) {
                self.tell(above, &format!("duplicate entries for key {element}"));
            }
            self.value(place.item(), item, Some(&Steps { above, element }));
        }
    }
}

/// What is wrong with a scalar (`validateScalar`).
fn wrong_scalar(scalar: Scalar, value: &Value<'_>) -> Option<String> {
    match scalar {
        Scalar::Bool => (!matches!(value, Value::Bool(_)))
            .then(|| format!("expected boolean, got &{{{}}}", GoText(value))),
        Scalar::Float64 | Scalar::Int32 | Scalar::Int64 => {
            let found = match value {
                Value::Int(_) | Value::Float(_) | Value::Null => return None,
                Value::Bool(_) => "bool",
                Value::Str(_) | Value::Raw(_) => "string",
                Value::List(_) => "[]interface {}",
                Value::Map(_) => "map[string]interface {}",
            };
            Some(format!("expected numeric (int or float), got {found}"))
        }
        Scalar::Bytes | Scalar::Duration | Scalar::String => {
            if matches!(value, Value::Str(_)) {
                return None;
            }
            let mut text = String::new();
            push_go_syntax(&mut text, value);
            Some(format!("expected string, got &value.valueUnstructured{{Value:{text}}}"))
        }
        Scalar::IntOrString | Scalar::MicroTime | Scalar::Quantity | Scalar::Time => {
            let scalar =
                matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_));
            (!scalar).then(|| format!("expected any scalar, got &{{{}}}", GoText(value)))
        }
        Scalar::FieldsV1 | Scalar::Json | Scalar::RawExtension => None,
    }
}

/// A value as Go's `%#v` prints it.
fn push_go_syntax(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Str(text) => {
            let _ = write!(out, "{text:?}");
        }
        Value::List(list) => {
            out.push_str("[]interface {}{");
            for (at, item) in list.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                push_go_syntax(out, item);
            }
            out.push('}');
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push_str("map[string]interface {}{");
            for (at, (key, value)) in entries.into_iter().enumerate() {
                let _ = write!(out, "{}{key:?}:", if at > 0 { ", " } else { "" });
                push_go_syntax(out, value);
            }
            out.push('}');
        }
        Value::Null => out.push_str("interface {}(nil)"),
        other => {
            let _ = write!(out, "{}", GoText(other));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::object::fixture::{deployment, value};
    use crate::object::place::Place;
    use bumpalo::Bump;

    fn refused(config: &str) -> String {
        let arena = Bump::new();
        let config = value(&arena, config);
        match check(&arena, Place::root(Some(deployment())), &config) {
            Ok(()) => String::new(),
            Err(errors) => errors.to_string(),
        }
    }

    #[test]
    fn errors_read_as_upstream_words_them() {
        let cases = [
            (r#"{"bogus":1}"#, ".bogus: field not declared in schema"),
            (
                r#"{"metadata":{"finalizers":["a","a"]}}"#,
                ".metadata.finalizers: duplicate entries for key [=\"a\"]",
            ),
            (
                r#"{"metadata":{"finalizers":"str"}}"#,
                ".metadata.finalizers: expected list, got &{str}",
            ),
            (
                r#"{"metadata":{"ownerReferences":[{"name":"x"}]}}"#,
                ".metadata.ownerReferences: element 0: associative list with keys has an element \
                 that omits all key fields [\"uid\"] (and doesn't have default values for any key \
                 fields)",
            ),
            (
                r#"{"metadata":{"ownerReferences":[{"uid":"1"},{"uid":"1"}]}}"#,
                ".metadata.ownerReferences: duplicate entries for key [uid=\"1\"]",
            ),
            (
                r#"{"spec":{"replicas":"x"}}"#,
                ".spec.replicas: expected numeric (int or float), got string",
            ),
            (r#"{"spec":[1]}"#, ".spec: expected map, got &{[1]}"),
            (
                r#"{"metadata":{"name":5,"labels":{"a":["x"]}}}"#,
                "errors:\n  .metadata.name: expected string, got &value.valueUnstructured{Value:5}\
                 \n  .metadata.labels.a: expected string, got \
                 &value.valueUnstructured{Value:[]interface {}{\"x\"}}",
            ),
            (
                r#"{"spec":{"template":{"spec":{"containers":[{"name":"c","args":["x",1]}]}}}}"#,
                ".spec.template.spec.containers[name=\"c\"].args[1]: expected string, got \
                 &value.valueUnstructured{Value:1}",
            ),
            (r#"{"metadata":{"labels":null,"name":null},"spec":null}"#, ""),
        ];
        for (config, message) in cases {
            assert_eq!(refused(config), message, "{config}");
        }
    }
}
