//! What every request goes through, in order, on one screen.

use crate::http::Request;
use crate::http::Response;
use crate::http::StatusCode;
use crate::server::health;
use crate::server::shard::Shard;
use std::rc::Rc;

/// Answers a request.
pub async fn handle(shard: &Rc<Shard>, request: Request) -> Response {
    if let Some(response) = health::answer(shard, request.path(), request.query()) {
        return response;
    }
    Response::text(StatusCode::NOT_FOUND, "404 page not found\n")
}
