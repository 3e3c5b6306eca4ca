//! What sealing and opening, and the calls of plugins, came to; for the metrics. Several threads
//! count here.

use crate::base::hash::HashMap;
use arc_swap::ArcSwap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Latencies in buckets.
#[derive(Debug)]
pub struct Latency {
    bounds: &'static [Duration],
    buckets: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

impl Latency {
    /// None yet; the bounds are upper ones.
    pub(super) fn new(bounds: &'static [Duration]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, nanos: AtomicU64::new(0) }
    }

    /// One took so long.
    pub(super) fn record(&self, took: Duration) {
        let place = self.bounds.iter().take_while(|bound| took > **bound).count();
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Relaxed);
        }
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Bounds in seconds, the last one infinite, and how many are in each bucket alone.
    pub fn counts(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        bounds.zip(self.buckets.iter().map(|bucket| bucket.load(Relaxed)))
    }

    /// Their sum, seconds.
    pub fn seconds(&self) -> f64 {
        self.nanos.load(Relaxed) as f64 * 1e-9
    }
}

/// Figures by some key; there are few of them, and they stay.
#[derive(Debug)]
pub(super) struct Table<K, V>(ArcSwap<HashMap<K, Arc<V>>>);

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(ArcSwap::default())
    }

    /// The figures of a key, made if they are new and there are fewer than `most`.
    pub(super) fn of(&self, key: &K, most: usize, make: impl FnOnce() -> V) -> Option<Arc<V>> {
        if let Some(known) = self.0.load().get(key) {
            return Some(Arc::clone(known));
        }
        if self.0.load().len() >= most {
            return None;
        }
        let made = Arc::new(make());
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.entry(key.clone()).or_insert_with(|| Arc::clone(&made));
            all
        });
        self.0.load().get(key).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(K, Arc<V>)> {
        let all = self.0.load();
        all.iter().map(|(key, figures)| (key.clone(), Arc::clone(figures))).collect()
    }
}
