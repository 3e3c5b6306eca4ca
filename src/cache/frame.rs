//! What a watcher is given: one event, encoded once for all watchers that show it the same way.

use crate::base::ticks::Ticks;
use crate::cache::entry::Entry;
use bytes::Bytes;
use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// What a frame tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// `ADDED`.
    Added,
    /// `BOOKMARK`.
    Bookmark,
    /// `BOOKMARK` with the annotation `k8s.io/initial-events-end`.
    InitialEventsEnd,
    /// `MODIFIED`.
    Modified,
    /// `DELETED`.
    Deleted,
}

/// How a group of watchers wants its events on the wire.
pub trait FrameEncoder {
    /// Encoders with the same id make the same bytes.
    fn id(&self) -> u64;
    /// One event, framed. `revision` is what `metadata.resourceVersion` must show: for `Deleted`
    /// it is the revision of the change, not the entry's.
    fn frame(&self, kind: FrameKind, entry: &Entry, revision: u64) -> Bytes;
    /// A bookmark, framed; `initial_end` adds the annotation `k8s.io/initial-events-end`.
    fn bookmark(&self, revision: u64, initial_end: bool) -> Bytes;
}

/// One event for one way of encoding. Encoded when the first watcher sends it.
pub struct Frame {
    /// What happened.
    pub kind: FrameKind,
    /// The object: for `Deleted` its last state. `None` for bookmarks.
    pub entry: Option<Arc<Entry>>,
    /// The revision of the change.
    pub revision: u64,
    /// When the change was committed; `None` for what tells of the past.
    pub committed: Option<Ticks>,
    encoder: Rc<dyn FrameEncoder>,
    bytes: OnceCell<Bytes>,
}

impl Frame {
    pub(super) fn event(
        kind: FrameKind,
        entry: Arc<Entry>,
        (revision, committed): (u64, Option<Ticks>),
        encoder: Rc<dyn FrameEncoder>,
    ) -> Rc<Self> {
        let (entry, bytes) = (Some(entry), OnceCell::new());
        Rc::new(Self { kind, entry, revision, committed, encoder, bytes })
    }

    pub(super) fn bookmark(
        kind: FrameKind,
        revision: u64,
        encoder: Rc<dyn FrameEncoder>,
    ) -> Rc<Self> {
        let (entry, committed, bytes) = (None, None, OnceCell::new());
        Rc::new(Self { kind, entry, revision, committed, encoder, bytes })
    }

    /// The frame on the wire; encoded once, then shared.
    pub fn bytes(&self) -> Bytes {
        let made = self.bytes.get_or_init(|| match &self.entry {
            Some(entry) => self.encoder.frame(self.kind, entry, self.revision),
            None => {
                let initial_end = self.kind == FrameKind::InitialEventsEnd;
                self.encoder.bookmark(self.revision, initial_end)
            }
        });
        made.clone()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} at {}", self.kind, self.entry, self.revision)
    }
}
