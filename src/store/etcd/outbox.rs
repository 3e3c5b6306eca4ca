//! What goes to the shards: events in revision order, and the answers to their writes, never
//! before the events that they cause.

use crate::base::ticks::Ticks;
use crate::store::Answer;
use crate::store::Batch;
use crate::store::Event;
use crate::store::Health;
use crate::store::Item;
use crate::store::Outcome;
use crate::store::StoreError;
use async_channel::Sender;
use async_channel::TrySendError;
use bytes::Bytes;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::Notify;

/// A write that etcd has applied and whose event has not come yet.
pub(super) struct Written {
    pub(super) ticket: u64,
    pub(super) key: Bytes,
    /// What was put, or for a delete what stood there.
    pub(super) value: Bytes,
    /// The revision of that value.
    pub(super) value_revision: u64,
    pub(super) at: Instant,
}

/// The way to all shards.
pub(super) struct Outbox<I> {
    lanes: Vec<Lane<I>>,
    committed: Arc<AtomicU64>,
    health: Arc<Health>,
    /// Some answers can go.
    ready: Notify,
}

/// The way to one shard.
struct Lane<I> {
    batches: Sender<Batch<I>>,
    answers: RefCell<Vec<Answer<I>>>,
    /// By revision; two deletes by one lease may share one, so a number of their own as well.
    written: RefCell<BTreeMap<(u64, u64), Written>>,
    /// Everything up to this revision is in the queue.
    sent: Cell<u64>,
}

impl<I: Item> Outbox<I> {
    pub(super) fn new(
        batches: Vec<Sender<Batch<I>>>,
        committed: Arc<AtomicU64>,
        health: Arc<Health>,
    ) -> Self {
        let revision = committed.load(Relaxed);
        let lane = |batches| Lane {
            batches,
            answers: RefCell::default(),
            written: RefCell::default(),
            sent: Cell::new(revision),
        };
        let lanes = batches.into_iter().map(lane).collect();
        Self { lanes, committed, health, ready: Notify::new() }
    }

    /// The last revision published.
    pub(super) fn revision(&self) -> u64 {
        self.committed.load(Relaxed)
    }

    /// Answers a write that needs no event.
    pub(super) fn answer(&self, shard: usize, ticket: u64, answer: Result<Outcome<I>, StoreError>) {
        let Some(lane) = self.lanes.get(shard) else { return };
        lane.answers.borrow_mut().push((ticket, answer));
        self.ready.notify_one();
    }

    /// Answers a write when its event has been sent.
    pub(super) fn answer_after(&self, shard: usize, revision: u64, written: Written) {
        let Some(lane) = self.lanes.get(shard) else { return };
        if lane.sent.get() >= revision {
            return self.answer(shard, written.ticket, Ok(written.outcome(revision, &[])));
        }
        let place = (revision, written.ticket);
        lane.written.borrow_mut().insert(place, written);
    }

    /// Sends events that come after all sent before, and the answers that waited for them. A full
    /// queue is waited for.
    pub(super) async fn publish(&self, events: Vec<Event<I>>, revision: u64, lost: bool) {
        // Before any batch, as in every backend.
        self.committed.store(revision, Release);
        let events: Arc<[Event<I>]> = events.into();
        // Of when etcd has committed them nothing is told: they count from when they came.
        let committed = Ticks::now();
        for lane in &self.lanes {
            lane.settle(revision, &events);
            let answers = std::mem::take(&mut *lane.answers.borrow_mut());
            let batch = Batch { events: events.clone(), answers, lost, revision, committed };
            self.send(lane, batch).await;
            lane.sent.set(revision);
            // What etcd has acknowledged while the queue was full.
            lane.settle(revision, &events);
            if !lane.answers.borrow().is_empty() {
                self.ready.notify_one();
            }
        }
    }

    /// Sends answers that need no event, as they come; for ever.
    pub(super) async fn send_answers(&self) {
        loop {
            self.ready.notified().await;
            for lane in &self.lanes {
                let answers = std::mem::take(&mut *lane.answers.borrow_mut());
                if !answers.is_empty() {
                    let (events, revision) = (Arc::new([]), lane.sent.get());
                    let committed = Ticks::now();
                    let batch = Batch { events, answers, lost: false, revision, committed };
                    self.send(lane, batch).await;
                }
            }
        }
    }

    /// Answers writes whose event does not come: they were acknowledged, and that is known.
    pub(super) fn answer_overdue(&self, patience: Duration) {
        for (shard, lane) in self.lanes.iter().enumerate() {
            let overdue: Vec<_> = lane
                .written
                .borrow_mut()
                .extract_if(.., |_, written| written.at.elapsed() >= patience)
                .collect();
            for ((revision, _), written) in overdue {
                self.answer(shard, written.ticket, Ok(written.outcome(revision, &[])));
            }
        }
    }

    /// No answer waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes
            .iter()
            .all(|lane| lane.answers.borrow().is_empty() && lane.written.borrow().is_empty())
    }

    async fn send(&self, lane: &Lane<I>, batch: Batch<I>) {
        let Err(TrySendError::Full(batch)) = lane.batches.try_send(batch) else { return };
        self.health.shard_waits.fetch_add(1, Relaxed);
        // Fails only for a shard that has gone away.
        drop(lane.batches.send(batch).await);
    }
}

impl<I: Item> Lane<I> {
    /// Makes the answers of writes up to a revision, whose events are or were sent.
    fn settle(&self, revision: u64, events: &[Event<I>]) {
        let mut written = self.written.borrow_mut();
        if written.is_empty() {
            return;
        }
        let later = written.split_off(&(revision + 1, 0));
        let settled = std::mem::replace(&mut *written, later);
        let answers = settled
            .into_iter()
            .map(|((revision, _), done)| (done.ticket, Ok(done.outcome(revision, events))));
        self.answers.borrow_mut().extend(answers);
    }
}

impl Written {
    /// The answer, with the item of the event if that is at hand.
    fn outcome<I: Item>(self, revision: u64, events: &[Event<I>]) -> Outcome<I> {
        let from = events.partition_point(|event| event.revision < revision);
        let same = events.iter().skip(from).take_while(|event| event.revision == revision);
        let item = same
            .filter_map(|event| event.current.as_ref().or(event.previous.as_ref()))
            .find(|item| *item.key() == self.key)
            .cloned();
        let item =
            item.unwrap_or_else(|| Arc::new(I::new(self.key, self.value_revision, self.value)));
        Outcome::Applied { revision, item }
    }
}
