//! A namespace goes in two steps: marked Terminating first, removed once `spec.finalizers` and
//! `metadata.finalizers` are empty (`pkg/registry/core/namespace/storage`).

use super::deletion::{Deletion, decide, set_asked};
use super::meta;
use crate::base::timestamp;
use crate::catalog::Storage;
use crate::object::Value;
use crate::request::DeleteOptions;
use bumpalo::Bump;

/// Marks the namespace on the first delete; a later one goes the way of every object when no
/// `spec.finalizers` are left (`namespace/storage REST.Delete`).
pub(super) fn decide_delete<'a>(
    object: &mut Value<'a>,
    storage: &Storage,
    options: &DeleteOptions,
    now: i64,
    arena: &'a Bump,
) -> Deletion {
    if meta::is_deleting(object) {
        let held = !object.list_at(&["spec", "finalizers"]).is_empty();
        return if held { Deletion::Keep } else { decide(object, storage, options, now, arena) };
    }
    meta::mark_deleting(object, &timestamp::rfc3339(now), 0, arena);
    if let Some(metadata) = object.at_mut(&["metadata"]).and_then(Value::as_map_mut) {
        // At first the timestamp alone marks a namespace.
        metadata.remove("deletionGracePeriodSeconds");
    }
    if let Some(map) = object.as_map_mut() {
        map.entry_map("status").insert("phase", Value::Str("Terminating"));
    }
    set_asked(object, options, arena);
    Deletion::Mark
}

/// True if no finalizer of either kind holds the namespace.
pub(super) fn is_free(object: &Value<'_>) -> bool {
    object.list_at(&["spec", "finalizers"]).is_empty() && meta::finalizers(object).next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::catalog;

    #[test]
    fn a_namespace_is_marked_first_and_goes_when_its_finalizers_have_gone() {
        let arena = Bump::new();
        let mut value = Value::map_in(&arena);
        let mut list = crate::object::List::new_in(&arena);
        list.push(Value::Str("kubernetes"));
        let spec = value.as_map_mut().unwrap().entry_map("spec");
        spec.insert("finalizers", Value::List(list));
        let storage = catalog().resource("", "v1", "namespaces").unwrap().storage.unwrap();
        let options = DeleteOptions::default();
        let decide = decide_delete;
        assert_eq!(decide(&mut value, storage, &options, 0, &arena), Deletion::Mark);
        assert_eq!(value.str_at(&["status", "phase"]), "Terminating");
        assert_eq!(decide(&mut value, storage, &options, 0, &arena), Deletion::Keep);
        value.as_map_mut().unwrap().entry_map("spec").remove("finalizers");
        assert_eq!(decide(&mut value, storage, &options, 0, &arena), Deletion::Remove);
    }
}
