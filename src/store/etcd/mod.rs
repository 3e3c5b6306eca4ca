//! The backend on an etcd cluster, as kube-apiserver uses it: the same keys, bytes, transactions,
//! leases and compaction, so that both can work on one etcd at the same time.
//!
//! A thread of its own runs tokio, which etcd-client needs; shards see nothing of it but the queues
//! of every backend. It holds a pointer to every item, to tell what stood before each change.
//!
//! - Start (`load`): all keys in pages at one revision somewhat in the past, then the changes since
//!   then, so that windows reach back and clients resume after a restart.
//! - Changes (`feed`): one watch of all keys of the cluster, ours or not. So every revision there
//!   ever is comes along the watch, and a linearizable read knows when it has been reached;
//!   progress notifications, which some versions of etcd send too early, are not needed. A watch
//!   that breaks, or falls behind what a member has told, is started anew on another member from
//!   the next revision. If that was compacted, the state is read anew and the batch says so.
//! - Writes (`write`): one transaction each that compares the mod revision, as many at once as
//!   come. They are made again only when nothing can have been sent. The answer waits for the
//!   event (`outbox`).
//! - Linearizable reads (`latest`): all that wait share one read of the revision.
//!
//! Queues: requests as in every backend; of those taken, `ETCD_CALLS_MAX` are under way at once.

mod cluster;
mod compact;
mod fault;
mod feed;
mod figures;
mod keys;
mod latest;
mod lease;
mod list;
mod load;
mod outbox;
mod serve;
mod state;
mod write;

pub use figures::Buckets;
pub use figures::Calls;
pub use figures::Figures;
pub use figures::Operation;
pub use figures::Subject;

use crate::base::limits;
use crate::store::Handle;
use crate::store::Health;
use crate::store::Item;
use crate::store::OpenError;
use crate::store::Opened;
use crate::store::Options;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

/// Which etcd, and how it is used.
#[derive(Debug, Clone)]
pub struct Servers {
    /// URLs of the members (`--etcd-servers`).
    pub endpoints: Vec<String>,
    /// CA of their certificates, PEM; the system's if none (`--etcd-cafile`).
    pub ca_file: Option<PathBuf>,
    /// Client certificate, PEM (`--etcd-certfile`).
    pub certificate_file: Option<PathBuf>,
    /// Its key, PEM; given together with it (`--etcd-keyfile`).
    pub key_file: Option<PathBuf>,
    /// What keys begin with there, instead of `/registry` (`--etcd-prefix`). Empty: all keys are
    /// ours and are the same there.
    pub prefix: String,
    /// Beginnings of keys, as `/registry/events/`: if there are any, only those keys are ours.
    pub only: Vec<&'static str>,
    /// Beginnings of keys that another store keeps, whatever stands there
    /// (`--etcd-servers-overrides`).
    pub except: Vec<&'static str>,
    /// How often old revisions are compacted; zero for never (`--etcd-compaction-interval`).
    pub compaction_interval: Duration,
    /// How much longer than asked a lease may live, to be used for several keys
    /// (`--lease-reuse-duration-seconds`).
    pub lease_reuse_seconds: u32,
    /// How often the size of the database is asked for; zero for never
    /// (`--etcd-db-metric-poll-interval`).
    pub db_poll_interval: Duration,
    /// How long a start waits for etcd.
    pub start_patience: Duration,
    /// The core that the thread is pinned to; it floats if none.
    pub core: Option<usize>,
}

/// Connects, loads everything and starts following. `progress` is told how many keys were read.
///
/// # Errors
/// Certificates cannot be read, or etcd refuses, or cannot be reached within the patience.
pub fn open<I: Item>(
    servers: &Servers,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<(Opened<I>, Handle), OpenError> {
    let figures = Arc::new(Figures::new());
    let health = Arc::new(Health::of_etcd(figures.clone()));
    let closing = Arc::new(AtomicBool::new(false));
    let (sender, requests) = async_channel::bounded(limits::STORE_QUEUE_MAX);
    let (told, news) = mpsc::channel();
    let start = serve::Start {
        servers: servers.clone(),
        shards: options.shards.max(1),
        sealer: options.sealer.clone(),
        queue: (sender.clone(), requests),
        figures,
        health: health.clone(),
        closing: closing.clone(),
        told,
    };
    let failed = |reason: String| OpenError::Etcd { reason };
    let core = servers.core;
    let thread = std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || {
            if let Some(id) = core {
                core_affinity::set_for_current(core_affinity::CoreId { id });
            }
            serve::run(start)
        })
        .map_err(|error| failed(format!("no thread for it: {error}")))?;
    let opened = loop {
        match news.recv() {
            Ok(serve::News::Read(keys)) => progress(keys),
            Ok(serve::News::Opened(opened)) => break *opened,
            Ok(serve::News::Failed(reason)) => return Err(failed(reason)),
            Err(_) => return Err(failed("its thread ended".to_owned())),
        }
    };
    let close_requests = Box::new(move || {
        sender.close();
    });
    Ok((opened, Handle { thread: Some(thread), closing, close_requests, health }))
}
