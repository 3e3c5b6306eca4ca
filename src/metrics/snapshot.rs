//! Figures on their way between shards, and their sums.

use crate::metrics::family::Family;
use crate::metrics::recorder::EVENT_SIZE_BOUNDS;
use crate::metrics::recorder::Figures;
use crate::metrics::recorder::Labels;
use std::collections::BTreeMap;
use std::fmt;

/// Labels that own their text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::metrics) struct LabelText {
    pub(in crate::metrics) group: String,
    pub(in crate::metrics) version: String,
    pub(in crate::metrics) resource: String,
    pub(in crate::metrics) subresource: String,
    pub(in crate::metrics) scope: String,
    pub(in crate::metrics) verb: String,
    pub(in crate::metrics) dry_run: bool,
}

impl LabelText {
    pub(in crate::metrics) fn new(labels: &Labels<'_>) -> Self {
        Self {
            group: labels.group.to_owned(),
            version: labels.version.to_owned(),
            resource: labels.resource.to_owned(),
            subresource: labels.subresource.to_owned(),
            scope: labels.scope.to_owned(),
            verb: labels.verb.to_owned(),
            dry_run: labels.dry_run,
        }
    }

    pub(in crate::metrics) fn is(&self, labels: &Labels<'_>) -> bool {
        self.resource == labels.resource
            && self.verb == labels.verb
            && self.group == labels.group
            && self.version == labels.version
            && self.subresource == labels.subresource
            && self.scope == labels.scope
            && self.dry_run == labels.dry_run
    }
}

/// A value with its labels.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The metric.
    pub family: &'static Family,
    /// Names and values of labels.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

pub(in crate::metrics) struct RequestSnapshot {
    pub(in crate::metrics) figures: Figures,
    pub(in crate::metrics) long_running: u64,
}

pub(in crate::metrics) struct WatchSnapshot {
    pub(in crate::metrics) sizes: [u64; EVENT_SIZE_BOUNDS.len() + 1],
    pub(in crate::metrics) size_sum: u64,
}

/// A histogram that was made elsewhere.
#[derive(Debug, Clone)]
pub(in crate::metrics) struct Buckets {
    pub(in crate::metrics) family: &'static Family,
    pub(in crate::metrics) labels: Vec<(&'static str, String)>,
    /// Upper bound and count of each bucket, not cumulative.
    pub(in crate::metrics) counts: Vec<(f64, u64)>,
    pub(in crate::metrics) sum: f64,
}

/// Figures of one shard, or of several added up.
#[derive(Default)]
pub struct Snapshot {
    pub(in crate::metrics) requests: BTreeMap<LabelText, RequestSnapshot>,
    pub(in crate::metrics) watches: BTreeMap<[String; 3], WatchSnapshot>,
    pub(in crate::metrics) samples: Vec<Sample>,
    pub(in crate::metrics) buckets: Vec<Buckets>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} requests, {} samples)", self.requests.len(), self.samples.len())
    }
}

impl Snapshot {
    /// Adds a value; those with equal labels are summed when rendered.
    pub fn add(&mut self, family: &'static Family, value: f64) {
        self.samples.push(Sample { family, labels: Vec::new(), value });
    }

    /// As [`Self::add`], with one label.
    pub fn add_labelled(
        &mut self,
        family: &'static Family,
        (name, text): (&'static str, impl Into<String>),
        value: f64,
    ) {
        self.samples.push(Sample { family, labels: vec![(name, text.into())], value });
    }

    /// As [`Self::add`], with as many labels as there are.
    pub fn add_of(
        &mut self,
        family: &'static Family,
        labels: Vec<(&'static str, String)>,
        value: f64,
    ) {
        self.samples.push(Sample { family, labels, value });
    }

    /// Adds values from elsewhere.
    pub fn extend(&mut self, samples: impl IntoIterator<Item = Sample>) {
        self.samples.extend(samples);
    }

    /// Adds a histogram: upper bounds and counts, not cumulative, the last bound being infinite.
    pub fn add_histogram(
        &mut self,
        family: &'static Family,
        counts: impl IntoIterator<Item = (f64, u64)>,
        sum: f64,
    ) {
        let counts = counts.into_iter().collect();
        self.buckets.push(Buckets { family, labels: Vec::new(), counts, sum });
    }

    /// As [`Self::add_histogram`], with one label. Those of one family must come together.
    pub fn add_labelled_histogram(
        &mut self,
        family: &'static Family,
        (name, text): (&'static str, impl Into<String>),
        counts: impl IntoIterator<Item = (f64, u64)>,
        sum: f64,
    ) {
        let counts = counts.into_iter().collect();
        self.buckets.push(Buckets { family, labels: vec![(name, text.into())], counts, sum });
    }

    /// As [`Self::add_labelled_histogram`], with as many labels as there are.
    pub fn add_histogram_of(
        &mut self,
        family: &'static Family,
        labels: Vec<(&'static str, String)>,
        counts: impl IntoIterator<Item = (f64, u64)>,
        sum: f64,
    ) {
        let more = counts.into_iter();
        let same = |known: &&mut Buckets| known.family == family && known.labels == labels;
        if let Some(known) = self.buckets.iter_mut().find(same) {
            known.sum += sum;
            for ((_, count), (_, more)) in known.counts.iter_mut().zip(more) {
                *count += more;
            }
            return;
        }
        self.buckets.push(Buckets { family, labels, counts: more.collect(), sum });
    }

    /// Adds another shard's figures to these.
    pub fn merge(&mut self, other: Self) {
        for (labels, request) in other.requests {
            match self.requests.get_mut(&labels) {
                None => {
                    self.requests.insert(labels, request);
                }
                Some(sum) => {
                    sum.long_running += request.long_running;
                    sum.figures.add(&request.figures);
                }
            }
        }
        for (labels, watch) in other.watches {
            match self.watches.get_mut(&labels) {
                None => {
                    self.watches.insert(labels, watch);
                }
                Some(sum) => {
                    sum.size_sum = sum.size_sum.wrapping_add(watch.size_sum);
                    for (count, more) in sum.sizes.iter_mut().zip(watch.sizes) {
                        *count += more;
                    }
                }
            }
        }
        self.samples.extend(other.samples);
        for more in other.buckets {
            let same =
                |known: &&mut Buckets| known.family == more.family && known.labels == more.labels;
            let Some(sum) = self.buckets.iter_mut().find(same) else {
                self.buckets.push(more);
                continue;
            };
            sum.sum += more.sum;
            for ((_, count), (_, more)) in sum.counts.iter_mut().zip(more.counts) {
                *count += more;
            }
        }
    }
}

impl Figures {
    fn add(&mut self, other: &Self) {
        for (code, more) in &other.codes {
            match self.codes.iter_mut().find(|(known, _)| known == code) {
                Some((_, count)) => *count += more,
                None => self.codes.push((*code, *more)),
            }
        }
        // Both resize themselves, so nothing is out of range.
        self.latency.add(&other.latency).ok();
        self.latency_micros_sum = self.latency_micros_sum.saturating_add(other.latency_micros_sum);
        for (count, more) in self.sizes.iter_mut().zip(other.sizes) {
            *count += more;
        }
        self.size_sum = self.size_sum.saturating_add(other.size_sum);
    }
}
