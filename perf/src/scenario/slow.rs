//! A reader that is stuck must not be felt by the others.

use super::fanout::{self, NAMESPACE};
use super::stage::Stage;
use crate::Fault;
use crate::client::Call;
use crate::measure::Measure;

/// The stuck reader's window, bytes: it takes a few events and then no more.
const STUCK_WINDOW_BYTES: u32 = 4 << 10;

/// The fan-out without, then with, a watcher that does not read.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let without = fanout::fan_out(stage, "none stuck").await?;
    let client = stage.server.endpoint.connect_with(STUCK_WINDOW_BYTES).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps?watch=true&resourceVersion=0");
    // Held open and never read.
    let stuck = client.open(&Call::get(path)).await?;
    let with = fanout::fan_out(stage, "one stuck").await?;
    drop(stuck);
    let change = match (without.latency_ms(99.0), with.latency_ms(99.0)) {
        (Some(before), Some(after)) if before > 0.0 => 100.0 * (after / before - 1.0),
        _ => return Ok(vec![without, with]),
    };
    Ok(vec![without, with.figure("change of p99 %", change)])
}
