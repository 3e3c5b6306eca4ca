//! HorizontalPodAutoscaler, in v2 shape.

use super::resources::{self, quantity};
use super::{Errors, Report as _, format};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];
const WINDOW_SECONDS_MAX: i64 = 3_600;
const PERIOD_SECONDS_MAX: i64 = 1_800;

/// A new autoscaler.
pub fn create(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    spec(object, 1, errors);
}

/// An autoscaler, updated; 0 stays allowed where it is stored.
pub fn update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let stored = old.i64_at(&["spec", "minReplicas"]).unwrap_or(1);
    spec(new, i64::from(stored != 0), errors);
}

fn spec(object: &Value<'_>, least: i64, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let (min, max) = (spec.int("minReplicas"), spec.int("maxReplicas").unwrap_or(0));
    if let Some(min) = min.filter(|min| *min < least) {
        let detail = format!("must be greater than or equal to {least}");
        errors.invalid(&path.child("minReplicas"), min, &detail);
    }
    if max < 1 {
        errors.required(&path.child("maxReplicas"), "must be set and greater than 0");
    }
    if let Some(min) = min.filter(|min| max < *min) {
        let _ = min;
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&path.child("maxReplicas"), max, detail);
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&null);
    reference(target, &path.child("scaleTargetRef"), errors);
    let metrics = spec.items("metrics");
    let at = path.child("metrics");
    let outside = metrics.iter().any(|metric| matches!(metric.text("type"), "Object" | "External"));
    for (index, metric) in metrics.iter().enumerate() {
        one_metric(metric, &at.index(index), errors);
    }
    if min == Some(0) && !outside {
        let detail = "must specify at least one Object or External metric to support scaling to \
                      zero replicas";
        errors.forbidden(&at, detail);
    }
    if let Some(behavior) = spec.get("behavior") {
        let at = path.child("behavior");
        for name in ["scaleUp", "scaleDown"] {
            if let Some(rules) = behavior.get(name) {
                scaling(rules, &at.child(name), errors);
            }
        }
    }
}

/// `ValidateCrossVersionObjectReference`.
fn reference(target: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for name in ["kind", "name"] {
        errors.required_text(&path.child(name), target.text(name), format::path_segment);
    }
    let version = target.text("apiVersion");
    let at = path.child("apiVersion");
    let mut parts = version.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(_), Some(_)) => {
            let detail = format!("unexpected GroupVersion string: {version}");
            errors.invalid(&at, version, &detail);
        }
        (Some(group), Some(_), None) if !format::dns_subdomain(group).is_empty() => {
            for message in format::dns_subdomain(group) {
                errors.invalid(&at, group, &message);
            }
        }
        (Some(group), version, None) => {
            let core = version.is_none() && target.text("kind") == "ReplicationController";
            let missing = group.is_empty() || version.is_none();
            if missing && !core {
                errors.invalid(&at, target.text("apiVersion"), "apiVersion must specify API group");
            }
        }
        _ => {}
    }
}

fn one_metric(metric: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let kind = metric.text("type");
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric source type");
    }
    let kinds = SOURCES.map(|(kind, _)| kind);
    // Two of upstream's checks say the same.
    if !errors.one_of(&path.child("type"), kind, &kinds) {
        errors.one_of(&path.child("type"), kind, &kinds);
    }
    for (_, name) in SOURCES {
        if let Some(source) = metric.get(name) {
            one_source(name, source, &path.child(name), errors);
        }
    }
    let expected = SOURCES.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name);
    if let Some(expected) = expected.filter(|name| !metric.has(name)) {
        let detail = "must populate information for the given metric source";
        errors.required(&path.child(expected), detail);
    }
    for (_, name) in SOURCES {
        if metric.has(name) && expected.is_some_and(|expected| expected != name) {
            let detail = "must populate the given metric source only";
            errors.forbidden(&path.child(name), detail);
        }
    }
}

fn one_source(name: &str, source: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let target = source.get("target").unwrap_or(&null);
    let at = path.child("target");
    match name {
        "object" => {
            let described = source.get("describedObject").unwrap_or(&null);
            metric_object(described, &path.child("describedObject"), errors);
            metric_name(source, path, errors);
            metric_target(target, &at, errors);
            if !target.has("value") && !target.has("averageValue") {
                let detail = "must set either a target value or averageValue";
                errors.required(&at.child("averageValue"), detail);
            }
        }
        "external" => {
            metric_name(source, path, errors);
            metric_target(target, &at, errors);
            match (target.has("value"), target.has("averageValue")) {
                (false, false) => {
                    let detail = "must set either a target value for metric or a per-pod target";
                    errors.required(&at.child("averageValue"), detail);
                }
                (true, true) => {
                    let detail = "may not set both a target value for metric and a per-pod target";
                    errors.forbidden(&at.child("value"), detail);
                }
                _ => {}
            }
        }
        "pods" => {
            metric_name(source, path, errors);
            metric_target(target, &at, errors);
            if quantity(target.get("averageValue")).signum() <= 0 {
                let detail = "must specify a positive target averageValue";
                errors.required(&at.child("averageValue"), detail);
            }
        }
        _ => resource_metric(name, source, target, path, errors),
    }
}

fn resource_metric(
    name: &str,
    source: &Value<'_>,
    target: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let resource = source.text("name");
    if resource.is_empty() {
        errors.required(&path.child("name"), "must specify a resource name");
    } else if name == "containerResource" {
        resources::container_name(resource, &path.child("name"), errors);
    }
    if name == "containerResource" {
        let container = source.text("container");
        if container.is_empty() {
            errors.required(&path.child("container"), "must specify a container");
        } else {
            errors.messages(&path.child("container"), container, format::dns_label(container));
        }
    }
    let at = path.child("target");
    metric_target(target, &at, errors);
    match (target.has("averageUtilization"), target.has("averageValue")) {
        (false, false) => {
            let detail = "must set either a target raw value or a target utilization";
            errors.required(&at.child("averageUtilization"), detail);
        }
        (true, true) => {
            let detail = "may not set both a target raw value and a target utilization";
            errors.forbidden(&at.child("averageValue"), detail);
        }
        _ => {}
    }
}

/// What an Object metric describes: as a scale target, but core kinds are fine.
fn metric_object(target: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for name in ["kind", "name"] {
        errors.required_text(&path.child(name), target.text(name), format::path_segment);
    }
}

fn metric_name(source: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = source.str_at(&["metric", "name"]);
    let at = path.child("metric");
    if name.is_empty() {
        errors.required(&at.child("name"), "must specify a metric name");
    } else {
        errors.messages(&at.child("name"), name, format::path_segment(name));
    }
}

fn metric_target(target: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let kind = target.text("type");
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let detail = "must be either Utilization, Value, or AverageValue";
        errors.invalid(&path.child("type"), kind, detail);
    }
    for name in ["value", "averageValue"] {
        if let Some(value) = target.get(name)
            && quantity(Some(value)).signum() <= 0
        {
            let shown = value.as_str().unwrap_or("0");
            errors.invalid(&path.child(name), shown, "must be positive");
        }
    }
    if let Some(percent) = target.int("averageUtilization").filter(|percent| *percent < 1) {
        errors.invalid(&path.child("averageUtilization"), percent, "must be greater than 0");
    }
}

fn scaling(rules: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(seconds) = rules.int("stabilizationWindowSeconds") {
        let at = path.child("stabilizationWindowSeconds");
        if seconds < 0 {
            errors.invalid(&at, seconds, "must be greater than or equal to zero");
        }
        if seconds > WINDOW_SECONDS_MAX {
            let detail = format!("must be less than or equal to {WINDOW_SECONDS_MAX}");
            errors.invalid(&at, seconds, &detail);
        }
    }
    let choices = ["Disabled", "Max", "Min"];
    errors.one_of(&path.child("selectPolicy"), rules.text("selectPolicy"), &choices);
    let policies = rules.items("policies");
    let at = path.child("policies");
    if policies.is_empty() {
        errors.required(&at, "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        let at = at.index(index);
        let kind = policy.text("type");
        if !matches!(kind, "Percent" | "Pods") {
            errors.unsupported(&at.child("type"), kind, &["Percent", "Pods"]);
        }
        for name in ["value", "periodSeconds"] {
            let number = policy.int(name).unwrap_or(0);
            if number <= 0 {
                errors.invalid(&at.child(name), number, "must be greater than zero");
            }
        }
        let period = policy.int("periodSeconds").unwrap_or(0);
        if period > PERIOD_SECONDS_MAX {
            let detail = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
            errors.invalid(&at.child("periodSeconds"), period, &detail);
        }
    }
}

/// Status of an autoscaler.
pub fn status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("status");
    for name in ["currentReplicas", "desiredReplicas"] {
        errors.non_negative(&path.child(name), new.i64_at(&["status", name]));
    }
}
