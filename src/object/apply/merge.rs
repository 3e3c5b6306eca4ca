//! Merging an applied configuration into the live object (`typed.TypedValue.Merge`): nothing is
//! removed, leaves of the configuration win, items of lists that merge keep a common order.

use crate::object::fieldset::{Element, element_of};
use crate::object::place::Place;
use crate::object::schema::ListKind;
use crate::object::{List, Map, Value};
use bumpalo::Bump;
use std::collections::{BTreeMap, BTreeSet};

/// The merged object; the text says which list item cannot be named.
pub(super) fn merge<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    live: &Value<'a>,
    config: &Value<'a>,
) -> Result<Value<'a>, String> {
    let is_map = |value: &Value<'_>| matches!(value, Value::Map(_) | Value::Null);
    let form = place.is_map() || (matches!(place, Place::Unknown) && is_map(config));
    if form && !place.is_atomic_map() {
        let (old, new) = (live.as_map(), config.as_map());
        return match (old.filter(|map| !map.is_empty()), new) {
            (Some(old), Some(new)) => merge_maps(arena, place, old, new),
            (Some(_), None) => Ok(live.share_in(arena)),
            (None, _) => Ok(config.share_in(arena)),
        };
    }
    if place.is_list() && place.list_kind() != ListKind::Atomic {
        let (old, new) = (live.as_list(), config.as_list());
        return match (old.filter(|list| !list.is_empty()), new) {
            (Some(old), Some(new)) => merge_lists(arena, place, old, new),
            (Some(_), None) => Ok(live.share_in(arena)),
            (None, _) => Ok(config.share_in(arena)),
        };
    }
    Ok(config.share_in(arena))
}

fn merge_maps<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    old: &Map<'a>,
    new: &Map<'a>,
) -> Result<Value<'a>, String> {
    let mut out = Map::with_capacity_in(old.len().max(new.len()), arena);
    for (key, value) in old.iter() {
        let merged = match new.get(key) {
            Some(change) => merge(arena, place.member(key), value, change)?,
            None => value.share_in(arena),
        };
        out.push_unique(key, merged);
    }
    for (key, value) in new.iter() {
        if old.get(key).is_none() {
            out.push_unique(key, value.share_in(arena));
        }
    }
    Ok(Value::Map(out))
}

/// The items of a list by element; an element that is there twice has no item to merge with.
type Index<'v, 'a> = BTreeMap<Element<'a>, Option<&'v Value<'a>>>;

fn index<'v, 'a>(
    arena: &'a Bump,
    place: Place<'_>,
    list: &'v List<'a>,
) -> Result<(Vec<Element<'a>>, Index<'v, 'a>), String> {
    let mut elements = Vec::with_capacity(list.len());
    let mut items: Index<'v, 'a> = BTreeMap::new();
    for (at, item) in list.iter().enumerate() {
        let element =
            element_of(arena, place, item).map_err(|text| format!("element {at}: {text}"))?;
        elements.push(element);
        items.entry(element).and_modify(|known| *known = None).or_insert(Some(item));
    }
    Ok((elements, items))
}

/// Joins two lists: items of both stand in the order of the configuration, items of one between
/// their neighbours (`mergingWalker.visitListItems`).
fn merge_lists<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    old: &List<'a>,
    new: &List<'a>,
) -> Result<Value<'a>, String> {
    let (old_elements, old_items) = index(arena, place, old)?;
    let (new_elements, new_items) = index(arena, place, new)?;
    let shared = |element: &&Element<'a>| old_items.contains_key(*element);
    let mut order = new_elements.iter().filter(shared);
    let mut next_shared = order.next();
    let mut taken: BTreeSet<Element<'a>> = BTreeSet::new();
    let mut out = List::with_capacity_in(old.len().max(new.len()), arena);
    let item = place.item();
    let joined = |element: &Element<'a>| -> Result<Value<'a>, String> {
        let new = new_items.get(element).copied().flatten().unwrap_or(&Value::Null);
        match old_items.get(element).copied().flatten() {
            Some(old) => merge(arena, item, old, new),
            None => Ok(new.share_in(arena)),
        }
    };
    let (mut o, mut n) = (0, 0);
    loop {
        let old_element = old_elements.get(o);
        let new_element = new_elements.get(n);
        if old_element.is_none() && new_element.is_none() {
            return Ok(Value::List(out));
        }
        if let (Some(a), Some(b)) = (old_element, new_element) {
            if a == b {
                taken.insert(*a);
                out.push(joined(a)?);
                (o, n) = (o + 1, n + 1);
                next_shared = order.next();
                continue;
            }
            if new_items.contains_key(a) && next_shared.is_some_and(|next| next != a) {
                // Shared, but not the one whose turn it is.
                o += 1;
                continue;
            }
        }
        if let Some(a) = old_element {
            if !new_items.contains_key(a) {
                out.extend(old.get(o).map(|item| item.share_in(arena)));
                o += 1;
                continue;
            }
            if taken.contains(a) {
                o += 1;
            }
        }
        if let Some(b) = new_element {
            taken.insert(*b);
            out.push(joined(b)?);
            n += 1;
            if next_shared == Some(b) {
                next_shared = order.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::object::field::Shown as _;
    use crate::object::fixture::{deployment, value};
    use crate::object::place::Place;
    use bumpalo::Bump;
    use proptest::prelude::{prop, prop_assert_eq, proptest};
    use std::collections::BTreeSet;

    fn merged(live: &str, config: &str) -> String {
        let arena = Bump::new();
        let place = Place::root(Some(deployment()));
        let (live, config) = (value(&arena, live), value(&arena, config));
        let mut out = String::new();
        (&merge(&arena, place, &live, &config).expect("merged")).show(&mut out);
        out
    }

    fn finalizers(live: &str, config: &str) -> String {
        let wrap = |list: &str| format!(r#"{{"metadata":{{"finalizers":{list}}}}}"#);
        let out = merged(&wrap(live), &wrap(config));
        out[26..out.len() - 2].to_owned()
    }

    #[test]
    fn leaves_of_the_config_win_and_nothing_is_removed() {
        let live = r#"{"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"replicas":1}}"#;
        let config = r#"{"metadata":{"labels":{"b":"3","c":"4"}},"status":{}}"#;
        assert_eq!(
            merged(live, config),
            r#"{"metadata":{"labels":{"a":"1","b":"3","c":"4"}},"spec":{"replicas":1},"status":{}}"#
        );
        let null = r#"{"metadata":{"labels":null},"spec":{"replicas":null}}"#;
        let kept = r#"{"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"replicas":null}}"#;
        assert_eq!(merged(live, null), kept);
    }

    #[test]
    fn lists_take_the_order_of_the_config_and_keep_other_items_in_place() {
        assert_eq!(finalizers(r#"["x"]"#, r#"["y"]"#), r#"["x","y"]"#);
        assert_eq!(finalizers(r#"["a","b","c"]"#, r#"["c","a"]"#), r#"["b","c","a"]"#);
        assert_eq!(finalizers(r#"["a","b"]"#, r#"["b","n","a"]"#), r#"["b","n","a"]"#);
        assert_eq!(finalizers(r#"["s","a"]"#, r#"["n","a"]"#), r#"["s","n","a"]"#);
        assert_eq!(finalizers(r#"["a","a","b"]"#, r#"["b"]"#), r#"["a","a","b"]"#);
    }

    #[test]
    fn atomic_maps_and_lists_are_replaced() {
        let wrap = |spec: &str| format!(r#"{{"spec":{{"template":{{"spec":{{{spec}}}}}}}}}"#);
        let live = wrap(r#""nodeSelector":{"a":"1"},"containers":[{"name":"c","args":["x"]}]"#);
        let config = wrap(r#""nodeSelector":{"b":"2"},"containers":[{"name":"c","args":["y"]}]"#);
        assert_eq!(merged(&live, &config), config);
    }

    proptest! {
        #[test]
        fn every_item_of_both_lists_is_there_once(
            live in prop::collection::btree_set("[a-f]", 0..6),
            config in prop::collection::btree_set("[a-f]", 0..6),
            turn in 0usize..6,
        ) {
            let mut config: Vec<_> = config.into_iter().collect();
            let turn = turn % config.len().max(1);
            config.rotate_left(turn);
            let text = |list: Vec<String>| format!("[\"{}\"]", list.join("\",\""));
            if !live.is_empty() && !config.is_empty() {
                let all: BTreeSet<_> = live.iter().chain(&config).cloned().collect();
                let live: Vec<_> = live.into_iter().collect();
                let out = finalizers(&text(live), &text(config));
                let out: Vec<_> = out.chars().filter(|c| c.is_alphabetic()).collect();
                let found: BTreeSet<_> = out.iter().map(ToString::to_string).collect();
                prop_assert_eq!(out.len(), found.len());
                prop_assert_eq!(found, all);
            }
        }
    }
}
