//! What others may read of a running store without asking it: plain atomics, written by its thread.

use crate::store::etcd::Figures;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// Buckets of a [`Histogram`]: values up to 2^31, the last takes everything larger.
const BUCKETS: usize = 32;

/// Counts of values by power of two.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn record(&self, value: u64) {
        let bucket = (u64::BITS - value.saturating_sub(1).leading_zeros()) as usize;
        if let Some(count) = self.counts.get(bucket.min(BUCKETS - 1)) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// Upper bound (inclusive) and count of each bucket; not cumulative. The last bound is
    /// `u64::MAX`.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().enumerate().map(|(index, count)| {
            let bound = if index + 1 == BUCKETS { u64::MAX } else { 1 << index };
            (bound, count.load(Relaxed))
        })
    }

    /// Sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// The store's pulse and figures.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    alive: AtomicBool,
    beat_micros: AtomicU64,
    /// Transactions applied.
    pub commits: AtomicU64,
    /// Transactions refused because the key was not as expected.
    pub conflicts: AtomicU64,
    /// Keys removed because they expired.
    pub expired: AtomicU64,
    /// Keys present.
    pub keys: AtomicU64,
    /// Events held in the history.
    pub history_events: AtomicU64,
    /// Bytes of the keys and values of those events.
    pub history_bytes: AtomicU64,
    /// Times the store waited for a shard whose batch queue was full.
    pub shard_waits: AtomicU64,
    /// Applied transactions in each durable write.
    pub group_sizes: Histogram,
    /// Microseconds spent handing a group's records to the log.
    pub write_micros: Histogram,
    /// Microseconds each group waited for the device.
    pub sync_micros: Histogram,
    /// Microseconds the last group waited for the device.
    pub last_sync_micros: AtomicU64,
    /// Figures of a store on etcd; `None` for the others.
    pub etcd: Option<Arc<Figures>>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            alive: AtomicBool::new(true),
            beat_micros: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            history_events: AtomicU64::new(0),
            history_bytes: AtomicU64::new(0),
            shard_waits: AtomicU64::new(0),
            group_sizes: Histogram::default(),
            write_micros: Histogram::default(),
            sync_micros: Histogram::default(),
            last_sync_micros: AtomicU64::new(0),
            etcd: None,
        }
    }

    pub(super) fn of_etcd(figures: Arc<Figures>) -> Self {
        Self { etcd: Some(figures), ..Self::new() }
    }

    /// Whether the store's thread runs and its last write was durable.
    pub fn alive(&self) -> bool {
        self.alive.load(Relaxed)
    }

    /// How long the store's thread has not come round. An idle store comes round every second, so
    /// more than a few seconds mean a device that does not answer or a shard that does not take
    /// its batches.
    pub fn silent_for(&self) -> Duration {
        let beat = Duration::from_micros(self.beat_micros.load(Relaxed));
        self.started.elapsed().saturating_sub(beat)
    }

    pub(super) fn beat(&self) {
        self.beat_micros.store(micros(self.started.elapsed()), Relaxed);
    }

    pub(super) fn stopped(&self) {
        self.alive.store(false, Relaxed);
    }
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_bucket_that_bounds_it() {
        let histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, 5, 1 << 40] {
            histogram.record(value);
        }
        let found: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, [(1, 2), (2, 1), (4, 2), (8, 1), (u64::MAX, 1)]);
        assert_eq!(histogram.count(), 7);
        assert_eq!(histogram.sum(), 15 + (1 << 40));
    }
}
