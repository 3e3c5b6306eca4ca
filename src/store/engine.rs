//! The one writer: a thread that takes requests, commits them in groups and tells every shard.
//!
//! What a group does in memory is seen by nobody until its bytes are durable: batches, answers,
//! lists and `committed` come after [`Disk::commit`]. So nothing has to be undone when that fails:
//! the process ends.

use crate::base::limits;
use crate::base::ticks::Ticks;
use crate::store::Answer;
use crate::store::Batch;
use crate::store::Event;
use crate::store::Handle;
use crate::store::Health;
use crate::store::Item;
use crate::store::Link;
use crate::store::OldState;
use crate::store::OpenError;
use crate::store::Opened;
use crate::store::Options;
use crate::store::Outcome;
use crate::store::Request;
use crate::store::StoreError;
use crate::store::Txn;
use crate::store::Write;
use crate::store::disk::Disk;
use crate::store::health::micros;
use crate::store::history::History;
use crate::store::state::Now;
use crate::store::state::Page;
use crate::store::state::State;
use crate::store::wait::Waiter;
use async_channel::Receiver;
use async_channel::Sender;
use async_channel::TrySendError;
use bytes::Bytes;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;
use std::time::Instant;

/// How often an idle store looks at its clock.
const TICK: Duration = Duration::from_secs(1);
/// How often a store that waits for a shard looks whether it is being closed.
const CLOSE_LOOK: Duration = Duration::from_millis(100);
/// How long a store that is being closed waits for a shard to take a batch.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// Events in one chunk of the history found at start.
const HISTORY_CHUNK: usize = 1_024;

/// What a backend found on its disk.
pub(super) struct Loaded<I> {
    /// Items in key order with their expiry in Unix seconds (0 for none).
    pub(super) items: Vec<(Arc<I>, u64)>,
    /// Events after the compacted revision, in order.
    pub(super) events: Vec<Event<I>>,
    /// The last revision.
    pub(super) revision: u64,
    /// See [`Opened::compacted`].
    pub(super) compacted: u64,
    /// Records that nobody needs any more, in the order in which they must go.
    pub(super) forget: VecDeque<u64>,
}

impl<I> Loaded<I> {
    /// A fresh store: at revision 1, so that the first write gets 2, as in etcd. Revision 0 means
    /// "any" in the API and is never given out.
    pub(super) fn empty() -> Self {
        Self {
            items: Vec::new(),
            events: Vec::new(),
            revision: 1,
            compacted: 1,
            forget: VecDeque::new(),
        }
    }
}

/// Starts the thread and makes the links.
pub(super) fn start<I: Item, D: Disk>(
    loaded: Loaded<I>,
    disk: D,
    options: &Options,
) -> Result<(Opened<I>, Handle), OpenError> {
    let (sender, requests) = async_channel::bounded(limits::STORE_QUEUE_MAX);
    let closing = Arc::new(AtomicBool::new(false));
    let health = Arc::new(Health::new());
    let committed = Arc::new(AtomicU64::new(loaded.revision));
    let compacted = Arc::new(AtomicU64::new(loaded.compacted));
    let (batches, links): (Vec<_>, Vec<_>) = (0..options.shards.max(1))
        .map(|shard| {
            let (batches, receiver) = async_channel::bounded(limits::STORE_BATCH_QUEUE_MAX);
            let link = Link {
                requests: sender.clone(),
                batches: receiver,
                shard,
                committed: committed.clone(),
                compacted: compacted.clone(),
                is_shared: false,
            };
            (batches, link)
        })
        .unzip();
    let (revision, compacted_revision) = (loaded.revision, loaded.compacted);
    let state: Vec<_> = loaded.items.iter().map(|(item, _)| item.clone()).collect();
    let mut history = History::new(loaded.compacted);
    for chunk in loaded.events.chunks(HISTORY_CHUNK) {
        history.push(chunk.into(), Instant::now());
    }
    let engine = Engine {
        state: State::new(loaded.items.into_iter(), loaded.revision),
        history,
        forget: loaded.forget,
        disk,
        group: Group::new(batches.len()),
        requests,
        batches,
        committed,
        compacted,
        closing: closing.clone(),
        health: health.clone(),
        options: options.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || engine.run())
        .map_err(|error| OpenError::Failed {
        path: PathBuf::new(),
        reason: format!("no thread for it: {error}"),
    })?;
    let opened =
        Opened { state, history: loaded.events, revision, compacted: compacted_revision, links };
    let close_requests = Box::new(move || {
        sender.close();
    });
    Ok((opened, Handle { thread: Some(thread), closing, close_requests, health }))
}

struct Engine<I, D> {
    state: State<I>,
    history: History<I>,
    forget: VecDeque<u64>,
    disk: D,
    group: Group<I>,
    requests: Receiver<(usize, Request<I>)>,
    batches: Vec<Sender<Batch<I>>>,
    committed: Arc<AtomicU64>,
    compacted: Arc<AtomicU64>,
    closing: Arc<AtomicBool>,
    health: Arc<Health>,
    options: Options,
}

/// What is committed, published and answered together.
struct Group<I> {
    events: Vec<Event<I>>,
    /// For each shard.
    answers: Vec<Vec<Answer<I>>>,
    lists: Vec<List<I>>,
    bytes: usize,
    requests: usize,
}

struct List<I> {
    prefix: Bytes,
    start: Bytes,
    revision: u64,
    limit: usize,
    reply: Sender<Result<OldState<I>, StoreError>>,
}

impl<I> Group<I> {
    fn new(shards: usize) -> Self {
        Self {
            events: Vec::new(),
            answers: (0..shards).map(|_| Vec::new()).collect(),
            lists: Vec::new(),
            bytes: 0,
            requests: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.requests >= limits::STORE_GROUP_MAX || self.bytes >= limits::STORE_GROUP_BYTES_MAX
    }
}

impl<I: Item, D: Disk> Engine<I, D> {
    fn run(mut self) -> Result<(), StoreError> {
        let _guard = AbortOnPanic;
        let waiter = Waiter::new();
        let requests = self.requests.clone();
        let mut more_expired = false;
        loop {
            self.health.beat();
            let first = {
                let mut recv = std::pin::pin!(requests.recv());
                let patience = if more_expired { Duration::ZERO } else { TICK };
                waiter.until(recv.as_mut(), Instant::now() + patience)
            };
            let closed = matches!(first, Some(Err(_)));
            let now = self.now();
            more_expired = self.expire(now);
            if let Some(Ok((shard, request))) = first {
                self.take(shard, request, now);
            }
            while !self.group.is_full()
                && let Ok((shard, request)) = requests.try_recv()
            {
                self.take(shard, request, now);
            }
            self.commit()?;
            self.publish(&waiter);
            self.list();
            self.compact();
            if closed {
                self.health.stopped();
                self.disk.close();
                return Ok(());
            }
        }
    }

    fn now(&self) -> Now {
        let unix_seconds = (self.options.unix_seconds)();
        Now { unix_seconds, compacted: self.history.compacted }
    }

    /// Removes expired keys; answers whether there may be more of them.
    fn expire(&mut self, now: Now) -> bool {
        for _ in 0..limits::STORE_EXPIRE_MAX {
            let Some(txn) = self.state.expired(now.unix_seconds) else { return false };
            if let Ok(event) = self.state.apply(txn, now, &mut self.disk) {
                self.health.expired.fetch_add(1, Relaxed);
                self.group.events.push(event);
            }
        }
        true
    }

    fn take(&mut self, shard: usize, request: Request<I>, now: Now) {
        self.group.requests += 1;
        match request {
            Request::Commit { ticket, txn } => {
                let answer = self.apply(txn, now);
                if let Some(answers) = self.group.answers.get_mut(shard) {
                    answers.push((ticket, answer));
                }
            }
            Request::ListAt { prefix, start, revision, limit, reply } => {
                self.group.lists.push(List { prefix, start, revision, limit, reply });
            }
            // Nobody else writes here: what is applied is all there is.
            Request::Latest { reply } => drop(reply.try_send(Ok(self.committed.load(Relaxed)))),
        }
    }

    fn apply(&mut self, txn: Txn, now: Now) -> Result<Outcome<I>, StoreError> {
        let value_bytes = match &txn.write {
            Write::Delete => 0,
            Write::Put { value, .. } => value.len(),
        };
        if value_bytes > limits::STORED_VALUE_BYTES_MAX
            || txn.key.len() > limits::STORED_KEY_BYTES_MAX
        {
            return Err(StoreError::TooLarge);
        }
        self.group.bytes += value_bytes + txn.key.len();
        match self.state.apply(txn, now, &mut self.disk) {
            Ok(event) => {
                let revision = event.revision;
                // An applied write has at least one side: a delete what stood, a put what stands.
                let Some(item) = event.current.clone().or_else(|| event.previous.clone()) else {
                    return Ok(Outcome::Conflict { current: None });
                };
                self.group.events.push(event);
                Ok(Outcome::Applied { revision, item })
            }
            Err(current) => {
                self.health.conflicts.fetch_add(1, Relaxed);
                Ok(Outcome::Conflict { current })
            }
        }
    }

    /// Makes the group durable; after an error the engine is done.
    fn commit(&mut self) -> Result<(), StoreError> {
        let writes = self.group.events.len();
        if writes == 0 {
            return Ok(());
        }
        // Old records go along with new ones, a bit faster than they come: a write of its own for
        // them would cost a sync, and the newest record must stay to tell the last revision.
        let forgets = self.forget.len().min(limits::STORE_FORGET_MIN.max(writes * 2));
        for revision in self.forget.drain(..forgets) {
            self.disk.forget(revision);
        }
        match self.disk.commit() {
            Ok(timing) => {
                let health = &self.health;
                health.commits.fetch_add(writes as u64, Relaxed);
                health.keys.store(self.state.len() as u64, Relaxed);
                health.group_sizes.record(writes as u64);
                health.write_micros.record(micros(timing.write));
                health.sync_micros.record(micros(timing.sync));
                health.last_sync_micros.store(micros(timing.sync), Relaxed);
                Ok(())
            }
            Err(reason) => {
                self.fail(&reason);
                Err(StoreError::Unavailable(reason))
            }
        }
    }

    /// Answers everybody in the group that nobody knows whether it was written, and gives up.
    fn fail(&mut self, reason: &str) {
        self.health.stopped();
        let revision = self.committed.load(Relaxed);
        for (answers, batches) in self.group.answers.iter_mut().zip(&self.batches) {
            let answers = answers
                .drain(..)
                .map(|(ticket, _)| (ticket, Err(StoreError::Unavailable(reason.to_owned()))))
                .collect();
            // Without waiting: a shard that is behind learns of it by the closed queue.
            let (events, committed) = (Arc::new([]), Ticks::now());
            let batch = Batch { events, answers, lost: false, revision, committed };
            let _ = batches.try_send(batch);
            batches.close();
        }
        for list in self.group.lists.drain(..) {
            let _ = list.reply.try_send(Err(StoreError::Unavailable(reason.to_owned())));
        }
        self.requests.close();
        (self.options.on_failure)(reason);
    }

    /// Tells every shard what is durable now.
    fn publish(&mut self, waiter: &Waiter) {
        let (revision, committed) = (self.state.revision, Ticks::now());
        // Before any batch: whoever learns of a write from its batch then reads a `committed` that
        // covers it, on any shard.
        self.committed.store(revision, Release);
        let events: Arc<[Event<I>]> = std::mem::take(&mut self.group.events).into();
        self.history.push(events.clone(), Instant::now());
        for shard in 0..self.batches.len() {
            let answers = self.group.answers.get_mut(shard).map(std::mem::take).unwrap_or_default();
            if !events.is_empty() || !answers.is_empty() {
                let events = events.clone();
                let batch = Batch { events, answers, lost: false, revision, committed };
                self.send(shard, batch, waiter);
            }
        }
        self.group.bytes = 0;
        self.group.requests = 0;
    }

    fn send(&self, shard: usize, batch: Batch<I>, waiter: &Waiter) {
        let Some(batches) = self.batches.get(shard) else { return };
        let Err(TrySendError::Full(batch)) = batches.try_send(batch) else { return };
        self.health.shard_waits.fetch_add(1, Relaxed);
        let mut send = std::pin::pin!(batches.send(batch));
        let mut closing_since = None;
        while waiter.until(send.as_mut(), Instant::now() + CLOSE_LOOK).is_none() {
            if self.closing.load(Acquire) {
                let since = *closing_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= CLOSE_GRACE {
                    batches.close();
                    return;
                }
            }
        }
    }

    fn list(&mut self) {
        for list in std::mem::take(&mut self.group.lists) {
            let answer = if list.revision > self.state.revision {
                Err(StoreError::Future(self.state.revision))
            } else if list.revision < self.history.compacted {
                Err(StoreError::Compacted(self.history.compacted))
            } else {
                let page = Page {
                    prefix: &list.prefix,
                    start: &list.start,
                    revision: list.revision,
                    limit: list.limit,
                };
                Ok(self.state.list_at(&self.history, &page))
            };
            // Whoever asked may be gone.
            let _ = list.reply.try_send(answer);
        }
    }

    fn compact(&mut self) {
        self.history.compact(Instant::now(), &self.options.retention, &mut self.forget);
        self.compacted.store(self.history.compacted, Release);
        self.health.history_events.store(self.history.events as u64, Relaxed);
        self.health.history_bytes.store(self.history.bytes as u64, Relaxed);
    }
}

/// A panic while the state is half changed must not leave a process that serves it.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Expected;
    use crate::store::disk::Stamp;
    use crate::store::disk::Timing;

    #[derive(Debug)]
    struct Plain(Bytes, u64, Bytes);

    impl Item for Plain {
        fn new(key: Bytes, revision: u64, value: Bytes) -> Self {
            Self(key, revision, value)
        }

        fn key(&self) -> &Bytes {
            &self.0
        }

        fn revision(&self) -> u64 {
            self.1
        }

        fn value(&self) -> &Bytes {
            &self.2
        }
    }

    /// A disk that takes so many groups.
    struct Failing(u32);

    impl Disk for Failing {
        fn put(&mut self, _stamp: Stamp, key: Bytes, value: Bytes) -> (Bytes, Bytes) {
            (key, value)
        }

        fn delete(&mut self, _stamp: Stamp, _key: &Bytes) {}

        fn forget(&mut self, _revision: u64) {}

        fn commit(&mut self) -> Result<Timing, String> {
            self.0 = self.0.checked_sub(1).ok_or("no space")?;
            Ok(Timing::default())
        }

        fn close(self) {}
    }

    fn create(link: &Link<Plain>, ticket: u64) {
        let key = Bytes::from(format!("/{ticket}"));
        let write = Write::Put { value: Bytes::new(), ttl_seconds: None };
        let txn = Txn { key, expected: Expected::Absent, write };
        let request = Request::Commit { ticket, txn };
        link.requests.send_blocking((link.shard, request)).expect("takes requests");
    }

    #[test]
    fn a_failed_write_is_shown_to_nobody_and_ends_the_store() {
        let failures = Arc::new(AtomicU64::new(0));
        let counter = failures.clone();
        let mut options = Options::new(2);
        options.on_failure = Arc::new(move |reason| {
            assert_eq!(reason, "no space");
            counter.fetch_add(1, Relaxed);
        });
        let (opened, handle) =
            start::<Plain, _>(Loaded::empty(), Failing(1), &options).expect("starts");
        let [link, other] = &opened.links[..] else { panic!("two links") };
        create(link, 1);
        let batch = link.batches.recv_blocking().expect("a batch");
        assert!(matches!(batch.answers[..], [(1, Ok(Outcome::Applied { revision: 2, .. }))]));
        create(link, 2);
        let batch = link.batches.recv_blocking().expect("a batch");
        assert!(matches!(&batch.answers[..], [(2, Err(StoreError::Unavailable(_)))]));
        assert!(batch.events.is_empty());
        assert_eq!((batch.revision, link.committed.load(Acquire)), (2, 2));
        assert!(link.batches.recv_blocking().is_err(), "nothing comes after it");
        assert_eq!(other.batches.recv_blocking().expect("a batch").events.len(), 1);
        assert!(other.batches.recv_blocking().expect("a batch").events.is_empty());
        assert!(!handle.health().alive());
        assert!(handle.close().is_err());
        assert_eq!(failures.load(Relaxed), 1);
    }
}
