//! The recent changes of one resource, in revision order, as every shard keeps them.
//!
//! A window answers what came after a revision (watches that resume) and, walked backwards, what
//! stood at a revision (lists that must be exact). It is complete from `floor` on.

use crate::base::limits::{WINDOW_EVENTS_MAX, WINDOW_EVENTS_MIN, WINDOW_SECONDS_MIN};
use crate::cache::entry::Entry;
use crate::store::{Event, Item};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One change of one object.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) revision: u64,
    /// What stands there since.
    pub(super) current: Option<Arc<Entry>>,
    /// What stood there before.
    pub(super) previous: Option<Arc<Entry>>,
}

impl Change {
    pub(super) fn of(event: &Event<Entry>) -> Self {
        Self {
            revision: event.revision,
            current: event.current.clone(),
            previous: event.previous.clone(),
        }
    }

    /// The entry that names the key: no change lacks both.
    pub(super) fn subject(&self) -> Option<&Arc<Entry>> {
        self.current.as_ref().or(self.previous.as_ref())
    }
}

/// Recent changes of one resource.
#[derive(Debug)]
pub(super) struct Window {
    changes: VecDeque<Change>,
    /// All changes after this revision are in the window.
    floor: u64,
    /// When a revision was the last one, every few seconds: tells the age of changes.
    marks: VecDeque<(Instant, u64)>,
}

impl Window {
    /// A window that knows every change after `floor`; so far there was none.
    pub(super) fn new(floor: u64) -> Self {
        Self { changes: VecDeque::new(), floor, marks: VecDeque::new() }
    }

    /// The lowest revision from which a watch can start.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// How many changes it holds.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Adds the newest change.
    pub(super) fn push(&mut self, change: Change) {
        if self.changes.len() >= WINDOW_EVENTS_MAX {
            self.drop_oldest();
        }
        self.changes.push_back(change);
    }

    /// The changes after a revision, oldest first; `None` if some of them are gone.
    pub(super) fn after(&self, revision: u64) -> Option<impl DoubleEndedIterator<Item = &Change>> {
        if revision < self.floor {
            return None;
        }
        let from = self.changes.partition_point(|change| change.revision <= revision);
        Some(self.changes.range(from..))
    }

    /// What stood at `revision` under each key of [start, end) that changed since, among keys that
    /// `mine` admits; `None` if the window does not reach back so far.
    pub(super) fn undo(
        &self,
        revision: u64,
        range: (&[u8], &[u8]),
        mine: impl Fn(&Entry) -> bool,
    ) -> Option<BTreeMap<Bytes, Option<Arc<Entry>>>> {
        let mut stood = BTreeMap::new();
        for change in self.after(revision)? {
            let Some(subject) = change.subject() else { continue };
            let key = subject.key();
            if key[..] < *range.0 || key[..] >= *range.1 || !mine(subject) {
                continue;
            }
            // The oldest change of a key tells what stood before all of them.
            if !stood.contains_key(key) {
                stood.insert(key.clone(), change.previous.clone());
            }
        }
        Some(stood)
    }

    /// Forgets changes that are old, or that the store has forgotten (so that what is kept of old
    /// states stays within the store's bounds), but for the least kept. Called about once a second.
    pub(super) fn trim(&mut self, now: Instant, applied: u64, compacted: u64) {
        let interval = Duration::from_secs(WINDOW_SECONDS_MIN.div_ceil(8));
        if self.marks.back().is_none_or(|(at, _)| *at + interval <= now) {
            self.marks.push_back((now, applied));
        }
        let age = Duration::from_secs(WINDOW_SECONDS_MIN);
        let mut old = compacted;
        while self.marks.front().is_some_and(|(at, _)| *at + age <= now) {
            old = self.marks.pop_front().map_or(old, |(_, revision)| revision.max(old));
        }
        while self.changes.len() > WINDOW_EVENTS_MIN
            && self.changes.front().is_some_and(|change| change.revision <= old)
        {
            self.drop_oldest();
        }
        if self.changes.len() < self.changes.capacity() / 4 {
            self.changes.shrink_to(self.changes.len() * 2);
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(change) = self.changes.pop_front() {
            self.floor = self.floor.max(change.revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, revision: u64) -> Arc<Entry> {
        let key = Bytes::copy_from_slice(key.as_bytes());
        Arc::new(Entry::new(key, revision, Bytes::from_static(b"{}")))
    }

    fn change(
        revision: u64,
        current: Option<&Arc<Entry>>,
        previous: Option<&Arc<Entry>>,
    ) -> Change {
        Change { revision, current: current.cloned(), previous: previous.cloned() }
    }

    #[test]
    fn undo_gives_what_stood_before_the_oldest_later_change() {
        let (a1, a3, b2) = (entry("/a", 1), entry("/a", 3), entry("/b", 2));
        let mut window = Window::new(0);
        window.push(change(1, Some(&a1), None));
        window.push(change(2, Some(&b2), None));
        window.push(change(3, Some(&a3), Some(&a1)));
        window.push(change(4, None, Some(&a3)));
        let stood = |revision, end: &[u8]| {
            let stood = window.undo(revision, (b"/", end), |_| true).expect("in the window");
            let stood = stood.into_iter().map(|(key, e)| (key, e.map(|e| e.revision())));
            stood.collect::<Vec<_>>()
        };
        let (a, b) = (Bytes::from_static(b"/a"), Bytes::from_static(b"/b"));
        assert_eq!(stood(4, b"0"), []);
        assert_eq!(stood(3, b"0"), [(a.clone(), Some(3))]);
        assert_eq!(stood(2, b"0"), [(a.clone(), Some(1))]);
        assert_eq!(stood(0, b"0"), [(a.clone(), None), (b, None)]);
        assert_eq!(stood(0, b"/b"), [(a, None)]);
    }

    #[test]
    fn window_that_is_full_forgets_the_oldest_and_says_so() {
        let a = entry("/a", 1);
        let mut window = Window::new(0);
        for revision in 1..=(WINDOW_EVENTS_MAX as u64 + 2) {
            window.push(change(revision, Some(&a), None));
        }
        assert_eq!((window.len(), window.floor()), (WINDOW_EVENTS_MAX, 2));
        assert!(window.after(1).is_none());
        assert_eq!(window.after(2).expect("known").count(), WINDOW_EVENTS_MAX);
        assert!(window.undo(1, (b"/", b"0"), |_| true).is_none());
    }

    #[test]
    fn old_changes_go_and_a_few_always_stay() {
        let a = entry("/a", 1);
        let start = crate::base::clock::now();
        let mut window = Window::new(0);
        let count = WINDOW_EVENTS_MIN as u64 + 50;
        for revision in 1..=count {
            window.push(change(revision, Some(&a), None));
        }
        window.trim(start, count, 20);
        assert_eq!(window.floor(), 20, "the store has forgotten them");
        window.push(change(count + 1, Some(&a), None));
        window.trim(start + Duration::from_secs(WINDOW_SECONDS_MIN - 1), count + 1, 0);
        assert_eq!(window.floor(), 20);
        window.trim(start + Duration::from_secs(WINDOW_SECONDS_MIN + 1), count + 1, 0);
        assert_eq!(window.len(), WINDOW_EVENTS_MIN);
        assert_eq!(window.floor(), 51);
    }
}
