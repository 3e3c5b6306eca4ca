//! StorageObjectInUseProtection: claims, volumes and attribute classes are made with the finalizer
//! that keeps them while they are in use.

use crate::object::{List, Value};
use crate::request::{Attributes, Operation};
use bumpalo::Bump;

/// Adds the kind's finalizer on create.
pub(super) fn admit<'a>(at: &Attributes<'_>, object: &mut Value<'a>, arena: &'a Bump) {
    if at.operation != Operation::Create || !at.subresource.is_empty() {
        return;
    }
    let finalizer = match (at.resource.group, at.resource.name) {
        ("", "persistentvolumeclaims") => "kubernetes.io/pvc-protection",
        ("", "persistentvolumes") => "kubernetes.io/pv-protection",
        ("storage.k8s.io", "volumeattributesclasses") => "kubernetes.io/vac-protection",
        _ => return,
    };
    let Some(map) = object.as_map_mut() else { return };
    let metadata = map.entry_map("metadata");
    if metadata.get("finalizers").and_then(Value::as_list).is_none() {
        metadata.insert("finalizers", Value::List(List::new_in(arena)));
    }
    if let Some(list) = metadata.get_mut("finalizers").and_then(Value::as_list_mut)
        && !list.iter().any(|name| name.as_str() == Some(finalizer))
    {
        list.push(Value::Str(finalizer));
    }
}
