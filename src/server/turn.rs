//! A request's turn: its priority and the seats it takes (`WithPriorityAndFairness`).

use crate::api::answer::Answer;
use crate::base::limits::REQUESTS_IN_FLIGHT_MAX;
use crate::catalog::catalog;
use crate::config::Config;
use crate::flow::{Digest, Flow, Known, Refused, Seat, Seats};
use crate::metrics::Tally;
use crate::request::{Context, Query, RequestInfo, Verb};
use crate::server::filters;
use crate::server::shard::Shard;
use std::rc::Rc;
use std::time::Duration;

/// The longest wait (`maxQueueWaitTime` upstream).
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The seats that a shard deals: its part of the operator's two limits together.
pub(in crate::server) fn seats(config: &Config, shard: usize) -> Seats {
    let requests = &config.requests;
    let total = requests.mutating_max.saturating_add(requests.read_only_max);
    let process = if total == 0 { REQUESTS_IN_FLIGHT_MAX } else { total };
    Seats { process, shard, shards: config.shards.max(1) }
}

/// Finds out what flow schema and priority level the request has, and waits for its turn. `None`
/// if it needs none.
///
/// # Errors
/// 429, with the seconds after which the client may try again.
pub(in crate::server) async fn take(
    flow: &Flow,
    shard: &Shard,
    context: &mut Context,
    (info, verb, query): (&RequestInfo<'_>, &str, Query<'_>),
) -> Result<Option<Seat>, Box<Answer>> {
    let config = &shard.config;
    if !config.requests.priority_and_fairness || filters::is_exempt_from_flow(info) {
        return Ok(None);
    }
    let user = Rc::clone(&context.user);
    let digest = Digest { user: &user, info, verb };
    let Some(class) = flow.classify(digest) else { return Ok(None) };
    context.flow = Some([class.schema_uid().clone(), class.level_uid()]);
    let wait = wait_max(config, info, query);
    let taken = flow.enter(&class, digest, query, || known(shard, info), wait).await;
    taken.map(Some).map_err(|Refused { retry_seconds }| {
        shard.metrics.tally(Tally::TerminatedTooMany);
        let answer = Answer::text(429, "Too many requests, please try again later.\n");
        Box::new(Answer { retry_seconds, ..answer })
    })
}

/// What the cache knows of the resource.
fn known(shard: &Shard, info: &RequestInfo<'_>) -> Known {
    let resource = catalog().resource(info.group, info.version, info.resource);
    let Some(storage) = resource.and_then(|resource| resource.storage) else {
        return Known::default();
    };
    let found = shard.cache.estimate(storage);
    let (objects, object_bytes) = (found.objects, found.object_bytes);
    Known { objects, object_bytes, watchers: found.watchers }
}

/// How long a request may wait for seats: a quarter of its time, at most a minute
/// (`getRequestWaitContext`).
fn wait_max(config: &Config, info: &RequestInfo<'_>, query: Query<'_>) -> Duration {
    let lasts = info.verb == Verb::Watch;
    let limit = if lasts { None } else { filters::deadline(config, query).ok() };
    (limit.unwrap_or(config.requests.timeout) / 4).min(WAIT_MAX)
}
