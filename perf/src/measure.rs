//! What a run keeps: one [`Measure`] for each scenario, variant, server and round.
//!
//! - *CPU per operation* is user and system time of the server's process (threads that ended too)
//!   over the operations it served. It wavers far less than wall time on a busy machine.
//! - *Latencies* of paced loads count from when the request should have started. Those of loads at
//!   saturation are service times; the report says which they are.
//! - Means over rounds are weighted by operations; the spread over rounds stands beside them.

use crate::host::Host;
use crate::load::Outcome;
use crate::process::Usage;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The percentiles that are kept of each histogram.
pub(crate) const PERCENTILES: &[f64] =
    &[0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999, 100.0];

/// How a load was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Loop {
    /// So many requests always in flight.
    Closed,
    /// Requests at their own times.
    Open,
}

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// When it began, RFC 3339.
    pub(crate) began: String,
    /// The scale's name.
    pub(crate) scale: String,
    /// The machine.
    pub(crate) host: Host,
    /// The servers, in the order they were driven.
    pub(crate) servers: Vec<About>,
    /// What was measured.
    pub(crate) measures: Vec<Measure>,
}

/// A server that was driven.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    /// Its name in the tables.
    pub(crate) name: String,
    /// What it says of itself at `/version`.
    pub(crate) version: String,
    /// From its start until it was ready, seconds, if the run started it.
    pub(crate) start_seconds: Option<f64>,
    /// Its memory before any load, bytes, if its process is known.
    pub(crate) resident_bytes: Option<u64>,
}

/// One scenario's variant on one server, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// Which of its variants, such as `protobuf`.
    pub(crate) variant: String,
    /// The server's name.
    pub(crate) server: String,
    /// The round, from 0.
    pub(crate) round: u32,
    /// What one operation is, such as `GET`.
    pub(crate) operation: String,
    /// How the load was made.
    pub(crate) load: Loop,
    /// Operations that succeeded.
    pub(crate) done: u64,
    /// Operations that failed.
    pub(crate) failed: u64,
    /// The first failure's text.
    pub(crate) first_failure: Option<String>,
    /// How long it took, seconds.
    pub(crate) seconds: f64,
    /// Body bytes received.
    pub(crate) bytes: u64,
    /// Latency at each percentile, nanoseconds.
    pub(crate) latency_ns: Vec<(f64, u64)>,
    /// What it cost, if the server's process is known.
    pub(crate) usage: Option<Usage>,
    /// Figures that only this scenario has, by name with unit.
    pub(crate) figures: BTreeMap<String, f64>,
}

impl Measure {
    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.done as f64 / self.seconds } else { 0.0 }
    }

    /// CPU of the server for each operation, microseconds.
    pub(crate) fn server_us(&self) -> Option<f64> {
        let usage = self.usage.as_ref()?;
        (self.done > 0).then(|| usage.server_cpu_seconds * 1e6 / self.done as f64)
    }

    /// CPU of the store's process for each operation, microseconds.
    pub(crate) fn store_us(&self) -> Option<f64> {
        let usage = self.usage.as_ref()?;
        (self.done > 0).then(|| usage.store_cpu_seconds * 1e6 / self.done as f64)
    }

    /// The latency of a percentile that is kept, milliseconds.
    pub(crate) fn latency_ms(&self, percentile: f64) -> Option<f64> {
        let found = self.latency_ns.iter().find(|(at, _)| *at == percentile);
        found.map(|(_, ns)| *ns as f64 / 1e6)
    }

    /// Takes in what a load brought.
    pub(crate) fn with(mut self, outcome: Outcome, usage: Option<Usage>) -> Self {
        self.done = outcome.done;
        self.failed = outcome.failed;
        self.first_failure = outcome.first_failure;
        self.seconds = outcome.seconds;
        self.bytes = outcome.bytes;
        self.latency_ns = percentiles(&outcome.latency);
        self.usage = usage;
        self
    }

    /// The same with one more figure.
    pub(crate) fn figure(mut self, name: &str, value: f64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }
}

/// The kept percentiles of a histogram; none of an empty one.
fn percentiles(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    PERCENTILES.iter().map(|at| (*at, histogram.value_at_percentile(*at))).collect()
}

/// The rounds of one scenario's variant on one server, as one row.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// The rounds, in order.
    pub(crate) rounds: Vec<&'a Measure>,
}

impl<'a> Row<'a> {
    /// All rows of a run, in the order they were measured.
    pub(crate) fn all(run: &'a Run) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for measure in &run.measures {
            match rows.iter_mut().find(|row| row.first().same_row(measure)) {
                Some(row) => row.rounds.push(measure),
                None => rows.push(Self { rounds: vec![measure] }),
            }
        }
        rows
    }

    /// Its first round: what the rounds have in common.
    pub(crate) fn first(&self) -> &'a Measure {
        self.rounds[0]
    }

    /// The median over the rounds of a figure that all of them have.
    pub(crate) fn median(&self, figure: impl Fn(&Measure) -> Option<f64>) -> Option<f64> {
        let mut all: Vec<f64> = self.rounds.iter().filter_map(|it| figure(it)).collect();
        all.sort_by(f64::total_cmp);
        let middle = all.len() / 2;
        match all.len() {
            0 => None,
            n if n % 2 == 1 => Some(all[middle]),
            _ => Some(f64::midpoint(all[middle - 1], all[middle])),
        }
    }

    /// The lowest and highest over the rounds.
    pub(crate) fn spread(&self, figure: impl Fn(&Measure) -> Option<f64>) -> Option<(f64, f64)> {
        let all = self.rounds.iter().filter_map(|it| figure(it));
        all.fold(None, |range: Option<(f64, f64)>, it| {
            Some(range.map_or((it, it), |(low, high)| (low.min(it), high.max(it))))
        })
    }
}

impl Measure {
    fn same_row(&self, other: &Self) -> bool {
        (&self.scenario, &self.variant, &self.server)
            == (&other.scenario, &other.variant, &other.server)
    }
}

/// A measure for the tests of what reads measures.
#[cfg(test)]
pub(crate) fn sample(server: &str, round: u32, done: u64, cpu_seconds: f64) -> Measure {
    Measure {
        scenario: "get".to_owned(),
        variant: "json".to_owned(),
        server: server.to_owned(),
        round,
        operation: "GET".to_owned(),
        load: Loop::Closed,
        done,
        failed: 0,
        first_failure: None,
        seconds: 2.0,
        bytes: 100,
        latency_ns: vec![(50.0, 1_000_000), (99.0, 3_000_000), (100.0, 9_000_000)],
        usage: Some(Usage { server_cpu_seconds: cpu_seconds, ..Usage::default() }),
        figures: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_per_operation_and_rate() {
        let measure = sample("a", 0, 1_000, 0.02);
        assert_eq!(measure.server_us(), Some(20.0));
        assert_eq!(measure.rate(), 500.0);
        assert_eq!(measure.latency_ms(99.0), Some(3.0));
        assert_eq!(sample("a", 0, 0, 0.02).server_us(), None);
    }

    #[test]
    fn a_row_is_the_rounds_of_one_server() {
        let run = Run {
            began: String::new(),
            scale: String::new(),
            host: Host::look(),
            servers: Vec::new(),
            measures: vec![
                sample("a", 0, 1_000, 0.01),
                sample("b", 0, 1_000, 0.50),
                sample("a", 1, 1_000, 0.03),
                sample("a", 2, 1_000, 0.02),
            ],
        };
        let rows = Row::all(&run);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].median(Measure::server_us), Some(20.0));
        assert_eq!(rows[0].spread(Measure::server_us), Some((10.0, 30.0)));
    }
}
