//! The two ways to load a server.
//!
//! *Closed loop*: so many requests are always in flight; it shows throughput and cost, and its
//! latencies are service times at saturation. *Open loop*: requests start at their own times,
//! whether the server keeps up or not, and a latency counts from the time the request should have
//! started, so a stall counts for every request that it held up (no coordinated omission).

use crate::Fault;
use crate::client::{Answer, Call, Client};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Latencies are kept up to this, nanoseconds.
const LATENCY_NS_MAX: u64 = 120_000_000_000;
/// Significant digits of a histogram.
const DIGITS: u8 = 3;
/// With this many requests unanswered an open loop sends no more, and counts them as failed.
const OUTSTANDING_MAX: usize = 20_000;

/// A histogram of nanoseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS).expect("bounds that are in order")
}

/// Counts a latency; one past the end counts as the end.
pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    let ns = u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_NS_MAX);
    histogram.saturating_record(ns.clamp(1, LATENCY_NS_MAX));
}

/// What a load brought.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Latencies of the requests that succeeded, nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// Requests that succeeded.
    pub(crate) done: u64,
    /// Requests that did not.
    pub(crate) failed: u64,
    /// Body bytes received.
    pub(crate) bytes: u64,
    /// How long it took, seconds.
    pub(crate) seconds: f64,
    /// The text of the first failure.
    pub(crate) first_failure: Option<String>,
}

impl Default for Outcome {
    fn default() -> Self {
        let latency = histogram();
        Self { latency, done: 0, failed: 0, bytes: 0, seconds: 0.0, first_failure: None }
    }
}

impl Outcome {
    /// Counts one request's end.
    pub(crate) fn count(&mut self, latency: Duration, bytes: Result<u64, String>) {
        match bytes {
            Ok(bytes) => {
                record(&mut self.latency, latency);
                self.done += 1;
                self.bytes += bytes;
            }
            Err(why) => {
                self.failed += 1;
                self.first_failure.get_or_insert(why);
            }
        }
    }

    /// Takes in what another part of the same load brought.
    pub(crate) fn add(&mut self, other: Self) {
        self.latency.add(&other.latency).expect("histograms of the same bounds");
        self.done += other.done;
        self.failed += other.failed;
        self.bytes += other.bytes;
        if self.first_failure.is_none() {
            self.first_failure = other.first_failure;
        }
    }
}

/// What a load asks. Any function from a number to a request is one.
pub(crate) trait Work: Send + Sync + 'static {
    /// The n-th request.
    fn call(&self, n: u64) -> Call;

    /// Sees the n-th request's answer, if it was one of 2xx.
    fn answered(&self, _n: u64, _answer: &Answer) {}
}

impl<F: Fn(u64) -> Call + Send + Sync + 'static> Work for F {
    fn call(&self, n: u64) -> Call {
        self(n)
    }
}

impl<W: Work> Work for Arc<W> {
    fn call(&self, n: u64) -> Call {
        (**self).call(n)
    }

    fn answered(&self, n: u64, answer: &Answer) {
        (**self).answered(n, answer);
    }
}

/// When a closed loop ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After so long.
    Elapsed(Duration),
    /// After so many requests.
    Count(u64),
}

/// Keeps `streams` requests in flight on each client.
pub(crate) async fn closed(
    clients: &[Client],
    streams: usize,
    until: Until,
    work: impl Work,
) -> Result<Outcome, Fault> {
    let work = Arc::new(work);
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for client in clients {
        for _ in 0..streams.max(1) {
            let (client, work, next) = (client.clone(), Arc::clone(&work), Arc::clone(&next));
            workers.spawn(async move {
                let mut outcome = Outcome::default();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let over = match until {
                        Until::Elapsed(span) => start.elapsed() >= span,
                        Until::Count(count) => n >= count,
                    };
                    if over {
                        return outcome;
                    }
                    let began = Instant::now();
                    let answer = ask(&client, &*work, n).await;
                    outcome.count(began.elapsed(), answer);
                }
            });
        }
    }
    gather(workers, start).await
}

/// Starts `rate` requests a second for `span`, spread over the clients.
pub(crate) async fn open(
    clients: &[Client],
    rate: f64,
    span: Duration,
    work: impl Work,
) -> Result<Outcome, Fault> {
    let work = Arc::new(work);
    let room = Arc::new(Semaphore::new(OUTSTANDING_MAX));
    let start = Instant::now();
    let count = (rate * span.as_secs_f64()).ceil() as u64;
    let mut workers = JoinSet::new();
    let mut outcome = Outcome::default();
    for n in 0..count {
        let due = start + Duration::from_secs_f64(n as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        while let Some(done) = workers.try_join_next() {
            let (latency, answer) = done?;
            outcome.count(latency, answer);
        }
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            outcome.count(Duration::ZERO, Err("too many requests have no answer".to_owned()));
            continue;
        };
        let client = clients[n as usize % clients.len()].clone();
        let work = Arc::clone(&work);
        workers.spawn(async move {
            let answer = ask(&client, &*work, n).await;
            drop(permit);
            (due.elapsed(), answer)
        });
    }
    while let Some(done) = workers.join_next().await {
        let (latency, answer) = done?;
        outcome.count(latency, answer);
    }
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// One request; the bytes of its answer, or why it failed.
async fn ask(client: &Client, work: &impl Work, n: u64) -> Result<u64, String> {
    let call = work.call(n);
    match client.send(&call).await {
        Ok(answer) if (200..300).contains(&answer.status) => {
            work.answered(n, &answer);
            Ok(answer.bytes)
        }
        Ok(answer) => Err(format!(
            "{} {}: {} {}",
            call.method,
            call.path,
            answer.status,
            String::from_utf8_lossy(&answer.head)
        )),
        Err(why) => Err(format!("{} {}: {why}", call.method, call.path)),
    }
}

/// Waits for all workers and adds what they brought.
pub(crate) async fn gather(
    mut workers: JoinSet<Outcome>,
    start: Instant,
) -> Result<Outcome, Fault> {
    let mut all = Outcome::default();
    while let Some(part) = workers.join_next().await {
        all.add(part?);
    }
    all.seconds = start.elapsed().as_secs_f64();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_but_has_no_latency() {
        let mut outcome = Outcome::default();
        outcome.count(Duration::from_millis(2), Ok(10));
        outcome.count(Duration::from_millis(9), Err("no".to_owned()));
        let mut all = Outcome::default();
        all.add(outcome);
        assert_eq!((all.done, all.failed, all.bytes, all.latency.len()), (1, 1, 10, 1));
        assert_eq!(all.first_failure.as_deref(), Some("no"));
    }

    #[test]
    fn a_latency_past_the_end_counts_as_the_end() {
        let mut histogram = histogram();
        record(&mut histogram, Duration::from_secs(3600));
        assert!(histogram.max() >= LATENCY_NS_MAX);
    }
}
