//! Eviction: a pod is deleted if its disruption budget allows it (`EvictionREST` of
//! `pkg/registry/core/pod/storage/eviction.go`).

use super::Api;
use super::answer::Answer;
use super::call::Call;
use super::object::encode_value;
use super::status;
use super::verb::create::check_namespace;
use crate::base::{clock, timestamp};
use crate::cache::{Entry, ListQuery};
use crate::catalog::{Resource, catalog};
use crate::object::managed::{Reset, Writer};
use crate::object::selector::LabelSelector;
use crate::object::{Map, Value};
use crate::registry::{Admit as _, Change, meta, stored};
use crate::request::{
    Attributes, DeleteOptions, Fault, Operation, RawDeleteOptions, Result, Sent, Subject,
    WriteOptions,
};
use crate::rt;
use crate::store::Item as _;
use bumpalo::Bump;
use std::sync::Arc;
use std::time::Duration;

/// Attempts while other writers come between, and the pause between them (`EvictionsRetry`).
const ATTEMPTS_MAX: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// Evictions that a budget may have granted and not yet seen (`MaxDisruptedPodSize`).
const DISRUPTED_MAX: usize = 2_000;
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
const MANAGER: &str = "kube-apiserver";

/// Evicts the pod of the URL.
///
/// # Errors
/// 429 if the budget does not allow it, 500 if there are several, and those of a delete.
pub(super) async fn serve(
    api: &Api,
    call: &Call<'_>,
    options: &WriteOptions,
    eviction: &Value<'_>,
    arena: &Bump,
) -> Result<Answer> {
    let mut eviction = eviction.copy_in(arena);
    check_namespace(call, &mut eviction, arena)?;
    check_dry_runs(options, &eviction)?;
    let mut delete = delete_options(&eviction)?;
    delete.dry_run |= options.dry_run;
    let at = call.attributes(Operation::Create, delete.dry_run);
    api.registry.admit.mutate(&at, &mut eviction, None, arena).await?;
    if meta::name(&eviction) != at.name {
        return Err(Fault::BadRequest("name in URL does not match name in Eviction object".into()));
    }
    api.registry.admit.validate(&at, &eviction, None).await?;
    let budgets = resource("policy", "v1", "poddisruptionbudgets")?;
    Evicting { api, at, delete, budgets }.run().await?;
    let value = status::success(None, Some(201), arena);
    let form = call.form.whole();
    let body = encode_value(&form, stored::status_type(), &value)?;
    Ok(Answer::object(201, &form, body))
}

fn resource(group: &str, version: &str, name: &str) -> Result<&'static Resource> {
    let found = catalog().resource(group, version, name);
    found.ok_or_else(|| Fault::Internal(format!("{name} are not in the catalog")))
}

/// What the request and its body say of a dry run must be the same (`propagateDryRun`).
fn check_dry_runs(options: &WriteOptions, eviction: &Value<'_>) -> Result<()> {
    let list = eviction.list_at(&["deleteOptions", "dryRun"]);
    let asked: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    if !options.dry_run || asked.is_empty() || asked == ["All"] {
        return Ok(());
    }
    let asked = asked.join(" ");
    Err(Fault::Plain(format!(
        "Non-matching dry-run options in request and content: [All] and [{asked}]"
    )))
}

/// `deleteOptions` of the eviction.
fn delete_options(eviction: &Value<'_>) -> Result<DeleteOptions> {
    let empty = Value::Null;
    let options = eviction.at(&["deleteOptions"]).unwrap_or(&empty);
    let text = |path: &[&str]| options.at(path).and_then(Value::as_str).map(str::to_owned);
    let dry_run = options.list_at(&["dryRun"]).iter().filter_map(Value::as_str);
    RawDeleteOptions {
        dry_run: dry_run.map(str::to_owned).collect(),
        grace_seconds: options.i64_at(&["gracePeriodSeconds"]),
        orphan_dependents: options.at(&["orphanDependents"]).and_then(Value::as_bool),
        propagation: text(&["propagationPolicy"]),
        uid: text(&["preconditions", "uid"]),
        resource_version: text(&["preconditions", "resourceVersion"]),
        ignore_read_error: false,
    }
    .check()
}

/// One eviction.
struct Evicting<'e> {
    api: &'e Api,
    /// The creation of the eviction: resource and name are the pod's.
    at: Attributes<'e>,
    delete: DeleteOptions,
    budgets: &'static Resource,
}

impl Evicting<'_> {
    async fn run(&self) -> Result<()> {
        let asked = self.delete.resource_version.is_some();
        for attempt in 1.. {
            let pod = self.pod().await?;
            let Some(how) = pod_state(&pod)? else { return self.by_budget(&pod).await };
            let mut options = self.delete.clone();
            if how == Unbudgeted::Pending && !asked {
                options.resource_version = Some(pod.revision().to_string());
            }
            match self.remove(options).await {
                Err(Fault::Conflict { .. }) if !asked && attempt < ATTEMPTS_MAX => {
                    rt::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
        Ok(())
    }

    async fn pod(&self) -> Result<Arc<Entry>> {
        let storage = stored::storage(self.at.resource)?;
        let found = self.api.registry.read(storage, self.at.namespace, self.at.name).await?;
        found.ok_or_else(|| stored::missing(self.at.resource, self.at.name))
    }

    /// Deletes the pod if its one budget allows it.
    async fn by_budget(&self, pod: &Arc<Entry>) -> Result<()> {
        let arena = Bump::new();
        let object = pod.object(&arena).map_err(stored::unreadable)?;
        let budgets = self.budgets_of(&object).await?;
        let mut options = self.delete.clone();
        let mut guarded = String::new();
        match budgets.as_slice() {
            [] => {}
            [budget] => {
                let budget = budget.object(&arena).map_err(stored::unreadable)?;
                let name = meta::name(&budget);
                if is_ready(&object) || !frees_unready(&budget) {
                    self.take_from(name).await?;
                } else {
                    // Only as long as the pod stays as it was found.
                    guarded = name.to_owned();
                    if options.resource_version.is_none() {
                        options.resource_version = Some(pod.revision().to_string());
                    }
                }
            }
            _ => {
                let text = "This pod has more than one PodDisruptionBudget, which the eviction \
                            subresource does not support.";
                return Err(Fault::Plain(text.into()));
            }
        }
        let asked = self.delete.resource_version.is_some();
        match self.remove(options).await {
            Err(Fault::Conflict { .. }) if !guarded.is_empty() && !asked => {
                Err(still_processed(&guarded))
            }
            done => done,
        }
    }

    /// The budgets whose selector means the pod; an empty one means none.
    async fn budgets_of(&self, pod: &Value<'_>) -> Result<Vec<Arc<Entry>>> {
        let storage = stored::storage(self.budgets)?;
        let namespace = Some(self.at.namespace.into());
        let query = ListQuery { namespace, ..ListQuery::all(storage) };
        let page = self.api.registry.cache.list(query).await.map_err(stored::read_fault)?;
        let means = |entry: &Arc<Entry>| {
            let arena = Bump::new();
            let Ok(budget) = entry.object(&arena) else { return false };
            let selector = LabelSelector::from_value(budget.at(&["spec", "selector"]));
            selector.is_ok_and(|selector| {
                !selector.is_everything()
                    && selector.matches_labels(pod.at(&["metadata", "labels"]))
            })
        };
        Ok(page.entries.into_iter().filter(means).collect())
    }

    /// Counts one disruption (`checkAndDecrement`).
    async fn take_from(&self, budget: &str) -> Result<()> {
        let now = timestamp::rfc3339(clock::unix_seconds());
        let at = Attributes {
            resource: self.budgets,
            subresource: "status",
            name: budget,
            title: budget,
            operation: Operation::Update,
            by_update: false,
            sent: Sent::Nothing,
            dry_run: self.delete.dry_run,
            ..self.at
        };
        let options = WriteOptions {
            dry_run: self.delete.dry_run,
            field_manager: MANAGER.into(),
            field_validation: crate::request::FieldValidation::Ignore,
            force: None,
        };
        let writer = Writer {
            manager: MANAGER,
            api_version: "policy/v1",
            subresource: "status",
            time: &now,
            reset: Reset::Nothing,
            versions: &[],
            convert: None,
        };
        let change = Disruption { pod: self.at.name, now: &now };
        self.api.registry.update(&at, &options, &writer, &change).await.map(drop)
    }

    /// Marks the pod as disrupted and deletes it (`addConditionAndDeletePod`).
    async fn remove(&self, mut options: DeleteOptions) -> Result<()> {
        let at = Attributes { subresource: "", dry_run: options.dry_run, ..self.at };
        if !options.dry_run {
            let now = timestamp::rfc3339(clock::unix_seconds());
            let (uid, version) = (options.uid.as_deref(), options.resource_version.as_deref());
            let marked = self.api.registry.change_stored(&at, |pod, arena| {
                check_preconditions(pod, uid, version)?;
                set_condition(pod, &now, arena);
                Ok(())
            });
            let marked = marked.await?;
            if options.resource_version.is_some() {
                options.resource_version = Some(marked.revision().to_string());
            }
        }
        let sent = Sent::Delete(&options);
        let at = Attributes { operation: Operation::Delete, sent, ..at };
        self.api.registry.delete(&at, &options).await.map(drop)
    }
}

/// Pods that no budget protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unbudgeted {
    /// It has not begun to run.
    Pending,
    /// It has ended, or is ending.
    Ended,
}

/// How a pod goes without a budget; `None` for one that runs (`canIgnorePDB`).
fn pod_state(pod: &Entry) -> Result<Option<Unbudgeted>> {
    let arena = Bump::new();
    let object = pod.object(&arena).map_err(stored::unreadable)?;
    Ok(match object.str_at(&["status", "phase"]) {
        "Succeeded" | "Failed" => Some(Unbudgeted::Ended),
        _ if meta::is_deleting(&object) => Some(Unbudgeted::Ended),
        "Pending" => Some(Unbudgeted::Pending),
        _ => None,
    })
}

fn is_ready(pod: &Value<'_>) -> bool {
    pod.list_at(&["status", "conditions"]).iter().any(|condition| {
        condition.str_at(&["type"]) == "Ready" && condition.str_at(&["status"]) == "True"
    })
}

/// True if the budget lets pods go that are not ready: always, or while enough others are.
fn frees_unready(budget: &Value<'_>) -> bool {
    if budget.str_at(&["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow" {
        return true;
    }
    let count = |field| budget.i64_at(&["status", field]).unwrap_or(0);
    count("currentHealthy") >= count("desiredHealthy") && count("desiredHealthy") > 0
}

fn still_processed(budget: &str) -> Fault {
    let text = format!("The disruption budget {budget} is still being processed by the server.");
    Fault::TooManyRequests {
        message: REFUSED.into(),
        retry_seconds: 10,
        cause: Some(("DisruptionBudget", text)),
    }
}

/// One disruption less that the budget allows.
#[derive(Debug)]
struct Disruption<'d> {
    pod: &'d str,
    now: &'d str,
}

impl Change for Disruption<'_> {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let name = meta::name(old);
        let number = |path: &[&str]| old.i64_at(path).unwrap_or(0);
        if number(&["status", "observedGeneration"]) < number(&["metadata", "generation"]) {
            return Err(still_processed(name));
        }
        let allowed = number(&["status", "disruptionsAllowed"]);
        let disrupted = old.at(&["status", "disruptedPods"]).and_then(Value::as_map);
        let refuse = |message: &str| {
            let subject = Subject {
                group: "policy".into(),
                resource: "poddisruptionbudget".into(),
                name: name.into(),
            };
            Err(Fault::Forbidden { subject, message: message.into(), cause: None })
        };
        if allowed < 0 {
            return refuse("pdb disruptions allowed is negative");
        }
        if disrupted.is_some_and(|pods| pods.len() > DISRUPTED_MAX) {
            return refuse(
                "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
            );
        }
        if allowed == 0 {
            return Err(exhausted(old));
        }
        let mut new = old.copy_in(arena);
        let generation = number(&["status", "observedGeneration"]);
        let Some(status) = new.as_map_mut().map(|map| map.entry_map("status")) else {
            return Ok(new);
        };
        status.insert("disruptionsAllowed", Value::Int(allowed - 1));
        status
            .entry_map("disruptedPods")
            .insert(arena.alloc_str(self.pod), Value::str_in(self.now, arena));
        if allowed == 1 {
            insufficient(status, generation, self.now, arena);
        }
        Ok(new)
    }
}

/// 429 for a budget that allows nothing.
fn exhausted(budget: &Value<'_>) -> Fault {
    let name = meta::name(budget);
    let count = |field| budget.i64_at(&["status", field]).unwrap_or(0);
    let mut conditions = budget.list_at(&["status", "conditions"]).iter();
    let failed = conditions.find(|condition| {
        condition.str_at(&["type"]) == "DisruptionAllowed"
            && condition.str_at(&["reason"]) == "SyncFailed"
    });
    let (desired, current) = (count("desiredHealthy"), count("currentHealthy"));
    let text = match failed {
        Some(condition) => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed \
             sync: {}",
            condition.str_at(&["message"])
        ),
        None if current <= desired => format!(
            "The disruption budget {name} needs {desired} healthy pods and has {current} currently"
        ),
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    };
    Fault::TooManyRequests {
        message: REFUSED.into(),
        retry_seconds: 0,
        cause: Some(("DisruptionBudget", text)),
    }
}

/// The condition of a budget that has just been used up (`UpdateDisruptionAllowedCondition`).
fn insufficient<'a>(status: &mut Map<'a>, generation: i64, now: &str, arena: &'a Bump) {
    let mut condition = Map::new_in(arena);
    condition.push_unique("type", Value::Str("DisruptionAllowed"));
    condition.push_unique("status", Value::Str("False"));
    condition.push_unique("observedGeneration", Value::Int(generation));
    condition.push_unique("lastTransitionTime", Value::str_in(now, arena));
    condition.push_unique("reason", Value::Str("InsufficientPods"));
    condition.push_unique("message", Value::Str(""));
    put_condition(status, condition, arena);
}

/// uid and resourceVersion that the client insists on.
fn check_preconditions(pod: &Value<'_>, uid: Option<&str>, version: Option<&str>) -> Result<()> {
    let conflict = |message: String| {
        let name = meta::name(pod).to_owned();
        let subject = Subject { group: String::new(), resource: "Pod".into(), name };
        Err(Fault::Conflict { subject, message })
    };
    let (own_uid, own_version) = (meta::uid(pod), meta::resource_version(pod));
    if let Some(uid) = uid.filter(|uid| !uid.is_empty() && *uid != own_uid) {
        return conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({own_uid}). The \
             object might have been deleted and then recreated"
        ));
    }
    if let Some(version) = version.filter(|one| !one.is_empty() && *one != own_version) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({version}) does not match the \
             ResourceVersion in record ({own_version}). The object might have been modified"
        ));
    }
    Ok(())
}

/// The condition DisruptionTarget=True.
fn set_condition<'a>(pod: &mut Value<'a>, now: &str, arena: &'a Bump) {
    let Some(map) = pod.as_map_mut() else { return };
    let mut condition = Map::new_in(arena);
    condition.push_unique("type", Value::Str("DisruptionTarget"));
    condition.push_unique("status", Value::Str("True"));
    condition.push_unique("lastTransitionTime", Value::str_in(now, arena));
    condition.push_unique("reason", Value::Str("EvictionByEvictionAPI"));
    condition.push_unique("message", Value::Str("Eviction API: evicting"));
    put_condition(map.entry_map("status"), condition, arena);
}

/// Puts a condition in the place of the one of its type; the time moves only with the status.
fn put_condition<'a>(status: &mut Map<'a>, mut condition: Map<'a>, arena: &'a Bump) {
    if status.get("conditions").and_then(Value::as_list).is_none() {
        status.insert("conditions", Value::list_in(arena));
    }
    let Some(list) = status.get_mut("conditions").and_then(Value::as_list_mut) else { return };
    let kind = condition.get("type").and_then(Value::as_str).unwrap_or_default();
    match list.iter_mut().find(|known| known.str_at(&["type"]) == kind) {
        Some(known) => {
            let same = known.get("status") == condition.get("status");
            if same && let Some(time) = known.get("lastTransitionTime") {
                condition.insert("lastTransitionTime", time.copy_in(arena));
            }
            *known = Value::Map(condition);
        }
        None => list.push(Value::Map(condition)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    fn budget(status: &str) -> Result<i64> {
        let arena = Bump::new();
        let text = format!(r#"{{"metadata":{{"name":"b","generation":1}},"status":{{{status}}}}}"#);
        let old = json::parse_any(text.as_bytes(), &arena).unwrap();
        let now = "2024-01-01T00:00:00Z";
        let new = Disruption { pod: "p", now }.apply(&old, &arena)?;
        assert_eq!(new.str_at(&["status", "disruptedPods", "p"]), now);
        Ok(new.i64_at(&["status", "disruptionsAllowed"]).unwrap())
    }

    #[test]
    fn a_budget_counts_down_to_nothing() {
        let seen = r#""observedGeneration":1"#;
        assert_eq!(budget(&format!(r#"{seen},"disruptionsAllowed":2"#)), Ok(1));
        assert_eq!(budget(&format!(r#"{seen},"disruptionsAllowed":1"#)), Ok(0));
        let spent = format!(r#"{seen},"disruptionsAllowed":0,"desiredHealthy":1"#);
        let Err(Fault::TooManyRequests { retry_seconds, cause, .. }) = budget(&spent) else {
            panic!("it is spent")
        };
        let text = "The disruption budget b needs 1 healthy pods and has 0 currently";
        assert_eq!((retry_seconds, cause), (0, Some(("DisruptionBudget", text.to_owned()))));
    }

    #[test]
    fn a_budget_that_no_controller_has_seen_allows_nothing_yet() {
        assert_eq!(budget(r#""disruptionsAllowed":1"#), Err(still_processed("b")));
    }

    #[test]
    fn unready_pods_go_while_enough_others_are_healthy() {
        let arena = Bump::new();
        let frees = |text: &str| frees_unready(&json::parse_any(text.as_bytes(), &arena).unwrap());
        assert!(frees(r#"{"status":{"currentHealthy":1,"desiredHealthy":1}}"#));
        assert!(!frees(r#"{"status":{"currentHealthy":0,"desiredHealthy":1}}"#));
        assert!(!frees(r#"{"status":{}}"#));
        assert!(frees(r#"{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}"#));
    }
}
