//! Warnings of the kinds that make pods from a template.

use super::{host_name, pod, storage};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

const POD_NAMES: &str = "Pod names and hostnames";

/// Templates are looked at when the object is new, or its spec has changed.
fn is_due(object: &Value<'_>, old: Option<&Value<'_>>, subresource: &str) -> bool {
    let generation = |object: &Value<'_>| object.i64_at(&["metadata", "generation"]);
    subresource != "status" && old.is_none_or(|old| generation(old) != generation(object))
}

fn spec_template(object: &Value<'_>, out: &mut Vec<String>) {
    let root = Path::root("spec");
    if let Some(template) = object.at(&["spec", "template"]) {
        pod::template(template, &root.child("template"), out);
    }
}

fn named(object: &Value<'_>, old: Option<&Value<'_>>, out: &mut Vec<String>) {
    if old.is_none() {
        host_name(object.str_at(&["metadata", "name"]), POD_NAMES, out);
    }
}

/// Deployments and ReplicaSets.
pub fn named_set(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    subresource: &str,
    out: &mut Vec<String>,
) {
    named(object, old, out);
    set(object, old, subresource, out);
}

/// DaemonSets.
pub fn set(object: &Value<'_>, old: Option<&Value<'_>>, subresource: &str, out: &mut Vec<String>) {
    if is_due(object, old, subresource) {
        spec_template(object, out);
    }
}

/// ReplicationControllers.
pub fn controller(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    subresource: &str,
    out: &mut Vec<String>,
) {
    named(object, old, out);
    set(object, old, subresource, out);
}

/// StatefulSets: also the claims of their pods.
pub fn stateful_set(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    subresource: &str,
    out: &mut Vec<String>,
) {
    if subresource == "status" {
        return;
    }
    set(object, old, subresource, out);
    let root = Path::root("spec");
    let at = root.child("volumeClaimTemplates");
    for (index, claim) in object.list_at(&["spec", "volumeClaimTemplates"]).iter().enumerate() {
        let Some(spec) = claim.get("spec") else { continue };
        let at = at.index(index);
        // Upstream's path differs between the two.
        match old {
            None => storage::claim_spec(spec, &at, out),
            Some(_) => storage::claim_spec(spec, &at.child("Spec"), out),
        }
    }
    if object.i64_at(&["spec", "revisionHistoryLimit"]).is_some_and(|limit| limit < 0) {
        let text = "spec.revisionHistoryLimit: a negative value retains all historical revisions; \
                    a value >= 0 is recommended";
        out.push(text.into());
    }
}

/// PodTemplates.
pub fn pod_template(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    subresource: &str,
    out: &mut Vec<String>,
) {
    if let Some(template) = object.get("template")
        && is_due(object, old, subresource)
    {
        pod::template(template, &Path::root("template"), out);
    }
}

/// Jobs.
pub fn job(object: &Value<'_>, old: Option<&Value<'_>>, subresource: &str, out: &mut Vec<String>) {
    named(object, old, out);
    if let Some(spec) = object.get("spec")
        && is_due(object, old, subresource)
    {
        job_spec(spec, &Path::root("spec"), out);
    }
}

/// CronJobs.
pub fn cron_job(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    subresource: &str,
    out: &mut Vec<String>,
) {
    named(object, old, out);
    let root = Path::root("spec");
    let path = root.child("jobTemplate.spec");
    if let Some(spec) = object.at(&["spec", "jobTemplate", "spec"])
        && is_due(object, old, subresource)
    {
        job_spec(spec, &path, out);
    }
    if old.is_some()
        && subresource.is_empty()
        && object.str_at(&["spec", "schedule"]).contains("TZ")
    {
        let text = "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
                    https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more \
                    details";
        out.push(text.into());
    }
}

/// `WarningsForJobSpec`.
fn job_spec(spec: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    let number = |name: &str| spec.int(name).unwrap_or(0);
    if spec.text("completionMode") == "Indexed"
        && number("completions") > 100_000
        && number("parallelism") > 10_000
    {
        out.push(format!(
            "{path}: In Indexed Jobs with a number of completions higher than 10^5 and a \
             parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes \
             when a big number of indexes fail"
        ));
    }
    if let Some(template) = spec.get("template") {
        pod::template(template, &path.child("template"), out);
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    fn grace(name: &str, generation: i64) -> serde_json::Value {
        json!({"metadata": {"name": name, "generation": generation},
            "spec": {"template": {"spec": {"terminationGracePeriodSeconds": -1}}}})
    }

    #[test]
    fn templates_are_looked_at_when_the_spec_changes() {
        let arena = Bump::new();
        let (one, two) = (tree(&arena, &grace("a", 1)), tree(&arena, &grace("a", 2)));
        for (old, subresource, count) in
            [(None, "", 1), (Some(&one), "", 1), (Some(&two), "", 0), (Some(&one), "status", 0)]
        {
            let mut out = Vec::new();
            super::set(&two, old, subresource, &mut out);
            assert_eq!(out.len(), count);
        }
    }

    #[test]
    fn paths_and_names_are_those_of_the_kind() {
        let arena = Bump::new();
        let object = tree(&arena, &grace("a.b", 1));
        let mut out = Vec::new();
        super::controller(&object, None, "", &mut out);
        assert!(out[0].starts_with("metadata.name: this is used in Pod names and hostnames, "));
        assert!(
            out[1].starts_with("spec.template.spec.terminationGracePeriodSeconds: must be >= 0")
        );
    }
}
