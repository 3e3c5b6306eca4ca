//! Volumes of pods (`ValidateVolumes`).

use super::env::Place;
use super::pod_spec::Owner;
use super::{Errors, Report as _, claim, env, format, resources, selector, volume_source};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
/// All source names, in upstream's order.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// `ValidateVolumes`; returns the volumes that are valid, which mounts may name.
pub fn volumes<'v, 'a>(
    volumes: &'v [Value<'a>],
    owner: Owner<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Vec<&'v Value<'a>> {
    let pod_name = owner.name;
    let mut valid: Vec<&Value<'a>> = Vec::new();
    let created = |claim: &str| {
        let volume = claim.strip_prefix(pod_name).and_then(|rest| rest.strip_prefix('-'));
        !pod_name.is_empty()
            && volumes.iter().any(|v| v.has("ephemeral") && Some(v.text("name")) == volume)
    };
    for (index, volume) in volumes.iter().enumerate() {
        let at = path.index(index);
        let before = errors.len();
        let name = volume.text("name");
        pod_source(volume, owner, &at, errors);
        errors.required_text(&at.child("name"), name, format::dns_label);
        if valid.iter().any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        if errors.len() == before {
            valid.push(volume);
        }
        let claim = volume.get("persistentVolumeClaim").map_or("", |c| c.text("claimName"));
        if !claim.is_empty() && created(claim) {
            let at = at.child("persistentVolumeClaim");
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(&at.child("claimName"), claim, detail);
        }
    }
    valid
}

/// A volume with an initiator of its own: its name goes into that of the portal.
fn initiator(source: &str, value: &Value<'_>, name: &str, path: &Path<'_>, errors: &mut Errors) {
    let length = name.len() + 1 + value.text("targetPortal").len();
    if source == "iscsi" && value.has("initiatorName") && length > volume_source::PORTAL_BYTES_MAX {
        errors.invalid(&path.child("name"), name, volume_source::PORTAL_TOO_LONG);
    }
}

fn pod_source(volume: &Value<'_>, owner: Owner<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (pod_name, is_pod) = (owner.name, owner.is_pod);
    let mut found = false;
    for name in SOURCES {
        let Some(value) = volume.get(name) else { continue };
        let at = path.child(match name {
            "downwardAPI" if found => "downwarAPI",
            "cephfs" if found => "cephFS",
            "gcePersistentDisk" if !found => "persistentDisk",
            name => name,
        });
        initiator(name, value, volume.text("name"), path, errors);
        if found {
            errors.forbidden(&at, "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        match name {
            "emptyDir" => empty_dir(value, &at, errors),
            "ephemeral" => ephemeral(value, volume.text("name"), pod_name, &at, errors),
            "secret" => files(value, "secretName", &at, errors),
            "configMap" => files(value, "name", &at, errors),
            "downwardAPI" => downward(value, &at, errors),
            "projected" => projected(value, &at, errors),
            "persistentVolumeClaim" => need(value, &["claimName"], &at, errors),
            "gitRepo" => {
                need(value, &["repository"], &at, errors);
                env::local_path(value.text("directory"), &at.child("directory"), errors);
            }
            "image" => image(value, is_pod, &at, errors),
            _ => volume_source::source(name, value, false, &at, errors),
        }
    }
    if !found {
        errors.required(path, "must specify a volume type");
    }
}

pub(super) fn need(value: &Value<'_>, names: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for name in names {
        if value.get(name).is_none_or(Value::is_empty) {
            errors.required(&path.child(name), "");
        }
    }
}

fn empty_dir(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if resources::quantity(value.get("sizeLimit")).signum() < 0 {
        let detail = "SizeLimit field must be a valid resource quantity";
        errors.forbidden(&path.child("sizeLimit"), detail);
    }
}

/// A template may leave the image to whoever makes pods of it.
fn image(value: &Value<'_>, is_pod: bool, path: &Path<'_>, errors: &mut Errors) {
    if is_pod {
        need(value, &["reference"], path, errors);
    }
    let at = path.child("pullPolicy");
    match value.text("pullPolicy") {
        "" => errors.required(&at, ""),
        policy => {
            errors.one_of(&at, policy, &["Always", "IfNotPresent", "Never"]);
        }
    }
}

fn ephemeral(value: &Value<'_>, name: &str, pod: &str, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("volumeClaimTemplate");
    let Some(template) = value.get("volumeClaimTemplate") else {
        errors.required(&at, "");
        return;
    };
    if let Some(metadata) = template.get("metadata") {
        let at = at.child("metadata");
        selector::labels(metadata.get("labels"), &at.child("labels"), errors);
        super::metadata::annotations(metadata.get("annotations"), &at.child("annotations"), errors);
        for (key, value) in metadata.as_map().into_iter().flat_map(|map| map.iter()) {
            let zero = value.is_empty() || value.as_i64() == Some(0);
            if !matches!(key, "labels" | "annotations") && !zero {
                let shown = if key == "uid" { "uID" } else { key };
                errors.forbidden(&at.child(shown), "cannot be set");
            }
        }
    }
    claim::spec(template.get("spec").unwrap_or(&Value::Null), &at.child("spec"), errors);
    if !pod.is_empty() {
        let claim = format!("{pod}-{name}");
        for message in format::dns_subdomain(&claim) {
            errors.invalid(&path.child("name"), name, &format!("PVC name {claim:?}: {message}"));
        }
    }
}

/// Secret and config map volumes: an owner, a mode and items.
fn files(value: &Value<'_>, owner: &'static str, path: &Path<'_>, errors: &mut Errors) {
    need(value, &[owner], path, errors);
    mode(value, "defaultMode", path, errors);
    items(value, path, errors);
}

fn mode(value: &Value<'_>, name: &'static str, path: &Path<'_>, errors: &mut Errors) {
    if let Some(bits) = value.int(name).filter(|bits| !(0..=0o777).contains(bits)) {
        errors.invalid(&path.child(name), bits, MODE);
    }
}

fn items(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (index, item) in value.items("items").iter().enumerate() {
        let at = path.child("items");
        let at = at.index(index);
        need(item, &["key", "path"], &at, errors);
        file_path(item.text("path"), &at.child("path"), errors);
        mode(item, "mode", &at, errors);
    }
}

/// `validateLocalNonReservedPath`.
fn file_path(target: &str, path: &Path<'_>, errors: &mut Errors) {
    env::local_path(target, path, errors);
    if target.starts_with("..") && !target.starts_with("../") {
        errors.invalid(path, target, "must not start with '..'");
    }
}

fn downward(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    mode(value, "defaultMode", path, errors);
    for item in value.items("items") {
        downward_item(item, path, errors);
    }
}

fn downward_item(item: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    need(item, &["path"], path, errors);
    file_path(item.text("path"), &path.child("path"), errors);
    match (item.get("fieldRef"), item.get("resourceFieldRef")) {
        (Some(field), resource) => {
            env::field_ref(field, Place::Volume, &path.child("fieldRef"), errors);
            if resource.is_some() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(path, "resource", detail);
            }
        }
        (None, Some(resource)) => {
            env::resource_ref(resource, Place::Volume, &path.child("resourceFieldRef"), errors);
        }
        (None, None) => {
            errors.required(path, "one of fieldRef and resourceFieldRef is required");
        }
    }
    mode(item, "mode", path, errors);
}

fn projected(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const SOURCES: [&str; 5] =
        ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle"];
    mode(value, "defaultMode", path, errors);
    let mut paths: Vec<&str> = Vec::new();
    for (index, source) in value.items("sources").iter().enumerate() {
        let at = path.child("sources");
        let at = at.index(index);
        for name in SOURCES {
            let Some(part) = source.get(name) else { continue };
            projection(name, part, path, &at.child(name), errors);
            let targets = part.items("items").iter().map(|item| item.text("path"));
            let own = (name == "clusterTrustBundle").then(|| part.text("path"));
            for target in targets.filter(|target| !target.is_empty()).chain(own) {
                if paths.contains(&target) {
                    let owner = matches!(name, "secret" | "configMap");
                    let shown = if owner { part.text("name") } else { target };
                    errors.invalid(path, shown, "conflicting duplicate paths");
                }
                paths.push(target);
            }
        }
        if SOURCES.iter().filter(|name| source.has(name)).count() > 1 {
            errors.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

/// One source at `path`, of the projected volume at `volume`.
fn projection(
    name: &str,
    part: &Value<'_>,
    volume: &Path<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    match name {
        "secret" | "configMap" => {
            need(part, &["name"], path, errors);
            items(part, path, errors);
        }
        "downwardAPI" => {
            for item in part.items("items") {
                downward_item(item, path, errors);
            }
        }
        "serviceAccountToken" => {
            let seconds = part.int("expirationSeconds").unwrap_or(3_600);
            let at = path.child("expirationSeconds");
            if seconds < 600 {
                let detail = "may not specify a duration less than 10 minutes";
                errors.invalid(&at, seconds, detail);
            }
            if seconds > 1 << 32 {
                let detail = "may not specify a duration larger than 2^32 seconds";
                errors.invalid(&at, seconds, detail);
            }
            // Upstream tells it of the volume.
            match part.text("path") {
                "" => errors.required(&volume.child("path"), ""),
                target => file_path(target, &volume.child("path"), errors),
            }
        }
        _ => {
            let (named, signed) = (part.has("name"), part.has("signerName"));
            match (named, signed) {
                (true, true) => {
                    let detail = "only one of name and signerName may be used";
                    errors.invalid(path, "", detail);
                }
                (false, false) => {
                    errors.required(path, "either name or signerName must be specified");
                }
                _ => {}
            }
            need(part, &["path"], path, errors);
            file_path(part.text("path"), &path.child("path"), errors);
        }
    }
}
