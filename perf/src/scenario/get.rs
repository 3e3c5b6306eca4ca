//! One pod, over and over.

use super::stage::{Stage, pod_path};
use crate::Fault;
use crate::client::{Call, JSON, METADATA, PROTOBUF};
use crate::measure::Measure;

/// Every form at saturation, JSON paced as well.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    let mut all: Vec<Measure> = stage.standing_pods(&clients).await?.into_iter().collect();
    let pods = stage.server.pods();
    let forms = [
        ("json", "", JSON),
        ("protobuf", "", PROTOBUF),
        ("metadata", "", METADATA),
        ("json rv=0", "?resourceVersion=0", JSON),
    ];
    for (variant, query, accept) in forms {
        let make = move |n| Call::get(pod_path(n, pods) + query).accept(accept);
        all.push(stage.saturate(&clients, variant, "GET pod", make).await?);
    }
    let make = move |n| Call::get(pod_path(n, pods));
    all.push(stage.pace(&clients, "json paced", "GET pod", make).await?);
    Ok(all)
}
