//! Probes, lifecycle hooks and their handlers (`validateProbe`, `validateLifecycle`).

use super::{Errors, Report as _, format};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

/// `supportedStopSignalsLinux`, sorted.
const LINUX_SIGNALS: [&str; 65] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMAX-1",
    "SIGRTMAX-10",
    "SIGRTMAX-11",
    "SIGRTMAX-12",
    "SIGRTMAX-13",
    "SIGRTMAX-14",
    "SIGRTMAX-2",
    "SIGRTMAX-3",
    "SIGRTMAX-4",
    "SIGRTMAX-5",
    "SIGRTMAX-6",
    "SIGRTMAX-7",
    "SIGRTMAX-8",
    "SIGRTMAX-9",
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGRTMIN+10",
    "SIGRTMIN+11",
    "SIGRTMIN+12",
    "SIGRTMIN+13",
    "SIGRTMIN+14",
    "SIGRTMIN+15",
    "SIGRTMIN+2",
    "SIGRTMIN+3",
    "SIGRTMIN+4",
    "SIGRTMIN+5",
    "SIGRTMIN+6",
    "SIGRTMIN+7",
    "SIGRTMIN+8",
    "SIGRTMIN+9",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

/// Which probe it is: each has a rule of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
    /// `startupProbe`.
    Startup,
}

/// `validateLivenessProbe` and its two siblings.
pub fn probe(
    probe: &Value<'_>,
    which: Probe,
    grace: Option<i64>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    handler(probe, grace, path, errors);
    for name in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        errors.non_negative(&path.child(name), probe.int(name));
    }
    let own_grace = probe.int("terminationGracePeriodSeconds");
    let at = path.child("terminationGracePeriodSeconds");
    if let Some(seconds) = own_grace.filter(|seconds| *seconds <= 0) {
        errors.invalid(&at, seconds, "must be greater than 0");
    }
    match (which, own_grace) {
        (Probe::Readiness, Some(seconds)) => {
            errors.invalid(&at, seconds, "must not be set for readinessProbes");
        }
        (Probe::Readiness, None) => {}
        _ => {
            let threshold = probe.int("successThreshold").unwrap_or(0);
            if threshold != 1 {
                errors.invalid(&path.child("successThreshold"), threshold, "must be 1");
            }
        }
    }
}

/// `validateHandler`: exactly one of the members of `owner` that say what to do.
fn handler(owner: &Value<'_>, grace: Option<i64>, path: &Path<'_>, errors: &mut Errors) {
    let mut found = false;
    for name in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let Some(action) = owner.get(name) else { continue };
        let at = path.child(name);
        if found {
            errors.forbidden(&at, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match name {
            "exec" if action.items("command").is_empty() => {
                errors.required(&at.child("command"), "");
            }
            "exec" => {}
            "httpGet" => http_get(action, &at, errors),
            "sleep" => sleep(action, grace, &at, errors),
            _ => port(action.get("port"), &at.child("port"), errors),
        }
    }
    if !found {
        errors.required(path, "must specify a handler type");
    }
}

fn http_get(action: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if action.text("path").is_empty() {
        errors.required(&path.child("path"), "");
    }
    port(action.get("port"), &path.child("port"), errors);
    let scheme = action.text("scheme");
    if !matches!(scheme, "HTTP" | "HTTPS") {
        errors.unsupported(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]);
    }
    for header in action.items("httpHeaders") {
        let name = header.text("name");
        errors.messages(&path.child("httpHeaders"), name, format::http_header(name));
    }
}

fn sleep(action: &Value<'_>, grace: Option<i64>, path: &Path<'_>, errors: &mut Errors) {
    let seconds = action.int("seconds").unwrap_or(0);
    let Some(grace) = grace else { return };
    if seconds < 0 || seconds > grace {
        let detail =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid(path, seconds, &detail);
    }
}

/// `ValidatePortNumOrName`.
pub fn port(value: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Some(Value::Str(name)) => errors.messages(path, name, format::port_name(name)),
        other => {
            let number = other.and_then(Value::as_i64).unwrap_or(0);
            for message in format::port(number) {
                errors.invalid(path, number, &message);
            }
        }
    }
}

/// `validateLifecycle`; `os` is the pod's, "" if not given.
pub fn lifecycle(
    lifecycle: &Value<'_>,
    grace: Option<i64>,
    os: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for name in ["postStart", "preStop"] {
        if let Some(hook) = lifecycle.get(name) {
            handler(hook, grace, &path.child(name), errors);
        }
    }
    let Some(signal) = lifecycle.get("stopSignal").and_then(Value::as_str) else { return };
    let at = path.child("stopSignal");
    if os.is_empty() {
        errors.forbidden(&at, "may not be set for containers with empty `spec.os.name`");
    } else if os == "windows" && !matches!(signal, "SIGKILL" | "SIGTERM") {
        errors.unsupported(&at, signal, &["SIGKILL", "SIGTERM"]);
    } else if os == "linux" && !LINUX_SIGNALS.contains(&signal) {
        errors.unsupported(&at, signal, &LINUX_SIGNALS);
    }
}
