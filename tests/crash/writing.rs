//! Writers: each owns a few objects, so it always knows what must be there.

use crate::Dice;
use crate::value;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::ResourceExt;
use kube::api::DeleteParams;
use kube::api::PostParams;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Objects of one writer.
const OBJECTS: u64 = 8;

/// A write that the server said was done.
#[derive(Debug)]
pub(crate) struct Acked {
    /// The object's.
    pub(crate) uid: String,
    /// What was written; `None` for a delete.
    pub(crate) value: Option<String>,
    /// Its revision; 0 for a delete, which does not tell.
    pub(crate) revision: u64,
}

/// What writers did.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Writes that were acknowledged.
    pub(crate) acked: Vec<Acked>,
    /// Values that were sent, acknowledged or not.
    pub(crate) tried: BTreeSet<String>,
}

impl Written {
    /// Adds what another one did.
    pub(crate) fn add(&mut self, other: Self) {
        self.acked.extend(other.acked);
        self.tried.extend(other.tried);
    }

    fn ack(&mut self, map: &ConfigMap) {
        let revision = map.resource_version().and_then(|text| text.parse().ok());
        let revision = revision.expect("a written object has its revision");
        self.acked.push(Acked { uid: map.uid().expect("a uid"), value: value(map), revision });
    }
}

/// Why a write gave no answer, if the server died over it; any other refusal fails the test, since
/// nobody else writes these objects.
fn died(error: kube::Error) {
    match error {
        kube::Error::Api(status) if status.code < 500 && status.code != 429 => {
            panic!("a writer of its own objects was refused: {status:?}")
        }
        _ => {}
    }
}

/// Writes until `stop`; ends when all that it sent is settled.
pub(crate) async fn write(
    api: Api<ConfigMap>,
    writer: u64,
    seed: u64,
    stop: Arc<AtomicBool>,
) -> Written {
    let mut dice = Dice(seed ^ (writer << 32));
    let mut written = Written::default();
    let mut known: BTreeMap<String, ConfigMap> = BTreeMap::new();
    let mut count = 0;
    while !stop.load(Relaxed) {
        let name = format!("w-{writer}-{}", dice.roll(OBJECTS));
        count += 1;
        let sent = format!("{writer}#{count}");
        let before = known.remove(&name);
        let deletes = before.is_some() && dice.roll(6) == 0;
        let mut wanted = before.clone().unwrap_or_default();
        wanted.metadata.name = Some(name.clone());
        wanted.data = Some(BTreeMap::from([("value".to_owned(), sent.clone())]));
        if !deletes {
            written.tried.insert(sent.clone());
        }
        let answer = match &before {
            None => api.create(&PostParams::default(), &wanted).await.map(Some),
            Some(_) if deletes => api.delete(&name, &DeleteParams::default()).await.map(|_| None),
            Some(_) => api.replace(&name, &PostParams::default(), &wanted).await.map(Some),
        };
        let now = match answer {
            Ok(Some(map)) => {
                written.ack(&map);
                Some(map)
            }
            Ok(None) => {
                let uid = before.and_then(|map| map.uid()).expect("a uid");
                written.acked.push(Acked { uid, value: None, revision: 0 });
                None
            }
            Err(error) => {
                died(error);
                let now = settled(&api, &name).await;
                let done = if deletes { now.is_none() } else { value_of(&now) == Some(sent) };
                let undone = now.as_ref().map(signature) == before.as_ref().map(signature);
                assert!(done || undone, "{name} was {before:?} and is now {now:?}");
                now
            }
        };
        known.extend(now.map(|map| (name, map)));
    }
    for (name, map) in known {
        let now = settled(&api, &name).await;
        assert_eq!(now.as_ref().map(signature), Some(signature(&map)), "{name} at the end");
    }
    written
}

fn value_of(map: &Option<ConfigMap>) -> Option<String> {
    map.as_ref().and_then(value)
}

fn signature(map: &ConfigMap) -> (Option<String>, Option<String>, Option<String>) {
    (map.uid(), map.resource_version(), value(map))
}

/// What the server holds, once it answers again.
async fn settled(api: &Api<ConfigMap>, name: &str) -> Option<ConfigMap> {
    loop {
        match api.get_opt(name).await {
            Ok(map) => return map,
            Err(error) => died(error),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
