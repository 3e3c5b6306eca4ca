//! storage.k8s.io.

use super::{
    Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, persistent, resources, selector,
    volume_source,
};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1_024;

/// StorageClass.
pub fn class(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    provisioner(object.text("provisioner"), &Path::root("provisioner"), errors);
    parameters(object, true, errors);
    let policies = ["Delete", "Retain"];
    errors.one_of(&Path::root("reclaimPolicy"), object.text("reclaimPolicy"), &policies);
    let path = Path::root("volumeBindingMode");
    match object.get("volumeBindingMode").and_then(Value::as_str) {
        None => errors.required(&path, ""),
        Some("Immediate" | "WaitForFirstConsumer") => {}
        Some(other) => errors.unsupported(&path, other, &["Immediate", "WaitForFirstConsumer"]),
    }
    topologies(object.items("allowedTopologies"), &Path::root("allowedTopologies"), errors);
}

fn provisioner(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(path, "");
    } else {
        errors.messages(path, name, format::label_key(&name.to_lowercase()));
    }
}

fn parameters(object: &Value<'_>, may_be_empty: bool, errors: &mut Errors) {
    let path = Path::root("parameters");
    let (mut count, mut bytes) = (0usize, 0usize);
    for (key, value) in object.entries("parameters") {
        if key.is_empty() {
            errors.invalid(&path, key, "field can not be empty.");
        }
        count += 1;
        bytes = bytes.saturating_add(key.len()).saturating_add(value.as_str().map_or(0, str::len));
    }
    if count > PARAMETERS_MAX {
        errors.too_long(&path, PARAMETERS_MAX);
    }
    if bytes > PARAMETERS_BYTES_MAX {
        errors.too_long(&path, PARAMETERS_BYTES_MAX);
    }
    if count == 0 && !may_be_empty {
        errors.required(&path, "must contain at least one key/value pair");
    }
}

fn topologies(terms: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    for (index, term) in terms.iter().enumerate() {
        let at = path.index(index);
        let below = at.child("matchLabelExpressions");
        let expressions = term.items("matchLabelExpressions");
        if expressions.is_empty() {
            errors.required(&at, "");
        }
        for (index, expression) in expressions.iter().enumerate() {
            let at = below.index(index);
            let key = expression.text("key");
            errors.messages(&at.child("key"), key, format::label_key(key));
            let values: Vec<&str> = expression.texts("values").collect();
            if values.is_empty() {
                errors.required(&at.child("values"), "");
            }
            for (index, value) in values.iter().enumerate() {
                if values.get(..index).is_some_and(|before| before.contains(value)) {
                    errors.duplicate(&at.child("values").index(index), *value);
                }
            }
            if expressions.iter().take(index).any(|other| other.text("key") == key) {
                errors.duplicate(&at.child("key"), key);
            }
        }
        if terms.iter().take(index).any(|other| same(Some(other), Some(term))) {
            errors.duplicate(&at.child("matchLabelExpressions"), "");
        }
    }
}

/// StorageClass, updated: little may change.
pub fn class_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    if !same(new.get("parameters"), old.get("parameters")) {
        let shown = go_form::plain(new.get("parameters"));
        errors.invalid(&Path::root("parameters"), Verbatim(&shown), IMMUTABLE);
    }
    for name in ["provisioner", "reclaimPolicy", "volumeBindingMode"] {
        if new.text(name) != old.text(name) {
            errors.invalid(&Path::root(name), new.text(name), IMMUTABLE);
        }
    }
    let _ = scope;
    topologies(new.items("allowedTopologies"), &Path::root("allowedTopologies"), errors);
}

/// VolumeAttachment.
pub fn attachment(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    volume_source::driver_name(spec.text("attacher"), &path.child("attacher"), errors);
    let at = path.child("source");
    let source = spec.get("source").unwrap_or(&null);
    let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (source.get("inlineVolumeSpec"), source.get("persistentVolumeName")) {
        (None, None) => errors.required(&at, detail),
        (Some(_), Some(_)) => errors.forbidden(&at, detail),
        (Some(inline), None) => {
            persistent::spec(inline, true, &at.child("inlineVolumeSpec"), errors);
        }
        (None, Some(name)) => {
            let name = name.as_str().unwrap_or("");
            let at = at.child("persistentVolumeName");
            if name.is_empty() {
                errors.required(&at, "must specify non empty persistentVolumeName");
            } else {
                errors.messages(&at, name, format::dns_subdomain(name));
            }
        }
    }
    let node = spec.text("nodeName");
    errors.messages(&path.child("nodeName"), node, format::dns_subdomain(node));
    attachment_state(object, errors);
}

fn attachment_state(object: &Value<'_>, errors: &mut Errors) {
    let path = Path::root("status");
    let Some(status) = object.get("status") else { return };
    let bytes: usize = status
        .entries("attachmentMetadata")
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if bytes > PARAMETERS_BYTES_MAX {
        errors.too_long(&path.child("attachmentMetadata"), PARAMETERS_BYTES_MAX);
    }
    for name in ["attachError", "detachError"] {
        let Some(error) = status.get(name) else { continue };
        let at = path.child(name);
        if error.text("message").len() > 1_024 {
            errors.too_long(&at.child("message"), 1_024);
        }
        if let Some(code) = error.int("errorCode").filter(|code| *code < 0) {
            let detail = "must be between 0 and 2147483647, inclusive";
            errors.invalid(&at.child("errorCode"), code, detail);
        }
    }
}

/// VolumeAttachment, updated: the spec stays.
pub fn attachment_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    attachment(new, scope, errors);
    if !same(new.get("spec"), old.get("spec")) {
        let shown = go_form::compact(new.get("spec"), "storage.v1.VolumeAttachmentSpec");
        errors.invalid(&Path::root("spec"), Verbatim(&shown), IMMUTABLE);
    }
}

/// CSINode.
pub fn node(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("spec");
    let path = root.child("drivers");
    let drivers = object.list_at(&["spec", "drivers"]);
    for (index, driver) in drivers.iter().enumerate() {
        let at = path.index(index);
        let name = driver.text("name");
        volume_source::driver_name(name, &at.child("name"), errors);
        if drivers.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        let id = driver.text("nodeID");
        if id.is_empty() {
            errors.required(&at.child("nodeID"), "");
        } else if id.len() > 256 {
            errors.invalid(&at.child("nodeID"), id, "must be 256 characters or less");
        }
        let count = driver.i64_at(&["allocatable", "count"]);
        errors.non_negative(&at.child("allocatable").child("count"), count);
        let keys: Vec<&str> = driver.texts("topologyKeys").collect();
        let below = at.child("topologyKeys");
        for (index, key) in keys.iter().enumerate() {
            if key.is_empty() {
                errors.required(&below, "");
            } else if keys.get(..index).is_some_and(|before| before.contains(key)) {
                errors.duplicate(&below, *key);
            }
            errors.messages(&below, key, format::label_key(key));
        }
    }
}

/// CSINode, updated: of a driver only its count may change.
pub fn node_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    node(new, scope, errors);
    let path = Path::root("CSINodeDriver");
    for before in old.list_at(&["spec", "drivers"]) {
        let name = before.text("name");
        let drivers = new.list_at(&["spec", "drivers"]);
        let Some(after) = drivers.iter().find(|driver| driver.text("name") == name) else {
            continue;
        };
        let differs = before.text("nodeID") != after.text("nodeID")
            || !same(before.get("topologyKeys"), after.get("topologyKeys"));
        if differs {
            let shown = go_form::compact(Some(after), "storage.v1.CSINodeDriver");
            errors.invalid(&path, Verbatim(&shown), IMMUTABLE);
        }
    }
}

/// CSIDriver; its name is checked besides as a driver's.
pub fn driver(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let name = object.str_at(&["metadata", "name"]);
    if name.len() > 63 {
        errors.too_long(&Path::root("metadata.name"), 63);
    }
    driver_spec(object, errors);
}

fn driver_spec(object: &Value<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    for (name, shown) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
        ("seLinuxMount", "seLinuxMount"),
    ] {
        if !spec.has(name) {
            errors.required(&path.child(shown), "");
        }
    }
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    errors.one_of(&path.child("fsGroupPolicy"), spec.text("fsGroupPolicy"), &policies);
    let tokens = spec.items("tokenRequests");
    let at = path.child("tokenRequests");
    for (index, token) in tokens.iter().enumerate() {
        let at = at.index(index);
        let audience = token.text("audience");
        if tokens.iter().take(index).any(|other| other.text("audience") == audience) {
            errors.duplicate(&at.child("audience"), audience);
        }
        let Some(seconds) = token.int("expirationSeconds") else { continue };
        let at = at.child("expirationSeconds");
        if seconds < 600 {
            errors.invalid(&at, seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds > 1 << 32 {
            errors.invalid(&at, seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
    for mode in spec.texts("volumeLifecycleModes") {
        if !matches!(mode, "Persistent" | "Ephemeral") {
            let at = path.child("volumeLifecycleModes");
            errors.unsupported(&at, mode, &["Persistent", "Ephemeral"]);
        }
    }
    if let Some(seconds) = spec.int("nodeAllocatableUpdatePeriodSeconds").filter(|s| *s < 10) {
        let at = path.child("nodeAllocatableUpdatePeriodSeconds");
        errors.invalid(&at, seconds, "must be greater than or equal to 10 seconds");
    }
    if spec.flag("serviceAccountTokenInSecrets") && tokens.is_empty() {
        let at = path.child("serviceAccountTokenInSecrets");
        errors.invalid(&at, true, "can only be set if tokenRequests is not empty");
    }
}

/// CSIDriver, updated.
pub fn driver_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    driver_spec(new, errors);
    let path = Path::root("spec");
    for (name, shown) in
        [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
    {
        if !same(new.at(&["spec", name]), old.at(&["spec", name])) {
            let value = go_form::plain(new.at(&["spec", name]));
            errors.invalid(&path.child(shown), Verbatim(&value), IMMUTABLE);
        }
    }
}

/// CSIStorageCapacity.
pub fn capacity(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let at = Path::root("nodeTopology");
    selector::label_selector(object.get("nodeTopology"), &at, errors);
    let class = object.text("storageClassName");
    errors.messages(&Path::root("storageClassName"), class, format::dns_subdomain(class));
    for name in ["capacity", "maximumVolumeSize"] {
        if let Some(value) = object.get(name) {
            resources::non_negative(value, &Path::root(name), errors);
        }
    }
}

/// CSIStorageCapacity, updated.
pub fn capacity_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    capacity(new, scope, errors);
    if !same(new.get("nodeTopology"), old.get("nodeTopology")) {
        let shown = super::template::shown(new.get("nodeTopology"));
        errors.invalid(&Path::root("nodeTopology"), Verbatim(&shown), IMMUTABLE);
    }
    let name = "storageClassName";
    if new.text(name) != old.text(name) {
        errors.invalid(&Path::root(name), new.text(name), IMMUTABLE);
    }
}

/// VolumeAttributesClass.
pub fn attributes(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    provisioner(object.text("driverName"), &Path::root("driverName"), errors);
    parameters(object, false, errors);
}

/// VolumeAttributesClass, updated.
pub fn attributes_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    for name in ["driverName", "parameters"] {
        if !same(new.get(name), old.get(name)) {
            let detail = format!("updates to {name} are forbidden.");
            errors.forbidden(&Path::root(name), &detail);
        }
    }
}
