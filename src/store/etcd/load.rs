//! The start: the state somewhat in the past, then what changed since.

use crate::base::limits::{ETCD_HISTORY_REVISIONS_MAX, ETCD_READ_SECONDS_MAX};
use crate::store::Event;
use crate::store::Item;
use crate::store::etcd::cluster::Cluster;
use crate::store::etcd::cluster::Pause;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::feed;
use crate::store::etcd::feed::News;
use crate::store::etcd::figures::EVERYTHING;
use crate::store::etcd::figures::Operation;
use crate::store::etcd::keys::Keys;
use crate::store::etcd::list;
use crate::store::etcd::list::Range;
use crate::store::etcd::list::Read;
use crate::store::etcd::serve::revision;
use crate::store::etcd::state::State;
use etcd_client::GetOptions;
use etcd_client::WatchStream;
use std::time::Duration;
use tokio::time::Instant;

/// How often a start that waits says so.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

/// What was found.
pub(super) struct Loaded<I> {
    pub(super) state: State<I>,
    /// All changes after `floor`.
    pub(super) history: Vec<Event<I>>,
    pub(super) floor: u64,
    pub(super) revision: u64,
    /// The watch that goes on after `revision`.
    pub(super) stream: Option<WatchStream>,
}

/// Loads everything, again and again until it works or the patience is over.
pub(super) async fn load<I: Item>(
    cluster: &Cluster,
    keys: &Keys,
    patience: Duration,
    tell: &dyn Fn(u64),
) -> Result<Loaded<I>, String> {
    let deadline = Instant::now() + patience;
    let mut told = Instant::now();
    let mut pause = Pause::new();
    loop {
        let fault = match attempt(cluster, keys, tell).await {
            Ok(loaded) => return Ok(loaded),
            Err(fault) => fault,
        };
        let text = format!("{}: {}", cluster.current_url(), fault.clone().into_error(0, 0));
        // Compaction went on meanwhile: once more, from what is still there.
        let passes = fault.is_of_the_member() || fault == Fault::Compacted;
        if !passes || Instant::now() >= deadline {
            return Err(text);
        }
        if told.elapsed() >= TELL_INTERVAL {
            told = Instant::now();
            log::warn!("etcd does not answer yet: {text}");
        }
        pause.wait().await;
    }
}

async fn attempt<I: Item>(
    cluster: &Cluster,
    keys: &Keys,
    tell: &dyn Fn(u64),
) -> Result<Loaded<I>, Fault> {
    let last = last_revision(cluster, keys).await?;
    let wanted = last.saturating_sub(ETCD_HISTORY_REVISIONS_MAX).max(1);
    let (floor, read) = match read_all(cluster, keys, wanted, tell).await {
        Err(Fault::Compacted) => {
            let floor = feed::oldest(cluster, wanted).await?.unwrap_or(last);
            (floor, read_all(cluster, keys, floor, tell).await?)
        }
        read => (wanted, read?),
    };
    let mut state = State::new();
    for item in read.items {
        state.put(item);
    }
    let mut loaded = Loaded { state, history: Vec::new(), floor, revision: floor, stream: None };
    if floor < last {
        catch_up(cluster, keys, &mut loaded, last).await?;
    }
    Ok(loaded)
}

/// All that is ours, at a revision; 0 for the last.
pub(super) async fn read_all<I: Item>(
    cluster: &Cluster,
    keys: &Keys,
    revision: u64,
    tell: &dyn Fn(u64),
) -> Result<Read<I>, Fault> {
    let (start, end) = keys.range();
    list::read(cluster, keys, Range { start, end, revision, limit: 0, of: EVERYTHING }, tell).await
}

async fn last_revision(cluster: &Cluster, keys: &Keys) -> Result<u64, Fault> {
    let answer = cluster.read((Operation::Get, EVERYTHING), async |mut kv| {
        kv.get(keys.probe(), Some(GetOptions::new().with_count_only())).await
    });
    let answer = answer.await?;
    Ok(answer.header().map_or(0, |header| revision(header.revision())))
}

/// Follows the watch up to a revision.
async fn catch_up<I: Item>(
    cluster: &Cluster,
    keys: &Keys,
    loaded: &mut Loaded<I>,
    last: u64,
) -> Result<(), Fault> {
    let (_, mut stream) = feed::start(cluster, loaded.floor + 1).await?;
    let patience = Duration::from_secs(ETCD_READ_SECONDS_MAX);
    while loaded.revision < last {
        let message = tokio::time::timeout(patience, stream.message());
        let message = message.await.map_err(|_| Fault::Timeout)??;
        let ended = || Fault::Unknown("the watch ended".to_owned());
        match feed::read(keys, message.ok_or_else(ended)?, loaded.revision).await {
            News::Cancelled(reason) => return Err(Fault::Unknown(reason)),
            News::Compacted(_) => return Err(Fault::Compacted),
            News::Changes { changes, revision, .. } => {
                let events = changes.into_iter().filter_map(|change| loaded.state.apply(change));
                loaded.history.extend(events);
                loaded.revision = loaded.revision.max(revision);
            }
        }
    }
    loaded.stream = Some(stream);
    Ok(())
}
