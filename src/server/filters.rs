//! The filters around all handlers that look at no content: deadlines, the limits on requests at
//! once, turning requests away while the server drains, a few headers, and figures.

use crate::api::answer::Answer;
use crate::api::form::Form;
use crate::base::duration;
use crate::base::ids;
use crate::base::limits::REQUESTS_IN_FLIGHT_MAX;
use crate::catalog::catalog;
use crate::config::Config;
use crate::flow::Seat;
use crate::http::HeaderValue;
use crate::http::Method;
use crate::http::Response;
use crate::http::StatusCode;
use crate::http::Version;
use crate::http::header;
use crate::metrics::InFlight;
use crate::metrics::Labels;
use crate::metrics::Laps;
use crate::metrics::LongRunning;
use crate::metrics::Phase;
use crate::metrics::Recorder;
use crate::metrics::RequestKind;
use crate::metrics::Tally;
use crate::request::Fault;
use crate::request::Query;
use crate::request::RequestInfo;
use crate::request::User;
use crate::request::Verb;
use crate::rt;
use crate::server::shard::Shard;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

/// Subresources whose requests last (`BasicLongRunningRequestCheck` as kube-apiserver sets it up).
const LASTING_SUBRESOURCES: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];
/// Subresources whose requests count as CONNECT.
const CONNECT_SUBRESOURCES: [&str; 4] = ["attach", "exec", "portforward", "proxy"];
/// The user of requests without credentials.
const ANONYMOUS: &str = "system:anonymous";
/// Paths outside of the API that figures name; all others are counted together.
const COUNTED_PATHS: [&str; 9] = [
    "/healthz",
    "/livez",
    "/readyz",
    "/metrics",
    "/version",
    "/openapi/v2",
    "/openapi/v3",
    "/api",
    "/apis",
];

/// Whether a request has no deadline and is not waited for when the server stops.
pub(in crate::server) fn is_long_running(info: &RequestInfo<'_>) -> bool {
    if !info.is_resource {
        return info.path.starts_with("/debug/pprof/") || info.path == "/debug/flamegraph";
    }
    matches!(info.verb, Verb::Watch | Verb::Proxy)
        || LASTING_SUBRESOURCES.contains(&info.subresource)
}

/// Long-running requests other than watches have no turn to wait for.
pub(in crate::server) fn is_exempt_from_flow(info: &RequestInfo<'_>) -> bool {
    info.verb != Verb::Watch && is_long_running(info)
}

/// One request, from when its URL is understood to when its answer has been sent.
pub(in crate::server) struct Entered {
    recorder: Rc<Recorder>,
    labels: Labels<'static>,
    begun: Instant,
    lasts: bool,
    in_flight: Option<InFlight>,
    long_running: Option<LongRunning>,
    seat: Option<Seat>,
    answered: bool,
}

impl Entered {
    /// Counts the request in.
    ///
    /// # Errors
    /// The answer to send instead: the server drains, or has too much to do.
    pub(in crate::server) fn new(
        shard: &Shard,
        info: &RequestInfo<'_>,
        method: &Method,
        query: Query<'_>,
        content_type: &str,
    ) -> Result<Self, Box<Answer>> {
        let recorder = Rc::clone(&shard.metrics);
        let labels = labels(info, method, query, content_type);
        let lasts = is_long_running(info);
        if lasts {
            let long_running = Some(recorder.long_running(&labels));
            let begun = rt::now();
            return Ok(Self {
                recorder,
                labels,
                begun,
                lasts,
                in_flight: None,
                long_running,
                seat: None,
                answered: false,
            });
        }
        if shard.lifecycle.is_draining() && !is_exempt(info.path) {
            return Err(Box::new(draining(shard.config.shutdown.send_retry_after)));
        }
        let kind = match info.verb {
            Verb::Get | Verb::List => RequestKind::ReadOnly,
            _ if !info.is_resource => RequestKind::ReadOnly,
            _ => RequestKind::Mutating,
        };
        if recorder.in_flight_count(kind) >= at_once_max(&shard.config, kind) {
            recorder.tally(Tally::TerminatedTooMany);
            let answer = Answer::text(429, "Too many requests, please try again later.\n");
            return Err(Box::new(Answer { retry_seconds: 1, ..answer }));
        }
        let in_flight = Some(recorder.in_flight(kind));
        Ok(Self {
            recorder,
            labels,
            begun: rt::now(),
            lasts,
            in_flight,
            long_running: None,
            seat: None,
            answered: false,
        })
    }

    /// Runs the rest of the chain, to its deadline.
    ///
    /// # Errors
    /// 400 for a `timeout` that is no duration, 504 when the deadline passes.
    pub(in crate::server) async fn within<T>(
        &self,
        config: &Config,
        query: Query<'_>,
        rest: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        if self.lasts {
            return Ok(rest.await);
        }
        let limit = deadline(config, query)?;
        rt::timeout(limit, rest).await.map_err(|_| {
            self.recorder.tally(Tally::TerminatedTimeout);
            Fault::Timeout {
                message: "request did not complete within the allotted timeout".to_owned(),
                retry_seconds: 0,
                cause: None,
            }
        })
    }

    /// Keeps the request's seats until its answer has been sent; a watch needs none once it has
    /// begun.
    pub(in crate::server) fn keep(&mut self, seat: Option<Seat>) {
        self.seat = seat.filter(|_| !self.lasts);
    }

    /// Counts the answer: now if it is all there, otherwise when it has been sent.
    pub(in crate::server) fn answered(mut self, response: &mut Response, laps: &Laps) {
        let code = response.status.as_u16();
        self.answered = true;
        match response.body.length().filter(|_| response.upgrade.is_none()) {
            Some(bytes) => {
                let bytes = matches!(self.labels.verb, "GET" | "LIST").then_some(bytes);
                let took = (self.begun.elapsed(), laps);
                response.sent = Some(self.recorder.request(&self.labels, code, took, bytes));
            }
            None => {
                let laps = laps.clone();
                response.held = Some(Box::new(Sending { entered: self, code, laps }));
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The client left, or the handler panicked.
        if !self.answered {
            self.recorder.tally(Tally::Aborted);
        }
    }
}

/// A request whose answer is being sent.
struct Sending {
    entered: Entered,
    code: u16,
    laps: Laps,
}

impl Drop for Sending {
    fn drop(&mut self) {
        let Entered { recorder, labels, begun, lasts, .. } = &self.entered;
        // How long a watch lasts says nothing of how it is written.
        if !lasts {
            self.laps.lap(Phase::Write);
        }
        recorder.sent(labels, self.code, (begun.elapsed(), &self.laps));
        // The guards count out as they are dropped.
        self.entered.in_flight = None;
        self.entered.long_running = None;
        self.entered.seat = None;
    }
}

/// The answer to requests that come while the server stops (`WithRetryAfter`, `WithWaitGroup`).
fn draining(send_retry_after: bool) -> Answer {
    if send_retry_after {
        let text = "The apiserver is shutting down, please try again later.\n";
        return Answer { retry_seconds: 5, ..Answer::text(429, text) };
    }
    let fault = Fault::Unavailable("apiserver is shutting down".to_owned());
    Answer { retry_seconds: 1, ..Answer::fault(fault, &Form::JSON) }
}

/// The time that a request has (`WithRequestDeadline`): what it asks for, if that is less than the
/// operator's limit.
pub(in crate::server) fn deadline(config: &Config, query: Query<'_>) -> Result<Duration, Fault> {
    let limit = config.requests.timeout;
    match query.first("timeout") {
        Some(text) if !text.is_empty() => match duration::parse(&text) {
            Ok(nanos) => match u64::try_from(nanos) {
                Ok(nanos @ 1..) => Ok(limit.min(Duration::from_nanos(nanos))),
                _ => Ok(limit),
            },
            Err(words) => {
                let text = format!("invalid timeout specified in the request URL - {words}");
                Err(Fault::BadRequest(text))
            }
        },
        _ => Ok(limit),
    }
}

/// The operator's limits hold for the process and are dealt to its shards. While requests are
/// queued by priority they are no limits but shares, so then only the server's own bound counts.
fn at_once_max(config: &Config, kind: RequestKind) -> usize {
    let own = REQUESTS_IN_FLIGHT_MAX;
    if config.requests.priority_and_fairness {
        return own;
    }
    let limit = match kind {
        RequestKind::Mutating => config.requests.mutating_max,
        RequestKind::ReadOnly => config.requests.read_only_max,
    };
    if limit == 0 { own } else { limit.div_ceil(config.shards).min(own) }
}

/// Paths that are answered to the very end.
fn is_exempt(path: &str) -> bool {
    ["/readyz", "/livez", "/healthz", "/metrics"].iter().any(|exempt| path.starts_with(exempt))
}

/// Headers and the end of the connection, as the operator wants them. HTTP/2 connections of clients
/// that nobody knows end with their requests (gate `UnauthenticatedHTTP2DOSMitigation`).
pub(in crate::server) fn finish(
    shard: &Shard,
    version: Version,
    user: &User,
    response: &mut Response,
) {
    let requests = &shard.config.requests;
    if let Some(directives) = &requests.strict_transport_security
        && let Ok(value) = HeaderValue::from_str(directives)
    {
        response.headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
    response.close |= shard.lifecycle.is_draining();
    if version != Version::HTTP_2 {
        return;
    }
    let drawn = || f64::from(u32::from_le_bytes(ids::random())) / f64::from(u32::MAX);
    response.close |= response.status == StatusCode::UNAUTHORIZED
        || user.name == ANONYMOUS
        || (requests.goaway_chance > 0.0 && drawn() < requests.goaway_chance);
}

/// Upstream's labels (`metrics.CleanVerb`, `CleanScope`). Only names of the catalog become labels.
fn labels(
    info: &RequestInfo<'_>,
    method: &Method,
    query: Query<'_>,
    content_type: &str,
) -> Labels<'static> {
    let none = Labels {
        verb: method_label(method),
        group: "",
        version: "",
        resource: "",
        subresource: "",
        scope: "",
        dry_run: false,
    };
    if !info.is_resource {
        let path = COUNTED_PATHS.into_iter().find(|path| *path == info.path);
        return Labels { subresource: path.unwrap_or_default(), ..none };
    }
    let verb = match info.verb {
        Verb::Watch => "WATCH",
        _ if CONNECT_SUBRESOURCES.contains(&info.subresource) => "CONNECT",
        Verb::List => "LIST",
        Verb::DeleteCollection => "DELETECOLLECTION",
        Verb::Patch if content_type.starts_with("application/apply-patch") => "APPLY",
        _ => none.verb,
    };
    let scope = match (&*info.name, info.verb, info.namespace) {
        ("", Verb::Create, _) => "resource",
        ("", _, "") => "cluster",
        ("", _, _) => "namespace",
        _ => "resource",
    };
    let none = Labels { verb, scope, dry_run: query.first("dryRun").is_some(), ..none };
    let Some(found) = catalog().resource(info.group, info.version, info.resource) else {
        return none;
    };
    Labels {
        group: found.group,
        version: found.version,
        resource: found.name,
        subresource: found.subresource(info.subresource).map_or("", |sub| sub.name),
        ..none
    }
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
