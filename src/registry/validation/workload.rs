//! apps/v1, and core's ReplicationController and PodTemplate.

use super::{Errors, IMMUTABLE, Report as _, Verbatim, claim, format, go_form, selector, template};
use crate::object::field::Path;
use crate::object::{List, Map, Value};
use crate::registry::read::{Read as _, same, same_member_of};
use crate::registry::strategy::Scope;
use bumpalo::Bump;

const INVALID_SELECTOR: &str = "invalid label selector";

fn spec<'v, 'a>(object: &'v Value<'a>) -> &'v Value<'a> {
    object.get("spec").unwrap_or(&Value::Null)
}

/// PodTemplate.
pub fn pod_template(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let inner = object.get("template").unwrap_or(&Value::Null);
    template::template(inner, scope, &Path::root("template"), errors);
}

/// PodTemplate, updated.
pub fn pod_template_update(
    new: &Value<'_>,
    _: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    pod_template(new, scope, errors);
}

/// Deployment (`ValidateDeploymentSpec`).
pub fn deployment(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let (spec, path) = (spec(object), Path::root("spec"));
    errors.non_negative(&path.child("replicas"), spec.int("replicas"));
    template::needed_selector(spec, "deployment", &path, errors);
    replica_template(spec, scope, &path, errors);
    deployment_strategy(spec.get("strategy"), &path.child("strategy"), errors);
    let ready = spec.int("minReadySeconds");
    errors.non_negative(&path.child("minReadySeconds"), ready);
    errors.non_negative(&path.child("revisionHistoryLimit"), spec.int("revisionHistoryLimit"));
    if let Some(deadline) = spec.int("progressDeadlineSeconds") {
        let at = path.child("progressDeadlineSeconds");
        errors.non_negative(&at, Some(deadline));
        if deadline <= ready.unwrap_or(0) {
            errors.invalid(&at, deadline, "must be greater than minReadySeconds");
        }
    }
}

/// `ValidatePodTemplateSpecForReplicaSet` with the check of the selector before it.
fn replica_template(spec: &Value<'_>, scope: &Scope<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let found = spec.get("selector");
    if let Some(found) = found.filter(|found| !selector::is_valid(found)) {
        let shown = template::shown(Some(found));
        errors.invalid(&path.child("selector"), Verbatim(&shown), INVALID_SELECTOR);
        return;
    }
    let at = path.child("template");
    let inner = spec.get("template").unwrap_or(&Value::Null);
    template::match_labels(found, inner, &at, errors);
    template::template(inner, scope, &at, errors);
    template::restarts(inner, "ReplicaSet", &at, errors);
}

fn deployment_strategy(strategy: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let strategy = strategy.unwrap_or(&null);
    let rolling = strategy.get("rollingUpdate");
    let at = path.child("rollingUpdate");
    match strategy.text("type") {
        "Recreate" => {
            if rolling.is_some() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.forbidden(&at, detail);
            }
        }
        "RollingUpdate" => {
            let Some(rolling) = rolling else {
                errors.required(&at, "this should be defaulted and never be nil");
                return;
            };
            let (lost, extra) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            template::int_or_percent(lost, &at.child("maxUnavailable"), errors);
            template::int_or_percent(extra, &at.child("maxSurge"), errors);
            let zero = |value| template::int_or_percent_value(value) == 0;
            if zero(lost) && zero(extra) {
                let detail = "may not be 0 when `maxSurge` is 0";
                let shown = lost.unwrap_or(&Value::Int(0));
                errors.invalid(&at.child("maxUnavailable"), shown, detail);
            }
            template::at_most_all(lost, &at.child("maxUnavailable"), errors);
        }
        _ => {
            let shown = go_form::compact(Some(strategy), "apps.v1.DeploymentStrategy");
            errors.unsupported(path, Verbatim(&shown), &["Recreate", "RollingUpdate"]);
        }
    }
}

/// Deployment, updated.
pub fn deployment_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    deployment(new, scope, errors);
    immutable_selector(new, old, errors);
}

/// apps/v1 selectors never change.
fn immutable_selector(new: &Value<'_>, old: &Value<'_>, errors: &mut Errors) {
    let (now, was) = (spec(new).get("selector"), spec(old).get("selector"));
    if now.is_some() != was.is_some() || !same(now, was) {
        let path = Path::root("spec");
        errors.invalid(&path.child("selector"), Verbatim(&template::shown(now)), IMMUTABLE);
    }
}

/// DaemonSet (`ValidateDaemonSetSpec`).
pub fn daemon_set(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let (spec, path) = (spec(object), Path::root("spec"));
    let found = spec.get("selector");
    let at = path.child("selector");
    selector::label_selector(found, &at, errors);
    let inner = spec.get("template").unwrap_or(&Value::Null);
    let below = path.child("template");
    if found.is_none_or(selector::is_valid) {
        template::match_labels(found, inner, &below, errors);
    }
    if let Some(found) = found {
        template::not_empty(found, "daemonset", &at, errors);
    }
    template::template(inner, scope, &below, errors);
    template::restarts(inner, "DaemonSet", &below, errors);
    errors.non_negative(&path.child("minReadySeconds"), spec.int("minReadySeconds"));
    daemon_strategy(spec.get("updateStrategy"), &path.child("updateStrategy"), errors);
    errors.non_negative(&path.child("revisionHistoryLimit"), spec.int("revisionHistoryLimit"));
}

fn daemon_strategy(strategy: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let strategy = strategy.unwrap_or(&null);
    match strategy.text("type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let at = path.child("rollingUpdate");
            let Some(rolling) = strategy.get("rollingUpdate") else {
                errors.required(&at, "");
                return;
            };
            let names = ["maxUnavailable", "maxSurge"];
            for name in names {
                template::int_or_percent(rolling.get(name), &at.child(name), errors);
            }
            for name in names {
                template::at_most_all(rolling.get(name), &at.child(name), errors);
            }
            let set = |name| template::int_or_percent_value(rolling.get(name)) != 0;
            match (set("maxUnavailable"), set("maxSurge")) {
                (true, true) => {
                    let shown = rolling.get("maxSurge").unwrap_or(&null);
                    let detail = "may not be set when maxUnavailable is non-zero";
                    errors.invalid(&at.child("maxSurge"), shown, detail);
                }
                (false, false) => {
                    let detail = "cannot be 0 when maxSurge is 0";
                    errors.required(&at.child("maxUnavailable"), detail);
                }
                _ => {}
            }
        }
        _ => {
            let shown = go_form::compact(Some(strategy), "apps.v1.DaemonSetUpdateStrategy");
            errors.unsupported(path, Verbatim(&shown), &["RollingUpdate", "OnDelete"]);
        }
    }
}

/// DaemonSet, updated.
pub fn daemon_set_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    immutable_selector(new, old, errors);
    daemon_set(new, scope, errors);
}

/// ReplicaSet (`ValidateReplicaSetSpec`).
pub fn replica_set(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let (spec, path) = (spec(object), Path::root("spec"));
    errors.non_negative(&path.child("replicas"), spec.int("replicas"));
    errors.non_negative(&path.child("minReadySeconds"), spec.int("minReadySeconds"));
    // Upstream's text names the wrong kind.
    template::needed_selector(spec, "deployment", &path, errors);
    replica_template(spec, scope, &path, errors);
}

/// ReplicaSet, updated.
pub fn replica_set_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    replica_set(new, scope, errors);
    immutable_selector(new, old, errors);
}

/// ReplicationController (`ValidateReplicationControllerSpec`).
pub fn replication_controller(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let (spec, path) = (spec(object), Path::root("spec"));
    errors.non_negative(&path.child("minReadySeconds"), spec.int("minReadySeconds"));
    let found = spec.get("selector").filter(|found| !found.is_empty());
    if found.is_none() {
        errors.required(&path.child("selector"), "");
    }
    match spec.int("replicas") {
        None => errors.required(&path.child("replicas"), ""),
        replicas => errors.non_negative(&path.child("replicas"), replicas),
    }
    let at = path.child("template");
    let Some(inner) = spec.get("template") else {
        errors.required(&at, "");
        return;
    };
    let labels = inner.at(&["metadata", "labels"]);
    let met = |(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value);
    if !spec.entries("selector").all(met) {
        let detail = "`selector` does not match template `labels`";
        let shown = go_form::plain(labels);
        errors.invalid(&at.child("metadata").child("labels"), Verbatim(&shown), detail);
    }
    template::template(inner, scope, &at, errors);
    template::restarts(inner, "ReplicationController", &at, errors);
}

/// ReplicationController, updated.
pub fn replication_controller_update(
    new: &Value<'_>,
    _: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    replication_controller(new, scope, errors);
}

/// StatefulSet (`ValidateStatefulSetSpec`); claims and the service's name are checked for new ones.
pub fn stateful_set(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let checks = Stateful { is_new: true, template: true };
    stateful_spec(spec(object), checks, scope, &Path::root("spec"), errors);
}

/// What of a stateful set is checked (`StatefulSetValidationOptions`).
#[derive(Clone, Copy)]
struct Stateful {
    /// Claims and the service's name, which never change.
    is_new: bool,
    /// The template, unless the stored one is wrong already.
    template: bool,
}

fn stateful_spec(
    spec: &Value<'_>,
    checks: Stateful,
    scope: &Scope<'_, '_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let at = path.child("podManagementPolicy");
    match spec.text("podManagementPolicy") {
        "" => errors.required(&at, ""),
        "OrderedReady" | "Parallel" => {}
        other => errors.invalid(&at, other, "must be 'OrderedReady' or 'Parallel'"),
    }
    stateful_strategy(spec.get("updateStrategy"), &path.child("updateStrategy"), errors);
    if let Some(policy) = spec.get("persistentVolumeClaimRetentionPolicy") {
        let at = path.child("persistentVolumeClaimRetentionPolicy");
        for name in ["whenDeleted", "whenScaled"] {
            let value = policy.text(name);
            if !matches!(value, "Retain" | "Delete") {
                errors.unsupported(&at.child(name), value, &["Retain", "Delete"]);
            }
        }
    }
    let at = path.child("volumeClaimTemplates");
    let claims = spec.items("volumeClaimTemplates");
    for (index, claim) in claims.iter().enumerate().filter(|_| checks.is_new) {
        let inner = claim.get("spec").unwrap_or(&Value::Null);
        claim::spec(inner, &at.index(index).child("spec"), errors);
    }
    errors.non_negative(&path.child("replicas"), spec.int("replicas"));
    errors.non_negative(&path.child("minReadySeconds"), spec.int("minReadySeconds"));
    if let Some(ordinals) = spec.get("ordinals") {
        errors.non_negative(&path.child("ordinals.start"), ordinals.int("start"));
    }
    let service = spec.text("serviceName");
    if checks.is_new && !service.is_empty() {
        errors.messages(&path.child("serviceName"), service, format::dns_label(service));
    }
    template::needed_selector(spec, "statefulset", path, errors);
    let found = spec.get("selector");
    let inner = spec.get("template").unwrap_or(&Value::Null);
    let at = path.child("template");
    if let Some(found) = found.filter(|found| !selector::is_valid(found)) {
        let shown = template::shown(Some(found));
        errors.invalid(&path.child("selector"), Verbatim(&shown), "");
    } else {
        template::match_labels(found, inner, &at, errors);
        if checks.template {
            let arena = Bump::new();
            let identified = identified(inner, claims, &arena);
            template::template(&identified, scope, &at, errors);
        }
        template::labels(inner, &at, errors);
    }
    template::restarts(inner, "StatefulSet", &at, errors);
}

/// The template as its pods will have it: with volumes for the claims and without a host name.
fn identified<'a>(template: &Value<'_>, claims: &[Value<'_>], arena: &'a Bump) -> Value<'a> {
    let mut template = template.copy_in(arena);
    let Some(map) = template.as_map_mut() else { return template };
    let spec = map.entry_map("spec");
    spec.remove("hostname");
    spec.remove("subdomain");
    if claims.is_empty() {
        return template;
    }
    let mut volumes = List::new_in(arena);
    let mut names: Vec<&str> = Vec::new();
    for name in claims.iter().map(|claim| claim.str_at(&["metadata", "name"])) {
        if names.contains(&name) {
            continue;
        }
        names.push(name);
        let name = Value::str_in(name, arena);
        let mut source = Map::new_in(arena);
        source.push_unique("claimName", name.copy_in(arena));
        let mut volume = Map::new_in(arena);
        volume.push_unique("name", name);
        volume.push_unique("persistentVolumeClaim", Value::Map(source));
        volumes.push(Value::Map(volume));
    }
    let own = spec.get("volumes").and_then(Value::as_list).map_or(&[][..], |list| list.as_slice());
    for volume in own.iter().filter(|volume| !names.contains(&volume.text("name"))) {
        volumes.push(volume.copy_in(arena));
    }
    spec.insert("volumes", Value::List(volumes));
    template
}

fn stateful_strategy(strategy: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let strategy = strategy.unwrap_or(&null);
    let rolling = strategy.get("rollingUpdate");
    let at = path.child("rollingUpdate");
    match strategy.text("type") {
        "" => errors.required(path, ""),
        "OnDelete" => {
            if rolling.is_some() {
                let name = "apps.v1.RollingUpdateStatefulSetStrategy";
                let shown = go_form::compact(rolling, name);
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                errors.invalid(&at, Verbatim(&shown), detail);
            }
        }
        "RollingUpdate" => {
            let Some(rolling) = rolling else { return };
            errors.non_negative(&at.child("partition"), rolling.int("partition"));
            if let Some(lost) = rolling.get("maxUnavailable") {
                let at = at.child("maxUnavailable");
                template::int_or_percent(Some(lost), &at, errors);
                if template::int_or_percent_value(Some(lost)) == 0 {
                    errors.invalid(&at, lost, "cannot be 0");
                }
                template::at_most_all(Some(lost), &at, errors);
            }
        }
        _ => {
            let shown = go_form::compact(Some(strategy), "apps.v1.StatefulSetUpdateStrategy");
            errors.invalid(path, Verbatim(&shown), "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

/// StatefulSet, updated: most of the spec stays as it is.
pub fn stateful_set_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    const MUTABLE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let path = Path::root("spec");
    let mut checks = Stateful { is_new: false, template: true };
    let mut before = Errors::new();
    stateful_spec(spec(old), checks, scope, &path, &mut before);
    checks.template = before.is_empty();
    stateful_spec(spec(new), checks, scope, &path, errors);
    let maps = [spec(new).as_map(), spec(old).as_map()];
    let changed = maps.into_iter().flatten().flat_map(|map| map.keys()).any(|name| {
        !MUTABLE.contains(&name)
            && !same_member_of("apps.v1.StatefulSetSpec", name, spec(new), spec(old))
    });
    if changed {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
            'template', 'updateStrategy', 'revisionHistoryLimit', \
            'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.forbidden(&path, detail);
    }
}

/// ControllerRevision.
pub fn revision(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    revision_number(object, errors);
    let path = Path::root("data");
    match object.get("data") {
        None => errors.required(&path, "data is mandatory"),
        Some(Value::Map(_) | Value::Raw(_)) => {}
        Some(_) => errors.required(&path, "data must be a valid JSON object"),
    }
}

fn revision_number(object: &Value<'_>, errors: &mut Errors) {
    errors.non_negative(&Path::root("revision"), object.int("revision"));
}

/// ControllerRevision, updated: the data stays.
pub fn revision_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    revision_number(new, errors);
    if !same(new.get("data"), old.get("data")) {
        let shown = go_form::plain(new.get("data"));
        errors.invalid(&Path::root("data"), Verbatim(&shown), IMMUTABLE);
    }
}

/// Status of the kinds that count pods: nothing negative, no part greater than the whole.
pub fn status(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    const COUNTERS: [&str; 16] = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "updatedReplicas",
        "currentReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "observedGeneration",
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    ];
    let path = Path::root("status");
    let Some(status) = new.get("status") else { return };
    for name in COUNTERS {
        errors.non_negative(&path.child(name), status.int(name));
    }
    let count = |name| status.int(name).unwrap_or(0);
    if status.has("numberReady") {
        return;
    }
    for name in [
        "fullyLabeledReplicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "currentReplicas",
    ] {
        if count(name) > count("replicas") {
            let detail = "cannot be greater than status.replicas";
            errors.invalid(&path.child(name), count(name), detail);
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let detail = "cannot be greater than readyReplicas";
        let detail = if old.at(&["spec", "strategy"]).is_some() {
            detail
        } else {
            "cannot be greater than status.readyReplicas"
        };
        errors.invalid(&path.child("availableReplicas"), count("availableReplicas"), detail);
    }
    let (now, was) = (status.int("collisionCount"), old.i64_at(&["status", "collisionCount"]));
    if let (Some(now), Some(was)) = (now, was)
        && now < was
    {
        errors.invalid(&path.child("collisionCount"), now, "cannot be decremented");
    }
}

/// PodDisruptionBudget (`ValidatePodDisruptionBudgetSpec`).
pub fn budget(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let (spec, path) = (spec(object), Path::root("spec"));
    let names = ["minAvailable", "maxUnavailable"];
    if names.iter().all(|name| spec.has(name)) {
        let shown = go_form::compact(Some(spec), "policy.v1.PodDisruptionBudgetSpec");
        let detail = "minAvailable and maxUnavailable cannot be both set";
        errors.invalid(&path, Verbatim(&shown), detail);
    }
    for name in names {
        template::int_or_percent(spec.get(name), &path.child(name), errors);
        template::at_most_all(spec.get(name), &path.child(name), errors);
    }
    selector::label_selector(spec.get("selector"), &path.child("selector"), errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    let policy = spec.text("unhealthyPodEvictionPolicy");
    errors.one_of(&path.child("unhealthyPodEvictionPolicy"), policy, &policies);
}

/// PodDisruptionBudget, updated.
pub fn budget_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    budget(new, scope, errors);
}

/// Status of a PodDisruptionBudget.
pub fn budget_status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("status");
    let Some(status) = new.get("status") else { return };
    super::metadata::conditions(status.items("conditions"), &path.child("conditions"), errors);
    for name in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
        errors.non_negative(&path.child(name), status.int(name));
    }
}
