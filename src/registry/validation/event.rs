//! Events of both groups, in core/v1 shape (`ValidateEventCreate`, `legacyValidateEvent`).

use super::{Errors, IMMUTABLE, Report as _, format, metadata};
use crate::object::Value;
use crate::object::field::{ErrorKind, FieldError, Path};
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const FIELD_BYTES_MAX: usize = 128;
const NOTE_BYTES_MAX: usize = 1_024;

/// A new event; through events.k8s.io it is checked strictly.
pub fn create(event: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let strict = scope.served_group == "events.k8s.io";
    legacy(event, strict, errors);
    if !strict {
        return;
    }
    metadata::create(event, true, &format::dns_subdomain, errors);
    metadata::standard_finalizers(event, errors);
    series(event, errors);
    if event.text("eventTime").is_empty() {
        errors.required(&Path::root("eventTime"), "");
    }
    let kind = event.text("type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid(&Path::root("type"), "", &format!("has invalid value: {kind}"));
    }
    for name in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        if event.get(name).is_some_and(|value| !value.is_empty()) {
            errors.invalid(&Path::root(name), "", "needs to be unset");
        }
    }
}

/// `legacyValidateEvent`.
fn legacy(event: &Value<'_>, strict: bool, errors: &mut Errors) {
    let namespace = event.str_at(&["metadata", "namespace"]);
    let about = event.str_at(&["involvedObject", "namespace"]);
    let timed = !event.text("eventTime").is_empty();
    let fits = match (timed, about.is_empty()) {
        (false, true) => matches!(namespace, "" | "default"),
        (true, true) => matches!(namespace, "default" | "kube-system"),
        (_, false) => namespace == about,
    };
    if !fits {
        let path = Path::root("involvedObject");
        errors.invalid(&path.child("namespace"), about, "does not match event.namespace");
    }
    if timed {
        let name = if strict { "reportingController" } else { "reportingComponent" };
        let controller = event.text("reportingComponent");
        if controller.is_empty() {
            errors.required(&Path::root(name), "");
        }
        errors.messages(&Path::root(name), controller, format::label_key(controller));
        for name in ["reportingInstance", "action", "reason"] {
            let text = event.text(name);
            if text.is_empty() {
                errors.required(&Path::root(name), "");
            }
            at_most(name, text, FIELD_BYTES_MAX, errors);
        }
        at_most("message", event.text("message"), NOTE_BYTES_MAX, errors);
    }
    for message in format::dns_subdomain(namespace) {
        errors.invalid(&Path::root("namespace"), namespace, &message);
    }
}

fn at_most(name: &str, text: &str, bytes_max: usize, errors: &mut Errors) {
    if text.len() > bytes_max {
        let detail = format!("can have at most {bytes_max} characters");
        errors.invalid(&Path::root(name), "", &detail);
    }
}

fn series(event: &Value<'_>, errors: &mut Errors) {
    let Some(series) = event.get("series") else { return };
    let path = Path::root("series");
    if series.int("count").unwrap_or(0) < 2 {
        errors.invalid(&path.child("count"), "", "should be at least 2");
    }
    if series.text("lastObservedTime").is_empty() {
        errors.required(&path.child("lastObservedTime"), "");
    }
}

/// An event, updated: through events.k8s.io only its series may change.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let strict = scope.served_group == "events.k8s.io";
    legacy(new, strict, errors);
    if !strict {
        return;
    }
    metadata::update(new, old, errors);
    if !same(new.get("series"), old.get("series")) {
        series(new, errors);
    }
    for (name, shown) in [
        ("involvedObject", "involvedObject"),
        ("reason", "reason"),
        ("message", "message"),
        ("source", "source"),
        ("firstTimestamp", "firstTimestamp"),
        ("lastTimestamp", "lastTimestamp"),
        ("count", "count"),
        // Upstream asks twice.
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingComponent", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        if !same(new.get(name), old.get(name)) {
            let value = new.get(name).unwrap_or(&Value::Null);
            errors.push(immutable(shown, value));
        }
    }
}

fn immutable(name: &str, value: &Value<'_>) -> FieldError {
    let error = FieldError::invalid(&Path::root(name), value, IMMUTABLE);
    FieldError { kind: ErrorKind::Invalid, ..error }
}
