//! Strategic merge patch (`k8s.io/apimachinery/pkg/util/strategicpatch`): maps merge, lists merge
//! by the schema's patch strategy and merge key, and directives in the patch say otherwise.
//!
//! Directives: `$patch: replace|delete` in a map or list element, `$retainKeys`,
//! `$deleteFromPrimitiveList/x`, `$setElementOrder/x`. Upstream walks Go maps in random order, so
//! where a patch breaks several rules the error told here is that of the first key.

use crate::object::go_text::GoText;
use crate::object::patch::PatchError;
use crate::object::patch::strategic_list as lists;
use crate::object::place::Place;
use crate::object::schema::{Patch, Scalar, Type};
use crate::object::{List, Map, Value};
use bumpalo::Bump;
use std::mem;

pub(super) const DIRECTIVE: &str = "$patch";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";
const RETAIN_KEYS: &str = "$retainKeys";

/// Merges `patch` into `target`, an object of type `ty`. On an error `target` is left half-way.
pub fn apply<'a>(
    arena: &'a Bump,
    ty: &Type,
    target: &mut Value<'a>,
    patch: &Value<'_>,
) -> Result<(), PatchError> {
    let patch = match patch {
        Value::Map(patch) => patch.copy_in(arena),
        Value::Null => Map::new_in(arena),
        other => {
            let found = match other {
                Value::List(_) => "array",
                Value::Str(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            return Err(PatchError::BadRequest(format!(
                "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )));
        }
    };
    if !matches!(target, Value::Map(_)) {
        *target = Value::map_in(arena);
    }
    match target {
        Value::Map(target) => merge_map(arena, Place::root(Some(ty)), target, patch),
        _ => Ok(()),
    }
}

/// Merges one map into another (`mergeMap`).
pub(super) fn merge_map<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    target: &mut Map<'a>,
    mut patch: Map<'a>,
) -> Result<(), PatchError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        match directive {
            Value::Str("replace") => {
                patch.remove(DIRECTIVE);
                *target = patch;
            }
            Value::Str("delete") => *target = Map::new_in(arena),
            other => return Err(bad_patch_type(&GoText(other).to_string(), patch)),
        }
        return Ok(());
    }
    if let Some(keys) = patch.remove(RETAIN_KEYS) {
        retain_keys(target, &keys, &patch)?;
    }
    merge_ordered_lists(arena, place, target, &mut patch)?;
    for (key, change) in patch.iter_mut() {
        let change = mem::replace(change, Value::Null);
        let (key, deletes) = match key.starts_with(DELETE_FROM) {
            true => (list_name(key, DELETE_FROM, "primitive list")?, true),
            false => (key, false),
        };
        merge_member(arena, place, target, Member { key, deletes, change })?;
    }
    Ok(())
}

/// One member of a patch; `deletes` if it lists what to take from the list `key`.
struct Member<'a> {
    key: &'a str,
    deletes: bool,
    change: Value<'a>,
}

fn merge_member<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    target: &mut Map<'a>,
    member: Member<'a>,
) -> Result<(), PatchError> {
    let Member { key, deletes, mut change } = member;
    if change.is_null() {
        target.remove(key);
        return Ok(());
    }
    // Upstream's copy of the object has the fields that JSON always shows.
    if matches!(change, Value::Map(_))
        && target.get(key).is_none()
        && let Some(zero @ Value::Map(_)) = place.shown(key, arena)
    {
        target.push_unique(key, zero);
    }
    match (target.get_mut(key), change) {
        (Some(slot @ Value::Map(_)), Value::Map(change)) => {
            let (place, patch) = lookup(place, key)?;
            if patch.replace {
                *slot = Value::Map(change);
            } else if let Value::Map(old) = slot {
                merge_map(arena, place, old, change)?;
            }
        }
        (Some(slot @ Value::List(_)), Value::List(change)) => {
            let (place, patch) = lookup_list(place, key)?;
            if !patch.merge && !deletes {
                *slot = Value::List(change);
            } else if let Value::List(old) = mem::replace(slot, Value::Null) {
                let named = lists::Named { place: place.item(), key: patch.key };
                *slot = Value::List(if deletes {
                    lists::delete(arena, named, old, change)?
                } else {
                    lists::merge(arena, named, old, change)?
                });
            }
        }
        (slot, other) => {
            if deletes {
                return Ok(());
            }
            change = other;
            discard_nulls(&mut change);
            match (remove_directives(&mut change), slot) {
                (true, Some(slot)) => *slot = change,
                (true, None) => target.push_unique(key, change),
                (false, _) => {
                    target.remove(key);
                }
            }
        }
    }
    Ok(())
}

/// Drops what the directive does not list; every set member of the patch must be listed
/// (`applyRetainKeysDirective`).
fn retain_keys<'a>(
    target: &mut Map<'a>,
    keys: &Value<'a>,
    patch: &Map<'a>,
) -> Result<(), PatchError> {
    let bad = || PatchError::BadRequest(String::from("invalid patch format of retainKeys"));
    let keys = keys.as_list().ok_or_else(bad)?;
    let listed = |key: &str| keys.iter().any(|listed| listed.as_str() == Some(key));
    let free = |key: &str| key.starts_with(DELETE_FROM) || key.starts_with(ELEMENT_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !free(key) && !listed(key)) {
        return Err(bad());
    }
    target.retain(|key, _| listed(key));
    Ok(())
}

/// Merges the lists for which the patch gives an order, and takes them out of the patch
/// (`mergePatchIntoOriginal`).
fn merge_ordered_lists<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    target: &mut Map<'a>,
    patch: &mut Map<'a>,
) -> Result<(), PatchError> {
    loop {
        let directive = patch.keys().find(|key| key.starts_with(ELEMENT_ORDER));
        let Some(directive) = directive else { return Ok(()) };
        let order = as_list(patch.remove(directive))?.unwrap_or_else(|| List::new_in(arena));
        let key = list_name(directive, ELEMENT_ORDER, "setElementOrder list")?;
        let old = as_list(target.get_mut(key).map(|slot| mem::replace(slot, Value::Null)))?;
        let change = as_list(patch.remove(key))?;
        let (place, strategy) = lookup_list(place, key)?;
        let named = lists::Named { place: place.item(), key: strategy.key };
        lists::check_order(named, change.as_deref().unwrap_or_default(), &order)?;
        let server = old.as_deref().unwrap_or_default();
        if !(old.is_none() && change.is_none()) {
            lists::element_kind(named, server, change.as_deref().unwrap_or_default())?;
        }
        let ranks = lists::ranks(named, &order, server)?;
        let merged = match (old, change) {
            (Some(old), None) => old,
            (None, Some(mut change)) => {
                change.retain_mut(remove_directives);
                change
            }
            (Some(old), Some(change)) if strategy.merge => lists::merge(arena, named, old, change)?,
            (Some(_), Some(change)) => change,
            (None, None) => continue,
        };
        let merged = Value::List(lists::arrange(arena, named, merged, &ranks)?);
        match target.get_mut(key) {
            Some(slot) => *slot = merged,
            None => target.push_unique(key, merged),
        }
    }
}

fn as_list(value: Option<Value<'_>>) -> Result<Option<List<'_>>, PatchError> {
    match value {
        None => Ok(None),
        Some(Value::List(list)) => Ok(Some(list)),
        Some(other) => Err(bad_arg_type("[]interface {}", &other)),
    }
}

/// The field's name after the directive's slash.
fn list_name<'k>(key: &'k str, directive: &str, what: &str) -> Result<&'k str, PatchError> {
    match key.split_once('/') {
        Some((prefix, name)) if prefix == directive => Ok(name),
        _ => Err(PatchError::BadRequest(format!("invalid patch format of {what}"))),
    }
}

/// The place and strategy of a member of which both sides are maps.
fn lookup<'t>(place: Place<'t>, key: &str) -> Result<(Place<'t>, Patch), PatchError> {
    let kind = match place {
        Place::Message(ty, _) => match ty.field(key) {
            Some(field) => return Ok((Place::of_field(field), field.patch)),
            None => return Err(no_field(ty.go_name, key)),
        },
        Place::Scalar(Scalar::FieldsV1) => return Err(no_field("FieldsV1", key)),
        Place::Any | Place::Unknown => return Err(no_field("RawExtension", key)),
        Place::Custom(_) | Place::Map(_) => "map",
        Place::List(_) => "slice",
        Place::Scalar(_) => "string",
    };
    let text = "merging an object in json but data type is not struct, instead is:";
    Err(PatchError::Plain(format!("{text} {kind}")))
}

/// The place and strategy of a member of which both sides are lists.
fn lookup_list<'t>(place: Place<'t>, key: &str) -> Result<(Place<'t>, Patch), PatchError> {
    match lookup(place, key)? {
        (Place::Custom(_) | Place::Scalar(_) | Place::Map(_) | Place::Message(..), _) => {
            let text = "expected slice or array type, but got: struct";
            Err(PatchError::Plain(String::from(text)))
        }
        found => Ok(found),
    }
}

fn no_field(go_name: &str, key: &str) -> PatchError {
    let text = "unable to find api field in struct";
    PatchError::Plain(format!("{text} {go_name} for the json field {key:?}"))
}

pub(super) fn bad_patch_type(directive: &str, map: Map<'_>) -> PatchError {
    let map = Value::Map(map);
    PatchError::Plain(format!("unknown patch type: {directive} in map: {}", GoText(&map)))
}

/// `expected a X, but received a Y` with Go's type names (`mergepatch.ErrBadArgType`).
pub(super) fn bad_arg_type(expected: &str, found: &Value<'_>) -> PatchError {
    let found = match found {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::Str(_) | Value::Raw(_) => "string",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
    };
    PatchError::Plain(format!("expected a {expected}, but received a {found}"))
}

/// Takes null members out of every map inside.
fn discard_nulls(value: &mut Value<'_>) {
    match value {
        Value::Map(map) => map.retain(|_, value| {
            discard_nulls(value);
            !value.is_null()
        }),
        Value::List(list) => list.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// Takes maps that hold a `$patch` directive out of what is inside; false if `value` is one itself.
fn remove_directives(value: &mut Value<'_>) -> bool {
    match value {
        Value::Map(map) => {
            if map.get(DIRECTIVE).is_some() {
                return false;
            }
            map.retain(|_, value| remove_directives(value));
        }
        Value::List(list) => list.retain_mut(remove_directives),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::apply;
    use crate::object::field::Shown as _;
    use crate::object::fixture::{deployment, value};
    use bumpalo::Bump;
    use proptest::prelude::{Strategy, any, prop, prop_assert, proptest};

    fn patched(target: &str, patch: &str) -> String {
        let arena = Bump::new();
        let mut target = value(&arena, target);
        let patch = value(&arena, patch);
        match apply(&arena, deployment(), &mut target, &patch) {
            Ok(()) => {
                let mut out = String::new();
                (&target).show(&mut out);
                out
            }
            Err(error) => error.to_string(),
        }
    }

    /// Patches `{"containers": …}` of the pod template.
    fn containers(old: &str, patch: &str) -> String {
        let wrap = |inner: &str| format!(r#"{{"spec":{{"template":{{"spec":{{{inner}}}}}}}}}"#);
        let out = patched(&wrap(&format!(r#""containers":{old}"#)), &wrap(patch));
        let start = r#"{"spec":{"template":{"spec":{"containers":"#;
        let inner = out.strip_prefix(start).and_then(|rest| rest.strip_suffix("}}}}"));
        inner.map_or(out.clone(), str::to_owned)
    }

    const TWO: &str = r#"[{"name":"a","image":"ia"},{"name":"b","image":"ib"}]"#;

    #[test]
    fn lists_merge_by_key_and_new_elements_go_first() {
        assert_eq!(
            containers(TWO, r#""containers":[{"name":"b","image":"x"},{"name":"c"}]"#),
            r#"[{"name":"a","image":"ia"},{"name":"b","image":"x"},{"name":"c"}]"#
        );
        assert_eq!(
            containers(TWO, r#""containers":[{"name":"c","image":null}]"#),
            r#"[{"name":"c","image":null},{"name":"a","image":"ia"},{"name":"b","image":"ib"}]"#
        );
        let env = r#"[{"name":"a","env":[{"name":"x"},{"name":"y"}]}]"#;
        assert_eq!(
            containers(env, r#""containers":[{"name":"a","env":[{"name":"n"}]}]"#),
            r#"[{"name":"a","env":[{"name":"n"},{"name":"x"},{"name":"y"}]}]"#
        );
    }

    #[test]
    fn directives_delete_and_replace_elements() {
        let delete = r#""containers":[{"$patch":"delete","name":"b"}]"#;
        assert_eq!(containers(TWO, delete), r#"[{"name":"a","image":"ia"}]"#);
        let replace = r#""containers":[{"$patch":"replace"},{"name":"only"}]"#;
        assert_eq!(containers(TWO, replace), r#"[{"name":"only"}]"#);
        assert_eq!(containers(TWO, r#""containers":[{"$patch":"replace"}]"#), "[]");
        let nope = r#""containers":[{"$patch":"delete","name":"nope"}]"#;
        assert_eq!(containers(TWO, nope), TWO);
    }

    #[test]
    fn maps_are_replaced_or_emptied_by_directive() {
        let target = r#"{"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{}}}}"#;
        assert_eq!(
            patched(target, r#"{"spec":{"strategy":{"$patch":"replace","type":"Recreate"}}}"#),
            r#"{"spec":{"strategy":{"type":"Recreate"}}}"#
        );
        assert_eq!(
            patched(target, r#"{"spec":{"strategy":{"$patch":"delete"}}}"#),
            r#"{"spec":{"strategy":{}}}"#
        );
        assert_eq!(
            patched(target, r#"{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}"#),
            r#"{"spec":{"strategy":{"type":"Recreate"}}}"#
        );
        // What JSON always shows is there to be retained and replaced.
        assert_eq!(
            patched(
                "{\"spec\":{}}",
                r#"{"spec":{"strategy":{"$retainKeys":["type"],"type":"R"}}}"#
            ),
            r#"{"spec":{"strategy":{"type":"R"}}}"#
        );
    }

    #[test]
    fn nulls_remove() {
        assert_eq!(
            patched(r#"{"spec":{"replicas":2}}"#, r#"{"spec":{"replicas":null}}"#),
            r#"{"spec":{}}"#
        );
        assert_eq!(
            patched(r#"{"metadata":{}}"#, r#"{"metadata":{"labels":{"a":null,"b":"c"}}}"#),
            r#"{"metadata":{"labels":{"b":"c"}}}"#
        );
    }

    #[test]
    fn primitive_lists_merge_and_shrink_by_parallel_list() {
        let target = r#"{"metadata":{"finalizers":["a","b","c"]}}"#;
        assert_eq!(
            patched(target, r#"{"metadata":{"finalizers":["c","d"]}}"#),
            r#"{"metadata":{"finalizers":["a","b","c","d"]}}"#
        );
        assert_eq!(
            patched(target, r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["b","x"]}}"#),
            r#"{"metadata":{"finalizers":["a","c"]}}"#
        );
        assert_eq!(
            patched(
                target,
                r#"{"metadata":{"$setElementOrder/finalizers":["c","d","a"],"finalizers":["d"]}}"#
            ),
            r#"{"metadata":{"finalizers":["b","c","d","a"]}}"#
        );
    }

    #[test]
    fn the_given_order_wins_over_patch_and_live_order() {
        let live = r#"[{"name":"s1"},{"name":"a"},{"name":"s2"},{"name":"b"}]"#;
        let patch = r#""$setElementOrder/containers":[{"name":"b"},{"name":"n"},{"name":"a"}],
            "containers":[{"name":"n"},{"name":"a","image":"x"}]"#;
        assert_eq!(
            containers(live, patch),
            r#"[{"name":"s1"},{"name":"s2"},{"name":"b"},{"name":"n"},{"name":"a","image":"x"}]"#
        );
        let patch = r#""$setElementOrder/containers":[{"name":"b"},{"name":"a"}]"#;
        assert_eq!(
            containers(live, patch),
            r#"[{"name":"s1"},{"name":"s2"},{"name":"b"},{"name":"a"}]"#
        );
        let patch = r#""$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"z"}]"#;
        assert!(containers(live, patch).starts_with("The order in patch list:\n[map[name:z]]\n"));
    }

    #[test]
    fn errors_read_as_upstream_words_them() {
        let cases = [
            (
                r#""containers":[{"$patch":"delete"}]"#,
                "map: map[$patch:delete] does not contain declared merge key: name",
            ),
            (
                r#""containers":[{"$patch":"bogus","name":"a"}]"#,
                "unknown patch type: bogus in map: map[$patch:bogus name:a]",
            ),
            (
                r#""containers":[{"image":"a"}]"#,
                "map: map[image:a] does not contain declared merge key: name",
            ),
            (
                r#""containers":["a"]"#,
                "list element types are not identical: [[map[image:ia name:a] map[image:ib \
                 name:b]] [a]]",
            ),
            (
                r#""$setElementOrder/bogus":[]"#,
                "unable to find api field in struct PodSpec for the json field \"bogus\"",
            ),
            (r#""$retainKeys":["a"],"containers":[]"#, "invalid patch format of retainKeys"),
            (r#""$setElementOrderX":[]"#, "invalid patch format of setElementOrder list"),
        ];
        for (patch, message) in cases {
            assert_eq!(containers(TWO, patch), message, "{patch}");
        }
        assert_eq!(
            patched("{}", r#"{"metadata":{"$patch":"merge","a":1}}"#),
            "{}",
            "a new map with a directive is left out"
        );
        assert_eq!(
            patched(r#"{"metadata":{}}"#, r#"{"metadata":{"$patch":"merge","app":"a"}}"#),
            "unknown patch type: merge in map: map[$patch:merge app:a]"
        );
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "1",
            "\"a\"",
            "\"b\"",
            "null",
            "true",
            "1.5",
            "\"replace\"",
            "\"delete\"",
            "[]",
            "{}",
        ]);
        let key = prop::sample::select(vec![
            "name",
            "containers",
            "spec",
            "template",
            "metadata",
            "finalizers",
            "env",
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
            "$setElementOrder/finalizers",
            "$deleteFromPrimitiveList/finalizers",
            "bogus",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(6, 40, 4, move |inner| {
            let map = prop::collection::btree_map(key.clone(), inner.clone(), 0..4);
            let map = map.prop_map(|map| {
                let members: Vec<_> = map.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", members.join(","))
            });
            let list = prop::collection::vec(inner, 0..4);
            (any::<bool>(), map, list.prop_map(|list| format!("[{}]", list.join(","))))
                .prop_map(|(wide, map, list)| if wide { map } else { list })
        })
    }

    proptest! {
        #[test]
        fn no_patch_panics(inner in json(), patch in json()) {
            let wrap = |inner: &str| format!(r#"{{"spec":{{"template":{inner}}}}}"#);
            prop_assert!(!patched(&wrap(&inner), &wrap(&patch)).is_empty());
        }
    }
}
