//! Workloads: DaemonSet, Job, HorizontalPodAutoscaler.

use super::Scope;
use crate::object::Value;
use crate::registry::defaulting::workload as defaults;
use crate::registry::read::same_as;

/// Counts the changes of a DaemonSet's template; extensions/v1beta1 had a field for it.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Upstream keeps the count as a field of the internal spec, which the served version always shows
/// (`Convert_apps_DaemonSet_To_v1_DaemonSet`): it is 0 until it is known.
pub(super) fn daemon_default<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    defaults::daemon_set(object, scope);
    if template_generation(object).is_none() {
        set_template_generation(object, 0, scope);
    }
}

/// A new DaemonSet has its first template.
pub(super) fn daemon_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let given = template_generation(object).filter(|number| *number >= 1).unwrap_or(1);
    set_template_generation(object, given, scope);
}

/// The count moves with the template and with nothing else.
pub(super) fn daemon_update<'a>(
    object: &mut Value<'a>,
    old: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    let stored = template_generation(old).unwrap_or(0);
    let template = |object: &Value<'_>| object.at(&["spec", "template"]).is_some();
    let moved = scope.subresource.is_empty()
        && (template(object) || template(old))
        && !same_as(
            "core.v1.PodTemplateSpec",
            object.at(&["spec", "template"]),
            old.at(&["spec", "template"]),
        );
    set_template_generation(object, stored.saturating_add(i64::from(moved)), scope);
}

/// A status that is written without labels leaves the controller those of its template, which
/// reading it fills in.
pub(super) fn controller_update<'a>(
    object: &mut Value<'a>,
    _: &Value<'_>,
    scope: &mut Scope<'a, '_>,
) {
    if scope.subresource == "status" {
        defaults::replication_controller(object, scope);
    }
}

fn template_generation(object: &Value<'_>) -> Option<i64> {
    object.str_at(&["metadata", "annotations", TEMPLATE_GENERATION]).parse().ok()
}

fn set_template_generation<'a>(object: &mut Value<'a>, number: i64, scope: &Scope<'a, '_>) {
    let Some(map) = object.as_map_mut() else { return };
    let annotations = map.entry_map("metadata").entry_map("annotations");
    annotations.insert(TEMPLATE_GENERATION, Value::str_in(&number.to_string(), scope.arena));
}

/// `generateSelector`: a job's pods carry its name and uid, and its selector asks for the uid. So
/// does the job itself if its labels are those of its template: upstream they are one map.
pub(super) fn job_create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let arena = scope.arena;
    let (name, uid) = (object.str_at(&["metadata", "name"]), object.str_at(&["metadata", "uid"]));
    let shared = defaults::shares_labels(object);
    let Some(map) = object.as_map_mut() else { return };
    let spec = map.entry_map("spec");
    if spec.get("manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    let labels = spec.entry_map("template").entry_map("metadata").entry_map("labels");
    for (key, value) in [
        ("job-name", name),
        ("batch.kubernetes.io/job-name", name),
        ("controller-uid", uid),
        ("batch.kubernetes.io/controller-uid", uid),
    ] {
        if labels.get(key).is_none() {
            labels.insert(key, Value::str_in(value, arena));
        }
    }
    let own = shared.then(|| Value::Map(labels.copy_in(arena)));
    let wanted = spec.entry_map("selector").entry_map("matchLabels");
    let key = "batch.kubernetes.io/controller-uid";
    if wanted.get(key).is_none() {
        wanted.insert(key, Value::str_in(uid, arena));
    }
    if let Some(labels) = own {
        map.entry_map("metadata").insert("labels", labels);
    }
}

/// Objects that came as v1 get the defaults that only v2 can say.
pub(super) fn autoscaler_finish<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    defaults::autoscaler(object, scope);
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{scope, tree};
    use crate::registry::strategy::strategy;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn jobs_select_their_pods_by_uid() {
        let arena = Bump::new();
        let mut job = tree(
            &arena,
            &json!({"metadata": {"name": "j", "uid": "u"},
            "spec": {"template": {"spec": {}}}}),
        );
        let mut warnings = Vec::new();
        strategy("batch", "jobs")
            .begin_create(&mut job, &mut scope(&arena, "batch", "jobs", &mut warnings));
        let labels = ["spec", "template", "metadata", "labels"];
        let labels = job.at(&labels).unwrap();
        assert_eq!(labels.str_at(&["job-name"]), "j");
        assert_eq!(labels.str_at(&["batch.kubernetes.io/controller-uid"]), "u");
        let wanted = job.at(&["spec", "selector", "matchLabels"]).unwrap();
        assert_eq!(wanted.str_at(&["batch.kubernetes.io/controller-uid"]), "u");
    }

    #[test]
    fn labels_that_a_job_has_of_its_template_are_generated_too() {
        let made = |body: serde_json::Value| {
            let arena = Bump::new();
            let mut job = tree(&arena, &body);
            let (jobs, mut warnings) = (strategy("batch", "jobs"), Vec::new());
            let mut scope = scope(&arena, "batch", "jobs", &mut warnings);
            jobs.apply_defaults(&mut job, &mut scope);
            let mut job = job.share_in(&arena);
            jobs.begin_create(&mut job, &mut scope);
            let names = |path: &[&str]| -> Vec<String> {
                let labels = job.at(path).and_then(crate::object::Value::as_map);
                labels.into_iter().flat_map(|map| map.keys()).map(str::to_owned).collect()
            };
            (names(&["metadata", "labels"]), names(&["spec", "template", "metadata", "labels"]))
        };
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {}});
        let metadata = json!({"name": "j", "uid": "u"});
        let (own, generated) = made(json!({"metadata": metadata, "spec": {"template": template}}));
        assert_eq!(generated.len(), 5);
        assert_eq!(own, generated);
        let metadata = json!({"name": "j", "uid": "u", "labels": {"app": "a"}});
        let (own, _) = made(json!({"metadata": metadata, "spec": {"template": template}}));
        assert_eq!(own, ["app"]);
        let template = json!({"metadata": {"labels": {"batch.kubernetes.io/job-name": "x"}}});
        let (_, generated) = made(json!({"metadata": metadata, "spec": {"template": template}}));
        assert_eq!(generated.len(), 4);
    }

    #[test]
    fn the_template_generation_counts_changes_of_the_template() {
        let arena = Bump::new();
        let daemons = strategy("apps", "daemonsets");
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "apps", "daemonsets", &mut warnings);
        let mut old = tree(
            &arena,
            &json!({"metadata": {}, "spec": {"template": {"spec": {"nodeName": "a"}}}}),
        );
        daemons.begin_create(&mut old, &mut scope);
        let key = ["metadata", "annotations", super::TEMPLATE_GENERATION];
        assert_eq!(old.str_at(&key), "1");
        let mut new = tree(
            &arena,
            &json!({"metadata": {}, "spec": {"template": {"spec": {"nodeName": "b"}}}}),
        );
        daemons.begin_update(&mut new, &old, &mut scope);
        assert_eq!(new.str_at(&key), "2");
        let mut same = tree(
            &arena,
            &json!({"metadata": {}, "spec": {"template": {"spec": {"nodeName": "a"}}}}),
        );
        daemons.begin_update(&mut same, &old, &mut scope);
        assert_eq!(same.str_at(&key), "1");
    }

    #[test]
    fn a_controller_keeps_labels_when_its_status_is_written_without() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "", "replicationcontrollers", &mut warnings);
        let spec = json!({"template": {"metadata": {"labels": {"a": "b"}}}});
        let old = tree(&arena, &json!({"metadata": {}, "spec": spec}));
        for (subresource, label) in [("", ""), ("status", "b")] {
            scope.subresource = subresource;
            let mut object = old.copy_in(&arena);
            super::controller_update(&mut object, &old, &mut scope);
            assert_eq!(object.str_at(&["metadata", "labels", "a"]), label);
        }
    }
}
