//! Several shards and a store in one thread, run in an order that a seed chooses.

use crate::base::ticks::Ticks;
use crate::cache::entry::Entry;
use crate::cache::seed::Task;
use crate::cache::{Cache, FrameEncoder, FrameKind};
use crate::store::{
    Batch, Event, Expected, Item, Link, OldState, Opened, Outcome, Request, StoreError, Txn, Write,
};
use async_channel::{Receiver, Sender};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

struct Ready {
    task: usize,
    ready: Sender<usize>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.ready.try_send(self.task).expect("unbounded");
    }
}

/// The store of a simulation: a group of requests is applied when the simulation says so.
pub(super) struct SimStore {
    requests: Receiver<(usize, Request<Entry>)>,
    batches: Vec<Sender<Batch<Entry>>>,
    committed: Arc<AtomicU64>,
    compacted: Arc<AtomicU64>,
    current: BTreeMap<Bytes, Arc<Entry>>,
    pub(super) history: Vec<Event<Entry>>,
    pub(super) revision: u64,
}

impl SimStore {
    /// The state at a revision, by replaying all that ever happened.
    pub(super) fn at(&self, revision: u64) -> BTreeMap<Bytes, Arc<Entry>> {
        let mut state = BTreeMap::new();
        for event in self.history.iter().take_while(|event| event.revision <= revision) {
            match (&event.current, &event.previous) {
                (Some(entry), _) => state.insert(entry.key().clone(), Arc::clone(entry)),
                (None, Some(entry)) => state.remove(entry.key()),
                (None, None) => None,
            };
        }
        state
    }

    pub(super) fn compact(&self, revision: u64) {
        self.compacted.store(revision, Ordering::Release);
    }

    /// Takes at most `most` requests as one group. False if there was none.
    pub(super) fn step(&mut self, most: usize) -> bool {
        let mut events = Vec::new();
        let mut answers: Vec<Vec<_>> = self.batches.iter().map(|_| Vec::new()).collect();
        let mut taken = 0;
        while taken < most
            && let Ok((shard, request)) = self.requests.try_recv()
        {
            taken += 1;
            match request {
                Request::Commit { ticket, txn } => {
                    answers[shard].push((ticket, Ok(self.commit(txn, &mut events))));
                }
                Request::ListAt { prefix, start, revision, limit, reply } => {
                    let old = self.list_at(&prefix, &start, revision, limit);
                    reply.try_send(old).expect("room for the answer");
                }
                Request::Latest { reply } => {
                    reply.try_send(Ok(self.revision)).expect("room for the answer");
                }
            }
        }
        self.history.extend(events.iter().cloned());
        self.committed.store(self.revision, Ordering::Release);
        let events: Arc<[_]> = events.into();
        for (batches, answers) in self.batches.iter().zip(answers) {
            let events = Arc::clone(&events);
            let (revision, committed) = (self.revision, Ticks::now());
            let batch = Batch { events, answers, lost: false, revision, committed };
            batches.try_send(batch).expect("unbounded");
        }
        taken > 0
    }

    fn commit(&mut self, txn: Txn, events: &mut Vec<Event<Entry>>) -> Outcome<Entry> {
        let current = self.current.get(&txn.key).cloned();
        let expected = match txn.expected {
            Expected::Absent => current.is_none(),
            Expected::Revision(revision) => {
                current.as_ref().is_some_and(|e| e.revision() == revision)
            }
        };
        if !expected {
            return Outcome::Conflict { current };
        }
        self.revision += 1;
        let revision = self.revision;
        let event = match txn.write {
            Write::Delete => {
                let previous = self.current.remove(&txn.key);
                Event { revision, current: None, previous }
            }
            Write::Put { value, .. } => {
                let entry = Arc::new(Entry::new(txn.key.clone(), revision, value));
                let previous = self.current.insert(txn.key, Arc::clone(&entry));
                Event { revision, current: Some(entry), previous }
            }
        };
        let item = event.current.clone().or(event.previous.clone()).expect("one is there");
        events.push(event);
        Outcome::Applied { revision, item }
    }

    fn list_at(
        &self,
        prefix: &[u8],
        start: &Bytes,
        revision: u64,
        limit: usize,
    ) -> Result<OldState<Entry>, StoreError> {
        let compacted = self.compacted.load(Ordering::Acquire);
        if revision < compacted {
            return Err(StoreError::Compacted(compacted));
        }
        let state = self.at(revision).into_iter();
        let wanted = |(key, _): &(Bytes, _)| key.starts_with(prefix) && key >= start;
        let mut items: Vec<_> = state.filter(wanted).map(|(_, entry)| entry).collect();
        let remaining = if limit > 0 { items.len().saturating_sub(limit) } else { 0 };
        items.truncate(items.len() - remaining);
        Ok(OldState { items, remaining })
    }
}

/// Shards, store, tasks and time.
pub(super) struct Sim {
    pub(super) dice: Dice,
    pub(super) caches: Vec<Cache>,
    pub(super) store: SimStore,
    tasks: Vec<Option<Task>>,
    /// The shard that a task belongs to; its tasks stand still while it is stuck.
    shards: Vec<usize>,
    pub(super) stuck: Option<usize>,
    waiting: Vec<usize>,
    ready: Receiver<usize>,
    wake: Sender<usize>,
    start: Instant,
    elapsed: Duration,
}

impl Sim {
    pub(super) fn new(shards: usize, seed: u64) -> Self {
        Self::opened(shards, seed, Vec::new(), 0)
    }

    /// Starts from a store that has seen these events, of which those after `compacted` are known.
    pub(super) fn opened(
        shards: usize,
        seed: u64,
        history: Vec<Event<Entry>>,
        compacted: u64,
    ) -> Self {
        let (requests, received) = async_channel::unbounded();
        let (batches, feeds): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| async_channel::unbounded()).unzip();
        let revision = history.last().map_or(0, |event| event.revision);
        let committed = Arc::new(AtomicU64::new(revision));
        let compacted_revision = Arc::new(AtomicU64::new(compacted));
        let links = feeds.into_iter().enumerate().map(|(shard, batches)| Link {
            requests: requests.clone(),
            batches,
            shard,
            committed: Arc::clone(&committed),
            compacted: Arc::clone(&compacted_revision),
            is_shared: false,
        });
        let mut store = SimStore {
            requests: received,
            batches,
            committed: Arc::clone(&committed),
            compacted: Arc::clone(&compacted_revision),
            current: BTreeMap::new(),
            history,
            revision,
        };
        store.current = store.at(revision);
        let opened = Opened {
            state: store.current.values().cloned().collect(),
            history: store.history.iter().filter(|e| e.revision > compacted).cloned().collect(),
            revision,
            compacted,
            links: links.collect(),
        };
        let (wake, ready) = async_channel::unbounded();
        let mut sim = Self {
            dice: Dice(seed),
            caches: Vec::new(),
            store,
            tasks: Vec::new(),
            shards: Vec::new(),
            stuck: None,
            waiting: Vec::new(),
            ready,
            wake,
            start: crate::base::clock::now(),
            elapsed: Duration::ZERO,
        };
        for seed in Cache::open(opened) {
            let (cache, tasks) = seed.assemble();
            let shard = cache.shard();
            sim.caches.push(cache);
            tasks.into_iter().for_each(|task| sim.add(shard, task));
        }
        sim.start = crate::base::clock::now();
        sim
    }

    fn add(&mut self, shard: usize, task: Task) {
        self.tasks.push(Some(task));
        self.shards.push(shard);
        self.waiting.push(self.tasks.len() - 1);
    }

    /// Runs something on a shard; its result when there is one.
    pub(super) fn spawn<T: 'static>(
        &mut self,
        shard: usize,
        future: impl Future<Output = T> + 'static,
    ) -> Rc<RefCell<Option<T>>> {
        let result = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&result);
        let task = async move {
            let output = future.await;
            *slot.borrow_mut() = Some(output);
        };
        self.add(shard, Box::pin(task));
        result
    }

    /// Runs something to its end, and the store with it.
    pub(super) fn run<T: 'static>(
        &mut self,
        shard: usize,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        let result = self.spawn(shard, future);
        self.settle();
        result.take().expect("it ends once nothing else can happen")
    }

    /// Polls one ready task, any of them. False if none is ready.
    pub(super) fn poll_one(&mut self) -> bool {
        while let Ok(task) = self.ready.try_recv() {
            self.waiting.push(task);
        }
        let stuck = self.stuck;
        let free = |task: &usize| Some(self.shards[*task]) != stuck;
        let able: Vec<_> = (0..self.waiting.len()).filter(|at| free(&self.waiting[*at])).collect();
        if able.is_empty() {
            return false;
        }
        let number = self.waiting.swap_remove(self.dice.pick(&able));
        let Some(mut task) = self.tasks[number].take() else { return true };
        let waker = Waker::from(Arc::new(Ready { task: number, ready: self.wake.clone() }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
            self.tasks[number] = Some(task);
        }
        true
    }

    /// Runs until nothing can happen without time passing.
    pub(super) fn settle(&mut self) {
        loop {
            let polled = self.poll_one();
            let most = 1 + self.dice.below(8) as usize;
            if !polled && !self.store.step(most) {
                return;
            }
        }
    }

    /// Lets time pass in ticks, and what it brings about happen.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while self.elapsed < end {
            self.elapsed = end.min(self.elapsed + Duration::from_millis(500));
            for cache in &self.caches {
                if Some(cache.shard()) != self.stuck {
                    cache.tick(self.start + self.elapsed);
                }
            }
            self.settle();
        }
    }
}

/// Frames as text, and how many were made.
pub(super) struct TextEncoder {
    pub(super) id: u64,
    pub(super) made: Cell<usize>,
}

impl TextEncoder {
    pub(super) fn new(id: u64) -> Rc<Self> {
        Rc::new(Self { id, made: Cell::new(0) })
    }
}

impl FrameEncoder for TextEncoder {
    fn id(&self) -> u64 {
        self.id
    }

    fn frame(&self, kind: FrameKind, entry: &Entry, revision: u64) -> Bytes {
        self.made.set(self.made.get() + 1);
        let key = String::from_utf8_lossy(entry.key()).into_owned();
        Bytes::from(format!("{kind:?} {key}@{} {revision}", entry.revision()))
    }

    fn bookmark(&self, revision: u64, initial_end: bool) -> Bytes {
        Bytes::from(format!("BOOKMARK {revision} {initial_end}"))
    }
}
