//! Figures as Prometheus reads them.

use crate::metrics::family::Family;
use crate::metrics::family::Kind;
use crate::metrics::family::LONG_RUNNING;
use crate::metrics::family::REQUEST_QUANTILES;
use crate::metrics::family::REQUEST_SECONDS;
use crate::metrics::family::REQUESTS;
use crate::metrics::family::RESPONSE_SIZES;
use crate::metrics::family::WATCH_EVENT_SIZES;
use crate::metrics::family::WATCH_EVENTS;
use crate::metrics::recorder::EVENT_SIZE_BOUNDS;
use crate::metrics::recorder::SIZE_BOUNDS;
use crate::metrics::snapshot::LabelText;
use crate::metrics::snapshot::Snapshot;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write;

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Upper bounds of `apiserver_request_duration_seconds`.
const SECOND_BOUNDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0,
    10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
];
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

impl Snapshot {
    /// The text of a scrape.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Text(String::with_capacity(16 * 1024));
        self.requests(&mut text);
        self.watches(&mut text);
        self.others(&mut text);
        text.0
    }

    /// The text of single figures alone.
    #[must_use]
    pub fn render_single(&self) -> String {
        let mut text = Text(String::with_capacity(16 * 1024));
        self.others(&mut text);
        text.0
    }

    fn others(&self, text: &mut Text) {
        // One family may come from several shards and places; its samples must stand together.
        let mut families: BTreeMap<&str, (&Family, BTreeMap<String, f64>)> = BTreeMap::new();
        for sample in &self.samples {
            let labels = labels(sample.labels.iter().map(|(name, value)| (*name, value.as_str())));
            let (_, values) = families
                .entry(sample.family.name)
                .or_insert_with(|| (sample.family, BTreeMap::new()));
            *values.entry(labels).or_default() += sample.value;
        }
        for (family, values) in families.values() {
            text.head(family);
            for (labels, value) in values {
                text.line(family.name, "", labels, *value);
            }
        }
        let mut headed = "";
        let mut histograms: Vec<_> = self.buckets.iter().collect();
        histograms.sort_by_key(|histogram| histogram.family.name);
        for histogram in histograms {
            if headed != histogram.family.name {
                text.head(histogram.family);
                headed = histogram.family.name;
            }
            let label = labels(histogram.labels.iter().map(|(name, text)| (*name, &**text)));
            let counts = histogram.counts.iter().copied();
            text.histogram(histogram.family, &label, counts, histogram.sum);
        }
    }

    fn requests(&self, text: &mut Text) {
        text.head(&REQUESTS);
        for (labels, request) in &self.requests {
            let base = request_labels(labels, true);
            let mut codes = request.figures.codes.clone();
            codes.sort_unstable();
            for (code, count) in codes {
                text.line(REQUESTS.name, "", &format!("code=\"{code}\",{base}"), count as f64);
            }
        }
        text.head(&REQUEST_SECONDS);
        for (labels, request) in self.answered() {
            let base = request_labels(labels, true);
            let buckets = seconds(&request.figures.latency);
            let sum = request.figures.latency_micros_sum as f64 / 1e6;
            text.histogram(&REQUEST_SECONDS, &base, buckets, sum);
        }
        text.head(&REQUEST_QUANTILES);
        for (labels, request) in self.answered() {
            let base = request_labels(labels, true);
            let latency = &request.figures.latency;
            for quantile in QUANTILES {
                let value = latency.value_at_quantile(quantile) as f64 / 1e6;
                let labels = format!("{base},quantile=\"{quantile}\"");
                text.line(REQUEST_QUANTILES.name, "", &labels, value);
            }
            let sum = request.figures.latency_micros_sum as f64 / 1e6;
            text.line(REQUEST_QUANTILES.name, "_sum", &base, sum);
            text.line(REQUEST_QUANTILES.name, "_count", &base, latency.len() as f64);
        }
        text.head(&RESPONSE_SIZES);
        for (labels, request) in self.answered() {
            let figures = &request.figures;
            if figures.sizes.iter().any(|count| *count > 0) {
                let base = request_labels(labels, false);
                let bounds = SIZE_BOUNDS.iter().map(|bound| *bound as f64);
                let bounds = bounds.chain(std::iter::once(f64::INFINITY));
                let buckets = bounds.zip(figures.sizes);
                text.histogram(&RESPONSE_SIZES, &base, buckets, figures.size_sum as f64);
            }
        }
        text.head(&LONG_RUNNING);
        for (labels, request) in &self.requests {
            if request.long_running > 0 {
                let base = request_labels(labels, false);
                text.line(LONG_RUNNING.name, "", &base, request.long_running as f64);
            }
        }
    }

    /// Series with at least one finished request.
    fn answered(
        &self,
    ) -> impl Iterator<Item = (&LabelText, &crate::metrics::snapshot::RequestSnapshot)> {
        self.requests.iter().filter(|(_, request)| !request.figures.latency.is_empty())
    }

    fn watches(&self, text: &mut Text) {
        let named = |[group, version, resource]: &[String; 3]| {
            labels([("group", &**group), ("resource", &**resource), ("version", &**version)])
        };
        text.head(&WATCH_EVENTS);
        for (parts, watch) in &self.watches {
            let count: u64 = watch.sizes.iter().sum();
            text.line(WATCH_EVENTS.name, "", &named(parts), count as f64);
        }
        text.head(&WATCH_EVENT_SIZES);
        for (parts, watch) in &self.watches {
            let bounds = EVENT_SIZE_BOUNDS.iter().map(|bound| *bound as f64);
            let buckets = bounds.chain(std::iter::once(f64::INFINITY)).zip(watch.sizes);
            text.histogram(&WATCH_EVENT_SIZES, &named(parts), buckets, watch.size_sum as f64);
        }
    }
}

/// Upstream's labels of a request, in alphabetical order but for `code`.
fn request_labels(text: &LabelText, with_dry_run: bool) -> String {
    let dry_run = with_dry_run.then_some(("dry_run", if text.dry_run { "All" } else { "" }));
    let rest = [
        ("group", &*text.group),
        ("resource", &*text.resource),
        ("scope", &*text.scope),
        ("subresource", &*text.subresource),
        ("verb", &*text.verb),
        ("version", &*text.version),
    ];
    labels(std::iter::once(("component", "apiserver")).chain(dry_run).chain(rest))
}

fn labels<'l>(pairs: impl IntoIterator<Item = (&'l str, &'l str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}

/// A latency histogram in upstream's buckets.
fn seconds(latency: &Histogram<u32>) -> impl Iterator<Item = (f64, u64)> {
    let mut counts = [0u64; SECOND_BOUNDS.len() + 1];
    for value in latency.iter_recorded() {
        let seconds = value.value_iterated_to() as f64 / 1e6;
        let bucket = SECOND_BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        if let Some(count) = counts.get_mut(bucket) {
            *count += value.count_since_last_iteration();
        }
    }
    SECOND_BOUNDS.into_iter().chain(std::iter::once(f64::INFINITY)).zip(counts)
}

struct Text(String);

// Writing to a String cannot fail.
impl Text {
    fn head(&mut self, family: &Family) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        let name = family.name;
        writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", family.help).ok();
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &str, value: f64) {
        match labels {
            "" => writeln!(self.0, "{name}{suffix} {value}"),
            _ => writeln!(self.0, "{name}{suffix}{{{labels}}} {value}"),
        }
        .ok();
    }

    fn histogram(
        &mut self,
        family: &Family,
        labels: &str,
        buckets: impl Iterator<Item = (f64, u64)>,
        sum: f64,
    ) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0u64;
        for (bound, count) in buckets {
            total += count;
            let bound = if bound.is_infinite() { "+Inf".to_owned() } else { bound.to_string() };
            let labels = format!("{labels}{comma}le=\"{bound}\"");
            self.line(family.name, "_bucket", &labels, total as f64);
        }
        self.line(family.name, "_sum", labels, sum);
        self.line(family.name, "_count", labels, total as f64);
    }
}
