//! Following etcd: one watch of everything, started anew where it broke, and what comes of it.

use crate::base::limits::{ETCD_BATCH_CHANGES_MAX, ETCD_BEHIND_SECONDS_MAX, ETCD_READ_SECONDS_MAX};
use crate::store::etcd::cluster::Cluster;
use crate::store::etcd::cluster::Pause;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::keys::COMPACTION;
use crate::store::etcd::keys::Keys;
use crate::store::etcd::load;
use crate::store::etcd::serve::Core;
use crate::store::etcd::serve::number;
use crate::store::etcd::serve::revision;
use crate::store::etcd::state::Change;
use crate::store::{Event, Item};
use bytes::Bytes;
use etcd_client::WatchOptions;
use etcd_client::WatchResponse;
use etcd_client::WatchStream;
use etcd_client::proto::PbEvent;
use futures_lite::future::poll_once;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often a silent watch is compared with what members have told.
const LOOK: Duration = Duration::from_millis(500);

/// What a message of the watch says.
pub(super) enum News {
    /// The member has ended the watch.
    Cancelled(String),
    /// The watch cannot go on: revisions up to this one are compacted.
    Compacted(u64),
    /// What changed.
    Changes {
        /// Of our keys, in order.
        changes: Vec<Change>,
        /// The last revision of all changes, also of keys that are not ours; 0 if there is none.
        revision: u64,
        /// A compaction that the servers have agreed on.
        compacted: Option<u64>,
    },
}

/// Starts a watch of everything at a revision, on the member in use.
pub(super) async fn start(cluster: &Cluster, from: u64) -> Result<(usize, WatchStream), Fault> {
    let (member, mut client) = cluster.watch();
    let options = WatchOptions::new().with_range([0]).with_start_revision(number(from));
    let watch = client.watch([0], Some(options));
    let patience = Duration::from_secs(ETCD_READ_SECONDS_MAX);
    let started = tokio::time::timeout(patience, watch).await;
    let fault = match started {
        Ok(Ok(stream)) => return Ok((member, stream)),
        Ok(Err(error)) => Fault::from(error),
        Err(_) => Fault::Timeout,
    };
    cluster.failed(member);
    Err(fault)
}

/// The compacted revision, if a revision is below it.
pub(super) async fn oldest(cluster: &Cluster, from: u64) -> Result<Option<u64>, Fault> {
    let (_, mut stream) = start(cluster, from).await?;
    let patience = Duration::from_secs(ETCD_READ_SECONDS_MAX);
    for _ in 0..2 {
        let message = tokio::time::timeout(patience, stream.message());
        let Some(message) = message.await.map_err(|_| Fault::Timeout)?? else { return Ok(None) };
        if message.canceled() {
            return Ok(Some(revision(message.compact_revision())).filter(|oldest| *oldest > 0));
        }
    }
    Ok(None)
}

/// Reads a message; changes up to `after` are known already.
pub(super) async fn read(keys: &Keys, message: WatchResponse, after: u64) -> News {
    let message = message.0;
    if message.canceled {
        return match revision(message.compact_revision) {
            0 => News::Cancelled(message.cancel_reason),
            oldest => News::Compacted(oldest),
        };
    }
    let mut changes = Vec::with_capacity(message.events.len());
    let (mut last, mut compacted) = (0, None);
    for event in message.events {
        let is_put = event.r#type == PbEvent::default().r#type;
        let Some(kv) = event.kv else { continue };
        let revision = revision(kv.mod_revision);
        last = revision.max(last);
        if revision <= after {
            continue;
        }
        if kv.key == COMPACTION {
            compacted = std::str::from_utf8(&kv.value).ok().and_then(|text| text.parse().ok());
        } else if let Some(key) = keys.inward(kv.key) {
            let value = match is_put {
                true => Some(keys.opened(&key, kv.value.into()).await),
                false => None,
            };
            changes.push(Change { key, revision, value });
        }
    }
    News::Changes { changes, revision: last, compacted }
}

/// Why a watch is over.
enum End {
    Broken(String),
    Compacted(u64),
}

/// Follows for ever.
pub(super) async fn follow<I: Item>(core: Rc<Core<I>>, mut first: Option<WatchStream>) {
    let mut pause = Pause::new();
    loop {
        let from = core.outbox.revision() + 1;
        let started = match first.take() {
            Some(stream) => Ok((core.cluster.kv().0, stream)),
            None => start(&core.cluster, from).await,
        };
        let (member, mut stream) = match started {
            Ok(started) => started,
            Err(fault) => {
                log::debug!("etcd: no watch: {fault:?}");
                pause.wait().await;
                continue;
            }
        };
        let end = run(&core, &mut stream).await;
        drop(stream);
        if core.outbox.revision() + 1 > from {
            pause = Pause::new();
        }
        core.figures.watch_restarts.fetch_add(1, Relaxed);
        match end {
            End::Broken(reason) => {
                log::warn!("etcd: the watch at {} broke: {reason}", core.cluster.url(member));
                core.cluster.failed(member);
                pause.wait().await;
            }
            End::Compacted(oldest) => {
                log::warn!("etcd: changes up to {oldest} are compacted: reading all keys anew");
                read_anew(&core, oldest).await;
            }
        }
    }
}

async fn run<I: Item>(core: &Core<I>, stream: &mut WatchStream) -> End {
    let mut behind = Duration::ZERO;
    loop {
        open_missed(core).await;
        let message = match tokio::time::timeout(LOOK, stream.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => return End::Broken("the member ended it".to_owned()),
            Ok(Err(error)) => return End::Broken(error.to_string()),
            Err(_) if core.seen.get() > core.outbox.revision() => {
                behind += LOOK;
                if behind >= Duration::from_secs(ETCD_BEHIND_SECONDS_MAX) {
                    return End::Broken(format!("revision {} does not come", core.seen.get()));
                }
                continue;
            }
            Err(_) => {
                behind = Duration::ZERO;
                continue;
            }
        };
        behind = Duration::ZERO;
        core.figures.heard();
        if let Some(end) = take(core, stream, message).await {
            return end;
        }
    }
}

/// Publishes what a message tells, together with those that have come behind it.
async fn take<I: Item>(
    core: &Core<I>,
    stream: &mut WatchStream,
    first: WatchResponse,
) -> Option<End> {
    let after = core.outbox.revision();
    let (mut events, mut reached, mut end) = (Vec::new(), after, None);
    let mut next = Some(first);
    while let Some(message) = next.take() {
        match read(&core.keys, message, reached).await {
            News::Cancelled(reason) => end = Some(End::Broken(reason)),
            News::Compacted(oldest) => end = Some(End::Compacted(oldest)),
            News::Changes { changes, revision, compacted } => {
                let mut state = core.state.borrow_mut();
                events.extend(changes.into_iter().filter_map(|change| state.apply(change)));
                reached = reached.max(revision);
                compacted.into_iter().for_each(|revision| core.note_compacted(revision));
            }
        }
        if end.is_none() && events.len() < ETCD_BATCH_CHANGES_MAX {
            next = poll_once(stream.message()).await.and_then(Result::ok).flatten();
        }
    }
    core.saw(reached);
    if reached > after {
        core.health.commits.fetch_add(events.len() as u64, Relaxed);
        core.outbox.publish(events, reached, false).await;
    }
    end
}

/// Opens what could not be opened before, now that the plugin that has its key is back. Whoever
/// watches such objects has missed them and starts anew.
async fn open_missed<I: Item>(core: &Core<I>) {
    let mut events = Vec::new();
    for key in core.keys.take_missed() {
        let known = core.state.borrow().get(&key).cloned();
        let Some(known) = known else { continue };
        let stored = Bytes::copy_from_slice(known.value());
        let value = core.keys.opened(&key, stored.clone()).await;
        if value != stored {
            let change = Change { key, revision: known.revision(), value: Some(value) };
            let event = core.state.borrow_mut().apply(change);
            // It comes now, of whatever revision the value is.
            let revision = core.outbox.revision();
            events.extend(event.map(|event| Event { revision, ..event }));
        }
    }
    if !events.is_empty() {
        log::info!("{} values were opened that had to wait for their plugin", events.len());
        core.outbox.publish(events, core.outbox.revision(), true).await;
    }
}

/// Reads everything, and publishes what that changes.
async fn read_anew<I: Item>(core: &Core<I>, oldest: u64) {
    let mut pause = Pause::new();
    core.figures.resyncs.fetch_add(1, Relaxed);
    loop {
        match load::read_all(&core.cluster, &core.keys, 0, &|_| ()).await {
            Ok(read) => {
                core.note_compacted(oldest);
                core.saw(read.revision);
                let events = core.state.borrow_mut().replace(read.items, read.revision);
                core.outbox.publish(events, read.revision, true).await;
                return;
            }
            Err(fault) => {
                log::warn!("etcd: the keys cannot be read: {fault:?}");
                pause.wait().await;
            }
        }
    }
}
