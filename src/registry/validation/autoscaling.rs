//! HorizontalPodAutoscaler, in v2 shape.

use super::resources::{self, quantity};
use super::{Errors, Report as _, format};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

/// Kinds of sources and where they stand, in the order in which they are looked at.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const KINDS: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
const WINDOW_SECONDS_MAX: i64 = 3_600;
const PERIOD_SECONDS_MAX: i64 = 1_800;

/// A new autoscaler.
pub fn create(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    spec(object, None, errors);
}

/// An autoscaler, updated; 0 stays allowed where it is stored.
pub fn update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    spec(new, Some(old), errors);
}

fn spec(object: &Value<'_>, old: Option<&Value<'_>>, errors: &mut Errors) {
    let stored = old.and_then(|old| old.i64_at(&["spec", "minReplicas"])).unwrap_or(1);
    let least = i64::from(stored != 0);
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let (min, max) = (spec.int("minReplicas"), spec.int("maxReplicas").unwrap_or(0));
    if let Some(min) = min.filter(|min| *min < least) {
        let detail = format!("must be greater than or equal to {least}");
        errors.invalid(&path.child("minReplicas"), min, &detail);
    }
    let at = path.child("maxReplicas");
    match max {
        0 => errors.required(&at, "must be set and greater than 0"),
        max if max < 0 => errors.invalid(&at, max, "must be greater than or equal to 1"),
        _ => {}
    }
    if min.is_some_and(|min| max < min) {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&at, max, detail);
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&null);
    let at = path.child("scaleTargetRef");
    named(target, &at, errors);
    let before = old.and_then(|old| old.at(&["spec", "scaleTargetRef"]));
    let kept = before.is_some_and(|before| {
        ["apiVersion", "kind"].iter().all(|name| before.text(name) == target.text(name))
    });
    if !kept {
        version(target, target.text("kind") == "ReplicationController", &at, errors);
    }
    let metrics = spec.items("metrics");
    let at = path.child("metrics");
    let outside = metrics.iter().any(|metric| matches!(metric.text("type"), "Object" | "External"));
    // What was stored with a version that is none may stay so.
    let lax = old.is_some_and(|old| {
        let objects = old.list_at(&["spec", "metrics"]).iter();
        let mut objects = objects.filter_map(|metric| metric.at(&["object", "describedObject"]));
        objects.any(|object| is_overlong(object.text("apiVersion")))
    });
    for (index, metric) in metrics.iter().enumerate() {
        one_metric(metric, lax, &at.index(index), errors);
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

/// Kind and name of a reference (`ValidateCrossVersionObjectReference`).
fn named(target: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for name in ["kind", "name"] {
        errors.required_text(&path.child(name), target.text(name), format::path_segment);
    }
}

/// No `group/version`: more parts than two.
fn is_overlong(version: &str) -> bool {
    version.matches('/').count() > 1
}

/// `ValidateAPIVersion`; `core` allows the group without a name.
fn version(target: &Value<'_>, core: bool, path: &Path<'_>, errors: &mut Errors) {
    let version = target.text("apiVersion");
    let at = path.child("apiVersion");
    if is_overlong(version) {
        errors.invalid(&at, version, &format!("unexpected GroupVersion string: {version}"));
    } else if !core && version.split_once('/').is_none_or(|(group, _)| group.is_empty()) {
        errors.invalid(&at, version, "apiVersion must specify API group");
    }
}

/// `validateMetricSpec`: of several sources the first is looked at.
fn one_metric(metric: &Value<'_>, lax: bool, path: &Path<'_>, errors: &mut Errors) {
    let kind = metric.text("type");
    let at = path.child("type");
    if kind.is_empty() {
        errors.required(&at, "must specify a metric source type");
    }
    if !KINDS.contains(&kind) {
        errors.unsupported(&at, kind, &KINDS);
    }
    let present = || SOURCES.iter().filter(|(_, name)| metric.has(name));
    if let Some((_, name)) = present().next() {
        let source = metric.get(name).unwrap_or(&Value::Null);
        one_source(name, source, lax, &path.child(name), errors);
    }
    match SOURCES.iter().find(|(source, _)| *source == kind) {
        Some((_, expected)) if !metric.has(expected) => {
            let detail = "must populate information for the given metric source";
            errors.required(&path.child(expected), detail);
        }
        Some(_) => {}
        // Two of upstream's checks say the same.
        None => errors.unsupported(&at, kind, &KINDS),
    }
    if present().count() > 1 {
        for (_, name) in present().filter(|(source, _)| *source != kind) {
            let detail = "must populate the given metric source only";
            errors.forbidden(&path.child(name), detail);
        }
    }
}

fn one_source(name: &str, source: &Value<'_>, lax: bool, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let target = source.get("target").unwrap_or(&null);
    let at = path.child("target");
    match name {
        "object" => {
            let described = source.get("describedObject").unwrap_or(&null);
            let below = path.child("describedObject");
            named(described, &below, errors);
            if !lax {
                version(described, true, &below, errors);
            }
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
            if !target.has("averageValue") {
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
    errors.one_of_given(&path.child("selectPolicy"), rules.get("selectPolicy"), &choices);
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
    if let Some(tolerance) = rules.get("tolerance") {
        resources::non_negative(tolerance, &path.child("tolerance"), errors);
    }
}

/// Status of an autoscaler.
pub fn status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("status");
    for name in ["currentReplicas", "desiredReplicas"] {
        errors.non_negative(&path.child(name), new.i64_at(&["status", name]));
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    fn errors(spec: &serde_json::Value) -> Vec<String> {
        let arena = Bump::new();
        let object = tree(&arena, &json!({ "spec": spec }));
        let (mut warnings, mut errors) = (Vec::new(), Vec::new());
        let resource = "horizontalpodautoscalers";
        let scope = scope(&arena, "autoscaling", resource, &mut warnings);
        super::create(&object, &scope, &mut errors);
        lines(&errors)
    }

    #[test]
    fn of_two_sources_of_a_metric_the_first_is_judged() {
        let target = json!({"type": "Value", "value": "1"});
        let spec = json!({"maxReplicas": 1, "scaleTargetRef": {"kind": "D", "name": "d",
            "apiVersion": "apps/v1"}, "metrics": [{"type": "External",
                "external": {"metric": {"name": "m"}, "target": target},
                "pods": {"metric": {}, "target": {}}}]});
        let expected =
            ["spec.metrics[0].pods: Forbidden: must populate the given metric source only"];
        assert_eq!(errors(&spec), expected);
    }

    #[test]
    fn a_scale_target_names_its_group() {
        let spec = |version: &str| {
            json!({"maxReplicas": -1, "scaleTargetRef": {"kind": "D", "name": "d",
                "apiVersion": version}})
        };
        let range = "spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1";
        let group = "spec.scaleTargetRef.apiVersion: Invalid value: \"v1\": apiVersion must \
                     specify API group";
        assert_eq!(errors(&spec("v1")), [range, group]);
        let parts = "spec.scaleTargetRef.apiVersion: Invalid value: \"a/b/c\": unexpected \
                     GroupVersion string: a/b/c";
        assert_eq!(errors(&spec("a/b/c")), [range, parts]);
    }
}
