//! Kubelets: each holds the watches of a node and beats at its rhythm, a hundred times as fast.

use super::fanout::Watcher;
use super::lease::Leases;
use super::stage::Stage;
use crate::Fault;
use crate::client::{Answer, Call, PROTOBUF};
use crate::load::{self, Until, Work};
use crate::measure::{Loop, Measure};
use crate::objects;
use std::sync::Arc;

/// What a kubelet and the daemons beside it watch; `{}` is the node's name.
const WATCHES: &[&str] = &[
    "/api/v1/pods?fieldSelector=spec.nodeName%3D{}&watch=true&resourceVersion=0",
    "/api/v1/nodes?fieldSelector=metadata.name%3D{}&watch=true&resourceVersion=0",
    "/api/v1/services?watch=true&resourceVersion=0",
    "/apis/discovery.k8s.io/v1/endpointslices?watch=true&resourceVersion=0",
    "/apis/storage.k8s.io/v1/csidrivers?watch=true&resourceVersion=0",
    "/apis/node.k8s.io/v1/runtimeclasses?watch=true&resourceVersion=0",
    "/apis/networking.k8s.io/v1/networkpolicies?watch=true&resourceVersion=0",
    "/api/v1/namespaces?watch=true&resourceVersion=0",
];
/// A lease every 10 s and a status every 5 min: of so many beats one is a status.
const BEATS_A_STATUS: u64 = 30;
/// How much faster than a kubelet these beat.
const FASTER: f64 = 100.0;
/// A kubelet's time between leases, seconds.
const LEASE_SECONDS: f64 = 10.0;

/// Nodes in numbers of the scale, paced. The figure says what one real node costs.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let nodes = stage.scale.nodes;
    let clients = stage.server.endpoint.pool(nodes).await?;
    let made = load::closed(&clients[..1], 4, Until::Count(nodes as u64), |n| {
        Call::post("/api/v1/nodes", objects::node(&objects::node_name(n as usize)))
    });
    if let Some(why) = made.await?.first_failure.filter(|why| !why.contains(" 409 ")) {
        return Err(why.into());
    }
    let leases = Leases::make(&clients[0], nodes).await?;
    let mut watchers = Vec::new();
    for (n, client) in clients.iter().enumerate() {
        for path in WATCHES {
            let call = Call::get(path.replace("{}", &objects::node_name(n))).accept(PROTOBUF);
            watchers.push(Watcher::open(client, &call).await?);
        }
    }
    let rate = nodes as f64 * FASTER / LEASE_SECONDS;
    let beats = Beats { nodes: nodes as u64, leases };
    let load = load::open(&clients, rate, stage.scale.span, beats);
    let measure = stage.measure("beats, 100 times as fast", "beat", Loop::Open, load).await?;
    drop(watchers);
    let cost = measure.server_us().map(|us| us / LEASE_SECONDS);
    Ok(vec![match cost {
        Some(us) => measure.figure("server CPU us a second, a node", us),
        None => measure,
    }])
}

/// What kubelets send, node after node.
#[derive(Debug)]
struct Beats {
    nodes: u64,
    leases: Arc<Leases>,
}

impl Beats {
    /// Whether the n-th request is a status; the node's lease is left for the next beat.
    fn is_status(&self, n: u64) -> bool {
        n / self.nodes % BEATS_A_STATUS == BEATS_A_STATUS - 1
    }
}

impl Work for Beats {
    fn call(&self, n: u64) -> Call {
        if self.is_status(n) {
            let node = objects::node_name((n % self.nodes) as usize);
            let body = objects::node_status(n / self.nodes);
            return Call::merge_patch(format!("/api/v1/nodes/{node}/status"), body);
        }
        self.leases.call(n)
    }

    fn answered(&self, n: u64, answer: &Answer) {
        if !self.is_status(n) {
            self.leases.answered(n, answer);
        }
    }
}
