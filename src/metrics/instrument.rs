//! Figures whose label values are known only when something is counted: names of webhooks,
//! authorizers, plugins. Who counts often keeps its [`Series`]; who does not names it anew.

use crate::base::limits::METRIC_SERIES_MAX;
use crate::metrics::family::{Family, Kind};
use crate::metrics::snapshot::{Sample, Snapshot};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Stands between the values of one series' labels in its key.
const SEPARATOR: char = '\u{1f}';

/// A counter or histogram with labels.
#[derive(Debug)]
pub struct Instrument {
    /// Name, kind and help.
    pub family: Family,
    /// Names of the labels, in alphabetical order.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets; none of a counter.
    pub bounds: &'static [f64],
}

/// One counter or histogram with its labels' values; a counter is one bucket.
pub struct Series {
    instrument: &'static Instrument,
    values: Box<[String]>,
    counts: Box<[Cell<u64>]>,
    sum: Cell<f64>,
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.instrument.family.name, self.values)
    }
}

impl Series {
    fn new(instrument: &'static Instrument, values: &[&str]) -> Self {
        Self {
            instrument,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            counts: (0..=instrument.bounds.len()).map(|_| Cell::new(0)).collect(),
            sum: Cell::new(0.0),
        }
    }

    /// Counts one.
    pub fn add(&self) {
        self.observe(0.0);
    }

    /// Counts one of so many seconds.
    pub fn observe(&self, seconds: f64) {
        let bounds = self.instrument.bounds.iter();
        let bucket = bounds.take_while(|bound| seconds > **bound).count();
        if let Some(count) = self.counts.get(bucket) {
            count.set(count.get() + 1);
        }
        self.sum.set(self.sum.get() + seconds);
    }

    fn put(&self, snapshot: &mut Snapshot) {
        let names = self.instrument.labels.iter();
        let labels = names.zip(&self.values).map(|(name, value)| (*name, value.clone())).collect();
        let family = &self.instrument.family;
        let counts = self.counts.iter().map(Cell::get);
        if family.kind != Kind::Histogram {
            let value = counts.sum::<u64>() as f64;
            snapshot.samples.push(Sample { family, labels, value });
            return;
        }
        let bounds = self.instrument.bounds.iter().copied().chain([f64::INFINITY]);
        snapshot.add_histogram_of(family, labels, bounds.zip(counts), self.sum.get());
    }
}

/// All series of one shard.
#[derive(Default)]
pub(in crate::metrics) struct Board(RefCell<BTreeMap<(&'static str, String), Rc<Series>>>);

impl Board {
    /// The series of these values, in the order of the instrument's labels. One series stands for
    /// all that come when there are too many.
    pub(in crate::metrics) fn series(
        &self,
        instrument: &'static Instrument,
        values: &[&str],
    ) -> Rc<Series> {
        let mut all = self.0.borrow_mut();
        let full = all.len() >= METRIC_SERIES_MAX;
        let key = |values: &[&str]| {
            let mut key = String::new();
            for value in values {
                key.push_str(value);
                key.push(SEPARATOR);
            }
            (instrument.family.name, key)
        };
        let own = key(values);
        if full && !all.contains_key(&own) {
            let none = vec![""; values.len()];
            let made = || Rc::new(Series::new(instrument, &none));
            return Rc::clone(all.entry(key(&none)).or_insert_with(made));
        }
        let made = || Rc::new(Series::new(instrument, values));
        Rc::clone(all.entry(own).or_insert_with(made))
    }

    pub(in crate::metrics) fn put(&self, snapshot: &mut Snapshot) {
        for series in self.0.borrow().values() {
            if series.counts.iter().any(|count| count.get() > 0) {
                series.put(snapshot);
            }
        }
    }
}

impl super::Recorder {
    /// A counter or histogram of these label values, to be kept by who counts often.
    #[must_use]
    pub fn series(&self, instrument: &'static Instrument, values: &[&str]) -> Rc<Series> {
        self.board.series(instrument, values)
    }

    /// Counts one.
    pub fn count(&self, instrument: &'static Instrument, values: &[&str]) {
        self.board.series(instrument, values).add();
    }

    /// Counts one that took so long.
    pub fn observe(&self, instrument: &'static Instrument, values: &[&str], took: Duration) {
        self.board.series(instrument, values).observe(took.as_secs_f64());
    }
}
