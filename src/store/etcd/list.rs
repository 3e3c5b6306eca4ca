//! The state at an old revision, as etcd still knows it.

use crate::base::limits::ETCD_PAGE_KEYS;
use crate::store::Item;
use crate::store::OldState;
use crate::store::StoreError;
use crate::store::etcd::cluster::Cluster;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::figures::Operation;
use crate::store::etcd::figures::Subject;
use crate::store::etcd::keys::Keys;
use crate::store::etcd::keys::after_prefix;
use crate::store::etcd::serve::Core;
use crate::store::etcd::serve::number;
use crate::store::etcd::serve::revision;
use bytes::Bytes;
use etcd_client::GetOptions;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What is wanted; as `Request::ListAt`.
pub(super) struct Page {
    pub(super) prefix: Bytes,
    pub(super) start: Bytes,
    pub(super) revision: u64,
    pub(super) limit: usize,
}

/// Keys in etcd, at a revision.
pub(super) struct Range {
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
    /// 0 for the last.
    pub(super) revision: u64,
    /// 0 for all.
    pub(super) limit: usize,
    /// Whose keys they are, for figures.
    pub(super) of: Subject,
}

/// Items of a range in key order.
pub(super) struct Read<I> {
    pub(super) items: Vec<Arc<I>>,
    /// How many more keys there are.
    pub(super) remaining: usize,
    /// The revision of the state.
    pub(super) revision: u64,
}

/// Answers a page.
pub(super) async fn list_at<I: Item>(
    core: &Core<I>,
    page: Page,
) -> Result<OldState<I>, StoreError> {
    let compacted = core.compacted.load(Relaxed);
    if page.revision == 0 {
        return Err(StoreError::Compacted(compacted));
    }
    let prefix = core.keys.outward(&page.prefix);
    let start = core.keys.outward(&page.start).max(prefix.clone()).max(vec![0]);
    let end = after_prefix(&prefix);
    if end != [0] && start >= end {
        return Ok(OldState { items: Vec::new(), remaining: 0 });
    }
    let of = I::resource(&page.prefix);
    let range = Range { start, end, revision: page.revision, limit: page.limit, of };
    match read(&core.cluster, &core.keys, range, &|_| ()).await {
        Ok(read) => Ok(OldState { items: read.items, remaining: read.remaining }),
        Err(fault) => Err(fault.into_error(compacted, core.outbox.revision())),
    }
}

/// Reads a range page by page, all of one revision. `tell` hears how many keys were read so far.
pub(super) async fn read<I: Item>(
    cluster: &Cluster,
    keys: &Keys,
    mut range: Range,
    tell: &dyn Fn(u64),
) -> Result<Read<I>, Fault> {
    let mut items = Vec::new();
    loop {
        let left = range.limit.saturating_sub(items.len());
        let limit = if range.limit == 0 { ETCD_PAGE_KEYS } else { left.min(ETCD_PAGE_KEYS) };
        let answer = cluster.read((Operation::List, range.of), async |mut kv| {
            let options = GetOptions::new()
                .with_range(range.end.clone())
                .with_revision(number(range.revision))
                .with_limit(i64::try_from(limit).unwrap_or(i64::MAX));
            kv.get(range.start.clone(), Some(options)).await
        });
        let answer = answer.await?.0;
        if range.revision == 0 {
            range.revision = answer.header.map_or(0, |header| revision(header.revision));
        }
        let found = answer.kvs.len();
        let remaining = usize::try_from(answer.count).unwrap_or(0).saturating_sub(found);
        if let Some(last) = answer.kvs.last() {
            range.start = [&last.key[..], &[0]].concat();
        }
        for kv in answer.kvs {
            let Some(key) = keys.inward(kv.key) else { continue };
            let value = keys.opened(&key, kv.value.into()).await;
            items.push(Arc::new(I::new(key, revision(kv.mod_revision), value)));
        }
        tell(items.len() as u64);
        if found == 0 || remaining == 0 || (range.limit > 0 && items.len() >= range.limit) {
            return Ok(Read { items, remaining, revision: range.revision });
        }
    }
}
