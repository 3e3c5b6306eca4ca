//! Starting a watch.

use crate::cache::filter::Filter;
use crate::cache::frame::FrameEncoder;
use crate::cache::list::List;
use crate::cache::read::{ReadAt, ReadFault};
use crate::cache::shard::Shard;
use crate::cache::tick;
use crate::cache::watcher::{Phase, WatchCell, Watcher};
use crate::catalog::Storage;
use crate::object::selector::{FieldSelector, LabelSelector};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Where a watch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFrom {
    /// Events after this revision; one that is not there yet is waited for.
    After(u64),
    /// The state as a list would show it, as ADDED in key order, then events.
    Initial(ReadAt),
}

/// What a watch asks for.
pub struct WatchQuery {
    /// The resource.
    pub storage: &'static Storage,
    /// One namespace only.
    pub namespace: Option<Box<str>>,
    /// One name only.
    pub name: Option<Box<str>>,
    /// Only objects with such labels.
    pub labels: LabelSelector,
    /// Only objects with such fields.
    pub fields: FieldSelector,
    /// Where to start.
    pub from: WatchFrom,
    /// How to put events on the wire.
    pub encoder: Rc<dyn FrameEncoder>,
    /// Send a bookmark about every minute.
    pub bookmarks: bool,
    /// Mark the end of the initial state by a bookmark.
    pub initial_events_end: bool,
    /// End the watch after this time.
    pub timeout: Option<Duration>,
}

impl fmt::Debug for WatchQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watch of {} from {:?}", self.storage.prefix, self.from)
    }
}

impl WatchQuery {
    /// All events of a resource.
    pub fn all(storage: &'static Storage, from: WatchFrom, encoder: Rc<dyn FrameEncoder>) -> Self {
        Self {
            storage,
            namespace: None,
            name: None,
            labels: LabelSelector::default(),
            fields: FieldSelector::default(),
            from,
            encoder,
            bookmarks: false,
            initial_events_end: false,
            timeout: None,
        }
    }
}

pub(super) async fn watch(shard: &Rc<Shard>, query: WatchQuery) -> Result<Watcher, ReadFault> {
    let WatchQuery { storage, from, encoder, .. } = query;
    let scope = (query.namespace, query.name);
    let filter = Filter::new(storage, scope, query.labels, &query.fields);
    let phase = match from {
        WatchFrom::After(requested) => {
            let oldest = shard.state.borrow_mut().resource(Some(storage)).window.floor();
            if requested < oldest {
                return Err(ReadFault::Expired { requested, oldest });
            }
            Phase::CatchUp { cursor: requested }
        }
        WatchFrom::Initial(at) => {
            let list = List { storage, limit: 0, at };
            let page = Box::pin(list.run(shard, filter.clone(), None)).await?;
            Phase::Initial { entries: page.entries.into_iter(), revision: page.revision }
        }
    };
    let now = shard.now.get();
    let deadline = query.timeout.map(|timeout| now + timeout);
    let bookmark_at = query.bookmarks.then(|| tick::next_bookmark(now, deadline));
    let mut state = shard.state.borrow_mut();
    let resource = state.resource(Some(storage));
    resource.watchers += 1;
    let (filter, encoder) = resource.groups.shared_filter(filter, &encoder);
    let cell = WatchCell::new(storage, filter, encoder, bookmark_at, deadline);
    state.due.push(tick::due(&cell, now));
    drop(state);
    let (shard, marks_initial_end) = (Rc::clone(shard), query.initial_events_end);
    Ok(Watcher { shard, cell, phase, marks_initial_end })
}
