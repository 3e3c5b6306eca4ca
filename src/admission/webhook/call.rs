//! One exchange with a webhook (`mutatingDispatcher.callAttrMutatingHook`,
//! `validatingDispatcher.callHook`).

use super::Stage;
use super::hook::{Hook, Place};
use super::matching::Invocation;
use super::resolve::resolve_service;
use super::review::{self, Objects, Verdict};
use crate::base::{clock, ids};
use crate::client::{RestError, Target};
use crate::metrics::{Recorder, instruments};
use crate::request::{Attributes, Fault};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// The code of a hook that cannot be reached, or says nothing that can be understood.
const UNAVAILABLE: u16 = 503;
/// Figures know no higher code.
const CODE_MAX: u16 = 600;

/// Why a webhook has said nothing.
#[derive(Debug)]
pub(super) enum Unheard {
    /// Calling it failed: its failure policy decides. The text of `ErrCallingWebhook`, and the code
    /// that figures tell.
    Failed(String, u16),
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
    let failed = |why: String, code| {
        Unheard::Failed(format!("failed calling webhook {:?}: {why}", hook.name), code)
    };
    let Some(form) = hook.form else {
        let why = "could not create admission objects: webhook does not accept known \
                   AdmissionReview versions (v1, v1beta1)";
        return Err(failed(why.to_owned(), 400));
    };
    let uid = ids::uuid();
    let body = review::request(&uid, form, at, invocation, objects);
    let answered = exchange(stage, hook, body).await;
    let body = answered
        .map_err(|why| failed(format!("failed to call webhook: {}", why.text), why.code))?;
    let verdict = review::read(hook, form, &uid, mutating, &body);
    let verdict = verdict.map_err(|why| failed(why, UNAVAILABLE))?;
    for (key, value) in &verdict.annotations {
        at.context.annotate(key.clone(), value.clone());
    }
    for warning in &verdict.warnings {
        at.context.warn(warning.clone());
    }
    Ok(verdict)
}

/// The body of the answer, or client-go's text of why there is none.
async fn exchange(stage: Stage<'_>, hook: &Hook, body: Vec<u8>) -> Result<Bytes, RestError> {
    let timeout = format!("timeout={}s", hook.timeout.as_secs());
    let mut target = Target::of_url(Arc::clone(&hook.trust));
    target.authorization.clone_from(&hook.authorization);
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
    if let Some((namespace, name, port)) = service {
        let found = resolve_service(stage.reader, namespace, name, port).await;
        target.address = Some(found.map_err(|why| RestError {
            code: UNAVAILABLE,
            text: format!("Post {url:?}: {why}"),
        })?);
    }
    stage.client.post(&target, &url, body, hook.timeout).await
}

/// What becomes of a call, as figures tell it.
struct Outcome {
    code: u16,
    /// The kind of a refusal.
    refused: Option<&'static str>,
    failed_open: bool,
}

impl Outcome {
    fn of<T>(hook: &Hook, told: &Result<T, Unheard>) -> Self {
        let refused = |code, kind| Self { code, refused: Some(kind), failed_open: false };
        match told {
            Ok(_) => Self { code: 200, refused: None, failed_open: false },
            Err(Unheard::Failed(_, code)) if hook.fails_open => {
                Self { code: *code, refused: None, failed_open: true }
            }
            Err(Unheard::Failed(_, code)) => refused(*code, "calling_webhook_error"),
            Err(Unheard::Refused(Fault::Denied(denial))) => refused(denial.code, "no_error"),
            Err(Unheard::Refused(_)) => refused(0, "apiserver_internal_error"),
        }
    }
}

/// Counts a call that began at `begun` (`ObserveWebhook`, `ObserveWebhookRejection`); `kind` is
/// `admit` or `validating`.
pub(super) fn count<T>(
    metrics: &Recorder,
    (hook, kind, operation): (&Hook, &str, &str),
    begun: Instant,
    told: &Result<T, Unheard>,
) {
    let Outcome { code, refused, failed_open } = Outcome::of(hook, told);
    let code = code.min(CODE_MAX).to_string();
    let (name, rejected) = (&*hook.name, if refused.is_some() { "true" } else { "false" });
    if let Some(error) = refused {
        let values = [error, name, operation, &code, kind];
        metrics.count(&instruments::WEBHOOK_REJECTIONS, &values);
    }
    let took = clock::now().saturating_duration_since(begun);
    metrics.count(&instruments::WEBHOOK_REQUESTS, &[&code, name, operation, rejected, kind]);
    metrics.observe(&instruments::WEBHOOK_SECONDS, &[name, operation, rejected, kind], took);
    if failed_open {
        metrics.count(&instruments::WEBHOOK_FAILED_OPEN, &[name, kind]);
    }
}
