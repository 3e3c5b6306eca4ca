//! The registry of one shard: every verb on every resource, over the cache.

use crate::cache::{Cache, Entry, ReadAt, ReadFault};
use crate::catalog::Storage;
use crate::metrics::Phase;
use crate::object::Value;
use crate::request::{Attributes, Fault, Result};
use crate::seal::Sealer;
use crate::store::{Outcome, StoreError, Txn, Write};
use bumpalo::Bump;
use std::sync::Arc;

/// The admission chain, as the registry calls it.
#[expect(async_fn_in_trait, reason = "a shard is one thread; its futures need not be Send")]
pub trait Admit {
    /// Runs the plugins that may change `object`; `old` is what an update or delete found.
    ///
    /// # Errors
    /// The refusal.
    async fn mutate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<()>;

    /// Runs the plugins that judge the final object.
    ///
    /// # Errors
    /// The refusal.
    async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()>;
}

/// What flags tell the registry.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--event-ttl`, seconds.
    pub event_ttl_seconds: u32,
    /// Encryption at rest: whether what stands in the store must be written anew.
    pub sealer: Option<Arc<Sealer>>,
    /// `--allow-privileged`.
    pub allow_privileged: bool,
    /// `--service-cluster-ip-range`, primary first.
    pub service_cidrs: Vec<super::network::Cidr>,
    /// `--service-node-port-range`, inclusive.
    pub node_ports: (u16, u16),
}

/// What a change begins with.
#[derive(Debug)]
pub(super) struct First {
    /// The object, if there is one.
    pub(super) entry: Option<Arc<Entry>>,
    /// It is what stands in the store.
    pub(super) is_current: bool,
}

/// One shard's registry.
#[derive(Debug, Clone)]
pub struct Registry<A> {
    /// The shard's cache.
    pub cache: Cache,
    /// The admission chain.
    pub admit: A,
    /// What flags say.
    pub options: Options,
    /// The port allocations as last seen.
    pub ports_seen: super::network::PortsSeen,
    /// The way to conversion webhooks.
    pub conversion: super::conversion::Conversion,
}

impl<A: Admit> Registry<A> {
    /// The object as it stands now.
    ///
    /// # Errors
    /// Those of the cache.
    pub async fn read(
        &self,
        storage: &'static Storage,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Entry>>> {
        let read = self.cache.get(storage, namespace, name, ReadAt::Latest).await;
        read.map_err(super::stored::read_fault)
    }

    /// The object of a request as it stands now.
    pub(super) async fn read_for(
        &self,
        at: &Attributes<'_>,
        storage: &'static Storage,
    ) -> Result<Option<Arc<Entry>>> {
        self.read_at(at, storage, ReadAt::Latest).await
    }

    /// The object of a request to begin a change with: on a shared store it may be older than what
    /// stands there, which the write then finds out, and which nothing else may be judged by.
    pub(super) async fn read_first(
        &self,
        at: &Attributes<'_>,
        storage: &'static Storage,
    ) -> Result<First> {
        let is_shared = self.cache.is_shared() && !at.dry_run;
        let how = if is_shared { ReadAt::Heard } else { ReadAt::Latest };
        let entry = self.read_at(at, storage, how).await?;
        if is_shared && entry.is_none() {
            return Ok(First { entry: self.read_for(at, storage).await?, is_current: true });
        }
        Ok(First { entry, is_current: !is_shared })
    }

    async fn read_at(
        &self,
        at: &Attributes<'_>,
        storage: &'static Storage,
        how: ReadAt,
    ) -> Result<Option<Arc<Entry>>> {
        at.context.laps.lap(Phase::Prepare);
        let read = self.cache.get(storage, at.namespace, at.name, how).await;
        at.context.laps.lap(Phase::Cache);
        read.map_err(|fault| match fault {
            ReadFault::Timeout => store_fault(StoreError::Timeout),
            other => super::stored::read_fault(other),
        })
    }

    /// Sends the write of a request to the store.
    pub(super) async fn commit_for(&self, at: &Attributes<'_>, txn: Txn) -> Result<Outcome<Entry>> {
        at.context.laps.lap(Phase::Prepare);
        let outcome = self.commit(txn).await;
        at.context.laps.lap(Phase::Store);
        outcome
    }

    /// Sends a write to the store.
    pub(super) async fn commit(&self, txn: Txn) -> Result<Outcome<Entry>> {
        if let (Some(sealer), Write::Put { .. }) = (&self.options.sealer, &txn.write) {
            sealer.check(&txn.key).map_err(Fault::Internal)?;
        }
        self.cache.commit(txn).await.map_err(store_fault)
    }
}

/// A failed store as clients see it.
pub(super) fn store_fault(error: StoreError) -> Fault {
    match error {
        StoreError::Compacted(revision) => Fault::Expired {
            message: format!(
                "The provided resource version is too old; the oldest one kept is {revision}"
            ),
            continue_token: None,
        },
        StoreError::Future(revision) => {
            Fault::Internal(format!("revision {revision} is not there yet"))
        }
        StoreError::Remote(text) => Fault::Plain(text),
        StoreError::Timeout => Fault::Timeout {
            message:
                "request did not complete within requested timeout - context deadline exceeded"
                    .into(),
            retry_seconds: 0,
            cause: None,
        },
        StoreError::TooLarge => Fault::Plain("etcdserver: request is too large".into()),
        StoreError::Unavailable(text) => Fault::Internal(text),
    }
}
