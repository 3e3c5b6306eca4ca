//! The flags of auditing.

use crate::audit::{JournalOptions, Mode, RotateOptions};
use crate::config::model::Audit;
use crate::config::parse::{FlagError, Values};

/// Bytes of a megabyte, as lumberjack counts them.
const MEGABYTE: u64 = 1024 * 1024;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// `--audit-policy-file` and `--audit-log-*`.
pub(super) fn audit(values: &Values) -> Result<Audit, FlagError> {
    let mode = values.text("audit-log-mode");
    let Some(mode) = Mode::named(mode) else {
        let message = "must be batch, blocking or blocking-strict";
        return Err(values.invalid("audit-log-mode", message));
    };
    let legacy = match values.text("audit-log-format") {
        "json" => false,
        "legacy" => true,
        _ => return Err(values.invalid("audit-log-format", "must be json or legacy")),
    };
    if values.text("audit-log-version") != "audit.k8s.io/v1" {
        return Err(values.invalid("audit-log-version", "must be audit.k8s.io/v1"));
    }
    let count = |name: &'static str| {
        u64::try_from(values.int(name)).map_err(|_| values.invalid(name, "must not be negative"))
    };
    let rotate = RotateOptions {
        path: values.path("audit-log-path").unwrap_or_default(),
        bytes_max: count("audit-log-maxsize")?.saturating_mul(MEGABYTE),
        backups_max: usize::try_from(count("audit-log-maxbackup")?).unwrap_or(usize::MAX),
        age_seconds_max: count("audit-log-maxage")?.saturating_mul(DAY_SECONDS),
        compress: values.bool("audit-log-compress"),
    };
    let queue_max = usize::try_from(count("audit-log-batch-buffer-size")?).unwrap_or(usize::MAX);
    let log = values.path("audit-log-path").map(|path| JournalOptions {
        file: (path.as_os_str() != "-").then_some(rotate),
        mode,
        queue_max,
    });
    Ok(Audit { policy_file: values.path("audit-policy-file"), log, legacy })
}
