//! Where requests spend their time: for each verb and resource a histogram of each phase, and for
//! each watched resource one of how long events take to watchers.
//!
//! A request carries [`Laps`]: at the end of each phase it adds what has passed to that phase, one
//! reading of the processor's counter each. When it has been answered they are put into the
//! shard's histograms. Nothing is locked; who wants to see them asks every shard and adds up.

use crate::base::ticks::Ticks;
use hdrhistogram::Histogram;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What a request is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From its headers until its user is known.
    Authn,
    /// Until its turn has come.
    Queue,
    /// Until it is allowed.
    Authz,
    /// Decoding, defaults, patching, validation.
    Prepare,
    /// Admission plugins.
    Admission,
    /// Reading, also from another shard.
    Cache,
    /// From the transaction to the store's answer.
    Store,
    /// Until the answer's bytes are made, or its stream begun.
    Encode,
    /// Until the connection has taken all of them.
    Write,
}

impl Phase {
    /// In the order of a request.
    pub const ALL: [Self; 9] = [
        Self::Authn,
        Self::Queue,
        Self::Authz,
        Self::Prepare,
        Self::Admission,
        Self::Cache,
        Self::Store,
        Self::Encode,
        Self::Write,
    ];

    /// As reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authn => "authn",
            Self::Queue => "queue",
            Self::Authz => "authz",
            Self::Prepare => "prepare",
            Self::Admission => "admission",
            Self::Cache => "cache",
            Self::Store => "store",
            Self::Encode => "encode",
            Self::Write => "write",
        }
    }
}

/// The time of one request, by phase.
#[derive(Debug, Clone)]
pub struct Laps {
    last: Cell<Ticks>,
    spent: [Cell<u64>; Phase::ALL.len()],
}

impl Default for Laps {
    fn default() -> Self {
        Self { last: Cell::new(Ticks::now()), spent: Default::default() }
    }
}

impl Laps {
    /// What has passed since the last lap was spent in this phase; returns it, in counts.
    /// HOT: benches/latency.rs.
    pub fn lap(&self, phase: Phase) -> u64 {
        let now = Ticks::now();
        let passed = now.since(self.last.replace(now));
        if let Some(spent) = self.spent.get(phase as usize) {
            spent.set(spent.get() + passed);
        }
        passed
    }
}

/// Nanoseconds, with an error of a few percent and small: there are many.
type Nanos = Histogram<u32>;

/// Bounds of Prometheus' histograms of these.
const SECOND_BOUNDS: [f64; 13] =
    [1e-6, 5e-6, 2e-5, 5e-5, 1e-4, 5e-4, 2e-3, 5e-3, 2e-2, 0.1, 0.5, 2.0, 10.0];

/// Shorter times are not told apart.
const NANOS_MIN: u64 = 32;

#[expect(clippy::expect_used, reason = "the bounds are valid")]
fn nanos() -> Nanos {
    let mut histogram = Histogram::new_with_bounds(NANOS_MIN, 1 << 14, 1).expect("valid");
    // A request that takes an hour is counted as well.
    histogram.auto(true);
    histogram
}

/// The phases of one series.
#[derive(Debug, Default)]
pub(in crate::metrics) struct Phases([RefCell<Option<Box<Nanos>>>; Phase::ALL.len()]);

impl Phases {
    /// Counts a request's laps. HOT: benches/latency.rs.
    pub(in crate::metrics) fn add(&self, laps: &Laps) {
        for (histogram, spent) in self.0.iter().zip(&laps.spent) {
            match spent.get() {
                0 => {}
                counts => record(histogram, counts),
            }
        }
    }

    pub(in crate::metrics) fn add_one(&self, phase: Phase, counts: u64) {
        if let Some(histogram) = self.0.get(phase as usize) {
            record(histogram, counts);
        }
    }

    fn copies(&self) -> impl Iterator<Item = (Phase, Nanos)> {
        Phase::ALL
            .into_iter()
            .zip(&self.0)
            .filter_map(|(phase, histogram)| Some((phase, histogram.borrow().as_deref()?.clone())))
    }
}

fn record(histogram: &RefCell<Option<Box<Nanos>>>, counts: u64) {
    let mut histogram = histogram.borrow_mut();
    let histogram = histogram.get_or_insert_with(|| Box::new(nanos()));
    // It resizes itself.
    histogram.record(Ticks::nanos(counts)).ok();
}

/// How long events of one resource took, from their commit until the connection was given them.
#[derive(Debug, Default)]
pub(in crate::metrics) struct Deliveries(RefCell<Option<Box<Nanos>>>);

impl Deliveries {
    pub(in crate::metrics) fn add(&self, counts: u64) {
        record(&self.0, counts);
    }
}

/// What a request was, shorter than its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// GET, LIST, …
    pub verb: String,
    /// `deployments.apps/status`, or the path of what is no resource.
    pub resource: String,
}

/// Histograms of one shard, or of several added up; nanoseconds.
#[derive(Debug, Default)]
pub struct Latency {
    /// By verb and resource, and by phase.
    pub requests: BTreeMap<Subject, BTreeMap<Phase, Nanos>>,
    /// From commit to connection, by resource.
    pub deliveries: BTreeMap<String, Nanos>,
}

impl Latency {
    pub(in crate::metrics) fn put_request(&mut self, subject: Subject, phases: &Phases) {
        let known = self.requests.entry(subject).or_default();
        for (phase, histogram) in phases.copies() {
            add(known.entry(phase).or_insert_with(nanos), &histogram);
        }
    }

    pub(in crate::metrics) fn put_deliveries(&mut self, resource: String, of: &Deliveries) {
        if let Some(histogram) = of.0.borrow().as_deref() {
            add(self.deliveries.entry(resource).or_insert_with(nanos), histogram);
        }
    }

    /// Adds another shard's.
    pub fn merge(&mut self, other: Self) {
        for (subject, phases) in other.requests {
            let known = self.requests.entry(subject).or_default();
            for (phase, histogram) in phases {
                add(known.entry(phase).or_insert_with(nanos), &histogram);
            }
        }
        for (resource, histogram) in other.deliveries {
            add(self.deliveries.entry(resource).or_insert_with(nanos), &histogram);
        }
    }

    /// All requests together, by phase.
    #[must_use]
    pub fn phases(&self) -> BTreeMap<Phase, Nanos> {
        let mut sum = BTreeMap::new();
        for (phase, histogram) in self.requests.values().flatten() {
            add(sum.entry(*phase).or_insert_with(nanos), histogram);
        }
        sum
    }
}

/// A histogram in buckets of a Prometheus one, seconds, and their sum.
#[must_use]
pub fn seconds(nanos: &Histogram<u32>) -> (Vec<(f64, u64)>, f64) {
    let mut buckets = [0u64; SECOND_BOUNDS.len() + 1];
    let mut sum = 0.0;
    for value in nanos.iter_recorded() {
        let seconds = value.value_iterated_to() as f64 / 1e9;
        let count = value.count_since_last_iteration();
        let bucket = SECOND_BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        if let Some(sum) = buckets.get_mut(bucket) {
            *sum += count;
        }
        sum += seconds * count as f64;
    }
    let bounds = SECOND_BOUNDS.into_iter().chain(std::iter::once(f64::INFINITY));
    (bounds.zip(buckets).collect(), sum)
}

fn add(sum: &mut Nanos, more: &Nanos) {
    // Both resize themselves, so nothing is out of range.
    sum.add(more).ok();
}
