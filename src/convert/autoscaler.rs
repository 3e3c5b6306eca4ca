//! HorizontalPodAutoscalers in autoscaling/v1 and v2. What v1 cannot say travels in annotations
//! (`pkg/apis/autoscaling/v1`, `Convert_autoscaling_HorizontalPodAutoscaler_To_v1_…`).

use super::move_member;
use crate::codec::json;
use crate::object::{List, Map, Value};
use bumpalo::Bump;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
/// The percentage that is aimed at where nothing is said (`DefaultCPUUtilization`).
const CPU_PERCENT: i64 = 80;
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// v2 → v1, in place.
pub(super) fn to_v1<'a>(map: &mut Map<'a>, arena: &'a Bump) {
    let mut notes: Vec<(&'static str, Value<'a>)> = Vec::new();
    let spec = map.entry_map("spec");
    let (cpu, metrics) = split_cpu(spec.remove("metrics"), "target", arena);
    if let Some(percent) = cpu {
        spec.insert("targetCPUUtilizationPercentage", Value::Int(percent));
    }
    if !metrics.is_empty() {
        notes.push((
            METRICS,
            mapped(metrics, |metric| metric_to_v1(metric, "target", arena), arena),
        ));
    }
    if let Some(behavior) = spec.remove("behavior") {
        notes.push((BEHAVIOR, behavior_to_internal(&behavior, arena)));
    }
    let status = map.entry_map("status");
    let current: Vec<Value<'a>> = elements(status.remove("currentMetrics"));
    if let Some(percent) = current.iter().find_map(|metric| cpu_percent(metric, "current")) {
        status.insert("currentCPUUtilizationPercentage", Value::Int(percent));
    }
    if !current.is_empty() {
        let text = mapped(current, |metric| metric_to_v1(metric, "current", arena), arena);
        notes.push((CURRENT, text));
    }
    if let Some(conditions) = status.remove("conditions").filter(|list| !list.is_empty()) {
        notes.push((CONDITIONS, conditions));
    }
    for (key, value) in notes {
        let mut text = Vec::with_capacity(256);
        json::encode_any(&value, &mut text);
        let text = String::from_utf8(text).unwrap_or_default();
        let annotations = map.entry_map("metadata").entry_map("annotations");
        annotations.insert(key, Value::str_in(&text, arena));
    }
    if let Some(annotations) =
        map.entry_map("metadata").get_mut("annotations").and_then(Value::as_map_mut)
    {
        annotations.sort_keys();
    }
}

/// v1 → v2, in place.
///
/// # Errors
/// If an annotation that carries v2 fields is not readable.
pub(super) fn to_v2<'a>(map: &mut Map<'a>, arena: &'a Bump) -> Result<(), String> {
    let mut take = |key: &str| -> Result<Option<Value<'a>>, String> {
        let metadata = map.entry_map("metadata");
        let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_map_mut) else {
            return Ok(None);
        };
        let Some(value) = annotations.remove(key) else { return Ok(None) };
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
        let text = value.as_str().unwrap_or("");
        json::parse_any(text.as_bytes(), arena).map(Some).map_err(|error| error.to_string())
    };
    let (metrics, current) = (take(METRICS)?, take(CURRENT)?);
    let (conditions, behavior) = (take(CONDITIONS)?, take(BEHAVIOR)?);
    let spec = map.entry_map("spec");
    let mut all: Vec<Value<'a>> =
        elements(metrics).into_iter().map(|m| metric_to_v2(m, "target", arena)).collect();
    if let Some(percent) = spec.remove("targetCPUUtilizationPercentage") {
        all.push(cpu_metric(percent, arena));
    }
    if !all.is_empty() {
        spec.insert("metrics", list(all, arena));
    }
    if let Some(behavior) = behavior {
        spec.insert("behavior", behavior_to_v2(&behavior, arena));
    }
    let status = map.entry_map("status");
    let percent = status.remove("currentCPUUtilizationPercentage");
    let mut current: Vec<Value<'a>> =
        elements(current).into_iter().map(|m| metric_to_v2(m, "current", arena)).collect();
    if let Some(percent) = percent.filter(|_| current.is_empty()) {
        current.push(cpu_status(percent, arena));
    }
    if !current.is_empty() {
        status.insert("currentMetrics", list(current, arena));
    }
    if let Some(conditions) = conditions {
        status.insert("conditions", conditions);
    }
    Ok(())
}

/// One that names no metric goes by the CPU (`Convert_v1_HorizontalPodAutoscaler_To_autoscaling_…`
/// and the defaults of v2).
pub(super) fn fill_metrics<'a>(object: &mut Value<'a>, arena: &'a Bump) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_map_mut) else { return };
    if spec.get("metrics").is_none_or(Value::is_empty) {
        spec.insert("metrics", list(vec![cpu_metric(Value::Int(CPU_PERCENT), arena)], arena));
    }
}

/// The percentage of the first cpu metric that v1 can show, and all others.
fn split_cpu<'a>(
    metrics: Option<Value<'a>>,
    side: &str,
    _: &'a Bump,
) -> (Option<i64>, Vec<Value<'a>>) {
    let mut percent = None;
    let mut others = elements(metrics);
    others.retain(|metric| match cpu_percent(metric, side) {
        Some(found) => {
            percent = Some(found);
            false
        }
        None => true,
    });
    (percent, others)
}

fn cpu_percent(metric: &Value<'_>, side: &str) -> Option<i64> {
    let cpu =
        metric.str_at(&["type"]) == "Resource" && metric.str_at(&["resource", "name"]) == "cpu";
    cpu.then(|| metric.i64_at(&["resource", side, "averageUtilization"])).flatten()
}

/// The status of a cpu metric of which only the percentage is known.
fn cpu_status<'a>(percent: Value<'a>, arena: &'a Bump) -> Value<'a> {
    let mut metric = Map::new_in(arena);
    metric.push_unique("type", Value::Str("Resource"));
    let resource = metric.entry_map("resource");
    resource.push_unique("name", Value::Str("cpu"));
    resource.entry_map("current").push_unique("averageUtilization", percent);
    Value::Map(metric)
}

fn cpu_metric<'a>(percent: Value<'a>, arena: &'a Bump) -> Value<'a> {
    let mut metric = Map::new_in(arena);
    metric.push_unique("type", Value::Str("Resource"));
    let resource = metric.entry_map("resource");
    resource.push_unique("name", Value::Str("cpu"));
    let target = resource.entry_map("target");
    target.push_unique("type", Value::Str("Utilization"));
    target.push_unique("averageUtilization", percent);
    Value::Map(metric)
}

/// The member that holds a metric of this type.
fn source_of(kind: &str) -> &'static str {
    match kind {
        "ContainerResource" => "containerResource",
        "External" => "external",
        "Object" => "object",
        "Pods" => "pods",
        _ => "resource",
    }
}

/// One metric in v1's flat form; `side` is `target` for specs, `current` for status.
fn metric_to_v1<'a>(metric: Value<'a>, side: &'static str, arena: &'a Bump) -> Value<'a> {
    let kind = metric.str_at(&["type"]);
    let member = source_of(kind);
    let mut flat = Map::new_in(arena);
    flat.push_unique("type", Value::Str(kind));
    let Value::Map(mut outer) = metric else { return Value::Map(flat) };
    let Some(Value::Map(mut source)) = outer.remove(member) else { return Value::Map(flat) };
    let amounts = source.remove(side);
    if member == "object" {
        move_member(&mut source, "describedObject", "target");
    }
    if let Some(Value::Map(mut named)) = source.remove("metric") {
        move_to(&mut named, "name", &mut source, "metricName");
        let selector = if member == "external" { "metricSelector" } else { "selector" };
        move_to(&mut named, "selector", &mut source, selector);
    }
    if let Some(Value::Map(mut amounts)) = amounts {
        let names = amount_names(member, side);
        move_to(&mut amounts, "averageUtilization", &mut source, names.utilization);
        move_to(&mut amounts, "averageValue", &mut source, names.average);
        move_to(&mut amounts, "value", &mut source, names.value);
    }
    flat.push_unique(member, Value::Map(source));
    Value::Map(flat)
}

/// One metric from v1's flat form.
fn metric_to_v2<'a>(metric: Value<'a>, side: &'static str, arena: &'a Bump) -> Value<'a> {
    let kind = metric.str_at(&["type"]);
    let member = source_of(kind);
    let mut nested = Map::new_in(arena);
    nested.push_unique("type", Value::Str(kind));
    let Value::Map(mut outer) = metric else { return Value::Map(nested) };
    let Some(Value::Map(mut source)) = outer.remove(member) else { return Value::Map(nested) };
    if member == "object" {
        move_member(&mut source, "target", "describedObject");
    }
    let mut named = Map::new_in(arena);
    move_to(&mut source, "metricName", &mut named, "name");
    let selector = if member == "external" { "metricSelector" } else { "selector" };
    move_to(&mut source, selector, &mut named, "selector");
    if !named.is_empty() {
        source.insert("metric", Value::Map(named));
    }
    let names = amount_names(member, side);
    let mut amounts = Map::new_in(arena);
    move_to(&mut source, names.utilization, &mut amounts, "averageUtilization");
    move_to(&mut source, names.average, &mut amounts, "averageValue");
    move_to(&mut source, names.value, &mut amounts, "value");
    if side == "target" {
        let kind = if amounts.get("averageUtilization").is_some() {
            "Utilization"
        } else if amounts.get("averageValue").is_some() {
            "AverageValue"
        } else {
            "Value"
        };
        amounts.insert("type", Value::Str(kind));
    }
    source.insert(side, Value::Map(amounts));
    nested.push_unique(member, Value::Map(source));
    Value::Map(nested)
}

/// What v1 calls the three amounts.
struct AmountNames {
    utilization: &'static str,
    average: &'static str,
    value: &'static str,
}

fn amount_names(member: &str, side: &str) -> AmountNames {
    let object = member == "object";
    if side == "target" {
        AmountNames {
            utilization: "targetAverageUtilization",
            average: if object { "averageValue" } else { "targetAverageValue" },
            value: "targetValue",
        }
    } else {
        AmountNames {
            utilization: "currentAverageUtilization",
            average: if object { "averageValue" } else { "currentAverageValue" },
            value: "currentValue",
        }
    }
}

/// Behavior as Go prints its internal struct: capital names, every field.
fn behavior_to_internal<'a>(behavior: &Value<'a>, arena: &'a Bump) -> Value<'a> {
    let mut map = Map::new_in(arena);
    for (member, name) in [("scaleUp", "ScaleUp"), ("scaleDown", "ScaleDown")] {
        let rules = match behavior.get(member) {
            Some(rules) => rules_to_internal(rules, arena),
            None => Value::Null,
        };
        map.push_unique(name, rules);
    }
    Value::Map(map)
}

fn rules_to_internal<'a>(rules: &Value<'a>, arena: &'a Bump) -> Value<'a> {
    let mut map = Map::new_in(arena);
    let copy = |name: &str| rules.get(name).map_or(Value::Null, |value| value.copy_in(arena));
    map.push_unique("StabilizationWindowSeconds", copy("stabilizationWindowSeconds"));
    map.push_unique("SelectPolicy", copy("selectPolicy"));
    let mut policies = List::new_in(arena);
    for policy in rules.list_at(&["policies"]) {
        let mut entry = Map::new_in(arena);
        for (member, name) in
            [("type", "Type"), ("value", "Value"), ("periodSeconds", "PeriodSeconds")]
        {
            let value = policy.get(member).map_or(Value::Null, |value| value.copy_in(arena));
            entry.push_unique(name, value);
        }
        policies.push(Value::Map(entry));
    }
    map.push_unique("Policies", Value::List(policies));
    map.push_unique("Tolerance", copy("tolerance"));
    Value::Map(map)
}

fn behavior_to_v2<'a>(behavior: &Value<'a>, arena: &'a Bump) -> Value<'a> {
    let mut map = Map::new_in(arena);
    for (name, member) in [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")] {
        let Some(rules) = behavior.get(name) else { continue };
        let target = map.entry_map(member);
        for (name, member) in [
            ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
            ("SelectPolicy", "selectPolicy"),
            ("Tolerance", "tolerance"),
        ] {
            if let Some(value) = rules.get(name) {
                target.insert(member, value.copy_in(arena));
            }
        }
        let mut policies = List::new_in(arena);
        for policy in rules.list_at(&["Policies"]) {
            let mut entry = Map::new_in(arena);
            for (name, member) in
                [("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds")]
            {
                if let Some(value) = policy.get(name) {
                    entry.push_unique(member, value.copy_in(arena));
                }
            }
            policies.push(Value::Map(entry));
        }
        if !policies.is_empty() {
            target.insert("policies", Value::List(policies));
        }
    }
    Value::Map(map)
}

fn move_to<'a>(from: &mut Map<'a>, name: &str, to: &mut Map<'a>, as_name: &'static str) {
    if let Some(value) = from.remove(name) {
        to.insert(as_name, value);
    }
}

fn elements(value: Option<Value<'_>>) -> Vec<Value<'_>> {
    match value {
        Some(Value::List(list)) => list.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn mapped<'a>(
    values: Vec<Value<'a>>,
    change: impl Fn(Value<'a>) -> Value<'a>,
    arena: &'a Bump,
) -> Value<'a> {
    list(values.into_iter().map(change).collect(), arena)
}

fn list<'a>(values: Vec<Value<'a>>, arena: &'a Bump) -> Value<'a> {
    let mut list = List::with_capacity_in(values.len(), arena);
    list.extend(values);
    Value::List(list)
}

#[cfg(test)]
mod tests {
    use super::super::convert;
    use crate::codec::json;
    use bumpalo::Bump;

    #[test]
    fn an_autoscaler_comes_back_from_v1_as_it_went() {
        let arena = Bump::new();
        let text = br#"{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2",
            "metadata":{"name":"h"},"spec":{"maxReplicas":4,
            "behavior":{"scaleUp":{"policies":[{"type":"Pods","value":4,"periodSeconds":15}]}},
            "metrics":[
              {"type":"External","external":{"metric":{"name":"q"},
                "target":{"type":"Value","value":"30"}}},
              {"type":"Object","object":{"describedObject":{"kind":"Service","name":"s"},
                "metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"2"}}},
              {"type":"Resource","resource":{"name":"cpu",
                "target":{"type":"Utilization","averageUtilization":55}}}]},
            "status":{}}"#;
        let original = json::parse_any(text, &arena).unwrap();
        let (v1, v2) = (("autoscaling", "v1"), ("autoscaling", "v2"));
        let there = convert(original.copy_in(&arena), v2, v1, &arena).unwrap();
        assert_eq!(there.i64_at(&["spec", "targetCPUUtilizationPercentage"]), Some(55));
        let metrics = there.str_at(&["metadata", "annotations", super::METRICS]);
        assert!(metrics.starts_with(
            r#"[{"type":"External","external":{"metricName":"q","targetValue":"30"}}"#
        ));
        let back = convert(there, v1, v2, &arena).unwrap();
        assert_eq!(back, original);
    }
}
