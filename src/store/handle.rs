//! The owner's end of a running store.

use crate::store::Health;
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// Keeps a store running; closes it when dropped.
pub struct Handle {
    pub(super) thread: Option<JoinHandle<Result<(), StoreError>>>,
    pub(super) closing: Arc<AtomicBool>,
    pub(super) close_requests: Box<dyn Fn() + Send + Sync>,
    pub(super) health: Arc<Health>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("health", &self.health).finish_non_exhaustive()
    }
}

impl Handle {
    /// The store's pulse and figures.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Takes no more requests, serves those that wait, syncs, and ends the store's thread. Blocks
    /// until then: not for a shard's thread. A shard that does not take its batches for a second
    /// meanwhile loses them.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.shut()
    }

    fn shut(&mut self) -> Result<(), StoreError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.closing.store(true, Ordering::Release);
        (self.close_requests)();
        // A panic on that thread aborts, so there is always a result.
        thread.join().unwrap_or_else(|_| Err(StoreError::Unavailable("no result".to_owned())))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The failure was reported where it happened.
        let _ = self.shut();
    }
}
