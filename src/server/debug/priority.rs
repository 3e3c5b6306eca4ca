//! `/debug/api_priority_and_fairness/dump_*`.

use super::text;
use crate::flow::Dump;
use crate::http::Response;
use crate::request::Query;
use crate::server::gather::gather;
use crate::server::shard::Shard;

/// Answers one of the three dumps; `None` for another name, or without priority and fairness.
pub(super) async fn answer(shard: &Shard, name: &str, query: Query<'_>) -> Option<Response> {
    if !shard.config.requests.priority_and_fairness {
        return None;
    }
    let details = !query.text("includeRequestDetails").is_empty();
    let dump = Dump::of(name, details)?;
    let shards = gather(shard, move |shard| shard.gate.flow().dump(dump)).await;
    Some(text(dump.text(shards)))
}
