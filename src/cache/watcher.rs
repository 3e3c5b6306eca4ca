//! One watch: first the state it starts from, then what the window holds since, then live events.
//!
//! Only a live watcher has a queue. While a client still reads the initial state or catches up,
//! its watcher is a cursor and costs no memory for events that come meanwhile; it joins its group
//! once it has reached the newest event, in the same step that finds there is no newer one.

use crate::cache::entry::Entry;
use crate::cache::filter::Filter;
use crate::cache::frame::{Frame, FrameEncoder, FrameKind};
use crate::cache::group::transition;
use crate::cache::shard::Shard;
use crate::catalog::Storage;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Changes that a watcher that catches up looks at in one go.
const CATCH_UP_CHANGES: usize = 1_024;
/// A queue keeps memory for so many frames when it is empty.
const QUEUE_KEPT: usize = 16;
const NOWHERE: u32 = u32::MAX;

/// Why a watch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    /// Its time is up.
    Deadline,
    /// What it watches is defined anew, or no longer.
    Redefined,
    /// The shard is closing.
    Shutdown,
    /// The client read too slowly; it can resume from the last revision it has seen.
    Slow,
}

/// What a watcher and its shard share.
pub(super) struct WatchCell {
    pub(super) storage: &'static Storage,
    pub(super) filter: Rc<Filter>,
    pub(super) encoder: Rc<dyn FrameEncoder>,
    queue: RefCell<VecDeque<Rc<Frame>>>,
    waker: Cell<Option<Waker>>,
    /// Events up to this revision are not for it.
    after: Cell<u64>,
    group: Cell<u32>,
    position: Cell<u32>,
    end: Cell<Option<WatchEnd>>,
    closed: Cell<bool>,
    /// When the shard looks at it next; `None` for never.
    pub(super) bookmark_at: Cell<Option<Instant>>,
    pub(super) deadline: Option<Instant>,
}

impl fmt::Debug for WatchCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watcher of {} after {}", self.storage.prefix, self.after.get())
    }
}

impl WatchCell {
    pub(super) fn new(
        storage: &'static Storage,
        filter: Rc<Filter>,
        encoder: Rc<dyn FrameEncoder>,
        bookmark_at: Option<Instant>,
        deadline: Option<Instant>,
    ) -> Rc<Self> {
        Rc::new(Self {
            storage,
            filter,
            encoder,
            queue: RefCell::default(),
            waker: Cell::default(),
            after: Cell::new(0),
            group: Cell::new(NOWHERE),
            position: Cell::new(0),
            end: Cell::new(None),
            closed: Cell::new(false),
            bookmark_at: Cell::new(bookmark_at),
            deadline,
        })
    }

    /// Queues a frame unless it is too old for the watcher; false if the queue is full.
    pub(super) fn push(&self, frame: &Rc<Frame>, most: usize) -> bool {
        if frame.revision <= self.after.get() {
            return true;
        }
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= most {
            return false;
        }
        queue.push_back(Rc::clone(frame));
        drop(queue);
        self.wake();
        true
    }

    /// Queues a bookmark of the last revision that was dispatched, if the watcher is live and has
    /// room; it is skipped else.
    pub(super) fn push_bookmark(&self, revision: u64, most: usize) {
        let mut queue = self.queue.borrow_mut();
        if self.place().is_none() || revision < self.after.get() || queue.len() >= most {
            return;
        }
        let encoder = Rc::clone(&self.encoder);
        queue.push_back(Frame::bookmark(FrameKind::Bookmark, revision, encoder));
        drop(queue);
        self.wake();
    }

    /// Ends the watch. What is queued is still delivered, except to a slow watcher.
    pub(super) fn end(&self, end: WatchEnd) {
        if self.end.get().is_some() {
            return;
        }
        self.end.set(Some(end));
        if end == WatchEnd::Slow {
            self.queue.take();
        }
        self.wake();
    }

    /// The watcher was dropped.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// The group it is in, and its place there.
    pub(super) fn place(&self) -> Option<(u32, usize)> {
        let group = self.group.get();
        (group != NOWHERE).then_some((group, self.position.get() as usize))
    }

    /// It stands in this place of this group now.
    pub(super) fn joined(&self, group: u32, position: usize) {
        self.group.set(group);
        self.position.set(u32::try_from(position).unwrap_or(NOWHERE));
    }

    /// It is in no group now.
    pub(super) fn left(&self) {
        self.group.set(NOWHERE);
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn drain(&self, frames: &mut Vec<Rc<Frame>>, most: usize) -> usize {
        let mut queue = self.queue.borrow_mut();
        let count = queue.len().min(most);
        frames.extend(queue.drain(..count));
        if queue.is_empty() && queue.capacity() > QUEUE_KEPT {
            queue.shrink_to(QUEUE_KEPT / 2);
        }
        count
    }
}

/// A watch; dropping it ends it.
#[derive(Debug)]
pub struct Watcher {
    pub(super) shard: Rc<Shard>,
    pub(super) cell: Rc<WatchCell>,
    pub(super) phase: Phase,
    /// The end of the initial state is to be marked.
    pub(super) marks_initial_end: bool,
}

/// How far a watch has come.
pub(super) enum Phase {
    /// Events up to `cursor` were delivered; the next ones are in the window.
    CatchUp { cursor: u64 },
    /// The state at `revision` is being delivered.
    Initial { entries: std::vec::IntoIter<Arc<Entry>>, revision: u64 },
    /// In a group.
    Live,
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CatchUp { cursor } => write!(f, "catching up after {cursor}"),
            Self::Initial { revision, .. } => write!(f, "delivering the state at {revision}"),
            Self::Live => f.write_str("live"),
        }
    }
}

impl Watcher {
    /// Waits for frames and appends at least one and at most `most` to `frames`.
    ///
    /// # Errors
    /// The watch has ended: nothing more will come.
    pub async fn next_batch(
        &mut self,
        frames: &mut Vec<Rc<Frame>>,
        most: usize,
    ) -> Result<(), WatchEnd> {
        std::future::poll_fn(|cx| self.poll_batch(cx, frames, most)).await
    }

    /// [`Self::next_batch`] for a body that polls.
    ///
    /// # Errors
    /// The watch has ended: nothing more will come.
    pub fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut Vec<Rc<Frame>>,
        most: usize,
    ) -> Poll<Result<(), WatchEnd>> {
        let had = frames.len();
        loop {
            let room = most.max(1).saturating_sub(frames.len() - had);
            match self.phase {
                Phase::Initial { .. } => {
                    if let Some(end) = self.cell.end.get() {
                        return Poll::Ready(Err(end));
                    }
                    self.initial(frames, room);
                }
                Phase::CatchUp { cursor } => {
                    if let Some(end) = self.cell.end.get() {
                        return Poll::Ready(Err(end));
                    }
                    if !self.catch_up(cursor, frames, room) && frames.len() == had {
                        // Looked at much and found nothing: let others run.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Phase::Live => {
                    self.cell.drain(frames, room);
                    if frames.len() > had {
                        return Poll::Ready(Ok(()));
                    }
                    if let Some(end) = self.cell.end.get() {
                        return Poll::Ready(Err(end));
                    }
                    self.cell.waker.set(Some(cx.waker().clone()));
                    return Poll::Pending;
                }
            }
            if frames.len() > had {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The revision up to which events are now delivered or queued in order.
    pub fn revision(&self) -> u64 {
        match self.phase {
            Phase::CatchUp { cursor } => cursor,
            Phase::Initial { .. } => 0,
            Phase::Live => self.cell.after.get().max(self.shard.applied()),
        }
    }

    fn initial(&mut self, frames: &mut Vec<Rc<Frame>>, room: usize) {
        let Phase::Initial { entries, revision } = &mut self.phase else { return };
        let (revision, encoder) = (*revision, &self.cell.encoder);
        frames.extend(entries.by_ref().take(room).map(|entry| {
            let revision = crate::store::Item::revision(&*entry);
            Frame::event(FrameKind::Added, entry, (revision, None), Rc::clone(encoder))
        }));
        if entries.len() > 0 {
            return;
        }
        if self.marks_initial_end {
            self.marks_initial_end = false;
            let encoder = Rc::clone(encoder);
            frames.push(Frame::bookmark(FrameKind::InitialEventsEnd, revision, encoder));
        }
        self.phase = Phase::CatchUp { cursor: revision };
    }

    /// Delivers changes of the window after the cursor, or goes live where there are none. False
    /// if it has looked at many changes without coming to an end.
    fn catch_up(&mut self, cursor: u64, frames: &mut Vec<Rc<Frame>>, room: usize) -> bool {
        let mut state = self.shard.state.borrow_mut();
        let applied = state.applied;
        let resource = state.resource(Some(self.cell.storage));
        let Some(changes) = resource.window.after(cursor) else {
            drop(state);
            self.cell.end(WatchEnd::Slow);
            self.shard.count_slow(1);
            return true;
        };
        let (mut looked, mut found, mut reached) = (0, 0, cursor);
        for change in changes {
            let is_full = looked >= CATCH_UP_CHANGES || found >= room;
            // The cursor names a revision whose changes all were looked at.
            if is_full && change.revision != reached {
                self.phase = Phase::CatchUp { cursor: reached };
                return found > 0;
            }
            looked += 1;
            reached = change.revision;
            if let Some((kind, entry)) = transition(&self.cell.filter, change) {
                let (entry, encoder) = (Arc::clone(entry), Rc::clone(&self.cell.encoder));
                frames.push(Frame::event(kind, entry, (change.revision, None), encoder));
                found += 1;
            }
        }
        self.cell.after.set(cursor.max(applied));
        resource.groups.join(&self.cell.filter, &self.cell.encoder, &self.cell);
        self.phase = Phase::Live;
        true
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.cell.closed.set(true);
        self.cell.queue.take();
        self.cell.waker.take();
        self.shard.leave(&self.cell);
    }
}
