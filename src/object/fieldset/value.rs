//! Values under their schema: the elements that name list items, the fields that a value sets, and
//! equality that does not see what JSON shows anyway.

use crate::object::fieldset::{Atom, Element, FieldSet, Node};
use crate::object::place::Place;
use crate::object::schema::{Field, ListKind};
use crate::object::structural::Constant;
use crate::object::{List, Map, Value};
use bumpalo::Bump;

impl<'a> FieldSet<'a> {
    /// Every leaf field and list item that `value` mentions (`typed.TypedValue.ToFieldSet`). Items
    /// that have no element (which `apply` refuses before) are left out.
    pub fn of_value(arena: &'a Bump, place: Place<'_>, value: &Value<'a>) -> Self {
        fields_of(arena, place, value).1
    }
}

/// Whether `value` itself is a field, and the fields below it.
fn fields_of<'a>(arena: &'a Bump, place: Place<'_>, value: &Value<'a>) -> (bool, FieldSet<'a>) {
    match value {
        Value::Map(_) if place.is_atomic_map() => (true, FieldSet::EMPTY),
        Value::Map(map) if place.holds_maps() => (false, map_fields(arena, place, map)),
        Value::List(list) if place.holds_lists() => match place.list_kind() {
            ListKind::Atomic => (true, FieldSet::EMPTY),
            ListKind::Map(_) | ListKind::Set => (false, list_fields(arena, place, list)),
        },
        Value::Null if place.holds_maps() => (place.is_atomic_map(), FieldSet::EMPTY),
        Value::Null if place.holds_lists() => {
            (place.list_kind() == ListKind::Atomic, FieldSet::EMPTY)
        }
        _ => (true, FieldSet::EMPTY),
    }
}

fn map_fields<'a>(arena: &'a Bump, place: Place<'_>, map: &Map<'a>) -> FieldSet<'a> {
    let mut nodes = Vec::with_capacity(map.len());
    for (key, value) in map.iter() {
        let (own, children) = fields_of(arena, place.member(key), value);
        let empty = matches!(value, Value::Null) || value.as_map().is_some_and(Map::is_empty);
        let member = own || empty || !place.declares(key);
        nodes.push(Node { element: Element::Field(key), member, children });
    }
    FieldSet::from_nodes(nodes, arena)
}

fn list_fields<'a>(arena: &'a Bump, place: Place<'_>, list: &List<'a>) -> FieldSet<'a> {
    let mut nodes: Vec<Node<'a>> = Vec::with_capacity(list.len());
    for item in list {
        if let Ok(element) = element_of(arena, place, item) {
            let (_, children) = fields_of(arena, place.item(), item);
            nodes.push(Node { element, member: true, children });
        }
    }
    // A repeated item is owned as one, without what is below it.
    nodes.sort_by_key(|node| node.element);
    nodes.dedup_by(|later, first| {
        let same = later.element == first.element;
        if same {
            first.children = FieldSet::EMPTY;
        }
        same
    });
    FieldSet::from_nodes(nodes, arena)
}

/// The element that names `item` in a list that merges (`listItemToPathElement`); the text says why
/// it has none.
pub(crate) fn element_of<'a>(
    arena: &'a Bump,
    list: Place<'_>,
    item: &Value<'a>,
) -> Result<Element<'a>, String> {
    let keys = match list.list_kind() {
        ListKind::Map(keys) => keys,
        ListKind::Set => {
            let what = match item {
                Value::Map(_) => "associative list without keys has an element that's a map type",
                Value::List(_) => "not supported: associative list with lists as elements",
                Value::Null => {
                    "associative list without keys has an element that's an explicit null"
                }
                scalar => {
                    return Atom::of(scalar)
                        .map(Element::Value)
                        .ok_or_else(|| String::from("not a scalar"));
                }
            };
            return Err(String::from(what));
        }
        ListKind::Atomic => return Err(String::from("invalid indexing of non-associative list")),
    };
    let map = match item {
        Value::Map(map) => map,
        Value::Null => {
            return Err(String::from("associative list with keys may not have a null element"));
        }
        _ => return Err(String::from("associative list with keys may not have non-map elements")),
    };
    let mut fields: Vec<(&'a str, Atom<'a>)> = Vec::with_capacity(keys.len());
    for name in keys {
        let given = map.get(name).map(|value| Atom::of(value).unwrap_or(Atom::Null));
        if let Some(atom) = given.or_else(|| key_default(list.item(), name)) {
            fields.push((name, atom));
        }
    }
    if fields.is_empty() {
        return Err(format!(
            "associative list with keys has an element that omits all key fields {} (and doesn't \
             have default values for any key fields)",
            quoted(keys)
        ));
    }
    fields.sort_unstable_by_key(|(name, _)| *name);
    Ok(Element::Key(arena.alloc_slice_copy(&fields)))
}

/// A list of strings as Go's `%q` prints it.
fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("[{}]", names.join(" "))
}

/// The value that OpenAPI gives a key field that is not set: its default, or the zero value of a
/// field that is always there.
fn key_default<'a>(item: Place<'_>, name: &str) -> Option<Atom<'a>> {
    let ty = match item {
        Place::Message(ty, _) => ty,
        Place::Custom(schema) => {
            return match schema.property(name)?.default.as_ref()? {
                Constant::Bool(flag) => Some(Atom::Bool(*flag)),
                Constant::Int(number) => Some(Atom::Int(*number)),
                Constant::Text(text) => Some(Atom::Str(text)),
                _ => None,
            };
        }
        _ => return None,
    };
    let field = ty.field(name)?;
    let text = field.default.or_else(|| field.absent.shown())?;
    Some(match text {
        "true" => Atom::Bool(true),
        "false" => Atom::Bool(false),
        _ => match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(text) => Atom::Str(text),
            None => Atom::Int(text.parse().ok()?),
        },
    })
}

/// The zero value of a field that JSON always shows; objects are empty, since what they show is in
/// turn in their own schema.
pub(super) fn zero_of<'e, 'a>(field: &Field, empty: &'e Value<'a>) -> Option<&'e Value<'a>> {
    Some(match field.absent.shown()? {
        "\"\"" => &Value::Str(""),
        "0" => &Value::Int(0),
        "false" => &Value::Bool(false),
        text if text.starts_with('{') => empty,
        _ => &Value::Null,
    })
}

/// True if the two values are the same object state: an always shown field that is missing on one
/// side equals its zero value.
pub(crate) fn is_same<'a>(place: Place<'_>, a: &Value<'a>, b: &Value<'a>) -> bool {
    same(place, a, b, false)
}

/// As [`is_same`], of Go structs: empty lists and maps that JSON leaves out are not there.
pub(crate) fn is_same_struct<'a>(place: Place<'_>, a: &Value<'a>, b: &Value<'a>) -> bool {
    same(place, a, b, true)
}

fn same<'a>(place: Place<'_>, a: &Value<'a>, b: &Value<'a>, typed: bool) -> bool {
    match (a, b) {
        (Value::Map(a), Value::Map(b)) => {
            let mut found = 0;
            for (at, (key, value)) in a.iter().enumerate() {
                // Objects of one schema mostly agree in order: try the same place first.
                let other = match b.entry_at(at) {
                    Some((k, v)) if k == key => Some(v),
                    _ => b.get(key),
                };
                let same = match other {
                    Some(other) => {
                        found += 1;
                        same(place.member(key), value, other, typed)
                    }
                    None => is_zero(place, key, value, typed),
                };
                if !same {
                    return false;
                }
            }
            let is_zero = |key, value| is_zero(place, key, value, typed);
            found == b.len()
                || b.iter().all(|(key, value)| a.get(key).is_some() || is_zero(key, value))
        }
        (Value::List(a), Value::List(b)) => {
            let place = place.item();
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(place, a, b, typed))
        }
        _ => a == b,
    }
}

/// True if `value` is what JSON shows for the field `key` when it is not set.
fn is_zero(place: Place<'_>, key: &str, value: &Value<'_>, typed: bool) -> bool {
    let Place::Message(ty, _) = place else { return false };
    let Some(field) = ty.field(key) else { return false };
    let Some(text) = field.absent.shown() else { return typed && field.omits(value) };
    match value {
        Value::Map(map) => {
            let below = Place::of_field(field);
            let is_zero = |(key, value)| is_zero(below, key, value, typed);
            text.starts_with('{') && map.iter().all(is_zero)
        }
        Value::Null => text == "null",
        Value::Int(0) => text == "0",
        Value::Bool(false) => text == "false",
        Value::Str(shown) => {
            text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(*shown)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{element_of, is_same};
    use crate::object::fieldset::FieldSet;
    use crate::object::fixture::{deployment, value};
    use crate::object::place::Place;
    use bumpalo::Bump;

    fn fields(text: &str) -> String {
        let arena = Bump::new();
        let mut out = String::new();
        let place = Place::root(Some(deployment()));
        FieldSet::of_value(&arena, place, &value(&arena, text)).push_json(&mut out);
        out
    }

    #[test]
    fn the_fields_of_a_config_are_its_leaves_and_items() {
        assert_eq!(
            fields(r#"{"metadata":{"name":"d","labels":{"l":"1"},"finalizers":["b","a"]}}"#),
            concat!(
                r#"{"f:metadata":{"f:finalizers":{"v:\"a\"":{},"v:\"b\"":{}},"#,
                r#""f:labels":{"f:l":{}},"f:name":{}}}"#
            )
        );
        let spec = r#"{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"},"containers":[
            {"name":"c","args":["x"],"ports":[{"containerPort":80}]}]}}}}"#;
        let expected = concat!(
            r#"{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"#,
            r#""f:args":{},"f:name":{},"f:ports":"#,
            r#"{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":"#,
            r#"{".":{},"f:containerPort":{}}}}},"f:nodeSelector":{}}}}}"#
        );
        assert_eq!(fields(spec), expected);
        assert_eq!(fields(r#"{"metadata":{"labels":{}}}"#), r#"{"f:metadata":{"f:labels":{}}}"#);
        assert_eq!(fields(r#"{"metadata":{"labels":null}}"#), r#"{"f:metadata":{"f:labels":{}}}"#);
        assert_eq!(fields(r#"{"metadata":{"finalizers":[]}}"#), "{}");
    }

    #[test]
    fn owner_references_are_items_that_are_whole_fields() {
        let text = r#"{"metadata":{"ownerReferences":[{"uid":"1","name":"p"}]}}"#;
        let expected = r#"{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"1\"}":{}}}}"#;
        assert_eq!(fields(text), expected);
    }

    #[test]
    fn items_without_any_key_have_no_element() {
        let arena = Bump::new();
        let root = Place::root(Some(deployment()));
        let env = root.member("metadata").member("ownerReferences");
        let error = element_of(&arena, env, &value(&arena, "{}")).expect_err("no key");
        let text = "associative list with keys has an element that omits all key fields [\"uid\"] \
                    (and doesn't have default values for any key fields)";
        assert_eq!(error, text);
    }

    #[test]
    fn what_json_shows_anyway_makes_no_difference() {
        let arena = Bump::new();
        let place = Place::root(Some(deployment()));
        let with = value(&arena, r#"{"status":{},"spec":{"replicas":1,"strategy":{}}}"#);
        let without = value(&arena, r#"{"spec":{"replicas":1}}"#);
        assert!(is_same(place, &with, &without) && is_same(place, &without, &with));
        let other = value(&arena, r#"{"spec":{"replicas":1},"status":{"observedGeneration":1}}"#);
        assert!(!is_same(place, &with, &other) && !is_same(place, &other, &with));
    }
}
