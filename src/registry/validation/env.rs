//! Environment variables and references to fields and resources of the pod
//! (`ValidateEnv`, `ValidateEnvFrom`, `validateObjectFieldSelector`).

use super::{Errors, Report as _, format, resources};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const VOLUME_FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// What `ConvertDownwardAPIFieldLabel` knows.
const POD_FIELDS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// Where a reference stands: what it may name depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `env[].valueFrom`.
    Env,
    /// A downward API volume.
    Volume,
}

/// `ValidateEnv`.
pub fn env(vars: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    for (index, var) in vars.iter().enumerate() {
        let at = path.index(index);
        errors.required_text(&at.child("name"), var.text("name"), format::env_name);
        if let Some(source) = var.get("valueFrom") {
            value_from(var, source, &at.child("valueFrom"), errors);
        }
    }
}

fn value_from(var: &Value<'_>, source: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut count = 0;
    if let Some(field) = source.get("fieldRef") {
        count += 1;
        field_ref(field, Place::Env, &path.child("fieldRef"), errors);
    }
    if let Some(resource) = source.get("resourceFieldRef") {
        count += 1;
        resource_ref(resource, Place::Env, &path.child("resourceFieldRef"), errors);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(key) = source.get(name) {
            count += 1;
            let at = path.child(name);
            let owner = key.text("name");
            errors.messages(&at.child("name"), owner, format::dns_subdomain(owner));
            errors.required_text(&at.child("key"), key.text("key"), format::config_key);
        }
    }
    if let Some(file) = source.get("fileKeyRef") {
        count += 1;
        file_ref(file, &path.child("fileKeyRef"), errors);
    }
    if count == 0 {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
                      `secretKeyRef` or `fileKeyRef`";
        errors.invalid(path, "", detail);
    } else if !var.text("value").is_empty() {
        errors.invalid(path, "", "may not be specified when `value` is not empty");
    } else if count > 1 {
        errors.invalid(path, "", "may not have more than one field specified at a time");
    }
}

/// `validateFileKeySelector`.
fn file_ref(file: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    errors.required_text(&path.child("key"), file.text("key"), format::env_name);
    let name = file.text("volumeName");
    errors.required_text(&path.child("volumeName"), name, format::dns_label);
    let target = file.text("path");
    if target.is_empty() {
        errors.required(&path.child("path"), "");
    } else {
        no_backsteps(target, &path.child("path"), errors);
    }
}

/// `validateFileKeyRefVolumes`: files of variables come from volumes of type emptyDir.
pub fn file_volumes(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    super::pod_spec::each_container(spec, path, |container, at| {
        let at = at.child("env");
        for (index, var) in container.items("env").iter().enumerate() {
            let Some(file) = var.at(&["valueFrom", "fileKeyRef"]) else { continue };
            let name = file.text("volumeName");
            let at = at.index(index);
            let (at, volumes) = (at.child("valueFrom"), spec.items("volumes"));
            let at = at.child("fileKeyRef");
            let at = at.child("volumeName");
            match volumes.iter().rev().find(|volume| volume.text("name") == name) {
                None => errors.not_found(&at, name),
                Some(volume) if !volume.has("emptyDir") => {
                    errors.invalid(&at, name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    });
}

/// `validateLocalNonReservedPath` and kin: relative, without `..`.
pub fn local_path(target: &str, path: &Path<'_>, errors: &mut Errors) {
    if target.starts_with('/') {
        errors.invalid(path, target, "must be a relative path");
    }
    no_backsteps(target, path, errors);
}

/// `validatePathNoBacksteps`.
pub fn no_backsteps(target: &str, path: &Path<'_>, errors: &mut Errors) {
    if target.split('/').any(|part| part == "..") {
        errors.invalid(path, target, "must not contain '..'");
    }
}

/// `validateObjectFieldSelector`.
pub fn field_ref(field: &Value<'_>, place: Place, path: &Path<'_>, errors: &mut Errors) {
    let (version, label) = (field.text("apiVersion"), field.text("fieldPath"));
    if version.is_empty() {
        errors.required(&path.child("apiVersion"), "");
        return;
    }
    let at = path.child("fieldPath");
    if label.is_empty() {
        errors.required(&at, "");
        return;
    }
    let (name, subscript) = split_subscript(label);
    let known = POD_FIELDS.contains(&name);
    let problem = if version != "v1" {
        format!("unsupported pod version: {version}")
    } else if subscript.is_some() && !matches!(name, "metadata.annotations" | "metadata.labels") {
        format!("field label does not support subscript: {label}")
    } else if !known && label != "spec.host" {
        format!("field label not supported: {label}")
    } else {
        String::new()
    };
    if !problem.is_empty() {
        let detail = format!("error converting fieldPath: {problem}");
        errors.invalid(&at, label, &detail);
        return;
    }
    let allowed: &[&str] = if place == Place::Env { &ENV_FIELDS } else { &VOLUME_FIELDS };
    match subscript {
        Some(key) if name == "metadata.annotations" => {
            let key = key.to_lowercase();
            errors.messages(path, &key, format::label_key(&key));
        }
        Some(key) => errors.messages(path, key, format::label_key(key)),
        None if !allowed.contains(&name) => errors.unsupported(&at, name, allowed),
        None => {}
    }
}

/// `a['b']` as `a` and `b`.
fn split_subscript(label: &str) -> (&str, Option<&str>) {
    match label.strip_suffix("']").and_then(|rest| rest.split_once("['")) {
        Some((name, key)) if !name.is_empty() => (name, Some(key)),
        _ => (label, None),
    }
}

/// `validateContainerResourceFieldSelector`.
pub fn resource_ref(resource: &Value<'_>, place: Place, path: &Path<'_>, errors: &mut Errors) {
    let name = resource.text("resource");
    let huge = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if place == Place::Volume && resource.text("containerName").is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if name.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !RESOURCES.contains(&name) && !huge {
        errors.unsupported(&path.child("resource"), name, &RESOURCES);
    }
    divisor(name, resource, path, errors);
}

fn divisor(name: &str, resource: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const SIZES: [&str; 13] =
        ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    if resources::quantity(resource.get("divisor")).signum() == 0 {
        return;
    }
    let among = |texts: &[&str]| texts.contains(&resource.text("divisor"));
    let (fine, allowed, what) = match name.split_once('.').map_or("", |(_, what)| what) {
        "cpu" => (among(&["1m", "1"]), "1m and 1".to_owned(), "cpu"),
        "memory" => (among(&SIZES), SIZES.join(", "), "memory"),
        "ephemeral-storage" => (among(&SIZES), SIZES.join(", "), "local ephemeral storage"),
        what if what.starts_with("hugepages-") => (among(&SIZES), SIZES.join(", "), "hugepages"),
        _ => return,
    };
    if !fine {
        let detail =
            format!("only divisor's values {allowed} are supported with the {what} resource");
        errors.invalid(&path.child("divisor"), name, &detail);
    }
}

/// `ValidateEnvFrom`.
pub fn env_from(sources: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    for (index, source) in sources.iter().enumerate() {
        let at = path.index(index);
        let prefix = source.text("prefix");
        if !prefix.is_empty() {
            errors.messages(&at.child("prefix"), prefix, format::env_name(prefix));
        }
        let mut count = 0;
        for name in ["configMapRef", "secretRef"] {
            if let Some(reference) = source.get(name) {
                count += 1;
                let target = reference.text("name");
                errors.required_text(&at.child(name).child("name"), target, format::dns_subdomain);
            }
        }
        if count == 0 {
            errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if count > 1 {
            errors.invalid(path, "", "may not have more than one field specified at a time");
        }
    }
}
