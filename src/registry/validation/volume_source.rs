//! Sources that pods' volumes and persistent volumes share (`validateVolumeSource`,
//! `ValidatePersistentVolumeSpec`).

use super::volume::need;
use super::{Errors, Report as _, env, format};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

/// Of an iSCSI volume with an initiator, its name and portal with a colon between.
pub const PORTAL_BYTES_MAX: usize = 64;
/// What is said of more.
pub const PORTAL_TOO_LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be \
                                   under 64 characters if iscsi.initiatorName is specified.";
const QUOBYTE: &str = "must be a host:port pair or multiple pairs separated by commas";
const ISCSI_START: &str = "must be valid format starting with iqn, eui, or naa";

/// One source; `persistent` asks for what persistent volumes need besides.
pub fn source(
    name: &str,
    value: &Value<'_>,
    persistent: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    match name {
        "hostPath" => host_path(value, path, errors),
        "gcePersistentDisk" => {
            need(value, &["pdName"], path, errors);
            partition(value, path, errors);
        }
        "awsElasticBlockStore" => {
            need(value, &["volumeID"], path, errors);
            partition(value, path, errors);
        }
        "nfs" => {
            need(value, &["server", "path"], path, errors);
            let target = value.text("path");
            if !target.starts_with('/') {
                errors.invalid(&path.child("path"), target, "must be an absolute path");
            }
        }
        "glusterfs" => glusterfs(value, persistent, path, errors),
        "rbd" => need(value, &["monitors", "image"], path, errors),
        "cephfs" => need(value, &["monitors"], path, errors),
        "cinder" => {
            need(value, &["volumeID"], path, errors);
            secret(value, persistent, path, errors);
        }
        "flexVolume" => flex_volume(value, path, errors),
        "azureFile" => {
            need(value, &["secretName", "shareName"], path, errors);
            let namespace = value.get("secretNamespace").and_then(Value::as_str);
            if persistent && namespace == Some("") {
                errors.required(&path.child("secretNamespace"), "");
            }
        }
        "vsphereVolume" => need(value, &["volumePath"], path, errors),
        "photonPersistentDisk" => need(value, &["pdID"], path, errors),
        "portworxVolume" => need(value, &["volumeID"], path, errors),
        "scaleIO" => need(value, &["gateway", "system", "volumeName"], path, errors),
        "storageos" => {
            let volume = value.text("volumeName");
            errors.required_text(&path.child("volumeName"), volume, format::dns_label);
            let namespace = value.text("volumeNamespace");
            if !namespace.is_empty() {
                let messages = format::dns_label(namespace);
                errors.messages(&path.child("volumeNamespace"), namespace, messages);
            }
            secret(value, persistent, path, errors);
        }
        "quobyte" => quobyte(value, path, errors),
        "flocker" => flocker(value, path, errors),
        "iscsi" => iscsi(value, persistent, path, errors),
        "fc" => fibre(value, path, errors),
        "azureDisk" => azure_disk(value, path, errors),
        "csi" => csi(value, persistent, path, errors),
        "local" => {
            need(value, &["path"], path, errors);
            env::no_backsteps(value.text("path"), &path.child("path"), errors);
        }
        _ => {}
    }
}

/// A secret is named, by persistent volumes with its namespace.
fn secret(value: &Value<'_>, persistent: bool, path: &Path<'_>, errors: &mut Errors) {
    let Some(secret) = value.get("secretRef") else { return };
    let at = path.child("secretRef");
    need(secret, if persistent { &["name", "namespace"] } else { &["name"] }, &at, errors);
}

fn glusterfs(value: &Value<'_>, persistent: bool, path: &Path<'_>, errors: &mut Errors) {
    need(value, &["endpoints", "path"], path, errors);
    let namespace = value.get("endpointsNamespace").and_then(Value::as_str);
    let Some(namespace) = namespace.filter(|_| persistent) else { return };
    let at = path.child("endpointsNamespace");
    if namespace.is_empty() {
        let detail = "if the endpointnamespace is set, it must be a valid namespace name";
        errors.invalid(&at, namespace, detail);
    } else {
        errors.messages(&at, namespace, format::dns_label(namespace));
    }
}

fn flex_volume(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    need(value, &["driver"], path, errors);
    let at = path.child("options");
    for (key, _) in value.entries("options") {
        let owner = key.split_once('/').map_or(key, |(owner, _)| owner).to_lowercase();
        let reserved = ["kubernetes.io", "k8s.io"].iter().any(|domain| {
            owner.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if reserved {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            errors.invalid(&at.key(key), key, detail);
        }
    }
}

fn quobyte(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let registry = value.text("registry");
    let at = path.child("registry");
    if registry.is_empty() {
        errors.required(&at, QUOBYTE);
    } else if value.text("tenant").len() > 64 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.required(&path.child("tenant"), detail);
    } else {
        for pair in registry.split(',') {
            let (host, port) = pair.rsplit_once(':').unwrap_or(("[", pair));
            let bare = !host.contains([':', '[', ']']);
            let framed = host.strip_prefix('[').is_some_and(|host| host.ends_with(']'));
            if !(bare || framed) || port.contains([']', '[']) {
                errors.invalid(&at, registry, QUOBYTE);
            }
        }
    }
    need(value, &["volume"], path, errors);
}

/// A name of an iSCSI target or initiator.
fn iscsi_name(name: &str, persistent: bool, path: &Path<'_>, errors: &mut Errors) {
    let fits = match name.get(..3) {
        Some("iqn") => is_iqn(name),
        Some("eui") => is_coded(name, 16),
        Some("naa") => is_coded(name, 32),
        _ if !persistent => return errors.invalid(path, name, ISCSI_START),
        _ => false,
    };
    if !fits {
        errors.invalid(path, name, "must be valid format");
    }
}

/// Upstream's pattern holds the end only: a date, a domain and a colon with what follows.
fn is_iqn(name: &str) -> bool {
    name.match_indices("iqn.").any(|(at, _)| {
        let rest = name.get(at + 4..).unwrap_or("");
        let date = rest.get(..8).unwrap_or("").as_bytes();
        let dated = date.len() == 8
            && date.iter().enumerate().all(|(at, byte)| match at {
                4 => *byte == b'-',
                7 => *byte == b'.',
                _ => byte.is_ascii_digit(),
            });
        let tail = rest.get(8..).unwrap_or("");
        let cut = tail.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.');
        let (domain, id) = tail.split_at(cut.unwrap_or(tail.len()));
        let id = id.strip_prefix(':').unwrap_or("");
        let plain = |c: char| !c.is_whitespace() && !",;*&$|".contains(c);
        dated && !domain.is_empty() && !id.is_empty() && id.chars().all(plain)
    })
}

/// Three letters, one of any kind, then so many letters and digits.
fn is_coded(name: &str, length: usize) -> bool {
    let mut letters = name.chars().skip(3);
    letters.next().is_some_and(|c| c != '\n')
        && letters.clone().count() == length
        && letters.all(|c| c.is_ascii_alphanumeric())
}

fn host_path(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const TYPES: [&str; 8] = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    let target = value.text("path");
    if target.is_empty() {
        errors.required(&path.child("path"), "");
        return;
    }
    env::no_backsteps(target, &path.child("path"), errors);
    errors.one_of(&path.child("type"), value.text("type"), &TYPES);
}

fn partition(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(number) = value.int("partition").filter(|n| !(0..=255).contains(n)) {
        let detail = "must be between 1 and 255, inclusive";
        errors.invalid(&path.child("partition"), number, detail);
    }
}

fn flocker(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (name, uuid) = (value.text("datasetName"), value.text("datasetUUID"));
    if name.is_empty() && uuid.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        let detail = "datasetName and datasetUUID can not be specified simultaneously";
        errors.invalid(path, "resource", detail);
    }
    if name.contains('/') {
        errors.invalid(&path.child("datasetName"), name, "must not contain '/'");
    }
}

fn iscsi(value: &Value<'_>, persistent: bool, path: &Path<'_>, errors: &mut Errors) {
    need(value, &["targetPortal"], path, errors);
    match value.text("iqn") {
        "" => errors.required(&path.child("iqn"), ""),
        iqn => iscsi_name(iqn, persistent, &path.child("iqn"), errors),
    }
    lun(value, path, errors);
    let chap = value.flag("chapAuthDiscovery") || value.flag("chapAuthSession");
    let secret = value.get("secretRef");
    if chap && secret.is_none() {
        errors.required(&path.child("secretRef"), "");
    }
    if let Some(secret) = secret.filter(|_| persistent) {
        need(secret, &["name"], &path.child("secretRef"), errors);
    }
    if let Some(name) = value.get("initiatorName").and_then(Value::as_str) {
        iscsi_name(name, persistent, &path.child("initiatorname"), errors);
    }
}

fn lun(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(number) = value.int("lun").filter(|n| !(0..=255).contains(n)) {
        let detail = "must be between 0 and 255, inclusive";
        errors.invalid(&path.child("lun"), number, detail);
    }
}

fn fibre(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (wwns, wwids) = (!value.items("targetWWNs").is_empty(), !value.items("wwids").is_empty());
    if !wwns && !wwids {
        let detail = "must specify either targetWWNs or wwids, but not both";
        errors.required(&path.child("targetWWNs"), detail);
    }
    if wwns && wwids {
        let list = value.get("targetWWNs").unwrap_or(&Value::Null);
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid(&path.child("targetWWNs"), list, detail);
    }
    if wwns {
        if value.has("lun") {
            lun(value, path, errors);
        } else {
            errors.required(&path.child("lun"), "lun is required if targetWWNs is specified");
        }
    }
}

fn azure_disk(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    need(value, &["diskName", "diskURI"], path, errors);
    for (name, values) in [
        ("cachingMode", ["None", "ReadOnly", "ReadWrite"]),
        ("kind", ["Dedicated", "Managed", "Shared"]),
    ] {
        errors.one_of_given(&path.child(name), value.get(name), &values);
    }
    let (kind, uri) = (value.text("kind"), value.text("diskURI"));
    let at = path.child("diskURI");
    if kind == "Managed" && !uri.starts_with("/subscriptions/") {
        let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/\
                    microsoft.compute/disks/{disk-id}";
        errors.unsupported(&at, uri, &[form]);
    }
    if kind != "Managed" && !uri.starts_with("https://") {
        let form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
        errors.unsupported(&at, uri, &[form]);
    }
}

/// `ValidateCSIDriverName`.
pub fn driver_name(driver: &str, path: &Path<'_>, errors: &mut Errors) {
    if driver.is_empty() {
        errors.required(path, "");
        return;
    }
    if driver.len() > 63 {
        errors.too_long(path, 63);
    }
    errors.messages(path, driver, format::dns_subdomain(&driver.to_lowercase()));
}

fn csi(value: &Value<'_>, persistent: bool, path: &Path<'_>, errors: &mut Errors) {
    driver_name(value.text("driver"), &path.child("driver"), errors);
    if !persistent {
        if let Some(secret) = value.get("nodePublishSecretRef") {
            let at = path.child("nodePublishSecretRef");
            match secret.text("name") {
                "" => errors.required(&at.child("name"), ""),
                name => errors.messages(&path.child("name"), name, format::dns_subdomain(name)),
            }
        }
        return;
    }
    need(value, &["volumeHandle"], path, errors);
    // Upstream looks at all references but `nodeStageSecretRef`.
    for name in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        if let Some(secret) = value.get(name) {
            let at = path.child(name);
            errors.required_text(&at.child("name"), secret.text("name"), format::dns_subdomain);
            let namespace = secret.text("namespace");
            errors.required_text(&at.child("namespace"), namespace, format::dns_label);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::object::field::Path;
    use crate::registry::sample::{lines, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn each_source_asks_for_what_finds_its_volume() {
        for (name, persistent, value, expected) in [
            ("iscsi", false, json!({"targetPortal": "a", "iqn": "iqn.2001-04.com.x:y"}), &[][..]),
            (
                "iscsi",
                false,
                json!({"targetPortal": "a", "iqn": "iqn.2001.com", "initiatorName": "x"}),
                &[
                    "s.iqn: Invalid value: \"iqn.2001.com\": must be valid format",
                    "s.initiatorname: Invalid value: \"x\": must be valid format starting with \
                     iqn, eui, or naa",
                ],
            ),
            (
                "quobyte",
                false,
                json!({"registry": "x", "volume": "v"}),
                &["s.registry: Invalid value: \"x\": must be a host:port pair or multiple pairs \
                   separated by commas"],
            ),
            (
                "flexVolume",
                false,
                json!({"driver": "d", "options": {"foo.kubernetes.io/x": "1", "ak8s.io": "2"}}),
                &["s.options[foo.kubernetes.io/x]: Invalid value: \"foo.kubernetes.io/x\": \
                   kubernetes.io and k8s.io namespaces are reserved"],
            ),
            (
                "cinder",
                true,
                json!({"volumeID": "v", "secretRef": {}}),
                &["s.secretRef.name: Required value", "s.secretRef.namespace: Required value"],
            ),
            ("storageos", false, json!({}), &["s.volumeName: Required value"]),
            (
                "glusterfs",
                true,
                json!({"endpoints": "e", "path": "p", "endpointsNamespace": ""}),
                &["s.endpointsNamespace: Invalid value: \"\": if the endpointnamespace is set, \
                   it must be a valid namespace name"],
            ),
        ] {
            let arena = Bump::new();
            let value = tree(&arena, &value);
            let mut errors = Vec::new();
            super::source(name, &value, persistent, &Path::root("s"), &mut errors);
            assert_eq!(lines(&errors), expected, "{name}");
        }
    }
}
