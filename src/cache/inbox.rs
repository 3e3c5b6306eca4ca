//! What other shards have sent to a shard: many senders, one task that takes.
//!
//! A sender wakes the taker only if that sleeps, and of several only the first does: a taker that
//! is busy costs its senders no more than the queue. Whoever puts in a question looks at
//! [`Inbox::len`] first and refuses beyond the limit; answers always find room, as there are no
//! more of them than questions their receiver has asked.

use crate::cache::hop::Hop;
use atomic_waker::AtomicWaker;
use concurrent_queue::ConcurrentQueue;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::Poll;

/// One shard's inbox.
#[derive(Debug)]
pub(super) struct Inbox {
    hops: ConcurrentQueue<Hop>,
    asleep: AtomicBool,
    taker: AtomicWaker,
}

impl Default for Inbox {
    fn default() -> Self {
        let hops = ConcurrentQueue::unbounded();
        Self { hops, asleep: AtomicBool::new(false), taker: AtomicWaker::new() }
    }
}

impl Inbox {
    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.hops.len()
    }

    /// Puts a message in.
    pub(super) fn put(&self, hop: Hop) {
        // Fails only for a closed queue, and this one is never closed.
        let _closed = self.hops.push(hop);
        // Either this sees that the taker sleeps, or the taker sees the message.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.taker.wake();
        }
    }

    /// Takes a message if one is there.
    pub(super) fn take(&self) -> Option<Hop> {
        self.hops.pop().ok()
    }

    /// Waits for a message. Only one task may wait.
    pub(super) async fn next(&self) -> Hop {
        std::future::poll_fn(|cx| {
            if let Some(hop) = self.take() {
                return Poll::Ready(hop);
            }
            self.taker.register(cx.waker());
            self.asleep.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            match self.take() {
                Some(hop) => {
                    self.asleep.store(false, Ordering::Relaxed);
                    Poll::Ready(hop)
                }
                None => Poll::Pending,
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::Inbox;
    use crate::cache::hop::{Answer, Hop};
    use futures_lite::future::block_on;

    #[test]
    fn no_message_is_lost_whether_the_taker_sleeps_or_not() {
        const SENDERS: u64 = 4;
        const EACH: u64 = 20_000;
        let inbox = Inbox::default();
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let inbox = &inbox;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let ticket = sender * EACH + number;
                        inbox.put(Hop::Answer { ticket, answer: Answer::Gone });
                        if number % 64 == 0 {
                            // Lets the taker fall asleep now and then.
                            std::thread::yield_now();
                        }
                    }
                });
            }
            let mut next = [0; SENDERS as usize];
            for _ in 0..SENDERS * EACH {
                let Hop::Answer { ticket, .. } = block_on(inbox.next()) else { panic!("none") };
                let sender = (ticket / EACH) as usize;
                assert_eq!(ticket % EACH, next[sender], "in the order of its sender");
                next[sender] += 1;
            }
        });
        assert_eq!(inbox.len(), 0);
    }
}
