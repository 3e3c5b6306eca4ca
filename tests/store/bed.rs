//! A plain client of a store: what a shard does, without a shard.

use bytes::Bytes;
use kubering::store::Batch;
use kubering::store::Event;
use kubering::store::Expected;
use kubering::store::Handle;
use kubering::store::Item;
use kubering::store::Link;
use kubering::store::OldState;
use kubering::store::Opened;
use kubering::store::Options;
use kubering::store::Outcome;
use kubering::store::Request;
use kubering::store::StoreError;
use kubering::store::Txn;
use kubering::store::Write;
use kubering::store::embedded;
use kubering::store::memory;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An item that is nothing more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    key: Bytes,
    revision: u64,
    value: Bytes,
}

impl Item for Plain {
    fn new(key: Bytes, revision: u64, value: Bytes) -> Self {
        Self { key, revision, value }
    }

    fn key(&self) -> &Bytes {
        &self.key
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn value(&self) -> &Bytes {
        &self.value
    }
}

/// A backend that can be opened; again and again, if it keeps anything.
pub(crate) trait Bed {
    fn open(&self, options: &Options) -> (Opened<Plain>, Handle);
}

pub(crate) struct Memory;

impl Bed for Memory {
    fn open(&self, options: &Options) -> (Opened<Plain>, Handle) {
        memory::open(options).expect("opens")
    }
}

/// A data directory that goes away with it.
pub(crate) struct Embedded {
    pub(crate) directory: tempfile::TempDir,
}

impl Embedded {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }
}

impl Bed for Embedded {
    fn open(&self, options: &Options) -> (Opened<Plain>, Handle) {
        embedded::open(self.directory.path(), options, &mut |_| ()).expect("opens")
    }
}

/// One shard's end, used from one thread.
pub(crate) struct Shard {
    pub(crate) link: Link<Plain>,
    pub(crate) events: Vec<Event<Plain>>,
    /// Batches that told of lost changes.
    pub(crate) losses: usize,
    answers: Vec<(u64, Result<Outcome<Plain>, StoreError>)>,
    tickets: u64,
}

impl Shard {
    pub(crate) fn new(link: Link<Plain>) -> Self {
        Self { link, events: Vec::new(), losses: 0, answers: Vec::new(), tickets: 0 }
    }

    /// Sends without waiting for the answer.
    pub(crate) fn send(&mut self, txn: Txn) -> u64 {
        self.tickets += 1;
        let request = Request::Commit { ticket: self.tickets, txn };
        self.link.requests.send_blocking((self.link.shard, request)).expect("store is open");
        self.tickets
    }

    /// Takes batches until the answer is there.
    pub(crate) fn answer(&mut self, ticket: u64) -> Result<Outcome<Plain>, StoreError> {
        loop {
            if let Some(at) = self.answers.iter().position(|(found, _)| *found == ticket) {
                return self.answers.swap_remove(at).1;
            }
            let Ok(batch) = self.link.batches.recv_blocking() else {
                return Err(StoreError::Unavailable("queue closed".to_owned()));
            };
            self.take(batch);
        }
    }

    fn take(&mut self, batch: Batch<Plain>) {
        assert!(batch.revision <= self.link.committed.load(Ordering::Acquire));
        if let Some(last) = batch.events.last() {
            assert!(last.revision <= batch.revision);
        }
        self.losses += usize::from(batch.lost);
        self.events.extend(batch.events.iter().cloned());
        self.answers.extend(batch.answers);
    }

    pub(crate) fn commit(&mut self, txn: Txn) -> Result<Outcome<Plain>, StoreError> {
        let ticket = self.send(txn);
        self.answer(ticket)
    }

    /// Takes batches until a revision has been published.
    pub(crate) fn reach(&mut self, revision: u64) {
        while self.events.last().is_none_or(|event| event.revision < revision) {
            let batch = self.link.batches.recv_blocking().expect("store is open");
            self.take(batch);
        }
    }

    /// Takes what is there.
    pub(crate) fn drain(&mut self) {
        while let Ok(batch) = self.link.batches.try_recv() {
            self.take(batch);
        }
    }

    /// The revision of a write that must succeed.
    pub(crate) fn apply(&mut self, txn: Txn) -> u64 {
        match self.commit(txn) {
            Ok(Outcome::Applied { revision, .. }) => revision,
            other => panic!("not applied: {other:?}"),
        }
    }

    pub(crate) fn create(&mut self, key: &str, value: &str) -> u64 {
        self.apply(put(key, Expected::Absent, value))
    }

    pub(crate) fn update(&mut self, key: &str, revision: u64, value: &str) -> u64 {
        self.apply(put(key, Expected::Revision(revision), value))
    }

    pub(crate) fn delete(&mut self, key: &str, revision: u64) -> u64 {
        self.apply(delete(key, Expected::Revision(revision)))
    }

    pub(crate) fn list_at(&self, page: Page<'_>) -> Result<OldState<Plain>, StoreError> {
        let (reply, answer) = async_channel::bounded(1);
        let request = Request::ListAt {
            prefix: Bytes::copy_from_slice(page.prefix.as_bytes()),
            start: Bytes::copy_from_slice(page.start.as_bytes()),
            revision: page.revision,
            limit: page.limit,
            reply,
        };
        self.link.requests.send_blocking((self.link.shard, request)).expect("store is open");
        answer.recv_blocking().expect("answered")
    }

    pub(crate) fn latest(&self) -> Result<u64, StoreError> {
        let (reply, answer) = async_channel::bounded(1);
        let request = Request::Latest { reply };
        self.link.requests.send_blocking((self.link.shard, request)).expect("store is open");
        answer.recv_blocking().expect("answered")
    }

    /// Everything at a revision, as `key=value` texts.
    pub(crate) fn texts_at(&self, revision: u64) -> Vec<String> {
        let page = Page { prefix: "", start: "", revision, limit: 0 };
        self.list_at(page).expect("known").items.iter().map(|item| text(item)).collect()
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) start: &'a str,
    pub(crate) revision: u64,
    pub(crate) limit: usize,
}

pub(crate) fn put(key: &str, expected: Expected, value: &str) -> Txn {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Txn {
        key: Bytes::copy_from_slice(key.as_bytes()),
        expected,
        write: Write::Put { value, ttl_seconds: None },
    }
}

pub(crate) fn put_for(key: &str, expected: Expected, seconds: u32) -> Txn {
    let value = Bytes::from_static(b"short");
    Txn {
        key: Bytes::copy_from_slice(key.as_bytes()),
        expected,
        write: Write::Put { value, ttl_seconds: Some(seconds) },
    }
}

pub(crate) fn delete(key: &str, expected: Expected) -> Txn {
    Txn { key: Bytes::copy_from_slice(key.as_bytes()), expected, write: Write::Delete }
}

pub(crate) fn text(item: &Plain) -> String {
    format!("{}={}", String::from_utf8_lossy(&item.key), String::from_utf8_lossy(&item.value))
}

/// An event as `revision:before->after`.
pub(crate) fn event_text(event: &Event<Plain>) -> String {
    let side = |item: &Option<Arc<Plain>>| item.as_ref().map_or("-".to_owned(), |item| text(item));
    format!("{}:{}->{}", event.revision, side(&event.previous), side(&event.current))
}

/// Opens a backend for a number of shards with default options.
pub(crate) fn open(bed: &dyn Bed, shards: usize) -> (Vec<Shard>, Handle) {
    let (opened, handle) = bed.open(&Options::new(shards));
    (opened.links.into_iter().map(Shard::new).collect(), handle)
}
