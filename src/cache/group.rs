//! Watchers of one resource that ask the same: an event is matched and framed once for all.
//!
//! Groups are indexed by what an event must have to concern them: an exact name or field value, or
//! a namespace. An event visits only the groups it can concern.

use crate::base::hash::HashMap;
use crate::base::limits::WATCHER_QUEUE_MAX;
use crate::base::ticks::Ticks;
use crate::cache::entry::Entry;
use crate::cache::filter::{Field, Filter};
use crate::cache::frame::{Frame, FrameEncoder, FrameKind};
use crate::cache::watcher::{WatchCell, WatchEnd};
use crate::cache::window::Change;
use hashbrown::HashTable;
use std::fmt;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

/// All groups of one resource on one shard.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Option<Group>>,
    free: Vec<u32>,
    /// By filter and encoder.
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    unscoped: Vec<u32>,
    by_namespace: Buckets,
    by_field: Vec<(Field, Buckets)>,
    /// Groups that the event at hand can concern; kept for its memory.
    candidates: Vec<u32>,
    /// Frames made for the event at hand; kept for its memory.
    made: Made,
}

/// Watchers with equal filters and encoders.
struct Group {
    filter: Rc<Filter>,
    encoder: Rc<dyn FrameEncoder>,
    /// The encoder's id, which may take work to tell.
    encoder_id: u64,
    members: Vec<Rc<WatchCell>>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} watchers of {:?}", self.members.len(), self.filter)
    }
}

/// Groups by a value that an event must have to concern them.
type Buckets = HashMap<Box<[u8]>, Vec<u32>>;

/// Where a group is indexed.
enum Bucket<'f> {
    Field(Field, &'f str),
    Namespace(&'f str),
    Unscoped,
}

/// Frames made for the event at hand, one for each way of encoding and kind.
type Made = Vec<(u64, Rc<Frame>)>;

impl Groups {
    /// True if no watcher is in any group.
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Puts a watcher into the group of its filter and encoder; from now on it gets every event.
    pub(super) fn join(
        &mut self,
        filter: &Rc<Filter>,
        encoder: &Rc<dyn FrameEncoder>,
        watcher: &Rc<WatchCell>,
    ) {
        let id = encoder.id();
        let hash = self.hasher.hash_one((&**filter, id));
        let number = match self.find(hash, filter, id) {
            Some(number) => number,
            None => self.open(hash, filter, encoder),
        };
        if let Some(group) = self.group_mut(number) {
            watcher.joined(number, group.members.len());
            group.members.push(Rc::clone(watcher));
        }
    }

    /// The filter that a group shares, so that its watchers need not keep their own.
    pub(super) fn shared_filter(
        &self,
        filter: Filter,
        encoder: &Rc<dyn FrameEncoder>,
    ) -> (Rc<Filter>, Rc<dyn FrameEncoder>) {
        let id = encoder.id();
        let group = self.find(self.hasher.hash_one((&filter, id)), &filter, id);
        let group = group.and_then(|number| self.groups.get(number as usize)?.as_ref());
        match group {
            Some(group) => (Rc::clone(&group.filter), Rc::clone(&group.encoder)),
            None => (Rc::new(filter), Rc::clone(encoder)),
        }
    }

    /// Takes a watcher out of its group.
    pub(super) fn leave(&mut self, watcher: &WatchCell) {
        let Some((number, position)) = watcher.place() else { return };
        watcher.left();
        let Some(group) = self.group_mut(number) else { return };
        if position < group.members.len() {
            group.members.swap_remove(position);
        }
        if let Some(moved) = group.members.get(position) {
            moved.joined(number, position);
        }
        if group.members.is_empty() {
            self.close(number);
        }
    }

    /// Gives a change to the watchers it concerns. Returns how many frames were queued and how
    /// many watchers were ended because their queue was full.
    pub(super) fn dispatch(&mut self, change: &Change, committed: Ticks) -> (usize, usize) {
        let mut candidates = std::mem::take(&mut self.candidates);
        self.concerned(change, &mut candidates);
        let mut made = std::mem::take(&mut self.made);
        let (mut queued, mut slow) = (0, 0);
        for number in candidates.drain(..) {
            let Some(group) = self.group_mut(number) else { continue };
            let Some(frame) = group.frame(change, committed, &mut made) else { continue };
            let (sent, ended) = group.send(number, &frame);
            queued += sent;
            slow += ended;
            if group.members.is_empty() {
                self.close(number);
            }
        }
        made.clear();
        (self.candidates, self.made) = (candidates, made);
        (queued, slow)
    }

    /// All watchers.
    pub(super) fn watchers(&self) -> impl Iterator<Item = &Rc<WatchCell>> {
        self.groups.iter().flatten().flat_map(|group| &group.members)
    }

    fn concerned(&self, change: &Change, candidates: &mut Vec<u32>) {
        candidates.extend_from_slice(&self.unscoped);
        let Some(subject) = change.subject() else { return };
        if !self.by_namespace.is_empty()
            && let Some(groups) = self.by_namespace.get(subject.namespace_bytes())
        {
            candidates.extend_from_slice(groups);
        }
        for (field, values) in &self.by_field {
            let mut seen = None;
            for entry in [&change.current, &change.previous].into_iter().flatten() {
                let value = field.read(entry);
                if seen != Some(value)
                    && let Some(groups) = values.get(value)
                {
                    candidates.extend_from_slice(groups);
                }
                seen = Some(value);
            }
        }
    }

    fn group_mut(&mut self, number: u32) -> Option<&mut Group> {
        self.groups.get_mut(number as usize)?.as_mut()
    }

    fn find(&self, hash: u64, filter: &Filter, encoder: u64) -> Option<u32> {
        let equal = |number: &u32| {
            let group = self.groups.get(*number as usize).and_then(Option::as_ref);
            group.is_some_and(|g| *g.filter == *filter && g.encoder_id == encoder)
        };
        self.index.find(hash, equal).copied()
    }

    fn open(&mut self, hash: u64, filter: &Rc<Filter>, encoder: &Rc<dyn FrameEncoder>) -> u32 {
        let Self { groups, free, index, hasher, .. } = self;
        let number = free.pop().unwrap_or_else(|| {
            groups.push(None);
            u32::try_from(groups.len() - 1).expect("a shard has fewer than 2^32 watchers")
        });
        let (filter, encoder) = (Rc::clone(filter), Rc::clone(encoder));
        if let Some(slot) = groups.get_mut(number as usize) {
            let (filter, encoder_id) = (Rc::clone(&filter), encoder.id());
            *slot = Some(Group { filter, encoder, encoder_id, members: Vec::new() });
        }
        index.insert_unique(hash, number, |number| {
            let group = groups.get(*number as usize).and_then(Option::as_ref);
            group.map_or(0, |g| hasher.hash_one((&*g.filter, g.encoder_id)))
        });
        match Bucket::of(&filter) {
            Bucket::Field(field, value) => {
                let at = self.by_field.iter().position(|(f, _)| *f == field);
                let at = at.unwrap_or_else(|| {
                    self.by_field.push((field, HashMap::default()));
                    self.by_field.len() - 1
                });
                if let Some((_, values)) = self.by_field.get_mut(at) {
                    values.entry(value.as_bytes().into()).or_default().push(number);
                }
            }
            Bucket::Namespace(namespace) => {
                self.by_namespace.entry(namespace.as_bytes().into()).or_default().push(number);
            }
            Bucket::Unscoped => self.unscoped.push(number),
        }
        number
    }

    fn close(&mut self, number: u32) {
        let Some(group) = self.groups.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        let hash = self.hasher.hash_one((&*group.filter, group.encoder_id));
        if let Ok(found) = self.index.find_entry(hash, |other| *other == number) {
            found.remove();
        }
        match Bucket::of(&group.filter) {
            Bucket::Field(field, value) => {
                if let Some(at) = self.by_field.iter().position(|(f, _)| *f == field)
                    && let Some((_, values)) = self.by_field.get_mut(at)
                {
                    forget(values, value, number);
                    if values.is_empty() {
                        self.by_field.swap_remove(at);
                    }
                }
            }
            Bucket::Namespace(namespace) => forget(&mut self.by_namespace, namespace, number),
            Bucket::Unscoped => self.unscoped.retain(|other| *other != number),
        }
        self.free.push(number);
    }
}

impl<'f> Bucket<'f> {
    fn of(filter: &'f Filter) -> Self {
        match (filter.rare(), &filter.namespace) {
            (Some((field, value)), _) => Self::Field(field, value),
            (None, Some(namespace)) => Self::Namespace(namespace),
            (None, None) => Self::Unscoped,
        }
    }
}

fn forget(buckets: &mut Buckets, key: &str, number: u32) {
    let key = key.as_bytes();
    let Some(groups) = buckets.get_mut(key) else { return };
    groups.retain(|other| *other != number);
    if groups.is_empty() {
        buckets.remove(key);
    }
}

/// What a change means to whoever watches by a filter.
pub(super) fn transition<'c>(
    filter: &Filter,
    change: &'c Change,
) -> Option<(FrameKind, &'c Arc<Entry>)> {
    let wanted = |entry: &&Arc<Entry>| filter.matches(entry);
    let current = change.current.as_ref().filter(wanted);
    let previous = change.previous.as_ref().filter(wanted);
    match (current, previous) {
        (Some(current), Some(_)) => Some((FrameKind::Modified, current)),
        (Some(current), None) => Some((FrameKind::Added, current)),
        (None, Some(previous)) => Some((FrameKind::Deleted, previous)),
        (None, None) => None,
    }
}

impl Group {
    fn frame(&self, change: &Change, committed: Ticks, made: &mut Made) -> Option<Rc<Frame>> {
        let (kind, entry) = transition(&self.filter, change)?;
        let encoder = self.encoder_id;
        let same = made.iter().find(|(id, frame)| *id == encoder && frame.kind == kind);
        if let Some((_, frame)) = same {
            return Some(Rc::clone(frame));
        }
        let (entry, at) = (Arc::clone(entry), (change.revision, Some(committed)));
        let frame = Frame::event(kind, entry, at, Rc::clone(&self.encoder));
        made.push((encoder, Rc::clone(&frame)));
        Some(frame)
    }

    /// HOT: one pass for each event and group; benches/cache.rs `fan-out`.
    fn send(&mut self, number: u32, frame: &Rc<Frame>) -> (usize, usize) {
        let (mut at, mut ended) = (0, 0);
        while let Some(member) = self.members.get(at) {
            if member.push(frame, WATCHER_QUEUE_MAX) {
                at += 1;
                continue;
            }
            member.left();
            member.end(WatchEnd::Slow);
            self.members.swap_remove(at);
            ended += 1;
            if let Some(moved) = self.members.get(at) {
                moved.joined(number, at);
            }
        }
        (at, ended)
    }
}
