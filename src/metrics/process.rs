//! What the system knows of the process.

use crate::metrics::family::CPU_SECONDS;
use crate::metrics::family::OPEN_FILES;
use crate::metrics::family::OPEN_FILES_MAX;
use crate::metrics::family::RESIDENT_BYTES;
use crate::metrics::family::START_SECONDS;
use crate::metrics::family::VIRTUAL_BYTES;
use crate::metrics::snapshot::Sample;
use std::fs;
use std::time::Duration;

/// Clock ticks a second in /proc; the same on all Linux machines this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// When the process was started, in seconds since the Unix epoch; `now` is the time since then.
#[must_use]
pub fn start_seconds(now: Duration) -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    started(now, rest.split(' ').nth(22 - 3).and_then(|t| t.parse().ok()).unwrap_or_default())
}

/// `ticks` are those from the machine's start to the process's.
fn started(now: Duration, ticks: f64) -> f64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime: f64 = uptime.split(' ').next().and_then(|t| t.parse().ok()).unwrap_or_default();
    now.as_secs_f64() - uptime + ticks / TICKS_PER_SECOND
}

/// The `process_*` metrics, `now` being the time since the Unix epoch. Reads a few files of /proc,
/// which never wait for a disk.
#[must_use]
pub fn samples(now: Duration) -> Vec<Sample> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold blanks; fields are counted behind it, from field 3 on.
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let field = |number: usize| -> f64 {
        fields.get(number - 3).and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    };
    let start = started(now, field(22));
    let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let page = rustix::param::page_size() as f64;
    [
        (&CPU_SECONDS, (field(14) + field(15)) / TICKS_PER_SECOND),
        (&RESIDENT_BYTES, field(24) * page),
        (&VIRTUAL_BYTES, field(23)),
        (&OPEN_FILES, files as f64),
        (&OPEN_FILES_MAX, limit.map_or(f64::INFINITY, |limit| limit as f64)),
        (&START_SECONDS, start),
    ]
    .into_iter()
    .map(|(family, value)| Sample { family, labels: Vec::new(), value })
    .collect()
}
