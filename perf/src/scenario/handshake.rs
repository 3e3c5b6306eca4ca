//! New connections: TLS alone, one after the other on each of a few tasks.

use super::stage::Stage;
use crate::Fault;
use crate::load::{self, Outcome};
use crate::measure::{Loop, Measure};
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

/// Full handshakes, then resumed ones.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let mut all = Vec::new();
    for (variant, anew) in [("full", true), ("resumed", false)] {
        let load = shake(stage, anew);
        all.push(stage.measure(variant, "handshake", Loop::Closed, load).await?);
    }
    Ok(all)
}

async fn shake(stage: &Stage<'_>, anew: bool) -> Result<Outcome, Fault> {
    let start = Instant::now();
    let tasks = stage.scale.connections as u64;
    let mut workers = JoinSet::new();
    for task in 0..tasks {
        let share =
            stage.scale.handshakes / tasks + u64::from(task < stage.scale.handshakes % tasks);
        let endpoint = stage.server.endpoint.clone();
        workers.spawn(async move {
            let mut outcome = Outcome::default();
            for _ in 0..share {
                let began = Instant::now();
                let result = endpoint.handshake(anew).await;
                let latency = began.elapsed();
                // Session tickets come with the first read; without them nothing is resumed.
                let ended = match result {
                    Ok(mut stream) => {
                        if !anew {
                            let mut first = [0; 1];
                            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut first);
                            drop(read.await);
                        }
                        drop(stream.shutdown().await);
                        Ok(0)
                    }
                    Err(why) => Err(why.to_string()),
                };
                outcome.count(latency, ended);
            }
            outcome
        });
    }
    load::gather(workers, start).await
}
