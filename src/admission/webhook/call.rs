//! One exchange with a webhook (`mutatingDispatcher.callAttrMutatingHook`,
//! `validatingDispatcher.callHook`).

use super::Stage;
use super::hook::{Hook, Place};
use super::matching::Invocation;
use super::resolve::resolve_service;
use super::review::{self, Objects, Verdict};
use crate::base::ids;
use crate::client::Target;
use crate::request::{Attributes, Fault};
use bytes::Bytes;
use std::sync::Arc;

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
    if let Some((namespace, name, port)) = service {
        let found = resolve_service(stage.reader, namespace, name, port).await;
        target.address = Some(found.map_err(|why| format!("Post {url:?}: {why}"))?);
    }
    stage.client.post(&target, &url, body, hook.timeout).await
}
