//! What workloads of older versions have in fields and `apps/v1` has in annotations
//! (`pkg/apis/apps/v1`, `Convert_apps_DaemonSet_To_v1_DaemonSet` and
//! `Convert_apps_Deployment_To_v1_Deployment`).

use crate::object::{Map, Value};
use bumpalo::Bump;

const GENERATION: &str = "deprecated.daemonset.template.generation";
const ROLLBACK: &str = "deprecated.deployment.rollback.to";

/// `spec.templateGeneration` of a DaemonSet.
pub(super) fn note_generation<'a>(set: &mut Map<'a>, arena: &'a Bump) {
    let generation = set.entry_map("spec").remove("templateGeneration");
    let metadata = set.get("metadata");
    if generation.is_none()
        && metadata.is_some_and(|m| m.at(&["annotations", GENERATION]).is_some())
    {
        return;
    }
    let generation = generation.and_then(|number| number.as_i64()).unwrap_or(0);
    annotate(set, GENERATION, generation, arena);
}

/// Workloads of `v1beta1` without labels have those of their template (`SetDefaults_Deployment` and
/// its like).
pub(super) fn take_labels<'a>(object: &mut Map<'a>, arena: &'a Bump) {
    let template = object.get("spec").and_then(|spec| spec.at(&["template", "metadata", "labels"]));
    let Some(labels) = template.and_then(Value::as_map).map(|labels| labels.copy_in(arena)) else {
        return;
    };
    let metadata = object.entry_map("metadata");
    if metadata.get("labels").is_none_or(Value::is_empty) {
        metadata.insert("labels", Value::Map(labels));
    }
}

/// `spec.rollbackTo` of a Deployment.
pub(super) fn note_rollback<'a>(deployment: &mut Map<'a>, arena: &'a Bump) {
    let Some(rollback) = deployment.entry_map("spec").remove("rollbackTo") else { return };
    annotate(deployment, ROLLBACK, rollback.i64_at(&["revision"]).unwrap_or(0), arena);
}

fn annotate<'a>(object: &mut Map<'a>, key: &'static str, number: i64, arena: &'a Bump) {
    let text = Value::str_in(itoa::Buffer::new().format(number), arena);
    let annotations = object.entry_map("metadata").entry_map("annotations");
    annotations.insert(key, text);
    annotations.sort_keys();
}
