//! `/debug/*`: what the running server can tell of itself. Reached like every other path, so only
//! by who is authorized; all that is told of all shards is gathered from them. `--profiling=false`
//! leaves all but the dumps of flow control out, as upstream leaves out its profiles.

mod latency;
mod plot;
mod priority;
mod profile;
mod sampling;
mod shards;
mod stacks;

use crate::http::Body;
use crate::http::HeaderValue;
use crate::http::Method;
use crate::http::Response;
use crate::http::StatusCode;
use crate::http::header;
use crate::request::Query;
use crate::server::shard::Shard;
use latency::Form;

/// Answers a path below `/debug/`; `None` for one that is not there.
pub(in crate::server) async fn answer(
    shard: &Shard,
    (method, path): (&Method, &str),
    (query, accept): (Query<'_>, &str),
) -> Option<Response> {
    let rest = path.strip_prefix("/debug/")?;
    if let Some(name) = rest.strip_prefix("api_priority_and_fairness/") {
        return priority::answer(shard, name, query).await;
    }
    if !shard.config.profiling {
        return None;
    }
    match rest {
        "latency" => Some(latency::answer(shard, Form::asked(query, accept)).await),
        "shards" => Some(shards::answer(shard, Form::asked(query, accept)).await),
        "pprof" => Some(redirect(method, "/debug/pprof/")),
        _ => profile::answer(rest, query).await,
    }
}

/// As Go's `http.Redirect`: only who reads is shown the link.
fn redirect(method: &Method, to: &'static str) -> Response {
    let to_header = HeaderValue::from_static(to);
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Response::new(StatusCode::FOUND, Body::empty()).with(header::LOCATION, to_header);
    }
    let body = format!("<a href=\"{to}\">Found</a>.\n\n");
    Response::new(StatusCode::FOUND, Body::full(body))
        .with(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
        .with(header::LOCATION, to_header)
}

fn text(text: String) -> Response {
    Response::text(StatusCode::OK, text)
}

/// A page that needs nothing else.
fn page(title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><meta charset=utf-8><title>kubering: {title}</title><style>\
         body{{font:14px sans-serif;margin:2em}}td,th{{padding:2px 10px;text-align:left}}\
         .n{{text-align:right}}text{{font-size:12px}}</style><h1>{title}</h1>{body}\n"
    );
    Response::text(StatusCode::OK, text)
        .instead(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
}

/// Text inside of markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
