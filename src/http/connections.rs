//! The connections of one shard: how many, how old, and when they must go.

use crate::base::clock;
use crate::base::limits::CONNECTION_IDLE_SECONDS_MAX;
use crate::base::limits::HEADER_READ_SECONDS_MAX;
use crate::http::upgrade::Leaving;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

/// All open connections of a shard.
#[derive(Debug)]
pub struct Connections {
    shared: Rc<Shared>,
    slots: RefCell<Vec<Weak<Slot>>>,
    connections_max: usize,
}

#[derive(Debug)]
struct Shared {
    open: Cell<usize>,
    in_flight: Cell<usize>,
    panics: Cell<u64>,
    /// The time of the last tick: exact enough for limits of seconds, and free to read.
    now: Cell<Instant>,
    draining: Cell<bool>,
}

/// One connection's place. Dropping the last handle frees it.
#[derive(Debug)]
pub struct Slot {
    shared: Rc<Shared>,
    in_flight: Cell<usize>,
    /// When the last request ended, or the connection began.
    idle_since: Cell<Instant>,
    /// When the first byte of the next request came (HTTP/1 only).
    header_since: Cell<Option<Instant>>,
    is_http1: Cell<bool>,
    end: Cell<End>,
    waker: RefCell<Option<Waker>>,
    /// What the connection does when it has sent its last answer.
    leaving: RefCell<Option<Box<Leaving>>>,
    has_left: Cell<bool>,
}

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::http) enum End {
    /// Not at all for now.
    NotYet,
    /// When its requests are done.
    Gracefully,
    /// Now.
    AtOnce,
}

impl Connections {
    /// None so far, at most `connections_max`.
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        let shared = Shared {
            open: Cell::new(0),
            in_flight: Cell::new(0),
            panics: Cell::new(0),
            now: Cell::new(clock::now()),
            draining: Cell::new(false),
        };
        Self { shared: Rc::new(shared), slots: RefCell::default(), connections_max }
    }

    /// A place for a new connection; `None` if all are taken or the server drains.
    #[must_use]
    pub fn enter(&self) -> Option<Rc<Slot>> {
        if self.shared.draining.get() || self.shared.open.get() >= self.connections_max {
            return None;
        }
        self.shared.open.set(self.shared.open.get() + 1);
        let slot = Rc::new(Slot {
            shared: Rc::clone(&self.shared),
            in_flight: Cell::new(0),
            idle_since: Cell::new(self.shared.now.get()),
            header_since: Cell::new(None),
            is_http1: Cell::new(false),
            end: Cell::new(End::NotYet),
            waker: RefCell::new(None),
            leaving: RefCell::new(None),
            has_left: Cell::new(false),
        });
        self.slots.borrow_mut().push(Rc::downgrade(&slot));
        Some(slot)
    }

    /// Open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.get()
    }

    /// Requests being served, streams of watches among them.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.get()
    }

    /// Requests whose handler has panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.shared.panics.get()
    }

    /// Ends what has exceeded its time and forgets what is gone. To be called about every second.
    pub fn tick(&self) {
        let now = clock::now();
        self.shared.now.set(now);
        self.slots.borrow_mut().retain(|slot| match slot.upgrade() {
            Some(slot) => {
                slot.check(now);
                true
            }
            None => false,
        });
    }

    /// Lets no connection in any more and ends each when its requests are done (GOAWAY).
    pub fn drain(&self) {
        self.shared.draining.set(true);
        self.end_all(End::Gracefully);
    }

    /// Ends all connections now, whatever they do.
    pub fn close(&self) {
        self.shared.draining.set(true);
        self.end_all(End::AtOnce);
    }

    /// Ends the connections that have left HTTP: nobody can tell their protocols to end.
    pub fn end_upgraded(&self) {
        for slot in self.slots.borrow().iter().filter_map(Weak::upgrade) {
            if slot.has_left.get() {
                slot.end(End::AtOnce);
            }
        }
    }

    fn end_all(&self, end: End) {
        for slot in self.slots.borrow().iter().filter_map(Weak::upgrade) {
            slot.end(end);
        }
    }
}

impl Slot {
    pub(in crate::http) fn begin(&self, is_http1: bool) {
        self.is_http1.set(is_http1);
        self.idle_since.set(self.shared.now.get());
    }

    /// The connection leaves HTTP with its next answer.
    pub(in crate::http) fn leave(&self, leaving: Leaving) {
        *self.leaving.borrow_mut() = Some(Box::new(leaving));
    }

    /// What it leaves for, if it does.
    pub(in crate::http) fn left(&self) -> Option<Box<Leaving>> {
        let leaving = self.leaving.borrow_mut().take();
        self.has_left.set(leaving.is_some());
        leaving
    }

    pub(in crate::http) fn panicked(&self) {
        self.shared.panics.set(self.shared.panics.get() + 1);
    }

    pub(in crate::http) fn received(&self) {
        if self.is_http1.get() && self.in_flight.get() == 0 && self.header_since.get().is_none() {
            self.header_since.set(Some(self.shared.now.get()));
        }
    }

    pub(in crate::http) fn end(&self, end: End) {
        if end > self.end.get() {
            self.end.set(end);
            let waker = self.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// How to end, remembering whom to wake when that changes.
    pub(in crate::http) fn poll_end(&self, waker: &Waker) -> End {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        self.end.get()
    }

    fn check(&self, now: Instant) {
        if self.in_flight.get() > 0 {
            return;
        }
        let header_max = Duration::from_secs(HEADER_READ_SECONDS_MAX);
        let idle_max = Duration::from_secs(CONNECTION_IDLE_SECONDS_MAX);
        if self.header_since.get().is_some_and(|since| now - since > header_max) {
            self.end(End::AtOnce);
        } else if now - self.idle_since.get() > idle_max + header_max {
            // It was asked to leave and has not.
            self.end(End::AtOnce);
        } else if now - self.idle_since.get() > idle_max {
            self.end(End::Gracefully);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get() - 1);
    }
}

/// Counts one request while it lives.
pub(in crate::http) struct InFlight(Rc<Slot>);

impl InFlight {
    pub(in crate::http) fn new(slot: &Rc<Slot>) -> Self {
        slot.in_flight.set(slot.in_flight.get() + 1);
        slot.header_since.set(None);
        slot.shared.in_flight.set(slot.shared.in_flight.get() + 1);
        Self(Rc::clone(slot))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let slot = &self.0;
        slot.in_flight.set(slot.in_flight.get() - 1);
        slot.idle_since.set(slot.shared.now.get());
        slot.shared.in_flight.set(slot.shared.in_flight.get() - 1);
    }
}
