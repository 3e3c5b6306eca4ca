//! Status of a Job (`ValidateJobUpdateStatus`): what has changed must be a state that a job can
//! reach.

use super::job::intervals;
use super::{Errors, NEGATIVE, Report as _, Verbatim, go_form};
use crate::object::Value;
use crate::object::field::{ErrorKind, FieldError, Path};
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

/// An `Invalid value` that shows no value, as upstream's `field.OmitValueType`.
fn omitted(path: &Path<'_>, detail: &str) -> FieldError {
    let body = format!("Invalid value: {detail}");
    FieldError { kind: ErrorKind::Invalid, field: path.to_string(), body }
}

/// Old and new state of one job.
struct Change<'v, 'a> {
    spec: &'v Value<'a>,
    now: &'v Value<'a>,
    was: &'v Value<'a>,
}

impl Change<'_, '_> {
    fn changed(&self, name: &str) -> bool {
        !same(self.now.get(name), self.was.get(name))
    }

    fn turned(&self, kind: &str) -> bool {
        is_true(self.now, kind) != is_true(self.was, kind)
    }

    fn is(&self, kind: &str) -> bool {
        is_true(self.now, kind)
    }

    fn is_indexed(&self) -> bool {
        self.spec.text("completionMode") == "Indexed"
    }

    fn finished(&self) -> bool {
        self.is("Complete") || self.is("Failed")
    }

    /// The job has finished, and this or the named member is new.
    fn newly_finished(&self, name: &str) -> bool {
        let before = is_true(self.was, "Complete") || is_true(self.was, "Failed");
        self.finished() && (!before || self.changed(name))
    }
}

fn is_true(status: &Value<'_>, kind: &str) -> bool {
    let mut conditions = status.items("conditions").iter();
    conditions.any(|c| c.text("type") == kind && c.text("status") == "True")
}

/// Status of a job.
pub fn status(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let change = Change {
        spec: new.get("spec").unwrap_or(&null),
        now: new.get("status").unwrap_or(&null),
        was: old.get("status").unwrap_or(&null),
    };
    let path = Path::root("status");
    for name in ["active", "succeeded", "failed", "ready", "terminating"] {
        if let Some(count) = change.now.int(name).filter(|count| *count < 0) {
            errors.invalid(&path.child(name), count, NEGATIVE);
        }
    }
    uncounted(change.now, &path, errors);
    outcome(&change, &path, errors);
    finished(&change, &path, errors);
    indexes(&change, &path, errors);
    pods(&change, &path, errors);
    criteria(&change, &path, errors);
    transitions(&change, &path, errors);
}

fn uncounted(now: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(pods) = now.get("uncountedTerminatedPods") else { return };
    let mut seen: Vec<&str> = Vec::new();
    for list in ["succeeded", "failed"] {
        let at = path.child("uncountedTerminatedPods");
        let at = at.child(list);
        for (index, uid) in pods.texts(list).enumerate() {
            if uid.is_empty() {
                errors.invalid(&at.index(index), uid, "must not be empty");
            } else if seen.contains(&uid) {
                errors.duplicate(&at.index(index), uid);
            }
            seen.push(uid);
        }
    }
}

/// Conditions and times that go together.
fn outcome(change: &Change<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("conditions");
    for other in ["Failed", "FailureTarget"] {
        let due = change.turned("Complete") || change.turned(other);
        if due && change.is("Complete") && change.is(other) {
            let detail = format!("cannot set Complete=True and {other}=true conditions");
            errors.push(omitted(&at, &detail));
        }
    }
    let at = path.child("completionTime");
    let time = change.now.text("completionTime");
    if change.turned("Complete") || change.changed("completionTime") {
        if !time.is_empty() && !change.is("Complete") {
            let detail = "cannot set completionTime when there is no Complete=True condition";
            errors.invalid(&at, time, detail);
        }
        if time.is_empty() && change.is("Complete") {
            errors.required(&at, "completionTime is required for Complete jobs");
        }
    }
    let start = change.now.text("startTime");
    let times = change.changed("startTime") || change.changed("completionTime");
    if times && !start.is_empty() && !time.is_empty() && time < start {
        errors.invalid(&at, time, "completionTime cannot be set before startTime");
    }
    for (end, sign) in [("Failed", "FailureTarget"), ("Complete", "SuccessCriteriaMet")] {
        let due = change.turned(end) || change.turned(sign);
        if due && change.is(end) && !change.is(sign) {
            let at = path.child("conditions");
            let detail =
                format!("cannot set {end}=True condition without the {sign}=true condition");
            errors.push(omitted(&at, &detail));
        }
    }
}

/// What no finished job has.
fn finished(change: &Change<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let count = |name: &str| change.now.int(name).unwrap_or(0);
    if change.newly_finished("active") && count("active") > 0 {
        let detail = "active>0 is invalid for finished job";
        errors.invalid(&path.child("active"), count("active"), detail);
    }
    if change.newly_finished("startTime") && change.now.text("startTime").is_empty() {
        errors.required(&path.child("startTime"), "startTime is required for finished job");
    }
    let name = "uncountedTerminatedPods";
    if let Some(pods) = change.now.get(name).filter(|_| change.newly_finished(name))
        && ["failed", "succeeded"].iter().any(|list| !pods.items(list).is_empty())
    {
        let shown = go_form::compact(Some(pods), "batch.v1.UncountedTerminatedPods");
        let detail = "uncountedTerminatedPods needs to be empty for finished job";
        errors.invalid(&path.child(name), Verbatim(&shown), detail);
    }
}

fn indexes(change: &Change<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let completions = change.spec.int("completions");
    let (completed, failed) =
        (change.now.text("completedIndexes"), change.now.get("failedIndexes"));
    let failed = failed.and_then(Value::as_str);
    let (new_completed, new_failed) =
        (change.changed("completedIndexes"), change.changed("failedIndexes"));
    let done = path.child("completedIndexes");
    let lost = path.child("failedIndexes");
    let parse = |text: &str| completions.map_or(Ok(Vec::new()), |count| intervals(text, count));
    if new_completed && let Err(why) = parse(completed) {
        errors.invalid(&done, completed, &format!("error parsing completedIndexes: {why}"));
    }
    let limited = change.spec.has("backoffLimitPerIndex");
    if let Some(failed) = failed.filter(|_| new_failed && limited)
        && let Err(why) = parse(failed)
    {
        errors.invalid(&lost, failed, &format!("error parsing failedIndexes: {why}"));
    }
    if new_completed && !completed.is_empty() && !change.is_indexed() {
        let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
        errors.invalid(&done, completed, detail);
    }
    let Some(failed) = failed else { return };
    if new_failed && !limited {
        let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.invalid(&lost, failed, detail);
    }
    if (new_failed || new_completed)
        && let (Ok(completed), Ok(intervals)) = (parse(completed), parse(failed))
    {
        let both = intervals.iter().find_map(|(low, high)| {
            let mut other = completed.iter().filter(|(first, last)| first <= high && low <= last);
            other.next().map(|(first, _)| first.max(low))
        });
        if let Some(index) = both {
            let detail = format!("failedIndexes and completedIndexes overlap at index: {index}");
            errors.invalid(&lost, failed, &detail);
        }
    }
}

fn pods(change: &Change<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let count = |name: &str| change.now.int(name).unwrap_or(0);
    if change.newly_finished("terminating") && count("terminating") > 0 {
        let detail = "terminating>0 is invalid for finished job";
        errors.invalid(&path.child("terminating"), count("terminating"), detail);
    }
    let due = change.changed("ready") || change.changed("active");
    if due && change.now.int("ready").is_some_and(|ready| ready > count("active")) {
        let detail = "cannot set more ready pods than active";
        errors.invalid(&path.child("ready"), count("ready"), detail);
    }
}

/// `SuccessCriteriaMet` beside the other conditions.
fn criteria(change: &Change<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("conditions");
    let met = change.is("SuccessCriteriaMet");
    for other in ["Failed", "FailureTarget"] {
        if met && change.is(other) {
            let detail = format!("cannot set SuccessCriteriaMet=True and {other}=true conditions");
            errors.push(omitted(&at, &detail));
        }
    }
    if change.spec.has("successPolicy") && !met && change.is("Complete") {
        let detail = "cannot set Complete=True for Job with SuccessPolicy unless \
                      SuccessCriteriaMet=True";
        errors.push(omitted(&at, detail));
    }
}

/// What stays once it is so.
fn transitions(change: &Change<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("conditions");
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if is_true(change.was, kind) && !change.is(kind) {
            let detail = format!("cannot disable the terminal {kind}=True condition");
            errors.push(omitted(&at, &detail));
        }
    }
    // An indexed job that is as wide as long may be made shorter.
    let wide = same(change.spec.get("completions"), change.spec.get("parallelism"));
    for (name, due) in [("failed", true), ("succeeded", !change.is_indexed() || !wide)] {
        let (count, before) =
            (change.now.int(name).unwrap_or(0), change.was.int(name).unwrap_or(0));
        if due && count < before {
            let detail = format!("cannot decrease the {name} counter");
            errors.invalid(&path.child(name), count, &detail);
        }
    }
    let (time, before) = (change.now.text("completionTime"), change.was.text("completionTime"));
    if !time.is_empty() && !before.is_empty() && time != before {
        errors.invalid(&path.child("completionTime"), time, "completionTime cannot be mutated");
    }
    let (start, before) = (change.now.text("startTime"), change.was.text("startTime"));
    if !before.is_empty() && start != before && !change.spec.flag("suspend") {
        let detail = "startTime cannot be removed for unsuspended job";
        errors.required(&path.child("startTime"), detail);
    }
    let met = "SuccessCriteriaMet";
    if is_true(change.was, met) && !change.is(met) {
        let detail = "cannot disable the SuccessCriteriaMet=True condition";
        errors.push(omitted(&at, detail));
    }
    if is_true(change.was, "Complete") && !is_true(change.was, met) && change.is(met) {
        let detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true \
                      conditions";
        errors.push(omitted(&at, detail));
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::{Value, json};

    fn errors(spec: &Value, was: &Value, now: &Value) -> Vec<String> {
        let arena = Bump::new();
        let old = tree(&arena, &json!({"spec": spec, "status": was}));
        let new = tree(&arena, &json!({"spec": spec, "status": now}));
        let mut warnings = Vec::new();
        let mut errors = Vec::new();
        let scope = scope(&arena, "batch", "jobs", &mut warnings);
        super::status(&new, &old, &scope, &mut errors);
        lines(&errors)
    }

    fn conditions(kinds: &[&str]) -> Value {
        kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect()
    }

    #[test]
    fn a_complete_job_has_ended_in_order() {
        let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
        let whole = conditions(&["SuccessCriteriaMet", "Complete"]);
        let fine = json!({"conditions": whole, "startTime": start, "completionTime": end});
        assert_eq!(errors(&json!({}), &json!({}), &fine), [""; 0]);
        let bare = json!({"conditions": conditions(&["Complete"]), "active": 1});
        assert_eq!(
            errors(&json!({}), &json!({}), &bare),
            [
                "status.completionTime: Required value: completionTime is required for Complete \
                 jobs",
                "status.conditions: Invalid value: cannot set Complete=True condition without the \
                 SuccessCriteriaMet=true condition",
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                "status.startTime: Required value: startTime is required for finished job",
            ]
        );
        assert_eq!(errors(&json!({}), &bare, &bare), [""; 0], "what has not changed is not told");
    }

    #[test]
    fn indexes_are_of_indexed_jobs_and_do_not_overlap() {
        let spec = json!({"completionMode": "Indexed", "completions": 5,
            "backoffLimitPerIndex": 1});
        let now = json!({"completedIndexes": "0-2", "failedIndexes": "2,4"});
        assert_eq!(
            errors(&spec, &json!({}), &now),
            ["status.failedIndexes: Invalid value: \"2,4\": failedIndexes and completedIndexes \
              overlap at index: 2"]
        );
        let now = json!({"completedIndexes": "0", "failedIndexes": "1"});
        assert_eq!(
            errors(&json!({"completions": 5}), &json!({}), &now),
            [
                "status.completedIndexes: Invalid value: \"0\": cannot set non-empty \
                 completedIndexes when non-indexed completion mode",
                "status.failedIndexes: Invalid value: \"1\": cannot set non-null failedIndexes \
                 when backoffLimitPerIndex is null",
            ]
        );
    }

    #[test]
    fn what_has_ended_stays_so() {
        let was = json!({"conditions": conditions(&["FailureTarget", "Failed"]), "failed": 2,
            "startTime": "2026-01-01T00:00:00Z"});
        assert_eq!(
            errors(&json!({}), &was, &json!({"failed": 1})),
            [
                "status.conditions: Invalid value: cannot disable the terminal Failed=True \
                 condition",
                "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True \
                 condition",
                "status.failed: Invalid value: 1: cannot decrease the failed counter",
                "status.startTime: Required value: startTime cannot be removed for unsuspended job",
            ]
        );
    }

    #[test]
    fn pods_that_are_ready_are_counted_only_if_they_are_told() {
        let told = errors(&json!({}), &json!({}), &json!({"active": -1}));
        assert!(!told.iter().any(|line| line.starts_with("status.ready")), "{told:?}");
        let told = errors(&json!({}), &json!({}), &json!({"active": 1, "ready": 2}));
        let want = "status.ready: Invalid value: 2: cannot set more ready pods than active";
        assert!(told.iter().any(|line| line == want), "{told:?}");
    }
}
