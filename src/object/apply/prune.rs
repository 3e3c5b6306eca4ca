//! Removing what a manager applied last time and applies no more (`Updater.prune`).

use crate::object::Value;
use crate::object::fieldset::{Element, FieldSet, Node, element_of};
use crate::object::place::Place;
use crate::object::schema::ListKind;
use crate::object::{List, Map};
use bumpalo::Bump;

/// Takes the fields of `last` that are not in `owned`, what all managers own now, out of `merged`.
///
/// A struct field counts as owned by who owns something inside, so it goes with its last owner.
/// Upstream finds the same fields by removing all of `last`, then adding back what is owned and
/// what was not in `last`.
pub(super) fn prune<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    merged: Value<'a>,
    last: FieldSet<'a>,
    owned: FieldSet<'a>,
) -> Value<'a> {
    let last = with_named_fields(arena, place, last);
    let owned = with_named_fields(arena, place, owned);
    let gone = last.difference(owned, arena);
    if gone.is_empty() { merged } else { remove(arena, place, &merged, gone) }
}

/// The set with every struct field that has something below it
/// (`Set.EnsureNamedFieldsAreMembers`).
fn with_named_fields<'a>(arena: &'a Bump, place: Place<'_>, set: FieldSet<'a>) -> FieldSet<'a> {
    let nodes = set.nodes().iter().map(|node| {
        let (named, below) = match node.element {
            Element::Field(name) => (place.declares(name), place.member(name)),
            Element::Key(_) => (false, place.item()),
            Element::Value(_) | Element::Index(_) => (false, Place::Unknown),
        };
        let member = node.member || named && !node.children.is_empty();
        Node { member, children: with_named_fields(arena, below, node.children), ..*node }
    });
    FieldSet::from_nodes(nodes.collect(), arena)
}

/// A copy without these fields; what becomes empty stays (`typed.TypedValue.RemoveItems`).
fn remove<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    value: &Value<'a>,
    gone: FieldSet<'a>,
) -> Value<'a> {
    match value {
        Value::Map(map) if place.holds_maps() => {
            let mut out = Map::with_capacity_in(map.len(), arena);
            if place.is_atomic_map() {
                return Value::Map(out);
            }
            for (key, value) in map.iter() {
                match gone.node(Element::Field(key)) {
                    Some(node) if node.member => {}
                    Some(node) => {
                        let left = remove(arena, place.member(key), value, node.children);
                        out.push_unique(key, left);
                    }
                    None => out.push_unique(key, value.share_in(arena)),
                }
            }
            Value::Map(out)
        }
        Value::List(list) if place.holds_lists() => {
            let mut out = List::with_capacity_in(list.len(), arena);
            if place.list_kind() == ListKind::Atomic {
                return Value::List(out);
            }
            for item in list {
                let element = element_of(arena, place, item).ok();
                match element.and_then(|element| gone.node(element)) {
                    Some(node) if node.member => {}
                    Some(node) => out.push(remove(arena, place.item(), item, node.children)),
                    None => out.push(item.share_in(arena)),
                }
            }
            Value::List(out)
        }
        other => other.share_in(arena),
    }
}
