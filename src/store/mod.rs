//! What a backend must do: keep opaque bytes under keys, give every write a revision of its own,
//! and publish all writes as one stream in revision order.
//!
//! A backend runs on a thread of its own. Each shard holds one [`Link`]: a bounded queue of
//! requests to the backend and a bounded queue of [`Batch`]es from it. A batch carries the events
//! that became durable together and the answers to this shard's own requests; a shard applies the
//! events before it hands out the answers, so a writer always reads its own writes.
//!
//! The order of a group commit: transactions are checked and applied in memory in the order they
//! came, written as one durable write, `committed` moves, every shard gets its batch. So whoever
//! saw an answer or an event reads a `committed` that covers it, and nothing is shown that a power
//! cut could take back. A write that fails ends the process: see [`Options::on_failure`].
//!
//! Backends: [`embedded`] (a data directory), [`memory`] (tests), [`etcd`] (a cluster of its own).
//! The first two run `engine`, which owns the state, the history and the loop; they only add where
//! the bytes go (`disk`). etcd checks and orders by itself, and others write to it as well.
//!
//! Queues: requests are bounded by `STORE_QUEUE_MAX` and a full queue makes the shard wait;
//! batches are bounded by `STORE_BATCH_QUEUE_MAX` for each shard and a full queue makes the store
//! wait for that shard, until it takes a batch, drops its receiver or the store is closed.

mod disk;
pub mod embedded;
mod engine;
pub mod etcd;
mod handle;
mod health;
mod history;
pub mod memory;
mod options;
mod state;
mod wait;

use crate::base::ticks::Ticks;

pub use handle::Handle;
pub use health::Health;
pub use health::Histogram;
pub use options::OpenError;
pub use options::Options;
pub use options::Retention;

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A stored value as the layers above see it; made once for each revision and shared by pointer.
pub trait Item: Send + Sync + Sized + 'static {
    /// Builds the item from what the backend keeps. Must not fail: an unreadable value is kept as
    /// an item that says so when read. Runs on the store's thread, so it should be cheap.
    fn new(key: Bytes, revision: u64, value: Bytes) -> Self;
    /// The key, as `/registry/pods/default/web`.
    fn key(&self) -> &Bytes;
    /// The revision of the write that stored it.
    fn revision(&self) -> u64;
    /// The stored bytes.
    fn value(&self) -> &Bytes;
    /// Group and resource of a key, for figures; empty if it is of none.
    fn resource(_key: &[u8]) -> (&'static str, &'static str) {
        ("", "")
    }
}

/// One write, applied only if what it expects holds.
#[derive(Debug, Clone)]
pub struct Txn {
    /// The key.
    pub key: Bytes,
    /// What must be true of the key.
    pub expected: Expected,
    /// What to do.
    pub write: Write,
}

/// What must be true of a key for a write to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The key is not there. A delete that expects this is always a conflict.
    Absent,
    /// The key's last write had this revision.
    Revision(u64),
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Remove the key.
    Delete,
    /// Set the key; it expires after `ttl_seconds` if given.
    Put {
        /// New bytes.
        value: Bytes,
        /// Lifetime in seconds; the store then deletes the key as a write of its own, within
        /// about a second. A later put without a lifetime keeps the key for ever.
        ttl_seconds: Option<u32>,
    },
}

/// How a write ended.
#[derive(Debug)]
pub enum Outcome<I> {
    /// Durable; the item as stored (for a delete: the one removed).
    Applied {
        /// The revision of this write.
        revision: u64,
        /// What now stands there, or for a delete what stood there.
        item: Arc<I>,
    },
    /// Nothing was written.
    Conflict {
        /// What stands there instead of what was expected.
        current: Option<Arc<I>>,
    },
}

/// One change, in the stream.
#[derive(Debug)]
pub struct Event<I> {
    /// The revision of the change. Events of one revision, as of keys that expire together, come
    /// in one batch, next to each other.
    pub revision: u64,
    /// The new state; `None` for a removal.
    pub current: Option<Arc<I>>,
    /// The state before; `None` for a creation.
    pub previous: Option<Arc<I>>,
}

impl<I> Clone for Event<I> {
    fn clone(&self) -> Self {
        Self {
            revision: self.revision,
            current: self.current.clone(),
            previous: self.previous.clone(),
        }
    }
}

/// What a shard asks of a backend.
#[derive(Debug)]
pub enum Request<I> {
    /// Apply a write; answered in a later batch under `ticket`.
    Commit {
        /// Names the answer; unique for the shard.
        ticket: u64,
        /// The write.
        txn: Txn,
    },
    /// The state of all keys with a prefix at an old revision, in key order. Walks the history
    /// back from now, on the store's thread: for continued lists whose revision has left the
    /// cache's windows, not for the common path.
    ListAt {
        /// Keys start with this.
        prefix: Bytes,
        /// First key wanted, inclusive.
        start: Bytes,
        /// Revision of the state.
        revision: u64,
        /// At most this many items; 0 for all.
        limit: usize,
        /// Where the answer goes; must have room for it, or the answer is dropped.
        reply: Sender<Result<OldState<I>, StoreError>>,
    },
    /// The last revision anyone has written, as of some moment after this was asked: for
    /// linearizable reads of a store that others write to ([`Link::is_shared`]).
    Latest {
        /// Where the answer goes; must have room for it, or the answer is dropped.
        reply: Sender<Result<u64, StoreError>>,
    },
}

/// A page of the state at an old revision.
#[derive(Debug)]
pub struct OldState<I> {
    /// Items in key order.
    pub items: Vec<Arc<I>>,
    /// How many more there are after these.
    pub remaining: usize,
}

/// The ticket of a commit and how it ended.
pub type Answer<I> = (u64, Result<Outcome<I>, StoreError>);

/// What a backend tells a shard: all events of a group commit, and the answers meant for it.
#[derive(Debug)]
pub struct Batch<I> {
    /// Durable changes in revision order, shared by all shards.
    pub events: Arc<[Event<I>]>,
    /// Answers to this shard's commits.
    pub answers: Vec<Answer<I>>,
    /// Changes between the batch before and this one were lost; `events` are what they added up
    /// to. Who must see each change has to start anew.
    pub lost: bool,
    /// Every revision up to this one is now published (also when `events` is empty).
    pub revision: u64,
    /// When the changes had become durable.
    pub committed: Ticks,
}

/// A shard's end of a backend.
#[derive(Debug)]
pub struct Link<I> {
    /// Requests to the backend, tagged with the shard they come from by the backend itself.
    pub requests: Sender<(usize, Request<I>)>,
    /// Batches from the backend.
    pub batches: Receiver<Batch<I>>,
    /// This shard's number.
    pub shard: usize,
    /// The last durable revision, for linearizable reads. Moves before the batches go out, so a
    /// reader that loads it may have to wait for its shard to apply up to it.
    pub committed: Arc<AtomicU64>,
    /// The oldest revision that `ListAt` and watches can still start from: every event after it
    /// is known. Only grows.
    pub compacted: Arc<AtomicU64>,
    /// Others write to the store as well, so that `committed` says only what has been heard of
    /// them: a linearizable read must ask for [`Request::Latest`].
    pub is_shared: bool,
}

/// What a backend found when it was opened.
#[derive(Debug)]
pub struct Opened<I> {
    /// The state, in key order.
    pub state: Vec<Arc<I>>,
    /// Retained events in order: all after the compacted revision.
    pub history: Vec<Event<I>>,
    /// The last revision.
    pub revision: u64,
    /// Revisions at or below this are no longer known one by one; the state at exactly this
    /// revision still is.
    pub compacted: u64,
    /// One link for each shard.
    pub links: Vec<Link<I>>,
}

/// Why a backend failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The revision asked for has been compacted; the oldest one known.
    Compacted(u64),
    /// The revision asked for has not been written yet; the last one.
    Future(u64),
    /// The value or the key is larger than the store takes (`STORED_VALUE_BYTES_MAX`,
    /// `STORED_KEY_BYTES_MAX`).
    TooLarge,
    /// The store's own servers refused, or could not be reached: their words, as kube-apiserver
    /// passes them on. Whether a write happened may be unknown.
    Remote(String),
    /// The store did not answer in time; whether a write happened is unknown.
    Timeout,
    /// The backend is gone or cannot write; whether the write happened is unknown.
    Unavailable(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Compacted(oldest) => write!(f, "revision is compacted; the oldest is {oldest}"),
            Self::Future(last) => write!(f, "revision is not written yet; the last is {last}"),
            Self::TooLarge => f.write_str("value is larger than the store takes"),
            Self::Remote(reason) => f.write_str(reason),
            Self::Timeout => f.write_str("the store did not answer in time"),
            Self::Unavailable(reason) => write!(f, "store is unavailable: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {}
