//! Namespaces: held by the finalizer `kubernetes` until their contents have gone
//! (`namespaceStrategy`).

use super::Scope;
use crate::object::{List, Value};

const FINALIZER: &str = "kubernetes";

/// A new namespace is Active and held.
pub(super) fn create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let held = object
        .list_at(&["spec", "finalizers"])
        .iter()
        .any(|finalizer| finalizer.as_str() == Some(FINALIZER));
    let Some(map) = object.as_map_mut() else { return };
    map.entry_map("status").insert("phase", Value::Str("Active"));
    if held {
        return;
    }
    let spec = map.entry_map("spec");
    if spec.get("finalizers").and_then(Value::as_list).is_none() {
        spec.insert("finalizers", Value::List(List::new_in(scope.arena)));
    }
    if let Some(list) = spec.get_mut("finalizers").and_then(Value::as_list_mut) {
        list.push(Value::Str(FINALIZER));
    }
}

/// Only the `finalize` subresource changes `spec.finalizers`.
pub(super) fn update<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    if scope.subresource == "finalize" {
        return;
    }
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return };
    match old.at(&["spec", "finalizers"]) {
        Some(finalizers) => {
            spec.insert("finalizers", finalizers.copy_in(scope.arena));
        }
        None => {
            spec.remove("finalizers");
        }
    }
}
