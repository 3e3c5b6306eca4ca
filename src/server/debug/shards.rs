//! `/debug/shards`: what each shard holds and what waits in it, and whose watches were too slow.

use super::latency::Form;
use super::text;
use crate::http::{Response, StatusCode};
use crate::metrics::{RequestKind, SlowWatcher};
use crate::server::gather::gather;
use crate::server::shard::Shard;
use serde_json::{Value, json};
use std::fmt::Write;

/// One shard at a glance.
#[derive(Debug)]
struct State {
    id: usize,
    connections: usize,
    reading: usize,
    writing: usize,
    /// Messages of other shards that wait.
    inbox: usize,
    /// Requests of all shards that wait for the store.
    store_queue: usize,
    /// Batches of the store that wait to be applied.
    feed: usize,
    applied: u64,
    committed: u64,
    frames_queued: u64,
    slow: u64,
    slow_watchers: Vec<SlowWatcher>,
    /// Name, objects owned, watchers, window.
    partitions: Vec<(String, usize, usize, usize)>,
}

/// Asks all shards and answers. A shard that does not answer is missing.
pub(super) async fn answer(shard: &Shard, form: Form) -> Response {
    let states = gather(shard, look).await;
    match form {
        Form::Json => Response::json(StatusCode::OK, json(&states).to_string()),
        Form::Html | Form::Text => text(table(&states)),
    }
}

fn look(shard: &Shard) -> State {
    let (metrics, cache) = (&shard.metrics, &shard.cache);
    let queues = cache.queues();
    let mut partitions: Vec<_> = cache
        .counts()
        .into_iter()
        .filter(|counts| counts.objects + counts.watchers + counts.window > 0)
        .map(|counts| {
            let name =
                counts.storage.map_or("(other keys)".to_owned(), |storage| match storage.group {
                    "" => storage.resource.to_owned(),
                    group => format!("{}.{group}", storage.resource),
                });
            (name, counts.objects, counts.watchers, counts.window)
        })
        .collect();
    partitions.sort();
    State {
        id: shard.id,
        connections: shard.listener.connections.open(),
        reading: metrics.in_flight_count(RequestKind::ReadOnly),
        writing: metrics.in_flight_count(RequestKind::Mutating),
        inbox: queues.inbox,
        store_queue: queues.store,
        feed: queues.feed,
        applied: cache.applied(),
        committed: cache.committed(),
        frames_queued: cache.frames_queued(),
        slow: cache.slow_watchers(),
        slow_watchers: metrics.slow_watchers(),
        partitions,
    }
}

fn json(states: &[State]) -> Value {
    let one = |state: &State| {
        let partition = |(name, objects, watchers, window): &(String, usize, usize, usize)| {
            json!({
                "resource": name, "objects": objects, "watchers": watchers, "window": window,
            })
        };
        let slow = |slow: &SlowWatcher| {
            let (user, resource) = (&slow.user, &slow.resource);
            json!({ "user": user, "resource": resource, "ended": slow.count })
        };
        json!({
            "shard": state.id,
            "connections": state.connections,
            "reading": state.reading,
            "writing": state.writing,
            "inbox": state.inbox,
            "storeQueue": state.store_queue,
            "feed": state.feed,
            "applied": state.applied,
            "committed": state.committed,
            "framesQueued": state.frames_queued,
            "slowWatchersEnded": state.slow,
            "slowWatchers": state.slow_watchers.iter().map(slow).collect::<Vec<_>>(),
            "partitions": state.partitions.iter().map(partition).collect::<Vec<_>>(),
        })
    };
    Value::Array(states.iter().map(one).collect())
}

fn table(states: &[State]) -> String {
    let mut out = String::from(
        "SHARD  CONNECTIONS  READING  WRITING  INBOX  STORE QUEUE  FEED     APPLIED   COMMITTED  \
         FRAMES QUEUED  SLOW WATCHES ENDED\n",
    );
    for s in states {
        writeln!(
            out,
            "{:<7}{:>11}{:>9}{:>9}{:>7}{:>13}{:>6}{:>12}{:>12}{:>15}{:>20}",
            s.id,
            s.connections,
            s.reading,
            s.writing,
            s.inbox,
            s.store_queue,
            s.feed,
            s.applied,
            s.committed,
            s.frames_queued,
            s.slow
        )
        .ok();
    }
    let [resource, objects, watchers, window] = ["RESOURCE", "OBJECTS", "WATCHERS", "WINDOW"];
    writeln!(out, "\nSHARD  {resource:<50}{objects:>9}{watchers:>10}{window:>8}").ok();
    for state in states {
        for (name, objects, watchers, window) in &state.partitions {
            let id = state.id;
            writeln!(out, "{id:<7}{name:<50}{objects:>9}{watchers:>10}{window:>8}").ok();
        }
    }
    out.push_str("\nWatches that were ended because they read too slowly:\n");
    let mut none = true;
    for slow in states.iter().flat_map(|state| &state.slow_watchers) {
        none = false;
        writeln!(out, "{:>8} of {} by {}", slow.count, slow.resource, slow.user).ok();
    }
    if none {
        out.push_str("none\n");
    }
    out
}
