//! Reading one object, and what can go wrong with any read.

use crate::base::ticks::Ticks;
use crate::cache::entry::Entry;
use crate::cache::hop::{Answer, Ask};
use crate::cache::partition::{Resource, is_everywhere, owner, slot};
use crate::cache::shard::Shard;
use crate::catalog::Storage;
use crate::store::{Item, StoreError};
use bytes::Bytes;
use std::sync::Arc;

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAt {
    /// Whatever the cache has (`resourceVersion=0`).
    Any,
    /// This revision or a later one; waits for it up to `limits::READ_WAIT_SECONDS`.
    AtLeast(u64),
    /// The state at this revision; for a single object the same as `AtLeast`.
    Exact(u64),
    /// All that this process has heard of, so all that it has acknowledged itself; what others have
    /// written to a shared store may be missing, and nothing is asked of it.
    Heard,
    /// All that was acknowledged before the read began: linearizable.
    Latest,
}

impl ReadAt {
    /// The store may be asked if the shard does not catch up in time.
    pub(super) fn may_ask_store(self) -> bool {
        matches!(self, Self::Heard | Self::Latest)
    }
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFault {
    /// The revision is no longer known.
    Expired {
        /// What was asked for.
        requested: u64,
        /// The oldest revision that is.
        oldest: u64,
    },
    /// A shard has too many requests waiting: try again.
    Overloaded,
    /// The store's servers refused or could not be reached: their words.
    Remote(String),
    /// A shard did not answer or did not catch up in time.
    Timeout,
    /// The revision asked for does not exist yet.
    TooLarge {
        /// What was asked for.
        asked: u64,
        /// The last revision.
        current: u64,
    },
    /// The store is gone.
    Unavailable(String),
}

impl ReadFault {
    /// What a shard that has not reached the asked revision means for the asker.
    pub(super) fn behind(at: ReadAt, current: u64) -> Self {
        match at {
            ReadAt::AtLeast(asked) | ReadAt::Exact(asked) => Self::TooLarge { asked, current },
            ReadAt::Any | ReadAt::Heard | ReadAt::Latest => Self::Timeout,
        }
    }

    pub(super) fn of_store(error: StoreError, requested: u64) -> Self {
        match error {
            StoreError::Compacted(oldest) => Self::Expired { requested, oldest },
            StoreError::Future(current) => Self::TooLarge { asked: requested, current },
            StoreError::Remote(why) => Self::Remote(why),
            StoreError::Timeout => Self::Timeout,
            StoreError::TooLarge => Self::Unavailable("answer too large".to_owned()),
            StoreError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// One object; `None` if there is none of this name.
pub(super) async fn get(
    shard: &Shard,
    storage: &'static Storage,
    (namespace, name): (&str, &str),
    at: ReadAt,
) -> Result<Option<Arc<Entry>>, ReadFault> {
    let resource = Resource::of(Some(storage));
    let spread_on = if storage.namespaced { namespace } else { name };
    let mut place = Place { resource, owner: shard.number };
    if !is_everywhere(Some(storage)) {
        place.owner = owner(slot(resource, spread_on), shard.peers.len());
    }
    get_key(shard, place, storage.key(namespace, name), at).await
}

/// What stands under a key of no known resource.
pub(super) async fn get_other(
    shard: &Shard,
    key: Bytes,
    at: ReadAt,
) -> Result<Option<Arc<Entry>>, ReadFault> {
    let resource = Resource::of(None);
    let slot = slot(resource, std::str::from_utf8(&key).unwrap_or(""));
    let place = Place { resource, owner: owner(slot, shard.peers.len()) };
    get_key(shard, place, key, at).await
}

/// Waits until this shard has applied all that was acknowledged before the call.
pub(super) async fn catch_up(shard: &Shard) -> Result<(), ReadFault> {
    let committed = shard.committed();
    if shard.applied() >= committed {
        return Ok(());
    }
    match shard.ask(shard.number, Ask::Reach(committed)).await? {
        Answer::Entry(_) => Ok(()),
        Answer::Behind(_) | Answer::Gone | Answer::Page(_) => Err(ReadFault::Timeout),
    }
}

/// Who holds a key.
struct Place {
    resource: Resource,
    owner: usize,
}

/// A hop to the owner unless this shard is it.
async fn get_key(
    shard: &Shard,
    Place { resource, owner }: Place,
    key: Bytes,
    at: ReadAt,
) -> Result<Option<Arc<Entry>>, ReadFault> {
    let begun = Ticks::now();
    let least = match at {
        ReadAt::Any => 0,
        ReadAt::AtLeast(revision) | ReadAt::Exact(revision) => revision,
        ReadAt::Heard => shard.committed(),
        ReadAt::Latest => shard.latest().await?,
    };
    if owner == shard.number {
        let state = shard.state.borrow();
        if state.applied >= least {
            let Some(held) = state.known(resource) else { return Ok(None) };
            match at {
                ReadAt::Any | ReadAt::Heard => {}
                ReadAt::Latest if shard.is_shared => held.waits.since(begun),
                ReadAt::AtLeast(_) | ReadAt::Exact(_) | ReadAt::Latest => held.waits.none(),
            }
            return Ok(held.get(&key).cloned());
        }
    }
    let answer = shard.ask(owner, Ask::Get { resource, key: key.clone(), least }).await?;
    if !matches!(at, ReadAt::Any | ReadAt::Heard)
        && let Some(held) = shard.state.borrow().known(resource)
    {
        held.waits.since(begun);
    }
    match answer {
        Answer::Entry(entry) => Ok(entry),
        Answer::Behind(_) if at.may_ask_store() && shard.is_shared => {
            // As upstream: the store itself still can answer.
            let page = (key.clone(), key.clone(), 1);
            let found = shard.list_at(page, least).await?.items.into_iter().next();
            Ok(found.filter(|entry| *entry.key() == key))
        }
        Answer::Behind(current) => Err(ReadFault::behind(at, current)),
        Answer::Gone | Answer::Page(_) => Err(ReadFault::Timeout),
    }
}
