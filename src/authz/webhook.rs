//! The Webhook authorizer: a service that answers SubjectAccessReviews
//! (`plugin/pkg/authorizer/webhook`).

use super::action::Action;
use super::conditions::Conditions;
use super::decision::{Decision, Verdict};
use crate::base::clock;
use crate::base::expiring::Expiring;
use crate::base::limits::WEBHOOK_ANSWERS_MAX;
use crate::client::{Client, Endpoint};
use crate::metrics::{Recorder, instruments};
use crate::object::selector::LabelOperator;
use crate::request::User;
use crate::rt;
use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A question with more text of the client's than this is not kept (`maxControlledAttrCacheSize`).
const KEPT_BYTES_MAX: usize = 10_000;

/// How a service is asked; the same for all shards.
#[derive(Debug, Clone)]
pub struct Service {
    /// The thread that asks.
    pub client: Client,
    /// Whom.
    pub endpoint: Endpoint,
    /// Version of the review: `v1` or `v1beta1`.
    pub version: String,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long consent is kept.
    pub authorized_ttl: Duration,
    /// How long refusal is kept.
    pub unauthorized_ttl: Duration,
    /// What is decided if it cannot be asked.
    pub denies_on_failure: bool,
    /// Only what meets all of them is asked.
    pub conditions: Arc<Conditions>,
}

/// The service and what it has answered a shard.
#[derive(Debug)]
pub struct Webhook {
    service: Arc<Service>,
    /// As the configuration names it.
    name: String,
    metrics: Rc<Recorder>,
    kept: RefCell<Expiring<[u8; 32], Status>>,
}

/// `SubjectAccessReviewStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Status {
    allowed: bool,
    denied: bool,
    reason: String,
}

impl Webhook {
    /// For one shard, which counts in `metrics`.
    pub fn new(service: Arc<Service>, name: &str, metrics: Rc<Recorder>) -> Self {
        let kept = RefCell::new(Expiring::new(WEBHOOK_ANSWERS_MAX));
        Self { service, name: name.to_owned(), metrics, kept }
    }

    /// What was answered a moment ago.
    pub(super) fn known(&self, user: &User, action: &Action<'_>) -> Option<Decision> {
        let spec = spec(user, action, &self.service.version);
        if let Some(decision) = self.passed_over(&spec, user, action) {
            return Some(decision);
        }
        self.kept(&key(&spec.to_string())).map(Status::decision)
    }

    /// Asks, unless the answer is known.
    pub(super) async fn decide(&self, user: &User, action: &Action<'_>) -> Decision {
        let service = &self.service;
        let spec = spec(user, action, &service.version);
        if let Some(decision) = self.passed_over(&spec, user, action) {
            return decision;
        }
        let key = key(&spec.to_string());
        if let Some(status) = self.kept(&key) {
            return status.decision();
        }
        let review = json!({
            "apiVersion": format!("authorization.k8s.io/{}", service.version),
            "kind": "SubjectAccessReview",
            "metadata": { "creationTimestamp": null },
            "spec": spec,
            "status": { "allowed": false },
        });
        let body = Bytes::from(review.to_string());
        let begun = clock::now();
        let posted = service.endpoint.post(&service.client, &body, service.timeout, rt::sleep);
        let answered = posted.await.map_err(|error| error.text);
        let answered = answered.and_then(|answer| Status::of(&answer));
        let result = match &answered {
            Ok(_) => "success",
            Err(why) if why.contains("deadline exceeded") => "timeout",
            Err(_) => "error",
        };
        self.called(result, clock::now().saturating_duration_since(begun));
        match answered {
            Ok(status) => {
                let ttl = match status.allowed {
                    true => service.authorized_ttl,
                    false => service.unauthorized_ttl,
                };
                if text_bytes(action) < KEPT_BYTES_MAX && !ttl.is_zero() {
                    self.kept.borrow_mut().put(key, clock::now() + ttl, status.clone());
                }
                status.decision()
            }
            Err(why) => {
                log::error!("failed to make webhook authorizer request: {why}");
                if !service.denies_on_failure {
                    let values = [self.name.as_str(), result];
                    self.metrics.count(&instruments::AUTHORIZER_FAILED_OPEN, &values);
                }
                self.failed(why)
            }
        }
    }

    fn called(&self, result: &str, took: Duration) {
        let values = [self.name.as_str(), result];
        self.metrics.count(&instruments::AUTHORIZER_CALLS, &values);
        self.metrics.observe(&instruments::AUTHORIZER_CALL_SECONDS, &values, took);
    }

    /// What is decided without asking, by the match conditions. They see a review of version 1,
    /// whatever the service gets.
    fn passed_over(&self, told: &Value, user: &User, action: &Action<'_>) -> Option<Decision> {
        if self.service.conditions.is_empty() {
            return None;
        }
        let begun = clock::now();
        let held = match &*self.service.version {
            "v1" => self.service.conditions.hold(told),
            _ => self.service.conditions.hold(&spec(user, action, "v1")),
        };
        let took = clock::now().saturating_duration_since(begun);
        let (metrics, values) = (&self.metrics, [self.name.as_str(), "Webhook"]);
        metrics.observe(&instruments::AUTHORIZER_MATCH_SECONDS, &values, took);
        match held {
            Ok(true) => None,
            Ok(false) => {
                metrics.count(&instruments::AUTHORIZER_MATCH_EXCLUSIONS, &values);
                Some(Decision::no_opinion(""))
            }
            Err(why) => {
                metrics.count(&instruments::AUTHORIZER_MATCH_ERRORS, &values);
                Some(self.failed(why))
            }
        }
    }

    fn failed(&self, why: String) -> Decision {
        let denies = self.service.denies_on_failure;
        let verdict = if denies { Verdict::Deny } else { Verdict::NoOpinion };
        Decision { verdict, reason: String::new(), error: Some(why) }
    }

    fn kept(&self, key: &[u8; 32]) -> Option<Status> {
        self.kept.borrow_mut().get(key, clock::now()).cloned()
    }
}

fn key(spec: &str) -> [u8; 32] {
    digest(&SHA256, spec.as_bytes()).as_ref().try_into().unwrap_or_default()
}

fn text_bytes(action: &Action<'_>) -> usize {
    let Action { verb, group, version, resource, subresource, namespace, name, path, .. } = action;
    [verb, group, version, resource, subresource, namespace, name, path]
        .into_iter()
        .map(|text| text.len())
        .sum()
}

impl Status {
    fn of(answer: &[u8]) -> Result<Self, String> {
        let review: Value = serde_json::from_slice(answer)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        let kind = review.get("kind").and_then(Value::as_str).unwrap_or_default();
        if kind != "SubjectAccessReview" {
            return Err(format!("expected a SubjectAccessReview, got {kind:?}"));
        }
        let status = review.get("status").unwrap_or(&Value::Null);
        let flag = |name: &str| status.get(name).and_then(Value::as_bool).unwrap_or(false);
        let reason = status.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { allowed: flag("allowed"), denied: flag("denied"), reason })
    }

    fn decision(self) -> Decision {
        let reason = self.reason;
        match (self.denied, self.allowed) {
            (true, true) => {
                let text = "webhook subject access review returned both allow and deny response";
                Decision { error: Some(text.to_owned()), ..Decision::deny(reason) }
            }
            (true, false) => Decision::deny(reason),
            (false, true) => Decision::allow(reason),
            (false, false) => Decision::no_opinion(reason),
        }
    }
}

/// `SubjectAccessReviewSpec`; the older version has another name for the groups.
fn spec(user: &User, action: &Action<'_>, version: &str) -> Value {
    let mut spec = Map::new();
    let put = |spec: &mut Map<String, Value>, name: &str, text: &str| {
        if !text.is_empty() {
            spec.insert(name.to_owned(), text.into());
        }
    };
    put(&mut spec, "user", &user.name);
    put(&mut spec, "uid", &user.uid);
    if !user.groups.is_empty() {
        let name = if version == "v1beta1" { "group" } else { "groups" };
        spec.insert(name.to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        let extra = user.extra.iter().map(|(key, values)| (key.clone(), json!(values)));
        spec.insert("extra".to_owned(), Value::Object(extra.collect()));
    }
    let mut of = Map::new();
    put(&mut of, "verb", action.verb);
    if !action.is_resource {
        put(&mut of, "path", action.path);
        spec.insert("nonResourceAttributes".to_owned(), of.into());
        return spec.into();
    }
    put(&mut of, "namespace", action.namespace);
    put(&mut of, "group", action.group);
    put(&mut of, "version", action.version);
    put(&mut of, "resource", action.resource);
    put(&mut of, "subresource", action.subresource);
    put(&mut of, "name", action.name);
    let fields: Vec<Value> = action
        .fields
        .iter()
        .map(|one| {
            let operator = if one.negated { "NotIn" } else { "In" };
            json!({ "key": one.field, "operator": operator, "values": [one.value] })
        })
        .collect();
    let labels: Vec<Value> = action
        .labels
        .iter()
        .filter_map(|one| {
            let operator = match one.operator() {
                LabelOperator::Equals | LabelOperator::In => "In",
                LabelOperator::NotEquals | LabelOperator::NotIn => "NotIn",
                LabelOperator::Exists => "Exists",
                LabelOperator::DoesNotExist => "DoesNotExist",
                // Selectors only narrow: what cannot be told asks for more.
                LabelOperator::GreaterThan | LabelOperator::LessThan => return None,
            };
            let mut told = json!({ "key": one.key(), "operator": operator });
            if !one.values().is_empty()
                && let Some(told) = told.as_object_mut()
            {
                told.insert("values".to_owned(), json!(one.values()));
            }
            Some(told)
        })
        .collect();
    for (name, requirements) in [("fieldSelector", fields), ("labelSelector", labels)] {
        if !requirements.is_empty() {
            of.insert(name.to_owned(), json!({ "requirements": requirements }));
        }
    }
    spec.insert("resourceAttributes".to_owned(), of.into());
    spec.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::selector::{FieldSelector, LabelSelector};

    #[test]
    fn the_review_tells_what_is_asked() {
        let user = User { name: "ann".into(), groups: vec!["g".into()], ..User::default() };
        let fields = FieldSelector::parse("spec.nodeName=n").unwrap();
        let labels = LabelSelector::parse("a in (b,c),!d,e>1").unwrap();
        let action = Action {
            verb: "list",
            namespace: "n",
            fields: fields.requirements(),
            labels: labels.requirements(),
            ..Action::resource("pods")
        };
        let told = spec(&user, &action, "v1");
        assert_eq!(told["groups"], json!(["g"]));
        let of = &told["resourceAttributes"];
        assert_eq!(
            of["fieldSelector"]["requirements"],
            json!([{"key": "spec.nodeName", "operator": "In", "values": ["n"]}])
        );
        assert_eq!(
            of["labelSelector"]["requirements"],
            json!([
                {"key": "a", "operator": "In", "values": ["b", "c"]},
                {"key": "d", "operator": "DoesNotExist"},
            ])
        );
        assert_eq!(of.get("name"), None);
        assert_eq!(spec(&user, &action, "v1beta1")["group"], json!(["g"]));
        let path = Action { verb: "get", ..Action::path("/x") };
        let told = spec(&user, &path, "v1");
        assert_eq!(told["nonResourceAttributes"], json!({"path": "/x", "verb": "get"}));
    }

    #[test]
    fn an_answer_allows_forbids_or_leaves_it_to_others() {
        let decided = |status: &str| {
            let text = format!(r#"{{"kind":"SubjectAccessReview","status":{status}}}"#);
            Status::of(text.as_bytes()).unwrap().decision()
        };
        assert_eq!(decided(r#"{"allowed":true,"reason":"r"}"#), Decision::allow("r"));
        assert_eq!(decided(r#"{"allowed":false}"#), Decision::no_opinion(""));
        assert_eq!(decided(r#"{"denied":true,"reason":"no"}"#), Decision::deny("no"));
        assert!(decided(r#"{"denied":true,"allowed":true}"#).error.is_some());
        assert!(Status::of(b"{}").is_err() && Status::of(b"nope").is_err());
    }
}
