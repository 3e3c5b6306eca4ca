//! What a plugin's calls came to, for the metrics.

use crate::base::hash::HashMap;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Upper bounds of the latencies, microseconds
/// (`apiserver_envelope_encryption_kms_operations_latency_seconds`: from 0.1 ms on, doubled).
pub const LATENCY_BOUNDS: [u64; 15] = [
    100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 204_800, 409_600,
    819_200, 1_638_400,
];

/// The latencies of one method and code.
#[derive(Debug, Default)]
pub struct Latency {
    /// How many took no longer than each bound, and not as short as the one before it.
    pub buckets: [AtomicU64; LATENCY_BOUNDS.len()],
    /// All of them.
    pub count: AtomicU64,
    /// Their sum, microseconds.
    pub micros: AtomicU64,
}

/// What is counted of one plugin.
#[derive(Debug, Default)]
pub struct Figures {
    calls: ArcSwap<HashMap<(&'static str, String), Arc<Latency>>>,
    /// Key ids in answers to Status that are none.
    pub invalid_key_ids: AtomicU64,
}

impl Figures {
    /// A call has ended.
    pub(super) fn called(&self, method: &'static str, code: String, begun: Instant) {
        let key = (method, code);
        let known = self.calls.load().get(&key).cloned();
        let latency = known.unwrap_or_else(|| {
            let made = Arc::<Latency>::default();
            self.calls.rcu(|calls| {
                let mut calls = HashMap::clone(calls);
                calls.insert(key.clone(), Arc::clone(&made));
                calls
            });
            made
        });
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let place = LATENCY_BOUNDS.iter().position(|bound| micros <= *bound);
        if let Some(bucket) = place.and_then(|place| latency.buckets.get(place)) {
            bucket.fetch_add(1, Relaxed);
        }
        latency.count.fetch_add(1, Relaxed);
        latency.micros.fetch_add(micros, Relaxed);
    }

    /// The latencies by method and code.
    pub fn calls(&self) -> Vec<(&'static str, String, Arc<Latency>)> {
        let calls = self.calls.load();
        let all = calls.iter();
        all.map(|((method, code), latency)| (*method, code.clone(), Arc::clone(latency))).collect()
    }
}
