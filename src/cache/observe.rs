//! Indexes that a shard keeps of whole resources: told of every change in the very moment in which
//! the shard applies it, so that they are never behind what the shard shows.

use crate::cache::Cache;
use crate::cache::entry::Entry;
use crate::cache::list::ListQuery;
use crate::cache::read::ReadFault;
use crate::cache::window::Change;
use crate::catalog::Storage;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// An index of some resources. It must not call the cache.
pub trait Observer {
    /// Takes in a change: what stands there now, and what stood there before; never neither.
    /// Of objects that were there from the start, `previous` is `None`.
    fn change(&self, current: Option<&Arc<Entry>>, previous: Option<&Arc<Entry>>);
}

/// An observer of one resource, and what it must not see yet.
pub(super) struct Observation {
    observer: Rc<dyn Observer>,
    /// Changes that come while the state at first is being read, which a deadline ends.
    early: RefCell<Option<Vec<Change>>>,
    /// The revision of that state.
    revision: Cell<u64>,
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation").field("revision", &self.revision).finish_non_exhaustive()
    }
}

impl Observation {
    pub(super) fn change(&self, change: &Change) {
        if let Some(early) = &mut *self.early.borrow_mut() {
            early.push(change.clone());
            return;
        }
        if change.revision > self.revision.get() {
            self.observer.change(change.current.as_ref(), change.previous.as_ref());
        }
    }
}

impl Cache {
    /// Shows `observer` all objects of a resource and from then on every change, in order, before
    /// whoever made it hears that it is made.
    ///
    /// # Errors
    /// [`ReadFault`] if the objects cannot be listed; the observer then sees no more.
    pub async fn observe(
        &self,
        storage: &'static Storage,
        observer: Rc<dyn Observer>,
    ) -> Result<(), ReadFault> {
        let (early, revision) = (RefCell::new(Some(Vec::new())), Cell::new(0));
        let observation = Rc::new(Observation { observer, early, revision });
        self.with_observers(storage, |all| all.push(Rc::clone(&observation)));
        let page = match self.list(ListQuery::all(storage)).await {
            Ok(page) => page,
            Err(fault) => {
                let others = |other: &Rc<Observation>| !Rc::ptr_eq(other, &observation);
                self.with_observers(storage, |all| all.retain(others));
                return Err(fault);
            }
        };
        for entry in &page.entries {
            observation.observer.change(Some(entry), None);
        }
        observation.revision.set(page.revision);
        let early = observation.early.borrow_mut().take();
        early.iter().flatten().for_each(|change| observation.change(change));
        Ok(())
    }

    fn with_observers(
        &self,
        storage: &'static Storage,
        change: impl FnOnce(&mut Vec<Rc<Observation>>),
    ) {
        change(&mut self.of(storage).state.borrow_mut().resource(Some(storage)).observers);
    }
}
