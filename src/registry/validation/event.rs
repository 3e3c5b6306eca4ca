//! Events of both groups, in core/v1 shape (`ValidateEventCreate`, `legacyValidateEvent`).

use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, metadata};
use crate::catalog::catalog;
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same, same_member};
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
        (false, false) => namespace == about,
        (true, false) => true,
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
        let kept = match catalog().type_named("core.v1.Event") {
            Some(ty) => same_member(ty, name, new, old),
            None => same(new.get(name), old.get(name)),
        };
        if !kept {
            let value = go_value(name, new.get(name));
            errors.invalid(&Path::root(shown), Verbatim(&value), IMMUTABLE);
        }
    }
}

/// A member as Go shows it, also if it is not set.
fn go_value(name: &str, value: Option<&Value<'_>>) -> String {
    match (name, value) {
        ("involvedObject", _) | ("related", Some(_)) => {
            go_form::compact(value, "core.v1.ObjectReference")
        }
        ("source", _) => go_form::compact(value, "core.v1.EventSource"),
        ("count", None) => "0".to_owned(),
        ("related" | "firstTimestamp" | "lastTimestamp" | "eventTime", None) => "null".to_owned(),
        (_, None) => "\"\"".to_owned(),
        (_, Some(_)) => go_form::plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::update;
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn what_may_not_change_shows_as_go_has_it() {
        let arena = Bump::new();
        let event = |about: serde_json::Value| {
            tree(
                &arena,
                &json!({"metadata": {"namespace": "default", "resourceVersion": "1"},
                    "involvedObject": about, "reason": "r", "action": "a",
                    "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "c",
                    "reportingInstance": "i", "type": "Normal"}),
            )
        };
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "", "events", &mut warnings);
        scope.served_group = "events.k8s.io";
        let mut errors = Vec::new();
        let (new, old) = (event(json!({"kind": "Node"})), event(json!({"kind": "Pod"})));
        update(&new, &old, &scope, &mut errors);
        let shown = r#"{"Kind":"Node","Namespace":"","Name":"","UID":"","APIVersion":"","#;
        let rest = r#""ResourceVersion":"","FieldPath":""}: field is immutable"#;
        assert_eq!(lines(&errors), [format!("involvedObject: Invalid value: {shown}{rest}")]);
    }
}
