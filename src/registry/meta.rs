//! The metadata rules that hold for every object, whatever its kind
//! (`k8s.io/apiserver/pkg/registry/rest`: BeforeCreate, BeforeUpdate, BeforeDelete).

use crate::object::{List, Map, Value};
use bumpalo::Bump;

/// `metadata` of an object; made if it is missing.
pub fn metadata_mut<'v, 'a>(object: &'v mut Value<'a>, arena: &'a Bump) -> &'v mut Map<'a> {
    if !matches!(object, Value::Map(_)) {
        *object = Value::map_in(arena);
    }
    match object {
        Value::Map(map) => map.entry_map("metadata"),
        _ => unreachable!("the object was just made a map"),
    }
}

/// `metadata.name`.
pub fn name<'a>(object: &Value<'a>) -> &'a str {
    object.str_at(&["metadata", "name"])
}

/// `metadata.namespace`.
pub fn namespace<'a>(object: &Value<'a>) -> &'a str {
    object.str_at(&["metadata", "namespace"])
}

/// `metadata.uid`.
pub fn uid<'a>(object: &Value<'a>) -> &'a str {
    object.str_at(&["metadata", "uid"])
}

/// `metadata.resourceVersion`.
pub fn resource_version<'a>(object: &Value<'a>) -> &'a str {
    object.str_at(&["metadata", "resourceVersion"])
}

/// True once the object is marked for deletion.
pub fn is_deleting(object: &Value<'_>) -> bool {
    object.at(&["metadata", "deletionTimestamp"]).is_some()
}

/// `metadata.finalizers`.
pub fn finalizers<'v, 'a>(object: &'v Value<'a>) -> impl Iterator<Item = &'a str> + 'v {
    object.list_at(&["metadata", "finalizers"]).iter().filter_map(Value::as_str)
}

/// Nothing holds an object that is marked: no finalizer, no grace period left.
pub fn is_free_to_go(object: &Value<'_>) -> bool {
    is_deleting(object)
        && finalizers(object).next().is_none()
        && object.i64_at(&["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0) == 0
}

/// Removes what only the server sets (`WipeObjectMetaSystemFields`).
pub fn wipe_system_fields<'a>(object: &mut Value<'a>, arena: &'a Bump) {
    let metadata = metadata_mut(object, arena);
    for field in SYSTEM_FIELDS {
        metadata.remove(field);
    }
}

const SYSTEM_FIELDS: [&str; 5] =
    ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

/// Takes over from `old` what an update may not change (`BeforeUpdate`).
pub fn keep_system_fields<'a>(new: &mut Value<'a>, old: &Value<'_>, arena: &'a Bump) {
    let metadata = metadata_mut(new, arena);
    let keep = |metadata: &mut Map<'a>, field: &'static str| match old.at(&["metadata", field]) {
        Some(value) => {
            metadata.insert(field, value.copy_in(arena));
        }
        None => {
            metadata.remove(field);
        }
    };
    for field in ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        keep(metadata, field);
    }
    keep(metadata, "generation");
    metadata.remove("selfLink");
}

/// Drops owner references that stand twice; gives their uids, joined as the warning shows them, if
/// there were any.
pub fn dedup_owner_references(object: &mut Value<'_>) -> Option<String> {
    let list = object.at_mut(&["metadata", "ownerReferences"]).and_then(Value::as_list_mut)?;
    let mut twice: Vec<&str> = Vec::new();
    let mut at = 1;
    while at < list.len() {
        if list.iter().take(at).any(|earlier| Some(earlier) == list.get(at)) {
            twice.push(list.remove(at).str_at(&["uid"]));
        } else {
            at += 1;
        }
    }
    (!twice.is_empty()).then(|| twice.join(", "))
}

/// Marks the object as being deleted: from `at` (RFC 3339) on, `grace_seconds` after the request.
pub fn mark_deleting<'a>(object: &mut Value<'a>, at: &str, grace_seconds: i64, arena: &'a Bump) {
    let metadata = metadata_mut(object, arena);
    metadata.insert("deletionTimestamp", Value::str_in(at, arena));
    metadata.insert("deletionGracePeriodSeconds", Value::Int(grace_seconds));
}

/// `metadata.generation` + 1, for kinds that keep one.
pub fn bump_generation<'a>(object: &mut Value<'a>, arena: &'a Bump) {
    let metadata = metadata_mut(object, arena);
    if let Some(generation) = metadata.get("generation").and_then(Value::as_i64)
        && generation > 0
    {
        metadata.insert("generation", Value::Int(generation + 1));
    }
}

/// Sets `metadata.finalizers`; none removes the field.
pub fn set_finalizers<'a>(object: &mut Value<'a>, finalizers: &[&str], arena: &'a Bump) {
    let metadata = metadata_mut(object, arena);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
        return;
    }
    let mut list = List::new_in(arena);
    list.extend(finalizers.iter().map(|name| Value::str_in(name, arena)));
    metadata.insert("finalizers", Value::List(list));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object<'a>(arena: &'a Bump, finalizers: &[&str]) -> Value<'a> {
        let mut object = Value::map_in(arena);
        set_finalizers(&mut object, finalizers, arena);
        object
    }

    #[test]
    fn an_object_goes_when_marked_without_finalizers_and_grace() {
        let arena = Bump::new();
        let mut value = object(&arena, &[]);
        assert!(!is_free_to_go(&value));
        mark_deleting(&mut value, "2026-01-01T00:00:00Z", 0, &arena);
        assert!(is_free_to_go(&value));
        set_finalizers(&mut value, &["a.b/c"], &arena);
        assert!(!is_free_to_go(&value));
    }

    #[test]
    fn updates_keep_what_the_server_set() {
        let arena = Bump::new();
        let mut old = Value::map_in(&arena);
        metadata_mut(&mut old, &arena).insert("uid", Value::Str("u1"));
        let mut new = Value::map_in(&arena);
        metadata_mut(&mut new, &arena).insert("uid", Value::Str("u2"));
        metadata_mut(&mut new, &arena).insert("generation", Value::Int(7));
        keep_system_fields(&mut new, &old, &arena);
        assert_eq!(uid(&new), "u1");
        assert_eq!(new.at(&["metadata", "generation"]), None);
    }
}
