//! PersistentVolume.

use super::{
    Errors, IMMUTABLE, Report as _, Verbatim, claim, format, go_form, line_diff, resources,
    scheduling, volume_source,
};
use crate::object::field::Path;
use crate::object::{Map, Value};
use crate::registry::read::{Read as _, same_as, same_member_of};
use crate::registry::strategy::Scope;
use bumpalo::Bump;

const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

const INLINE: &str = "may not be specified in the context of inline volumes";
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
/// The sources whose mounts take options.
const MOUNTED: [&str; 13] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "gcePersistentDisk",
    "glusterfs",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "quobyte",
    "rbd",
    "vsphereVolume",
];

/// A new volume.
pub fn create(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let own = object.get("spec").unwrap_or(&null);
    spec(own, false, &Path::root("spec"), errors);
    // `volume/validation.checkMountOption`.
    let noted = object.at(&["metadata", "annotations", MOUNT_OPTIONS]).is_some();
    if noted && !MOUNTED.iter().any(|name| own.has(name)) {
        let at = Path::root("metadata");
        let name = format!("annotations.{MOUNT_OPTIONS}");
        let detail = "may not specify mount options for this volume type";
        errors.forbidden(&at.child(&name), detail);
    }
}

/// `ValidatePersistentVolumeSpec`; `inline` inside a VolumeAttachment.
pub fn spec(spec: &Value<'_>, inline: bool, path: &Path<'_>, errors: &mut Errors) {
    if inline {
        if spec.has("claimRef") {
            errors.forbidden(&path.child("claimRef"), INLINE);
        }
        if spec.entries("capacity").next().is_some() {
            errors.forbidden(&path.child("capacity"), INLINE);
        }
        if !spec.has("csi") {
            let detail = "has to be specified in the context of inline volumes";
            errors.required(&path.child("csi"), detail);
        }
    }
    claim::access_modes(spec.items("accessModes"), "", &path.child("accessModes"), errors);
    if !inline {
        capacity(spec, &path.child("capacity"), errors);
    }
    let policy = spec.text("persistentVolumeReclaimPolicy");
    let policies = ["Delete", "Recycle", "Retain"];
    let at = path.child("persistentVolumeReclaimPolicy");
    if !inline {
        errors.one_of(&at, policy, &policies);
    } else if !matches!(policy, "" | "Retain") {
        errors.forbidden(&at, "may only be Retain in the context of inline volumes");
    }
    if let Some(affinity) = spec.get("nodeAffinity") {
        let at = path.child("nodeAffinity");
        if inline {
            errors.forbidden(&at, INLINE);
        }
        match affinity.get("required") {
            _ if inline => {}
            None => {
                errors.required(&at.child("required"), "must specify required node constraints")
            }
            Some(required) => {
                scheduling::node_selector(required, &at.child("required"), errors);
            }
        }
    }
    sources(spec, path, errors);
    if policy == "Recycle" && spec.str_at(&["hostPath", "path"]) == "/" {
        errors.forbidden(&at, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = spec.text("storageClassName");
    if !class.is_empty() && inline {
        errors.forbidden(&path.child("storageClassName"), INLINE);
    } else if !class.is_empty() {
        errors.messages(&path.child("storageClassName"), class, format::dns_subdomain(class));
    }
    let mode = spec.get("volumeMode");
    if !inline {
        let modes = ["Block", "Filesystem"];
        errors.one_of_given(&path.child("volumeMode"), mode, &modes);
    }
    if inline && mode.and_then(Value::as_str).is_some_and(|mode| mode != "Filesystem") {
        let detail = "may not specify volumeMode other than Filesystem in the context of inline \
                      volumes";
        errors.forbidden(&path.child("volumeMode"), detail);
    }
    if !inline {
        attributes_class(spec, path, errors);
    }
}

fn attributes_class(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(class) = spec.get("volumeAttributesClassName").and_then(Value::as_str) else { return };
    let at = path.child("volumeAttributesClassName");
    if class.is_empty() {
        errors.required(&at, "an empty string is disallowed");
    } else {
        errors.messages(&at, class, format::dns_subdomain(class));
    }
    if !spec.has("csi") {
        let detail = "has to be specified when using volumeAttributesClassName";
        errors.required(&path.child("csi"), detail);
    }
}

fn capacity(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list = spec.get("capacity").filter(|list| !list.is_empty());
    let Some(list) = list else {
        errors.required(path, "");
        return errors.unsupported(path, Verbatim("null"), &["storage"]);
    };
    let count = list.as_map().map_or(0, Map::len);
    if list.get("storage").is_none() || count > 1 {
        let shown = go_form::plain(Some(list));
        errors.unsupported(path, Verbatim(&shown), &["storage"]);
    }
    for (name, value) in list.as_map().into_iter().flat_map(|map| map.iter()) {
        resources::basic(value, &path.key(name), errors);
        resources::positive(Some(value), &path.key(name), errors);
    }
}

fn sources(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut found = false;
    for name in SOURCES {
        let Some(value) = spec.get(name) else { continue };
        let at = path.child(match name {
            "cephfs" if found => "cephFS",
            "gcePersistentDisk" if !found => "persistentDisk",
            name => name,
        });
        // Upstream allows this one beside others.
        if found && name != "flexVolume" {
            errors.forbidden(&at, "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        volume_source::source(name, value, true, &at, errors);
        if name == "local" && !spec.has("nodeAffinity") {
            let detail = "Local volume requires node affinity";
            errors.required(&path.child("nodeAffinity"), detail);
        }
    }
    if !found {
        errors.required(path, "must specify a volume type");
    }
}

/// A volume, updated.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    // The strategy validates the new object, and so does `ValidatePersistentVolumeUpdate`.
    create(new, scope, errors);
    create(new, scope, errors);
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    let arena = Bump::new();
    let (before, after) = (source_of(was, was, &arena), source_of(now, was, &arena));
    let name = "core.v1.PersistentVolumeSpec";
    if !same_as(name, Some(&before), Some(&after)) {
        let diff = line_diff::unified(
            &go_form::pretty(Some(&before), name),
            &go_form::pretty(Some(&after), name),
        );
        let detail = format!("spec.persistentvolumesource is immutable after creation\n{diff}");
        errors.forbidden(&Path::root("spec.persistentvolumesource"), &detail);
    }
    if now.text("volumeMode") != was.text("volumeMode") {
        errors.invalid(&Path::root("volumeMode"), now.text("volumeMode"), IMMUTABLE);
    }
    let affinity = "nodeAffinity";
    if was.has(affinity) && !same_member_of(name, affinity, now, was) {
        let shown = go_form::pointer(now.get(affinity), "core.v1.VolumeNodeAffinity");
        let detail = "field is immutable, except for updating from beta label to GA";
        errors.invalid(&Path::root(affinity), Verbatim(&shown), detail);
    }
    let class = "volumeAttributesClassName";
    if was.has(class) && !now.has(class) {
        let path = Path::root("spec");
        errors.forbidden(&path.child(class), "update from non-nil value to nil is forbidden");
    }
}

/// The volume's source, without the secret that may be added later.
fn source_of<'a>(spec: &Value<'_>, old: &Value<'_>, arena: &'a Bump) -> Value<'a> {
    let secret = "controllerExpandSecretRef";
    let mut map = Map::new_in(arena);
    for name in SOURCES {
        if let Some(value) = spec.get(name) {
            map.push_unique(name, value.copy_in(arena));
        }
    }
    if let Some(csi) = map.get_mut("csi").and_then(Value::as_map_mut)
        && old.get("csi").is_some_and(|csi| !csi.has(secret))
    {
        csi.remove(secret);
    }
    Value::Map(map)
}

/// Status of a volume.
pub fn status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    if new.str_at(&["metadata", "resourceVersion"]).is_empty() {
        errors.required(&Path::root("resourceVersion"), "");
    }
}

#[cfg(test)]
mod tests {
    use super::{Errors, Path, spec, update};
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn a_disk_of_gce_is_named_as_the_check_of_sources_names_it() {
        let arena = Bump::new();
        let source = json!({"gcePersistentDisk": {}, "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"]});
        let source = tree(&arena, &source);
        for inline in [true, false] {
            let mut errors = Errors::new();
            spec(&source, inline, &Path::root("at"), &mut errors);
            let lines = lines(&errors);
            let told = "at.persistentDisk.pdName: Required value";
            assert!(lines.iter().any(|line| line == told), "{lines:?}");
        }
    }

    #[test]
    fn secrets_of_nodes_and_empty_references_are_changes_of_a_source() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let scope = scope(&arena, "", "persistentvolumes", &mut warnings);
        let volume = |secrets: serde_json::Value| {
            let mut csi = json!({"driver": "d.example.com", "volumeHandle": "h"});
            csi.as_object_mut().unwrap().extend(secrets.as_object().unwrap().clone());
            let spec = json!({"csi": csi, "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"});
            tree(&arena, &json!({"metadata": {"name": "v"}, "spec": spec}))
        };
        let told = |secrets| {
            let mut errors = Errors::new();
            update(&volume(secrets), &volume(json!({})), &scope, &mut errors);
            let own = |line: &String| line.starts_with("spec.persistentvolumesource: Forbidden");
            lines(&errors).iter().filter(|line| own(line)).count()
        };
        let secret = json!({"name": "s", "namespace": "n"});
        assert_eq!(told(json!({"controllerExpandSecretRef": secret})), 0);
        assert_eq!(told(json!({"nodeExpandSecretRef": secret})), 1);
        assert_eq!(told(json!({"nodeStageSecretRef": {}})), 1);
    }

    #[test]
    fn an_inline_volume_is_bound_to_nothing_and_of_no_class() {
        let arena = Bump::new();
        let source = json!({"claimRef": {}, "capacity": {}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "a.b", "volumeHandle": "h"}, "nodeAffinity": {},
            "storageClassName": "Bad!", "volumeMode": "", "volumeAttributesClassName": ""});
        let mut errors = Errors::new();
        spec(&tree(&arena, &source), true, &Path::root("s"), &mut errors);
        let inline = "Forbidden: may not be specified in the context of inline volumes";
        assert_eq!(
            lines(&errors),
            [
                format!("s.claimRef: {inline}"),
                format!("s.nodeAffinity: {inline}"),
                format!("s.storageClassName: {inline}"),
                "s.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the \
                 context of inline volumes"
                    .to_owned(),
            ]
        );
    }
}
