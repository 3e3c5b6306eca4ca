//! Many clients at once list all pods and go on watching, as after a restart of the server.

use super::list;
use super::stage::Stage;
use crate::Fault;
use crate::load::{self, Outcome};
use crate::measure::{Loop, Measure};
use std::time::Instant;
use tokio::task::JoinSet;

/// Streamed lists of all clients at once; a latency is one client's time to be in step, with its
/// connection.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    let mut all: Vec<Measure> = stage.standing_pods(&clients).await?.into_iter().collect();
    drop(clients);
    let herd = async {
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..stage.scale.herd {
            let endpoint = stage.server.endpoint.clone();
            workers.spawn(async move {
                let mut outcome = Outcome::default();
                let began = Instant::now();
                let read = async { list::stream(&endpoint.connect().await?).await };
                let bytes = read.await.map_err(|why: Fault| why.to_string());
                outcome.count(began.elapsed(), bytes);
                outcome
            });
        }
        load::gather(workers, start).await
    };
    all.push(stage.measure("in step", "client", Loop::Closed, herd).await?);
    Ok(all)
}
