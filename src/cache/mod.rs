//! The cache: what stands in the store, in memory, divided among the shards; lists at an exact
//! revision; watches.
//!
//! Every shard has one [`Cache`]. The store's feed gives each of them every change in revision
//! order. A shard keeps the entries of the key slots it owns, a window of recent changes of every
//! resource, and its own watchers. A read goes to the owner of the key, a list of everything to
//! all shards at one revision; a watch is served from the shard's own window, so no watch ever
//! waits for another shard once it has its initial state.
//!
//! Invariants: a shard's state is that of its applied revision, changed by one event at a time;
//! a watcher is given each event of its scope once, in revision order; a bookmark never names a
//! revision whose events are not before it in the watcher's queue. Nothing here is shared between
//! shards but [`Entry`] pointers and messages.

mod definitions;
mod encoding;
mod entry;
mod fill_in;
mod filter;
mod frame;
mod group;
mod header;
mod header_scan;
mod hop;
mod inbox;
mod latest;
mod list;
mod mirror;
mod observe;
mod part;
mod partition;
mod read;
mod rows;
mod scan;
mod seed;
mod shard;
mod table;
#[cfg(test)]
mod tests;
mod tick;
mod ticket;
mod waits;
mod watch;
mod watcher;
mod window;

pub use definitions::{decode_as_said, decode_custom, decode_json};
pub use encoding::Json;
pub use entry::{Entry, encoded_bytes};
pub use frame::{Frame, FrameEncoder, FrameKind};
pub use list::{ListPage, ListQuery};
pub use mirror::Mirror;
pub use observe::Observer;
pub use read::{ReadAt, ReadFault};
pub use rows::{Unreadable, install, storage_of};
pub use seed::CacheSeed;
pub use waits::ReadWaits;
pub use watch::{WatchFrom, WatchQuery};
pub use watcher::{WatchEnd, Watcher};

use crate::cache::partition::Resource;
use crate::catalog::Storage;
use crate::store::{Opened, Outcome, Request, StoreError, Txn};
use bytes::Bytes;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// A shard's cache; clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    shard: Rc<shard::Shard>,
    /// Resources that another store keeps (`part`).
    others: Rc<[part::Part]>,
}

/// How many objects and watchers of one resource a shard has.
#[derive(Debug, Clone, Copy)]
pub struct ResourceCounts {
    /// The resource; `None` for keys of no known one.
    pub storage: Option<&'static Storage>,
    /// Objects that this shard owns; the sum over shards counts each once.
    pub objects: usize,
    /// Watchers of this shard.
    pub watchers: usize,
    /// Changes in this shard's window.
    pub window: usize,
    /// About how many bytes those objects have in the store.
    pub bytes: usize,
    /// Changes of those objects since the start.
    pub changes: u64,
    /// Lists that clients of this shard were answered, and by whom.
    pub lists: Lists,
    /// How long clients of this shard have waited for memory to be fresh.
    pub waits: ReadWaits,
}

impl ResourceCounts {
    fn of(held: &shard::Held) -> Self {
        Self {
            storage: held.storage,
            objects: held.table.len(),
            watchers: held.watchers,
            window: held.window.len(),
            bytes: held.table.len() * held.object_bytes(),
            changes: held.changes,
            lists: held.lists,
            waits: held.waits.told(),
        }
    }
}

/// Lists of one resource since the start: of what was in memory, and of what the store was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lists {
    /// From memory.
    pub cache: ListCounts,
    /// From the store.
    pub store: ListCounts,
}

/// How much lists took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListCounts {
    /// Lists.
    pub count: u64,
    /// Objects looked at.
    pub fetched: u64,
    /// Objects answered.
    pub returned: u64,
}

/// What waits for a shard, or for the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepths {
    /// Messages of other shards.
    pub inbox: usize,
    /// Requests of all shards to the store.
    pub store: usize,
    /// Batches of changes to be applied.
    pub feed: usize,
}

/// A resource at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Objects.
    pub objects: usize,
    /// Mean size of their stored form.
    pub object_bytes: usize,
    /// Watchers.
    pub watchers: usize,
}

impl Cache {
    /// Divides what the store found among its shards, one seed for each of `opened.links`.
    /// Custom resources must have been [`install`]ed.
    pub fn open(opened: Opened<Entry>) -> Vec<CacheSeed> {
        seed::open(opened)
    }

    /// Writes. When the answer is there, this shard has applied the write.
    ///
    /// # Errors
    /// As the store: with `Unavailable` it is unknown whether the write happened.
    pub async fn commit(&self, txn: Txn) -> Result<Outcome<Entry>, StoreError> {
        let gone = || StoreError::Unavailable("the store is closed".to_owned());
        let shard = self.of_key(&txn.key);
        let ticket = shard.commits.open(None);
        let request = Request::Commit { ticket: ticket.number(), txn };
        // A full queue makes the writer wait: there are no more writers than requests in flight.
        shard.requests.send((shard.number, request)).await.map_err(|_| gone())?;
        ticket.await.unwrap_or_else(|| Err(gone()))
    }

    /// One object, `None` if there is none; `namespace` is "" for a cluster-scoped resource.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub async fn get(
        &self,
        storage: &'static Storage,
        namespace: &str,
        name: &str,
        at: ReadAt,
    ) -> Result<Option<Arc<Entry>>, ReadFault> {
        read::get(self.of(storage), storage, (namespace, name), at).await
    }

    /// The revision of a resource's last change, 0 if there was none since the start, once this
    /// shard has applied all that was acknowledged before the call: what was derived from the
    /// resource's objects at the same figure holds still.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub async fn changed(&self, storage: &'static Storage) -> Result<u64, ReadFault> {
        let shard = self.of(storage);
        read::catch_up(shard).await?;
        let state = shard.state.borrow();
        Ok(state.known(Resource::of(Some(storage))).map_or(0, |held| held.changed))
    }

    /// What stands under a key that belongs to no known resource, as `/registry/ranges/…`.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub async fn get_other(&self, key: Bytes, at: ReadAt) -> Result<Option<Arc<Entry>>, ReadFault> {
        read::get_other(&self.shard, key, at).await
    }

    /// A page of the objects of a resource, in key order.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub async fn list(&self, query: ListQuery) -> Result<ListPage, ReadFault> {
        list::list(self.of(query.storage), query).await
    }

    /// Starts a watch.
    ///
    /// # Errors
    /// [`ReadFault`]: `Expired` if the window does not reach back to the revision.
    pub async fn watch(&self, query: WatchQuery) -> Result<Watcher, ReadFault> {
        watch::watch(self.of(query.storage), query).await
    }

    /// The last revision that this shard has applied.
    pub fn applied(&self) -> u64 {
        self.shard.applied()
    }

    /// The same of the store that keeps a resource.
    pub fn applied_of(&self, storage: &'static Storage) -> u64 {
        self.of(storage).applied()
    }

    /// The last revision that the store has made durable.
    pub fn committed(&self) -> u64 {
        self.shard.committed()
    }

    /// The same of the store that keeps a resource.
    pub fn committed_of(&self, storage: &'static Storage) -> u64 {
        self.of(storage).committed()
    }

    /// Others write to the store as well.
    pub fn is_shared(&self) -> bool {
        self.shard.is_shared
    }

    /// This shard's number.
    pub fn shard(&self) -> usize {
        self.shard.number
    }

    /// What this shard holds of each resource it has heard of.
    pub fn counts(&self) -> Vec<ResourceCounts> {
        let mut all = Vec::new();
        for shard in self.shards() {
            let state = shard.state.borrow();
            all.extend(state.resources().map(ResourceCounts::of));
        }
        all
    }

    /// How much waits.
    pub fn queues(&self) -> QueueDepths {
        let mut depths = QueueDepths::default();
        for shard in self.shards() {
            depths.inbox += shard.peers.get(shard.number).map_or(0, inbox::Inbox::len);
            depths.store += shard.requests.len();
            depths.feed += shard.batches.len();
        }
        depths
    }

    /// About how many objects and watchers of a resource there are in the process, and how large
    /// an object is: what this shard has stands for all.
    pub fn estimate(&self, storage: &'static Storage) -> Estimate {
        let shard = self.of(storage);
        let state = shard.state.borrow();
        let Some(held) = state.known(Resource::of(Some(storage))) else {
            return Estimate::default();
        };
        let shards = shard.peers.len();
        Estimate {
            objects: held.table.len() * shards,
            object_bytes: held.object_bytes(),
            watchers: held.watchers * shards,
        }
    }

    /// Watchers of this shard that were ended because they read too slowly.
    pub fn slow_watchers(&self) -> u64 {
        self.shards().map(|shard| shard.slow_watchers()).sum()
    }

    /// Frames that this shard has queued for its watchers.
    pub fn frames_queued(&self) -> u64 {
        self.shards().map(|shard| shard.frames_queued.get()).sum()
    }

    /// Ends all watches of this shard, for a shutdown.
    pub fn end_watches(&self) {
        self.shards().for_each(|shard| tick::end_watches(shard));
    }

    /// Lets time pass: timeouts, bookmarks, deadlines. `CacheSeed::start` sees to it.
    fn tick(&self, now: Instant) {
        self.shards().for_each(|shard| tick::tick(shard, now));
    }
}
