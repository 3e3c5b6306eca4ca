//! A list on the owner's side: its keys of a range, as they stood at one revision.

use crate::base::limits::LIST_CHUNK_MAX;
use crate::cache::entry::Entry;
use crate::cache::hop::{Answer, ListAsk, Moment, Page};
use crate::cache::partition::{Resource, owner};
use crate::cache::shard::State;
use crate::store::Item;
use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::iter::Peekable;
use std::sync::Arc;

/// A list under way. Each step looks at a bounded number of keys; what changes between steps is
/// undone by the window, so that all steps see the same revision.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) from: usize,
    pub(super) ticket: u64,
    ask: Arc<ListAsk>,
    /// The next key, and the revision, once the first step has chosen it.
    cursor: Bytes,
    revision: Option<u64>,
    page: Page,
}

impl Scan {
    pub(super) fn new(from: usize, ticket: u64, ask: Arc<ListAsk>) -> Self {
        let cursor = ask.start.clone();
        Self { from, ticket, ask, cursor, revision: None, page: Page::default() }
    }

    /// Goes on for a while; the answer once there is one.
    pub(super) fn step(&mut self, shard: usize, shards: usize, state: &State) -> Option<Answer> {
        let first = self.revision.is_none();
        let revision = *self.revision.get_or_insert(match self.ask.at {
            Moment::Exactly(revision) => revision,
            Moment::NotBefore(_) => state.applied,
        });
        self.page.revision = revision;
        let Some(resource) = state.known(Resource::of(Some(self.ask.storage))) else {
            // Nothing was ever heard of it; what was before the start is for the store to say.
            let known = revision >= state.floor;
            return Some(if known { Answer::Page(self.page()) } else { Answer::Gone });
        };
        let range = (&self.cursor[..], &self.ask.end[..]);
        let mine = |entry: &Entry| owner(entry.slot(), shards) == shard;
        let Some(stood) = resource.window.undo(revision, range, mine) else {
            return Some(Answer::Gone);
        };
        let table = &resource.table;
        let (start, end) = (table.position(range.0), table.position(range.1));
        if first && self.ask.limit > 0 {
            let came = stood.keys().filter(|key| table.get(key).is_some()).count();
            let was = stood.values().filter(|entry| entry.is_some()).count();
            self.page.total = (table.count(start, end) + was).saturating_sub(came);
        }
        let merge = Merge { now: table.walk(start, end).peekable(), stood: peekable(stood) };
        if self.collect(merge) {
            return Some(Answer::Page(self.page()));
        }
        None
    }

    fn page(&mut self) -> Page {
        std::mem::take(&mut self.page)
    }

    /// Takes what is wanted; false if the chunk was used up.
    fn collect(&mut self, entries: impl Iterator<Item = Arc<Entry>>) -> bool {
        let ListAsk { filter, limit, .. } = &*self.ask;
        let all = filter.selects_everything() && filter.namespace.is_none();
        for (looked, entry) in (1..).zip(entries) {
            self.page.looked += 1;
            if *limit > 0 {
                self.page.last = Some(Arc::clone(&entry));
                if self.page.entries.len() >= *limit {
                    return true;
                }
            }
            let used_up = looked >= LIST_CHUNK_MAX;
            if used_up {
                self.cursor = key_after(entry.key());
            }
            if all || filter.matches(&entry) {
                self.page.entries.push(entry);
            }
            if used_up {
                return false;
            }
        }
        true
    }
}

/// The smallest key above this one.
pub(super) fn key_after(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    Bytes::from(next)
}

type Stood = Peekable<IntoIter<Bytes, Option<Arc<Entry>>>>;

fn peekable(stood: BTreeMap<Bytes, Option<Arc<Entry>>>) -> Stood {
    stood.into_iter().peekable()
}

/// What stands now, except where something else stood.
struct Merge<I: Iterator> {
    now: Peekable<I>,
    stood: Stood,
}

impl<'t, I: Iterator<Item = &'t Arc<Entry>>> Iterator for Merge<I> {
    type Item = Arc<Entry>;

    fn next(&mut self) -> Option<Arc<Entry>> {
        loop {
            let Some((key, _)) = self.stood.peek() else {
                return self.now.next().cloned();
            };
            let order = self.now.peek().map_or(Ordering::Greater, |now| now.key().cmp(key));
            if order == Ordering::Less {
                return self.now.next().cloned();
            }
            if order == Ordering::Equal {
                self.now.next();
            }
            if let Some((_, Some(entry))) = self.stood.next() {
                return Some(entry);
            }
        }
    }
}
