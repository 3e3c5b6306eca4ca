//! The entries of one resource that a shard owns: found by key in one step, walked in key order.
//!
//! A slab holds the entries; a hash index leads from key to slab place; `order` lists the places
//! in key order, in chunks. A new revision of a key replaces its entry in the slab and touches
//! neither index; only creation and removal do. Beside the slab's pointer a key costs about
//! twelve bytes. Ranks are counted by chunk, so "how many follow" is cheap.

use crate::cache::entry::Entry;
use crate::store::Item;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Places in one chunk at most; a full one splits.
const CHUNK_MAX: usize = 512;
/// A chunk with fewer joins the one before it, where the two make less than half a chunk.
const CHUNK_MIN: usize = 64;

/// Entries by key.
#[derive(Debug, Default)]
pub(super) struct Table {
    slab: Vec<Option<Arc<Entry>>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    /// No chunk is empty.
    order: Vec<Vec<u32>>,
}

/// A place in the order: chunk, and place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    chunk: usize,
    at: usize,
}

impl Table {
    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The entry of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Arc<Entry>> {
        let hash = self.hasher.hash_one(key);
        let place = self.index.find(hash, |place| is_key(&self.slab, *place, key))?;
        entry_at(&self.slab, *place)
    }

    /// Sets a key's entry; the one it replaces.
    pub(super) fn put(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let Self { slab, free, index, hasher, order } = self;
        let hash = hasher.hash_one(&entry.key()[..]);
        if let Some(place) = index.find(hash, |place| is_key(slab, *place, entry.key())) {
            return slab.get_mut(*place as usize)?.replace(entry);
        }
        let (position, _) = locate(slab, order, entry.key());
        let place = free.pop().unwrap_or_else(|| {
            slab.push(None);
            u32::try_from(slab.len() - 1).expect("a shard holds fewer than 2^32 objects")
        });
        if let Some(slot) = slab.get_mut(place as usize) {
            *slot = Some(entry);
        }
        index.insert_unique(hash, place, |place| {
            entry_at(slab, *place).map_or(0, |entry| hasher.hash_one(&entry.key()[..]))
        });
        insert(order, position, place);
        None
    }

    /// Removes a key's entry.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Arc<Entry>> {
        let Self { slab, free, index, hasher, order } = self;
        let hash = hasher.hash_one(key);
        let (position, found) = locate(slab, order, key);
        let found =
            index.find_entry(hash, |place| is_key(slab, *place, key)).ok().filter(|_| found);
        let (place, _) = found?.remove();
        if let Some(chunk) = order.get_mut(position.chunk) {
            chunk.remove(position.at);
            if chunk.len() < CHUNK_MIN {
                join(order, position.chunk);
            }
        }
        free.push(place);
        slab.get_mut(place as usize)?.take()
    }

    /// Where the first key not below `key` stands.
    pub(super) fn position(&self, key: &[u8]) -> Position {
        locate(&self.slab, &self.order, key).0
    }

    /// How many keys stand from `start` to before `end`.
    pub(super) fn count(&self, start: Position, end: Position) -> usize {
        self.rank(end).saturating_sub(self.rank(start))
    }

    /// The entries from `start` to before `end`, in key order.
    pub(super) fn walk(&self, start: Position, end: Position) -> impl Iterator<Item = &Arc<Entry>> {
        let last = end.chunk.min(self.order.len().saturating_sub(1));
        let chunks = self.order.iter().enumerate().take(last + 1).skip(start.chunk);
        let places = chunks.flat_map(move |(number, chunk)| {
            let from = if number == start.chunk { start.at } else { 0 };
            let to = if number == end.chunk { end.at } else { chunk.len() };
            chunk.get(from..to).unwrap_or_default()
        });
        places.filter_map(|place| entry_at(&self.slab, *place))
    }

    /// Entries in slab order from a place on, at most `most`, and the place to go on from: for
    /// sweeps that must touch each entry once in a while.
    pub(super) fn sweep(&self, from: usize, most: usize) -> (impl Iterator<Item = &Entry>, usize) {
        let to = from.saturating_add(most).min(self.slab.len());
        let entries = self.slab.get(from..to).unwrap_or_default();
        let next = if to == self.slab.len() { 0 } else { to };
        (entries.iter().filter_map(Option::as_deref), next)
    }

    fn rank(&self, position: Position) -> usize {
        let before = self.order.iter().take(position.chunk).map(Vec::len).sum::<usize>();
        before + position.at
    }
}

fn entry_at(slab: &[Option<Arc<Entry>>], place: u32) -> Option<&Arc<Entry>> {
    slab.get(place as usize)?.as_ref()
}

fn is_key(slab: &[Option<Arc<Entry>>], place: u32, key: &[u8]) -> bool {
    entry_at(slab, place).is_some_and(|entry| entry.key()[..] == *key)
}

/// The position of the first key not below `key`, and whether that is `key` itself.
fn locate(slab: &[Option<Arc<Entry>>], order: &[Vec<u32>], key: &[u8]) -> (Position, bool) {
    let below = |place: &u32| entry_at(slab, *place).is_some_and(|e| e.key()[..] < *key);
    // The chunk that could hold the key: the last one whose first key is not above it.
    let after = order.partition_point(|chunk| chunk.first().is_some_and(below));
    let equal = |place: Option<&u32>| place.is_some_and(|place| is_key(slab, *place, key));
    if equal(order.get(after).and_then(|chunk| chunk.first())) || after == 0 {
        let found = equal(order.first().and_then(|chunk| chunk.first())) || after > 0;
        return (Position { chunk: after, at: 0 }, found);
    }
    let chunk = order.get(after - 1).map(Vec::as_slice).unwrap_or_default();
    let at = chunk.partition_point(below);
    (Position { chunk: after - 1, at }, equal(chunk.get(at)))
}

/// Puts a place into the order.
fn insert(order: &mut Vec<Vec<u32>>, position: Position, place: u32) {
    let count = order.len();
    let Some(chunk) = order.get_mut(position.chunk) else {
        order.push(vec![place]);
        return;
    };
    if chunk.len() < CHUNK_MAX {
        chunk.insert(position.at.min(chunk.len()), place);
        return;
    }
    if position.at == chunk.len() && position.chunk + 1 == count {
        // Keys that come in order fill their chunks.
        order.push(vec![place]);
        return;
    }
    let mut upper = chunk.split_off(CHUNK_MAX / 2);
    match position.at.checked_sub(chunk.len()) {
        Some(at) if at > 0 => upper.insert(at, place),
        _ => chunk.insert(position.at, place),
    }
    chunk.shrink_to(CHUNK_MAX / 2);
    order.insert(position.chunk + 1, upper);
}

/// Joins a small chunk with the one before it, unless that is well filled.
fn join(order: &mut Vec<Vec<u32>>, chunk: usize) {
    let empty = order.get(chunk).is_some_and(Vec::is_empty);
    let Some((before, small)) = chunk.checked_sub(1).and_then(|at| {
        let (before, after) = order.split_at_mut_checked(chunk)?;
        Some((before.get_mut(at)?, after.first_mut()?))
    }) else {
        if empty {
            order.remove(chunk);
        }
        return;
    };
    if empty || before.len() + small.len() <= CHUNK_MAX / 2 {
        before.append(small);
        order.remove(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entry(key: &str, revision: u64) -> Arc<Entry> {
        let key = Bytes::copy_from_slice(key.as_bytes());
        Arc::new(Entry::new(key, revision, Bytes::from_static(b"{}")))
    }

    fn walk(table: &Table, start: &str, end: &str) -> Vec<(String, u64)> {
        let (start, end) = (table.position(start.as_bytes()), table.position(end.as_bytes()));
        let walked: Vec<_> = table
            .walk(start, end)
            .map(|e| (String::from_utf8_lossy(e.key()).into_owned(), e.revision()))
            .collect();
        assert_eq!(walked.len(), table.count(start, end));
        walked
    }

    #[test]
    fn chunks_split_and_keep_order() {
        let mut table = Table::default();
        // A stride coprime to the count visits every number once, out of order.
        for n in 0..5_000u64 {
            assert!(table.put(entry(&format!("/k/{:05}", n * 1_237 % 5_000), n)).is_none());
        }
        let all = walk(&table, "/k/", "/k0");
        assert_eq!(all.len(), 5_000);
        assert!(all.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(walk(&table, "/k/00010", "/k/00013").len(), 3);
        for n in (0..5_000).filter(|n| n % 50 != 0) {
            assert!(table.remove(format!("/k/{n:05}").as_bytes()).is_some());
        }
        assert!(walk(&table, "/k/", "/k0").is_sorted_by(|a, b| a.0 < b.0));
        assert!(table.order.len() <= 3, "100 keys in {} chunks", table.order.len());
        for n in (0..5_000).step_by(50) {
            assert!(table.remove(format!("/k/{n:05}").as_bytes()).is_some());
        }
        assert!(table.order.is_empty() && table.len() == 0);
        assert!(walk(&table, "", "z").is_empty());
    }

    proptest! {
        #[test]
        fn table_agrees_with_an_ordered_map(
            writes in prop::collection::vec((0..60u16, any::<bool>()), 0..400),
            (low, high) in (0..60u16, 0..60u16),
        ) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (revision, (number, set)) in (1..).zip(writes) {
                let key = format!("/k/{number:03}");
                if set {
                    let before = table.put(entry(&key, revision)).map(|e| e.revision());
                    prop_assert_eq!(before, model.insert(key, revision));
                } else {
                    let before = table.remove(key.as_bytes()).map(|e| e.revision());
                    prop_assert_eq!(before, model.remove(&key));
                }
            }
            prop_assert_eq!(table.len(), model.len());
            let (low, high) = (format!("/k/{:03}", low.min(high)), format!("/k/{high:03}"));
            let expected: Vec<_> =
                model.range(low.clone()..high.clone()).map(|(k, v)| (k.clone(), *v)).collect();
            prop_assert_eq!(walk(&table, &low, &high), expected);
            for (key, revision) in &model {
                prop_assert_eq!(table.get(key.as_bytes()).map(|e| e.revision()), Some(*revision));
            }
        }
    }
}
