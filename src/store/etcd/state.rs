//! What each key holds now: pointers to the items that the shards have as well, to tell what stood
//! before a change.

use crate::store::Event;
use crate::store::Item;
use bytes::Bytes;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

/// All keys.
pub(super) struct State<I> {
    items: HashTable<Arc<I>>,
    hasher: RandomState,
}

/// A change of a key as etcd tells it.
pub(super) struct Change {
    pub(super) key: Bytes,
    pub(super) revision: u64,
    /// `None` for a removal.
    pub(super) value: Option<Bytes>,
}

impl<I: Item> State<I> {
    pub(super) fn new() -> Self {
        Self { items: HashTable::new(), hasher: RandomState::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Arc<I>> {
        self.items.find(self.hasher.hash_one(key), |item| item.key()[..] == *key)
    }

    /// Sets a key, answers what stood there.
    pub(super) fn put(&mut self, item: Arc<I>) -> Option<Arc<I>> {
        let Self { items, hasher } = self;
        let hash = hasher.hash_one(&item.key()[..]);
        match items.find_mut(hash, |other| other.key() == item.key()) {
            Some(place) => Some(std::mem::replace(place, item)),
            None => {
                items.insert_unique(hash, item, |item| hasher.hash_one(&item.key()[..]));
                None
            }
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Arc<I>> {
        let place = self.items.find_entry(self.hasher.hash_one(key), |item| item.key()[..] == *key);
        place.ok().map(|place| place.remove().0)
    }

    /// Applies a change; `None` for the removal of a key that is not there.
    pub(super) fn apply(&mut self, change: Change) -> Option<Event<I>> {
        let Change { key, revision, value } = change;
        let Some(value) = value else {
            let previous = self.remove(&key)?;
            return Some(Event { revision, current: None, previous: Some(previous) });
        };
        let item = Arc::new(I::new(key, revision, value));
        let previous = self.put(item.clone());
        Some(Event { revision, current: Some(item), previous })
    }

    /// Replaces everything; answers the changes this makes, in revision order. What is no longer
    /// there was removed at an unknown time: `revision` stands for it.
    pub(super) fn replace(&mut self, items: Vec<Arc<I>>, revision: u64) -> Vec<Event<I>> {
        let mut old = std::mem::replace(&mut self.items, HashTable::with_capacity(items.len()));
        let mut events = Vec::new();
        for item in items {
            let hash = self.hasher.hash_one(&item.key()[..]);
            let found = old.find_entry(hash, |other| other.key() == item.key());
            let previous = found.ok().map(|place| place.remove().0);
            if let Some(same) = previous.as_ref().filter(|p| p.revision() == item.revision()) {
                // The shards have this very item.
                self.put(same.clone());
                continue;
            }
            self.put(item.clone());
            events.push(Event { revision: item.revision(), current: Some(item), previous });
        }
        let gone = old.into_iter();
        events.extend(gone.map(|item| Event { revision, current: None, previous: Some(item) }));
        events.sort_by_key(|event| event.revision);
        events
    }

    /// All items, in key order.
    pub(super) fn sorted(&self) -> Vec<Arc<I>> {
        let mut items: Vec<_> = self.items.iter().cloned().collect();
        items.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Plain(Bytes, u64, Bytes);

    impl Item for Plain {
        fn new(key: Bytes, revision: u64, value: Bytes) -> Self {
            Self(key, revision, value)
        }

        fn key(&self) -> &Bytes {
            &self.0
        }

        fn revision(&self) -> u64 {
            self.1
        }

        fn value(&self) -> &Bytes {
            &self.2
        }
    }

    fn item(key: &'static str, revision: u64) -> Arc<Plain> {
        Arc::new(Plain::new(Bytes::from_static(key.as_bytes()), revision, Bytes::new()))
    }

    #[test]
    fn a_state_that_is_read_anew_tells_what_changed_meanwhile() {
        let mut state = State::new();
        for old in [item("/a", 2), item("/b", 3), item("/c", 4)] {
            state.put(old);
        }
        let same = state.get(b"/a").cloned().expect("there");
        let events = state.replace(vec![item("/a", 2), item("/c", 9), item("/d", 7)], 10);
        let told = events.iter().map(|event| {
            let revision = |side: &Option<Arc<Plain>>| side.as_ref().map(|item| item.revision());
            (event.revision, revision(&event.previous), revision(&event.current))
        });
        let expected = [(7, None, Some(7)), (9, Some(4), Some(9)), (10, Some(3), None)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert!(Arc::ptr_eq(&same, state.get(b"/a").expect("there")), "what is the same stays");
        let keys: Vec<_> = state.sorted().iter().map(|item| item.key().clone()).collect();
        assert_eq!(keys, ["/a", "/c", "/d"]);
    }

    #[test]
    fn the_removal_of_nothing_is_no_event() {
        let mut state = State::<Plain>::new();
        let key = Bytes::from_static(b"/a");
        assert!(state.apply(Change { key, revision: 5, value: None }).is_none());
    }
}
