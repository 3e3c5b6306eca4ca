//! Merge patch (RFC 7386) as kube-apiserver applies it (`jsonpatch.MergePatch`).

use crate::object::patch::PatchError;
use crate::object::{Map, Value};
use bumpalo::Bump;

/// Merges `patch` into `target`. A null removes, a map merges, everything else replaces; a patch
/// that is an array replaces the whole object, which then fails to decode.
pub fn apply<'a>(
    arena: &'a Bump,
    target: &mut Value<'a>,
    patch: &Value<'_>,
) -> Result<(), PatchError> {
    match patch {
        Value::Map(patch) => match target {
            Value::Map(target) => merge_maps(arena, target, patch),
            _ => *target = Value::Map(pruned_map(arena, patch)),
        },
        Value::List(_) => *target = pruned(arena, patch),
        _ => return Err(PatchError::BadRequest(String::from("Invalid JSON Patch"))),
    }
    Ok(())
}

fn merge_maps<'a>(arena: &'a Bump, target: &mut Map<'a>, patch: &Map<'_>) {
    for (key, change) in patch.iter() {
        match (target.get_mut(key), change) {
            (_, Value::Null) => {
                target.remove(key);
            }
            (Some(Value::Map(old)), Value::Map(change)) => merge_maps(arena, old, change),
            // Upstream keeps nulls inside an array that replaces an object.
            (Some(slot @ Value::Map(_)), _) => *slot = change.copy_in(arena),
            (Some(slot), _) => *slot = pruned(arena, change),
            (None, _) => target.push_unique(arena.alloc_str(key), pruned(arena, change)),
        }
    }
}

/// A copy without the null members of its maps.
fn pruned<'a>(arena: &'a Bump, value: &Value<'_>) -> Value<'a> {
    match value {
        Value::Map(map) => Value::Map(pruned_map(arena, map)),
        Value::List(list) => {
            let mut copy = bumpalo::collections::Vec::with_capacity_in(list.len(), arena);
            copy.extend(list.iter().map(|item| pruned(arena, item)));
            Value::List(copy)
        }
        scalar => scalar.copy_in(arena),
    }
}

fn pruned_map<'a>(arena: &'a Bump, map: &Map<'_>) -> Map<'a> {
    let mut copy = Map::with_capacity_in(map.len(), arena);
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        copy.push_unique(arena.alloc_str(key), pruned(arena, value));
    }
    copy
}

/// Sorts the keys of every map that the patch went through. Upstream's error for a patched object
/// that does not decode holds its text in that order.
pub fn order_as_patched(target: &mut Value<'_>, patch: &Value<'_>) {
    match (target, patch) {
        (Value::Map(target), Value::Map(patch)) => {
            target.sort_keys();
            for (key, change) in patch.iter() {
                if let Some(value) = target.get_mut(key) {
                    order_as_patched(value, change);
                }
            }
        }
        (Value::List(list), Value::List(change)) => {
            for (value, change) in list.iter_mut().zip(change.iter()) {
                order_as_patched(value, change);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{apply, order_as_patched};
    use crate::object::field::Shown as _;
    use crate::object::fixture::value;
    use bumpalo::Bump;

    fn merged(target: &str, patch: &str) -> String {
        let arena = Bump::new();
        let mut target = value(&arena, target);
        let patch = value(&arena, patch);
        match apply(&arena, &mut target, &patch) {
            Ok(()) => {
                order_as_patched(&mut target, &patch);
                let mut out = String::new();
                (&target).show(&mut out);
                out
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn nulls_remove_maps_merge_and_the_rest_replaces() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"c","b":1}"#, r#"{"a":"c","b":1}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            (r#"{"a":1}"#, r#"{"a":[{"b":null},null]}"#, r#"{"a":[{},null]}"#),
            (r#"{"a":1}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":1}"#, "null", "Invalid JSON Patch"),
        ];
        for (target, patch, expected) in cases {
            assert_eq!(merged(target, patch), expected, "{target} {patch}");
        }
    }

    #[test]
    fn only_maps_that_the_patch_goes_through_are_sorted() {
        let text = merged(r#"{"z":{"b":1,"a":2},"m":{"d":1,"c":2}}"#, r#"{"m":{"c":3}}"#);
        assert_eq!(text, r#"{"m":{"c":3,"d":1},"z":{"b":1,"a":2}}"#);
    }
}
