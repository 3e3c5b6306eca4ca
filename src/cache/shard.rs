//! The cache of one shard: entries of the slots it owns, windows and watchers of every resource.

use crate::base::limits::{READ_GRACE_SECONDS, READ_WAIT_SECONDS, SHARD_INBOX_MAX};
use crate::base::ticks::Ticks;
use crate::cache::Lists;
use crate::cache::definitions::{self, is_definition};
use crate::cache::entry::Entry;
use crate::cache::frame::Frame;
use crate::cache::group::Groups;
use crate::cache::hop::{Answer, Ask, Hop};
use crate::cache::inbox::Inbox;
use crate::cache::latest::Latest;
use crate::cache::observe::Observation;
use crate::cache::partition::{Resource, is_everywhere, owner};
use crate::cache::read::ReadFault;
use crate::cache::scan::Scan;
use crate::cache::seed::forget_definition;
use crate::cache::table::Table;
use crate::cache::ticket::Tickets;
use crate::cache::waits::Waits;
use crate::cache::watcher::{WatchCell, WatchEnd};
use crate::cache::window::{Change, Window};
use crate::catalog::Storage;
use crate::store::{Batch, Event, Item, Link, OldState, Outcome, Request, StoreError};
use async_channel::{Receiver, Sender};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering as Order;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

/// One shard's cache.
pub(super) struct Shard {
    pub(super) number: usize,
    /// Every shard's inbox, this one's included.
    pub(super) peers: Arc<[Inbox]>,
    pub(super) requests: Sender<(usize, Request<Entry>)>,
    /// What the feed takes from, to see how much waits.
    pub(super) batches: Receiver<Batch<Entry>>,
    pub(super) committed: Arc<AtomicU64>,
    pub(super) compacted: Arc<AtomicU64>,
    /// Others write to the store as well.
    pub(super) is_shared: bool,
    /// Reads that wait for the last revision of a store that is shared.
    pub(super) latest: Latest,
    pub(super) state: RefCell<State>,
    pub(super) commits: Tickets<Result<Outcome<Entry>, StoreError>>,
    answers: Tickets<Answer>,
    /// Long scans, each taken a step further in turn.
    scans: RefCell<VecDeque<Scan>>,
    scanner: Cell<Option<Waker>>,
    /// The time of the last tick.
    pub(super) now: Cell<Instant>,
    /// When windows were last trimmed.
    pub(super) trimmed: Cell<Instant>,
    pub(super) frames_queued: Cell<u64>,
    slow_watchers: Cell<u64>,
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cache of shard {}", self.number)
    }
}

/// What the feed changes.
#[derive(Debug)]
pub(super) struct State {
    /// Every change up to this revision is applied and dispatched.
    pub(super) applied: u64,
    /// Revisions at or below this were not known one by one at start.
    pub(super) floor: u64,
    /// By `Resource::place`.
    resources: Vec<Option<Box<Held>>>,
    /// Questions that wait for a revision.
    parked: BTreeMap<(u64, u64), Parked>,
    parked_count: u64,
    /// When to look at a watcher next: for bookmarks and deadlines.
    pub(super) due: BinaryHeap<Reverse<Due>>,
    /// Where the sweep of encodings goes on: resource and place.
    pub(super) sweep: (usize, usize),
}

/// One resource on one shard.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) storage: Option<&'static Storage>,
    /// Entries of the slots that the shard owns.
    pub(super) table: Table,
    /// Entries of the other slots, if the resource is held everywhere.
    copies: Option<Table>,
    /// The revision of the last change; 0 if there was none since the start.
    pub(super) changed: u64,
    /// Recent changes of all slots.
    pub(super) window: Window,
    pub(super) groups: Groups,
    /// Watchers, also those that are not in a group yet.
    pub(super) watchers: usize,
    /// Who sees each change of the resource.
    pub(super) observers: Vec<Rc<Observation>>,
    /// Changes of the slots that the shard owns, since the start.
    pub(super) changes: u64,
    pub(super) lists: Lists,
    pub(super) waits: Waits,
}

/// A question that waits for a revision.
#[derive(Debug)]
struct Parked {
    deadline: Instant,
    from: usize,
    ticket: u64,
    ask: Ask,
}

/// A watcher that is to be looked at.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) at: Instant,
    pub(super) watcher: Rc<WatchCell>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Order {
        self.at.cmp(&other.at)
    }
}

impl State {
    pub(super) fn new(applied: u64, floor: u64) -> Self {
        Self {
            applied,
            floor,
            resources: Vec::new(),
            parked: BTreeMap::new(),
            parked_count: 0,
            due: BinaryHeap::new(),
            sweep: (0, 0),
        }
    }

    /// A resource's part; made on first use.
    pub(super) fn resource(&mut self, storage: Option<&'static Storage>) -> &mut Held {
        let at = Resource::of(storage).place();
        if at >= self.resources.len() {
            self.resources.resize_with(at + 1, || None);
        }
        let floor = self.floor;
        self.resources[at].get_or_insert_with(|| {
            let (table, window) = (Table::default(), Window::new(floor));
            let groups = Groups::default();
            let copies = is_everywhere(storage).then(Table::default);
            Box::new(Held {
                storage,
                table,
                copies,
                changed: 0,
                window,
                groups,
                watchers: 0,
                observers: Vec::new(),
                changes: 0,
                lists: Lists::default(),
                waits: Waits::default(),
            })
        })
    }

    /// A definition has changed: entries of what it defines get its new rows, and their watchers
    /// are ended, as upstream does when it makes new storage. `gone`: so is the definition.
    fn renew(&mut self, definition: &str, revision: u64, gone: bool) {
        let Some(row) = definitions::row_of(definition) else { return };
        let held = self.resource(Some(row));
        let old = held.storage.filter(|old| !std::ptr::eq(*old, row));
        if old.is_none() && !gone {
            return;
        }
        let watchers: Vec<Rc<WatchCell>> = held.groups.watchers().map(Rc::clone).collect();
        if old.is_some() {
            let start = held.table.position(b"");
            let end = held.table.position(&[u8::MAX]);
            let entries: Vec<Arc<Entry>> = held.table.walk(start, end).cloned().collect();
            for entry in entries {
                let value = entry.value().clone();
                let renewed = Entry::new(entry.key().clone(), entry.revision(), value);
                if let Some(old) = held.table.put(Arc::new(renewed)) {
                    old.retire();
                }
            }
            held.window = Window::new(revision);
            held.storage = Some(row);
        }
        for watcher in watchers {
            watcher.end(WatchEnd::Redefined);
        }
        for Reverse(due) in &self.due {
            if due.watcher.storage.id == row.id {
                due.watcher.end(WatchEnd::Redefined);
            }
        }
    }

    /// A resource's part, if anything was ever heard of it.
    pub(super) fn known(&self, resource: Resource) -> Option<&Held> {
        self.resources.get(resource.place())?.as_deref()
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &Held> {
        self.resources.iter().flatten().map(|resource| &**resource)
    }

    pub(super) fn resources_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.resources.iter_mut().flatten().map(|resource| &mut **resource)
    }
}

impl Held {
    /// What stands under a key, if the shard holds it.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Arc<Entry>> {
        self.table.get(key).or_else(|| self.copies.as_ref()?.get(key))
    }

    /// The mean size of a few stored objects.
    pub(super) fn object_bytes(&self) -> usize {
        const SAMPLE: usize = 8;
        let (sample, _) = self.table.sweep(0, SAMPLE);
        let (bytes, count) =
            sample.fold((0, 0), |(bytes, count), entry| (bytes + entry.value().len(), count + 1));
        bytes / count.max(1)
    }

    /// Where entries of the shard's own slots, or of the others, are held, if they are.
    pub(super) fn held(&mut self, owned: bool) -> Option<&mut Table> {
        if owned { Some(&mut self.table) } else { self.copies.as_mut() }
    }
}

impl Shard {
    pub(super) fn new(peers: Arc<[Inbox]>, link: Link<Entry>, state: State) -> Self {
        Self {
            number: link.shard,
            peers,
            requests: link.requests,
            batches: link.batches,
            committed: link.committed,
            compacted: link.compacted,
            is_shared: link.is_shared,
            latest: Latest::default(),
            state: RefCell::new(state),
            commits: Tickets::default(),
            answers: Tickets::default(),
            scans: RefCell::default(),
            scanner: Cell::default(),
            now: Cell::new(crate::base::clock::now()),
            trimmed: Cell::new(crate::base::clock::now()),
            frames_queued: Cell::new(0),
            slow_watchers: Cell::new(0),
        }
    }

    /// The last revision applied.
    pub(super) fn applied(&self) -> u64 {
        self.state.borrow().applied
    }

    /// True if this shard owns the entry's slot.
    pub(super) fn owns(&self, entry: &Entry) -> bool {
        owner(entry.slot(), self.peers.len()) == self.number
    }

    /// Applies one change and dispatches it. Returns about how much work it was, in frames.
    /// HOT: benches/cache.rs `apply`.
    pub(super) fn apply(&self, event: &Event<Entry>, committed: Ticks) -> usize {
        let change = Change::of(event);
        let mut state = self.state.borrow_mut();
        let Some(subject) = change.subject() else {
            state.applied = change.revision;
            return 0;
        };
        let owned = self.owns(subject);
        if is_definition(subject.storage()) {
            forget_definition(&change);
            state.renew(subject.name(), change.revision, change.current.is_none());
        }
        let resource = state.resource(subject.storage());
        resource.changed = change.revision;
        resource.changes += u64::from(owned);
        let replaced = resource.held(owned).and_then(|table| match &change.current {
            Some(current) => table.put(Arc::clone(current)),
            None => table.remove(subject.key()),
        });
        if let Some(replaced) = replaced.filter(|_| owned) {
            replaced.retire();
        }
        let (mut queued, mut slow) = (0, 0);
        if !resource.groups.is_empty() {
            (queued, slow) = resource.groups.dispatch(&change, committed);
        }
        resource.observers.iter().for_each(|observer| observer.change(&change));
        let revision = change.revision;
        resource.window.push(change);
        state.applied = revision;
        drop(state);
        self.frames_queued.set(self.frames_queued.get() + queued as u64);
        self.count_slow(slow);
        1 + queued
    }

    /// Everything up to `revision` is applied: answers what waited for it.
    pub(super) fn reached(&self, revision: u64) {
        let mut ready = {
            let mut state = self.state.borrow_mut();
            state.applied = state.applied.max(revision);
            if state.parked.is_empty() {
                return;
            }
            let later = (state.applied + 1, 0);
            let later = state.parked.split_off(&later);
            std::mem::replace(&mut state.parked, later)
        };
        while let Some((_, parked)) = ready.pop_first() {
            self.serve(parked.from, parked.ticket, parked.ask);
        }
    }

    /// Answers the questions that have waited too long with how far the shard is.
    pub(super) fn expire_parked(&self) {
        let now = self.now.get();
        let (late, applied) = {
            let mut state = self.state.borrow_mut();
            let late = state.parked.extract_if(.., |_, parked| parked.deadline <= now);
            let late: Vec<_> = late.map(|(_, parked)| parked).collect();
            (late, state.applied)
        };
        for parked in late {
            self.reply(parked.from, parked.ticket, Answer::Behind(applied));
        }
        self.answers.expire(now);
        self.latest.expire(now);
    }

    /// A revision that no write acknowledged so far is above, for a linearizable read.
    pub(super) async fn latest(&self) -> Result<u64, ReadFault> {
        if !self.is_shared {
            return Ok(self.committed());
        }
        let wait = Duration::from_secs(READ_WAIT_SECONDS + READ_GRACE_SECONDS);
        self.latest.read(self.now.get() + wait).await
    }

    /// A page (prefix, first key, limit) of the state at a revision, from the store.
    pub(super) async fn list_at(
        &self,
        (prefix, start, limit): (Bytes, Bytes, usize),
        revision: u64,
    ) -> Result<OldState<Entry>, ReadFault> {
        let (reply, answer) = async_channel::bounded(1);
        let request = Request::ListAt { prefix, start, revision, limit, reply };
        let gone = || ReadFault::Unavailable("the store is closed".to_owned());
        self.requests.send((self.number, request)).await.map_err(|_| gone())?;
        let answer = answer.recv().await.map_err(|_| gone())?;
        answer.map_err(|error| ReadFault::of_store(error, revision))
    }

    /// Changes were lost: whoever must see each one starts anew, and nothing before `revision` is
    /// known one by one any more. What was lost has been applied as far as it adds up.
    pub(super) fn forget_changes(&self, revision: u64) {
        let mut state = self.state.borrow_mut();
        state.floor = revision;
        state.resources_mut().for_each(|held| held.window = Window::new(revision));
    }

    /// Takes a question: answers it now, or when its revision is reached.
    pub(super) fn take(&self, from: usize, ticket: u64, ask: Ask) {
        let least = ask.least();
        let mut state = self.state.borrow_mut();
        if state.applied >= least {
            drop(state);
            return self.serve(from, ticket, ask);
        }
        state.parked_count += 1;
        let deadline = self.now.get() + Duration::from_secs(READ_WAIT_SECONDS);
        let place = (least, state.parked_count);
        state.parked.insert(place, Parked { deadline, from, ticket, ask });
    }

    /// Takes the answer to a question of this shard.
    pub(super) fn answered(&self, ticket: u64, answer: Answer) {
        self.answers.answer(ticket, answer);
    }

    /// Puts a question to the owner of some keys.
    pub(super) async fn ask(&self, to: usize, ask: Ask) -> Result<Answer, ReadFault> {
        let wait = Duration::from_secs(READ_WAIT_SECONDS + READ_GRACE_SECONDS);
        let ticket = self.answers.open(Some(self.now.get() + wait));
        if to == self.number {
            self.take(to, ticket.number(), ask);
        } else {
            let Some(peer) = self.peers.get(to) else { return Err(ReadFault::Timeout) };
            if peer.len() >= SHARD_INBOX_MAX {
                return Err(ReadFault::Overloaded);
            }
            let hop = Hop::Ask { from: self.number, ticket: ticket.number(), ask };
            peer.put(hop);
        }
        ticket.await.ok_or(ReadFault::Timeout)
    }

    fn serve(&self, from: usize, ticket: u64, ask: Ask) {
        match ask {
            Ask::Get { resource, key, .. } => {
                let state = self.state.borrow();
                let entry = state.known(resource).and_then(|r| r.get(&key)).cloned();
                drop(state);
                self.reply(from, ticket, Answer::Entry(entry));
            }
            Ask::List(ask) => self.step(Scan::new(from, ticket, ask)),
            Ask::Reach(_) => self.reply(from, ticket, Answer::Entry(None)),
        }
    }

    fn reply(&self, to: usize, ticket: u64, answer: Answer) {
        if to == self.number {
            return self.answered(ticket, answer);
        }
        if let Some(peer) = self.peers.get(to) {
            peer.put(Hop::Answer { ticket, answer });
        }
    }

    /// Takes a scan one step further: answers it if it is done, queues it if not.
    fn step(&self, mut scan: Scan) {
        let answer = scan.step(self.number, self.peers.len(), &self.state.borrow());
        let Some(answer) = answer else {
            self.scans.borrow_mut().push_back(scan);
            if let Some(waker) = self.scanner.take() {
                waker.wake();
            }
            return;
        };
        self.reply(scan.from, scan.ticket, answer);
    }

    /// Takes the scan that has waited longest one step further; waits for one if there is none.
    pub(super) async fn step_next(&self) {
        let scan = std::future::poll_fn(|cx| match self.scans.borrow_mut().pop_front() {
            Some(scan) => std::task::Poll::Ready(scan),
            None => {
                self.scanner.set(Some(cx.waker().clone()));
                std::task::Poll::Pending
            }
        });
        self.step(scan.await);
    }

    /// The last revision that the store has made durable.
    pub(super) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    pub(super) fn count_slow(&self, count: usize) {
        self.slow_watchers.set(self.slow_watchers.get() + count as u64);
    }

    pub(super) fn slow_watchers(&self) -> u64 {
        self.slow_watchers.get()
    }

    /// Forgets a watcher.
    pub(super) fn leave(&self, watcher: &WatchCell) {
        let mut state = self.state.borrow_mut();
        let resource = state.resource(Some(watcher.storage));
        resource.watchers = resource.watchers.saturating_sub(1);
        resource.groups.leave(watcher);
    }
}

/// A frame is shared by reference count alone: moving one into a queue must stay this cheap.
const _: () = assert!(size_of::<Rc<Frame>>() == size_of::<usize>());
