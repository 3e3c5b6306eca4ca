//! The last revision of a store that others write to as well: all reads of a shard that wait share
//! one question to the store, and those of all shards one read there.

use crate::cache::read::ReadFault;
use crate::cache::shard::Shard;
use crate::cache::ticket::Tickets;
use crate::store::{Request, StoreError};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

/// Reads that wait.
#[derive(Default)]
pub(super) struct Latest {
    tickets: Tickets<Result<u64, StoreError>>,
    /// Those that the next question is put for; no more than there are requests in flight.
    next: RefCell<Vec<u64>>,
    asker: Cell<Option<Waker>>,
}

impl Latest {
    /// The last revision as of some moment after now.
    pub(super) async fn read(&self, deadline: Instant) -> Result<u64, ReadFault> {
        let ticket = self.tickets.open(Some(deadline));
        self.next.borrow_mut().push(ticket.number());
        if let Some(waker) = self.asker.take() {
            waker.wake();
        }
        let answer = ticket.await.unwrap_or(Err(StoreError::Timeout));
        answer.map_err(|error| ReadFault::of_store(error, 0))
    }

    /// Ends reads that have waited too long.
    pub(super) fn expire(&self, now: Instant) {
        self.tickets.expire(now);
    }

    /// All that have come since the last question.
    async fn some(&self) -> Vec<u64> {
        std::future::poll_fn(|cx| {
            let mut next = self.next.borrow_mut();
            if next.is_empty() {
                self.asker.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut *next))
        })
        .await
    }
}

/// Asks the store for all reads that wait, one question at a time; until the store is closed.
pub(super) async fn ask(shard: Rc<Shard>) {
    loop {
        let waiting = shard.latest.some().await;
        let (reply, answer) = async_channel::bounded(1);
        let request = (shard.number, Request::Latest { reply });
        let gone = || StoreError::Unavailable("the store is closed".to_owned());
        let answer = match shard.requests.send(request).await {
            Ok(()) => answer.recv().await.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(gone()),
        };
        for number in waiting {
            shard.latest.tickets.answer(number, answer.clone());
        }
    }
}
