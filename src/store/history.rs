//! The recent events in memory: as long as they are here, watchers can resume and old revisions
//! can be listed. What falls off the front is what the log may forget.

use crate::store::Event;
use crate::store::Item;
use crate::store::Retention;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// What a removal counts for, besides its key: an event without a value still costs memory.
const REMOVAL_BYTES: usize = 64;

/// Events in revision order, in the chunks they were published in.
pub(super) struct History<I> {
    chunks: VecDeque<Chunk<I>>,
    /// Events in all chunks.
    pub(super) events: usize,
    /// Bytes of their keys and values.
    pub(super) bytes: usize,
    /// Every event after this revision is here.
    pub(super) compacted: u64,
}

struct Chunk<I> {
    events: Arc<[Event<I>]>,
    bytes: usize,
    at: Instant,
}

impl<I: Item> History<I> {
    pub(super) fn new(compacted: u64) -> Self {
        Self { chunks: VecDeque::new(), events: 0, bytes: 0, compacted }
    }

    /// Adds events newer than all others.
    pub(super) fn push(&mut self, events: Arc<[Event<I>]>, at: Instant) {
        if events.is_empty() {
            return;
        }
        let bytes = events.iter().map(cost).sum();
        self.events += events.len();
        self.bytes += bytes;
        self.chunks.push_back(Chunk { events, bytes, at });
    }

    /// Drops what is too old or too much, and notes the revisions whose records nobody needs any
    /// more: those that a dropped event superseded, then its own if it was a removal. Their order
    /// matters: a removal's record must outlive the record it removed.
    pub(super) fn compact(
        &mut self,
        now: Instant,
        retention: &Retention,
        forget: &mut VecDeque<u64>,
    ) {
        while let Some(chunk) = self.chunks.front() {
            let old = now.saturating_duration_since(chunk.at) >= retention.age;
            let much = self.events > retention.events_max || self.bytes > retention.bytes_max;
            if !old && !much {
                return;
            }
            self.events -= chunk.events.len();
            self.bytes -= chunk.bytes;
            for event in chunk.events.iter() {
                forget.extend(event.previous.as_ref().map(|item| item.revision()));
                forget.extend(event.current.is_none().then_some(event.revision));
                self.compacted = event.revision;
            }
            self.chunks.pop_front();
        }
    }

    /// What stood, at a revision, under each key with a prefix that changed after it.
    pub(super) fn undo(&self, prefix: &[u8], revision: u64) -> BTreeMap<&[u8], Option<&Arc<I>>> {
        let mut before = BTreeMap::new();
        let newest_first = self.chunks.iter().rev().flat_map(|chunk| chunk.events.iter().rev());
        for event in newest_first.take_while(|event| event.revision > revision) {
            if let Some(key) = key(event)
                && key.starts_with(prefix)
            {
                before.insert(key, event.previous.as_ref());
            }
        }
        before
    }
}

fn key<I: Item>(event: &Event<I>) -> Option<&[u8]> {
    let item = event.current.as_ref().or(event.previous.as_ref())?;
    Some(item.key())
}

fn cost<I: Item>(event: &Event<I>) -> usize {
    let value = event.current.as_ref().map_or(REMOVAL_BYTES, |item| item.value().len());
    key(event).map_or(0, <[u8]>::len) + value
}
