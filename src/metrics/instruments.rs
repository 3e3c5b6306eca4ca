//! The instruments: upstream's names, labels and buckets of what is counted about who asks, what
//! they may and what admission says.

use crate::metrics::family::{Family, Kind};
use crate::metrics::instrument::Instrument;

/// `ExponentialBuckets(0.001, 2, 15)`.
pub(in crate::metrics) const DOUBLING: [f64; 15] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096,
    8.192, 16.384,
];
/// `prometheus.DefBuckets`.
const DEFAULT: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const ADMISSION: [f64; 6] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5];
const WEBHOOK: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];
const MATCH: [f64; 7] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];
const POLICY: [f64; 5] = [0.000_000_5, 0.001, 0.01, 0.1, 1.0];

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Instrument {
    Instrument { family: Family { name, kind: Kind::Counter, help }, labels, bounds: &[] }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    bounds: &'static [f64],
    help: &'static str,
) -> Instrument {
    Instrument { family: Family { name, kind: Kind::Histogram, help }, labels, bounds }
}

/// See its help.
pub static AUTHENTICATION_SECONDS: Instrument = histogram(
    "authentication_duration_seconds",
    &["result"],
    &DOUBLING,
    "[ALPHA] Authentication duration in seconds broken out by result.",
);
/// See its help.
pub static AUTHORIZATION_SECONDS: Instrument = histogram(
    "authorization_duration_seconds",
    &["result"],
    &DOUBLING,
    "[ALPHA] Authorization duration in seconds broken out by result.",
);
/// See its help.
pub static POD_SECURITY_ERRORS: Instrument = counter(
    "pod_security_errors_total",
    &["fatal", "request_operation", "resource", "subresource"],
    "[ALPHA] Number of errors preventing normal evaluation. Non-fatal errors may result in the \
     latest restricted profile being used for evaluation.",
);
/// See its help.
pub static POD_SECURITY_EVALUATIONS: Instrument = counter(
    "pod_security_evaluations_total",
    &[
        "decision",
        "policy_level",
        "policy_version",
        "mode",
        "request_operation",
        "resource",
        "subresource",
    ],
    "[ALPHA] Number of policy evaluations that occurred, not counting ignored or exempt requests.",
);
/// See its help.
pub static POD_SECURITY_EXEMPTIONS: Instrument = counter(
    "pod_security_exemptions_total",
    &["request_operation", "resource", "subresource"],
    "[ALPHA] Number of exempt requests, not counting ignored or out of scope requests.",
);
/// See its help.
pub static TOKEN_CACHE_REQUESTS: Instrument =
    counter("authentication_token_cache_request_total", &["status"], "[ALPHA]");
/// See its help.
pub static TOKEN_CACHE_SECONDS: Instrument = histogram(
    "authentication_token_cache_request_duration_seconds",
    &["status"],
    &DEFAULT,
    "[ALPHA]",
);
/// See its help.
pub static TOKEN_CACHE_FETCHES: Instrument =
    counter("authentication_token_cache_fetch_total", &["status"], "[ALPHA]");
/// See its help.
pub static AUTHORIZER_DECISIONS: Instrument = counter(
    "apiserver_authorization_decisions_total",
    &["decision", "name", "type"],
    "[ALPHA] Total number of terminal decisions made by an authorizer split by authorizer \
     type, name, and decision.",
);
/// See its help.
pub static AUTHORIZER_CALLS: Instrument = counter(
    "apiserver_authorization_webhook_evaluations_total",
    &["name", "result"],
    "[ALPHA] Round-trips to authorization webhooks.",
);
/// See its help.
pub static AUTHORIZER_CALL_SECONDS: Instrument = histogram(
    "apiserver_authorization_webhook_duration_seconds",
    &["name", "result"],
    &DEFAULT,
    "[ALPHA] Request latency in seconds.",
);
/// See its help.
pub static AUTHORIZER_FAILED_OPEN: Instrument = counter(
    "apiserver_authorization_webhook_evaluations_fail_open_total",
    &["name", "result"],
    "[ALPHA] NoOpinion results due to webhook timeout or error.",
);
/// See its help.
pub static AUTHORIZER_MATCH_ERRORS: Instrument = counter(
    "apiserver_authorization_match_condition_evaluation_errors_total",
    &["name", "type"],
    "[ALPHA] Total number of errors when an authorization webhook encounters a match \
     condition error split by authorizer type and name.",
);
/// See its help.
pub static AUTHORIZER_MATCH_EXCLUSIONS: Instrument = counter(
    "apiserver_authorization_match_condition_exclusions_total",
    &["name", "type"],
    "[ALPHA] Total number of exclusions when an authorization webhook is skipped because \
     match conditions exclude it.",
);
/// See its help.
pub static AUTHORIZER_MATCH_SECONDS: Instrument = histogram(
    "apiserver_authorization_match_condition_evaluation_seconds",
    &["name", "type"],
    &MATCH,
    "[ALPHA] Authorization match condition evaluation time in seconds, split by authorizer \
     type and name.",
);
/// See its help.
pub static IMPERSONATIONS: Instrument = counter(
    "apiserver_impersonation_attempts_total",
    &["decision", "mode"],
    "[ALPHA] Total number of impersonation attempts split by mode and decision.",
);
/// See its help.
pub static IMPERSONATION_SECONDS: Instrument = histogram(
    "apiserver_impersonation_attempts_duration_seconds",
    &["decision", "mode"],
    &DOUBLING,
    "[ALPHA] Latency of impersonation attempts in seconds split by mode and decision.",
);
/// See its help.
pub static IMPERSONATION_CHECKS: Instrument = counter(
    "apiserver_impersonation_authorization_attempts_total",
    &["decision", "mode"],
    "[ALPHA] Total number of authorization checks made by the impersonation handler split by \
     mode and decision.",
);
/// See its help.
pub static IMPERSONATION_CHECK_SECONDS: Instrument = histogram(
    "apiserver_impersonation_authorization_attempts_duration_seconds",
    &["decision", "mode"],
    &DOUBLING,
    "[ALPHA] Latency of authorization checks made by the impersonation handler in seconds \
     split by mode and decision.",
);
/// See its help.
pub static ADMISSION_PLUGIN_SECONDS: Instrument = histogram(
    "apiserver_admission_controller_admission_duration_seconds",
    &["name", "operation", "rejected", "type"],
    &ADMISSION,
    "[STABLE] Admission controller latency histogram in seconds, identified by name and \
     broken out for each operation and API resource and type (validate or admit).",
);
/// See its help.
pub static ADMISSION_STEP_SECONDS: Instrument = histogram(
    "apiserver_admission_step_admission_duration_seconds",
    &["operation", "rejected", "type"],
    &ADMISSION,
    "[STABLE] Admission sub-step latency histogram in seconds, broken out for each operation \
     and API resource and step type (validate or admit).",
);
/// See its help.
pub static WEBHOOK_SECONDS: Instrument = histogram(
    "apiserver_admission_webhook_admission_duration_seconds",
    &["name", "operation", "rejected", "type"],
    &WEBHOOK,
    "[STABLE] Admission webhook latency histogram in seconds, identified by name and broken \
     out for each operation and API resource and type (validate or admit).",
);
/// See its help.
pub static WEBHOOK_REJECTIONS: Instrument = counter(
    "apiserver_admission_webhook_rejection_count",
    &["error_type", "name", "operation", "rejection_code", "type"],
    "[ALPHA] Admission webhook rejection count, identified by name and broken out for each \
     admission type (validating or admit) and operation. Additional labels specify an error \
     type (calling_webhook_error or apiserver_internal_error if an error occurred; no_error \
     otherwise) and optionally a non-zero rejection code if the webhook rejects the request \
     with an HTTP status code (honored by the apiserver when the code is greater or equal to \
     400). Codes greater than 600 are truncated to 600, to keep the metrics cardinality \
     bounded.",
);
/// See its help.
pub static WEBHOOK_FAILED_OPEN: Instrument = counter(
    "apiserver_admission_webhook_fail_open_count",
    &["name", "type"],
    "[ALPHA] Admission webhook fail open count, identified by name and broken out for each \
     admission type (validating or admit).",
);
/// See its help.
pub static WEBHOOK_REQUESTS: Instrument = counter(
    "apiserver_admission_webhook_request_total",
    &["code", "name", "operation", "rejected", "type"],
    "[ALPHA] Admission webhook request total, identified by name and broken out for each \
     admission type (validating or admit) and operation. Additional labels specify whether \
     the request was rejected or not and an HTTP status code. Codes greater than 600 are \
     truncated to 600, to keep the metrics cardinality bounded.",
);
/// See its help.
pub static ADMISSION_MATCH_ERRORS: Instrument = counter(
    "apiserver_admission_match_condition_evaluation_errors_total",
    &["kind", "name", "operation", "type"],
    "[ALPHA] Admission match condition evaluation errors count, identified by name of \
     resource containing the match condition and broken out for each kind containing \
     matchConditions (webhook or policy), operation and admission type (validate or admit).",
);
/// See its help.
pub static ADMISSION_MATCH_EXCLUSIONS: Instrument = counter(
    "apiserver_admission_match_condition_exclusions_total",
    &["kind", "name", "operation", "type"],
    "[ALPHA] Admission match condition evaluation exclusions count, identified by name of \
     resource containing the match condition and broken out for each kind containing \
     matchConditions (webhook or policy), operation and admission type (validate or admit).",
);
/// See its help.
pub static ADMISSION_MATCH_SECONDS: Instrument = histogram(
    "apiserver_admission_match_condition_evaluation_seconds",
    &["kind", "name", "operation", "type"],
    &MATCH,
    "[ALPHA] Admission match condition evaluation time in seconds, identified by name and \
     broken out for each kind containing matchConditions (webhook or policy), operation and \
     type (validate or admit).",
);
/// See its help.
pub static POLICY_CHECKS: Instrument = counter(
    "apiserver_validating_admission_policy_check_total",
    &["enforcement_action", "error_type", "policy", "policy_binding"],
    "[BETA] Validation admission policy check total, labeled by policy and further identified \
     by binding and enforcement action taken.",
);
/// See its help.
pub static POLICY_CHECK_SECONDS: Instrument = histogram(
    "apiserver_validating_admission_policy_check_duration_seconds",
    &["enforcement_action", "error_type", "policy", "policy_binding"],
    &POLICY,
    "[BETA] Validation admission latency for individual validation expressions in seconds, \
     labeled by policy and further including binding and enforcement action taken.",
);
/// See its help.
pub static STREAMS_TRANSLATED: Instrument = counter(
    "apiserver_stream_translator_requests_total",
    &["code"],
    "[ALPHA] Total number of requests that were handled by the StreamTranslatorProxy, which \
     processes streaming RemoteCommand/V5",
);
/// See its help.
pub static STREAMS_TUNNELLED: Instrument = counter(
    "apiserver_stream_tunnel_requests_total",
    &["code"],
    "[ALPHA] Total number of requests that were handled by the StreamTunnelProxy, which \
     processes streaming PortForward/V2",
);
/// See its help.
pub static STREAMS_ROUTED: Instrument = counter(
    "apiserver_websocket_streaming_requests_total",
    &["proxy_type", "subresource"],
    "[ALPHA] Total number of WebSocket streaming requests (exec/attach/portforward) routed by \
     the API server, labeled by subresource and proxy_type. proxy_type is proxied_to_kubelet \
     when the kubelet handles the request directly; otherwise translated_at_apiserver.",
);
