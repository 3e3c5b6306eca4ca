//! How much load a run makes: the same shapes at three sizes.

use crate::Fault;
use std::time::Duration;

/// The sizes of every scenario.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// How long a timed part lasts.
    pub(crate) span: Duration,
    /// Connections of the loads that use several.
    pub(crate) connections: usize,
    /// Requests kept in flight on each of them.
    pub(crate) streams: usize,
    /// Pods that stand in the store for GET and LIST.
    pub(crate) pods: usize,
    /// Requests a second of the paced (open-loop) loads.
    pub(crate) rate: f64,
    /// LIST requests of each form.
    pub(crate) lists: u64,
    /// Watchers of the fan-out.
    pub(crate) watchers: usize,
    /// Changes a second that they watch.
    pub(crate) changes: f64,
    /// Watches that see nothing.
    pub(crate) idle_watches: usize,
    /// Leases that are renewed.
    pub(crate) leases: usize,
    /// Pods that are made, bound, reported on and deleted.
    pub(crate) churn: u64,
    /// Nodes that are simulated.
    pub(crate) nodes: usize,
    /// Clients that come back at once.
    pub(crate) herd: usize,
    /// TLS handshakes of each form.
    pub(crate) handshakes: u64,
}

impl Scale {
    /// The scale of a name, or a text that says which there are.
    pub(crate) fn named(name: &str) -> Result<Self, Fault> {
        match name {
            "small" => Ok(Self::small()),
            "standard" => Ok(Self::standard()),
            "large" => Ok(Self::large()),
            other => Err(format!("--scale {other}: there are small, standard and large").into()),
        }
    }

    /// Seconds in all: proves that each scenario still runs, measures nothing worth keeping.
    const fn small() -> Self {
        Self {
            span: Duration::from_millis(300),
            connections: 2,
            streams: 2,
            pods: 60,
            rate: 50.0,
            lists: 3,
            watchers: 10,
            changes: 10.0,
            idle_watches: 20,
            leases: 10,
            churn: 10,
            nodes: 3,
            herd: 4,
            handshakes: 5,
        }
    }

    /// A few minutes: what a pair of cores carries.
    const fn standard() -> Self {
        Self {
            span: Duration::from_secs(5),
            connections: 8,
            streams: 16,
            pods: 10_000,
            rate: 1_000.0,
            lists: 10,
            watchers: 1_000,
            changes: 10.0,
            idle_watches: 10_000,
            leases: 500,
            churn: 5_000,
            nodes: 200,
            herd: 100,
            handshakes: 1_000,
        }
    }

    /// A bigger machine's: 100,000 pods.
    const fn large() -> Self {
        Self {
            span: Duration::from_secs(20),
            pods: 100_000,
            rate: 5_000.0,
            watchers: 5_000,
            idle_watches: 50_000,
            leases: 5_000,
            churn: 50_000,
            nodes: 2_000,
            herd: 1_000,
            handshakes: 10_000,
            ..Self::standard()
        }
    }
}
