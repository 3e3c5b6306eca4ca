//! The audit of requests as they pass: begun once the user is known, ended with the answer
//! (`filters.WithAudit`, `filters.WithFailedAuthenticationAudit`).

use crate::api::Head;
use crate::api::call::read_body;
use crate::audit::{Auditor, Journal, Policy, Seen, SenderOptions, Sink, Trail};
use crate::client::{Client, kubeconfig};
use crate::config::{AuditWebhook, Config};
use crate::http::{Request, RequestBody, Response, Uri, header};
use crate::request::{Context, Fault, RequestInfo};
use crate::server::pki;
use crate::server::shard::Shard;
use std::sync::Arc;

/// Headers in which proxies tell for whom they ask, the farthest first.
const FORWARDED_FOR: &str = "x-forwarded-for";
const REAL_IP: &str = "x-real-ip";

/// The policy and the way to the journal, for all shards.
#[derive(Debug, Clone)]
pub(in crate::server) struct Auditing {
    policy: Arc<Policy>,
    sinks: Vec<Sink>,
}

impl Auditing {
    /// Starts the journal if flags ask for one.
    ///
    /// # Errors
    /// The line for the operator.
    pub(in crate::server) fn start(
        config: &Config,
        client: &Client,
    ) -> Result<Option<Self>, String> {
        let audit = &config.audit;
        let policy = match &audit.policy_file {
            Some(path) => {
                let source = pki::read("audit-policy-file", path)?;
                let policy = Policy::parse(&source);
                policy.map_err(|error| format!("--audit-policy-file: {error}"))?
            }
            None if audit.log.is_some() || audit.webhook.is_some() => {
                log::warn!("the audit backends do nothing without --audit-policy-file");
                return Ok(None);
            }
            None => return Ok(None),
        };
        let mut sinks = Vec::new();
        if let Some(options) = audit.log.clone() {
            let (journal, _) =
                Journal::start(options).map_err(|error| format!("--audit-log-path: {error}"))?;
            let (legacy, event_bytes_max) = (audit.legacy, audit.event_bytes_max);
            sinks.push(Sink { journal, plugin: "log", legacy, event_bytes_max });
        }
        if let Some(webhook) = &audit.webhook {
            sinks.push(sender(webhook, client)?);
        }
        if sinks.is_empty() {
            log::warn!("--audit-policy-file does nothing without an audit backend");
            return Ok(None);
        }
        Ok(Some(Self { policy: Arc::new(policy), sinks }))
    }

    /// Waits until what is queued is written.
    pub(in crate::server) fn flush(&self) {
        self.sinks.iter().for_each(|sink| sink.journal.flush());
    }

    /// The audit of one shard.
    pub(in crate::server) fn auditor(self) -> Auditor {
        Auditor::new(self.policy, self.sinks)
    }
}

/// The way to the webhook.
fn sender(webhook: &AuditWebhook, client: &Client) -> Result<Sink, String> {
    let flag = "--audit-webhook-config-file";
    let endpoint =
        kubeconfig::read(&webhook.config_file).map_err(|why| format!("{flag}: {why}"))?;
    let options = SenderOptions {
        client: client.clone(),
        endpoint,
        mode: webhook.mode,
        queue_max: webhook.queue_max,
        batch_max: webhook.batch_max,
        wait_max: webhook.wait_max,
        throttle: webhook.throttle,
        first_wait: webhook.first_wait,
        batch_bytes_max: webhook.bytes_max.map(|(batch, _)| batch),
    };
    let (journal, _) = options.start().map_err(|error| format!("{flag}: {error}"))?;
    let event_bytes_max = webhook.bytes_max.map(|(_, event)| event);
    Ok(Sink { journal, plugin: "webhook", legacy: false, event_bytes_max })
}

/// The audit of one request.
pub(in crate::server) struct Audit<'r> {
    pub(in crate::server) id: &'r str,
    pub(in crate::server) uri: &'r Uri,
    /// Where the trail is kept, outside of what a deadline may drop.
    pub(in crate::server) trail: &'r mut Option<Trail>,
}

impl Audit<'_> {
    /// Begins the trail. False if the request must fail, for it cannot be told.
    pub(in crate::server) async fn begin(
        &mut self,
        shard: &Shard,
        context: &Context,
        info: &RequestInfo<'_>,
        verb: &str,
        request: &Request,
    ) -> bool {
        let Some(auditor) = &shard.auditor else { return true };
        let uri = self.uri.path_and_query().map_or("", |both| both.as_str());
        let seen = Seen { id: self.id, uri, verb, agent: &context.user_agent, info };
        *self.trail = auditor.begin(seen, Some(&context.user), || sources(request));
        match self.trail {
            Some(trail) => trail.received().await,
            None => true,
        }
    }

    /// Tells of a request whose user is not known.
    pub(in crate::server) async fn refused(
        &self,
        shard: &Shard,
        agent: &str,
        info: &RequestInfo<'_>,
        verb: &str,
        request: &Request,
    ) {
        let Some(auditor) = &shard.auditor else { return };
        let uri = self.uri.path_and_query().map_or("", |both| both.as_str());
        let seen = Seen { id: self.id, uri, verb, agent, info };
        if let Some(trail) = auditor.begin(seen, None, || sources(request)) {
            trail.refused().await;
        }
    }

    /// Shows a write's body to the trail on its way to the handler.
    ///
    /// # Errors
    /// 413 and 400, as for a handler that reads it itself.
    pub(in crate::server) async fn body(
        &mut self,
        body: RequestBody,
        (head, context): (Head<'_>, &Context),
    ) -> Result<RequestBody, Fault> {
        let Some(trail) = self.trail.as_mut().filter(|_| !body.is_empty()) else {
            return Ok(body);
        };
        let bytes = read_body(body).await?;
        // An object is told as it is understood, defaults and all; only what is no object, or not
        // all of one, as it was sent.
        let object = matches!(head.method, "POST" | "PUT");
        context.shows.set(object && trail.shows_request());
        trail.request_body(&bytes, head.content_type, !object);
        Ok(RequestBody::full(bytes))
    }
}

/// Ends the trail with the answer; one that lasts keeps it until it has been sent.
pub(in crate::server) async fn end(
    mut trail: Trail,
    (context, lasts): (&Context, bool),
    response: &mut Response,
) {
    trail.learned(context);
    let content_type = response.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    trail.answer(response.status.as_u16(), response.body.whole(), content_type);
    if response.body.length().is_some() && response.upgrade.is_none() {
        // Of a request that could have lasted the beginning is told, even if it did not.
        if lasts {
            trail.started().await;
        }
        trail.completed().await;
        return;
    }
    trail.started().await;
    let others = response.held.take();
    response.held = Some(Box::new((trail, others)));
}

/// Where a request came from, the client first (`utilnet.SourceIPs`).
fn sources(request: &Request) -> Vec<String> {
    let mut sources: Vec<String> = Vec::new();
    let mut add = |text: &str| {
        let text = text.trim();
        if text.parse::<std::net::IpAddr>().is_ok() && !sources.iter().any(|known| known == text) {
            sources.push(text.to_owned());
        }
    };
    let forwarded = request.header(FORWARDED_FOR).unwrap_or_default();
    forwarded.split(',').for_each(&mut add);
    add(request.header(REAL_IP).unwrap_or_default());
    add(&request.peer.address.ip().to_string());
    sources
}
