//! `apiserver_flowcontrol_*`: what levels and schemas have and do.

use super::Flow;
use crate::metrics::{
    FLOW_CURRENT_LIMIT, FLOW_DEMAND_DEVIATION, FLOW_DEMAND_MEAN, FLOW_DEMAND_MOST,
    FLOW_DEMAND_SMOOTHED, FLOW_DISPATCHED, FLOW_EXECUTING, FLOW_FAIR_PART, FLOW_IN_QUEUE,
    FLOW_LOWER_LIMIT, FLOW_NOMINAL_LIMIT, FLOW_REJECTED, FLOW_SEATS, FLOW_TARGET, FLOW_UPPER_LIMIT,
};
use crate::metrics::{Family, Sample};

/// Reasons in the order of `Refusal`.
const REASONS: [&str; 4] = ["cancelled", "concurrency-limit", "queue-full", "time-out"];

impl Flow {
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
