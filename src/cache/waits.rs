//! How long readers wait until memory is as fresh as they ask for.

use crate::base::ticks::Ticks;
use std::cell::Cell;

/// Upper bounds in milliseconds of the buckets of upstream's histogram (`WatchCacheReadWait`).
const BOUNDS_MILLIS: [u64; 13] =
    [5, 25, 50, 100, 200, 400, 600, 800, 1_000, 1_250, 1_500, 2_000, 3_000];

/// What one shard's readers of one resource have waited.
#[derive(Debug, Default)]
pub(super) struct Waits {
    counts: [Cell<u64>; BOUNDS_MILLIS.len() + 1],
    nanos: Cell<u64>,
}

/// The same, to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadWaits {
    counts: [u64; BOUNDS_MILLIS.len() + 1],
    nanos: u64,
}

impl Waits {
    /// Counts a read that did not have to wait.
    pub(super) fn none(&self) {
        let [first, ..] = &self.counts;
        first.set(first.get() + 1);
    }

    /// Counts a read that began to wait at this time.
    pub(super) fn since(&self, begun: Ticks) {
        let nanos = Ticks::nanos(Ticks::now().since(begun));
        let bucket = BOUNDS_MILLIS.iter().take_while(|bound| nanos > **bound * 1_000_000).count();
        if let Some(count) = self.counts.get(bucket) {
            count.set(count.get() + 1);
        }
        self.nanos.set(self.nanos.get().saturating_add(nanos));
    }

    pub(super) fn told(&self) -> ReadWaits {
        let mut told = ReadWaits { nanos: self.nanos.get(), ..ReadWaits::default() };
        for (count, counted) in told.counts.iter_mut().zip(&self.counts) {
            *count = counted.get();
        }
        told
    }
}

impl ReadWaits {
    /// Upper bounds in seconds and how many reads are below each and above the one before.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS_MILLIS.iter().map(|millis| *millis as f64 / 1e3);
        bounds.chain([f64::INFINITY]).zip(self.counts)
    }

    /// All waits together.
    pub fn seconds(&self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// Nobody has read yet.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::Waits;
    use crate::base::ticks::Ticks;

    #[test]
    fn waits_are_counted_by_their_length() {
        let waits = Waits::default();
        assert!(waits.told().is_empty());
        waits.none();
        waits.since(Ticks::now());
        let told = waits.told();
        assert_eq!(told.buckets().next(), Some((0.005, 2)));
        assert_eq!(told.buckets().last(), Some((f64::INFINITY, 0)));
        assert!(told.seconds() < 1.0);
    }
}
