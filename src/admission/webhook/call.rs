//! One exchange with a webhook (`mutatingDispatcher.callAttrMutatingHook`,
//! `validatingDispatcher.callHook`).

use super::Stage;
use super::hook::{Hook, Place};
use super::matching::Invocation;
use super::resolve::resolve_service;
use super::review::{self, Objects, Verdict};
use crate::base::ids;
use crate::client::{ClientError, Target, go_url_error};
use crate::request::{Attributes, Fault};
use bytes::Bytes;
use http::header;
use http::{Method, Request};
use std::sync::Arc;

/// Bytes of an answer that is no object which messages show.
const SHOWN_BYTES_MAX: usize = 2_048;

/// Why a webhook has said nothing.
#[derive(Debug)]
pub(super) enum Unheard {
    /// Calling it failed: its failure policy decides. The text of `ErrCallingWebhook`.
    Failed(String),
    /// The request is refused whatever the policy says.
    Refused(Fault),
}

/// Asks the hook; what it says beside its verdict goes to the context.
pub(super) async fn ask(
    stage: Stage<'_>,
    hook: &Hook,
    at: &Attributes<'_>,
    invocation: Invocation,
    objects: &Objects,
    mutating: bool,
) -> Result<Verdict, Unheard> {
    if at.dry_run && !hook.takes_dry_run {
        let text = format!("admission webhook {:?} does not support dry run", hook.name);
        return Err(Unheard::Refused(Fault::BadRequest(text)));
    }
    let failed =
        |why: String| Unheard::Failed(format!("failed calling webhook {:?}: {why}", hook.name));
    let Some(form) = hook.form else {
        let why = "could not create admission objects: webhook does not accept known \
                   AdmissionReview versions (v1, v1beta1)";
        return Err(failed(why.to_owned()));
    };
    let uid = ids::uuid();
    let body = review::request(&uid, form, at, invocation, objects);
    let answered = exchange(stage, hook, body).await;
    let body = answered.map_err(|why| failed(format!("failed to call webhook: {why}")))?;
    let verdict = review::read(hook, form, &uid, mutating, &body).map_err(failed)?;
    for (key, value) in &verdict.annotations {
        at.context.annotate(key.clone(), value.clone());
    }
    for warning in &verdict.warnings {
        at.context.warn(warning.clone());
    }
    Ok(verdict)
}

/// The body of the answer, or client-go's text of why there is none.
async fn exchange(stage: Stage<'_>, hook: &Hook, body: Vec<u8>) -> Result<Bytes, String> {
    let timeout = format!("timeout={}s", hook.timeout.as_secs());
    let mut target = Target::of_url(Arc::clone(&hook.trust));
    let mut service = None;
    let url = match &hook.place {
        Place::Url(url) if url.contains('?') => format!("{url}&{timeout}"),
        Place::Url(url) => format!("{url}?{timeout}"),
        Place::Service { namespace, name, path, port } => {
            let host = format!("{name}.{namespace}.svc");
            let slash = if path.starts_with('/') { "" } else { "/" };
            let url = format!("https://{host}:{port}{slash}{path}?{timeout}");
            target.server_name = Some(host);
            service = Some((namespace, name, *port));
            url
        }
    };
    let told = |error: &ClientError| go_url_error(&Method::POST, &url, error);
    if let Some((namespace, name, port)) = service {
        let found = resolve_service(stage.reader, namespace, name, port).await;
        target.address = Some(found.map_err(|why| told(&ClientError::Dial(why)))?);
    }
    let request = Request::post(&url)
        .header(header::ACCEPT, "application/json, */*")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "kube-apiserver-admission")
        .body(Bytes::from(body))
        .map_err(|error| format!("{url}: {error}"))?;
    let answered = stage.client.call(&target, request, hook.timeout).await;
    let response = answered.map_err(|error| told(&error))?;
    let code = response.status().as_u16();
    if (200..=206).contains(&code) {
        return match response.body().is_empty() {
            false => Ok(response.into_body()),
            true => {
                let media = content_type(&response);
                Err(format!("0-length response with status code: {code} and content type: {media}"))
            }
        };
    }
    Err(unexpected(code, &content_type(&response), response.body()))
}

fn content_type(response: &http::Response<Bytes>) -> String {
    let value = response.headers().get(header::CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or("").to_owned()
}

/// client-go's words for an answer that is no success: those of the Status in it, else
/// `NewGenericServerResponse`.
fn unexpected(code: u16, content_type: &str, body: &[u8]) -> String {
    let arena = bumpalo::Bump::new();
    if let Ok(status) = crate::codec::json::parse_any(body, &arena)
        && status.str_at(&["kind"]) == "Status"
        && status.str_at(&["status"]) == "Failure"
    {
        return status.str_at(&["message"]).to_owned();
    }
    let shown = body.get(..SHOWN_BYTES_MAX).unwrap_or(body);
    let is_text = content_type.is_empty() || content_type.starts_with("text/");
    let shown = match is_text {
        true => String::from_utf8_lossy(shown).trim().to_owned(),
        false => "unknown".to_owned(),
    };
    let fixed = match code {
        409 => "the server reported a conflict",
        404 => "the server could not find the requested resource",
        400 => "the server rejected our request for an unknown reason",
        401 => "the server has asked for the client to provide credentials",
        403 | 415 => return shown,
        406 if !shown.is_empty() && shown != "unknown" => return shown,
        406 => "the server was unable to respond with a content type that the client supports",
        405 => "the server does not allow this method on the requested resource",
        422 => "the server rejected our request due to an error in our request",
        503 => "the server is currently unable to handle the request",
        504 => {
            "the server was unable to return a response in the time allotted, but may still be \
             processing the request"
        }
        429 => "the server has received too many requests and has asked us to try again later",
        500.. => {
            return format!(
                "an error on the server ({shown:?}) has prevented the request from succeeding"
            );
        }
        _ => {
            return format!(
                "the server responded with the status code {code} but did not return more \
                 information"
            );
        }
    };
    fixed.to_owned()
}
