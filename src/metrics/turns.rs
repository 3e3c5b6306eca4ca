//! Names and helps of what requests wait for, execute and take by their priority, and of what
//! readers of memory wait for.

use crate::metrics::family::{Family, Kind, family};

/// See its help.
pub const FLOW_WAIT_SECONDS: Family = family(
    "apiserver_flowcontrol_request_wait_duration_seconds",
    Kind::Histogram,
    "[BETA] Length of time a request spent waiting in its queue",
);
/// See its help.
pub const FLOW_EXECUTION_SECONDS: Family = family(
    "apiserver_flowcontrol_request_execution_seconds",
    Kind::Histogram,
    "[ALPHA] Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request \
     execution in the API Priority and Fairness subsystem",
);
/// See its help.
pub const FLOW_ESTIMATED_SEATS: Family = family(
    "apiserver_flowcontrol_work_estimated_seats",
    Kind::Histogram,
    "[ALPHA] Number of estimated seats (maximum of initial and final seats) associated with \
     requests in API Priority and Fairness",
);
/// See its help.
pub const CACHE_DISPATCHED: Family = family(
    "apiserver_watch_cache_events_dispatched_total",
    Kind::Counter,
    "[ALPHA] Counter of events dispatched in watch cache broken by resource type.",
);
/// See its help.
pub const CACHE_INITIALIZATIONS: Family = family(
    "apiserver_watch_cache_initializations_total",
    Kind::Counter,
    "[ALPHA] Counter of watch cache initializations broken by resource type.",
);
/// See its help.
pub const CACHE_READ_WAIT_SECONDS: Family = family(
    "apiserver_watch_cache_read_wait_seconds",
    Kind::Histogram,
    "[ALPHA] Histogram of time spent waiting for a watch cache to become fresh.",
);
