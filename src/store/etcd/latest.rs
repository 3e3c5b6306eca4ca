//! The last revision of etcd, for linearizable reads: all that wait share one read.
//!
//! Whoever comes while a read is under way waits for the next one: a read that began earlier may
//! have missed a write that this asker has already seen acknowledged.

use crate::store::Item;
use crate::store::StoreError;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::figures::EVERYTHING;
use crate::store::etcd::figures::Operation;
use crate::store::etcd::serve::Core;
use crate::store::etcd::serve::revision;
use async_channel::Sender;
use etcd_client::GetOptions;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::Notify;

type Asker = Sender<Result<u64, StoreError>>;

/// Those who wait.
pub(super) struct Latest {
    /// At most one for each shard, which lets its own reads share one.
    waiting: RefCell<Vec<Asker>>,
    wake: Notify,
}

impl Latest {
    pub(super) fn new() -> Self {
        Self { waiting: RefCell::default(), wake: Notify::new() }
    }

    /// Answers with a revision that was the last one at some moment after now.
    pub(super) fn ask(&self, asker: Asker) {
        self.waiting.borrow_mut().push(asker);
        self.wake.notify_one();
    }

    /// Reads the revision though nobody asks, to see whether etcd answers.
    pub(super) fn probe(&self) {
        self.wake.notify_one();
    }
}

/// Answers askers; for ever.
pub(super) async fn serve<I: Item>(core: Rc<Core<I>>) {
    loop {
        core.latest.wake.notified().await;
        let askers = std::mem::take(&mut *core.latest.waiting.borrow_mut());
        let read = read(&core).await;
        let answer = read.map_err(|fault| {
            fault.into_error(core.compacted.load(Relaxed), core.outbox.revision())
        });
        for asker in askers {
            // Whoever asked may be gone.
            drop(asker.try_send(answer.clone()));
        }
        if !core.latest.waiting.borrow().is_empty() {
            core.latest.wake.notify_one();
        }
    }
}

async fn read<I: Item>(core: &Core<I>) -> Result<u64, Fault> {
    let probe = core.keys.probe();
    let answer = core.cluster.read((Operation::Get, EVERYTHING), async |mut kv| {
        kv.get(probe.clone(), Some(GetOptions::new().with_count_only())).await
    });
    let answer = answer.await?;
    let last = answer.header().map_or(0, |header| revision(header.revision()));
    core.saw(last);
    Ok(last)
}
