//! What others may read about the calls to etcd: plain atomics, written by the store's thread.

use crate::base::hash::HashMap;
use crate::store::health::micros;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// Upper bounds of the times of calls in microseconds: those of
/// `etcd_request_duration_seconds`.
const CALL_BOUNDS: [u64; 23] = [
    5_000, 25_000, 50_000, 100_000, 200_000, 400_000, 600_000, 800_000, 1_000_000, 1_250_000,
    1_500_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 6_000_000, 8_000_000, 10_000_000,
    15_000_000, 20_000_000, 30_000_000, 45_000_000, 60_000_000,
];
/// Upper bounds of the keys of one lease: those of `etcd_lease_object_counts`.
const LEASE_BOUNDS: [u64; 7] = [10, 50, 100, 500, 1_000, 2_500, 5_000];

/// Group and resource; empty for what is of none, or of all.
pub type Subject = (&'static str, &'static str);

/// What concerns no single resource.
pub(super) const EVERYTHING: Subject = ("", "");

/// Values in buckets with fixed bounds.
#[derive(Debug)]
pub struct Buckets<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Buckets<N> {
    fn new(bounds: &'static [u64; N]) -> Self {
        let (beyond, sum) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bounds, counts: [const { AtomicU64::new(0) }; N], beyond, sum }
    }

    fn record(&self, value: u64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        let count = bucket.and_then(|at| self.counts.get(at)).unwrap_or(&self.beyond);
        count.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Upper bound (inclusive) and count of each bucket, not cumulative. The last bound is
    /// `u64::MAX`.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        let all = self.bounds.iter().copied().zip(&self.counts);
        let all = all.chain(std::iter::once((u64::MAX, &self.beyond)));
        all.map(|(bound, count)| (bound, count.load(Relaxed)))
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts().map(|(_, count)| count).sum()
    }

    /// Sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}

/// Calls of one operation for one resource.
#[derive(Debug)]
pub struct Calls {
    /// How long each took, in microseconds.
    pub micros: Buckets<{ CALL_BOUNDS.len() }>,
    /// How many failed.
    pub errors: AtomicU64,
}

type All = HashMap<(Operation, Subject), Arc<Calls>>;

/// Figures of a store on etcd.
#[derive(Debug)]
pub struct Figures {
    started: Instant,
    /// Grows by what is called for the first time; only the store's thread makes it grow.
    calls: ArcSwap<All>,
    /// Keys of leases that are no longer used.
    pub lease_keys: Buckets<{ LEASE_BOUNDS.len() }>,
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
            calls: ArcSwap::default(),
            lease_keys: Buckets::new(&LEASE_BOUNDS),
            contact_micros: AtomicU64::new(0),
            db_bytes: AtomicU64::new(0),
            watch_restarts: AtomicU64::new(0),
            resyncs: AtomicU64::new(0),
        }
    }

    /// Each operation on each resource that was ever called, and its calls.
    pub fn calls(&self) -> Vec<(Operation, Subject, Arc<Calls>)> {
        let all = self.calls.load();
        let mut calls: Vec<_> =
            all.iter().map(|((op, of), calls)| (*op, *of, Arc::clone(calls))).collect();
        calls.sort_unstable_by_key(|(operation, of, _)| (*operation, *of));
        calls
    }

    /// How long etcd has not answered any call. It is asked at least once a second.
    pub fn silent_for(&self) -> Duration {
        let contact = Duration::from_micros(self.contact_micros.load(Relaxed));
        self.started.elapsed().saturating_sub(contact)
    }

    pub(super) fn end(&self, (operation, of): Of, started: Instant, succeeded: bool) {
        let known = self.calls.load().get(&(operation, of)).cloned();
        let calls = known.unwrap_or_else(|| {
            let new =
                Arc::new(Calls { micros: Buckets::new(&CALL_BOUNDS), errors: AtomicU64::new(0) });
            let mut next = All::clone(&self.calls.load());
            next.insert((operation, of), Arc::clone(&new));
            self.calls.store(Arc::new(next));
            new
        });
        calls.micros.record(micros(started.elapsed()));
        if succeeded {
            self.heard();
        } else {
            calls.errors.fetch_add(1, Relaxed);
        }
    }

    /// A lease with so many keys is no longer used.
    pub(super) fn lease_ended(&self, keys: u32) {
        self.lease_keys.record(keys.into());
    }

    /// etcd answered, be it with a refusal.
    pub(super) fn heard(&self) {
        self.contact_micros.store(micros(self.started.elapsed()), Relaxed);
    }
}

/// What is done to what.
pub(super) type Of = (Operation, Subject);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_what_they_do_to_what() {
        let figures = Figures::new();
        let pods = ("", "pods");
        figures.end((Operation::Create, pods), Instant::now(), true);
        figures.end((Operation::Create, pods), Instant::now(), false);
        figures.end((Operation::Create, ("apps", "deployments")), Instant::now(), true);
        let found: Vec<_> = figures
            .calls()
            .into_iter()
            .map(|(_, of, calls)| (of.1, calls.micros.count(), calls.errors.load(Relaxed)))
            .collect();
        assert_eq!(found, [("pods", 2, 1), ("deployments", 1, 0)]);
        assert!(figures.silent_for() < Duration::from_secs(1));
    }

    #[test]
    fn a_value_is_counted_in_the_bucket_that_bounds_it() {
        let buckets = Buckets::new(&LEASE_BOUNDS);
        [0, 10, 11, 5_000, 5_001].into_iter().for_each(|value| buckets.record(value));
        let found: Vec<_> = buckets.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, [(10, 2), (50, 1), (5_000, 1), (u64::MAX, 1)]);
        assert_eq!((buckets.count(), buckets.sum()), (5, 10_022));
    }
}
