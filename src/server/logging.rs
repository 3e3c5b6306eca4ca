//! Logs: one line each, to stderr, as text or JSON. Callers never log secrets: no tokens, no
//! bodies, no headers.

use crate::base::clock;
use crate::base::timestamp;
use log::Level;
use log::LevelFilter;
use log::Log;
use log::Metadata;
use log::Record;
use std::io::Write;

/// From this verbosity on (`--v`) debug lines are written.
const DEBUG_VERBOSITY: u8 = 3;
/// From this verbosity on libraries' own lines are written too.
const LIBRARIES_VERBOSITY: u8 = 6;

#[derive(Debug)]
struct Logger {
    json: bool,
    libraries: bool,
}

/// Starts logging; the first call in a process counts.
pub fn start(verbosity: u8, json: bool) {
    let level = if verbosity >= DEBUG_VERBOSITY { LevelFilter::Debug } else { LevelFilter::Info };
    let logger = Logger { json, libraries: verbosity >= LIBRARIES_VERBOSITY };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries report what concerns them, not the operator, unless it is bad.
        metadata.target().starts_with("kubering")
            || self.libraries
            || metadata.level() <= Level::Error
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let micros = i64::try_from(clock::unix_time().as_micros()).unwrap_or_default();
        let time = timestamp::rfc3339_micros(micros);
        let level = record.level().as_str();
        let module = record.target().strip_prefix("kubering::").unwrap_or(record.target());
        let line = if self.json {
            let message = serde_json::Value::String(record.args().to_string());
            format!(
                "{{\"ts\":\"{time}\",\"level\":\"{level}\",\"module\":\"{module}\",\"msg\":\
                 {message}}}\n"
            )
        } else {
            let message = record.args().to_string().replace('\n', " ");
            format!("{time} {level:<5} {module}: {message}\n")
        };
        // One write for each line, so that lines of threads do not mix. Nobody can be told when
        // it fails.
        std::io::stderr().write_all(line.as_bytes()).ok();
    }

    fn flush(&self) {}
}
