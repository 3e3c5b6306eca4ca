//! The store's thread: what its tasks share, its start and its end.

use crate::base::limits::{ETCD_CALLS_MAX, ETCD_EVENT_SECONDS_MAX, STORE_BATCH_QUEUE_MAX};
use crate::seal::Sealer;
use crate::store::Batch;
use crate::store::Health;
use crate::store::Item;
use crate::store::Link;
use crate::store::Opened;
use crate::store::Request;
use crate::store::StoreError;
use crate::store::etcd::Servers;
use crate::store::etcd::cluster::Cluster;
use crate::store::etcd::compact;
use crate::store::etcd::feed;
use crate::store::etcd::figures::Figures;
use crate::store::etcd::keys::Keys;
use crate::store::etcd::latest;
use crate::store::etcd::latest::Latest;
use crate::store::etcd::lease::Leases;
use crate::store::etcd::list;
use crate::store::etcd::load;
use crate::store::etcd::outbox::Outbox;
use crate::store::etcd::state::State;
use crate::store::etcd::write;
use async_channel::Receiver;
use async_channel::Sender;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::task::LocalSet;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long answers may still go to shards when the store is closed.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// A request and the shard that it comes from.
type Asked<I> = (usize, Request<I>);

/// What the thread is started with.
pub(super) struct Start<I> {
    pub(super) servers: Servers,
    pub(super) shards: usize,
    pub(super) sealer: Option<Arc<Sealer>>,
    pub(super) queue: (Sender<Asked<I>>, Receiver<Asked<I>>),
    pub(super) figures: Arc<Figures>,
    pub(super) health: Arc<Health>,
    pub(super) closing: Arc<AtomicBool>,
    pub(super) told: mpsc::Sender<News<I>>,
}

/// What the thread tells whoever started it.
pub(super) enum News<I> {
    /// So many keys were read so far.
    Read(u64),
    /// It serves.
    Opened(Box<Opened<I>>),
    /// It has given up.
    Failed(String),
}

/// What all tasks share.
pub(super) struct Core<I> {
    pub(super) servers: Servers,
    pub(super) cluster: Cluster,
    pub(super) keys: Keys,
    pub(super) figures: Arc<Figures>,
    pub(super) health: Arc<Health>,
    pub(super) state: RefCell<State<I>>,
    pub(super) outbox: Outbox<I>,
    pub(super) leases: Leases,
    pub(super) latest: Latest,
    pub(super) compacted: Arc<AtomicU64>,
    /// The highest revision that any answer has told.
    pub(super) seen: Cell<u64>,
}

impl<I: Item> Core<I> {
    /// Notes the revision of an answer.
    pub(super) fn saw(&self, revision: u64) {
        self.seen.set(self.seen.get().max(revision));
    }

    /// Revisions up to this one are compacted.
    pub(super) fn note_compacted(&self, revision: u64) {
        self.compacted.fetch_max(revision, Relaxed);
    }
}

/// A revision as etcd counts, which is never below zero.
pub(super) fn revision(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A revision as etcd takes it; one beyond all is in the future.
pub(super) fn number(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// The thread's life.
pub(super) fn run<I: Item>(start: Start<I>) -> Result<(), StoreError> {
    let _guard = AbortOnPanic;
    let health = start.health.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, live(start)),
        Err(error) => {
            drop(start.told.send(News::Failed(format!("no runtime: {error}"))));
            Ok(())
        }
    };
    health.stopped();
    ended
}

async fn live<I: Item>(start: Start<I>) -> Result<(), StoreError> {
    let Start { servers, shards, sealer, queue: (sender, requests), .. } = start;
    let Start { figures, health, closing, told, .. } = start;
    let keys = Keys::new(&servers, sealer);
    let cluster = match Box::pin(Cluster::new(&servers, figures.clone())).await {
        Ok(cluster) => cluster,
        Err(reason) => return give_up(&told, reason),
    };
    let tell = |keys| drop(told.send(News::Read(keys)));
    let loaded = match load::load(&cluster, &keys, servers.start_patience, &tell).await {
        Ok(loaded) => loaded,
        Err(reason) => return give_up(&told, reason),
    };
    let committed = Arc::new(AtomicU64::new(loaded.revision));
    let compacted = Arc::new(AtomicU64::new(loaded.floor));
    let (batches, links) = links(shards, &sender, &committed, &compacted);
    drop(sender);
    let opened = Opened {
        state: loaded.state.sorted(),
        history: loaded.history,
        revision: loaded.revision,
        compacted: loaded.floor,
        links,
    };
    health.keys.store(loaded.state.len() as u64, Relaxed);
    let core = Rc::new(Core {
        cluster,
        keys,
        figures,
        state: RefCell::new(loaded.state),
        outbox: Outbox::new(batches, committed, health.clone()),
        health,
        leases: Leases::new(servers.lease_reuse_seconds),
        latest: Latest::new(),
        compacted,
        seen: Cell::new(loaded.revision),
        servers,
    });
    drop(told.send(News::Opened(Box::new(opened))));
    serve(core, requests, loaded.stream, &closing).await;
    Ok(())
}

fn give_up<I>(told: &mpsc::Sender<News<I>>, reason: String) -> Result<(), StoreError> {
    drop(told.send(News::Failed(reason)));
    Ok(())
}

type Links<I> = (Vec<Sender<Batch<I>>>, Vec<Link<I>>);

fn links<I>(
    shards: usize,
    requests: &Sender<Asked<I>>,
    committed: &Arc<AtomicU64>,
    compacted: &Arc<AtomicU64>,
) -> Links<I> {
    let link = |shard| {
        let (batches, receiver) = async_channel::bounded(STORE_BATCH_QUEUE_MAX);
        let link = Link {
            requests: requests.clone(),
            batches: receiver,
            shard,
            committed: committed.clone(),
            compacted: compacted.clone(),
            is_shared: true,
        };
        (batches, link)
    };
    (0..shards).map(link).unzip()
}

/// Until no more requests can come; then those under way are seen through.
async fn serve<I: Item>(
    core: Rc<Core<I>>,
    requests: Receiver<Asked<I>>,
    stream: Option<etcd_client::WatchStream>,
    closing: &AtomicBool,
) {
    let answers = core.clone();
    let tasks = [
        spawn(feed::follow(core.clone(), stream)),
        spawn(latest::serve(core.clone())),
        spawn(compact::compact(core.clone())),
        spawn(compact::poll_size(core.clone())),
        spawn(tick(core.clone())),
        spawn(async move { answers.outbox.send_answers().await }),
    ];
    let room = Arc::new(Semaphore::new(ETCD_CALLS_MAX));
    while let Ok((shard, request)) = requests.recv().await {
        // Closed never.
        let Ok(place) = room.clone().acquire_owned().await else { break };
        let core = core.clone();
        match request {
            Request::Commit { ticket, txn } => {
                spawn(async move {
                    write::commit(&core, shard, ticket, txn).await;
                    drop(place);
                });
            }
            Request::ListAt { prefix, start, revision, limit, reply } => {
                let page = list::Page { prefix, start, revision, limit };
                spawn(async move {
                    let answer = list::list_at(&core, page).await;
                    // Whoever asked may be gone.
                    drop(reply.try_send(answer));
                    drop(place);
                });
            }
            Request::Latest { reply } => core.latest.ask(reply),
        }
    }
    let all = u32::try_from(ETCD_CALLS_MAX).unwrap_or(u32::MAX);
    drop(room.acquire_many(all).await);
    let deadline = tokio::time::Instant::now() + CLOSE_GRACE;
    while !core.outbox.is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    debug_assert!(closing.load(Relaxed) || requests.is_closed());
    tasks.iter().for_each(JoinHandle::abort);
    // A task that waits for a shard's queue ends here, and with it the queues.
    for task in tasks {
        drop(task.await);
    }
}

fn spawn(task: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    tokio::task::spawn_local(async move {
        let _guard = AbortOnPanic;
        task.await;
    })
}

/// What is done by the clock.
async fn tick<I: Item>(core: Rc<Core<I>>) {
    loop {
        core.health.beat();
        core.health.keys.store(core.state.borrow().len() as u64, Relaxed);
        core.outbox.answer_overdue(Duration::from_secs(ETCD_EVENT_SECONDS_MAX));
        if core.figures.silent_for() >= Duration::from_secs(1) {
            core.latest.probe();
        }
        tokio::time::sleep(TICK).await;
    }
}

/// A panic of a task would leave a store that answers nothing.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
