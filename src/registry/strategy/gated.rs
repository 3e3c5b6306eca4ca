//! Fields of features that are off by default (`DropDisabledFields` of each strategy): dropped from
//! what is written, unless the stored object has the feature in use.

use crate::object::{Map, Value};
use crate::registry::read::Read as _;

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// Attribute values that are lists (gate `DRAListTypeAttributes`).
const LISTS: [&str; 4] = ["bools", "ints", "strings", "versions"];

/// Drops them from an object of this resource.
pub(super) fn drop(object: &mut Value<'_>, old: Option<&Value<'_>>, group: &str, resource: &str) {
    if (group, resource) == ("", "pods") {
        pod_status(object, old);
    }
    let path: &[&str] = match (group, resource) {
        ("", "nodes") => {
            member(object, old, &["spec"], "configSource");
            return member(object, old, &["status"], "config");
        }
        ("", "pods") => &["spec"],
        ("", "podtemplates") => &["template", "spec"],
        ("batch", "cronjobs") => &["spec", "jobTemplate", "spec", "template", "spec"],
        ("", "replicationcontrollers")
        | ("apps", "daemonsets" | "deployments" | "replicasets" | "statefulsets")
        | ("batch", "jobs") => &["spec", "template", "spec"],
        ("resource.k8s.io", "resourceslices") => return slice(object, old),
        ("storage.k8s.io", "csidrivers") => {
            return member(object, old, &["spec"], "preventPodSchedulingIfMissing");
        }
        _ => return,
    };
    if resource == "statefulsets" {
        member(object, old, &["spec", "updateStrategy", "rollingUpdate"], "maxUnavailable");
    }
    let old = old.and_then(|old| old.at(path));
    if let Some(spec) = object.at_mut(path).and_then(Value::as_map_mut) {
        pod_spec(spec, old);
    }
}

/// Of a pod's status: gates `DRANodeAllocatableResources` and `ImageVolumeWithDigest`.
fn pod_status(object: &mut Value<'_>, old: Option<&Value<'_>>) {
    const LISTS: [&str; 3] =
        ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    member(object, old, &["status"], "nodeAllocatableResourceClaimStatuses");
    let digested = |status: &Value<'_>| {
        let mut mounts = LISTS.iter().flat_map(|list| status.items(list));
        mounts.any(|one| one.items("volumeMounts").iter().any(|mount| mount.has("volumeStatus")))
    };
    if old.and_then(|old| old.get("status")).is_some_and(digested) {
        return;
    }
    for list in LISTS {
        for status in object.list_at_mut(&["status", list]) {
            for mount in status.list_at_mut(&["volumeMounts"]) {
                if let Some(mount) = mount.as_map_mut() {
                    mount.remove("volumeStatus");
                }
            }
        }
    }
}

/// Drops one member of the object at `path`.
fn member(object: &mut Value<'_>, old: Option<&Value<'_>>, path: &[&str], name: &str) {
    let used = old.and_then(|old| old.at(path)).is_some_and(|old| old.has(name));
    if let Some(map) = object.at_mut(path).and_then(Value::as_map_mut).filter(|_| !used) {
        map.remove(name);
    }
}

fn pod_spec(spec: &mut Map<'_>, old: Option<&Value<'_>>) {
    for name in ["clusterTrustBundle", "podCertificate"] {
        if !old.is_some_and(|old| projects(old, name)) {
            drop_projection(spec, name);
        }
    }
    if !old.is_some_and(signals) {
        for container in CONTAINERS {
            drop_signals(items(spec, container));
        }
    }
    if !old.is_some_and(|old| old.has("schedulingGroup")) {
        spec.remove("schedulingGroup");
    }
}

fn drop_signals(containers: &mut [Value<'_>]) {
    for container in containers {
        let Some(container) = container.as_map_mut() else { continue };
        let lifecycle = container.get_mut("lifecycle").and_then(Value::as_map_mut);
        let Some(lifecycle) = lifecycle.filter(|map| map.get("stopSignal").is_some()) else {
            continue;
        };
        lifecycle.remove("stopSignal");
        // A hook that said nothing else is none.
        if lifecycle.is_empty() {
            container.remove("lifecycle");
        }
    }
}

/// The values of a list.
fn items<'m, 'a>(map: &'m mut Map<'a>, name: &str) -> &'m mut [Value<'a>] {
    map.get_mut(name).and_then(Value::as_list_mut).map_or(&mut [], |list| list.as_mut_slice())
}

/// True if a volume has a source of this kind among those it projects.
fn projects(spec: &Value<'_>, name: &str) -> bool {
    let mut volumes = spec.items("volumes").iter();
    volumes.any(|volume| volume.list_at(&["projected", "sources"]).iter().any(|one| one.has(name)))
}

fn drop_projection(spec: &mut Map<'_>, name: &str) {
    for volume in items(spec, "volumes") {
        for source in volume.list_at_mut(&["projected", "sources"]) {
            if let Some(source) = source.as_map_mut() {
                source.remove(name);
            }
        }
    }
}

/// True if a container has a stop signal of its own.
fn signals(spec: &Value<'_>) -> bool {
    let mut containers = CONTAINERS.iter().flat_map(|name| spec.items(name));
    containers.any(|container| container.at(&["lifecycle", "stopSignal"]).is_some())
}

fn slice(object: &mut Value<'_>, old: Option<&Value<'_>>) {
    const MAPPINGS: &str = "nodeAllocatableResourceMappings";
    let before = old.map_or(&[][..], |old| old.list_at(&["spec", "devices"]));
    let lists = |device: &Value<'_>| {
        device.entries("attributes").any(|(_, one)| LISTS.iter().any(|name| one.has(name)))
    };
    let (listed, mapped) =
        (before.iter().any(lists), before.iter().any(|device| device.has(MAPPINGS)));
    for device in object.list_at_mut(&["spec", "devices"]) {
        let Some(device) = device.as_map_mut() else { continue };
        if !mapped {
            device.remove(MAPPINGS);
        }
        let attributes = device.get_mut("attributes").and_then(Value::as_map_mut);
        for (_, attribute) in attributes.filter(|_| !listed).into_iter().flat_map(Map::iter_mut) {
            if let Some(attribute) = attribute.as_map_mut() {
                attribute.retain(|name, _| !LISTS.contains(&name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::drop;
    use crate::object::Value;
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn what_is_off_is_dropped_unless_it_is_in_use() {
        let arena = Bump::new();
        let spec = json!({
            "schedulingGroup": {"podGroupName": "g"},
            "containers": [{"name": "c", "lifecycle": {"stopSignal": "SIGTERM"}}],
            "volumes": [{"name": "v", "projected": {"sources": [
                {"podCertificate": {"signerName": "a.b/c"}}, {"secret": {"name": "s"}}]}}],
        });
        let rest = json!({
            "containers": [{"name": "c"}],
            "volumes": [{"name": "v", "projected": {"sources": [{}, {"secret": {"name": "s"}}]}}],
        });
        let cases = [
            ("", "pods", json!({"spec": spec}), json!({"spec": rest})),
            (
                "",
                "podtemplates",
                json!({"template": {"spec": spec}}),
                json!({"template": {"spec": rest}}),
            ),
            (
                "apps",
                "statefulsets",
                json!({"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}}),
                json!({"spec": {"updateStrategy": {"rollingUpdate": {}}}}),
            ),
            (
                "storage.k8s.io",
                "csidrivers",
                json!({"spec": {"preventPodSchedulingIfMissing": true}}),
                json!({"spec": {}}),
            ),
            (
                "resource.k8s.io",
                "resourceslices",
                json!({"spec": {"devices": [{"name": "d", "attributes": {"a": {"ints": [1]}}}]}}),
                json!({"spec": {"devices": [{"name": "d", "attributes": {"a": {}}}]}}),
            ),
        ];
        for (group, resource, sent, kept) in cases {
            let mut object = tree(&arena, &sent);
            drop(&mut object, None, group, resource);
            assert_eq!(object, tree(&arena, &kept), "{resource}");
            let (mut object, old): (Value<'_>, _) = (tree(&arena, &sent), tree(&arena, &sent));
            drop(&mut object, Some(&old), group, resource);
            assert_eq!(object, old, "{resource} in use");
        }
    }
}
