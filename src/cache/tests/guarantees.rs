//! What every client may rely on, checked on recorded histories of random runs: watches are
//! ordered, unique, reliable, resumable, filtered and bookmarked honestly; reads are linearizable;
//! a list is the state at exactly its revision.

use super::sample::{Sample, delete, put, storage};
use super::sim::{Dice, Sim, SimStore, TextEncoder};
use crate::cache::entry::Entry;
use crate::cache::filter::Filter;
use crate::cache::group::transition;
use crate::cache::window::Change;
use crate::cache::{
    Cache, FrameKind, ListPage, ListQuery, ReadAt, ReadFault, WatchFrom, WatchQuery, Watcher,
};
use crate::object::selector::{FieldSelector, LabelSelector};
use crate::store::{Expected, Item, Outcome};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

const RESOURCES: [&str; 3] = ["pods", "nodes", "configmaps"];
const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];
const APPS: [&str; 2] = ["web", "db"];
const NODES: [&str; 3] = ["", "n1", "n2"];

/// What a list or watch asks for.
#[derive(Debug, Clone)]
struct Want {
    resource: &'static str,
    namespace: Option<&'static str>,
    name: Option<&'static str>,
    labels: &'static str,
    fields: &'static str,
}

impl Want {
    fn any(dice: &mut Dice) -> Self {
        let resource = dice.pick(&RESOURCES);
        Self {
            resource,
            namespace: dice.pick(&[None, Some("a"), Some("b")]).filter(|_| resource != "nodes"),
            name: dice.pick(&[None, None, None, Some("one")]),
            labels: dice.pick(&["", "", "app=web", "app!=db", "!app"]),
            fields: match resource {
                "pods" => dice.pick(&["", "", "spec.nodeName=n1", "spec.nodeName!=n1"]),
                _ => dice.pick(&["", "", "metadata.name=two"]),
            },
        }
    }

    fn filter(&self) -> Filter {
        let scope = (self.namespace.map(Into::into), self.name.map(Into::into));
        let labels = LabelSelector::parse(self.labels).expect("labels");
        let fields = FieldSelector::parse(self.fields).expect("fields");
        Filter::new(storage(self.resource), scope, labels, &fields)
    }

    fn list(&self, limit: usize, at: ReadAt) -> ListQuery {
        ListQuery {
            namespace: self.namespace.map(Into::into),
            name: self.name.map(Into::into),
            labels: LabelSelector::parse(self.labels).expect("labels"),
            fields: FieldSelector::parse(self.fields).expect("fields"),
            limit,
            at,
            ..ListQuery::all(storage(self.resource))
        }
    }

    fn watch(&self, from: WatchFrom) -> WatchQuery {
        let list = self.list(0, ReadAt::Any);
        WatchQuery {
            namespace: list.namespace,
            name: list.name,
            labels: list.labels,
            fields: list.fields,
            bookmarks: true,
            initial_events_end: matches!(from, WatchFrom::Initial(_)),
            ..WatchQuery::all(list.storage, from, TextEncoder::new(1))
        }
    }

    /// What a list must show at a revision: key and revision of each object.
    fn expected(&self, store: &SimStore, revision: u64) -> Vec<Seen> {
        let (filter, row) = (self.filter(), storage(self.resource));
        let state = store.at(revision).into_values();
        let mine = |e: &Arc<Entry>| e.storage().is_some_and(|s| s.id == row.id);
        state.filter(|e| mine(e) && filter.matches(e)).map(|e| seen(&e)).collect()
    }
}

type Seen = (String, u64);

fn seen(entry: &Entry) -> Seen {
    (String::from_utf8_lossy(entry.key()).into_owned(), entry.revision())
}

/// One list: what was asked, the revision it must at least show, and its pages.
struct Listed {
    want: Want,
    at: ReadAt,
    least: u64,
    pages: Vec<ListPage>,
}

/// One watch: what was asked and what came.
struct Watched {
    want: Want,
    from: WatchFrom,
    least: u64,
    frames: Rc<RefCell<Vec<(FrameKind, Seen, u64)>>>,
}

async fn write(cache: Cache, mut dice: Dice) {
    let row = storage(dice.pick(&RESOURCES));
    let (namespace, name) = (dice.pick(&NAMESPACES), dice.pick(&NAMES));
    let labels = [("app", dice.pick(&APPS))];
    let labels = if dice.below(4) == 0 { &labels[..0] } else { &labels[..] };
    let value = Sample { labels, node: dice.pick(&NODES), ..Sample::default() }.stored(name);
    let before = cache.get(row, namespace, name, ReadAt::Latest).await.expect("read");
    let key = row.key(namespace, name);
    let txn = match before.as_ref().map(|e| e.revision()) {
        Some(revision) if dice.below(3) == 0 => delete(key.clone(), revision),
        Some(revision) => put(key.clone(), value, Expected::Revision(revision)),
        None => put(key.clone(), value, Expected::Absent),
    };
    match cache.commit(txn).await.expect("written") {
        Outcome::Applied { revision, .. } => {
            assert!(cache.applied() >= revision, "a writer reads its own writes");
            let at = if dice.below(2) == 0 { ReadAt::Heard } else { ReadAt::Latest };
            let after = cache.get(row, namespace, name, at).await.expect("read");
            let now = after.map_or(u64::MAX, |e| e.revision());
            assert!(now >= revision, "{key:?} is at {now} after it was written at {revision}");
        }
        Outcome::Conflict { current } => {
            let current = current.map(|e| e.revision());
            assert_ne!(current, before.map(|e| e.revision()), "no conflict without a change");
        }
    }
}

async fn list(cache: Cache, want: Want, limit: usize, at: ReadAt) -> Listed {
    let least = match at {
        ReadAt::Any => 0,
        ReadAt::Heard | ReadAt::Latest => cache.committed(),
        ReadAt::AtLeast(revision) | ReadAt::Exact(revision) => revision,
    };
    let mut pages = vec![cache.list(want.list(limit, at)).await.expect("first page")];
    while let Some(ListPage { revision, next: Some(next), .. }) = pages.last() {
        let start = Some(next.clone());
        let query = ListQuery { start, ..want.list(limit, ReadAt::Exact(*revision)) };
        pages.push(cache.list(query).await.expect("next page"));
    }
    Listed { want, at, least, pages }
}

async fn record(mut watcher: Watcher, mut dice: Dice, watched: Rc<Watched>) {
    let mut batch = Vec::new();
    while watcher.next_batch(&mut batch, 1 + dice.below(5) as usize).await.is_ok() {
        for frame in batch.drain(..) {
            let entry = frame.entry.as_ref().map_or((String::new(), 0), |e| seen(e));
            watched.frames.borrow_mut().push((frame.kind, entry, frame.revision));
        }
        for _ in 0..dice.below(3) {
            futures_lite::future::yield_now().await;
        }
    }
}

async fn watch(cache: Cache, want: Want, from: WatchFrom, dice: Dice, all: Recorded) {
    let least = if from == WatchFrom::Initial(ReadAt::Latest) { cache.committed() } else { 0 };
    let watcher = cache.watch(want.watch(from)).await;
    let watched = Rc::new(Watched { want, from, least, frames: Rc::default() });
    all.borrow_mut().push(Rc::clone(&watched));
    record(watcher.expect("the window reaches back to the start"), dice, watched).await;
}

type Recorded = Rc<RefCell<Vec<Rc<Watched>>>>;

fn check_list(listed: &Listed, store: &SimStore) {
    let Listed { want, at, least, pages } = listed;
    let revision = pages[0].revision;
    assert!(pages.iter().all(|page| page.revision == revision), "pages share their revision");
    match at {
        ReadAt::Exact(exact) => assert_eq!(revision, *exact),
        _ => assert!(revision >= *least, "{want:?} at {at:?} shows {revision} < {least}"),
    }
    let shown: Vec<_> = pages.iter().flat_map(|p| p.entries.iter().map(|e| seen(e))).collect();
    assert_eq!(shown, want.expected(store, revision), "{want:?} {at:?} at {revision}");
    let mut shown = 0;
    for page in pages {
        shown += page.entries.len();
        if let (Some(remaining), Some(_)) = (page.remaining, &page.next) {
            let total = want.expected(store, revision).len();
            assert_eq!(remaining as usize, total - shown, "{want:?} at {revision}");
        }
    }
}

fn check_watch(watched: &Watched, store: &SimStore) {
    let Watched { want, from, frames, .. } = watched;
    let frames = frames.borrow();
    let events: Vec<_> = frames.iter().filter(|(_, entry, _)| entry.1 > 0).cloned().collect();
    let mut expected = Vec::new();
    let start = match from {
        WatchFrom::After(revision) => *revision,
        WatchFrom::Initial(_) => {
            let end = frames.iter().find(|(kind, ..)| *kind == FrameKind::InitialEventsEnd);
            let (.., revision) = *end.expect("the initial state ended");
            assert!(revision >= watched.least, "{want:?} starts at {revision}");
            let state = want.expected(store, revision).into_iter();
            expected.extend(state.map(|(key, at)| (FrameKind::Added, (key, at), at)));
            revision
        }
    };
    let (filter, row) = (want.filter(), storage(want.resource));
    for event in store.history.iter().filter(|event| event.revision > start) {
        let change = Change::of(event);
        if change.subject().and_then(|e| e.storage()).is_some_and(|s| s.id == row.id)
            && let Some((kind, entry)) = transition(&filter, &change)
        {
            expected.push((kind, seen(entry), change.revision));
        }
    }
    assert_eq!(events, expected, "{want:?} from {from:?}");
    // No bookmark may name a revision of an event that comes after it.
    let mut passed = 0;
    for (kind, _, revision) in frames.iter() {
        match kind {
            FrameKind::Bookmark | FrameKind::InitialEventsEnd => passed = *revision,
            _ => assert!(*revision > passed || start >= *revision, "{want:?}: {frames:?}"),
        }
    }
}

fn read_at(dice: &mut Dice, revision: u64) -> ReadAt {
    match dice.below(5) {
        0 => ReadAt::Any,
        3 => ReadAt::Heard,
        1 => ReadAt::AtLeast(dice.below(revision + 1)),
        2 => ReadAt::Exact(dice.below(revision + 1)),
        _ => ReadAt::Latest,
    }
}

fn run(shards: usize, seed: u64) {
    let mut sim = Sim::new(shards, seed);
    let recorded = Recorded::default();
    let mut lists = Vec::new();
    for _ in 0..250 {
        let mut dice = Dice(sim.dice.below(u64::MAX));
        let shard = dice.below(shards as u64) as usize;
        let (cache, revision) = (sim.caches[shard].clone(), sim.store.revision);
        match dice.below(10) {
            0..=5 => drop(sim.spawn(shard, write(cache, dice))),
            6 | 7 => {
                let at = read_at(&mut dice, revision);
                let (want, limit) = (Want::any(&mut dice), dice.below(4) as usize);
                lists.push(sim.spawn(shard, list(cache, want, limit, at)));
            }
            8 => {
                let from = match dice.below(3) {
                    0 => WatchFrom::After(dice.below(revision + 4)),
                    1 => WatchFrom::Initial(ReadAt::Any),
                    _ => WatchFrom::Initial(ReadAt::Latest),
                };
                let want = Want::any(&mut dice);
                let task = watch(cache, want, from, dice, Rc::clone(&recorded));
                drop(sim.spawn(shard, task));
            }
            _ => sim.pass(std::time::Duration::from_secs(dice.below(20))),
        }
        for _ in 0..sim.dice.below(30) {
            sim.poll_one();
            if sim.dice.below(5) == 0 {
                let most = 1 + sim.dice.below(6) as usize;
                sim.store.step(most);
            }
        }
    }
    sim.settle();
    for listed in lists {
        check_list(listed.borrow().as_ref().expect("every list ends"), &sim.store);
    }
    let recorded = recorded.borrow();
    assert!(!recorded.is_empty());
    recorded.iter().for_each(|watched| check_watch(watched, &sim.store));
}

#[test]
fn histories_of_random_runs_keep_every_guarantee() {
    for seed in 0..60 {
        run(1 + (seed % 4) as usize, seed);
    }
}

#[test]
fn resumed_watch_neither_misses_nor_repeats() {
    for seed in 0..20 {
        let mut sim = Sim::new(2, seed);
        let frames = Rc::new(RefCell::new(Vec::new()));
        let mut resume = 0;
        for _ in 0..40 {
            let dice = Dice(sim.dice.below(u64::MAX));
            let cache = sim.caches[(seed % 2) as usize].clone();
            drop(sim.spawn(0, write(sim.caches[0].clone(), dice)));
            (0..sim.dice.below(40)).for_each(|_| {
                sim.poll_one();
            });
            sim.store.step(3);
            // A connection that lives for a moment, and goes on where the last one ended.
            let (all, last) = (Rc::clone(&frames), resume);
            resume = sim.run((seed % 2) as usize, async move {
                let from = WatchFrom::After(last);
                let query = WatchQuery::all(storage("pods"), from, TextEncoder::new(1));
                let mut watcher = cache.watch(query).await.expect("watch");
                let mut batch = Vec::new();
                let next = futures_lite::future::poll_once(watcher.next_batch(&mut batch, 2));
                next.await;
                let revisions = batch.iter().map(|frame| frame.revision);
                all.borrow_mut().extend(revisions);
                all.borrow().last().copied().unwrap_or(0)
            });
        }
        let pods = |e: &Arc<Entry>| e.storage().is_some_and(|row| row.resource == "pods");
        let events = sim
            .store
            .history
            .iter()
            .filter(|e| e.current.as_ref().or(e.previous.as_ref()).is_some_and(pods));
        let events: Vec<_> = events.map(|e| e.revision).take_while(|r| *r <= resume).collect();
        assert_eq!(*frames.borrow(), events);
    }
}

#[test]
fn compacted_revision_is_expired_for_lists() {
    let mut sim = Sim::new(2, 7);
    for at in 0..5 {
        drop(sim.spawn(0, write(sim.caches[0].clone(), Dice(at))));
        sim.settle();
    }
    let history = sim.store.history.clone();
    let mut sim = Sim::opened(2, 8, history, 3);
    sim.store.compact(3);
    let cache = sim.caches[1].clone();
    let all = |at| ListQuery { at, ..ListQuery::all(storage("pods")) };
    let old = sim.run(1, async move { cache.list(all(ReadAt::Exact(2))).await.map(drop) });
    assert_eq!(old, Err(ReadFault::Expired { requested: 2, oldest: 3 }));
    let cache = sim.caches[0].clone();
    let page = sim.run(0, async move { cache.list(all(ReadAt::Exact(3))).await }).expect("known");
    assert_eq!(page.revision, 3);
}
