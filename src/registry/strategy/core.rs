//! Core kinds other than pods and services (`pkg/registry/core/*/strategy.go`).

use super::Scope;
use crate::base::ids;
use crate::object::{List, Map, Value};
use crate::registry::defaulting::core as defaults;
use crate::registry::read::Read as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const KUBERNETES: &str = "kubernetes";

/// A new namespace is active and held by the `kubernetes` finalizer.
pub(super) fn namespace_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(map) = object.as_map_mut() else { return };
    map.entry_map("status").insert("phase", Value::Str("Active"));
    let spec = map.entry_map("spec");
    let held = spec.get("finalizers").and_then(Value::as_list);
    if held.is_some_and(|list| list.iter().any(|name| name.as_str() == Some(KUBERNETES))) {
        return;
    }
    if held.is_none() {
        spec.insert("finalizers", Value::list_in(scope.arena));
    }
    if let Some(list) = spec.get_mut("finalizers").and_then(Value::as_list_mut) {
        list.push(Value::Str(KUBERNETES));
    }
}

/// Only `/finalize` changes `spec.finalizers`.
pub(super) fn namespace_update<'a>(
    object: &mut Value<'a>,
    old: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    if !scope.subresource.is_empty() {
        return;
    }
    let Some(map) = object.as_map_mut() else { return };
    let spec = map.entry_map("spec");
    match old.at(&["spec", "finalizers"]) {
        Some(list) => spec.insert("finalizers", list.copy_in(scope.arena)),
        None => spec.remove("finalizers"),
    };
}

/// A new volume is pending since now.
pub(super) fn volume_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(map) = object.as_map_mut() else { return };
    let status = map.entry_map("status");
    status.insert("phase", Value::Str("Pending"));
    status.insert("lastPhaseTransitionTime", Value::str_in(scope.now, scope.arena));
}

/// A change of phase is dated.
pub(super) fn volume_update<'a>(
    object: &mut Value<'a>,
    old: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    if scope.subresource != "status" {
        return;
    }
    let path = ["status", "phase"];
    let (now, was) = (object.str_at(&path), old.str_at(&path));
    let Some(map) = object.as_map_mut() else { return };
    let status = map.entry_map("status");
    let time = "lastPhaseTransitionTime";
    let given = status.get(time).and_then(Value::as_str).unwrap_or("");
    let stored = old.str_at(&["status", time]);
    if now != was && (given.is_empty() || given == stored) {
        status.insert(time, Value::str_in(scope.now, scope.arena));
    } else if given.is_empty() && !stored.is_empty() {
        status.insert(time, Value::str_in(stored, scope.arena));
    }
}

/// A limit range without a name gets one (`limitrangeStrategy.PrepareForCreate`).
pub(super) fn limit_range_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    if !object.str_at(&["metadata", "name"]).is_empty() {
        return;
    }
    if let Some(map) = object.as_map_mut() {
        let name = Value::str_in(&ids::uuid(), scope.arena);
        map.entry_map("metadata").insert("name", name);
    }
}

/// A new claim is stored without a status: its phase is a default of reading. Its two data sources
/// say the same.
pub(super) fn claim_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(map) = object.as_map_mut() else { return };
    map.insert("status", Value::map_in(scope.arena));
    let spec = map.entry_map("spec");
    drop_distant_source(spec);
    drop_foreign_source(spec);
    join_sources(spec);
}

/// As on create, unless the stored claim has such a source already.
pub(super) fn claim_update<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    if !scope.subresource.is_empty() {
        return;
    }
    let Some(map) = object.as_map_mut() else { return };
    let spec = map.entry_map("spec");
    if old.at(&["spec", "dataSourceRef"]).is_none() {
        drop_distant_source(spec);
        if old.at(&["spec", "dataSource"]).is_none() {
            drop_foreign_source(spec);
        }
    }
    join_sources(spec);
}

/// A source in another namespace is dropped (gate `CrossNamespaceVolumeDataSource`).
fn drop_distant_source(spec: &mut Map<'_>) {
    let distant = |source: &Value<'_>| !source.text("namespace").is_empty();
    if spec.get("dataSourceRef").is_some_and(distant) {
        spec.remove("dataSourceRef");
    }
}

/// `EnforceDataSourceBackwardsCompatibility`: without `dataSourceRef`, `dataSource` names a claim
/// or a snapshot; anything else is dropped without a word.
fn drop_foreign_source(spec: &mut Map<'_>) {
    if spec.get("dataSourceRef").is_some_and(|source| !source.is_null()) {
        return;
    }
    let Some(source) = spec.get("dataSource").filter(|source| !source.is_null()) else { return };
    let known = match (source.text("kind"), source.text("apiGroup")) {
        ("PersistentVolumeClaim", group) => group.is_empty(),
        ("VolumeSnapshot", group) => group == "snapshot.storage.k8s.io",
        _ => false,
    };
    if !known {
        spec.remove("dataSource");
    }
}

/// `NormalizeDataSources`.
fn join_sources(spec: &mut Map<'_>) {
    let arena = spec.arena();
    let copy = |from: &Value<'_>| {
        let mut copy = from.copy_in(arena);
        if let Some(map) = copy.as_map_mut() {
            map.remove("namespace");
        }
        copy
    };
    let present = |name: &str| spec.get(name).filter(|value| !value.is_null());
    match (present("dataSource"), present("dataSourceRef")) {
        (Some(source), None) => {
            let reference = copy(source);
            spec.insert("dataSourceRef", reference);
        }
        (None, Some(reference)) if reference.text("namespace").is_empty() => {
            let source = copy(reference);
            spec.insert("dataSource", source);
        }
        _ => {}
    }
}

/// `stringData` is a way of writing `data`.
pub(super) fn secret_default<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(map) = object.as_map_mut() else { return };
    let Some(Value::Map(plain)) = map.remove("stringData") else { return };
    let data = map.entry_map("data");
    for (key, value) in plain.iter() {
        let text = STANDARD.encode(value.as_str().unwrap_or(""));
        data.insert(key, Value::str_in(&text, scope.arena));
    }
}

/// A secret sent without a type keeps the one it has.
pub(super) fn secret_update<'a>(
    object: &mut Value<'a>,
    old: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    let kind = old.str_at(&["type"]);
    let Some(map) = object.as_map_mut() else { return };
    if map.get("type").is_none_or(Value::is_empty) && !kind.is_empty() {
        map.insert("type", Value::str_in(kind, scope.arena));
    }
}

/// Of the secrets that a service account may mount only the names count.
pub(super) fn account_create<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    names_only(object);
}

/// As on create.
pub(super) fn account_update<'a>(object: &mut Value<'a>, _: &Value<'_>, _: &mut Scope<'a, '_>) {
    names_only(object);
}

fn names_only(object: &mut Value<'_>) {
    for secret in object.list_at_mut(&["secrets"]) {
        if let Some(map) = secret.as_map_mut() {
            map.retain(|name, _| name == "name");
        }
    }
}

/// Conditional defaults, and the two names of the node's range.
pub(super) fn node_default<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    defaults::node(object, scope);
    node_ranges(object);
}

/// `podCIDR` is the first of `podCIDRs`; where the two differ, the single one wins.
fn node_ranges(object: &mut Value<'_>) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_map_mut) else { return };
    let arena = spec.arena();
    let text = |value: Option<&Value<'_>>| {
        let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(|text| &*arena.alloc_str(text))
    };
    let single = text(spec.get("podCIDR"));
    let first = spec.get("podCIDRs").and_then(Value::as_list).and_then(|list| list.first());
    match (single, text(first)) {
        (Some(single), first) if first != Some(single) => {
            let mut list = List::new_in(arena);
            list.push(Value::Str(single));
            spec.insert("podCIDRs", Value::List(list));
        }
        (None, Some(first)) => {
            spec.insert("podCIDR", Value::Str(first));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{scope, tree};
    use crate::registry::strategy::strategy;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn string_data_becomes_data() {
        let arena = Bump::new();
        let mut secret = tree(
            &arena,
            &json!({"data": {"a": "eA==", "b": "eQ=="},
            "stringData": {"a": "new"}}),
        );
        let mut warnings = Vec::new();
        super::secret_default(&mut secret, &mut scope(&arena, "", "secrets", &mut warnings));
        assert_eq!(secret.str_at(&["data", "a"]), "bmV3");
        assert_eq!(secret.str_at(&["data", "b"]), "eQ==");
        assert!(secret.get("stringData").is_none());
    }

    #[test]
    fn a_new_namespace_is_held_by_kubernetes_and_keeps_its_finalizers_on_update() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "", "namespaces", &mut warnings);
        let mut space = tree(
            &arena,
            &json!({"metadata": {"name": "x"},
            "spec": {"finalizers": ["a.b/c"]}}),
        );
        strategy("", "namespaces").begin_create(&mut space, &mut scope);
        assert_eq!(space.list_at(&["spec", "finalizers"]).len(), 2);
        let mut sent = tree(&arena, &json!({"metadata": {"name": "x"}, "spec": {}}));
        strategy("", "namespaces").begin_update(&mut sent, &space, &mut scope);
        assert_eq!(sent.list_at(&["spec", "finalizers"]).len(), 2);
        scope.subresource = "finalize";
        let mut sent = tree(&arena, &json!({"metadata": {"name": "x"}, "spec": {}}));
        strategy("", "namespaces").begin_update(&mut sent, &space, &mut scope);
        assert!(sent.list_at(&["spec", "finalizers"]).is_empty());
    }

    #[test]
    fn the_two_data_sources_of_a_claim_say_the_same() {
        for (spec, source, reference) in [
            (json!({"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}}), "a", "a"),
            (json!({"dataSourceRef": {"kind": "X", "apiGroup": "g.io", "name": "a"}}), "a", "a"),
            (json!({"dataSource": {"kind": "X", "apiGroup": "g.io", "name": "a"}}), "", ""),
            (
                json!({"dataSourceRef": {"kind": "X", "apiGroup": "g.io", "name": "a",
                    "namespace": "n"}}),
                "",
                "",
            ),
            (
                json!({"dataSource": {"kind": "X", "apiGroup": "g.io", "name": "a"},
                    "dataSourceRef": {"kind": "X", "apiGroup": "g.io", "name": "b"}}),
                "a",
                "b",
            ),
        ] {
            let arena = Bump::new();
            let mut claim = tree(&arena, &json!({ "spec": spec }));
            let mut warnings = Vec::new();
            let mut scope = scope(&arena, "", "persistentvolumeclaims", &mut warnings);
            super::claim_create(&mut claim, &mut scope);
            assert_eq!(claim.str_at(&["spec", "dataSource", "name"]), source);
            assert_eq!(claim.str_at(&["spec", "dataSourceRef", "name"]), reference);
        }
    }
}
