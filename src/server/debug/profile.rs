//! `/debug/pprof/*` and `/debug/flamegraph`.
//!
//! The server does not sample itself: every sampler in a process runs in a signal handler, where
//! it may neither allocate nor take a lock, and the crates for it walk the stack with a library
//! that does both; a server that stops for ever while it is looked at is worse than one that is
//! looked at from outside. `perf` needs neither, and sees the kernel's part of io_uring as well.

use super::{page, text};
use crate::http::{Response, StatusCode};

/// What takes a profile from outside.
const HOW: &str = "\
kubering does not sample itself. From outside, with the kernel's part of its work:

    perf record -F 999 -g -p PID -- sleep 30
    perf script | inferno-collapse-perf | inferno-flamegraph > flamegraph.svg

PID is PROCESS. `kubering-perf flamegraph SCENARIO` does this for a scenario. Where requests spend
their time: /debug/latency. Queues: /debug/shards. Figures: /metrics.
";
/// Go's profiles; what they show is Go's.
const OF_GO: [&str; 8] =
    ["allocs", "block", "goroutine", "heap", "mutex", "symbol", "threadcreate", "trace"];

/// Answers a path below `/debug/`.
pub(super) fn answer(rest: &str) -> Option<Response> {
    match rest {
        "pprof" | "pprof/" => Some(page(
            "profiling",
            "<ul><li><a href=\"/debug/pprof/cmdline\">cmdline</a>\
             <li><a href=\"/debug/pprof/profile\">profile</a>: how to take one\
             <li><a href=\"/debug/flamegraph\">flamegraph</a>: how to take one\
             <li><a href=\"/debug/latency\">latency</a>\
             <li><a href=\"/debug/shards\">shards</a></ul>",
        )),
        // As Go's: the arguments, apart by NUL.
        "pprof/cmdline" => Some(text(std::env::args().collect::<Vec<_>>().join("\0"))),
        "pprof/profile" | "flamegraph" => {
            let how = HOW.replace("PROCESS", &std::process::id().to_string());
            Some(Response::text(StatusCode::NOT_IMPLEMENTED, how))
        }
        _ => {
            let name = rest.strip_prefix("pprof/")?;
            OF_GO.contains(&name).then(|| {
                let text = format!("{name} is a profile of Go's runtime; kubering has none.\n");
                Response::text(StatusCode::NOT_IMPLEMENTED, text)
            })
        }
    }
}
