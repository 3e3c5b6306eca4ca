//! Warnings of volumes, claims, classes and capacities.

use super::{label_selector, node_label, pod};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::validation::resources;

/// `api.BetaStorageClassAnnotation`.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
const GONE: [(&str, &str, &str); 6] = [
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

fn old_class(object: &Value<'_>, out: &mut Vec<String>) {
    if object.at(&["metadata", "annotations", CLASS]).is_some() {
        out.push(format!(
            "metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" \
             attribute instead"
        ));
    }
}

/// `GetWarningsForPersistentVolume`.
pub fn volume(object: &Value<'_>, _: Option<&Value<'_>>, subresource: &str, out: &mut Vec<String>) {
    if subresource == "status" {
        return;
    }
    old_class(object, out);
    if object.at(&["metadata", "annotations", MOUNT_OPTIONS]).is_some() {
        out.push(format!(
            "metadata.annotations[{MOUNT_OPTIONS}]: deprecated since v1.31; use \"mountOptions\" \
             attribute instead"
        ));
    }
    let Some(spec) = object.get("spec") else { return };
    if spec.text("persistentVolumeReclaimPolicy") == "Recycle" {
        let text = "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. \
                    Instead, the recommended approach is to use dynamic provisioning.";
        out.push(text.into());
    }
    let root = Path::root("spec");
    let at = root.child("nodeAffinity.required.nodeSelectorTerms");
    let terms = spec.list_at(&["nodeAffinity", "required", "nodeSelectorTerms"]);
    for (index, term) in terms.iter().enumerate() {
        pod::node_term(term, false, &at.index(index), out);
    }
    for (source, name, message) in GONE {
        if spec.has(source) {
            out.push(format!("{}: {message}", root.child(name)));
        }
    }
}

/// `GetWarningsForPersistentVolumeClaim`.
pub fn claim(object: &Value<'_>, _: Option<&Value<'_>>, subresource: &str, out: &mut Vec<String>) {
    if subresource == "status" {
        return;
    }
    old_class(object, out);
    if let Some(spec) = object.get("spec") {
        claim_spec(spec, &Path::root("spec"), out);
    }
}

/// `GetWarningsForPersistentVolumeClaimSpec`.
pub(super) fn claim_spec(spec: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    let at = path.child("resources");
    for list in ["requests", "limits"] {
        fraction(spec.at(&["resources", list, "storage"]), &at.child(list).key("storage"), out);
    }
}

/// An amount of bytes with a fraction.
pub(super) fn fraction(amount: Option<&Value<'_>>, path: &Path<'_>, out: &mut Vec<String>) {
    if amount.is_some() && resources::quantity(amount).milli_value() % 1_000 != 0 {
        let shown = amount.and_then(Value::as_str).unwrap_or("");
        out.push(format!("{path}: fractional byte value {shown:?} is invalid, must be an integer"));
    }
}

/// `GetWarningsForStorageClass`.
pub fn class(object: &Value<'_>, _: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let path = Path::root("allowedTopologies");
    for (index, topology) in object.items("allowedTopologies").iter().enumerate() {
        let at = path.index(index);
        let at = at.child("matchLabelExpressions");
        for (index, expression) in topology.items("matchLabelExpressions").iter().enumerate() {
            if let Some(message) = node_label(expression.text("key")) {
                out.push(format!("{}: {message}", at.index(index).child("key")));
            }
        }
    }
}

/// Tokens that a CSI driver asks for, and does not say where to put (`csiDriverStrategy`).
pub fn driver(object: &Value<'_>, old: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let path = ["spec", "tokenRequests"];
    let changed = old.is_none_or(|old| !same(object.at(&path), old.at(&path)));
    let silent = object.at(&["spec", "serviceAccountTokenInSecrets"]).is_none();
    if changed && silent && !object.list_at(&path).is_empty() {
        let text = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, \
                    set to true to prevent possible logging of tokens in volume attributes";
        out.push(text.to_owned());
    }
}

/// A ResourceSlice's driver with capitals (`resourceSliceStrategy`).
pub fn slice(object: &Value<'_>, _: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let driver = object.str_at(&["spec", "driver"]);
    if driver != driver.to_lowercase() {
        out.push(format!(
            "spec.driver: driver names should be lowercase; {driver:?} contains uppercase \
             characters"
        ));
    }
}

/// `GetWarningsForCSIStorageCapacity`.
pub fn capacity(object: &Value<'_>, _: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    label_selector(object.get("nodeTopology"), &Path::root("nodeTopology"), out);
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn volumes_are_told_of_what_has_gone() {
        let arena = Bump::new();
        let object = tree(
            &arena,
            &json!({"metadata": {"annotations": {super::CLASS: "x"}}, "spec": {
                "persistentVolumeReclaimPolicy": "Recycle", "storageos": {},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "beta.kubernetes.io/os", "operator": "Exists"}]}]}}}}),
        );
        let mut out = Vec::new();
        super::volume(&object, None, "", &mut out);
        assert_eq!(
            out,
            [
                "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since \
                 v1.8; use \"storageClassName\" attribute instead",
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. \
                 Instead, the recommended approach is to use dynamic provisioning.",
                "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: \
                 beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "spec.storageOS: deprecated in v1.22, non-functional in v1.25+",
            ]
        );
    }

    #[test]
    fn a_claim_asks_for_whole_bytes() {
        let arena = Bump::new();
        for (amount, warnings) in [("1Gi", 0), ("1", 0), ("200m", 1)] {
            let spec = json!({"resources": {"requests": {"storage": amount}}});
            let object = tree(&arena, &json!({"metadata": {}, "spec": spec}));
            let mut out = Vec::new();
            super::claim(&object, None, "", &mut out);
            assert_eq!(out.len(), warnings, "{amount}");
        }
    }
}
