//! storage.k8s.io.

use super::{
    Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, persistent, resources, selector,
    volume_source,
};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;
use std::collections::{BTreeMap, BTreeSet};

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
        let name = name.to_lowercase();
        errors.messages(path, &name, format::label_key(&name));
    }
}

fn parameters(object: &Value<'_>, may_be_empty: bool, errors: &mut Errors) {
    let path = Path::root("parameters");
    let (mut count, mut bytes) = (0usize, 0usize);
    if object.entries("parameters").count() > PARAMETERS_MAX {
        errors.too_long(&path, PARAMETERS_MAX);
        return;
    }
    for (key, value) in object.entries("parameters") {
        if key.is_empty() {
            errors.invalid(&path, key, "field can not be empty.");
        }
        count += 1;
        bytes = bytes.saturating_add(key.len()).saturating_add(value.as_str().map_or(0, str::len));
    }
    if bytes > PARAMETERS_BYTES_MAX {
        errors.too_long(&path, PARAMETERS_BYTES_MAX);
    }
    if count == 0 && !may_be_empty {
        errors.required(&path, "must contain at least one key/value pair");
    }
}

/// `validateAllowedTopologies`: terms are compared with those before, and with as many empty ones
/// as there are terms.
fn topologies(terms: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    for (index, term) in terms.iter().enumerate() {
        let at = path.index(index);
        let below = at.child("matchLabelExpressions");
        let expressions = term.items("matchLabelExpressions");
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
        let blank = if expressions.is_empty() { terms.len() } else { 0 };
        let equal = terms.iter().take(index).filter(|other| same_term(other, term)).count();
        for _ in 0..blank + equal {
            errors.duplicate(&at.child("matchLabelExpressions"), "");
        }
    }
}

/// True if two terms ask for the same values of the same keys.
fn same_term(a: &Value<'_>, b: &Value<'_>) -> bool {
    let sets = |term: &Value<'_>| {
        let expressions = term.items("matchLabelExpressions").iter();
        let sets = expressions.map(|expression| {
            let values = expression.texts("values").map(str::to_owned);
            (expression.text("key").to_owned(), values.collect::<BTreeSet<_>>())
        });
        sets.collect::<BTreeMap<_, _>>()
    };
    sets(a) == sets(b)
}

/// StorageClass, updated: little may change.
pub fn class_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    class(new, scope, errors);
    if !same(new.get("parameters"), old.get("parameters")) {
        let shown = go_form::plain(new.get("parameters"));
        errors.invalid(&Path::root("parameters"), Verbatim(&shown), IMMUTABLE);
    }
    for name in ["provisioner", "reclaimPolicy", "volumeBindingMode"] {
        if new.text(name) != old.text(name) {
            errors.invalid(&Path::root(name), new.text(name), IMMUTABLE);
        }
    }
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
            }
        }
    }
    let node = spec.text("nodeName");
    errors.messages(&path.child("nodeName"), node, format::dns_subdomain(node));
    attachment_state(object, errors);
    if let Some(name) = source.get("persistentVolumeName").and_then(Value::as_str) {
        errors.messages(&at.child("persistentVolumeName"), name, format::dns_subdomain(name));
    }
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
            // The limit that is shown is another one's.
            errors.too_long(&at.child("message"), PARAMETERS_BYTES_MAX);
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
        let id = driver.text("nodeID");
        if id.is_empty() {
            errors.required(&at.child("nodeID"), "");
        } else if id.len() > 256 {
            errors.invalid(&at.child("nodeID"), id, "must be 256 characters or less");
        }
        let count = driver.i64_at(&["allocatable", "count"]);
        errors.non_negative(&at.child("allocatable").child("count"), count);
        if drivers.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        let keys: Vec<&str> = driver.texts("topologyKeys").collect();
        for (index, key) in keys.iter().enumerate() {
            if key.is_empty() {
                errors.required(&at, "");
            }
            if keys.get(..index).is_some_and(|before| before.contains(key)) {
                errors.duplicate(&at, *key);
            }
            errors.messages(&at, key, format::label_key(key));
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

/// CSIDriver.
pub fn driver(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
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
    ] {
        if !spec.has(name) {
            errors.required(&path.child(shown), "");
        }
    }
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    if let Some(policy) = spec.get("fsGroupPolicy").and_then(Value::as_str)
        && !policies.contains(&policy)
    {
        errors.unsupported(&path.child("fsGroupPolicy"), policy, &policies);
    }
    let tokens = spec.items("tokenRequests");
    let at = path.child("tokenRequests");
    for (index, token) in tokens.iter().enumerate() {
        let at = at.index(index);
        let audience = token.text("audience");
        if tokens.iter().take(index).any(|other| other.text("audience") == audience) {
            errors.duplicate(&at.child("audience"), audience);
            continue;
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
    if !spec.has("seLinuxMount") {
        errors.required(&path.child("seLinuxMount"), "");
    }
    if let Some(seconds) = spec.int("nodeAllocatableUpdatePeriodSeconds").filter(|s| *s < 10) {
        let at = path.child("nodeAllocatableUpdatePeriodSeconds");
        errors.invalid(&at, seconds, "must be greater than or equal to 10 seconds");
    }
    let in_secrets = spec.get("serviceAccountTokenInSecrets").and_then(Value::as_bool);
    if let (Some(value), true) = (in_secrets, tokens.is_empty()) {
        let at = path.child("serviceAccountTokenInSecrets");
        let detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid(&at, value, detail);
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
    if let Some(value) = object.get("capacity") {
        resources::non_negative(value, &Path::root("capacity"), errors);
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
pub fn attributes_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    for name in ["driverName", "parameters"] {
        if !same(new.get(name), old.get(name)) {
            let detail = format!("updates to {name} are forbidden.");
            errors.forbidden(&Path::root(name), &detail);
        }
    }
    attributes(new, scope, errors);
}

#[cfg(test)]
mod tests {
    use super::{class, driver, node};
    use crate::registry::sample::{lines, scope, tree};
    use crate::registry::strategy::CheckFn;
    use bumpalo::Bump;
    use serde_json::{Value as Json, json};

    fn found(check: CheckFn, object: &Json) -> Vec<String> {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let scope = scope(&arena, "storage.k8s.io", "storageclasses", &mut warnings);
        let mut errors = Vec::new();
        check(&tree(&arena, object), &scope, &mut errors);
        lines(&errors)
    }

    #[test]
    fn a_topology_term_without_requirements_equals_as_many_empty_ones() {
        let of = |terms: Json| {
            let object = json!({"provisioner": "A.io/P", "volumeBindingMode": "Immediate",
                "allowedTopologies": terms});
            found(class, &object).len()
        };
        assert_eq!(of(json!([{}])), 1);
        assert_eq!(of(json!([{}, {}])), 5);
        let term = json!({"matchLabelExpressions": [{"key": "k", "values": ["a", "b"]}]});
        let other = json!({"matchLabelExpressions": [{"key": "k", "values": ["b", "a"]}]});
        assert_eq!(of(json!([term])), 0);
        assert_eq!(of(json!([term, other])), 1);
    }

    #[test]
    fn tokens_in_secrets_need_tokens_whatever_the_flag_says() {
        let spec = json!({"attachRequired": true, "podInfoOnMount": true, "seLinuxMount": false,
            "storageCapacity": false, "serviceAccountTokenInSecrets": false});
        assert_eq!(
            found(driver, &json!({"spec": spec})),
            ["spec.serviceAccountTokenInSecrets: Invalid value: false: \
              serviceAccountTokenInSecrets is set but no tokenRequests are specified"]
        );
    }

    #[test]
    fn topology_keys_of_a_node_are_told_at_their_driver() {
        let drivers = json!([{"name": "d", "nodeID": "i", "topologyKeys": ["a", "a"]}]);
        assert_eq!(
            found(node, &json!({"spec": {"drivers": drivers}})),
            ["spec.drivers[0]: Duplicate value: \"a\""]
        );
    }
}
