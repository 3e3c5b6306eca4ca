//! `/debug/pprof/*` and `/debug/flamegraph`: paths, parameters and answers as Go's
//! (`net/http/pprof`), which kube-apiserver serves.

use super::sampling::{Refused, take};
use super::{page, text};
use crate::base::limits::{PROFILE_SECONDS, PROFILE_SECONDS_MAX};
use crate::http::{Body, HeaderValue, Response, StatusCode, header};
use crate::request::Query;
use std::time::Duration;

/// What a profile looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A picture.
    Flamegraph,
    /// The message that `go tool pprof` reads.
    Pprof,
}

/// What takes a profile from outside.
const HOW: &str = "\
No profile can be taken here: REASON
From outside, with the kernel's part of its work:

    perf record -F 999 -g -p PROCESS -- sleep 30
    perf script | inferno-collapse-perf | inferno-flamegraph > flamegraph.svg
";
/// Go's profiles; what they show is Go's.
const OF_GO: [&str; 7] = ["allocs", "block", "goroutine", "heap", "mutex", "threadcreate", "trace"];

/// Answers a path below `/debug/`.
pub(super) async fn answer(rest: &str, query: Query<'_>) -> Option<Response> {
    match rest {
        "pprof/" => Some(page(
            "profiling",
            "<ul><li><a href=\"/debug/pprof/cmdline\">cmdline</a>: the command line\
             <li><a href=\"/debug/pprof/profile\">profile</a>: where the CPU goes, for `go tool \
             pprof`; `?seconds=30` says how long\
             <li><a href=\"/debug/flamegraph\">flamegraph</a>: the same as a picture\
             <li><a href=\"/debug/pprof/symbol\">symbol</a>: none, profiles name their functions\
             <li><a href=\"/debug/latency\">latency</a>\
             <li><a href=\"/debug/shards\">shards</a></ul>",
        )),
        // As Go's: the arguments, apart by NUL.
        "pprof/cmdline" => Some(text(std::env::args().collect::<Vec<_>>().join("\0"))),
        // How a server says that it resolves no addresses.
        "pprof/symbol" => Some(text("num_symbols: 0\n".to_owned())),
        "pprof/profile" => Some(profile(Form::Pprof, query).await),
        "flamegraph" | "pprof/flamegraph" => Some(profile(Form::Flamegraph, query).await),
        _ => {
            let name = rest.strip_prefix("pprof/")?;
            OF_GO.contains(&name).then(|| {
                let text = format!("{name} is a profile of Go's runtime; kubering has none.\n");
                Response::text(StatusCode::NOT_IMPLEMENTED, text)
            })
        }
    }
}

async fn profile(form: Form, query: Query<'_>) -> Response {
    // As Go: what is no number, or none above zero, is not given.
    let given = query.first("seconds").and_then(|text| text.parse::<u64>().ok());
    let seconds = given.filter(|seconds| *seconds > 0).unwrap_or(PROFILE_SECONDS);
    if seconds > PROFILE_SECONDS_MAX {
        let text = format!("profile duration exceeds {PROFILE_SECONDS_MAX} seconds\n");
        return Response::text(StatusCode::BAD_REQUEST, text);
    }
    match take(Duration::from_secs(seconds), form).await {
        Ok(bytes) => {
            let (media, name) = match form {
                Form::Flamegraph => ("image/svg+xml", "inline; filename=\"flamegraph.svg\""),
                Form::Pprof => ("application/octet-stream", "attachment; filename=\"profile\""),
            };
            Response::new(StatusCode::OK, Body::full(bytes))
                .with(header::CONTENT_TYPE, HeaderValue::from_static(media))
                .with(header::CONTENT_DISPOSITION, HeaderValue::from_static(name))
        }
        Err(Refused::Failed(text)) => Response::text(StatusCode::INTERNAL_SERVER_ERROR, text),
        Err(Refused::Unsafe(reason)) => {
            let how = HOW.replace("PROCESS", &std::process::id().to_string());
            Response::text(StatusCode::NOT_IMPLEMENTED, how.replace("REASON", reason.trim_end()))
        }
    }
}
