//! The backend without a disk: for tests, and for clusters that may be forgotten.

use crate::store::Handle;
use crate::store::Item;
use crate::store::OpenError;
use crate::store::Opened;
use crate::store::Options;
use crate::store::disk::Disk;
use crate::store::disk::Stamp;
use crate::store::disk::Timing;
use crate::store::engine;
use crate::store::engine::Loaded;
use bytes::Bytes;

/// Starts an empty store that lives as long as its handle.
pub fn open<I: Item>(options: &Options) -> Result<(Opened<I>, Handle), OpenError> {
    engine::start(Loaded::empty(), Nothing, options)
}

/// Keeps nothing.
struct Nothing;

impl Disk for Nothing {
    fn put(&mut self, _stamp: Stamp, key: Bytes, value: Bytes) -> (Bytes, Bytes) {
        (key, value)
    }

    fn delete(&mut self, _stamp: Stamp, _key: &Bytes) {}

    fn forget(&mut self, _revision: u64) {}

    fn commit(&mut self) -> Result<Timing, String> {
        Ok(Timing::default())
    }

    fn close(self) {}
}
