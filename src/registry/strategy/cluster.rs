//! Kinds of the remaining groups.

use super::Scope;
use super::generic::copy_member;
use crate::object::{List, Map, Value};
use crate::registry::defaulting::cluster as defaults;
use crate::registry::read::{Read as _, same};
use bumpalo::Bump;

/// A signing request says who asks, whatever the client wrote.
pub(super) fn signing_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let (arena, user) = (scope.arena, scope.user);
    let Some(map) = object.as_map_mut() else { return };
    let spec = map.entry_map("spec");
    for name in ["username", "uid", "groups", "extra"] {
        spec.remove(name);
    }
    for (name, text) in [("username", user.name), ("uid", user.uid)] {
        if !text.is_empty() {
            spec.insert(name, Value::str_in(text, arena));
        }
    }
    let texts = |texts: &[String]| {
        let mut list = List::with_capacity_in(texts.len(), arena);
        list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
        Value::List(list)
    };
    if !user.groups.is_empty() {
        spec.insert("groups", texts(user.groups));
    }
    if !user.extra.is_empty() {
        let mut extra = Map::new_in(arena);
        for (key, values) in user.extra {
            extra.insert(arena.alloc_str(key), texts(values));
        }
        spec.insert("extra", Value::Map(extra));
    }
}

/// The spec never changes; conditions are dated.
pub(super) fn signing_update<'a>(
    object: &mut Value<'a>,
    old: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    copy_member(object, old, "spec", scope);
    if scope.subresource.is_empty() {
        return;
    }
    let before = old.list_at(&["status", "conditions"]);
    if scope.subresource == "approval" {
        keep_all_but_conditions(object, old, scope.arena);
    }
    if scope.subresource == "status" {
        let now = object.list_at_mut(&["status", "conditions"]);
        preserve(now, before, "Approved", scope.arena);
        preserve(now, before, "Denied", scope.arena);
    }
    for condition in object.list_at_mut(&["status", "conditions"]) {
        let (kind, status) = (condition.text("type"), condition.text("status"));
        let Some(map) = condition.as_map_mut() else { continue };
        let now = || Value::str_in(scope.now, scope.arena);
        if map.get("lastUpdateTime").is_none_or(Value::is_empty) {
            map.insert("lastUpdateTime", now());
        }
        if map.get("lastTransitionTime").is_none_or(Value::is_empty) {
            let kept = before.iter().find(|c| c.text("type") == kind && c.text("status") == status);
            let kept = kept.and_then(|condition| condition.get("lastTransitionTime"));
            let time = kept.map_or_else(now, |time| time.copy_in(scope.arena));
            map.insert("lastTransitionTime", time);
        }
    }
}

/// The approver writes nothing but conditions.
fn keep_all_but_conditions<'a>(object: &mut Value<'a>, old: &Value<'_>, arena: &'a Bump) {
    let Some(map) = object.as_map_mut() else { return };
    let sent = map.get_mut("status").and_then(Value::as_map_mut);
    let conditions = sent.and_then(|status| status.remove("conditions"));
    let mut status = old.get("status").map_or_else(|| Value::map_in(arena), |s| s.copy_in(arena));
    if let Some(status) = status.as_map_mut() {
        status.remove("conditions");
        if let Some(conditions) = conditions {
            status.insert("conditions", conditions);
        }
    }
    map.insert("status", status);
}

/// Conditions of this type become what they were, unless there are more or fewer of them now
/// (`preserveConditionInstances`).
fn preserve<'a>(now: &mut [Value<'a>], before: &[Value<'_>], kind: &str, arena: &'a Bump) {
    let is_kind = |condition: &Value<'_>| condition.text("type") == kind;
    let count = |list: &[Value<'_>]| list.iter().filter(|one| is_kind(one)).count();
    if count(now) != count(before) {
        return;
    }
    let stored = before.iter().filter(|one| is_kind(one));
    for (condition, stored) in now.iter_mut().filter(|one| is_kind(one)).zip(stored) {
        *condition = stored.copy_in(arena);
    }
}

/// `dropTopologyOnV1`: v1 has no free topology.
pub(super) fn slice_create<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    drop_topology(object);
}

/// As on create, if the endpoints change.
pub(super) fn slice_update<'a>(object: &mut Value<'a>, old: &Value<'_>, _: &mut Scope<'a, '_>) {
    if !same(object.get("endpoints"), old.get("endpoints")) {
        drop_topology(object);
    }
}

fn drop_topology(object: &mut Value<'_>) {
    for endpoint in object.list_at_mut(&["endpoints"]) {
        if let Some(map) = endpoint.as_map_mut() {
            map.remove("deprecatedTopology");
        }
    }
}

/// Coordinated leader election is off: its two fields are dropped.
pub(super) fn lease_create<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_map_mut) {
        spec.remove("strategy");
        spec.remove("preferredHolder");
    }
}

/// As on create, unless the stored lease has them.
pub(super) fn lease_update<'a>(object: &mut Value<'a>, old: &Value<'_>, _: &mut Scope<'a, '_>) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_map_mut) else { return };
    for name in ["strategy", "preferredHolder"] {
        if old.at(&["spec", name]).is_none() {
            spec.remove(name);
        }
    }
}

/// The storage version of a new definition is one that objects are stored in.
pub(super) fn definition_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    add_stored_version(object, scope);
}

/// As on create.
pub(super) fn definition_update<'a>(
    object: &mut Value<'a>,
    _: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    // Decoding fills in what a status leaves out.
    let bare = object.list_at(&["status", "storedVersions"]).is_empty();
    if scope.subresource.is_empty() || bare {
        add_stored_version(object, scope);
    }
}

fn add_stored_version<'a>(object: &mut Value<'a>, scope: &Scope<'a, '_>) {
    let versions = object.list_at(&["spec", "versions"]);
    let Some(version) = versions.iter().find(|version| version.flag("storage")) else { return };
    let name = version.text("name");
    let stored = object.list_at(&["status", "storedVersions"]);
    if stored.iter().any(|stored| stored.as_str() == Some(name)) {
        return;
    }
    let Some(map) = object.as_map_mut() else { return };
    let status = map.entry_map("status");
    if status.get("storedVersions").and_then(Value::as_list).is_none() {
        status.insert("storedVersions", Value::list_in(scope.arena));
    }
    if let Some(list) = status.get_mut("storedVersions").and_then(Value::as_list_mut) {
        list.push(Value::str_in(name, scope.arena));
    }
}

/// An APIService without a service behind it is served here, and so available.
pub(super) fn api_service_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    if object.at(&["spec", "service"]).is_some() {
        return;
    }
    let arena = scope.arena;
    let mut condition = Map::new_in(arena);
    for (name, text) in [
        ("type", "Available"),
        ("status", "True"),
        ("reason", "Local"),
        ("message", "Local APIServices are always available"),
    ] {
        condition.push_unique(name, Value::Str(text));
    }
    condition.push_unique("lastTransitionTime", Value::str_in(scope.now, arena));
    let mut conditions = List::new_in(arena);
    conditions.push(Value::Map(condition));
    if let Some(map) = object.as_map_mut() {
        map.entry_map("status").insert("conditions", Value::List(conditions));
    }
}

/// What is told of devices that are no longer allocated is dropped
/// (`dropDeallocatedStatusDevices`).
pub(super) fn claim_update<'a>(object: &mut Value<'a>, old: &Value<'_>, _: &mut Scope<'a, '_>) {
    const RESULTS: [&str; 4] = ["status", "allocation", "devices", "results"];
    let names = |one: &Value<'_>| {
        ["driver", "pool", "device", "shareID"].map(|name| one.text(name).to_owned())
    };
    let kept: Vec<_> = object.list_at(&RESULTS).iter().map(names).collect();
    let gone: Vec<_> = old.list_at(&RESULTS).iter().map(names).collect();
    let Some(status) = object.at_mut(&["status"]).and_then(Value::as_map_mut) else { return };
    let Some(devices) = status.get_mut("devices").and_then(Value::as_list_mut) else { return };
    devices.retain(|device| {
        let device = names(device);
        kept.contains(&device) || !gone.contains(&device)
    });
    if devices.is_empty() {
        status.remove("devices");
    }
}

/// Taints of a new slice were added now.
pub(super) fn slice_taints<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    defaults::resource_slice(object, scope);
}

/// As on create.
pub(super) fn slice_taints_update<'a>(
    object: &mut Value<'a>,
    _: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    defaults::resource_slice(object, scope);
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{scope, tree};
    use crate::registry::strategy::{User, strategy};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn a_signing_request_names_who_asks() {
        let arena = Bump::new();
        let mut request = tree(&arena, &json!({"metadata": {}, "spec": {"username": "liar"}}));
        let groups = ["g".to_owned()];
        let mut warnings = Vec::new();
        let mut scope =
            scope(&arena, "certificates.k8s.io", "certificatesigningrequests", &mut warnings);
        scope.user = User { name: "ann", uid: "u", groups: &groups, extra: &[] };
        let row = strategy("certificates.k8s.io", "certificatesigningrequests");
        row.begin_create(&mut request, &mut scope);
        assert_eq!(request.str_at(&["spec", "username"]), "ann");
        assert_eq!(request.list_at(&["spec", "groups"]).len(), 1);
        let mut sent = tree(
            &arena,
            &json!({"metadata": {}, "status": {"conditions": [
            {"type": "Approved", "status": "True"}]}}),
        );
        scope.subresource = "approval";
        row.begin_update(&mut sent, &request, &mut scope);
        assert_eq!(sent.str_at(&["spec", "username"]), "ann");
        let condition = &sent.list_at(&["status", "conditions"])[0];
        assert_eq!(condition.str_at(&["lastTransitionTime"]), "2026-01-01T12:00:00Z");
        let mut again = tree(
            &arena,
            &json!({"metadata": {}, "status": {"conditions": [
            {"type": "Approved", "status": "True", "message": "other"},
            {"type": "Failed", "status": "True"}]}}),
        );
        (scope.subresource, scope.now) = ("status", "2026-01-01T13:00:00Z");
        row.begin_update(&mut again, &sent, &mut scope);
        let conditions = again.list_at(&["status", "conditions"]);
        assert_eq!(conditions[0], sent.list_at(&["status", "conditions"])[0]);
        assert_eq!(conditions[1].str_at(&["lastUpdateTime"]), "2026-01-01T13:00:00Z");
    }

    #[test]
    fn a_local_api_service_is_available() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let group = "apiregistration.k8s.io";
        let mut scope = scope(&arena, group, "apiservices", &mut warnings);
        for (spec, count) in [(json!({}), 1), (json!({"service": {"name": "s"}}), 0)] {
            let mut object = tree(&arena, &json!({"metadata": {}, "spec": spec}));
            strategy(group, "apiservices").begin_create(&mut object, &mut scope);
            assert_eq!(object.list_at(&["status", "conditions"]).len(), count);
        }
    }
}
