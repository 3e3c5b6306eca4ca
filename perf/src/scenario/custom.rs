//! A custom resource beside a built-in kind of the same size.

use super::stage::Stage;
use crate::Fault;
use crate::client::{Call, Client};
use crate::measure::Measure;
use crate::objects;
use std::time::{Duration, Instant};

/// The namespace of both.
const NAMESPACE: &str = "perf-custom";
/// Objects that reads go round.
const OBJECTS: u64 = 50;
/// How long a definition may take to be served.
const SERVED: Duration = Duration::from_secs(20);

/// The object of a name and number.
type Body = fn(&str, u64) -> String;

/// Create and read of each.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    stage.namespace(&clients[0], NAMESPACE).await?;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    clients[0].make(&Call::post(definitions, objects::WIDGETS)).await?;
    let widgets = format!("/apis/perf.example.com/v1/namespaces/{NAMESPACE}/widgets");
    wait_until_served(&clients[0], &widgets).await?;
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let kinds: [(&str, String, Body); 2] = [
        ("custom", widgets, objects::widget),
        ("built-in", maps, |name, _| objects::stamped(name, 0, 60)),
    ];
    let mut all = Vec::new();
    for (kind, path, body) in kinds {
        for n in 0..OBJECTS {
            clients[0].make(&Call::post(path.as_str(), body(&format!("still-{n}"), n))).await?;
        }
        let (round, posts) = (stage.round, path.clone());
        let make = move |n| Call::post(posts.as_str(), body(&format!("w-{round}-{n}"), n));
        let variant = format!("{kind} create");
        all.push(stage.saturate(&clients, &variant, "POST", make).await?);
        let make = move |n| Call::get(format!("{path}/still-{}", n % OBJECTS));
        let variant = format!("{kind} get");
        all.push(stage.saturate(&clients, &variant, "GET", make).await?);
    }
    Ok(all)
}

async fn wait_until_served(client: &Client, path: &str) -> Result<(), Fault> {
    let deadline = Instant::now() + SERVED;
    loop {
        let answer = client.send(&Call::get(path)).await?;
        if answer.status == 200 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(
                format!("{path} is answered with {} after {SERVED:?}", answer.status).into()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
