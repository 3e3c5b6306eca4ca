//! `pods/resize`: of a pod's spec only the cpu and memory of its containers, and of the pod as a
//! whole, may change (`ValidatePodResize`).

use super::pod::{MIRROR, annotation_updates, basics_of_update};
use super::{Errors, Report as _};
use crate::object::field::Path;
use crate::object::{Map, Value};
use crate::registry::read::{Read as _, same_as, same_member_of};
use crate::registry::strategy::{Scope, qos_class};

const LISTS: [&str; 2] = ["containers", "initContainers"];
const AMOUNTS: [&str; 2] = ["requests", "limits"];
const MUTABLE: &str = "only cpu and memory resources are mutable";

/// A pod, resized.
pub(super) fn resize(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    basics_of_update(new, scope, errors);
    annotation_updates(new, old, errors);
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    if old.at(&["metadata", "annotations", MIRROR]).is_some() {
        errors.clear();
        return errors.forbidden(&Path::root(""), "static pods cannot be resized");
    }
    if was.str_at(&["os", "name"]) == "windows" {
        errors.clear();
        return errors.forbidden(&Path::root(""), "windows pods cannot be resized");
    }
    let path = Path::root("spec");
    if qos_class(now) != qos_class(was) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        // The status stays what it was.
        errors.invalid(&path, old.str_at(&["status", "qosClass"]), detail);
    }
    if !is_supported(old) {
        errors.forbidden(&path, "Pod running on node without support for resize");
    }
    let mut masked = now.copy_in(scope.arena);
    whole_pod(now, was, &mut masked, &path, errors);
    if !old.list_at(&["status", "nodeAllocatableResourceClaimStatuses"]).is_empty() {
        let detail = "pods with node allocatable resource claims cannot be resized";
        errors.forbidden(&path, detail);
    }
    if !same_containers(now, was, &path, errors) {
        return;
    }
    for list in ["initContainers", "containers"] {
        let at = path.child(list);
        for (index, (now, was)) in now.items(list).iter().zip(was.items(list)).enumerate() {
            let (now, was) = (now.get("resources"), was.get("resources"));
            removed(now, was, "resource", &at.index(index).child("resources"), errors);
        }
    }
    containers(&mut masked, now, was, &path, errors);
    if errors.is_empty() && !same_as("core.v1.PodSpec", Some(&masked), Some(was)) {
        errors.forbidden(&path, MUTABLE);
    }
}

/// A node that runs a container of the pod says what resources it has, if it can resize.
fn is_supported(pod: &Value<'_>) -> bool {
    let mut running = pod
        .list_at(&["status", "containerStatuses"])
        .iter()
        .filter(|one| one.at(&["state", "running"]).is_some());
    running.next().is_none_or(|one| one.has("resources"))
}

/// `validatePodLevelResourcesResize`.
fn whole_pod(
    now: &Value<'_>,
    was: &Value<'_>,
    masked: &mut Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let is_set = |spec: &Value<'_>| {
        AMOUNTS.iter().any(|list| !spec.at(&["resources", list]).is_none_or(Value::is_empty))
    };
    if !is_set(now) && !is_set(was) {
        return;
    }
    let at = path.child("resources");
    let (after, before) = (now.get("resources"), was.get("resources"));
    if after.is_none() {
        return errors.forbidden(&at, "pod-level resources cannot be removed");
    }
    if before.is_some() {
        removed(after, before, "pod-level resource", &at, errors);
    }
    let Some(spec) = masked.as_map_mut() else { return };
    if let Some(resources) = spec.get_mut("resources").and_then(Value::as_map_mut) {
        mask(resources, before);
        let bare = resources.iter().all(|(_, value)| value.is_empty());
        if bare && before.is_none() {
            spec.remove("resources");
        }
    }
    if !same_member_of("core.v1.PodSpec", "resources", masked, was) {
        errors.forbidden(path, &format!("{MUTABLE} at pod-level"));
    }
}

/// `validatePodResizeContainerOrdering`: true if the containers are the same, in the same order.
fn same_containers(now: &Value<'_>, was: &Value<'_>, path: &Path<'_>, errors: &mut Errors) -> bool {
    let known = errors.len();
    for list in LISTS {
        let at = path.child(list);
        let (now, was) = (now.items(list), was.items(list));
        if now.len() != was.len() {
            errors.forbidden(&at, &format!("{list} may not be added or removed on resize"));
            continue;
        }
        for (index, (now, was)) in now.iter().zip(was).enumerate() {
            if now.text("name") != was.text("name") {
                let detail = format!("{list} may not be renamed or reordered on resize");
                errors.forbidden(&at.index(index).child("name"), &detail);
            }
        }
    }
    errors.len() == known
}

/// Errors for lists of amounts that say less than before.
fn removed(
    now: Option<&Value<'_>>,
    was: Option<&Value<'_>>,
    what: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for list in AMOUNTS {
        let [now, was] = [now, was].map(|all| all.and_then(|all| all.get(list)));
        let missing = |name: &str| now.and_then(|now| now.get(name)).is_none();
        if was.and_then(Value::as_map).is_some_and(|was| was.keys().any(missing)) {
            errors.forbidden(&path.child(list), &format!("{what} {list} cannot be removed"));
        }
    }
}

/// What differs in containers beside cpu and memory; these are as they were in `masked`
/// afterwards.
fn containers(
    masked: &mut Value<'_>,
    now: &Value<'_>,
    was: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let ty = "core.v1.Container";
    for list in LISTS {
        let (at, regular) = (path.child(list), list == "containers");
        let pairs = now.items(list).iter().zip(was.items(list));
        for ((index, (now, was)), container) in pairs.enumerate().zip(masked.list_at_mut(&[list])) {
            if let Some(map) = container.as_map_mut() {
                let resources = map.entry_map("resources");
                resources.remove("claims");
                mask(resources, was.get("resources"));
            }
            let at = at.index(index);
            if !same_as(ty, Some(container), Some(was)) {
                let detail = "only cpu and memory resources for init or sidecar containers are \
                              mutable";
                match regular {
                    true => errors.forbidden(path, MUTABLE),
                    false => errors.forbidden(&at, detail),
                }
            }
            if regular || now.text("restartPolicy") == "Always" || same_as(ty, Some(now), Some(was))
            {
                continue;
            }
            let restarts = |policy: &&Value<'_>| policy.text("restartPolicy") == "RestartContainer";
            for _ in now.items("resizePolicy").iter().filter(restarts) {
                let detail = "non-sidecar init containers with a resize policy of \
                              RestartContainer cannot be resized";
                errors.forbidden(&at, detail);
            }
        }
    }
}

/// `dropCPUMemoryUpdates` of both lists of amounts.
fn mask(resources: &mut Map<'_>, was: Option<&Value<'_>>) {
    let arena = resources.arena();
    for list in AMOUNTS {
        let was = was.and_then(|was| was.get(list));
        if was.is_none() && resources.get(list).is_none() {
            continue;
        }
        let amounts = resources.entry_map(list);
        for name in ["cpu", "memory"] {
            match was.and_then(|was| was.get(name)) {
                Some(value) => amounts.insert(name, value.copy_in(arena)),
                None => amounts.remove(name),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Errors, resize};
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn cpu_and_memory_may_change_and_nothing_else() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "", "pods", &mut warnings);
        scope.subresource = "resize";
        let pod = |requests: serde_json::Value, image: &str| {
            let container = json!({"name": "c", "image": image, "imagePullPolicy": "Always",
                "terminationMessagePolicy": "File", "resources": {"requests": requests}});
            tree(
                &arena,
                &json!({"metadata": {"name": "p", "namespace": "ns", "resourceVersion": "1"},
                "spec": {"containers": [container], "restartPolicy": "Always",
                    "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30}}),
            )
        };
        let old = pod(json!({"cpu": "1"}), "i");
        let cases = [
            (json!({"cpu": "2"}), "i", ""),
            (json!({"cpu": "2", "memory": "1Gi"}), "i", ""),
            (
                json!({"cpu": "1"}),
                "j",
                "spec: Forbidden: only cpu and memory resources are mutable",
            ),
            (
                json!({"cpu": "1", "ephemeral-storage": "1"}),
                "i",
                "spec: Forbidden: only cpu and memory resources are mutable",
            ),
            (
                json!({"memory": "1"}),
                "i",
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be \
                 removed",
            ),
        ];
        for (requests, image, expected) in cases {
            let mut errors = Errors::new();
            resize(&pod(requests.clone(), image), &old, &scope, &mut errors);
            assert_eq!(lines(&errors).join("; "), expected, "{requests} {image}");
        }
    }
}
