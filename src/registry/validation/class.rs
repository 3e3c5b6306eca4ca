//! PriorityClass, RuntimeClass, Lease.

use super::{
    Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, resources, scheduling, selector,
};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

/// Greatest priority that is not the system's own.
const PRIORITY_MAX: i64 = 1_000_000_000;
const SYSTEM: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// PriorityClass.
pub fn priority(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let name = object.str_at(&["metadata", "name"]);
    let value = object.int("value").unwrap_or(0);
    if name.starts_with("system-") {
        let known = SYSTEM.iter().find(|(known, _)| *known == name);
        let why = match known {
            None => Some(format!("{name} is not a known system priority class")),
            Some((_, fixed)) if *fixed != value => {
                Some(format!("value of {name} PriorityClass must be {fixed}"))
            }
            Some(_) if object.flag("globalDefault") => {
                Some(format!("globalDefault of {name} PriorityClass must be false"))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. \
                 error: {why}"
            );
            errors.forbidden(&Path::root("metadata.name"), &detail);
        }
    } else if value > PRIORITY_MAX {
        let detail = format!("maximum allowed value of a user defined priority is {PRIORITY_MAX}");
        errors.forbidden(&Path::root("value"), &detail);
    }
    let policies = ["PreemptLowerPriority", "Never"];
    if object.get("preemptionPolicy").and_then(Value::as_str) == Some("") {
        errors.required(&Path::root("preemptionPolicy"), "");
    }
    errors.one_of(&Path::root("preemptionPolicy"), object.text("preemptionPolicy"), &policies);
}

/// PriorityClass, updated.
pub fn priority_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    if new.int("value").unwrap_or(0) != old.int("value").unwrap_or(0) {
        errors.forbidden(&Path::root("value"), "may not be changed in an update.");
    }
    let name = "preemptionPolicy";
    if new.text(name) != old.text(name) {
        errors.invalid(&Path::root(name), new.text(name), IMMUTABLE);
    }
}

/// RuntimeClass.
pub fn runtime(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    errors.required_text(&Path::root("handler"), object.text("handler"), format::dns_label);
    if let Some(overhead) = object.at(&["overhead", "podFixed"]) {
        let path = Path::root("overhead");
        let at = path.child("limits");
        for (name, value) in overhead.as_map().into_iter().flat_map(|map| map.iter()) {
            resources::container_name(name, &at.key(name), errors);
            resources::amount(name, value, &at.key(name), errors);
        }
    }
    let Some(placing) = object.get("scheduling") else { return };
    let path = Path::root("scheduling");
    selector::labels(placing.get("nodeSelector"), &path.child("nodeSelector"), errors);
    let tolerations = placing.items("tolerations");
    let at = path.child("tolerations");
    scheduling::tolerations(tolerations, &at, errors);
    for (index, toleration) in tolerations.iter().enumerate() {
        if tolerations.iter().take(index).any(|other| same(Some(other), Some(toleration))) {
            let shown = go_form::compact(Some(toleration), "core.v1.Toleration");
            errors.duplicate(&at.index(index), Verbatim(&shown));
        }
    }
}

/// RuntimeClass, updated.
pub fn runtime_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    if new.text("handler") != old.text("handler") {
        errors.invalid(&Path::root("handler"), new.text("handler"), IMMUTABLE);
    }
}

/// Lease.
pub fn lease(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    if let Some(seconds) = spec.int("leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        let at = path.child("leaseDurationSeconds");
        errors.invalid(&at, seconds, "must be greater than 0");
    }
    if let Some(count) = spec.int("leaseTransitions").filter(|count| *count < 0) {
        let at = path.child("leaseTransitions");
        errors.invalid(&at, count, "must be greater than or equal to 0");
    }
    if let Some(strategy) = spec.get("strategy").and_then(Value::as_str) {
        let at = path.child("strategy");
        let at = at.child("strategy");
        if strategy.contains('/') {
            errors.messages(&at, strategy, format::label_key(strategy));
        } else if strategy != "OldestEmulationVersion" {
            errors.unsupported(&at, strategy, &["OldestEmulationVersion"]);
        }
    } else if spec.has("preferredHolder") {
        let detail = "may only be specified if `strategy` is defined";
        errors.forbidden(&path.child("preferredHolder"), detail);
    }
}

/// Lease, updated.
pub fn lease_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    lease(new, scope, errors);
}
