//! The present state: what each key holds now, what expires when, and lists at old revisions.

use crate::store::Event;
use crate::store::Expected;
use crate::store::Item;
use crate::store::OldState;
use crate::store::Txn;
use crate::store::Write;
use crate::store::disk::Disk;
use crate::store::disk::Stamp;
use crate::store::history::History;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// All keys, in order.
pub(super) struct State<I> {
    // The key is a copy of its own: one that shares the record would keep the first record of a
    // key in memory for as long as the key lives.
    slots: BTreeMap<Box<[u8]>, Slot<I>>,
    /// Keys that expire, by time and the revision that set it.
    expiries: BTreeMap<(u64, u64), Bytes>,
    /// The last revision given out.
    pub(super) revision: u64,
}

struct Slot<I> {
    item: Arc<I>,
    expiry: u64,
}

impl<I: Item> State<I> {
    /// From items in key order with their expiry (0 for none).
    pub(super) fn new(items: impl Iterator<Item = (Arc<I>, u64)>, revision: u64) -> Self {
        let mut expiries = BTreeMap::new();
        let slots = items
            .map(|(item, expiry)| {
                if expiry != 0 {
                    expiries.insert((expiry, item.revision()), item.key().clone());
                }
                (Box::from(&item.key()[..]), Slot { item, expiry })
            })
            .collect();
        Self { slots, expiries, revision }
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The removal of the key that expires first, if that is not after `now`.
    pub(super) fn expired(&self, now: u64) -> Option<Txn> {
        let ((expiry, revision), key) = self.expiries.first_key_value()?;
        (*expiry <= now).then(|| Txn {
            key: key.clone(),
            expected: Expected::Revision(*revision),
            write: Write::Delete,
        })
    }

    /// Applies a write under the next revision and stages it on the disk, or answers what stands
    /// in its way and changes nothing.
    pub(super) fn apply<D: Disk>(
        &mut self,
        txn: Txn,
        now: Now,
        disk: &mut D,
    ) -> Result<Event<I>, Option<Arc<I>>> {
        let revision = self.revision + 1;
        let slot = self.slots.get_mut(&txn.key[..]);
        let matches = match (&slot, txn.expected) {
            (None, Expected::Absent) => !matches!(txn.write, Write::Delete),
            (Some(slot), Expected::Revision(expected)) => slot.item.revision() == expected,
            (None, Expected::Revision(_)) | (Some(_), Expected::Absent) => false,
        };
        if !matches {
            return Err(slot.map(|slot| slot.item.clone()));
        }
        let previous = slot.as_ref().map(|slot| (slot.item.clone(), slot.expiry));
        let mut stamp = Stamp {
            revision,
            previous: previous.as_ref().map_or(0, |(item, _)| item.revision()),
            compacted: now.compacted,
            expiry: 0,
        };
        let current = match txn.write {
            Write::Delete => {
                disk.delete(stamp, &txn.key);
                self.slots.remove(&txn.key[..]);
                None
            }
            Write::Put { value, ttl_seconds } => {
                let lifetime = ttl_seconds.map(u64::from);
                stamp.expiry = lifetime.map_or(0, |seconds| now.unix_seconds + seconds);
                let (key, value) = disk.put(stamp, txn.key, value);
                let item = Arc::new(I::new(key, revision, value));
                let new = Slot { item: item.clone(), expiry: stamp.expiry };
                match slot {
                    Some(slot) => *slot = new,
                    None => drop(self.slots.insert(Box::from(&item.key()[..]), new)),
                }
                if stamp.expiry != 0 {
                    self.expiries.insert((stamp.expiry, revision), item.key().clone());
                }
                Some(item)
            }
        };
        self.revision = revision;
        let previous = previous.map(|(item, expiry)| {
            self.expiries.remove(&(expiry, item.revision()));
            item
        });
        Ok(Event { revision, current, previous })
    }

    /// The keys from `start` with a prefix as they stood at a revision that the history reaches
    /// back to.
    pub(super) fn list_at(&self, history: &History<I>, page: &Page<'_>) -> OldState<I> {
        let before = history.undo(page.prefix, page.revision);
        let first = page.start.max(page.prefix);
        let bounds = (Bound::Included(first), Bound::Unbounded);
        let mut present = self
            .slots
            .range::<[u8], _>(bounds)
            .map(|(key, slot)| (&key[..], &slot.item))
            .take_while(|(key, _)| key.starts_with(page.prefix))
            .peekable();
        let mut changed = before.range::<[u8], _>(bounds).peekable();
        let mut old = OldState { items: Vec::new(), remaining: 0 };
        let mut found = |item: &Arc<I>| {
            if page.limit == 0 || old.items.len() < page.limit {
                old.items.push(item.clone());
            } else {
                old.remaining += 1;
            }
        };
        loop {
            let next = match (present.peek(), changed.peek()) {
                (None, None) => break,
                (Some((key, _)), Some((undone, _))) if key == *undone => {
                    present.next();
                    changed.next().and_then(|(_, item)| *item)
                }
                (Some((key, _)), Some((undone, _))) if key > *undone => {
                    changed.next().and_then(|(_, item)| *item)
                }
                (Some(_), _) => present.next().map(|(_, item)| item),
                (None, Some(_)) => changed.next().and_then(|(_, item)| *item),
            };
            next.into_iter().for_each(&mut found);
        }
        old
    }
}

/// What is the same for all writes of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) unix_seconds: u64,
    pub(super) compacted: u64,
}

/// What part of an old state is wanted.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) prefix: &'a [u8],
    pub(super) start: &'a [u8],
    pub(super) revision: u64,
    pub(super) limit: usize,
}
