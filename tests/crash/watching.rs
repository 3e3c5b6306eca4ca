//! Watchers that resume from the last revision they saw, and write down all they are told.

use crate::END;
use crate::value;
use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::ResourceExt;
use kube::api::WatchEvent;
use kube::api::WatchParams;
use std::pin::pin;
use std::time::Duration;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It came.
    Added,
    /// It went.
    Deleted,
    /// It changed.
    Modified,
}

/// An event as a watcher saw it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What happened.
    pub(crate) change: Change,
    /// The object's name.
    pub(crate) name: String,
    /// Its uid.
    pub(crate) uid: String,
    /// What it holds.
    pub(crate) value: Option<String>,
    /// When it happened.
    pub(crate) revision: u64,
}

/// Watches from `revision` until the last write of all.
pub(crate) async fn watch(api: Api<ConfigMap>, mut revision: String) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let result = follow(&api, &mut revision, &mut all).await;
        if all.last().is_some_and(|seen: &Seen| seen.name == END) {
            return all;
        }
        if let Err(error) = result {
            let refused = match &error {
                kube::Error::Api(status) => status.code < 500 && status.code != 429,
                _ => false,
            };
            assert!(!refused, "a watch may resume from {revision}, but got {error:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Follows one watch until it breaks off.
async fn follow(
    api: &Api<ConfigMap>,
    revision: &mut String,
    all: &mut Vec<Seen>,
) -> Result<(), kube::Error> {
    let mut events = pin!(api.watch(&WatchParams::default(), revision).await?);
    while let Some(event) = events.try_next().await? {
        let (change, map) = match event {
            WatchEvent::Added(map) => (Change::Added, map),
            WatchEvent::Modified(map) => (Change::Modified, map),
            WatchEvent::Deleted(map) => (Change::Deleted, map),
            WatchEvent::Bookmark(bookmark) => {
                revision.clone_from(&bookmark.metadata.resource_version);
                continue;
            }
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        };
        *revision = map.resource_version().expect("an event has its revision");
        let name = map.name_any();
        let ends = name == END;
        all.push(Seen {
            change,
            uid: map.uid().expect("a uid"),
            value: value(&map),
            revision: revision.parse().expect("a number"),
            name,
        });
        if ends {
            break;
        }
    }
    Ok(())
}
