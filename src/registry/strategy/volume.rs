//! PersistentVolumes and claims: their first phase, and when it last changed
//! (`persistentvolumeStrategy`, `persistentvolumeclaimStrategy`).

use super::Scope;
use crate::object::Value;

/// A new volume is Pending since now.
pub(super) fn create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let now = Value::str_in(scope.now, scope.arena);
    let Some(map) = object.as_map_mut() else { return };
    let status = map.entry_map("status");
    status.insert("phase", Value::Str("Pending"));
    status.insert("lastPhaseTransitionTime", now);
}

/// A phase that changes through `/status` is stamped.
pub(super) fn update<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    if scope.subresource != "status" {
        return;
    }
    let phase = ["status", "phase"];
    let since = ["status", "lastPhaseTransitionTime"];
    let changed = object.str_at(&phase) != old.str_at(&phase);
    let stamped = object.at(&since).is_some() && object.at(&since) != old.at(&since);
    let Some(map) = object.as_map_mut() else { return };
    let status = map.entry_map("status");
    if changed && !stamped {
        status.insert("lastPhaseTransitionTime", Value::str_in(scope.now, scope.arena));
    } else if let Some(value) = old.at(&since).filter(|_| !stamped) {
        status.insert("lastPhaseTransitionTime", value.copy_in(scope.arena));
    }
}

/// A new claim is Pending; its two data sources say the same.
pub(super) fn create_claim<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let arena = scope.arena;
    let Some(map) = object.as_map_mut() else { return };
    map.entry_map("status").insert("phase", Value::Str("Pending"));
    let spec = map.entry_map("spec");
    let copy = |value: Option<&Value<'a>>| {
        value.filter(|value| !value.is_null()).map(|value| value.copy_in(arena))
    };
    let (source, reference) = (copy(spec.get("dataSource")), copy(spec.get("dataSourceRef")));
    match (source, reference) {
        (Some(source), None) => {
            spec.insert("dataSourceRef", source);
        }
        (None, Some(reference)) if reference.str_at(&["namespace"]).is_empty() => {
            // Only claims and snapshots fit the older field.
            let (group, kind) = (reference.str_at(&["apiGroup"]), reference.str_at(&["kind"]));
            let old = (group.is_empty() && kind == "PersistentVolumeClaim")
                || (group == "snapshot.storage.k8s.io" && kind == "VolumeSnapshot");
            if old {
                spec.insert("dataSource", reference);
            }
        }
        _ => {}
    }
}
