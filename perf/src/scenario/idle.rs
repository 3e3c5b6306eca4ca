//! Watches that see nothing: what each costs in memory, and all of them in CPU.

use super::fanout::Watcher;
use super::stage::Stage;
use crate::Fault;
use crate::client::Call;
use crate::load::{Outcome, record};
use crate::measure::{Loop, Measure};
use std::time::{Duration, Instant};

/// The namespace that nothing happens in.
const NAMESPACE: &str = "perf-idle";
/// Watches on a connection: a node's kubelet and its neighbours hold about so many.
const WATCHES_A_CONNECTION: usize = 100;

/// Opens the scale's watches, then lets them stand for its span. An operation is opening one.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let first = stage.server.endpoint.connect().await?;
    stage.namespace(&first, NAMESPACE).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets?watch=true&resourceVersion=0");
    let call = Call::get(path);
    let mut watchers = Vec::with_capacity(stage.scale.idle_watches);
    let mut clients = Vec::new();
    let open = async {
        let mut outcome = Outcome::default();
        let start = Instant::now();
        for n in 0..stage.scale.idle_watches {
            if n % WATCHES_A_CONNECTION == 0 {
                clients.push(stage.server.endpoint.connect().await?);
            }
            let began = Instant::now();
            watchers.push(Watcher::open(&clients[n / WATCHES_A_CONNECTION], &call).await?);
            outcome.done += 1;
            record(&mut outcome.latency, began.elapsed());
        }
        outcome.seconds = start.elapsed().as_secs_f64();
        // Lets allocators and the watch's own set-up settle before memory is read.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(outcome)
    };
    let mut opened = stage.measure("open", "watch", Loop::Closed, open).await?;
    if let Some(usage) = &opened.usage {
        let grown = usage.resident_after_bytes as f64 - usage.resident_before_bytes as f64;
        let bytes = grown / stage.scale.idle_watches as f64;
        opened = opened.figure("resident bytes a watch, with its share of a connection", bytes);
    }
    let stand = async {
        tokio::time::sleep(stage.scale.span).await;
        let seconds = stage.scale.span.as_secs_f64();
        let done = watchers.len() as u64;
        Ok(Outcome { done, seconds, ..Outcome::default() })
    };
    let standing = stage.measure("standing", "idle watch", Loop::Closed, stand).await?;
    drop(watchers);
    Ok(vec![opened, standing])
}
