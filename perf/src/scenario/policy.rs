//! What validating policies add to a write: the same creates without any and with several.

use super::stage::Stage;
use crate::Fault;
use crate::client::{Call, Client};
use crate::measure::Measure;
use crate::objects;
use std::time::{Duration, Instant};

/// The namespace that the policies match.
const NAMESPACE: &str = "perf-policy";
/// How many policies match each write.
const POLICIES: usize = 10;
/// How long a policy may take to be heeded.
const HEEDED: Duration = Duration::from_secs(20);
const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
/// The name that the policies refuse.
const REFUSED: &str = "refused";

/// Creates without policies, then with them.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    stage.namespace(&clients[0], NAMESPACE).await?;
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let round = stage.round;
    let mut all = Vec::new();
    for (variant, policies) in [("without policies", 0), ("10 policies", POLICIES)] {
        for n in 0..policies {
            let made = [
                ("validatingadmissionpolicies", objects::policy(&name(n), NAMESPACE, REFUSED)),
                ("validatingadmissionpolicybindings", objects::policy_binding(&name(n))),
            ];
            for (resource, body) in made {
                clients[0].make(&Call::post(format!("{GROUP}/{resource}"), body)).await?;
            }
        }
        if policies > 0 {
            wait_until_heeded(&clients[0], &maps).await?;
        }
        let path = maps.clone();
        let make = move |n| {
            let name = format!("m-{policies}-{round}-{n}");
            Call::post(path.as_str(), objects::stamped(&name, 0, 60))
        };
        all.push(stage.saturate(&clients, variant, "POST", make).await?);
    }
    for n in 0..POLICIES {
        for resource in ["validatingadmissionpolicybindings", "validatingadmissionpolicies"] {
            let gone = Call::delete(format!("{GROUP}/{resource}/{}", name(n)));
            clients[0].send(&gone).await?;
        }
    }
    Ok(all)
}

fn name(n: usize) -> String {
    format!("perf-policy-{n}")
}

async fn wait_until_heeded(client: &Client, maps: &str) -> Result<(), Fault> {
    let deadline = Instant::now() + HEEDED;
    let probe = Call::post(format!("{maps}?dryRun=All"), objects::stamped(REFUSED, 0, 60));
    while client.send(&probe).await?.status < 400 {
        if Instant::now() > deadline {
            return Err(format!("no policy is heeded after {HEEDED:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
