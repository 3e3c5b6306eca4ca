//! The cache on real shards over the memory store: whatever the threads' timing, all watchers see
//! one history, it holds every acknowledged write once, and every list is that history's state.

use bytes::Bytes;
use kubering::cache::{
    Cache, Entry, FrameEncoder, FrameKind, ListQuery, ReadAt, WatchFrom, WatchQuery,
};
use kubering::catalog::{Storage, catalog};
use kubering::rt;
use kubering::store::{self, Expected, Item, Outcome, Txn, Write};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

const SHARDS: usize = 3;
const WRITERS: usize = 8;
const WRITES: usize = 60;
const KEYS: u64 = 12;

/// One event of a history: revision, key, and whether the object was there after it.
type Step = (u64, Bytes, bool);
/// What a list showed: its revision, and the revision of each object.
type Shown = (u64, Vec<(Bytes, u64)>);

/// What one shard saw.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<u64>,
    history: Vec<Step>,
    lists: Vec<Shown>,
}

struct Plain;

impl FrameEncoder for Plain {
    fn id(&self) -> u64 {
        1
    }

    fn frame(&self, _: FrameKind, entry: &Entry, _: u64) -> Bytes {
        entry.value().clone()
    }

    fn bookmark(&self, _: u64, _: bool) -> Bytes {
        Bytes::new()
    }
}

fn storage() -> &'static Storage {
    catalog().storage("apiservices").expect("a resource that is stored as JSON")
}

fn name(dice: &mut u64) -> String {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    format!("name-{:02}", (*dice >> 33) % KEYS)
}

/// Writes until enough writes were acknowledged.
async fn write(cache: Cache, seed: u64, seen: Rc<RefCell<Seen>>) {
    let mut dice = seed;
    let mut done = 0;
    while done < WRITES {
        let name = name(&mut dice);
        let now = cache.get(storage(), "", &name, ReadAt::Latest).await.expect("read");
        let expected = now.as_ref().map(|entry| Expected::Revision(entry.revision()));
        let value = Bytes::from(format!(r#"{{"metadata":{{"name":"{name}"}}}}"#));
        let write = match (&now, dice >> 62) {
            (Some(_), 0) => Write::Delete,
            _ => Write::Put { value, ttl_seconds: None },
        };
        let key = storage().key("", &name);
        let txn = Txn { key, expected: expected.unwrap_or(Expected::Absent), write };
        let deletes = matches!(txn.write, Write::Delete);
        if let Outcome::Applied { revision, .. } = cache.commit(txn).await.expect("written") {
            done += 1;
            seen.borrow_mut().acknowledged.push(revision);
            let after = cache.get(storage(), "", &name, ReadAt::Latest).await.expect("read");
            let shown = after.map_or(u64::MAX, |entry| entry.revision());
            assert!(shown >= revision && (shown == u64::MAX || !deletes || shown > revision));
        }
    }
}

async fn list(cache: Cache, first: u64, seen: Rc<RefCell<Seen>>) {
    for round in 0..100 {
        let at = match round % 3 {
            0 => ReadAt::Latest,
            1 => ReadAt::Any,
            _ => ReadAt::Exact(cache.applied().saturating_sub(round).max(first)),
        };
        let least = if at == ReadAt::Latest { cache.committed() } else { 0 };
        let page = cache.list(ListQuery { at, ..ListQuery::all(storage()) }).await.expect("list");
        assert!(page.revision >= least);
        let shown = page.entries.iter().map(|e| (e.key().clone(), e.revision())).collect();
        seen.borrow_mut().lists.push((page.revision, shown));
        rt::sleep(Duration::from_micros(300)).await;
    }
}

async fn watch(cache: Cache, first: u64, seen: Rc<RefCell<Seen>>) {
    let query = WatchQuery::all(storage(), WatchFrom::After(first), Rc::new(Plain));
    let mut watcher = cache.watch(query).await.expect("watch");
    let mut frames = Vec::new();
    while watcher.next_batch(&mut frames, 7).await.is_ok() {
        let steps = frames.drain(..).filter_map(|frame| {
            let entry = frame.entry.as_ref()?;
            Some((frame.revision, entry.key().clone(), frame.kind != FrameKind::Deleted))
        });
        seen.borrow_mut().history.extend(steps);
    }
}

#[test]
fn all_shards_see_one_history_that_holds_every_acknowledged_write() {
    let options = store::Options::new(SHARDS);
    let (opened, handle) = store::memory::open::<Entry>(&options).expect("a store");
    let seeds = Cache::open(opened);
    let shards = rt::run_shards(rt::Placement::Unpinned, seeds, |number, seed| async move {
        let cache = seed.start();
        // No other task of the shard has run yet: it is the store's revision at start.
        let first = cache.applied();
        let seen = Rc::new(RefCell::new(Seen::default()));
        rt::spawn(watch(cache.clone(), first, Rc::clone(&seen)));
        rt::spawn(list(cache.clone(), first, Rc::clone(&seen)));
        for writer in 0..WRITERS {
            let seed = (number * WRITERS + writer) as u64 + 1;
            rt::spawn(write(cache.clone(), seed, Rc::clone(&seen)));
        }
        let all = SHARDS * WRITERS * WRITES;
        while seen.borrow().history.len() < all || seen.borrow().lists.len() < 100 {
            rt::sleep(Duration::from_millis(5)).await;
        }
        // Long enough for an event that should not be there.
        rt::sleep(Duration::from_millis(50)).await;
        seen.take()
    });
    let seen: Vec<_> = shards.expect("shards").join().into_iter().map(Option::unwrap).collect();
    drop(handle);
    let history = &seen[0].history;
    assert!(seen.iter().all(|shard| shard.history == *history), "one history on every shard");
    assert!(history.is_sorted_by(|a, b| a.0 < b.0));
    let acknowledged: Vec<_> = seen.iter().flat_map(|shard| &shard.acknowledged).collect();
    let unique: BTreeSet<_> = acknowledged.iter().copied().collect();
    assert_eq!(unique.len(), acknowledged.len());
    assert!(history.iter().map(|(revision, ..)| revision).eq(unique));
    for (revision, shown) in seen.iter().flat_map(|shard| &shard.lists) {
        let mut state = BTreeMap::new();
        for (at, key, there) in history.iter().take_while(|(at, ..)| at <= revision) {
            match there {
                true => drop(state.insert(key.clone(), *at)),
                false => drop(state.remove(key)),
            }
        }
        assert!(state.into_iter().eq(shown.iter().cloned()), "the state at {revision}");
    }
}
