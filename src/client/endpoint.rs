//! A service that takes one kind of review: where it is, who we are to it, and how often it is
//! asked (`util/webhook.GenericWebhook`).

use crate::base::ids;
use crate::client::{Client, Target, go_url_error};
use crate::codec::json::parse_any;
use bumpalo::Bump;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use std::fmt;
use std::time::Duration;

/// How often a review is tried, and the waits between (`DefaultRetryBackoffWithInitialDelay`).
const TRIES: u32 = 5;
const FACTOR: f64 = 1.5;
const JITTER: f64 = 0.2;
/// The first wait unless told otherwise.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// One end, of a kubeconfig.
#[derive(Clone)]
pub struct Endpoint {
    url: String,
    target: Target,
    /// Never shown.
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostError {
    /// Go's text.
    pub text: String,
    /// It may go well the next time (`webhook.DefaultShouldRetry`).
    transient: bool,
}

impl Endpoint {
    /// The end at `url`; `authorization` is the header's text.
    pub fn new(url: String, target: Target, authorization: Option<String>) -> Self {
        let authorization = authorization.and_then(|text| {
            let mut value = HeaderValue::try_from(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { url, target, authorization }
    }

    /// Posts JSON until an answer comes that is no transient failure; `pause` waits between tries
    /// on the caller's executor. Each try may take `timeout`.
    ///
    /// # Errors
    /// The last failure.
    pub async fn post<P: Future<Output = ()>>(
        &self,
        client: &Client,
        body: &Bytes,
        timeout: Duration,
        pause: impl Fn(Duration) -> P,
    ) -> Result<Bytes, PostError> {
        self.post_from(client, body, timeout, (FIRST_WAIT, pause)).await
    }

    /// As [`Self::post`], with another first wait.
    ///
    /// # Errors
    /// The last failure.
    pub async fn post_from<P: Future<Output = ()>>(
        &self,
        client: &Client,
        body: &Bytes,
        timeout: Duration,
        (first_wait, pause): (Duration, impl Fn(Duration) -> P),
    ) -> Result<Bytes, PostError> {
        let mut wait = first_wait;
        for tried in 1.. {
            match self.post_once(client, body.clone(), timeout).await {
                Err(error) if error.transient && tried < TRIES => {}
                done => return done,
            }
            let [draw] = ids::random::<1>();
            pause(wait.mul_f64(1.0 + JITTER * f64::from(draw) / 255.0)).await;
            wait = wait.mul_f64(FACTOR);
        }
        unreachable!("the loop returns at its last try")
    }

    /// Posts JSON once.
    ///
    /// # Errors
    /// The exchange failed, or was answered with another code than 2xx.
    pub async fn post_once(
        &self,
        client: &Client,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, PostError> {
        let between = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{between}timeout={}s", self.url, timeout.as_secs().max(1));
        let json = HeaderValue::from_static("application/json");
        let mut request = http::Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.parse().map_err(|_| PostError {
            text: format!("parse {url:?}: invalid URL"),
            transient: false,
        })?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, json.clone());
        headers.insert(header::ACCEPT, json);
        headers.insert(header::USER_AGENT, HeaderValue::from_static("kubering"));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        match client.call(&self.target, request, timeout).await {
            Ok(answer) if answer.status().is_success() => Ok(answer.into_body()),
            Ok(answer) => Err(refusal(&answer)),
            Err(error) => {
                let text = go_url_error(&Method::POST, &url, &error);
                let transient = text.ends_with("connection reset by peer");
                Err(PostError { text, transient })
            }
        }
    }
}

/// What an answer that is no success says (`errors.NewGenericServerResponse`).
fn refusal(answer: &Response<Bytes>) -> PostError {
    let code = answer.status().as_u16();
    let transient =
        matches!(code, 429 | 500 | 504) || answer.headers().contains_key(header::RETRY_AFTER);
    let arena = Bump::new();
    let status = parse_any(answer.body(), &arena).ok();
    let status = status.filter(|status| status.str_at(&["kind"]) == "Status");
    if let Some(status) = status {
        return PostError { text: status.str_at(&["message"]).to_owned(), transient };
    }
    let body = String::from_utf8_lossy(answer.body());
    let body = body.trim();
    let text = match code {
        401 => "the server has asked for the client to provide credentials".to_owned(),
        403 => body.to_owned(),
        404 => "the server could not find the requested resource".to_owned(),
        405 => "the server does not allow this method on the requested resource".to_owned(),
        429 => "the server has received too many requests and has asked us to try again later"
            .to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        504 => "the server was unable to return a response in the time allotted, but may still be \
                processing the request"
            .to_owned(),
        400 => "the server rejected our request for an unknown reason".to_owned(),
        500.. => {
            let shown = if body.is_empty() { "unknown" } else { body };
            format!("an error on the server ({shown:?}) has prevented the request from succeeding")
        }
        _ => format!(
            "the server responded with the status code {code} but did not return more information"
        ),
    };
    PostError { text, transient }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: u16, body: &'static str) -> (String, bool) {
        let answer = Response::builder().status(code).body(Bytes::from_static(body.as_bytes()));
        let PostError { text, transient } = refusal(&answer.unwrap());
        (text, transient)
    }

    #[test]
    fn refusals_are_told_as_upstream_tells_them() {
        let status = r#"{"kind":"Status","message":"no","code":403}"#;
        assert_eq!(told(403, status), ("no".to_owned(), false));
        let text = r#"an error on the server ("oh") has prevented the request from succeeding"#;
        assert_eq!(told(500, "oh\n"), (text.to_owned(), true));
        assert!(told(418, "").0.contains("the status code 418"));
    }

    #[test]
    fn the_header_is_never_shown() {
        let trust = crate::client::Trust::new(crate::client::Roots::System, None);
        let target = Target::of_url(trust);
        let end = Endpoint::new("https://a".into(), target, Some("Bearer hush".into()));
        assert!(!format!("{end:?}").contains("hush"));
    }
}
