//! All objects of a small resource, kept up to date on this shard: what a shard compiles its
//! configuration from (flow schemas, API services). It costs a pointer for each object and one
//! watcher; for resources with many objects reads are the way.

use crate::cache::Cache;
use crate::cache::entry::Entry;
use crate::cache::frame::{Frame, FrameEncoder, FrameKind};
use crate::cache::read::ReadAt;
use crate::cache::watch::{WatchFrom, WatchQuery};
use crate::cache::watcher::{WatchEnd, Watcher};
use crate::catalog::Storage;
use crate::store::Item as _;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Frames taken in one go.
const BATCH: usize = 1_024;
/// How long until a state that could not be read is asked for again.
const RETRY: Duration = Duration::from_millis(100);
/// No other encoder has this id, so that no other watcher shares the empty frames.
const ENCODER: u64 = u64::MAX;

/// The objects of one resource as this shard knows them.
#[derive(Debug)]
pub struct Mirror {
    cache: Cache,
    storage: &'static Storage,
    watcher: Option<Watcher>,
    entries: BTreeMap<Bytes, Arc<Entry>>,
    frames: Vec<Rc<Frame>>,
}

/// Encodes nothing: a mirror takes the entries themselves.
struct Unencoded;

impl FrameEncoder for Unencoded {
    fn id(&self) -> u64 {
        ENCODER
    }

    fn frame(&self, _: FrameKind, _: &Entry, _: u64) -> Bytes {
        Bytes::new()
    }

    fn bookmark(&self, _: u64, _: bool) -> Bytes {
        Bytes::new()
    }
}

impl Cache {
    /// A mirror of a resource, empty until [`Mirror::changed`] returns for the first time.
    pub fn mirror(&self, storage: &'static Storage) -> Mirror {
        let cache = self.clone();
        Mirror { cache, storage, watcher: None, entries: BTreeMap::new(), frames: Vec::new() }
    }
}

impl Mirror {
    /// Waits for changes and takes them in; at first for the state as it stands. May be dropped
    /// while it waits: nothing is lost.
    pub async fn changed(&mut self) {
        loop {
            if let Some(watcher) = &mut self.watcher {
                match watcher.next_batch(&mut self.frames, BATCH).await {
                    Ok(()) => return self.take_in(),
                    Err(WatchEnd::Shutdown) => std::future::pending().await,
                    Err(WatchEnd::Deadline | WatchEnd::Redefined | WatchEnd::Slow) => {
                        self.watcher = None
                    }
                }
                continue;
            }
            match self.open().await {
                Some((watcher, entries)) => {
                    self.watcher = Some(watcher);
                    self.entries = entries;
                    return;
                }
                None => crate::rt::sleep(RETRY).await,
            }
        }
    }

    /// The objects, in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    /// The object with this name; of a cluster-scoped resource.
    pub fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.get(&self.storage.key("", name))
    }

    async fn open(&self) -> Option<(Watcher, BTreeMap<Bytes, Arc<Entry>>)> {
        let from = WatchFrom::Initial(ReadAt::Latest);
        let query = WatchQuery::all(self.storage, from, Rc::new(Unencoded));
        let query = WatchQuery { initial_events_end: true, ..query };
        let mut watcher = self.cache.watch(query).await.ok()?;
        let (mut entries, mut frames) = (BTreeMap::new(), Vec::new());
        loop {
            watcher.next_batch(&mut frames, BATCH).await.ok()?;
            let ended = frames.iter().any(|frame| frame.kind == FrameKind::InitialEventsEnd);
            take(&mut entries, &mut frames);
            if ended {
                return Some((watcher, entries));
            }
        }
    }

    fn take_in(&mut self) {
        take(&mut self.entries, &mut self.frames);
    }
}

fn take(entries: &mut BTreeMap<Bytes, Arc<Entry>>, frames: &mut Vec<Rc<Frame>>) {
    for frame in frames.drain(..) {
        let Some(entry) = &frame.entry else { continue };
        if frame.kind == FrameKind::Deleted {
            entries.remove(entry.key());
        } else {
            entries.insert(entry.key().clone(), Arc::clone(entry));
        }
    }
}
