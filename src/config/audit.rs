//! The flags of auditing.

use crate::audit::{JournalOptions, Mode, RotateOptions};
use crate::config::model::{Audit, AuditWebhook};
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
    Ok(Audit {
        policy_file: values.path("audit-policy-file"),
        log,
        legacy,
        event_bytes_max: truncate(values, "log")?.map(|(_, event)| event),
        webhook: webhook(values)?,
    })
}

/// `--audit-webhook-*`.
fn webhook(values: &Values) -> Result<Option<AuditWebhook>, FlagError> {
    let Some(mode) = Mode::named(values.text("audit-webhook-mode")) else {
        let message = "must be batch, blocking or blocking-strict";
        return Err(values.invalid("audit-webhook-mode", message));
    };
    if values.text("audit-webhook-version") != "audit.k8s.io/v1" {
        return Err(values.invalid("audit-webhook-version", "must be audit.k8s.io/v1"));
    }
    let bytes_max = truncate(values, "webhook")?;
    let Some(config_file) = values.path("audit-webhook-config-file") else { return Ok(None) };
    let at_least_1 = |name: &'static str| match usize::try_from(values.int(name)) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(values.invalid(name, "must be a positive number")),
    };
    let burst = u32::try_from(at_least_1("audit-webhook-batch-throttle-burst")?);
    let throttle = (values.float("audit-webhook-batch-throttle-qps"), burst.unwrap_or(u32::MAX));
    Ok(Some(AuditWebhook {
        config_file,
        mode,
        queue_max: at_least_1("audit-webhook-batch-buffer-size")?,
        batch_max: at_least_1("audit-webhook-batch-max-size")?,
        wait_max: values.duration("audit-webhook-batch-max-wait"),
        throttle: values.bool("audit-webhook-batch-throttle-enable").then_some(throttle),
        first_wait: values.duration("audit-webhook-initial-backoff"),
        bytes_max,
    }))
}

/// Bytes of a batch and of an event (`AuditTruncateOptions.Validate`).
fn truncate(values: &Values, of: &str) -> Result<Option<(usize, usize)>, FlagError> {
    if !values.bool(&format!("audit-{of}-truncate-enabled")) {
        return Ok(None);
    }
    let size = |what: &str| values.int(&format!("audit-{of}-truncate-max-{what}-size"));
    let (batch, event) = (size("batch"), size("event"));
    if batch < event {
        let text =
            format!("maximum batch size, {batch}, must be at least maximum event size, {event}");
        return Err(FlagError::Combination(text));
    }
    let bytes = |size| usize::try_from(size).unwrap_or(0);
    Ok(Some((bytes(batch), bytes(event))))
}
