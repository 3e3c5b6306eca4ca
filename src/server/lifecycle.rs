//! Where the server stands between start and end, for all threads to read.

use crate::server::keep;
use crate::server::reloads::{self, Reloads};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// One for the process.
#[derive(Debug)]
pub struct Lifecycle {
    started: Instant,
    shards: usize,
    listening: AtomicUsize,
    stopping: AtomicBool,
    draining: AtomicBool,
    reloads: Reloads,
    id_hash: String,
}

impl Lifecycle {
    /// A server that begins now.
    #[must_use]
    pub fn new(started: Instant, shards: usize) -> Self {
        Self {
            started,
            shards,
            listening: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            reloads: Reloads::default(),
            id_hash: reloads::hashed(keep::server_id().as_bytes()),
        }
    }

    /// Files of configuration that were read again.
    #[must_use]
    pub const fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    /// The hash of this server's identity, as figures tell it.
    #[must_use]
    pub fn id_hash(&self) -> &str {
        &self.id_hash
    }

    /// How long the process has been running.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// All shards listen.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.listening.load(Relaxed) == self.shards
    }

    /// A stop was asked for: `/readyz` fails, everything else goes on.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// New requests are to be turned away.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    pub(in crate::server) fn one_listens(&self) {
        self.listening.fetch_add(1, Relaxed);
    }

    pub(in crate::server) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    pub(in crate::server) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }
}
