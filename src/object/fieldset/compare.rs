//! What changed from one object to another, as field sets (`typed.TypedValue.Compare`).

use crate::object::fieldset::value::{element_of, is_same, is_same_struct, zero_of};
use crate::object::fieldset::{Element, FieldSet, Node};
use crate::object::place::Place;
use crate::object::schema::{ListKind, Type};
use crate::object::{Map, Value};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

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
    let walk = Walk { arena, empty: &empty, typed: false };
    Ok(walk.compare(place, Some(old), Some(new))?.below)
}

/// As [`compare`], of Go structs: empty lists and maps that JSON leaves out are not there
/// (`value.FieldCacheEntry.CanOmit`). What is applied has them, for it is no struct.
pub fn compare_structs<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    old: &Value<'a>,
    new: &Value<'a>,
) -> Result<Changes<'a>, BadElement> {
    let empty = Value::map_in(arena);
    let walk = Walk { arena, empty: &empty, typed: true };
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

/// The rank of a member that the type does not know: custom resources have some.
const UNRANKED: u16 = u16::MAX;

struct Walk<'a, 'e> {
    arena: &'a Bump,
    empty: &'e Value<'a>,
    /// Whether values are Go structs, which do not have what JSON omits.
    typed: bool,
}

impl<'a> Walk<'a, '_> {
    fn compare(
        &self,
        place: Place<'_>,
        old: Option<&Value<'a>>,
        new: Option<&Value<'a>>,
    ) -> Result<Found<'a>, BadElement> {
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) => (old, new),
            (None, None) => return Ok(Found::default()),
            (None, Some(new)) => {
                let below = Changes { added: self.all_below(place, new)?, ..Changes::default() };
                return Ok(Found { added: true, below, ..Found::default() });
            }
            (Some(old), None) => {
                let below = Changes { removed: self.all_below(place, old)?, ..Changes::default() };
                return Ok(Found { removed: true, below, ..Found::default() });
            }
        };
        let (one, other) = (form(place, old), form(place, new));
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

    /// Whether a place is one field whatever is in it, or holds nothing that could be one.
    fn is_leaf(place: Place<'_>, form: Form, is_empty: impl Fn(Form) -> bool) -> bool {
        match form {
            Form::Scalar => true,
            Form::Map => place.is_atomic_map() || is_empty(form),
            Form::List => place.list_kind() == ListKind::Atomic || is_empty(form),
        }
    }

    /// All fields below a value that stands on one side only.
    fn all_below(&self, place: Place<'_>, value: &Value<'a>) -> Result<FieldSet<'a>, BadElement> {
        let form = form(place, value);
        if Self::is_leaf(place, form, |form| is_empty(place, form, value)) {
            return Ok(FieldSet::EMPTY);
        }
        if form == Form::Map {
            return match value.as_map() {
                Some(map) => self.members_below(place, map),
                None => Ok(FieldSet::EMPTY),
            };
        }
        let (named, item) = (self.named(place, items(value))?, place.item());
        let mut nodes = Vec::with_capacity(named.len());
        let mut rest = named.as_slice();
        while let Some((element, value)) = rest.first() {
            let (run, others) = take_run(rest, *element);
            // A repeated item is one field.
            let is_one = run.len() == 1;
            let children = if is_one { self.all_below(item, value)? } else { FieldSet::EMPTY };
            nodes.push(Node { element: *element, member: true, children });
            rest = others;
        }
        Ok(FieldSet::from_nodes(nodes, self.arena))
    }

    /// All fields of a map that stands on one side only. What the schema knows of a message's
    /// fields is looked up once for each, the order of their names with it.
    fn members_below(&self, place: Place<'_>, map: &Map<'a>) -> Result<FieldSet<'a>, BadElement> {
        let node = |name, children| Node { element: Element::Field(name), member: true, children };
        let Place::Message(ty, _) = place else {
            let mut nodes = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                nodes.push(node(key, self.all_below(place.member(key), value)?));
            }
            return Ok(FieldSet::from_nodes(nodes, self.arena));
        };
        let rank = |index: u16| ty.ranks.get(usize::from(index)).copied().unwrap_or(UNRANKED);
        let mut nodes = BumpVec::with_capacity_in(map.len() + ty.shown.len(), self.arena);
        let mut there = 0u64;
        for (key, value) in map.iter() {
            let index = ty.index_of(key);
            let below = match index.and_then(|index| ty.fields.get(usize::from(index))) {
                Some(field) if self.typed && field.omits(value) => continue,
                Some(field) => Place::of_field(field),
                None => place.member(key),
            };
            there |= index.and_then(|index| 1u64.checked_shl(index.into())).unwrap_or(0);
            let rank = index.map_or(UNRANKED, rank);
            nodes.push((rank, node(key, self.all_below(below, value)?)));
        }
        for index in &ty.shown {
            let Some(field) = ty.fields.get(usize::from(*index)) else { continue };
            let is_there = match 1u64.checked_shl((*index).into()) {
                Some(bit) => there & bit != 0,
                None => map.get(field.name).is_some(),
            };
            if let Some(zero) = zero_of(field, self.empty).filter(|_| !is_there) {
                let below = self.all_below(Place::of_field(field), zero)?;
                nodes.push((rank(*index), node(field.name, below)));
            }
        }
        if nodes.iter().all(|(rank, _)| *rank != UNRANKED) {
            nodes.sort_unstable_by_key(|(rank, _)| *rank);
        } else {
            nodes.sort_unstable_by_key(|(_, node)| node.element);
        }
        let nodes = nodes.iter().map(|(_, node)| *node);
        Ok(FieldSet::of_sorted(self.arena.alloc_slice_fill_iter(nodes)))
    }

    fn walk(
        &self,
        place: Place<'_>,
        form: Form,
        old: &Value<'a>,
        new: &Value<'a>,
    ) -> Result<Found<'a>, BadElement> {
        let none = |form| is_empty(place, form, old) && is_empty(place, form, new);
        if Self::is_leaf(place, form, none) {
            return Ok(Found { modified: !self.is_same(place, old, new), ..Found::default() });
        }
        let mut nodes = Nodes::default();
        if form == Form::Map {
            self.members(place, old, new, &mut nodes)?;
        } else {
            self.items(place, items(old), items(new), &mut nodes)?;
        }
        Ok(Found { below: nodes.finish(self.arena), ..Found::default() })
    }

    fn members(
        &self,
        place: Place<'_>,
        old: &Value<'a>,
        new: &Value<'a>,
        nodes: &mut Nodes<'a>,
    ) -> Result<(), BadElement> {
        let none = Map::new_in(self.arena);
        let ty = if let Place::Message(ty, _) = place { Some(ty) } else { None };
        let (old_map, new_map) = (old.as_map().unwrap_or(&none), new.as_map().unwrap_or(&none));
        // A missing field reads as its zero value on a side that is there.
        let zero = |side: &Value<'a>, key: &str| {
            let field = ty.filter(|_| matches!(side, Value::Map(_)))?.field(key)?;
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
            let other = other.filter(|other| !self.omits(ty, key, other));
            let other = other.or_else(|| zero(new, key));
            nodes.push(Element::Field(key), self.compare(place.member(key), Some(value), other)?);
        }
        if found < new_map.len() {
            let mut hint = 0;
            for (key, value) in new_map.iter() {
                if old_map.entry_at(hint).is_some_and(|(k, _)| k == key) {
                    hint += 1;
                } else if old_map.get(key).is_none() && !self.omits(ty, key, value) {
                    let other = zero(old, key);
                    let found = self.compare(place.member(key), other, Some(value))?;
                    nodes.push(Element::Field(key), found);
                }
            }
        }
        Ok(())
    }

    fn is_same(&self, place: Place<'_>, old: &Value<'a>, new: &Value<'a>) -> bool {
        if self.typed { is_same_struct(place, old, new) } else { is_same(place, old, new) }
    }

    /// True if the member counts as missing.
    fn omits(&self, ty: Option<&Type>, key: &str, value: &Value<'a>) -> bool {
        self.typed && ty.and_then(|ty| ty.field(key)).is_some_and(|field| field.omits(value))
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
                        && old_run.iter().zip(new_run).all(|(a, b)| self.is_same(item, a.1, b.1));
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

fn items<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    value.as_list().map_or(&[], |list| list.as_slice())
}

/// True for what holds nothing: no members or items, null, another form. An object of a type that
/// always shows fields is never empty.
fn is_empty(place: Place<'_>, form: Form, value: &Value<'_>) -> bool {
    match value {
        Value::Map(map) if form == Form::Map => {
            let shows = matches!(place, Place::Message(ty, _) if !ty.shown.is_empty());
            map.is_empty() && !shows
        }
        Value::List(list) if form == Form::List => list.is_empty(),
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
