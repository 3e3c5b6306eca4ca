//! The life of a pod as the API server sees it: made, bound, reported on, deleted.

use super::stage::{Stage, pod_name};
use crate::Fault;
use crate::client::Call;
use crate::load::{self, Until};
use crate::measure::{Loop, Measure};
use crate::objects;

/// The namespace of the pods that come and go.
const NAMESPACE: &str = "perf-churn";

/// The request of a step for the n-th pod, below the path of pods.
type Step = fn(&str, u64) -> Call;

/// Each step for all pods, before the next.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    stage.namespace(&clients[0], NAMESPACE).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let steps: [(&str, Step); 4] = [
        ("create", |path, n| Call::post(path, objects::pod(&name(n), None, n as usize % 100))),
        ("bind", |path, n| {
            let body = objects::binding(&name(n), &objects::node_name(n as usize % 500));
            Call::post(format!("{path}/{}/binding", name(n)), body)
        }),
        ("status", |path, n| {
            Call::merge_patch(format!("{path}/{}/status", name(n)), objects::pod_running())
        }),
        // As a kubelet removes a pod that has ended.
        ("delete", |path, n| Call::delete(format!("{path}/{}?gracePeriodSeconds=0", name(n)))),
    ];
    let mut all = Vec::new();
    for (variant, make) in steps {
        let path = path.clone();
        let until = Until::Count(stage.scale.churn);
        let load = load::closed(&clients, stage.scale.streams, until, move |n| make(&path, n));
        all.push(stage.measure(variant, "pod", Loop::Closed, load).await?);
    }
    Ok(all)
}

fn name(n: u64) -> String {
    pod_name(n as usize)
}
