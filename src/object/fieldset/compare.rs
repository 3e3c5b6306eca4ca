//! What changed from one object to another, as field sets (`typed.TypedValue.Compare`).

use crate::object::fieldset::value::{element_of, is_same, shown_fields, zero_of};
use crate::object::fieldset::{Element, FieldSet, Node};
use crate::object::place::Place;
use crate::object::schema::{ListKind, Type};
use crate::object::{Map, Value};
use bumpalo::Bump;

/// Fields that differ between an old and a new object; none is in two of the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes<'a> {
    /// Only the new object has them.
    pub added: FieldSet<'a>,
    /// Both have them, with other values.
    pub modified: FieldSet<'a>,
    /// Only the old object had them.
    pub removed: FieldSet<'a>,
}

impl<'a> Changes<'a> {
    /// True if the objects are the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// The three sets, each through `filter`.
    #[must_use]
    pub fn map(self, filter: impl Fn(FieldSet<'a>) -> FieldSet<'a>) -> Self {
        Self {
            added: filter(self.added),
            modified: filter(self.modified),
            removed: filter(self.removed),
        }
    }
}

/// An item of a list that merges cannot be named; the text says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadElement(pub String);

/// Compares two objects at `place`. Fields that JSON always shows count as there on both sides.
pub fn compare<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    old: &Value<'a>,
    new: &Value<'a>,
) -> Result<Changes<'a>, BadElement> {
    let empty = Value::map_in(arena);
    let walk = Walk { arena, empty: &empty };
    Ok(walk.compare(place, Some(old), Some(new))?.below)
}

/// The changes at one place.
#[derive(Debug, Clone, Copy, Default)]
struct Found<'a> {
    added: bool,
    modified: bool,
    removed: bool,
    below: Changes<'a>,
}

/// How a value at a place is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    List,
    Map,
    Scalar,
}

fn form(place: Place<'_>, value: &Value<'_>) -> Form {
    match place {
        Place::Message(..) | Place::Map(_) => Form::Map,
        Place::List(_) => Form::List,
        Place::Custom(_) if place.is_list() => Form::List,
        Place::Custom(_) => Form::Map,
        Place::Scalar(_) => Form::Scalar,
        Place::Any | Place::Unknown => match value {
            Value::Map(_) | Value::Null => Form::Map,
            Value::List(_) => Form::List,
            _ => Form::Scalar,
        },
    }
}

struct Walk<'a, 'e> {
    arena: &'a Bump,
    empty: &'e Value<'a>,
}

impl<'a> Walk<'a, '_> {
    fn compare(
        &self,
        place: Place<'_>,
        old: Option<&Value<'a>>,
        new: Option<&Value<'a>>,
    ) -> Result<Found<'a>, BadElement> {
        let (old_form, new_form) =
            (old.map(|value| form(place, value)), new.map(|value| form(place, value)));
        let (Some(one), Some(other)) = (old_form.or(new_form), new_form.or(old_form)) else {
            return Ok(Found::default());
        };
        if one == other {
            return self.walk(place, one, old, new);
        }
        // Only where nothing is known of a place can its form change: both forms are walked.
        let before = self.walk(place, one, old, new)?;
        let after = self.walk(place, other, old, new)?;
        let arena = self.arena;
        Ok(Found {
            added: before.added || after.added,
            modified: before.modified || after.modified,
            removed: before.removed || after.removed,
            below: Changes {
                added: before.below.added.union(after.below.added, arena),
                modified: before.below.modified.union(after.below.modified, arena),
                removed: before.below.removed.union(after.below.removed, arena),
            },
        })
    }

    fn walk(
        &self,
        place: Place<'_>,
        form: Form,
        old: Option<&Value<'a>>,
        new: Option<&Value<'a>>,
    ) -> Result<Found<'a>, BadElement> {
        let (atomic, empty) = match form {
            Form::Scalar => (true, true),
            Form::Map => {
                let empty = |value| is_empty_map(place, value);
                (place.is_atomic_map(), empty(old) && empty(new))
            }
            Form::List => {
                let empty = |value: Option<&Value<'_>>| items(value).is_empty();
                (place.list_kind() == ListKind::Atomic, empty(old) && empty(new))
            }
        };
        if atomic || empty {
            return Ok(leaf(place, old, new));
        }
        let mut nodes = Nodes::default();
        if form == Form::Map {
            self.members(place, old, new, &mut nodes)?;
        } else {
            self.items(place, items(old), items(new), &mut nodes)?;
        }
        Ok(Found {
            added: old.is_none(),
            modified: false,
            removed: new.is_none(),
            below: nodes.finish(self.arena),
        })
    }

    fn members(
        &self,
        place: Place<'_>,
        old: Option<&Value<'a>>,
        new: Option<&Value<'a>>,
        nodes: &mut Nodes<'a>,
    ) -> Result<(), BadElement> {
        let none = Map::new_in(self.arena);
        let ty = if let Place::Message(ty, _) = place { Some(ty) } else { None };
        let (old_map, new_map) = (
            old.and_then(Value::as_map).unwrap_or(&none),
            new.and_then(Value::as_map).unwrap_or(&none),
        );
        // A missing field reads as its zero value on a side that is there.
        let zero = |side: Option<&Value<'a>>, key: &str| {
            let field = ty.filter(|_| matches!(side, Some(Value::Map(_))))?.field(key)?;
            zero_of(field, self.empty)
        };
        let mut hint = 0;
        let mut found = 0;
        for (key, value) in old_map.iter() {
            let other = match new_map.entry_at(hint) {
                Some((k, v)) if k == key => Some(v),
                _ => new_map.get(key),
            };
            hint += usize::from(other.is_some());
            found += usize::from(other.is_some());
            // Most of an object does not change, and what is equal needs no schema.
            if other == Some(value) {
                continue;
            }
            let other = other.or_else(|| zero(new, key));
            nodes.push(Element::Field(key), self.compare(place.member(key), Some(value), other)?);
        }
        if found < new_map.len() {
            let mut hint = 0;
            for (key, value) in new_map.iter() {
                if old_map.entry_at(hint).is_some_and(|(k, _)| k == key) {
                    hint += 1;
                } else if old_map.get(key).is_none() {
                    let other = zero(old, key);
                    let found = self.compare(place.member(key), other, Some(value))?;
                    nodes.push(Element::Field(key), found);
                }
            }
        }
        match (ty, old, new) {
            (Some(ty), None, Some(_)) => self.shown(place, ty, new_map, false, nodes),
            (Some(ty), Some(_), None) => self.shown(place, ty, old_map, true, nodes),
            _ => Ok(()),
        }
    }

    /// The always shown fields of an object that stands on one side only.
    fn shown(
        &self,
        place: Place<'_>,
        ty: &Type,
        map: &Map<'a>,
        removed: bool,
        nodes: &mut Nodes<'a>,
    ) -> Result<(), BadElement> {
        for field in shown_fields(ty).filter(|field| map.get(field.name).is_none()) {
            let zero = zero_of(field, self.empty);
            let place = place.member(field.name);
            let found = if removed {
                self.compare(place, zero, None)?
            } else {
                self.compare(place, None, zero)?
            };
            nodes.push(Element::Field(field.name), found);
        }
        Ok(())
    }

    fn items(
        &self,
        place: Place<'_>,
        old: &[Value<'a>],
        new: &[Value<'a>],
        nodes: &mut Nodes<'a>,
    ) -> Result<(), BadElement> {
        let old = self.named(place, old)?;
        let new = self.named(place, new)?;
        let item = place.item();
        let (mut old, mut new) = (old.as_slice(), new.as_slice());
        loop {
            let Some(element) = smaller(old, new) else { return Ok(()) };
            let (old_run, new_run);
            (old_run, old) = take_run(old, element);
            (new_run, new) = take_run(new, element);
            match (old_run, new_run) {
                ([_, _, ..], [_, _, ..]) => {
                    // Repeated items are compared as if they were one field.
                    let same = old_run.len() == new_run.len()
                        && old_run.iter().zip(new_run).all(|(a, b)| is_same(item, a.1, b.1));
                    nodes.push(element, Found { modified: !same, ..Found::default() });
                }
                ([_, _, ..], _) => {
                    let mut found = match new_run.first() {
                        Some((_, value)) => self.compare(item, None, Some(value))?,
                        None => Found::default(),
                    };
                    found.removed = true;
                    nodes.push(element, found);
                }
                (_, [_, _, ..]) => {
                    let mut found = match old_run.first() {
                        Some((_, value)) => self.compare(item, Some(value), None)?,
                        None => Found::default(),
                    };
                    found.added = true;
                    nodes.push(element, found);
                }
                _ => {
                    let (old, new) = (old_run.first(), new_run.first());
                    let found = self.compare(item, old.map(|n| n.1), new.map(|n| n.1))?;
                    nodes.push(element, found);
                }
            }
        }
    }

    /// The items with the elements that name them, sorted; repeated ones keep their order.
    fn named<'v>(
        &self,
        place: Place<'_>,
        list: &'v [Value<'a>],
    ) -> Result<Vec<(Element<'a>, &'v Value<'a>)>, BadElement> {
        let mut named = Vec::with_capacity(list.len());
        for item in list {
            named.push((element_of(self.arena, place, item).map_err(BadElement)?, item));
        }
        if !named.is_sorted_by_key(|(element, _)| *element) {
            named.sort_by_key(|(element, _)| *element);
        }
        Ok(named)
    }
}

type NamedItem<'v, 'a> = (Element<'a>, &'v Value<'a>);

fn smaller<'a>(a: &[NamedItem<'_, 'a>], b: &[NamedItem<'_, 'a>]) -> Option<Element<'a>> {
    match (a.first(), b.first()) {
        (Some((a, _)), Some((b, _))) => Some(*a.min(b)),
        (one, other) => one.or(other).map(|(element, _)| *element),
    }
}

/// Splits off the leading items of `element`.
fn take_run<'n, 'v, 'a>(
    items: &'n [NamedItem<'v, 'a>],
    element: Element<'a>,
) -> (&'n [NamedItem<'v, 'a>], &'n [NamedItem<'v, 'a>]) {
    let length = items.iter().take_while(|(e, _)| *e == element).count();
    items.split_at_checked(length).unwrap_or((items, &[]))
}

fn leaf<'a>(place: Place<'_>, old: Option<&Value<'a>>, new: Option<&Value<'a>>) -> Found<'a> {
    let mut found = Found::default();
    match (old, new) {
        (None, _) => found.added = true,
        (_, None) => found.removed = true,
        (Some(old), Some(new)) => found.modified = !is_same(place, old, new),
    }
    found
}

fn items<'v, 'a>(value: Option<&'v Value<'a>>) -> &'v [Value<'a>] {
    value.and_then(Value::as_list).map_or(&[], |list| list.as_slice())
}

/// True for what has no members: nothing, null, another form, or an object that shows none.
fn is_empty_map(place: Place<'_>, value: Option<&Value<'_>>) -> bool {
    match value {
        Some(Value::Map(map)) => {
            let shows = matches!(place, Place::Message(ty, _) if shown_fields(ty).next().is_some());
            map.is_empty() && !shows
        }
        _ => true,
    }
}

#[derive(Debug, Default)]
struct Nodes<'a> {
    added: Vec<Node<'a>>,
    modified: Vec<Node<'a>>,
    removed: Vec<Node<'a>>,
}

impl<'a> Nodes<'a> {
    fn push(&mut self, element: Element<'a>, found: Found<'a>) {
        let lists = [
            (&mut self.added, found.added, found.below.added),
            (&mut self.modified, found.modified, found.below.modified),
            (&mut self.removed, found.removed, found.below.removed),
        ];
        for (list, member, children) in lists {
            if member || !children.is_empty() {
                list.push(Node { element, member, children });
            }
        }
    }

    fn finish(self, arena: &'a Bump) -> Changes<'a> {
        Changes {
            added: FieldSet::from_nodes(self.added, arena),
            modified: FieldSet::from_nodes(self.modified, arena),
            removed: FieldSet::from_nodes(self.removed, arena),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::object::fieldset::FieldSet;
    use crate::object::fixture::{deployment, value};
    use crate::object::place::Place;
    use bumpalo::Bump;

    fn changes(ty: bool, old: &str, new: &str) -> [String; 3] {
        let arena = Bump::new();
        let place = Place::root(ty.then(deployment));
        let (old, new) = (value(&arena, old), value(&arena, new));
        let found = compare(&arena, place, &old, &new).expect("keys");
        let text = |set: FieldSet<'_>| {
            let mut out = String::new();
            set.push_json(&mut out);
            out
        };
        [text(found.added), text(found.modified), text(found.removed)]
    }

    #[test]
    fn a_new_object_owns_what_it_adds() {
        let new = r#"{"metadata":{"name":"d","labels":{"a":"1"}},"spec":{"replicas":1,
            "template":{"spec":{"containers":[{"name":"c","env":[{"name":"e","value":"v"}]}]}}}}"#;
        let added = concat!(
            r#"{"f:metadata":{".":{},"f:labels":{".":{},"f:a":{}},"f:name":{}},"f:spec":{".":{},"#,
            r#""f:replicas":{},"f:strategy":{},"f:template":{".":{},"f:metadata":{},"#,
            r#""f:spec":{".":{},"f:containers":"#,
            r#"{".":{},"k:{\"name\":\"c\"}":{".":{},"f:env":{".":{},"#,
            r#""k:{\"name\":\"e\"}":{".":{},"f:name":{},"f:value":{}}},"f:name":{}}}}}}}"#
        );
        assert_eq!(changes(true, "{}", new), [added, "{}", "{}"]);
    }

    #[test]
    fn changed_and_removed_fields_are_told_apart() {
        let old = r#"{"metadata":{"labels":{"a":"1","b":"2"},"finalizers":["x","y"]}}"#;
        let new = r#"{"metadata":{"labels":{"b":"3","c":"4"},"finalizers":["y","z"]}}"#;
        assert_eq!(
            changes(true, old, new),
            [
                r#"{"f:metadata":{"f:finalizers":{"v:\"z\"":{}},"f:labels":{"f:c":{}}}}"#,
                r#"{"f:metadata":{"f:labels":{"f:b":{}}}}"#,
                r#"{"f:metadata":{"f:finalizers":{"v:\"x\"":{}},"f:labels":{"f:a":{}}}}"#,
            ]
        );
        let gone = r#"{"f:metadata":{"f:labels":{".":{},"f:a":{},"f:b":{}}}}"#;
        let new = r#"{"metadata":{"finalizers":["x","y"]}}"#;
        assert_eq!(changes(true, old, new), ["{}", "{}", gone]);
    }

    #[test]
    fn always_shown_fields_count_as_there() {
        assert_eq!(changes(true, r#"{"status":{}}"#, "{}"), ["{}", "{}", "{}"]);
        let status = r#"{"f:status":{"f:observedGeneration":{}}}"#;
        let new = r#"{"status":{"observedGeneration":1}}"#;
        assert_eq!(changes(true, "{}", new), [status, "{}", "{}"]);
    }

    #[test]
    fn items_change_by_key_and_repeated_ones_as_a_whole() {
        let wrap = |list: &str| format!(r#"{{"metadata":{{"finalizers":{list}}}}}"#);
        let set = |items: &str| format!(r#"{{"f:metadata":{{"f:finalizers":{{{items}}}}}}}"#);
        let found = changes(true, &wrap(r#"["a","a"]"#), &wrap(r#"["a"]"#));
        assert_eq!(found, [set(r#""v:\"a\"":{}"#), "{}".into(), set(r#""v:\"a\"":{}"#)]);
        let found = changes(true, &wrap(r#"["a","a","b"]"#), &wrap(r#"["b","a","a"]"#));
        assert_eq!(found, ["{}", "{}", "{}"]);
    }

    #[test]
    fn without_schema_maps_are_granular_and_lists_atomic() {
        let found = changes(false, r#"{"s":{"a":1,"l":[1]}}"#, r#"{"s":{"b":1,"l":[2]},"t":{}}"#);
        assert_eq!(
            found,
            [r#"{"f:s":{"f:b":{}},"f:t":{}}"#, r#"{"f:s":{"f:l":{}}}"#, r#"{"f:s":{"f:a":{}}}"#]
        );
        let found = changes(false, r#"{"s":{"a":1}}"#, r#"{"s":5}"#);
        assert_eq!(found, ["{}", r#"{"f:s":{}}"#, r#"{"f:s":{"f:a":{}}}"#]);
    }
}
