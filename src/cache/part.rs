//! Resources that another store keeps: a cache of their own beside that of all others, with its own
//! revisions, its own stream of changes and its own reads of what is last. Nothing compares a
//! revision of one store with that of another.

use crate::cache::shard::Shard;
use crate::cache::{Cache, CacheSeed, storage_of};
use crate::catalog::Storage;
use std::rc::Rc;

/// The cache of one further store.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) resources: Vec<&'static Storage>,
    pub(super) shard: Rc<Shard>,
}

impl Part {
    fn keeps(&self, storage: &Storage) -> bool {
        self.resources.iter().any(|kept| kept.id == storage.id)
    }
}

impl Cache {
    /// Where a resource is.
    pub(super) fn of(&self, storage: &Storage) -> &Rc<Shard> {
        let part = self.others.iter().find(|part| part.keeps(storage));
        part.map_or(&self.shard, |part| &part.shard)
    }

    /// Where a key is.
    pub(super) fn of_key(&self, key: &[u8]) -> &Rc<Shard> {
        if self.others.is_empty() {
            return &self.shard;
        }
        storage_of(key).map_or(&self.shard, |storage| self.of(storage))
    }

    /// The parts of all stores.
    pub(super) fn shards(&self) -> impl Iterator<Item = &Rc<Shard>> {
        std::iter::once(&self.shard).chain(self.others.iter().map(|part| &part.shard))
    }
}

impl CacheSeed {
    /// These resources are kept by another store: `seed` is what this shard has of it. They must be
    /// built in.
    #[must_use]
    pub fn with(mut self, resources: Vec<&'static Storage>, seed: Self) -> Self {
        self.others.push((resources, seed));
        self
    }
}
