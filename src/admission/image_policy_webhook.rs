//! ImagePolicyWebhook: a service says of the images of a pod whether they may run (ImageReview,
//! `imagepolicy.k8s.io/v1alpha1`).

use super::refusal::refuse;
use crate::base::clock;
use crate::base::duration;
use crate::base::expiring::Expiring;
use crate::base::limits::WEBHOOK_ANSWERS_MAX;
use crate::client::{Client, Endpoint, kubeconfig};
use crate::codec::yaml;
use crate::object::Value;
use crate::request::{self, Attributes, Operation};
use crate::rt;
use bumpalo::Bump;
use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde_json::json;
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

const FAILED_OPEN: &str = "imagepolicywebhook.image-policy.k8s.io/failed-open";
const AUDIT_PREFIX: &str = "imagepolicywebhook.image-policy.k8s.io/";
/// Annotations of pods that the service is told have this in their names.
const TOLD: &str = ".image-policy.k8s.io/";
/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(30);
const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// How the service is asked; the same for all shards.
#[derive(Debug)]
pub(super) struct Service {
    endpoint: Endpoint,
    allow_ttl: Duration,
    deny_ttl: Duration,
    first_wait: Duration,
    default_allow: bool,
}

/// What a shard has been answered.
pub(super) type Kept = RefCell<Expiring<[u8; 32], Status>>;

/// Answers for one shard.
pub(super) fn kept() -> Kept {
    RefCell::new(Expiring::new(WEBHOOK_ANSWERS_MAX))
}

impl Service {
    /// From a document of the AdmissionConfiguration, whose durations are bare numbers.
    ///
    /// # Errors
    /// Durations out of their range, or a kubeconfig that cannot be used.
    pub(super) fn parse(source: &[u8]) -> Result<Self, String> {
        let arena = Bump::new();
        let document = yaml::parse(source, &arena).map_err(|error| error.to_string())?;
        let file = document.any(&arena).map_err(|error| error.to_string())?;
        let number = |name| file.i64_at(&["imagePolicy", name]).unwrap_or(0);
        let first_wait =
            span(number("retryBackoff"), MILLISECOND, (1, 300 * SECOND), 500 * MILLISECOND)?;
        let range = (SECOND, 1_800 * SECOND);
        let allow_ttl = span(number("allowTTL"), SECOND, range, 300 * SECOND)?;
        let deny_ttl = span(number("denyTTL"), SECOND, range, 30 * SECOND)?;
        let path = file.str_at(&["imagePolicy", "kubeConfigFile"]);
        let default_allow =
            file.at(&["imagePolicy"]).is_some_and(|it| it.bool_at(&["defaultAllow"]));
        let endpoint = kubeconfig::read(Path::new(path))?;
        Ok(Self { endpoint, allow_ttl, deny_ttl, first_wait, default_allow })
    }
}

/// A duration of the file: -1 for none, 0 for the default (`normalizeConfigDuration`).
fn span(value: i64, scale: i64, (min, max): (i64, i64), default: i64) -> Result<Duration, String> {
    let nanos = match value {
        -1 => 0,
        0 => default,
        value => {
            let nanos = value.wrapping_mul(scale);
            if nanos < min || nanos > max {
                let text = |nanos| duration::text(nanos);
                let (min, max, got) = (text(min), text(max), text(nanos));
                return Err(format!("valid value is between {min} and {max}, got {got}"));
            }
            nanos
        }
    };
    Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
}

/// `ImageReviewStatus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    allowed: bool,
    reason: String,
    annotations: Vec<(String, String)>,
}

impl Status {
    fn of(answer: &[u8]) -> Result<Self, String> {
        let arena = Bump::new();
        let review = crate::codec::json::parse_any(answer, &arena).map_err(|e| e.to_string())?;
        let kind = review.str_at(&["kind"]);
        if kind != "ImageReview" {
            return Err(format!("expected an ImageReview, got {kind:?}"));
        }
        let annotations = review.at(&["status", "auditAnnotations"]).and_then(Value::as_map);
        let annotations = annotations.into_iter().flat_map(|map| map.iter());
        Ok(Self {
            allowed: review.at(&["status"]).is_some_and(|status| status.bool_at(&["allowed"])),
            reason: review.str_at(&["status", "reason"]).to_owned(),
            annotations: annotations
                .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
                .collect(),
        })
    }
}

/// Asks the service about the images of a pod.
///
/// # Errors
/// 403 for what it refuses, and if it cannot be asked, unless the file says to go on then.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    (service, client): (&Service, &Client),
    kept: &Kept,
) -> request::Result<()> {
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    let pods = at.resource.group.is_empty() && at.resource.name == "pods";
    if !written || !pods || !matches!(at.subresource, "" | "ephemeralcontainers") {
        return Ok(());
    }
    let spec = spec(at, object);
    let text = spec.to_string();
    let key: [u8; 32] = digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap_or_default();
    let known = kept.borrow_mut().get(&key, clock::now()).cloned();
    let status = match known {
        Some(status) => status,
        None => match ask(service, client, spec).await {
            Ok(status) => {
                let ttl = if status.allowed { service.allow_ttl } else { service.deny_ttl };
                if !ttl.is_zero() {
                    kept.borrow_mut().put(key, clock::now() + ttl, status.clone());
                }
                status
            }
            Err(why) if service.default_allow => {
                log::warn!("image policy webhook: {why}; the pod is allowed all the same");
                at.context.annotate(FAILED_OPEN, "true");
                return Ok(());
            }
            // It is wrapped once more on its way, as upstream does.
            Err(why) => return Err(refuse(at, why)),
        },
    };
    for (key, value) in &status.annotations {
        at.context.annotate(format!("{AUDIT_PREFIX}{key}"), value.clone());
    }
    if status.allowed {
        return Ok(());
    }
    Err(refuse(
        at,
        match status.reason.as_str() {
            "" => "one or more images rejected by webhook backend".to_owned(),
            reason => format!("image policy webhook backend denied one or more images: {reason}"),
        },
    ))
}

async fn ask(
    service: &Service,
    client: &Client,
    spec: serde_json::Value,
) -> Result<Status, String> {
    let review = json!({
        "kind": "ImageReview",
        "apiVersion": "imagepolicy.k8s.io/v1alpha1",
        "metadata": { "creationTimestamp": null },
        "spec": spec,
        "status": { "allowed": false },
    });
    let body = Bytes::from(review.to_string());
    let posted =
        service.endpoint.post_from(client, &body, TIMEOUT, (service.first_wait, rt::sleep));
    let answer = posted.await.map_err(|error| error.text)?;
    Status::of(&answer)
}

/// `ImageReviewSpec`.
fn spec(at: &Attributes<'_>, pod: &Value<'_>) -> serde_json::Value {
    let kinds: &[&str] = match at.subresource {
        "" => &["containers", "initContainers"],
        _ => &["ephemeralContainers"],
    };
    let containers: Vec<serde_json::Value> = kinds
        .iter()
        .flat_map(|kind| pod.list_at(&["spec", kind]))
        .map(|container| match container.str_at(&["image"]) {
            "" => json!({}),
            image => json!({ "image": image }),
        })
        .collect();
    let mut spec = serde_json::Map::new();
    if !containers.is_empty() {
        spec.insert("containers".to_owned(), containers.into());
    }
    let annotations = pod.at(&["metadata", "annotations"]).and_then(Value::as_map);
    let annotations: serde_json::Map<_, _> = annotations
        .into_iter()
        .flat_map(|map| map.iter())
        .filter(|(key, _)| key.contains(TOLD))
        .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.into())))
        .collect();
    if !annotations.is_empty() {
        spec.insert("annotations".to_owned(), annotations.into());
    }
    if !at.namespace.is_empty() {
        spec.insert("namespace".to_owned(), at.namespace.into());
    }
    spec.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_scale_a_range_and_a_default() {
        let range = (SECOND, 1_800 * SECOND);
        let span = |value| span(value, SECOND, range, 300 * SECOND);
        assert_eq!(span(-1), Ok(Duration::ZERO));
        assert_eq!(span(0), Ok(Duration::from_secs(300)));
        assert_eq!(span(50), Ok(Duration::from_secs(50)));
        assert_eq!(span(99_999).unwrap_err(), "valid value is between 1s and 30m0s, got 27h46m39s");
    }

    #[test]
    fn an_answer_must_be_a_review() {
        let read = |text: &str| Status::of(text.as_bytes());
        let status =
            read(r#"{"kind":"ImageReview","status":{"reason":"no","auditAnnotations":{"a":"b"}}}"#);
        let status = status.unwrap();
        assert!(!status.allowed && status.reason == "no");
        assert_eq!(status.annotations, [("a".to_owned(), "b".to_owned())]);
        assert!(read("{}").is_err() && read("nope").is_err());
    }
}
