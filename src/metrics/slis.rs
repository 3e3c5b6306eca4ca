//! What `/metrics/slis` tells (`k8s.io/component-base/metrics/prometheus/slis`).

use crate::metrics::family::{Family, Kind, family};

/// How a health check ended last: 1 or 0.
pub const HEALTHCHECK: Family = family(
    "kubernetes_healthcheck",
    Kind::Gauge,
    "[STABLE] This metric records the result of a single healthcheck.",
);
/// How health checks ended.
pub const HEALTHCHECKS: Family = family(
    "kubernetes_healthchecks_total",
    Kind::Counter,
    "[STABLE] This metric records the results of all healthcheck.",
);
/// Start of the process, as this endpoint words it.
pub const SLIS_START_SECONDS: Family = family(
    "process_start_time_seconds",
    Kind::Gauge,
    "[ALPHA] Start time of the process since unix epoch in seconds.",
);
