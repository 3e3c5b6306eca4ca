//! Many watchers of one object that changes at a steady rate.

use super::stage::Stage;
use crate::Fault;
use crate::client::{Call, Client};
use crate::load::Outcome;
use crate::measure::{Loop, Measure};
use crate::objects;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The namespace that is watched.
pub(crate) const NAMESPACE: &str = "perf-fanout";
/// Bytes of the changing object's data.
const FILL_BYTES: usize = 1_000;
/// Watchers that share a connection, as an informer's client does.
const WATCHERS_A_CONNECTION: usize = 50;
/// What may still come after the last write.
const TAIL: Duration = Duration::from_secs(10);

/// The fan-out at the scale's size.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    Ok(vec![fan_out(stage, "watchers").await?])
}

/// Opens the watchers, writes, and counts what each got. An operation is one event at one watcher;
/// its latency runs from the write's first byte to the event's last.
pub(crate) async fn fan_out(stage: &Stage<'_>, variant: &str) -> Result<Measure, Fault> {
    let scale = stage.scale;
    let writer = stage.server.endpoint.connect().await?;
    stage.namespace(&writer, NAMESPACE).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    // Stamp 0 is no event: what an earlier round wrote had another clock.
    let still = objects::stamped("beat", 0, FILL_BYTES);
    writer.make(&Call::post(path.as_str(), still.clone())).await?;
    writer.make(&Call::put(format!("{path}/beat"), still)).await?;
    let clock = Instant::now();
    let (last, done) = watch::channel(u64::MAX);
    let mut watchers = JoinSet::new();
    let connections = scale.watchers.div_ceil(WATCHERS_A_CONNECTION);
    for (n, client) in stage.server.endpoint.pool(connections).await?.into_iter().enumerate() {
        let share = WATCHERS_A_CONNECTION.min(scale.watchers - n * WATCHERS_A_CONNECTION);
        for _ in 0..share {
            let call = Call::get(format!("{path}?watch=true&resourceVersion=0"));
            let watcher = Watcher::open(&client, &call).await?;
            watchers.spawn(watcher.read(clock, done.clone()));
        }
    }
    let load = async {
        let writes = (scale.changes * scale.span.as_secs_f64()).ceil() as u32;
        let start = Instant::now();
        for n in 0..writes {
            let due = start + Duration::from_secs_f64(f64::from(n) / scale.changes);
            tokio::time::sleep_until(due.into()).await;
            let stamp = clock.elapsed().as_nanos() as u64;
            let body = objects::stamped("beat", stamp, FILL_BYTES);
            writer.make(&Call::put(format!("{path}/beat"), body)).await?;
            if n + 1 == writes {
                // Without a watcher nobody waits for it.
                let _ = last.send(stamp);
            }
        }
        let mut all = Outcome::default();
        while let Some(part) = watchers.join_next().await {
            all.add(part?);
        }
        all.seconds = start.elapsed().as_secs_f64();
        // A watcher that missed an event shows as a failure, not as a faster run.
        let wanted = u64::from(writes) * scale.watchers as u64;
        all.failed += wanted.saturating_sub(all.done);
        if all.failed > 0 && all.first_failure.is_none() {
            all.first_failure = Some(format!("{} of {wanted} events came", all.done));
        }
        Ok(all)
    };
    stage.measure(variant, "event", Loop::Open, load).await
}

/// A stream of watch events.
#[derive(Debug)]
pub(crate) struct Watcher {
    body: hyper::body::Incoming,
    buffer: Vec<u8>,
    _client: Arc<Client>,
}

impl Watcher {
    /// Begins a watch; fails if the answer is not 200.
    pub(crate) async fn open(client: &Client, call: &Call) -> Result<Self, Fault> {
        let response = client.open(call).await?;
        if response.status() != 200 {
            return Err(format!("{} was answered with {}", call.path, response.status()).into());
        }
        let _client = Arc::new(client.clone());
        Ok(Self { body: response.into_body(), buffer: Vec::new(), _client })
    }

    /// The next whole event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.drain(..=end).collect()));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// Counts events until the one with the stamp that `done` comes to say, or for a while after.
    async fn read(mut self, clock: Instant, mut done: watch::Receiver<u64>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut deadline = None;
        let mut seen = 0;
        loop {
            if seen == *done.borrow() {
                return outcome;
            }
            let late = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => {
                        // A sender that is gone has said its stamp.
                        drop(done.changed().await);
                    }
                }
            };
            tokio::select! {
                biased;
                event = self.next() => match event {
                    Ok(Some(event)) => {
                        let stamp = objects::stamp(&event).filter(|it| *it > 0);
                        let Some(stamp) = stamp else { continue };
                        let latency = clock.elapsed().saturating_sub(Duration::from_nanos(stamp));
                        outcome.count(latency, Ok(event.len() as u64));
                        seen = stamp;
                    }
                    Ok(None) => {
                        outcome.count(Duration::ZERO, Err("the watch ended".to_owned()));
                        return outcome;
                    }
                    Err(why) => {
                        outcome.count(Duration::ZERO, Err(why.to_string()));
                        return outcome;
                    }
                },
                () = late => {
                    if deadline.is_some() {
                        return outcome;
                    }
                    deadline = Some(tokio::time::Instant::now() + TAIL);
                }
            }
        }
    }
}
