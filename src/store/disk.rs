//! Where a backend keeps its records: what the engine asks of it, one group at a time.
//!
//! The engine stages every change of a group, then calls [`Disk::commit`] once. Whatever was
//! staged must become durable as a whole or not at all.

use bytes::Bytes;
use std::time::Duration;

/// What goes with a change besides its key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The revision of this change.
    pub(super) revision: u64,
    /// The revision of the key's state before; 0 if it was absent.
    pub(super) previous: u64,
    /// The store's compacted revision when this was written.
    pub(super) compacted: u64,
    /// When the key expires, in Unix seconds; 0 for never.
    pub(super) expiry: u64,
}

/// How long a commit took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    /// Handing the records over.
    pub(super) write: Duration,
    /// Waiting for the device.
    pub(super) sync: Duration,
}

/// Durable bytes behind the engine.
pub(super) trait Disk: Send + 'static {
    /// Stages a new state of a key; answers the key and value to keep in memory, which may share
    /// the staged record's bytes.
    fn put(&mut self, stamp: Stamp, key: Bytes, value: Bytes) -> (Bytes, Bytes);
    /// Stages the removal of a key.
    fn delete(&mut self, stamp: Stamp, key: &Bytes);
    /// Stages the removal of the record of an old revision.
    fn forget(&mut self, revision: u64);
    /// Makes all that was staged durable at once. After an error the disk is not used again.
    fn commit(&mut self) -> Result<Timing, String>;
    /// Releases everything held.
    fn close(self);
}
