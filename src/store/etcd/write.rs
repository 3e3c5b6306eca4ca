//! Writes: one transaction each, and what its answer means.

use crate::base::limits::{ETCD_WRITE_SECONDS_MAX, STORED_KEY_BYTES_MAX, STORED_VALUE_BYTES_MAX};
use crate::store::Expected;
use crate::store::Item;
use crate::store::Outcome;
use crate::store::StoreError;
use crate::store::Txn;
use crate::store::Write;
use crate::store::etcd::cluster::Pause;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::figures::Operation;
use crate::store::etcd::outbox::Written;
use crate::store::etcd::serve::Core;
use crate::store::etcd::serve::number;
use crate::store::etcd::serve::revision;
use bytes::Bytes;
use etcd_client::proto::PbKeyValue;
use etcd_client::proto::PbTxnOpResponse;
use etcd_client::proto::PbTxnResponse;
use etcd_client::{Compare, CompareOp, DeleteOptions, PutOptions, TxnOp};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// What a transaction came to.
enum Done {
    /// For a delete: what stood there.
    Applied {
        revision: u64,
        removed: Option<PbKeyValue>,
    },
    Conflict(Option<PbKeyValue>),
}

/// Applies a write and sees to its answer.
pub(super) async fn commit<I: Item>(core: &Core<I>, shard: usize, ticket: u64, txn: Txn) {
    let done = match too_large(&txn) {
        true => Err(Fault::TooLarge),
        false => apply(core, &txn).await,
    };
    match done {
        Ok(Done::Applied { revision: at, removed }) => {
            core.saw(at);
            let (value, value_revision) = match (txn.write, removed) {
                (Write::Put { value, .. }, _) => (value, at),
                (Write::Delete, Some(kv)) => {
                    let value = core.keys.opened(&txn.key, kv.value.into()).await;
                    (value, revision(kv.mod_revision))
                }
                (Write::Delete, None) => (Bytes::new(), at),
            };
            let at_time = Instant::now();
            let key = txn.key;
            let written = Written { ticket, key, value, value_revision, at: at_time };
            core.outbox.answer_after(shard, at, written);
        }
        Ok(Done::Conflict(current)) => {
            core.health.conflicts.fetch_add(1, Relaxed);
            let current = match current {
                Some(kv) => Some(found(core, txn.key, kv).await),
                None => None,
            };
            core.outbox.answer(shard, ticket, Ok(Outcome::Conflict { current }));
        }
        Err(fault) => {
            let error = fault.into_error(core.compacted.load(Relaxed), core.outbox.revision());
            core.outbox.answer(shard, ticket, Err::<Outcome<I>, StoreError>(error));
        }
    }
}

fn too_large(txn: &Txn) -> bool {
    let value_bytes = match &txn.write {
        Write::Delete => 0,
        Write::Put { value, .. } => value.len(),
    };
    value_bytes > STORED_VALUE_BYTES_MAX || txn.key.len() > STORED_KEY_BYTES_MAX
}

/// The item of a key as etcd has it: the one that is known, if it is the same.
async fn found<I: Item>(core: &Core<I>, key: Bytes, kv: PbKeyValue) -> Arc<I> {
    let at = revision(kv.mod_revision);
    let known = core.state.borrow().get(&key).filter(|item| item.revision() == at).cloned();
    if let Some(known) = known {
        return known;
    }
    let value = core.keys.opened(&key, kv.value.into()).await;
    Arc::new(I::new(key, at, value))
}

/// Makes the transaction; again on another member as long as nothing can have been sent.
async fn apply<I: Item>(core: &Core<I>, txn: &Txn) -> Result<Done, Fault> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(ETCD_WRITE_SECONDS_MAX);
    let mut pause = Pause::new();
    loop {
        let fault = match tokio::time::timeout_at(deadline, once(core, txn)).await {
            Ok(Err(fault)) => fault,
            Ok(done) => return done,
            Err(_) => {
                // A member that hangs is no good to anyone.
                core.cluster.failed(core.cluster.kv().0);
                return Err(Fault::Timeout);
            }
        };
        let again = matches!(fault, Fault::NotSent(_) | Fault::LeaseGone);
        if !again || tokio::time::Instant::now() + Duration::from_secs(1) >= deadline {
            return Err(fault);
        }
        pause.wait().await;
    }
}

async fn once<I: Item>(core: &Core<I>, txn: &Txn) -> Result<Done, Fault> {
    let key = core.keys.outward(&txn.key);
    // What can only be a conflict: etcd would take the removal of nothing for a success.
    let removes_nothing = matches!(txn.expected, Expected::Absent | Expected::Revision(0));
    if txn.write == Write::Delete && removes_nothing {
        let of = (Operation::Get, I::resource(&txn.key));
        let answer = core.cluster.read(of, async |mut kv| kv.get(&*key, None).await);
        return Ok(Done::Conflict(answer.await?.0.kvs.pop()));
    }
    let (expected, operation) = match (txn.expected, &txn.write) {
        (Expected::Absent, _) => (0, Operation::Create),
        (Expected::Revision(at), Write::Delete) => (at, Operation::Delete),
        (Expected::Revision(at), Write::Put { .. }) => (at, Operation::Update),
    };
    let (change, lease) = change(core, &key, txn).await?;
    let request = etcd_client::Txn::new()
        .when([Compare::mod_revision(&*key, CompareOp::Equal, number(expected))])
        .and_then([change])
        .or_else([TxnOp::get(&*key, None)]);
    let (member, mut kv) = core.cluster.kv();
    let started = Instant::now();
    let answer = kv.txn(request).await;
    core.figures.end((operation, I::resource(&txn.key)), started, answer.is_ok());
    match answer {
        Ok(answer) => Ok(read(answer.0)),
        Err(error) => {
            let fault = Fault::from(error);
            if fault.is_of_the_member() {
                core.cluster.failed(member);
            }
            if let (Fault::LeaseGone, Some(id)) = (&fault, lease) {
                core.leases.forget(id).await;
            }
            Err(fault)
        }
    }
}

/// The operation, and the lease it uses.
async fn change<I: Item>(
    core: &Core<I>,
    key: &[u8],
    txn: &Txn,
) -> Result<(TxnOp, Option<i64>), Fault> {
    let sealed = |value| core.keys.sealed(&txn.key, value).to_vec();
    match &txn.write {
        Write::Delete => {
            let options = DeleteOptions::new().with_prev_key();
            Ok((TxnOp::delete(key, Some(options)), None))
        }
        Write::Put { value, ttl_seconds: None } => Ok((TxnOp::put(key, sealed(value), None), None)),
        Write::Put { value, ttl_seconds: Some(seconds) } => {
            let lease = core.leases.lease(&core.cluster, &core.figures, *seconds).await?;
            let options = PutOptions::new().with_lease(lease);
            Ok((TxnOp::put(key, sealed(value), Some(options)), Some(lease)))
        }
    }
}

fn read(answer: PbTxnResponse) -> Done {
    let at = answer.header.map_or(0, |header| revision(header.revision));
    let response = answer.responses.into_iter().next().and_then(|op| op.response);
    if !answer.succeeded {
        return Done::Conflict(match response {
            Some(PbTxnOpResponse::ResponseRange(mut range)) => range.kvs.pop(),
            _ => None,
        });
    }
    let removed = match response {
        Some(PbTxnOpResponse::ResponseDeleteRange(mut range)) => range.prev_kvs.pop(),
        _ => None,
    };
    Done::Applied { revision: at, removed }
}
