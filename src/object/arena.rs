//! Arenas that are used again: a request's tree is built in memory that the last one left warm.

use crate::base::limits::{ARENA_BYTES_MIN, ARENA_KEPT_BYTES_MAX, ARENAS_KEPT_MAX};
use bumpalo::Bump;
use std::cell::RefCell;
use std::ops::Deref;

thread_local! {
    static KEPT: RefCell<Vec<Bump>> = const { RefCell::new(Vec::new()) };
}

/// An arena borrowed from the thread's pool; goes back, emptied, when dropped. One that has grown
/// beyond [`ARENA_KEPT_BYTES_MAX`] is freed instead.
#[derive(Debug)]
pub struct Arena(Option<Bump>);

impl Arena {
    /// An empty arena.
    #[must_use]
    pub fn new() -> Self {
        let kept = KEPT.with_borrow_mut(Vec::pop);
        Self(Some(kept.unwrap_or_else(|| Bump::with_capacity(ARENA_BYTES_MIN))))
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Arena {
    type Target = Bump;

    fn deref(&self) -> &Bump {
        self.0.as_ref().unwrap_or_else(|| unreachable!("taken only by drop"))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let Some(mut arena) = self.0.take() else { return };
        if arena.allocated_bytes() > ARENA_KEPT_BYTES_MAX {
            return;
        }
        arena.reset();
        // A thread that ends has no pool any more.
        let _ended = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < ARENAS_KEPT_MAX {
                kept.push(arena);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_comes_back_empty_unless_it_is_large() {
        let first = Arena::new();
        let place = std::ptr::from_ref(first.alloc(7_u64)) as usize;
        drop(first);
        let again = Arena::new();
        assert_eq!(std::ptr::from_ref(again.alloc(8_u64)) as usize, place);
        again.alloc_slice_fill_copy(ARENA_KEPT_BYTES_MAX + 1, 0_u8);
        drop(again);
        assert!(Arena::new().allocated_bytes() <= ARENA_KEPT_BYTES_MAX);
        let many: Vec<Arena> = (0..2 * ARENAS_KEPT_MAX).map(|_| Arena::new()).collect();
        drop(many);
        assert_eq!(KEPT.with_borrow(Vec::len), ARENAS_KEPT_MAX);
    }
}
