//! Pods: create, update, status, ephemeral containers and resize
//! (`ValidatePodCreate`, `ValidatePodUpdate` and siblings).

use super::pod_spec::{self, Owner};
use super::{Errors, Report as _, format, go_form, line_diff, metadata, profile};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same_as};
use crate::registry::strategy::Scope;

pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const UPDATABLE: &str = "pod updates may not change fields other than \
    `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A new pod.
pub fn create(pod: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    basics(pod, scope, errors);
    let path = Path::root("spec");
    let null = Value::Null;
    let spec = pod.get("spec").unwrap_or(&null);
    if !spec.items("ephemeralContainers").is_empty() {
        errors.forbidden(&path.child("ephemeralContainers"), "cannot be set on create");
    }
    if !spec.text("nodeName").is_empty() && !spec.items("schedulingGates").is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&path.child("nodeName"), detail);
    }
    if let Some(annotations) = pod.at(&["metadata", "annotations"]) {
        profile::agree(annotations, spec, &path, errors);
    }
}

/// `validatePodMetadataAndSpec`, without the metadata.
fn basics(pod: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = pod.get("spec").unwrap_or(&null);
    if let Some(notes) = pod.at(&["metadata", "annotations"]) {
        let root = Path::root("metadata");
        annotations(notes, spec, &root.child("annotations"), errors);
    }
    let path = Path::root("spec");
    let owner = Owner {
        name: pod.str_at(&["metadata", "name"]),
        is_pod: true,
        privileged_allowed: scope.allow_privileged,
    };
    pod_spec::spec(spec, owner, &path, errors);
    if spec.text("serviceAccountName").is_empty() {
        for (index, volume) in spec.items("volumes").iter().enumerate() {
            let at = path.child("volumes");
            let at = at.index(index);
            let at = at.child("projected").child("sources").to_string();
            let sources = volume.list_at(&["projected", "sources"]);
            for (index, _) in
                sources.iter().enumerate().filter(|(_, source)| source.has("serviceAccountToken"))
            {
                let detail = "must not be specified when serviceAccountName is not set";
                let at = Path::root(&at);
                errors.forbidden(&at.index(index).child("serviceAccountToken"), detail);
            }
        }
    }
    for list in ["containers", "initContainers"] {
        let at = path.child(list);
        for (index, container) in spec.items(list).iter().enumerate() {
            let image = container.text("image");
            if image.trim() != image {
                let detail = "must not have leading or trailing whitespace";
                errors.invalid(&at.index(index).child("image"), image, detail);
            }
        }
    }
}

/// `ValidatePodSpecificAnnotations`.
pub(super) fn annotations(
    annotations: &Value<'_>,
    spec: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if let Some(mirror) = annotations.get(MIRROR).and_then(Value::as_str)
        && spec.text("nodeName").is_empty()
    {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        errors.invalid(&path.key(MIRROR), mirror, detail);
    }
    if let Some(cost) = annotations.get(DELETION_COST).and_then(Value::as_str)
        && (cost.parse::<i32>().is_err() || cost.starts_with('+'))
    {
        errors.invalid(&path.key(DELETION_COST), cost, "must be a 32bit integer");
    }
    profile::annotations(annotations, spec, path, errors);
}

/// `ValidatePodSpecificAnnotationUpdates`.
pub fn annotation_updates(new: &Value<'_>, old: &Value<'_>, errors: &mut Errors) {
    let root = Path::root("metadata");
    let path = root.child("annotations");
    let null = Value::Null;
    let now = new.at(&["metadata", "annotations"]).unwrap_or(&null);
    let was = old.at(&["metadata", "annotations"]).unwrap_or(&null);
    for (from, other, verb) in [(was, now, "remove or update"), (now, was, "add")] {
        for (key, value) in from.as_map().into_iter().flat_map(|map| map.iter()) {
            let kept = other.get(key);
            if kept == Some(value) || (verb == "add" && kept.is_some()) {
                continue;
            }
            let what = match key {
                MIRROR => "mirror pod annotation",
                key if key.starts_with(profile::APP_ARMOR) => "AppArmor annotations",
                _ => continue,
            };
            errors.forbidden(&path.key(key), &format!("may not {verb} {what}"));
        }
    }
}

/// The main resource, `ephemeralcontainers` and `resize`.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    match scope.subresource {
        "ephemeralcontainers" => ephemeral(new, old, scope, errors),
        "resize" => super::pod_resize::resize(new, old, scope, errors),
        _ => main(new, old, scope, errors),
    }
}

/// `ValidatePodUpdate`.
fn main(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    basics_of_update(new, scope, errors);
    annotation_updates(new, old, errors);
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    let path = Path::root("spec");
    for list in ["containers", "initContainers"] {
        if now.items(list).len() != was.items(list).len() {
            let detail = "pod updates may not add or remove containers";
            errors.forbidden(&path.child(list), detail);
            return;
        }
    }
    if !deadline(now, was, &path.child("activeDeadlineSeconds"), errors) {
        return;
    }
    tolerations(now, was, &path.child("tolerations"), errors);
    gates(now, was, &path.child("schedulingGates"), errors);
    let name = "core.v1.PodSpec";
    if same_as(name, Some(now), Some(was)) {
        return;
    }
    let munged = munge(now, was, scope, &path, errors);
    if !same_as(name, Some(&munged), Some(was)) {
        let diff = line_diff::unified(
            &go_form::pretty(Some(was), name),
            &go_form::pretty(Some(&munged), name),
        );
        errors.forbidden(&path, &format!("{UPDATABLE}\n{diff}"));
    }
}

/// What updates check again of the pod itself.
pub(super) fn basics_of_update(new: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    metadata::create(new, scope.namespaced, &format::dns_subdomain, errors);
    metadata::standard_finalizers(new, errors);
    basics(new, scope, errors);
}

/// True if the checks may go on.
fn deadline(now: &Value<'_>, was: &Value<'_>, path: &Path<'_>, errors: &mut Errors) -> bool {
    let name = "activeDeadlineSeconds";
    match (now.int(name), was.int(name)) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            let detail = "must be between 0 and 2147483647, inclusive";
            errors.invalid(path, seconds, detail);
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.invalid(path, seconds, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            errors.invalid(path, &Value::Null, detail);
            true
        }
        _ => true,
    }
}

/// `validateOnlyAddedTolerations`.
fn tolerations(now: &Value<'_>, was: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const FIELDS: [&str; 4] = ["key", "operator", "value", "effect"];
    for before in was.items("tolerations") {
        let kept = now
            .items("tolerations")
            .iter()
            .any(|after| FIELDS.iter().all(|name| after.text(name) == before.text(name)));
        if !kept {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            errors.forbidden(path, detail);
            return;
        }
    }
}

/// `validateOnlyDeletedSchedulingGates`.
fn gates(now: &Value<'_>, was: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (index, gate) in now.items("schedulingGates").iter().enumerate() {
        let name = gate.text("name");
        if !was.items("schedulingGates").iter().any(|before| before.text("name") == name) {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(&path.index(index).child("name"), &detail);
        }
    }
}

/// The new spec with all that may change taken back.
fn munge<'a>(
    now: &Value<'_>,
    was: &Value<'_>,
    scope: &Scope<'a, '_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Value<'a> {
    let arena = scope.arena;
    let mut munged = now.copy_in(arena);
    for list in ["containers", "initContainers"] {
        let before = was.items(list).iter();
        for (container, before) in munged.list_at_mut(&[list]).iter_mut().zip(before) {
            if let Some(map) = container.as_map_mut() {
                map.insert("image", Value::str_in(before.text("image"), arena));
            }
        }
    }
    let mut names = vec!["activeDeadlineSeconds", "schedulingGates", "tolerations"];
    let grace = "terminationGracePeriodSeconds";
    if was.int(grace).is_some_and(|seconds| seconds < 0) && now.int(grace) == Some(1) {
        names.push(grace);
    }
    if !was.items("schedulingGates").is_empty() {
        gated(now, was, path, errors);
        names.push("nodeSelector");
        let affinity = |spec: &Value<'_>| spec.at(&["affinity", "nodeAffinity"]).is_some();
        if affinity(now) || affinity(was) {
            restore_node_affinity(&mut munged, was, arena);
        }
    }
    if let Some(map) = munged.as_map_mut() {
        for name in names {
            match was.get(name) {
                Some(value) => {
                    map.insert(name, value.copy_in(arena));
                }
                None => {
                    map.remove(name);
                }
            }
        }
    }
    munged
}

fn restore_node_affinity<'a>(spec: &mut Value<'a>, was: &Value<'_>, arena: &'a bumpalo::Bump) {
    let Some(map) = spec.as_map_mut() else { return };
    match was.get("affinity") {
        None => {
            let affinity = map.entry_map("affinity");
            affinity.remove("nodeAffinity");
            if affinity.is_empty() {
                map.remove("affinity");
            }
        }
        Some(before) => {
            let affinity = map.entry_map("affinity");
            match before.get("nodeAffinity") {
                Some(node) => {
                    affinity.insert("nodeAffinity", node.copy_in(arena));
                }
                None => {
                    affinity.remove("nodeAffinity");
                }
            }
        }
    }
}

/// A gated pod may only become more choosy.
fn gated(now: &Value<'_>, was: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (key, value) in was.entries("nodeSelector") {
        if now.at(&["nodeSelector", key]) != Some(value) {
            let list = now.get("nodeSelector").unwrap_or(&Value::Null);
            let detail = "only additions to spec.nodeSelector are allowed (no mutations or \
                          deletions)";
            errors.invalid(&path.child("nodeSelector"), list, detail);
            break;
        }
    }
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = |spec: &Value<'_>| {
        spec.at(&["affinity", "nodeAffinity", required, "nodeSelectorTerms"]).is_some()
    };
    if !terms(was) {
        return;
    }
    let at =
        |spec| -> Option<&Value<'_>> { Value::at(spec, &["affinity", "nodeAffinity", required]) };
    let (after, before) = (at(now), at(was));
    let list = |node: Option<&Value<'_>>| node.map_or(0, |n| n.items("nodeSelectorTerms").len());
    let base = path.child("affinity.nodeAffinity");
    let base = base.child(required);
    let base = base.child("nodeSelectorTerms");
    if list(after) != list(before) {
        let shown = after.and_then(|node| node.get("nodeSelectorTerms")).unwrap_or(&Value::Null);
        errors.invalid(
            &base,
            shown,
            "no additions/deletions to non-empty NodeSelectorTerms list \
                                       are allowed",
        );
        return;
    }
    let (Some(after), Some(before)) = (after, before) else { return };
    let pairs = after.items("nodeSelectorTerms").iter().zip(before.items("nodeSelectorTerms"));
    for (index, (after, before)) in pairs.enumerate() {
        let blank = |term: &Value<'_>| {
            term.items("matchExpressions").is_empty() && term.items("matchFields").is_empty()
        };
        let narrowed = ["matchExpressions", "matchFields"].iter().all(|name| {
            before.items(name).iter().all(|r| after.items(name).iter().any(|other| other == r))
        });
        if (blank(before) && !blank(after)) || !narrowed {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid(&base.index(index), after, detail);
        }
    }
}

/// `ValidatePodEphemeralContainersUpdate`.
fn ephemeral(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    basics_of_update(new, scope, errors);
    annotation_updates(new, old, errors);
    let root = Path::root("spec");
    let path = root.child("ephemeralContainers");
    let now = new.list_at(&["spec", "ephemeralContainers"]);
    let old_mirror = old.at(&["metadata", "annotations", MIRROR]).is_some();
    if !now.is_empty() && old_mirror {
        errors.forbidden(&Path::root(""), "static pods do not support ephemeral containers");
    }
    let ty = "core.v1.EphemeralContainer";
    for before in old.list_at(&["spec", "ephemeralContainers"]) {
        let name = before.text("name");
        match now.iter().find(|container| container.text("name") == name) {
            None => {
                let detail = format!("existing ephemeral containers {name:?} may not be removed\n");
                errors.forbidden(&path, &detail);
            }
            Some(after) if !same_as(ty, Some(after), Some(before)) => {
                let diff = line_diff::unified(
                    &go_form::pretty(Some(before), ty),
                    &go_form::pretty(Some(after), ty),
                );
                let detail =
                    format!("existing ephemeral containers {name:?} may not be changed\n{diff}");
                errors.forbidden(&path, &detail);
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Errors, update};
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn an_empty_struct_behind_a_pointer_is_a_change_of_a_pod() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let scope = scope(&arena, "", "pods", &mut warnings);
        let pod = |member: Option<&str>| {
            let mut spec = json!({"securityContext": {}, "containers": [{"name": "c"}]});
            if let Some(member) = member {
                spec[member] = json!({});
            }
            tree(&arena, &json!({"metadata": {"name": "p", "namespace": "ns"}, "spec": spec}))
        };
        let told = |member| {
            let mut errors = Errors::new();
            update(&pod(Some(member)), &pod(None), &scope, &mut errors);
            let own = |line: &String| line.starts_with("spec: Forbidden: pod updates may not");
            lines(&errors).iter().filter(|line| own(line)).count()
        };
        assert_eq!(told("nodeSelector"), 0);
        assert_eq!(told("affinity"), 1);
        assert_eq!(told("dnsConfig"), 1);
    }
}
