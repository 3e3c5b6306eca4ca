//! Where a scenario plays: the server, the sizes, the round; and what several scenarios need.

use crate::Fault;
use crate::client::{Call, Client};
use crate::load::{self, Outcome, Until, Work};
use crate::measure::{Loop, Measure};
use crate::objects;
use crate::process::Meter;
use crate::scale::Scale;
use crate::server::Server;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Namespaces that the standing pods are spread over.
pub(crate) const NAMESPACES: usize = 20;
/// Nodes that the standing pods are spread over.
pub(crate) const NODES: usize = 500;
/// How long a server rests between two parts, so that one's tail is not the other's cost.
const REST: Duration = Duration::from_millis(200);

/// A scenario's surroundings.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) scenario: &'static str,
    pub(crate) server: &'a Server,
    pub(crate) scale: &'a Scale,
    pub(crate) round: u32,
}

impl Stage<'_> {
    /// The pool of connections that loads use.
    pub(crate) async fn clients(&self) -> Result<Vec<Client>, Fault> {
        self.server.endpoint.pool(self.scale.connections).await
    }

    /// Measures what a load brings and costs.
    pub(crate) async fn measure(
        &self,
        variant: &str,
        operation: &str,
        kind: Loop,
        load: impl Future<Output = Result<Outcome, Fault>>,
    ) -> Result<Measure, Fault> {
        tokio::time::sleep(REST).await;
        let meter = Meter::start(self.server.pid, self.server.store_pid)?;
        let outcome = load.await?;
        let usage = meter.stop()?;
        Ok(self.empty(variant, operation, kind).with(outcome, usage))
    }

    /// A closed loop over `clients` for the scale's span.
    pub(crate) async fn saturate(
        &self,
        clients: &[Client],
        variant: &str,
        operation: &str,
        work: impl Work,
    ) -> Result<Measure, Fault> {
        let until = Until::Elapsed(self.scale.span);
        let load = load::closed(clients, self.scale.streams, until, work);
        self.measure(variant, operation, Loop::Closed, load).await
    }

    /// An open loop over `clients` at the scale's rate and for its span.
    pub(crate) async fn pace(
        &self,
        clients: &[Client],
        variant: &str,
        operation: &str,
        work: impl Work,
    ) -> Result<Measure, Fault> {
        let load = load::open(clients, self.scale.rate, self.scale.span, work);
        self.measure(variant, operation, Loop::Open, load).await
    }

    /// A measure with nothing in it yet.
    pub(crate) fn empty(&self, variant: &str, operation: &str, load: Loop) -> Measure {
        Measure {
            scenario: self.scenario.to_owned(),
            variant: variant.to_owned(),
            server: self.server.about.name.clone(),
            round: self.round,
            operation: operation.to_owned(),
            load,
            done: 0,
            failed: 0,
            first_failure: None,
            seconds: 0.0,
            bytes: 0,
            latency_ns: Vec::new(),
            usage: None,
            figures: BTreeMap::new(),
        }
    }

    /// A namespace with its default service account, made if it is not there.
    pub(crate) async fn namespace(&self, client: &Client, name: &str) -> Result<(), Fault> {
        let body = format!(r#"{{"metadata":{{"name":"{name}"}}}}"#);
        client.make(&Call::post("/api/v1/namespaces", body)).await?;
        let accounts = format!("/api/v1/namespaces/{name}/serviceaccounts");
        client.make(&Call::post(accounts, r#"{"metadata":{"name":"default"}}"#)).await
    }

    /// Puts the scale's pods in place, once for each server: [`pod_path`] finds them.
    ///
    /// Says what it cost if it had to make them.
    pub(crate) async fn standing_pods(&self, clients: &[Client]) -> Result<Option<Measure>, Fault> {
        let wanted = self.scale.pods;
        if self.server.pods() >= wanted {
            return Ok(None);
        }
        for n in 0..NAMESPACES.min(wanted) {
            self.namespace(&clients[0], &namespace_name(n)).await?;
        }
        let until = Until::Count(wanted as u64);
        let load = load::closed(clients, self.scale.streams, until, move |n| {
            let n = n as usize;
            let node = objects::node_name(n % NODES);
            let namespace = namespace_name(n % NAMESPACES.min(wanted));
            let path = format!("/api/v1/namespaces/{namespace}/pods");
            Call::post(path, objects::pod(&pod_name(n), Some(&node), n % 100))
        });
        let measure = self.measure("fill", "POST pod", Loop::Closed, load).await?;
        if let Some(why) = &measure.first_failure {
            return Err(format!("standing pods: {why}").into());
        }
        self.server.pods.store(wanted, Ordering::Relaxed);
        let grown = measure
            .usage
            .as_ref()
            .map(|usage| usage.resident_after_bytes as f64 - usage.resident_before_bytes as f64);
        Ok(Some(match grown {
            Some(bytes) => measure.figure("resident bytes a pod", bytes / wanted as f64),
            None => measure,
        }))
    }
}

/// The namespace of a number.
pub(crate) fn namespace_name(n: usize) -> String {
    format!("perf-{n:02}")
}

/// The pod of a number.
pub(crate) fn pod_name(n: usize) -> String {
    format!("shop-front-{n:07}")
}

/// The path of the n-th standing pod, of so many; numbers past the end begin anew, and neighbours
/// in number stand apart in the store.
pub(crate) fn pod_path(n: u64, pods: usize) -> String {
    // A prime step visits all of them before it repeats.
    let n = (n as usize).wrapping_mul(7919) % pods;
    let namespace = namespace_name(n % NAMESPACES.min(pods));
    format!("/api/v1/namespaces/{namespace}/pods/{}", pod_name(n))
}
