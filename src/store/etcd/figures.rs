//! What others may read about the calls to etcd: plain atomics, written by the store's thread.

use crate::store::health::Histogram;
use crate::store::health::micros;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Removes old revisions.
    Compact,
    /// Writes a key that must be absent.
    Create,
    /// Removes a key.
    Delete,
    /// Reads one key, or the revision alone.
    Get,
    /// Makes a lease.
    Lease,
    /// Reads a range.
    List,
    /// Asks a member how it is.
    Status,
    /// Writes a key that must be there.
    Update,
}

impl Operation {
    /// All, in the order of their numbers.
    const ALL: [Self; 8] = [
        Self::Compact,
        Self::Create,
        Self::Delete,
        Self::Get,
        Self::Lease,
        Self::List,
        Self::Status,
        Self::Update,
    ];

    /// As the metric's label has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Lease => "lease",
            Self::List => "list",
            Self::Status => "status",
            Self::Update => "update",
        }
    }
}

/// Calls of one operation.
#[derive(Debug, Default)]
pub struct Calls {
    /// How long each took, in microseconds.
    pub micros: Histogram,
    /// How many failed.
    pub errors: AtomicU64,
}

/// Figures of a store on etcd.
#[derive(Debug)]
pub struct Figures {
    started: Instant,
    calls: [Calls; Operation::ALL.len()],
    /// When etcd last answered, in microseconds since the start.
    contact_micros: AtomicU64,
    /// Size of the database of the member in use, in bytes.
    pub db_bytes: AtomicU64,
    /// Watches that had to be started anew.
    pub watch_restarts: AtomicU64,
    /// Times that changes were lost to compaction, and the state was read anew.
    pub resyncs: AtomicU64,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            calls: Default::default(),
            contact_micros: AtomicU64::new(0),
            db_bytes: AtomicU64::new(0),
            watch_restarts: AtomicU64::new(0),
            resyncs: AtomicU64::new(0),
        }
    }

    /// Each operation and its calls.
    pub fn calls(&self) -> impl Iterator<Item = (Operation, &Calls)> {
        Operation::ALL.into_iter().zip(&self.calls)
    }

    /// How long etcd has not answered any call. It is asked at least once a second.
    pub fn silent_for(&self) -> Duration {
        let contact = Duration::from_micros(self.contact_micros.load(Relaxed));
        self.started.elapsed().saturating_sub(contact)
    }

    pub(super) fn end(&self, operation: Operation, started: Instant, succeeded: bool) {
        let Some(calls) = self.calls.get(operation as usize) else { return };
        calls.micros.record(micros(started.elapsed()));
        if succeeded {
            self.heard();
        } else {
            calls.errors.fetch_add(1, Relaxed);
        }
    }

    /// etcd answered, be it with a refusal.
    pub(super) fn heard(&self) {
        self.contact_micros.store(micros(self.started.elapsed()), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_each_for_itself() {
        let figures = Figures::new();
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, number);
            figures.end(operation, Instant::now(), number % 2 == 0);
        }
        for (number, (_, calls)) in figures.calls().enumerate() {
            assert_eq!(calls.micros.count(), 1);
            assert_eq!(calls.errors.load(Relaxed), (number % 2) as u64);
        }
        assert!(figures.silent_for() < Duration::from_secs(1));
    }
}
