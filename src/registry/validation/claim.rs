//! PersistentVolumeClaim (`ValidatePersistentVolumeClaimSpec` and its updates).

use super::{Errors, IMMUTABLE, Report as _, format, go_form, line_diff, resources, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same_as};
use crate::registry::strategy::Scope;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const FROZEN: &str = "spec is immutable after creation except resources.requests and \
    volumeAttributesClassName for bound claims";
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// A new claim.
pub fn create(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    spec(object.get("spec").unwrap_or(&Value::Null), &Path::root("spec"), errors);
}

/// `ValidatePersistentVolumeClaimSpec`.
pub fn spec(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    access_modes(
        spec.items("accessModes"),
        "at least 1 access mode is required",
        &path.child("accessModes"),
        errors,
    );
    selector::label_selector(spec.get("selector"), &path.child("selector"), errors);
    let at = path.child("resources");
    match spec.at(&["resources", "requests", "storage"]) {
        None => errors.required(&at.key("storage"), ""),
        Some(storage) => resources::positive(Some(storage), &at.key("storage"), errors),
    }
    let class = spec.text("storageClassName");
    if !class.is_empty() {
        errors.messages(&path.child("storageClassName"), class, format::dns_subdomain(class));
    }
    let modes = ["Block", "Filesystem"];
    errors.one_of_given(&path.child("volumeMode"), spec.get("volumeMode"), &modes);
    sources(spec, path, errors);
    let class = spec.text("volumeAttributesClassName");
    if !class.is_empty() {
        let at = path.child("volumeAttributesClassName");
        errors.messages(&at, class, format::dns_subdomain(class));
    }
}

/// Access modes of claims and volumes; `missing` is what to say if there is none.
pub fn access_modes(modes: &[Value<'_>], missing: &str, path: &Path<'_>, errors: &mut Errors) {
    if modes.is_empty() {
        errors.required(path, missing);
    }
    for mode in modes.iter().filter_map(Value::as_str) {
        if !MODES.contains(&mode) {
            errors.unsupported(path, mode, &MODES);
        }
    }
    let once = |mode: &Value<'_>| mode.as_str() == Some("ReadWriteOncePod");
    let other = |mode: &Value<'_>| !once(mode) && mode.as_str().is_some_and(|m| MODES.contains(&m));
    if modes.iter().any(once) && modes.iter().any(other) {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn sources(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (source, reference) = (spec.get("dataSource"), spec.get("dataSourceRef"));
    if let Some(source) = source {
        data_source(source, &path.child("dataSource"), errors);
    }
    let Some(reference) = reference else { return };
    data_source(reference, &path.child("dataSourceRef"), errors);
    let namespace = reference.text("namespace");
    if !namespace.is_empty() {
        let at = path.child("dataSourceRef");
        errors.messages(&at.child("namespace"), namespace, format::dns_label(namespace));
    }
    let Some(source) = source else { return };
    // Upstream gives the error a path for a value, which has nothing to show.
    let nothing = super::Verbatim("{}");
    if !namespace.is_empty() {
        let detail = "may not be specified when dataSourceRef.namespace is specified";
        errors.invalid(path, nothing, detail);
    } else if ["apiGroup", "kind", "name"].iter().any(|n| source.text(n) != reference.text(n)) {
        errors.invalid(path, nothing, "must match dataSourceRef");
    }
}

fn data_source(source: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for name in ["name", "kind"] {
        if source.text(name).is_empty() {
            errors.required(&path.child(name), "");
        }
    }
    let group = source.text("apiGroup");
    if group.is_empty() && source.text("kind") != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid(path, source.text("kind"), detail);
    }
    if !group.is_empty() {
        errors.messages(&path.child("apiGroup"), group, format::dns_subdomain(group));
    }
}

/// `ValidatePersistentVolumeClaimUpdate`.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    create(new, scope, errors);
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    let annotation =
        |object: &Value<'_>| object.str_at(&["metadata", "annotations", BETA_CLASS]).to_owned();
    let bound = old.str_at(&["status", "phase"]) == "Bound";
    let mut munged = now.copy_in(scope.arena);
    unfreeze(&mut munged, was, bound, scope);
    let name = "core.v1.PersistentVolumeClaimSpec";
    if !same_as(name, Some(&munged), Some(was)) {
        let diff = line_diff::unified(
            &go_form::pretty(Some(was), name),
            &go_form::pretty(Some(&munged), name),
        );
        errors.forbidden(&Path::root("spec"), &format!("{FROZEN}\n{diff}"));
    }
    storage(now, was, old, errors);
    if annotation(new) != annotation(old) {
        let at = Path::root("metadata");
        let path = format!("annotations.{BETA_CLASS}");
        errors.invalid(&at.child(&path), &annotation(new), IMMUTABLE);
    }
    if now.text("volumeMode") != was.text("volumeMode") {
        errors.invalid(&Path::root("volumeMode"), now.text("volumeMode"), IMMUTABLE);
    }
    let (class, before) = ("volumeAttributesClassName", was.text("volumeAttributesClassName"));
    if bound && !before.is_empty() && now.text(class).is_empty() {
        let spec = Path::root("spec");
        let detail = "update from non-nil value to nil is forbidden";
        errors.forbidden(&spec.child(class), detail);
    }
}

/// Takes back from `munged` what may change.
fn unfreeze<'a>(munged: &mut Value<'a>, was: &Value<'_>, bound: bool, scope: &Scope<'a, '_>) {
    let fresh = |name: &str| was.get(name).is_none_or(Value::is_empty);
    let Some(map) = munged.as_map_mut() else { return };
    let mut restore = |name: &'static str| match was.get(name) {
        Some(value) => {
            map.insert(name, value.copy_in(scope.arena));
        }
        None => {
            map.remove(name);
        }
    };
    if fresh("volumeName") {
        restore("volumeName");
    }
    if !was.has("storageClassName") {
        restore("storageClassName");
    }
    if bound {
        restore("volumeAttributesClassName");
        if let Some(storage) = was.at(&["resources", "requests", "storage"]) {
            let requests = map.entry_map("resources").entry_map("requests");
            requests.insert("storage", storage.copy_in(scope.arena));
        }
    }
}

fn storage(now: &Value<'_>, was: &Value<'_>, old: &Value<'_>, errors: &mut Errors) {
    let size =
        |spec: &Value<'_>| resources::quantity(spec.at(&["resources", "requests", "storage"]));
    let (new, before) = (size(now), size(was));
    if new < before {
        let actual = resources::quantity(old.at(&["status", "capacity", "storage"]));
        if new <= actual {
            let spec = Path::root("spec");
            let detail = "field can not be less than status.capacity";
            errors.forbidden(&spec.child("resources.requests.storage"), detail);
        }
    }
}

/// `validatePersistentVolumeClaimResourceKey`: storage, or what is not Kubernetes' own.
fn resource_key(name: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    let messages = format::label_key(name);
    let fine = messages.is_empty();
    errors.messages(path, name, messages);
    let native = fine && resources::is_native(name) && name != "storage";
    if native {
        errors.unsupported(path, name, &["storage"]);
    }
    fine && !native
}

/// `ValidatePersistentVolumeClaimStatusUpdate`.
pub fn status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    const RESIZES: [&str; 5] = [
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizePending",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
    ];
    if new.list_at(&["spec", "accessModes"]).is_empty() {
        let spec = Path::root("spec");
        errors.required(&spec.child("accessModes"), "");
    }
    let Some(status) = new.get("status") else { return };
    let path = Path::root("status");
    let at = path.child("capacity");
    for (name, value) in status.entries("capacity") {
        resources::basic(value, &at.key(name), errors);
    }
    let at = path.child("allocatedResourceStatuses");
    for (name, value) in status.entries("allocatedResourceStatuses") {
        resource_key(name, &at, errors);
        if !RESIZES.contains(&value.as_str().unwrap_or("")) {
            // Upstream shows the resource and sorts what it could be.
            let mut values = RESIZES;
            values.sort_unstable();
            errors.unsupported(&at, name, &values);
        }
    }
    let at = path.child("allocatedResources");
    for (name, value) in status.entries("allocatedResources") {
        if resource_key(name, &at, errors) && resources::basic(value, &at.key(name), errors) {
            resources::amount("storage", value, &at.key(name), errors);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Errors, update};
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::{Value as Json, json};

    #[test]
    fn an_empty_selector_is_a_change_of_a_claim_and_an_empty_list_of_limits_is_none() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let scope = scope(&arena, "", "persistentvolumeclaims", &mut warnings);
        let claim = |selector: Option<Json>, limits: Option<Json>| {
            let mut resources = json!({"requests": {"storage": "1Gi"}});
            resources["limits"] = limits.unwrap_or_default();
            let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": resources});
            spec["selector"] = selector.unwrap_or_default();
            tree(&arena, &json!({"metadata": {"name": "c", "namespace": "ns"}, "spec": spec}))
        };
        let told = |new| {
            let mut errors = Errors::new();
            update(&new, &claim(None, None), &scope, &mut errors);
            let own = |line: &String| line.starts_with("spec: Forbidden: spec is immutable");
            lines(&errors).iter().filter(|line| own(line)).count()
        };
        assert_eq!(told(claim(None, Some(json!({})))), 0);
        assert_eq!(told(claim(Some(json!({})), None)), 1);
    }
}
