//! `/debug/*`: what the running server can tell of itself. Reached like every other path, so only
//! by who is authorized; all that is told of all shards is gathered from them.

mod priority;

use crate::http::Response;
use crate::http::StatusCode;
use crate::request::Query;
use crate::server::shard::Shard;

/// Answers a path below `/debug/`; `None` for one that is not there.
pub(in crate::server) async fn answer(
    shard: &Shard,
    path: &str,
    query: Query<'_>,
) -> Option<Response> {
    let rest = path.strip_prefix("/debug/")?;
    if let Some(name) = rest.strip_prefix("api_priority_and_fairness/") {
        return priority::answer(shard, name, query).await;
    }
    None
}

fn text(text: String) -> Response {
    Response::text(StatusCode::OK, text)
}
