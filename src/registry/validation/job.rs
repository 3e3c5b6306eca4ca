//! Job (`pkg/apis/batch/validation`).

use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, selector, template};
use crate::object::field::{ErrorKind, FieldError, Path};
use crate::object::{Map, Value};
use crate::registry::read::{Read as _, same_as, same_member_of};
use crate::registry::strategy::Scope;
use bumpalo::Bump;

const INDEXES_MAX: i64 = 100_000;
const MANY_INDEXES_MAX: i64 = 10_000;
const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const INDEXED_ONLY: &str = "requires indexed completion mode";

/// A new job.
pub fn create(job: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = job.get("spec").unwrap_or(&null);
    generated_selector(job, spec, errors);
    full_spec(spec, scope, errors);
    let completions = spec.int("completions").unwrap_or(0);
    if spec.text("completionMode") == "Indexed" && completions > 0 {
        let name = job.str_at(&["metadata", "name"]);
        let host = format!("{name}-{}", completions - 1);
        if !format::dns_label(&host).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {host}");
            errors.invalid(&Path::root("metadata.name"), name, &detail);
        }
    }
}

/// `ValidateGeneratedSelector`.
fn generated_selector(job: &Value<'_>, spec: &Value<'_>, errors: &mut Errors) {
    if spec.flag("manualSelector") || !spec.has("selector") {
        return;
    }
    let (uid, name) = (job.str_at(&["metadata", "uid"]), job.str_at(&["metadata", "name"]));
    if uid.is_empty() {
        errors.required(&Path::root("metadata.uid"), "");
    }
    let expected = [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ];
    let labels = spec.at(&["template", "metadata", "labels"]);
    let path = Path::root("spec.template.metadata.labels");
    for (key, value) in expected {
        let detail = format!("must be '{value}'");
        match labels.and_then(|labels| labels.get(key)).and_then(Value::as_str) {
            None => errors.required(&path.key(key), &detail),
            Some(found) if found != value => {
                errors.invalid(&path.key(key), Verbatim(&go_form::plain(labels)), &detail);
            }
            Some(_) => {}
        }
    }
    let arena = Bump::new();
    let mut own = Map::new_in(&arena);
    for (key, value) in expected {
        own.push_unique(key, Value::str_in(value, &arena));
    }
    let own = Value::Map(own);
    if let Some(found) = spec.get("selector")
        && selector::is_valid(found)
        && !selector::matches(found, Some(&own))
    {
        let shown = template::shown(Some(found));
        let detail = "`selector` not auto-generated";
        errors.invalid(&Path::root("spec.selector"), Verbatim(&shown), detail);
    }
}

/// `ValidateJobSpec`.
fn full_spec(spec: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("spec");
    self::spec(spec, scope, &path, errors);
    let found = spec.get("selector");
    match found {
        None => errors.required(&path.child("selector"), ""),
        Some(_) => selector::label_selector(found, &path.child("selector"), errors),
    }
    if found.is_none_or(selector::is_valid) {
        let inner = spec.get("template").unwrap_or(&Value::Null);
        template::match_labels(found, inner, &path.child("template"), errors);
    }
}

/// `validateJobSpec`: what jobs and the templates of cron jobs share.
pub fn spec(spec: &Value<'_>, scope: &Scope<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.non_negative(&path.child(name), spec.int(name));
    }
    if spec.has("maxFailedIndexes") && !spec.has("backoffLimitPerIndex") {
        let detail = "when maxFailedIndexes is specified";
        errors.required(&path.child("backoffLimitPerIndex"), detail);
    }
    if let Some(manager) = spec.get("managedBy").and_then(Value::as_str) {
        format::domain_path(manager, &path.child("managedBy"), errors);
        if manager.len() > 63 {
            errors.too_long(&path.child("managedBy"), 63);
        }
    }
    completion(spec, path, errors);
    if let Some(policy) = spec.get("podFailurePolicy") {
        failure_policy(policy, spec, &path.child("podFailurePolicy"), errors);
    }
    if let Some(policy) = spec.get("successPolicy") {
        let at = path.child("successPolicy");
        if spec.text("completionMode") == "Indexed" {
            success_policy(policy, spec, &at, errors);
        } else {
            let shown = go_form::compact(Some(policy), "batch.v1.SuccessPolicy");
            errors.invalid(&at, Verbatim(&shown), INDEXED_ONLY);
        }
    }
    let replacement = spec.get("podReplacementPolicy");
    let values: &[&str] =
        if spec.has("podFailurePolicy") { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    errors.one_of_given(&path.child("podReplacementPolicy"), replacement, values);
    let at = path.child("template");
    template::template(spec.get("template").unwrap_or(&Value::Null), scope, &at, errors);
    let at = at.child("spec");
    let at = at.child("restartPolicy");
    match spec.str_at(&["template", "spec", "restartPolicy"]) {
        "" | "Always" => errors.required(&at, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" => {
            if spec.has("podFailurePolicy") {
                let detail = "only \"Never\" is supported when podFailurePolicy is specified";
                errors.invalid(&at, "OnFailure", detail);
            }
        }
        other => errors.unsupported(&at, other, &["OnFailure", "Never"]),
    }
}

fn completion(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mode = spec.text("completionMode");
    let at = path.child("completionMode");
    errors.one_of_given(&at, spec.get("completionMode"), &["NonIndexed", "Indexed"]);
    let completions = spec.int("completions");
    let failed = spec.int("maxFailedIndexes");
    if mode == "Indexed" && completions.is_none() {
        errors.required(&path.child("completions"), "when completion mode is Indexed");
    }
    let mut limit = |name, most: i64, detail: &str| {
        if let Some(value) = spec.int(name).filter(|value| *value > most) {
            errors.invalid(&path.child(name), value, detail);
        }
    };
    if mode == "Indexed" {
        let detail = "must be less than or equal to 100000 when completion mode is Indexed";
        limit("parallelism", INDEXES_MAX, detail);
        if let (Some(completions), Some(_)) = (completions, failed) {
            limit("maxFailedIndexes", completions, "must be less than or equal to completions");
        }
        limit("maxFailedIndexes", INDEXES_MAX, "must be less than or equal to 100000");
        let many = completions.is_some_and(|count| count > INDEXES_MAX);
        if many && spec.has("backoffLimitPerIndex") {
            let detail = "must be less than or equal to 10000 when completions are above 100000 \
                          and used with backoff limit per index";
            if failed.is_none() {
                let detail = "must be specified when completions is above 100000";
                errors.required(&path.child("maxFailedIndexes"), detail);
            }
            let mut limit = |name| {
                if let Some(value) = spec.int(name).filter(|value| *value > MANY_INDEXES_MAX) {
                    errors.invalid(&path.child(name), value, detail);
                }
            };
            limit("parallelism");
            limit("maxFailedIndexes");
        }
    } else if mode == "NonIndexed" || !spec.has("completionMode") {
        for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(value) = spec.int(name) {
                errors.invalid(&path.child(name), value, INDEXED_ONLY);
            }
        }
    }
}

/// An `Invalid value` that shows no value, as upstream's `field.OmitValueType`.
fn omitted(path: &Path<'_>, detail: &str) -> FieldError {
    let body = format!("Invalid value: {detail}");
    FieldError { kind: ErrorKind::Invalid, field: path.to_string(), body }
}

fn failure_policy(policy: &Value<'_>, spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
    let at = path.child("rules");
    let rules = policy.items("rules");
    if rules.len() > RULES_MAX {
        errors.too_many(&at, rules.len(), RULES_MAX);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        let action = rule.text("action");
        if action.is_empty() {
            let detail = "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]";
            errors.required(&at.child("action"), detail);
        } else if action == "FailIndex" && !spec.has("backoffLimitPerIndex") {
            let detail = "requires the backoffLimitPerIndex to be set";
            errors.invalid(&at.child("action"), action, detail);
        }
        errors.one_of(&at.child("action"), action, &ACTIONS);
        if let Some(codes) = rule.get("onExitCodes") {
            exit_codes(codes, spec, &at.child("onExitCodes"), errors);
        }
        let patterns = rule.items("onPodConditions");
        pod_conditions(patterns, &at.child("onPodConditions"), errors);
        let (codes, conditions) = (rule.has("onExitCodes"), !patterns.is_empty());
        if codes && conditions {
            let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.push(omitted(&at, detail));
        }
        if !codes && !conditions {
            let detail = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.push(omitted(&at, detail));
        }
    }
}

fn exit_codes(codes: &Value<'_>, spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let operator = codes.text("operator");
    if operator.is_empty() {
        errors.required(&path.child("operator"), "valid values: [\"In\" \"NotIn\"]");
    }
    errors.one_of(&path.child("operator"), operator, &["In", "NotIn"]);
    if let Some(name) = codes.get("containerName").and_then(Value::as_str) {
        let known = ["containers", "initContainers"].iter().any(|list| {
            let list = spec.list_at(&["template", "spec", list]);
            list.iter().any(|container| container.text("name") == name)
        });
        if !known {
            let detail = "must be one of the container or initContainer names in the pod template";
            errors.invalid(&path.child("containerName"), name, detail);
        }
    }
    let at = path.child("values");
    let values: Vec<i64> = codes.items("values").iter().filter_map(Value::as_i64).collect();
    if values.is_empty() {
        let list = codes.get("values");
        let shown = go_form::plain(list);
        errors.invalid(&at, Verbatim(&shown), "at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        errors.too_many(&at, values.len(), EXIT_CODES_MAX);
    }
    let mut ordered = true;
    for (index, value) in values.iter().enumerate() {
        if operator == "In" && *value == 0 {
            errors.invalid(&at.index(index), 0, "must not be 0 for the In operator");
        }
        let before = values.get(..index).unwrap_or_default();
        if before.contains(value) {
            errors.duplicate(&at.index(index), *value);
        }
        ordered &= before.last().is_none_or(|last| last <= value);
    }
    if !ordered {
        let shown = go_form::plain(codes.get("values"));
        errors.invalid(&at, Verbatim(&shown), "must be ordered");
    }
}

fn pod_conditions(patterns: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
    if patterns.len() > RULES_MAX {
        errors.too_many(path, patterns.len(), RULES_MAX);
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let at = path.index(index);
        let kind = pattern.text("type");
        errors.messages(&at.child("type"), kind, format::label_key(kind));
        let status = pattern.text("status");
        if status.is_empty() {
            let detail = "valid values: [\"False\" \"True\" \"Unknown\"]";
            errors.required(&at.child("status"), detail);
        }
        errors.one_of(&at.child("status"), status, &STATUSES);
    }
}

fn success_policy(policy: &Value<'_>, spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("rules");
    let rules = policy.items("rules");
    if rules.is_empty() {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        errors.required(&at, detail);
    }
    if rules.len() > RULES_MAX {
        errors.too_many(&at, rules.len(), RULES_MAX);
    }
    let completions = spec.int("completions").unwrap_or(0);
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        let (count, indexes) = (rule.int("succeededCount"), rule.get("succeededIndexes"));
        if count.is_none() && indexes.is_none() {
            let detail = "at least one of succeededCount or succeededIndexes must be specified";
            errors.required(&at, detail);
        }
        let mut listed = None;
        if let Some(text) = indexes.and_then(Value::as_str) {
            let at = at.child("succeededIndexes");
            if text.len() > 64 * 1_024 {
                errors.too_long(&at, 64 * 1_024);
            }
            match count_indexes(text, completions) {
                Ok(total) => listed = Some(total),
                Err(why) => {
                    listed = Some(0);
                    errors.invalid(&at, text, &format!("error parsing succeededIndexes: {why}"));
                }
            }
        }
        let Some(count) = count else { continue };
        let at = at.child("succeededCount");
        errors.non_negative(&at, Some(count));
        if count > completions {
            let detail = format!(
                "must be less than or equal to {completions} (the number of \
                                  specified completions)"
            );
            errors.invalid(&at, count, &detail);
        }
        if let Some(listed) = listed.filter(|listed| count > *listed) {
            let detail = format!(
                "must be less than or equal to {listed} (the number of indexes \
                                  in the specified succeededIndexes field)"
            );
            errors.invalid(&at, count, &detail);
        }
    }
}

/// `validateIndexesFormat`: `1,3-5`, ascending; first and last index of each part.
pub(super) fn intervals(text: &str, completions: i64) -> Result<Vec<(i64, i64)>, String> {
    let mut found: Vec<(i64, i64)> = Vec::new();
    if text.is_empty() {
        return Ok(found);
    }
    let number = |text: &str| {
        text.parse::<i64>()
            .map_err(|_| format!("cannot convert string to integer for index: {text:?}"))
    };
    for part in text.split(',') {
        let mut ends = part.splitn(2, '-');
        let low = number(ends.next().unwrap_or(""))?;
        if low >= completions {
            return Err(format!("too large index: {:?}", low.to_string()));
        }
        if let Some((_, last)) = found.last().filter(|(_, last)| *last >= low) {
            return Err(format!("non-increasing order, previous: {last}, current: {low}"));
        }
        let high = match ends.next() {
            None => low,
            Some(high) => {
                let high = number(high)?;
                if high >= completions {
                    return Err(format!("too large index: {:?}", high.to_string()));
                }
                if high <= low {
                    return Err(format!("non-increasing order, previous: {low}, current: {high}"));
                }
                high
            }
        };
        found.push((low, high));
    }
    Ok(found)
}

/// The number of indexes.
fn count_indexes(text: &str, completions: i64) -> Result<i64, String> {
    let found = intervals(text, completions)?;
    Ok(found.iter().map(|(low, high)| high - low + 1).sum())
}

/// `ValidateJob` and `ValidateJobUpdate`: both check the spec.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    create(new, scope, errors);
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    let path = Path::root("spec");
    full_spec(now, scope, errors);
    completions_update(now, was, &path, errors);
    let frozen = |name, errors: &mut Errors| {
        if same_member_of("batch.v1.JobSpec", name, now, was) {
            return;
        }
        let shown = match name {
            "selector" => template::shown(now.get(name)),
            "podFailurePolicy" => go_form::pointer(now.get(name), "batch.v1.PodFailurePolicy"),
            "successPolicy" => go_form::pointer(now.get(name), "batch.v1.SuccessPolicy"),
            _ => go_form::plain(now.get(name)),
        };
        errors.invalid(&path.child(name), Verbatim(&shown), IMMUTABLE);
    };
    frozen("selector", errors);
    template_update(old, now, was, &path, errors);
    for name in
        ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        frozen(name, errors);
    }
}

fn completions_update(now: &Value<'_>, was: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (count, before) = (now.int("completions"), was.int("completions"));
    if count == before {
        return;
    }
    let at = path.child("completions");
    let shown = count.map_or(Value::Null, Value::Int);
    if now.text("completionMode") != "Indexed" {
        errors.invalid(&at, &shown, IMMUTABLE);
    } else if count != now.int("parallelism") || before.is_none() || count.is_none() {
        let detail = "can only be modified in tandem with spec.parallelism";
        errors.invalid(&at, &shown, detail);
    }
}

/// A suspended job of which nothing runs may still be directed elsewhere and be given other
/// resources; all else of its pods stays, and nothing but the pods' spec is looked at then.
fn template_update(
    old: &Value<'_>,
    now: &Value<'_>,
    was: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let suspended = was.flag("suspend")
        && old.i64_at(&["status", "active"]).unwrap_or(0) == 0
        && (old.at(&["status", "startTime"]).is_none()
            || old.list_at(&["status", "conditions"]).iter().any(|condition| {
                condition.text("type") == "Suspended" && condition.text("status") == "True"
            }));
    let (name, at, path_to) = if suspended {
        ("core.v1.PodSpec", path.child("template.spec"), &["template", "spec"][..])
    } else {
        ("core.v1.PodTemplateSpec", path.child("template"), &["template"][..])
    };
    let (new, before) = (now.at(path_to), was.at(path_to));
    let arena = Bump::new();
    let unchanged = if suspended {
        let [new, before] = [new, before].map(|spec| spec.map(|spec| undirected(spec, &arena)));
        same_as(name, new.as_ref(), before.as_ref())
    } else {
        same_as(name, new, before)
    };
    if !unchanged {
        errors.invalid(&at, Verbatim(&go_form::compact(new, name)), IMMUTABLE);
    }
}

/// The spec of a pod without what a suspended job may change of it.
fn undirected<'a>(spec: &Value<'_>, arena: &'a Bump) -> Value<'a> {
    let mut copy = spec.copy_in(arena);
    for list in ["containers", "initContainers"] {
        for container in copy.list_at_mut(&[list]).iter_mut().filter_map(Value::as_map_mut) {
            container.remove("resources");
        }
    }
    let Some(map) = copy.as_map_mut() else { return copy };
    for name in ["nodeSelector", "tolerations", "schedulingGates"] {
        map.remove(name);
    }
    if let Some(affinity) = map.get_mut("affinity").and_then(Value::as_map_mut) {
        affinity.remove("nodeAffinity");
        if affinity.is_empty() {
            map.remove("affinity");
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::{Errors, Path, template_update};
    use crate::registry::sample::{lines, tree};
    use bumpalo::Bump;
    use serde_json::{Value as Json, json};

    /// What is wrong with a change of a job's template, without the value shown.
    fn change(template: &Json, status: &Json, suspend: bool) -> Vec<String> {
        let arena = Bump::new();
        let old = tree(
            &arena,
            &json!({"spec": {"suspend": suspend, "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"securityContext": {}, "containers": [{"name": "c", "image": "i"}]}}},
                "status": status}),
        );
        let now = tree(&arena, &json!({"suspend": suspend, "template": template}));
        let mut errors = Errors::new();
        let was = old.get("spec").unwrap();
        template_update(&old, &now, was, &Path::root("spec"), &mut errors);
        let field = |line: &String| line.split_once(": ").map(|(field, _)| field.to_owned());
        lines(&errors).iter().filter_map(field).collect()
    }

    #[test]
    fn a_suspended_job_is_directed_and_given_resources_and_nothing_else() {
        let resources = json!({"limits": {"cpu": "1"}});
        let directed = json!({"metadata": {"labels": {"x": "y"}}, "spec": {
            "securityContext": {}, "nodeSelector": {"a": "b"},
            "affinity": {"nodeAffinity": {}},
            "containers": [{"name": "c", "image": "i", "resources": resources}]}});
        let renamed = json!({"metadata": {"labels": {"a": "b"}}, "spec": {
            "securityContext": {},
            "containers": [{"name": "d", "image": "i", "resources": resources}]}});
        let still = json!({});
        assert_eq!(change(&directed, &still, true), [""; 0]);
        assert_eq!(change(&renamed, &still, true), ["spec.template.spec"]);
        assert_eq!(change(&directed, &still, false), ["spec.template"]);
        assert_eq!(change(&directed, &json!({"active": 1}), true), ["spec.template"]);
        let started = json!({"startTime": "2026-01-01T00:00:00Z"});
        assert_eq!(change(&directed, &started, true), ["spec.template"]);
    }

    #[test]
    fn an_empty_affinity_is_a_change_of_a_template() {
        let with = |member: &str| {
            let mut spec = json!({"securityContext": {},
                "containers": [{"name": "c", "image": "i", "resources": {}}]});
            spec[member] = json!({});
            json!({"metadata": {"labels": {"a": "b"}}, "spec": spec})
        };
        assert_eq!(change(&with("nodeSelector"), &json!({}), false), [""; 0]);
        assert_eq!(change(&with("affinity"), &json!({}), false), ["spec.template"]);
    }
}
