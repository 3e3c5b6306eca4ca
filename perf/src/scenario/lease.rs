//! Heartbeats: every node renews its lease by a PUT.

use super::stage::Stage;
use crate::Fault;
use crate::client::{Answer, Call, Client};
use crate::load::{self, Until, Work};
use crate::measure::{Loop, Measure};
use crate::objects;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// At saturation, then at the scale's pace, then one after the other.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    let leases = Leases::make(&clients[0], stage.scale.leases).await?;
    let (span, operation) = (stage.scale.span, "PUT lease");
    let saturated = stage.saturate(&clients, "saturated", operation, Arc::clone(&leases)).await?;
    let paced = stage.pace(&clients, "paced", operation, Arc::clone(&leases)).await?;
    let one = load::closed(&clients[..1], 1, Until::Elapsed(span), leases);
    let alone = stage.measure("one at a time", operation, Loop::Closed, one).await?;
    Ok(vec![saturated, paced, alone])
}

/// The leases of so many nodes, each with the revision it was last seen at: a renewal names it, as
/// a kubelet's does. The n-th renewal is of the n-th lease, round and round.
#[derive(Debug)]
pub(crate) struct Leases {
    revisions: Vec<AtomicU64>,
}

impl Leases {
    /// Makes those that are not there and learns the revisions of all.
    pub(crate) async fn make(client: &Client, count: usize) -> Result<Arc<Self>, Fault> {
        let mut revisions = Vec::with_capacity(count);
        for node in 0..count {
            let name = objects::node_name(node);
            client.make(&Call::post(PATH, objects::lease(&name, 0, 0))).await?;
            let answer = client.send(&Call::get(format!("{PATH}/{name}"))).await?;
            let revision = revision(&answer.head).ok_or_else(|| format!("{name}: no revision"))?;
            revisions.push(AtomicU64::new(revision));
        }
        Ok(Arc::new(Self { revisions }))
    }
}

impl Work for Leases {
    fn call(&self, n: u64) -> Call {
        let node = n as usize % self.revisions.len();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let revision = self.revisions[node].load(Ordering::Relaxed);
        let name = objects::node_name(node);
        let body = objects::lease(&name, now.as_micros() as u64, revision);
        Call::put(format!("{PATH}/{name}"), body)
    }

    fn answered(&self, n: u64, answer: &Answer) {
        let node = n as usize % self.revisions.len();
        if let Some(revision) = revision(&answer.head) {
            self.revisions[node].store(revision, Ordering::Relaxed);
        }
    }
}

/// The resource version in the first bytes of an object.
fn revision(head: &[u8]) -> Option<u64> {
    let (_, rest) = std::str::from_utf8(head).ok()?.split_once(r#""resourceVersion":""#)?;
    rest.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_read_from_an_objects_head() {
        let head = br#"{"kind":"Lease","metadata":{"uid":"u","resourceVersion":"42","na"#;
        assert_eq!(revision(head), Some(42));
        assert_eq!(revision(b"{}"), None);
    }
}
