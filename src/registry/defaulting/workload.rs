//! Workloads: apps, batch, autoscaling, and core's ReplicationController and PodTemplate.

use super::{Fill as _, pod_spec, volume};
use crate::object::{List, Map, Value};
use crate::registry::strategy::Scope;
use std::ptr;

/// PodTemplate.
pub fn pod_template<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    if let Some(object) = object.as_map_mut() {
        pod_spec::template(object, "template");
    }
}

/// Deployment.
pub fn deployment<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    pod_spec::template(spec, "template");
    let strategy = spec.entry_map("strategy");
    if is_rolling(strategy) {
        let rolling = strategy.entry_map("rollingUpdate");
        rolling.fill("maxUnavailable", || Value::Str("25%"));
        rolling.fill("maxSurge", || Value::Str("25%"));
    }
}

fn is_rolling(strategy: &Map<'_>) -> bool {
    strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate")
}

/// DaemonSet.
pub fn daemon_set<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    pod_spec::template(spec, "template");
    let strategy = spec.entry_map("updateStrategy");
    if is_rolling(strategy) {
        let rolling = strategy.entry_map("rollingUpdate");
        rolling.fill_int("maxUnavailable", 1);
        rolling.fill_int("maxSurge", 0);
    }
}

/// StatefulSet.
pub fn stateful_set<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    pod_spec::template(spec, "template");
    let strategy = spec.entry_map("updateStrategy");
    if strategy.lacks("type") {
        strategy.insert("type", Value::Str("RollingUpdate"));
        strategy.entry_map("rollingUpdate");
    }
    if is_rolling(strategy)
        && let Some(rolling) = strategy.map_mut("rollingUpdate")
    {
        rolling.fill_int("partition", 0);
    }
    for claim in spec.maps_mut("volumeClaimTemplates") {
        // The stored protobuf has no room for them; kept here they would look like a change.
        claim.remove("apiVersion");
        claim.remove("kind");
        volume::claim_spec(claim.entry_map("spec"));
    }
}

/// ReplicaSet.
pub fn replica_set<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    pod_spec::template(spec, "template");
}

/// ReplicationController: selector and labels follow the template's labels.
pub fn replication_controller<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    let spec = object.entry_map("spec");
    spec.fill_int("replicas", 1);
    if spec.map_mut("template").is_none() {
        return;
    }
    pod_spec::template(spec, "template");
    let Some(labels) = template_labels(spec, scope) else { return };
    if spec.get("selector").is_none_or(Value::is_empty) {
        spec.insert("selector", labels.copy_in(scope.arena));
    }
    own_labels(object, labels);
}

/// The labels of `spec.template`, copied, if there are any.
fn template_labels<'a>(spec: &Map<'a>, scope: &Scope<'a, '_>) -> Option<Value<'a>> {
    let labels = spec.get("template")?.at(&["metadata", "labels"])?;
    if labels.is_empty() { None } else { Some(labels.copy_in(scope.arena)) }
}

fn own_labels<'a>(object: &mut Map<'a>, labels: Value<'a>) {
    let metadata = object.entry_map("metadata");
    if metadata.get("labels").is_none_or(Value::is_empty) {
        metadata.insert("labels", labels);
    }
}

/// Job.
pub fn job<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    let spec = object.entry_map("spec");
    pod_spec::template(spec, "template");
    if spec.lacks("completions") && spec.lacks("parallelism") {
        spec.insert("completions", Value::Int(1));
    }
    spec.fill_int("parallelism", 1);
    let limit = if spec.lacks("backoffLimitPerIndex") { 6 } else { i64::from(i32::MAX) };
    spec.fill_int("backoffLimit", limit);
    let failure = !spec.lacks("podFailurePolicy");
    let replacement = if failure { "Failed" } else { "TerminatingOrFailed" };
    failure_conditions(spec);
    spec.fill("podReplacementPolicy", || Value::Str(replacement));
    job_labels(object, scope);
}

/// `SetDefaults_PodFailurePolicyOnPodConditionsPattern`.
fn failure_conditions(spec: &mut Map<'_>) {
    let Some(policy) = spec.map_mut("podFailurePolicy") else { return };
    for rule in policy.maps_mut("rules") {
        for condition in rule.maps_mut("onPodConditions") {
            condition.fill_text("status", "True");
        }
    }
}

/// A job without labels has those of its template. Upstream the two are one map from then on; here
/// the copy shares its strings, by which [`shares_labels`] knows it.
fn job_labels<'a>(job: &mut Map<'a>, scope: &Scope<'a, '_>) {
    let labels = job.get("spec").and_then(|spec| spec.at(&["template", "metadata", "labels"]));
    if let Some(labels @ Value::Map(_)) = labels {
        let shared = labels.share_in(scope.arena);
        own_labels(job, shared);
    }
}

/// True if the job has the labels of its template by default, not because a client sent the same.
pub fn shares_labels(job: &Value<'_>) -> bool {
    let labels = |path: &[&str]| job.at(path).and_then(Value::as_map);
    let own = labels(&["metadata", "labels"]);
    let of_template = labels(&["spec", "template", "metadata", "labels"]);
    own.zip(of_template).is_some_and(|(own, of_template)| {
        own.len() == of_template.len()
            && own.iter().zip(of_template.iter()).all(|((key, value), (other, twin))| {
                key == other
                    && value.as_str().zip(twin.as_str()).is_some_and(|(a, b)| ptr::eq(a, b))
            })
    })
}

/// CronJob; the job template gets the pod's defaults, not the job's.
pub fn cron_job<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    let job = spec.entry_map("jobTemplate").entry_map("spec");
    pod_spec::template(job, "template");
    failure_conditions(job);
}

/// HorizontalPodAutoscaler, v1 or v2 as the request has it.
pub fn autoscaler<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    if scope.version == "v1" {
        return;
    }
    let arena = scope.arena;
    if spec.get("metrics").is_none_or(Value::is_empty) {
        let mut target = Map::new_in(arena);
        target.push_unique("type", Value::Str("Utilization"));
        target.push_unique("averageUtilization", Value::Int(80));
        let mut resource = Map::new_in(arena);
        resource.push_unique("name", Value::Str("cpu"));
        resource.push_unique("target", Value::Map(target));
        let mut metric = Map::new_in(arena);
        metric.push_unique("type", Value::Str("Resource"));
        metric.push_unique("resource", Value::Map(resource));
        let mut metrics = List::new_in(arena);
        metrics.push(Value::Map(metric));
        spec.insert("metrics", Value::List(metrics));
    }
    if let Some(behavior) = spec.map_mut("behavior") {
        let up = behavior.entry_map("scaleUp");
        up.fill_int("stabilizationWindowSeconds", 0);
        scaling_rules(up, &[("Pods", 4), ("Percent", 100)]);
        scaling_rules(behavior.entry_map("scaleDown"), &[("Percent", 100)]);
    }
}

fn scaling_rules(rules: &mut Map<'_>, policies: &[(&'static str, i64)]) {
    let arena = rules.arena();
    rules.fill("selectPolicy", || Value::Str("Max"));
    rules.fill("policies", || {
        let mut list = List::new_in(arena);
        for (kind, value) in policies {
            let mut policy = Map::new_in(arena);
            policy.push_unique("type", Value::Str(kind));
            policy.push_unique("value", Value::Int(*value));
            policy.push_unique("periodSeconds", Value::Int(15));
            list.push(Value::Map(policy));
        }
        Value::List(list)
    });
}
