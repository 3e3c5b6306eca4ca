//! What one shard counts.

use crate::base::hash::HashMap;
use crate::base::limits::METRIC_SERIES_MAX;
use crate::base::limits::SLOW_WATCHERS_MAX;
use crate::base::ticks::Ticks;
use crate::metrics::family::Tally;
use crate::metrics::family::{AUTHENTICATED, CERTIFICATES, IN_FLIGHT};
use crate::metrics::instrument::{Board, Series as Figure};
use crate::metrics::instruments::{AUTHENTICATION_SECONDS, AUTHORIZATION_SECONDS};
use crate::metrics::latency::Deliveries;
use crate::metrics::latency::Laps;
use crate::metrics::latency::Latency;
use crate::metrics::latency::Phase;
use crate::metrics::latency::Phases;
use crate::metrics::latency::Subject;
use crate::metrics::snapshot::LabelText;
use crate::metrics::snapshot::RequestSnapshot;
use crate::metrics::snapshot::Sample;
use crate::metrics::snapshot::Snapshot;
use crate::metrics::snapshot::WatchSnapshot;
use hdrhistogram::Histogram;
use std::cell::RefCell;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::time::Duration;

/// Upper bounds of `apiserver_response_sizes`, bytes.
pub(in crate::metrics) const SIZE_BOUNDS: [u64; 7] =
    [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
/// Upper bounds of `apiserver_watch_events_sizes`, bytes.
pub(in crate::metrics) const EVENT_SIZE_BOUNDS: [u64; 8] =
    [1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072];

/// What a request did, as labels. The resource must be one that is served, never text of the
/// client's: each set of labels is kept for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Labels<'l> {
    /// GET, LIST, WATCH, POST, PUT, PATCH, APPLY, DELETE, DELETECOLLECTION, CONNECT.
    pub verb: &'l str,
    /// API group, "" for core.
    pub group: &'l str,
    /// API version.
    pub version: &'l str,
    /// Plural; "" for what is no resource.
    pub resource: &'l str,
    /// Subresource, or the path of what is no resource.
    pub subresource: &'l str,
    /// `resource`, `namespace`, `cluster`, or "".
    pub scope: &'l str,
    /// Dry run.
    pub dry_run: bool,
}

/// Which of the two limits on requests counts one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Writes.
    Mutating,
    /// Reads.
    ReadOnly,
}

/// One set of labels.
struct Series {
    labels: LabelText,
    figures: RefCell<Figures>,
    phases: Phases,
    long_running: Cell<u64>,
}

/// Measures how long the connection takes to take an answer, while it lives.
pub struct Sent {
    series: Rc<Series>,
    begun: Ticks,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({:?})", self.series.labels)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.series.phases.add_one(Phase::Write, Ticks::now().since(self.begun));
    }
}

/// What is counted for it.
pub(in crate::metrics) struct Figures {
    /// By response code; few, so a list.
    pub(in crate::metrics) codes: Vec<(u16, u64)>,
    /// Microseconds.
    pub(in crate::metrics) latency: Histogram<u32>,
    pub(in crate::metrics) latency_micros_sum: u64,
    /// In the buckets of [`SIZE_BOUNDS`] and above.
    pub(in crate::metrics) sizes: [u64; SIZE_BOUNDS.len() + 1],
    pub(in crate::metrics) size_sum: u64,
}

impl Figures {
    #[expect(clippy::expect_used, reason = "2 significant digits are valid")]
    pub(in crate::metrics) fn new() -> Self {
        Self {
            codes: Vec::new(),
            latency: Histogram::new(2).expect("valid"),
            latency_micros_sum: 0,
            sizes: [0; SIZE_BOUNDS.len() + 1],
            size_sum: 0,
        }
    }
}

/// Watches of one user that were ended because they were read too slowly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowWatcher {
    /// Whose.
    pub user: String,
    /// Of what.
    pub resource: String,
    /// How many.
    pub count: u64,
}

/// The figures of one shard. Everything is cheap: a hash of the labels and a few additions.
pub struct Recorder {
    series: RefCell<HashMap<u64, Rc<Series>>>,
    watches: RefCell<HashMap<u64, Rc<WatchSeries>>>,
    tallies: [Cell<u64>; Tally::ALL.len()],
    mutating: Cell<usize>,
    read_only: Cell<usize>,
    slow_watchers: RefCell<Vec<SlowWatcher>>,
    users: [Cell<u64>; USERS.len()],
    certificates: RefCell<Certificates>,
    /// Times of the first tallies, see [`Recorder::decided`].
    decided: [OnceCell<Rc<Figure>>; 7],
    pub(in crate::metrics) board: Board,
}

/// Users by whom requests are counted, and two kinds of others (`compressUsername`).
const USERS: [&str; 7] = [
    "admin",
    "client",
    "kube_proxy",
    "kubelet",
    "system:serviceaccount:kube-system:default",
    "email_id",
    "other",
];
/// Upper bounds of `apiserver_client_certificate_expiration_seconds`.
const EXPIRY_BOUNDS: [u64; 15] = [
    0,
    1_800,
    3_600,
    7_200,
    21_600,
    43_200,
    86_400,
    172_800,
    345_600,
    604_800,
    2_592_000,
    7_776_000,
    15_552_000,
    31_104_000,
    u64::MAX,
];

/// How long certificates of clients still hold.
#[derive(Default)]
struct Certificates {
    counts: [u64; EXPIRY_BOUNDS.len()],
    seconds: f64,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({} series)", self.series.borrow().len())
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            series: RefCell::default(),
            watches: RefCell::default(),
            tallies: Tally::ALL.map(|_| Cell::new(0)),
            mutating: Cell::new(0),
            read_only: Cell::new(0),
            slow_watchers: RefCell::default(),
            users: USERS.map(|_| Cell::new(0)),
            certificates: RefCell::default(),
            decided: Default::default(),
            board: Board::default(),
        }
    }
}

impl Recorder {
    /// A request was answered. `response_bytes` only for GET and LIST, as upstream. What is
    /// returned is to be dropped when the answer has been sent.
    pub fn request(
        &self,
        labels: &Labels<'_>,
        code: u16,
        took: (Duration, &Laps),
        response_bytes: Option<u64>,
    ) -> Sent {
        let series = self.answered(labels, code, took, response_bytes);
        Sent { series, begun: Ticks::now() }
    }

    /// As [`Self::request`], for an answer that has been sent.
    pub fn sent(&self, labels: &Labels<'_>, code: u16, took: (Duration, &Laps)) {
        self.answered(labels, code, took, None);
    }

    fn answered(
        &self,
        labels: &Labels<'_>,
        code: u16,
        (elapsed, laps): (Duration, &Laps),
        response_bytes: Option<u64>,
    ) -> Rc<Series> {
        let series = self.labelled(labels);
        series.phases.add(laps);
        let mut figures = series.figures.borrow_mut();
        match figures.codes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => figures.codes.push((code, 1)),
        }
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        // It resizes itself, and refuses only what no request reaches.
        figures.latency.record(micros.max(1)).ok();
        figures.latency_micros_sum = figures.latency_micros_sum.saturating_add(micros);
        if let Some(bytes) = response_bytes {
            count_in(&mut figures.sizes, &SIZE_BOUNDS, bytes);
            figures.size_sum = figures.size_sum.saturating_add(bytes);
        }
        drop(figures);
        series
    }

    /// A watch was ended because it was read too slowly. Of the first users it is told who.
    pub fn slow_watcher(&self, user: &str, series: &WatchSeries) {
        let [group, _, resource] = &series.labels;
        let resource = with_group(resource, group);
        let mut slow = self.slow_watchers.borrow_mut();
        let is = |slow: &&mut SlowWatcher| slow.user == user && slow.resource == resource;
        if let Some(known) = slow.iter_mut().find(is) {
            known.count += 1;
        } else if slow.len() < SLOW_WATCHERS_MAX {
            slow.push(SlowWatcher { user: user.to_owned(), resource, count: 1 });
        }
    }

    /// Whose watches were too slow.
    #[must_use]
    pub fn slow_watchers(&self) -> Vec<SlowWatcher> {
        self.slow_watchers.borrow().clone()
    }

    /// A copy of the histograms of phases and deliveries.
    #[must_use]
    pub fn latency(&self) -> Latency {
        let mut latency = Latency::default();
        for series in self.series.borrow().values() {
            latency.put_request(series.labels.subject(), &series.phases);
        }
        for watch in self.watches.borrow().values() {
            let [group, _, resource] = &watch.labels;
            latency.put_deliveries(with_group(resource, group), &watch.deliveries);
        }
        latency
    }

    /// Counts a request as being served while the guard lives.
    #[must_use]
    pub fn in_flight(self: &Rc<Self>, kind: RequestKind) -> InFlight {
        let cell = self.in_flight_cell(kind);
        cell.set(cell.get() + 1);
        InFlight { recorder: Rc::clone(self), kind }
    }

    /// Requests of a kind being served on this shard.
    #[must_use]
    pub fn in_flight_count(&self, kind: RequestKind) -> usize {
        self.in_flight_cell(kind).get()
    }

    fn in_flight_cell(&self, kind: RequestKind) -> &Cell<usize> {
        match kind {
            RequestKind::Mutating => &self.mutating,
            RequestKind::ReadOnly => &self.read_only,
        }
    }

    /// Counts a watch or the like while the guard lives.
    #[must_use]
    pub fn long_running(&self, labels: &Labels<'_>) -> LongRunning {
        let series = self.labelled(labels);
        series.long_running.set(series.long_running.get() + 1);
        LongRunning(series)
    }

    /// Where the events of watches of a resource are counted; to be kept by the watch.
    #[must_use]
    pub fn watch_series(&self, group: &str, version: &str, resource: &str) -> Rc<WatchSeries> {
        let mut watches = self.watches.borrow_mut();
        let hash = watches.hasher().hash_one((group, version, resource));
        let made = || Rc::new(WatchSeries::new(group, version, resource));
        Rc::clone(watches.entry(hash).or_insert_with(made))
    }

    /// Counts a request of a user that is known.
    pub fn authenticated(&self, user: &str) {
        let named = USERS.iter().take(USERS.len() - 2).position(|known| *known == user);
        let kind = if user.contains('@') { USERS.len() - 2 } else { USERS.len() - 1 };
        if let Some(cell) = self.users.get(named.unwrap_or(kind)) {
            cell.set(cell.get() + 1);
        }
    }

    /// Counts a request with a client certificate that holds for so many seconds more.
    pub fn certificate(&self, seconds_left: i64) {
        let mut certificates = self.certificates.borrow_mut();
        let left = u64::try_from(seconds_left).unwrap_or(0);
        let place = EXPIRY_BOUNDS.iter().position(|bound| left <= *bound);
        if let Some(count) = place.and_then(|place| certificates.counts.get_mut(place)) {
            *count += 1;
        }
        certificates.seconds += seconds_left as f64;
    }

    fn add_callers(&self, snapshot: &mut Snapshot) {
        for (name, count) in USERS.iter().zip(&self.users) {
            if count.get() > 0 {
                let label = ("username", *name);
                snapshot.add_labelled(&AUTHENTICATED, label, count.get() as f64);
            }
        }
        let certificates = self.certificates.borrow();
        let bound = |bound: u64| if bound == u64::MAX { f64::INFINITY } else { bound as f64 };
        let counts = EXPIRY_BOUNDS.iter().map(|at| bound(*at)).zip(certificates.counts);
        snapshot.add_histogram(&CERTIFICATES, counts, certificates.seconds);
    }

    /// Counts one more.
    pub fn tally(&self, tally: Tally) {
        if let Some(cell) = self.tallies.get(tally as usize) {
            cell.set(cell.get() + 1);
        }
    }

    /// As [`Self::tally`], of what became of authentication or authorization after so many counts
    /// of [`Ticks`]. HOT: benches/authn.rs.
    pub fn decided(&self, tally: Tally, counts: u64) {
        self.tally(tally);
        let Some(cell) = self.decided.get(tally as usize) else { return };
        let series = cell.get_or_init(|| {
            let instrument = match tally {
                Tally::AuthenticationSuccess
                | Tally::AuthenticationFailure
                | Tally::AuthenticationError => &AUTHENTICATION_SECONDS,
                _ => &AUTHORIZATION_SECONDS,
            };
            let result = tally.place().1.map_or("", |(_, result)| result);
            self.board.series(instrument, &[result])
        });
        series.observe(Ticks::nanos(counts) as f64 / 1e9);
    }

    fn labelled(&self, labels: &Labels<'_>) -> Rc<Series> {
        let mut all = self.series.borrow_mut();
        let mut hash = all.hasher().hash_one(labels);
        // Two sets of labels with one hash take neighbouring places.
        while let Some(series) = all.get(&hash) {
            if series.labels.is(labels) {
                return Rc::clone(series);
            }
            hash = hash.wrapping_add(1);
        }
        let labels = if all.len() < METRIC_SERIES_MAX {
            *labels
        } else {
            // One series for all that come too late.
            hash = 0;
            Labels { group: "", version: "", resource: "", subresource: "", scope: "", ..*labels }
        };
        let made = || {
            Rc::new(Series {
                labels: LabelText::new(&labels),
                figures: RefCell::new(Figures::new()),
                phases: Phases::default(),
                long_running: Cell::new(0),
            })
        };
        Rc::clone(all.entry(hash).or_insert_with(made))
    }

    /// A copy of all figures, for another shard to add up.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for series in self.series.borrow().values() {
            let request = RequestSnapshot {
                figures: series.figures.borrow().copy(),
                long_running: series.long_running.get(),
            };
            snapshot.requests.insert(series.labels.clone(), request);
        }
        for watch in self.watches.borrow().values() {
            let figures = WatchSnapshot {
                sizes: std::array::from_fn(|at| watch.sizes.get(at).map_or(0, Cell::get)),
                size_sum: watch.size_sum.get(),
            };
            snapshot.watches.insert(watch.labels.clone(), figures);
        }
        for (tally, cell) in Tally::ALL.iter().zip(&self.tallies) {
            let (family, label) = tally.place();
            let labels = label.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            snapshot.samples.push(Sample { family, labels, value: cell.get() as f64 });
        }
        for (kind, name) in [(&self.mutating, "mutating"), (&self.read_only, "readOnly")] {
            let labels = vec![("request_kind", name.to_owned())];
            snapshot.samples.push(Sample { family: &IN_FLIGHT, labels, value: kind.get() as f64 });
        }
        self.add_callers(&mut snapshot);
        self.board.put(&mut snapshot);
        snapshot
    }
}

impl Figures {
    fn copy(&self) -> Self {
        Self {
            codes: self.codes.clone(),
            latency: self.latency.clone(),
            latency_micros_sum: self.latency_micros_sum,
            sizes: self.sizes,
            size_sum: self.size_sum,
        }
    }
}

/// Adds one to the bucket that `value` belongs to.
fn count_in(buckets: &mut [u64], bounds: &[u64], value: u64) {
    let bucket = bounds.iter().take_while(|bound| value > **bound).count();
    if let Some(count) = buckets.get_mut(bucket) {
        *count += 1;
    }
}

/// Counts one request while it lives.
#[derive(Debug)]
pub struct InFlight {
    recorder: Rc<Recorder>,
    kind: RequestKind,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let cell = self.recorder.in_flight_cell(self.kind);
        cell.set(cell.get().saturating_sub(1));
    }
}

/// Counts one long-running request while it lives.
pub struct LongRunning(Rc<Series>);

impl fmt::Debug for LongRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongRunning({:?})", self.0.labels)
    }
}

impl Drop for LongRunning {
    fn drop(&mut self) {
        self.0.long_running.set(self.0.long_running.get().saturating_sub(1));
    }
}

/// Events that watches of one resource have sent.
#[derive(Debug)]
pub struct WatchSeries {
    /// Group, version, resource.
    labels: [String; 3],
    sizes: [Cell<u64>; EVENT_SIZE_BOUNDS.len() + 1],
    size_sum: Cell<u64>,
    deliveries: Deliveries,
}

/// `deployments.apps`.
fn with_group(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

impl LabelText {
    fn subject(&self) -> Subject {
        let resource = with_group(&self.resource, &self.group);
        let resource = match (&*resource, &*self.subresource) {
            ("", path) => path.to_owned(),
            (_, "") => resource,
            (_, subresource) => format!("{resource}/{subresource}"),
        };
        Subject { verb: self.verb.clone(), resource }
    }
}

impl WatchSeries {
    fn new(group: &str, version: &str, resource: &str) -> Self {
        Self {
            labels: [group, version, resource].map(str::to_owned),
            sizes: Default::default(),
            size_sum: Cell::new(0),
            deliveries: Deliveries::default(),
        }
    }

    /// An event was given to a watcher's connection, now; it was committed at `committed`.
    pub fn delivered(&self, now: Ticks, committed: Ticks) {
        self.deliveries.add(now.since(committed));
    }

    /// Events of together this size were sent; each counts as of their mean size.
    pub fn events(&self, count: usize, bytes: usize) {
        let mean = (bytes / count.max(1)) as u64;
        let bucket = EVENT_SIZE_BOUNDS.iter().take_while(|bound| mean > **bound).count();
        if let Some(cell) = self.sizes.get(bucket) {
            cell.set(cell.get() + count as u64);
        }
        self.size_sum.set(self.size_sum.get().wrapping_add(bytes as u64));
    }
}
