//! Buffers that connections borrow while bytes move and give back when they rest, so that an idle
//! connection holds none.

use std::cell::RefCell;

/// Bytes of a buffer: four full TLS records with what they add, and a flight of the handshake.
pub(in crate::tls) const BUFFER_BYTES: usize = 4 * (16 * 1024 + 256) + 16 * 1024;
/// Buffers that a shard keeps for the next use.
const KEPT_MAX: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with the bytes `start..end` in use; without memory until something is to be put in.
#[derive(Default)]
pub(in crate::tls) struct Buffer {
    memory: Option<Box<[u8]>>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(in crate::tls) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(in crate::tls) fn filled(&self) -> &[u8] {
        self.memory.as_deref().and_then(|memory| memory.get(self.start..self.end)).unwrap_or(&[])
    }

    pub(in crate::tls) fn filled_mut(&mut self) -> &mut [u8] {
        let range = self.start..self.end;
        self.memory.as_deref_mut().and_then(|memory| memory.get_mut(range)).unwrap_or(&mut [])
    }

    /// Takes `count` bytes off the front.
    pub(in crate::tls) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// The room behind the bytes in use; with `at_least` bytes if it can be had by moving them.
    pub(in crate::tls) fn room(&mut self, at_least: usize) -> &mut [u8] {
        let memory = self.memory.get_or_insert_with(|| {
            KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BUFFER_BYTES].into())
        });
        if memory.len() - self.end < at_least && self.start > 0 {
            memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        memory.get_mut(self.end..).unwrap_or(&mut [])
    }

    /// Counts `count` bytes of the room as in use.
    pub(in crate::tls) fn fill(&mut self, count: usize) {
        let capacity = self.memory.as_ref().map_or(0, |memory| memory.len());
        self.end = self.end.saturating_add(count).min(capacity);
    }

    /// Copies in what there is room for and tells how much that was.
    pub(in crate::tls) fn push(&mut self, bytes: &[u8]) -> usize {
        let room = self.room(bytes.len());
        let count = room.len().min(bytes.len());
        let (to, _) = room.split_at_mut(count);
        let (from, _) = bytes.split_at(count);
        to.copy_from_slice(from);
        self.fill(count);
        count
    }

    /// Gives the memory back if nothing is in use.
    pub(in crate::tls) fn rest(&mut self) {
        if self.is_empty()
            && let Some(memory) = self.memory.take()
        {
            KEPT.with_borrow_mut(|kept| {
                if kept.len() < KEPT_MAX {
                    kept.push(memory);
                }
            });
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.consume(usize::MAX);
        self.rest();
    }
}
