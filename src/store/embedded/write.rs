//! The writing side: a group of changes as one fjall batch and one sync.

use crate::seal::Sealer;
use crate::store::disk::Disk;
use crate::store::disk::Stamp;
use crate::store::disk::Timing;
use crate::store::embedded::record;
use bytes::Bytes;
use fjall::Database;
use fjall::Keyspace;
use fjall::OwnedWriteBatch;
use fjall::PersistMode;
use fjall::Slice;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

/// How a group is made durable: its data and the file's length, not its times.
const SYNC: PersistMode = PersistMode::SyncData;

pub(super) struct Log {
    batch: OwnedWriteBatch,
    keyspace: Keyspace,
    database: Database,
    sealer: Option<Arc<Sealer>>,
    /// Held, not used: the directory is ours until this is dropped, last.
    _lock: File,
}

impl Log {
    pub(super) fn new(
        database: Database,
        keyspace: Keyspace,
        lock: File,
        sealer: Option<Arc<Sealer>>,
    ) -> Self {
        Self { batch: database.batch(), keyspace, database, sealer, _lock: lock }
    }

    fn flush(&mut self) -> fjall::Result<Timing> {
        let batch = std::mem::replace(&mut self.batch, self.database.batch());
        let started = Instant::now();
        batch.commit()?;
        let written = Instant::now();
        self.database.persist(SYNC)?;
        Ok(Timing { write: written - started, sync: written.elapsed() })
    }
}

impl Disk for Log {
    fn put(&mut self, stamp: Stamp, key: Bytes, value: Bytes) -> (Bytes, Bytes) {
        // What is sealed is for the disk alone: the item keeps the plain bytes.
        let sealed = self.sealer.as_ref().map(|sealer| sealer.seal(&key, &key, &value));
        let (record, key, value) = match sealed.filter(|sealed| *sealed != value) {
            Some(sealed) => (record::encode_put(stamp, &key, &sealed).0, key, value),
            None => record::encode_put(stamp, &key, &value),
        };
        self.batch.insert(&self.keyspace, record::log_key(stamp.revision), Slice::from(record));
        (key, value)
    }

    fn delete(&mut self, stamp: Stamp, key: &Bytes) {
        let record = record::encode_delete(stamp, key);
        self.batch.insert(&self.keyspace, record::log_key(stamp.revision), Slice::from(record));
    }

    fn forget(&mut self, revision: u64) {
        self.batch.remove(&self.keyspace, record::log_key(revision));
    }

    fn commit(&mut self) -> Result<Timing, String> {
        self.flush().map_err(|error| format!("the log cannot be written: {error}"))
    }

    fn close(self) {
        // Dropping ends fjall's workers, syncs its journal and releases the lock.
    }
}
