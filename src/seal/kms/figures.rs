//! What a plugin's calls came to, and which of its keys were used.

use crate::base::clock;
use crate::seal::figures::{Latency, Table};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// `ExponentialBuckets(0.0001, 2, 20)`.
static CALL_BOUNDS: [Duration; 20] = doubled(100_000);
/// Key ids of which something is told (`cacheSize`).
const KEY_IDS_MAX: usize = 100;
/// Methods and codes of calls.
const CALLS_MAX: usize = 64;

/// So many nanoseconds, and each time twice as many.
pub(in crate::seal) const fn doubled<const N: usize>(first: u64) -> [Duration; N] {
    let mut bounds = [Duration::ZERO; N];
    let mut at = 0;
    while at < N {
        bounds[at] = Duration::from_nanos(first << at);
        at += 1;
    }
    bounds
}

/// How often something was used, and when last.
#[derive(Debug, Default)]
pub struct Use {
    /// How often.
    pub count: AtomicU64,
    /// Milliseconds since the epoch.
    pub last_millis: AtomicU64,
}

impl Use {
    fn once(&self) {
        self.count.fetch_add(1, Relaxed);
        let now = u64::try_from(clock::unix_time().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(now, Relaxed);
    }
}

/// What is counted of one plugin.
#[derive(Debug)]
pub struct Figures {
    calls: Table<(&'static str, String), Latency>,
    /// By kind of use and hash of the key's id.
    keys: Table<(&'static str, String), Use>,
    /// Key ids in answers to Status that are none, by what is wrong with them.
    invalid: Table<&'static str, AtomicU64>,
    /// Sources that are kept opened.
    pub sources: AtomicU64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            calls: Table::new(),
            keys: Table::new(),
            invalid: Table::new(),
            sources: AtomicU64::new(0),
        }
    }
}

impl Figures {
    /// A call has ended.
    pub(super) fn called(&self, method: &'static str, code: String, begun: Instant) {
        let made = || Latency::new(&CALL_BOUNDS);
        if let Some(latency) = self.calls.of(&(method, code), CALLS_MAX, made) {
            latency.record(begun.elapsed());
        }
    }

    /// The latencies by method and code.
    pub fn calls(&self) -> Vec<((&'static str, String), Arc<Latency>)> {
        self.calls.all()
    }

    /// A key was used: `to_storage`, `from_storage`, or told by `status`; by its id's hash.
    pub(super) fn used(&self, how: &'static str, hash: &Arc<str>) {
        let key = (how, hash.to_string());
        if let Some(used) = self.keys.of(&key, KEY_IDS_MAX, Use::default) {
            used.once();
        }
    }

    /// The uses of keys, by kind and hash.
    pub fn keys(&self) -> Vec<((&'static str, String), Arc<Use>)> {
        self.keys.all()
    }

    /// Status told a key id that is none.
    pub(super) fn invalid(&self, why: &'static str) {
        if let Some(count) = self.invalid.of(&why, CALLS_MAX, || AtomicU64::new(0)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How often, by what is wrong.
    pub fn invalid_key_ids(&self) -> Vec<(&'static str, u64)> {
        let all = self.invalid.all().into_iter();
        all.map(|(why, count)| (why, count.load(Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stand_in_upstreams_buckets_and_keys_are_told_by_their_hashes() {
        assert_eq!(CALL_BOUNDS[0], Duration::from_micros(100));
        assert_eq!(CALL_BOUNDS[19], Duration::from_micros(100 << 19));
        let figures = Figures::default();
        figures.called("/Status", "OK".to_owned(), Instant::now());
        let [((method, code), latency)] = &figures.calls()[..] else { panic!() };
        assert_eq!((*method, &**code), ("/Status", "OK"));
        assert_eq!(latency.counts().map(|(_, count)| count).sum::<u64>(), 1);
        figures.used("to_storage", &"sha256:1".into());
        figures.used("to_storage", &"sha256:1".into());
        let [(_, used)] = &figures.keys()[..] else { panic!() };
        assert_eq!(used.count.load(Relaxed), 2);
        figures.invalid("empty");
        assert_eq!(figures.invalid_key_ids(), [("empty", 1)]);
    }
}
