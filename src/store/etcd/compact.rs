//! What is done for etcd from time to time: compaction, and a look at the size of its database.

use crate::store::Item;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::figures::EVERYTHING;
use crate::store::etcd::figures::Operation;
use crate::store::etcd::keys::COMPACTION;
use crate::store::etcd::serve::Core;
use crate::store::etcd::serve::number;
use crate::store::etcd::serve::revision;
use etcd_client::proto::PbTxnOpResponse;
use etcd_client::{Compare, CompareOp, Txn, TxnOp};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// Where the servers of a cluster stand with compaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Round {
    /// How often anyone has compacted: the version of the key.
    time: i64,
    /// The last revision when that was seen.
    revision: u64,
}

/// Compacts at every interval what was written before the interval, for ever. All servers of a
/// cluster, of either kind, agree by the version of one key on who does it (`etcd3.compactor`).
pub(super) async fn compact<I: Item>(core: Rc<Core<I>>) {
    let interval = core.servers.compaction_interval;
    if interval.is_zero() {
        return;
    }
    let mut round = Round::default();
    loop {
        tokio::time::sleep(interval).await;
        match once(&core, round).await {
            Ok(next) => round = next,
            Err(fault) => log::warn!("etcd: compaction failed: {fault:?}"),
        }
    }
}

async fn once<I: Item>(core: &Core<I>, round: Round) -> Result<Round, Fault> {
    let request = Txn::new()
        .when([Compare::version(COMPACTION, CompareOp::Equal, round.time)])
        .and_then([TxnOp::put(COMPACTION, round.revision.to_string(), None)])
        .or_else([TxnOp::get(COMPACTION, None)]);
    let (_, mut kv) = core.cluster.kv();
    let started = Instant::now();
    let answer = kv.txn(request).await;
    core.figures.end((Operation::Compact, EVERYTHING), started, answer.is_ok());
    let answer = answer?.0;
    let last = answer.header.map_or(0, |header| revision(header.revision));
    core.saw(last);
    if !answer.succeeded {
        // Another server was first in this interval.
        let found = answer.responses.into_iter().next().and_then(|op| op.response);
        let version = match found {
            Some(PbTxnOpResponse::ResponseRange(range)) => range.kvs.first().map(|kv| kv.version),
            _ => None,
        };
        return Ok(Round { time: version.unwrap_or(0), revision: last });
    }
    let next = Round { time: round.time + 1, revision: last };
    if round.revision == 0 {
        // Just begun: nothing is known to be an interval old.
        return Ok(next);
    }
    let started = Instant::now();
    let compacted = kv.compact(number(round.revision), None).await;
    core.figures.end((Operation::Compact, EVERYTHING), started, compacted.is_ok());
    match compacted.map_err(Fault::from) {
        Ok(_) | Err(Fault::Compacted) => {
            core.note_compacted(round.revision);
            log::debug!("etcd: compacted up to {}", round.revision);
            Ok(next)
        }
        Err(fault) => Err(fault),
    }
}

/// Asks for the size of the database, for ever.
pub(super) async fn poll_size<I: Item>(core: Rc<Core<I>>) {
    let interval = core.servers.db_poll_interval;
    if interval.is_zero() {
        return;
    }
    loop {
        let started = Instant::now();
        let status = tokio::time::timeout(interval, core.cluster.maintenance().status()).await;
        let status = status.ok().and_then(Result::ok);
        core.figures.end((Operation::Status, EVERYTHING), started, status.is_some());
        if let Some(status) = status {
            let bytes = u64::try_from(status.db_size()).unwrap_or(0);
            core.figures.db_bytes.store(bytes, Relaxed);
        }
        tokio::time::sleep(interval.max(Duration::from_secs(1))).await;
    }
}
