//! Figures of the server, under kube-apiserver's names.
//!
//! Each shard counts in a [`Recorder`] of its own: plain cells, no locks, no atomics. A scrape
//! takes a [`Snapshot`] of every shard, adds them up and renders the Prometheus text. Latencies
//! are kept in HDR histograms in microseconds, since upstream's buckets begin at 5 ms; the buckets
//! are made from them on a scrape, and quantiles stand beside them under this server's own name.
//!
//! The `metrics` facade is not used: its handles must be `Sync`, so they could not be plain cells.

mod family;
mod instrument;
pub mod instruments;
mod latency;
mod process;
mod recorder;
mod sealed;
mod slis;
mod snapshot;
mod text;
mod turns;

pub use family::Family;
pub use family::Kind;
pub use family::Tally;
pub use family::{
    AUDIT_ERRORS, AUDIT_EVENTS, AUDIT_LEVELS, AUDIT_REJECTED, CACHE_EVENTS, CACHE_LISTS,
    CACHE_REVISION, CONNECTIONS, ETCD_ERRORS, ETCD_EVENTS, ETCD_LEASE_KEYS, ETCD_REQUEST_SECONDS,
    ETCD_REQUESTS, ETCD_RESYNCS, ETCD_SIZE, ETCD_WATCH_RESTARTS, FLOW_CURRENT_LIMIT,
    FLOW_DEMAND_DEVIATION, FLOW_DEMAND_MEAN, FLOW_DEMAND_MOST, FLOW_DEMAND_SMOOTHED,
    FLOW_DISPATCHED, FLOW_EXECUTING, FLOW_FAIR_PART, FLOW_IN_QUEUE, FLOW_LOWER_LIMIT,
    FLOW_NOMINAL_LIMIT, FLOW_REJECTED, FLOW_SEATS, FLOW_TARGET, FLOW_UPPER_LIMIT, INIT_SECONDS,
    KMS_INVALID_KEY_IDS, KMS_SECONDS, PANICS, PHASE_SECONDS, RESOURCE_BYTES, RESOURCE_OBJECTS,
    SHARDS, STORAGE_CONFLICTS, STORAGE_EVENTS, STORAGE_GROUP_SIZE, STORAGE_KEYS, STORAGE_OBJECTS,
    STORAGE_SYNC_SECONDS, STORAGE_WRITES, STORE_LISTS, TERMINATED_WATCHERS, TLS_HANDSHAKE_ERRORS,
    WATCH_DELIVERY_SECONDS, WATCH_FRAMES, WATCHERS,
};
pub use instrument::{Instrument, Series};
pub use latency::{Laps, Latency, Phase, Subject, seconds};
pub use process::samples as process_samples;
pub use process::start_seconds;
pub use recorder::InFlight;
pub use recorder::Labels;
pub use recorder::LongRunning;
pub use recorder::Recorder;
pub use recorder::RequestKind;
pub use recorder::Sent;
pub use recorder::SlowWatcher;
pub use recorder::WatchSeries;
pub use sealed::{
    KMS_KEY_STATUS_TIME, KMS_KEY_TIME, KMS_KEYS, KMS_SOURCES, TRANSFORMATION_SECONDS,
    TRANSFORMATIONS,
};
pub use slis::{HEALTHCHECK, HEALTHCHECKS, SLIS_START_SECONDS};
pub use snapshot::Sample;
pub use snapshot::Snapshot;
pub use text::CONTENT_TYPE;
pub use turns::{
    CACHE_DISPATCHED, CACHE_INITIALIZATIONS, CACHE_READ_WAIT_SECONDS, FLOW_ESTIMATED_SEATS,
    FLOW_EXECUTION_SECONDS, FLOW_WAIT_SECONDS,
};

#[cfg(test)]
mod tests;
