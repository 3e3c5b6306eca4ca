//! What shards say to each other: questions about keys they own, and answers.

use crate::cache::entry::Entry;
use crate::cache::filter::Filter;
use crate::cache::partition::Resource;
use crate::catalog::Storage;
use bytes::Bytes;
use std::sync::Arc;

/// One message between shards.
#[derive(Debug)]
pub(super) enum Hop {
    /// The answer to an earlier question of the receiver.
    Answer { ticket: u64, answer: Answer },
    /// A question to the owner of some keys.
    Ask { from: usize, ticket: u64, ask: Ask },
}

/// A question about keys that the asked shard owns.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// What stands under a key, at `least` or later.
    Get { resource: Resource, key: Bytes, least: u64 },
    /// What stands under a range of keys.
    List(Arc<ListAsk>),
    /// Nothing; the answer tells that the revision is reached.
    Reach(u64),
}

impl Ask {
    /// The revision that must have been applied before it can be answered.
    pub(super) fn least(&self) -> u64 {
        match self {
            Self::Get { least, .. } => *least,
            Self::List(ask) => ask.at.revision(),
            Self::Reach(least) => *least,
        }
    }
}

/// A range of keys at a revision.
#[derive(Debug)]
pub(super) struct ListAsk {
    pub(super) storage: &'static Storage,
    /// First key, inclusive.
    pub(super) start: Bytes,
    /// Last key, exclusive.
    pub(super) end: Bytes,
    pub(super) filter: Filter,
    /// At most so many entries; 0 for all.
    pub(super) limit: usize,
    pub(super) at: Moment,
}

/// Which state a list shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// The state at this revision.
    Exactly(u64),
    /// The owner's newest state, if this revision is in it.
    NotBefore(u64),
}

impl Moment {
    pub(super) fn revision(self) -> u64 {
        match self {
            Self::Exactly(revision) | Self::NotBefore(revision) => revision,
        }
    }
}

/// What an owner answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// The revision asked for was not reached in time; the last one applied.
    Behind(u64),
    /// What stands under the key.
    Entry(Option<Arc<Entry>>),
    /// The window does not reach back to the revision asked for.
    Gone,
    /// What stands under the range.
    Page(Page),
}

/// An owner's share of a list.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// In key order.
    pub(super) entries: Vec<Arc<Entry>>,
    /// The last entry that was looked at, wanted or not: with a limit, it tells whether there is
    /// more after the limit.
    pub(super) last: Option<Arc<Entry>>,
    /// The state's revision.
    pub(super) revision: u64,
    /// Entries in the range, wanted or not; counted only if there is a limit.
    pub(super) total: usize,
    /// Entries that were looked at.
    pub(super) looked: usize,
}
