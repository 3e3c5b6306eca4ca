//! `apiserver_flowcontrol_*`: what levels and schemas have and do.

use super::Flow;
use crate::metrics::{
    FLOW_CURRENT_LIMIT, FLOW_DEMAND_DEVIATION, FLOW_DEMAND_MEAN, FLOW_DEMAND_MOST,
    FLOW_DEMAND_SMOOTHED, FLOW_DISPATCHED, FLOW_ESTIMATED_SEATS, FLOW_EXECUTING,
    FLOW_EXECUTION_SECONDS, FLOW_FAIR_PART, FLOW_IN_QUEUE, FLOW_LOWER_LIMIT, FLOW_NOMINAL_LIMIT,
    FLOW_REJECTED, FLOW_SEATS, FLOW_TARGET, FLOW_UPPER_LIMIT, FLOW_WAIT_SECONDS,
};
use crate::metrics::{Family, Sample, Snapshot};
use std::cell::Cell;

/// `requestDurationSecondsBuckets`.
pub(super) const SECONDS: [f64; 13] =
    [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];
/// The buckets of `work_estimated_seats`.
pub(super) const WIDTHS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0];

/// How figures are spread over at most thirteen buckets and what is above them.
#[derive(Debug, Default)]
pub(super) struct Spread {
    counts: [Cell<u64>; SECONDS.len() + 1],
    sum: Cell<f64>,
}

impl Spread {
    /// Counts one, by the upper bounds of the buckets.
    pub(super) fn observe(&self, bounds: &[f64], figure: f64) {
        let bucket = bounds.iter().take_while(|bound| figure > **bound).count();
        if let Some(count) = self.counts.get(bucket) {
            count.set(count.get() + 1);
        }
        self.sum.set(self.sum.get() + figure);
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.get() == 0)
    }
}

/// Reasons in the order of `Refusal`.
const REASONS: [&str; 4] = ["cancelled", "concurrency-limit", "queue-full", "time-out"];

impl Flow {
    /// What is spread over buckets, of this shard.
    pub fn histograms(&self, snapshot: &mut Snapshot) {
        let plan = self.inner.plan.borrow();
        for schema in plan.schemas.iter() {
            let mut add = |family: &'static Family,
                           more: Option<(&'static str, &str)>,
                           bounds: &[f64],
                           spread: &Spread| {
                if spread.is_empty() {
                    return;
                }
                let mut labels = vec![
                    ("flow_schema", schema.name.to_string()),
                    ("priority_level", schema.level.to_string()),
                ];
                labels.extend(more.map(|(name, value)| (name, value.to_owned())));
                labels.sort_unstable();
                let bounds = bounds.iter().copied().chain([f64::INFINITY]);
                let counts = bounds.zip(spread.counts.iter().map(Cell::get));
                snapshot.add_histogram_of(family, labels, counts, spread.sum.get());
            };
            let counts = &schema.counts;
            for (executed, waits) in ["false", "true"].iter().zip(&counts.waits) {
                add(&FLOW_WAIT_SECONDS, Some(("execute", executed)), &SECONDS, waits);
            }
            for (kind, runs) in ["regular", "watch"].iter().zip(&counts.runs) {
                add(&FLOW_EXECUTION_SECONDS, Some(("type", kind)), &SECONDS, runs);
            }
            add(&FLOW_ESTIMATED_SEATS, None, &WIDTHS, &counts.widths);
        }
    }

    /// All figures of this shard.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let plan = self.inner.plan.borrow();
        let mut add = |family: &'static Family, labels: Vec<(&'static str, String)>, value: f64| {
            samples.push(Sample { family, labels, value });
        };
        for (name, level) in &plan.levels {
            let label = || vec![("priority_level", name.to_string())];
            let stats = level.demand();
            add(&FLOW_NOMINAL_LIMIT, label(), level.nominal.get() as f64);
            add(&FLOW_LOWER_LIMIT, label(), level.least.get() as f64);
            add(&FLOW_UPPER_LIMIT, label(), level.most.get() as f64);
            add(&FLOW_CURRENT_LIMIT, label(), level.limit() as f64);
            add(&FLOW_DEMAND_MOST, label(), stats.most as f64);
            add(&FLOW_DEMAND_MEAN, label(), stats.mean);
            add(&FLOW_DEMAND_DEVIATION, label(), stats.deviation);
            add(&FLOW_DEMAND_SMOOTHED, label(), stats.smoothed);
            add(&FLOW_TARGET, label(), level.target.get());
        }
        for schema in plan.schemas.iter() {
            let labels = || {
                vec![
                    ("priority_level", schema.level.to_string()),
                    ("flow_schema", schema.name.to_string()),
                ]
            };
            let counts = &schema.counts;
            add(&FLOW_DISPATCHED, labels(), counts.dispatched.get() as f64);
            add(&FLOW_IN_QUEUE, labels(), counts.waiting.get() as f64);
            add(&FLOW_EXECUTING, labels(), counts.executing.get() as f64);
            add(&FLOW_SEATS, labels(), counts.seats.get() as f64);
            for (reason, count) in REASONS.iter().zip(&counts.rejected) {
                let mut labels = labels();
                labels.push(("reason", (*reason).to_owned()));
                add(&FLOW_REJECTED, labels, count.get() as f64);
            }
        }
        add(&FLOW_FAIR_PART, Vec::new(), self.inner.fair_part.get());
        samples
    }
}
