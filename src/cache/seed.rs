//! Start: the state that the store found is dealt to its owners, the history to all.

use crate::base::limits::{FEED_YIELD_FRAMES, INBOX_YIELD_HOPS, TICK_MILLIS};
use crate::cache::Cache;
use crate::cache::definitions::{self, is_definition};
use crate::cache::entry::Entry;
use crate::cache::hop::Hop;
use crate::cache::inbox::Inbox;
use crate::cache::latest;
use crate::cache::part::Part;
use crate::cache::partition::{is_everywhere, owner};
use crate::cache::rows::storage_of;
use crate::cache::shard::{Shard, State};
use crate::cache::tick;
use crate::cache::window::Change;
use crate::catalog::Storage;
use crate::store::{Item, Link, Opened, StoreError};
use async_channel::Receiver;
use futures_lite::future::yield_now;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One shard's cache before it is on its shard.
pub struct CacheSeed {
    link: Link<Entry>,
    state: Vec<Arc<Entry>>,
    history: Arc<[Change]>,
    revision: u64,
    compacted: u64,
    peers: Arc<[Inbox]>,
    /// What other stores keep.
    pub(super) others: Vec<(Vec<&'static Storage>, Self)>,
}

impl fmt::Debug for CacheSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed of shard {} with {} entries", self.link.shard, self.state.len())
    }
}

/// A task that must run on the shard for as long as its cache is used.
pub(super) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Deals what the store found to its shards, one seed for each of `opened.links`.
pub(super) fn open(opened: Opened<Entry>) -> Vec<CacheSeed> {
    let shards = opened.links.len();
    let mut states: Vec<Vec<Arc<Entry>>> = Vec::new();
    states.resize_with(shards, Vec::new);
    // The definitions among the entries were noted when those were made, so all rows are known now.
    for entry in opened.state {
        let entry = known(entry);
        if is_everywhere(entry.storage()) {
            states.iter_mut().for_each(|state| state.push(Arc::clone(&entry)));
        } else if let Some(state) = states.get_mut(owner(entry.slot(), shards)) {
            state.push(entry);
        }
    }
    let history: Arc<[Change]> = opened
        .history
        .iter()
        .map(|event| {
            let change = Change::of(event);
            forget_definition(&change);
            Change {
                revision: change.revision,
                current: change.current.map(known),
                previous: change.previous.map(known),
            }
        })
        .collect();
    let peers: Arc<[_]> = std::iter::repeat_with(Inbox::default).take(shards).collect();
    let links = opened.links.into_iter().zip(states);
    let seeds = links.map(|(link, state)| CacheSeed {
        link,
        state,
        history: Arc::clone(&history),
        revision: opened.revision,
        compacted: opened.compacted,
        peers: Arc::clone(&peers),
        others: Vec::new(),
    });
    seeds.collect()
}

/// Takes note of a definition that the change removed.
pub(super) fn forget_definition(change: &Change) {
    if let (None, Some(gone)) = (&change.current, &change.previous)
        && is_definition(gone.storage())
    {
        definitions::forget(gone, change.revision);
    }
}

/// The entry under the row of its resource, if that became known only after the entry was made.
fn known(entry: Arc<Entry>) -> Arc<Entry> {
    let row = storage_of(entry.key());
    if entry.storage().map(std::ptr::from_ref) == row.map(std::ptr::from_ref) {
        return entry;
    }
    Arc::new(Entry::new(entry.key().clone(), entry.revision(), entry.value().clone()))
}

impl CacheSeed {
    /// Starts the cache on the shard of the calling thread; its tasks run as long as the process.
    pub fn start(self) -> Cache {
        let (cache, tasks) = self.assemble();
        tasks.into_iter().for_each(crate::rt::spawn);
        let ticking = cache.clone();
        crate::rt::spawn(async move {
            loop {
                crate::rt::sleep(Duration::from_millis(TICK_MILLIS)).await;
                ticking.tick(crate::rt::now());
            }
        });
        cache
    }

    /// The cache and the tasks it needs, for an executor of the caller, who must also tick it.
    pub(super) fn assemble(self) -> (Cache, Vec<Task>) {
        let Self { link, state: entries, history, revision, compacted, peers, others } = self;
        let mut state = State::new(revision, compacted);
        for entry in entries {
            let owned = owner(entry.slot(), peers.len()) == link.shard;
            if let Some(table) = state.resource(entry.storage()).held(owned) {
                table.put(entry);
            }
        }
        for change in history.iter() {
            if let Some(subject) = change.subject() {
                let held = state.resource(subject.storage());
                held.changed = change.revision;
                held.window.push(change.clone());
            }
        }
        let batches = link.batches.clone();
        let shard = Rc::new(Shard::new(peers, link, state));
        let feed = feed(Rc::clone(&shard), batches);
        let mut tasks: Vec<Task> = vec![
            Box::pin(feed),
            Box::pin(answer(Rc::clone(&shard))),
            Box::pin(scan(Rc::clone(&shard))),
        ];
        if shard.is_shared {
            tasks.push(Box::pin(latest::ask(Rc::clone(&shard))));
        }
        let others = others.into_iter().map(|(resources, seed)| {
            let (cache, more) = seed.assemble();
            tasks.extend(more);
            Part { resources, shard: cache.shard }
        });
        let others = others.collect();
        (Cache { shard, others }, tasks)
    }
}

/// Applies what the store publishes, in order, then hands out the answers that came with it.
async fn feed(shard: Rc<Shard>, batches: Receiver<crate::store::Batch<Entry>>) {
    let mut work = 0;
    while let Ok(batch) = batches.recv().await {
        if batch.lost {
            tick::end_watches(&shard);
        }
        let mut events = batch.events.iter().peekable();
        while let Some(event) = events.next() {
            work += shard.apply(event, batch.committed);
            // Nobody sees half of a revision.
            let is_last = events.peek().is_none_or(|next| next.revision != event.revision);
            if work >= FEED_YIELD_FRAMES && is_last {
                work = 0;
                yield_now().await;
            }
        }
        if batch.lost {
            shard.forget_changes(batch.revision);
        }
        shard.reached(batch.revision);
        for (ticket, answer) in batch.answers {
            shard.commits.answer(ticket, answer);
        }
    }
    let gone = || Err(StoreError::Unavailable("the store is closed".to_owned()));
    shard.commits.answer_all(gone);
    tick::end_watches(&shard);
}

/// Answers what other shards ask, and hands out what they answer.
async fn answer(shard: Rc<Shard>) {
    let mut taken = 0;
    let Some(inbox) = shard.peers.get(shard.number) else { return };
    loop {
        let mut next = Some(inbox.next().await);
        // One wake-up for all that has come.
        while let Some(hop) = next {
            match hop {
                Hop::Answer { ticket, answer } => shard.answered(ticket, answer),
                Hop::Ask { from, ticket, ask } => shard.take(from, ticket, ask),
            }
            taken += 1;
            if taken % INBOX_YIELD_HOPS == 0 {
                yield_now().await;
            }
            next = inbox.take();
        }
    }
}

/// Takes long lists further, a step at a time.
async fn scan(shard: Rc<Shard>) {
    loop {
        shard.step_next().await;
        yield_now().await;
    }
}
