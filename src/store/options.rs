//! What a backend is opened with, and why opening fails.

use crate::base::limits;
use crate::seal::Sealer;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// How a store is run.
#[derive(Clone)]
pub struct Options {
    /// How many shards get a link; at least 1.
    pub shards: usize,
    /// How much history is kept.
    pub retention: Retention,
    /// Seals what is written and opens what is read; plain bytes if none.
    pub sealer: Option<Arc<Sealer>>,
    /// The wall clock in Unix seconds, for expiry.
    pub unix_seconds: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// What is done when a durable write fails, with the reason. By default the process aborts:
    /// memory and disk may differ, so the store must not serve. If this returns (tests), the store
    /// stops and answers nothing more.
    pub on_failure: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Options {
    /// The defaults for a number of shards.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self {
            shards,
            retention: Retention::default(),
            sealer: None,
            unix_seconds: Arc::new(unix_seconds),
            on_failure: Arc::new(|reason| {
                eprintln!("store: {reason}; stopping, since the state on disk is uncertain");
                std::process::abort();
            }),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("shards", &self.shards)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// How much history is kept: what is younger than `age`, but never more than the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Age at which an event may leave. After a restart everything found counts as new.
    pub age: Duration,
    /// Events kept at most.
    pub events_max: usize,
    /// Bytes of keys and values of the kept events at most.
    pub bytes_max: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(limits::STORE_HISTORY_SECONDS),
            events_max: limits::STORE_HISTORY_EVENTS_MAX,
            bytes_max: limits::STORE_HISTORY_BYTES_MAX,
        }
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Why a store could not be opened. The text is one line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// What is on disk contradicts itself.
    Corrupt {
        /// The data directory.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// The store's servers cannot be reached, refused, or do not fit what was asked for.
    Etcd {
        /// What was tried and what came of it.
        reason: String,
    },
    /// The operating system or the storage engine refused.
    Failed {
        /// The data directory; empty for the memory backend.
        path: PathBuf,
        /// What was refused.
        reason: String,
    },
    /// Another process holds the data directory.
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The data directory was written by a newer version.
    NewerFormat {
        /// The data directory.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { path, found } => {
                write!(f, "the store in {} is damaged: {found}", path.display())
            }
            Self::Etcd { reason } => write!(f, "etcd cannot be used: {reason}"),
            Self::Failed { path, reason } => {
                write!(f, "the store in {} cannot be opened: {reason}", path.display())
            }
            Self::Locked { path } => {
                write!(f, "the store in {} is in use by another process", path.display())
            }
            Self::NewerFormat { path, found, known } => write!(
                f,
                "the store in {} has format {found}, written by a newer version; this one knows \
                 formats up to {known}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}
