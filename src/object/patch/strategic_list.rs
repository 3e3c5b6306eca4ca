//! Lists under strategic merge patch: elements are found by merge key or by value, and the result
//! is ordered by the patch, then by the live list (`mergeSlice`, `normalizeElementOrder`).

use crate::base::hash::HashMap;
use crate::object::go_text::GoText;
use crate::object::patch::PatchError;
use crate::object::patch::strategic::{DIRECTIVE, bad_arg_type, bad_patch_type, merge_map};
use crate::object::place::Place;
use crate::object::scalar_key::{Ranks, ScalarKey};
use crate::object::{List, Value};
use bumpalo::Bump;
use std::mem;

/// What the elements are, and the member that names them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'t> {
    pub(super) place: Place<'t>,
    pub(super) key: Option<&'t str>,
}

/// What kind of elements a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementKind {
    Map,
    Scalar,
}

/// Where elements stand in the patch and in the live list.
#[derive(Debug)]
pub(super) struct Order<'a> {
    patch: Ranks<'a>,
    server: Ranks<'a>,
}

/// The order that `patch` and `server` give.
pub(super) fn ranks<'a>(
    named: Named<'_>,
    patch: &[Value<'a>],
    server: &[Value<'a>],
) -> Result<Order<'a>, PatchError> {
    if named.key.is_some() {
        patch.iter().chain(server).try_for_each(|item| check_key(named, item))?;
    }
    Ok(Order { patch: Ranks::new(patch, named.key), server: Ranks::new(server, named.key) })
}

/// The one kind that all elements of both lists have (`sliceElementType`).
pub(super) fn element_kind(
    named: Named<'_>,
    old: &[Value<'_>],
    patch: &[Value<'_>],
) -> Result<ElementKind, PatchError> {
    let mut all = old.iter().chain(patch);
    let Some(first) = all.next() else {
        return Err(PatchError::Plain(String::from("no elements in any of the given slices")));
    };
    if matches!(first, Value::List(_)) {
        return Err(PatchError::Rejected(String::from("lists of lists are not supported")));
    }
    let kind = mem::discriminant(first);
    if first.is_null() || all.any(|item| mem::discriminant(item) != kind) {
        let show = |list: &[Value<'_>]| {
            let items: Vec<_> = list.iter().map(|item| GoText(item).to_string()).collect();
            items.join(" ")
        };
        let arena = Bump::new();
        let live: Vec<_> = old.iter().map(|item| item.copy_in(&arena)).collect();
        let live: Vec<_> = live.into_iter().map(|item| as_shown(named.place, item)).collect();
        let lists = format!("[[{}] [{}]]", show(&live), show(patch));
        let text = "list element types are not identical:";
        return Err(PatchError::Plain(format!("{text} {lists}")));
    }
    Ok(if matches!(first, Value::Map(_)) { ElementKind::Map } else { ElementKind::Scalar })
}

/// A value of the live object as upstream's tree has it: with the fields that JSON always shows.
fn as_shown<'a>(place: Place<'_>, value: Value<'a>) -> Value<'a> {
    let mut value = value;
    match &mut value {
        Value::Map(map) => {
            let arena = map.arena();
            for (key, member) in map.iter_mut() {
                *member = as_shown(place.member(key), mem::replace(member, Value::Null));
            }
            if let Place::Message(ty, _) = place {
                for field in &ty.fields {
                    if map.get(field.name).is_none()
                        && let Some(zero) = place.shown(field.name, arena)
                    {
                        map.push_unique(field.name, zero);
                    }
                }
            }
        }
        Value::List(list) => {
            for item in list.iter_mut() {
                *item = as_shown(place.item(), mem::replace(item, Value::Null));
            }
        }
        _ => {}
    }
    value
}

/// `old` without the elements that `listed` has.
pub(super) fn delete<'a>(
    arena: &'a Bump,
    named: Named<'_>,
    mut old: List<'a>,
    listed: List<'a>,
) -> Result<List<'a>, PatchError> {
    if old.is_empty() && listed.is_empty() {
        return Ok(old);
    }
    if element_kind(named, &old, &listed)? == ElementKind::Map {
        return merge(arena, named, old, listed);
    }
    let listed = Ranks::new(&listed, None);
    old.retain(|item| ScalarKey::of(item).is_none_or(|key| listed.get(key).is_none()));
    Ok(old)
}

/// `old` with the elements of `patch` merged in, in the order that the two give.
pub(super) fn merge<'a>(
    arena: &'a Bump,
    named: Named<'_>,
    mut old: List<'a>,
    patch: List<'a>,
) -> Result<List<'a>, PatchError> {
    if old.is_empty() && patch.is_empty() {
        return Ok(old);
    }
    if element_kind(named, &old, &patch)? == ElementKind::Scalar {
        if let (Some(_), Some(item)) = (named.key, old.first().or(patch.first())) {
            return Err(bad_arg_type("map[string]interface {}", item));
        }
        let order = ranks(named, &patch, &old)?;
        old.extend(patch);
        let mut seen: HashMap<ScalarKey<'a>, ()> = HashMap::default();
        old.retain(|item| ScalarKey::of(item).is_none_or(|key| seen.insert(key, ()).is_none()));
        return arrange(arena, named, old, &order);
    }
    let Some(key) = named.key else {
        let text = "cannot merge lists without merge key for struct";
        return Err(PatchError::Plain(String::from(text)));
    };
    let patch = take_special(key, &mut old, patch, arena)?;
    let order = ranks(named, &patch, &old)?;
    merge_elements(arena, named, &mut old, patch)?;
    arrange(arena, named, old, &order)
}

/// Does what elements with a `$patch` directive say, and gives the others. After `replace` the
/// others are the whole list (`mergeSliceWithSpecialElements`).
fn take_special<'a>(
    key: &str,
    old: &mut List<'a>,
    patch: List<'a>,
    arena: &'a Bump,
) -> Result<List<'a>, PatchError> {
    let mut others = List::with_capacity_in(patch.len(), arena);
    let mut deleted: HashMap<ScalarKey<'a>, ()> = HashMap::default();
    let mut replace = false;
    for item in patch {
        let Value::Map(map) = item else { continue };
        match map.get(DIRECTIVE) {
            None => others.push(Value::Map(map)),
            Some(Value::Str("replace")) => replace = true,
            Some(Value::Str("delete")) => match map.get(key) {
                Some(value) => {
                    deleted.extend(ScalarKey::of(value).map(|key| (key, ())));
                }
                None => return Err(no_merge_key(&Value::Map(map), key)),
            },
            Some(Value::Str("merge")) => {
                let text = "merging lists cannot yet be specified in the patch";
                return Err(PatchError::Plain(String::from(text)));
            }
            Some(other) => return Err(bad_patch_type(&GoText(other).to_string(), map)),
        }
    }
    if replace {
        *old = others;
        return Ok(List::new_in(arena));
    }
    if !deleted.is_empty() {
        old.retain(|item| {
            ScalarKey::of_item(item, Some(key)).is_none_or(|key| !deleted.contains_key(&key))
        });
    }
    Ok(others)
}

fn merge_elements<'a>(
    arena: &'a Bump,
    named: Named<'_>,
    old: &mut List<'a>,
    patch: List<'a>,
) -> Result<(), PatchError> {
    let mut places: HashMap<ScalarKey<'a>, usize> = HashMap::default();
    for (at, item) in old.iter().enumerate() {
        if let Some(key) = ScalarKey::of_item(item, named.key) {
            places.entry(key).or_insert(at);
        }
    }
    for item in patch {
        check_key(named, &item)?;
        let key = ScalarKey::of_item(&item, named.key);
        let found = key.and_then(|key| places.get(&key).copied());
        match (found.and_then(|at| old.get_mut(at)), item) {
            (Some(Value::Map(old)), Value::Map(change)) => {
                merge_map(arena, named.place, old, change)?;
            }
            (_, item) => {
                if let Some(key) = key {
                    places.insert(key, old.len());
                }
                old.push(item);
            }
        }
    }
    Ok(())
}

/// Puts the elements that the patch names into the patch's order and the others into the live
/// order, then joins the two: an element of the live list alone stands before the first named one
/// that follows it in the live list (`normalizeElementOrder`).
pub(super) fn arrange<'a>(
    arena: &'a Bump,
    named: Named<'_>,
    merged: List<'a>,
    order: &Order<'a>,
) -> Result<List<'a>, PatchError> {
    let mut of_patch = Vec::with_capacity(merged.len());
    let mut of_server = Vec::with_capacity(merged.len());
    let mut arranged = List::with_capacity_in(merged.len(), arena);
    for item in merged {
        if named.key.is_some() {
            check_key(named, &item)?;
        }
        let key = ScalarKey::of_item(&item, named.key);
        let live = key.and_then(|key| order.server.get(key));
        match key.and_then(|key| order.patch.get(key)) {
            Some(place) => of_patch.push((place, live, item)),
            None => of_server.push((live.unwrap_or(0), live, item)),
        }
    }
    of_patch.sort_by_key(|(place, ..)| *place);
    of_server.sort_by_key(|(place, ..)| *place);
    let mut of_server = of_server.into_iter().peekable();
    for (_, named_live, named_item) in of_patch {
        let before = |live: Option<usize>| match (live, named_live) {
            (Some(live), Some(named)) => live < named,
            _ => false,
        };
        while let Some((_, _, item)) = of_server.next_if(|(_, live, _)| before(*live)) {
            arranged.push(item);
        }
        arranged.push(named_item);
    }
    arranged.extend(of_server.map(|(_, _, item)| item));
    Ok(arranged)
}

/// Fails if `order` does not hold the elements of `patch` in their order, deletions left out
/// (`validatePatchWithSetOrderList`).
pub(super) fn check_order<'a>(
    named: Named<'_>,
    patch: &[Value<'a>],
    order: &[Value<'a>],
) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let directive =
        |item: &Value<'_>| item.as_map().is_some_and(|map| map.get(DIRECTIVE).is_some());
    let mut steps = order.iter();
    for item in patch {
        if named.key.is_some() && !matches!(item, Value::Map(_)) {
            return Err(bad_arg_type("map[string]interface {}", item));
        }
        if directive(item) {
            continue;
        }
        check_key(named, item)?;
        let key = ScalarKey::of_item(item, named.key);
        let mut found = false;
        for step in steps.by_ref() {
            check_key(named, step)?;
            if ScalarKey::of_item(step, named.key) == key {
                found = true;
                break;
            }
        }
        if !found {
            let show = |list: &[Value<'_>]| {
                let items: Vec<_> = list.iter().map(|item| GoText(item).to_string()).collect();
                items.join(" ")
            };
            return Err(PatchError::Plain(format!(
                "The order in patch list:\n[{}]\n doesn't match $setElementOrder list:\n[{}]\n",
                show(patch),
                show(order)
            )));
        }
    }
    Ok(())
}

fn check_key(named: Named<'_>, item: &Value<'_>) -> Result<(), PatchError> {
    let Some(key) = named.key else { return Ok(()) };
    match item {
        Value::Map(map) if map.get(key).is_some() => Ok(()),
        Value::Map(_) => Err(no_merge_key(item, key)),
        other => Err(bad_arg_type("map[string]interface {}", other)),
    }
}

fn no_merge_key(map: &Value<'_>, key: &str) -> PatchError {
    let map = GoText(map);
    PatchError::Plain(format!("map: {map} does not contain declared merge key: {key}"))
}

#[cfg(test)]
mod tests {
    use super::{Named, element_kind};
    use crate::object::fixture::{deployment, value};
    use crate::object::place::Place;
    use bumpalo::Bump;

    #[test]
    fn elements_of_the_live_list_are_told_with_what_json_always_shows() {
        let arena = Bump::new();
        let named = Named { place: Place::root(Some(deployment())).member("spec"), key: None };
        let [live, patch] = [r#"[{"replicas":1}]"#, r#"["a"]"#].map(|text| value(&arena, text));
        let lists = [&live, &patch].map(|list| list.as_list().unwrap());
        assert_eq!(
            element_kind(named, lists[0], lists[1]).unwrap_err().to_string(),
            "list element types are not identical: [[map[replicas:1 strategy:map[]]] [a]]"
        );
    }
}
