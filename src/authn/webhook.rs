//! Token webhooks: a service that answers TokenReviews
//! (`plugin/pkg/authenticator/token/webhook`).

use super::{Failure, Identity, Verdict};
use crate::base::clock;
use crate::base::expiring::Expiring;
use crate::base::limits::WEBHOOK_ANSWERS_MAX;
use crate::client::{Client, Endpoint};
use crate::request::User;
use crate::rt;
use bytes::Bytes;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How the service is asked; the same for all shards.
#[derive(Debug, Clone)]
pub struct TokenService {
    /// The thread that asks.
    pub client: Client,
    /// Whom.
    pub endpoint: Endpoint,
    /// Version of the review: `v1` or `v1beta1`.
    pub version: String,
    /// How long answers are kept.
    pub ttl: Duration,
}

/// The service and what it has answered a shard. Answers are kept by a digest of the token.
#[derive(Debug)]
pub struct TokenWebhook {
    service: Arc<TokenService>,
    /// `--api-audiences`: what a token is for if the service does not say.
    audiences: Rc<[String]>,
    kept: RefCell<Expiring<[u8; 32], Option<Identity>>>,
}

impl TokenWebhook {
    /// For one shard.
    pub fn new(service: Arc<TokenService>, audiences: Rc<[String]>) -> Self {
        Self { service, audiences, kept: RefCell::new(Expiring::new(WEBHOOK_ANSWERS_MAX)) }
    }

    /// The user of a token; `key` is a digest of it and of the audiences.
    ///
    /// # Errors
    /// The service could not be asked, or says what is wrong with the token.
    pub(super) async fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
        key: &[u8; 32],
    ) -> Verdict {
        let now = clock::now();
        if let Some(known) = self.kept.borrow_mut().get(key, now) {
            return Ok(known.clone());
        }
        let service = &self.service;
        let mut spec = json!({ "token": token });
        if !audiences.is_empty()
            && let Some(spec) = spec.as_object_mut()
        {
            spec.insert("audiences".to_owned(), json!(audiences));
        }
        let review = json!({
            "apiVersion": format!("authentication.k8s.io/{}", service.version),
            "kind": "TokenReview",
            "metadata": { "creationTimestamp": null },
            "spec": spec,
            "status": { "user": {} },
        });
        let body = Bytes::from(review.to_string());
        let posted = service.endpoint.post(&service.client, &body, TIMEOUT, rt::sleep).await;
        let answer = posted.map_err(|error| {
            log::error!("failed to make webhook authenticator request: {}", error.text);
            Failure::one(error.text)
        })?;
        let found = identity(&answer, audiences, &self.audiences)?;
        if !service.ttl.is_zero() {
            self.kept.borrow_mut().put(*key, now + service.ttl, found.clone());
        }
        Ok(found)
    }
}

/// What the answer says; `asked` and `own` are audiences.
fn identity(answer: &[u8], asked: &[String], own: &[String]) -> Verdict {
    let review: Value = serde_json::from_slice(answer).map_err(|error| {
        Failure::one(format!("couldn't get version/kind; json parse error: {error}"))
    })?;
    let kind = review.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind != "TokenReview" {
        return Err(Failure::one(format!("expected a TokenReview, got {kind:?}")));
    }
    let empty = Value::Null;
    let status = review.get("status").unwrap_or(&empty);
    let texts = |value: Option<&Value>| -> Vec<String> {
        let listed = value.and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let told = texts(status.get("audiences"));
    let got: &[String] = if told.is_empty() { own } else { &told };
    let audiences: Vec<String> = asked.iter().filter(|one| got.contains(one)).cloned().collect();
    if !asked.is_empty() && audiences.is_empty() {
        return Ok(None);
    }
    if !status.get("authenticated").and_then(Value::as_bool).unwrap_or(false) {
        let error = status.get("error").and_then(Value::as_str).unwrap_or_default();
        return if error.is_empty() { Ok(None) } else { Err(Failure::one(error)) };
    }
    let user = status.get("user").unwrap_or(&empty);
    let text = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let extra = user.get("extra").and_then(Value::as_object).into_iter().flatten();
    let mut extra: Vec<(String, Vec<String>)> =
        extra.map(|(key, values)| (key.clone(), texts(Some(values)))).collect();
    extra.sort_unstable();
    let user =
        User { name: text("username"), uid: text("uid"), groups: texts(user.get("groups")), extra };
    Ok(Some(Identity { audiences: audiences.into(), ..Identity::of(Rc::new(user)) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &str, asked: &[&str]) -> Result<Option<(String, Vec<String>)>, String> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let text = format!(r#"{{"kind":"TokenReview","status":{status}}}"#);
        let found = identity(text.as_bytes(), &owned(asked), &owned(&["api"]));
        let shown = |one: Identity| (one.user.name.clone(), one.audiences.to_vec());
        found.map(|one| one.map(shown)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_answer_names_the_user_for_audiences_that_were_asked_for() {
        let ann = r#""authenticated":true,"user":{"username":"ann"}"#;
        let found = told(&format!("{{{ann}}}"), &["api", "x"]);
        assert_eq!(found, Ok(Some(("ann".into(), vec!["api".into()]))));
        assert_eq!(told(&format!("{{{ann}}}"), &["x"]), Ok(None));
        let other = format!(r#"{{{ann},"audiences":["x"]}}"#);
        assert_eq!(told(&other, &["x"]), Ok(Some(("ann".into(), vec!["x".into()]))));
    }

    #[test]
    fn a_token_that_the_service_does_not_know_is_nobodys() {
        assert_eq!(told(r#"{"authenticated":false}"#, &["api"]), Ok(None));
        let error = r#"{"authenticated":false,"error":"gone"}"#;
        assert_eq!(told(error, &["api"]), Err("gone".to_owned()));
    }
}
