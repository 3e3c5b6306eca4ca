//! Questions a shard has put to others, each waited on by one future of the shard.
//!
//! A slab of slots, so that waiting allocates nothing in the steady state. A ticket's number holds
//! the slot's generation: an answer that comes after the asker is gone finds no one.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Questions whose answers are `T`s.
#[derive(Debug)]
pub(super) struct Tickets<T> {
    slots: RefCell<Slots<T>>,
}

#[derive(Debug)]
struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    deadline: Option<Instant>,
    hold: Hold<T>,
}

#[derive(Debug)]
enum Hold<T> {
    Answered(T),
    Expired,
    Free,
    Waiting(Option<Waker>),
}

/// One question: a future of its answer, `None` if its time ran out. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Ticket<'t, T> {
    tickets: &'t Tickets<T>,
    number: u64,
}

impl<T> Default for Tickets<T> {
    fn default() -> Self {
        Self { slots: RefCell::new(Slots { slots: Vec::new(), free: Vec::new() }) }
    }
}

impl<T> Tickets<T> {
    /// Opens a question that [`Self::expire`] may end after the deadline.
    pub(super) fn open(&self, deadline: Option<Instant>) -> Ticket<'_, T> {
        let mut slots = self.slots.borrow_mut();
        let place = slots.free.pop().unwrap_or_else(|| {
            slots.slots.push(Slot { generation: 0, deadline: None, hold: Hold::Free });
            u32::try_from(slots.slots.len() - 1).expect("fewer than 2^32 requests at once")
        });
        let mut number = u64::from(place);
        if let Some(slot) = slots.slots.get_mut(place as usize) {
            slot.deadline = deadline;
            slot.hold = Hold::Waiting(None);
            number |= u64::from(slot.generation) << 32;
        }
        Ticket { tickets: self, number }
    }

    /// Answers a question, if someone still waits for it.
    pub(super) fn answer(&self, number: u64, answer: T) {
        self.settle(number, Hold::Answered(answer));
    }

    /// Ends the questions whose deadline has passed.
    pub(super) fn expire(&self, now: Instant) {
        let mut wakers = Vec::new();
        for slot in &mut self.slots.borrow_mut().slots {
            let late = slot.deadline.is_some_and(|deadline| deadline <= now);
            if let (true, Hold::Waiting(waker)) = (late, &mut slot.hold) {
                wakers.extend(waker.take());
                slot.hold = Hold::Expired;
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends all open questions with an answer each.
    pub(super) fn answer_all(&self, mut answer: impl FnMut() -> T) {
        let mut wakers = Vec::new();
        for slot in &mut self.slots.borrow_mut().slots {
            if let Hold::Waiting(waker) = &mut slot.hold {
                wakers.extend(waker.take());
                slot.hold = Hold::Answered(answer());
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    fn settle(&self, number: u64, hold: Hold<T>) {
        let waker = {
            let mut slots = self.slots.borrow_mut();
            let Some(slot) = slots.slot(number) else { return };
            let Hold::Waiting(waker) = &mut slot.hold else { return };
            let waker = waker.take();
            slot.hold = hold;
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Slots<T> {
    fn slot(&mut self, number: u64) -> Option<&mut Slot<T>> {
        let (place, generation) = split(number);
        self.slots.get_mut(place).filter(|slot| slot.generation == generation)
    }
}

/// Slot and generation of a ticket's number.
fn split(number: u64) -> (usize, u32) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
    let halves = (number as u32 as usize, (number >> 32) as u32);
    halves
}

impl<T> Ticket<'_, T> {
    /// What the answer must name.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl<T> Future for Ticket<'_, T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slots = self.tickets.slots.borrow_mut();
        let Some(slot) = slots.slot(self.number) else { return Poll::Ready(None) };
        match std::mem::replace(&mut slot.hold, Hold::Expired) {
            Hold::Answered(answer) => Poll::Ready(Some(answer)),
            Hold::Expired | Hold::Free => Poll::Ready(None),
            Hold::Waiting(_) => {
                slot.hold = Hold::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Ticket<'_, T> {
    fn drop(&mut self) {
        // An answer is dropped only after the borrow has ended: its own drop may be of any kind.
        let hold = {
            let mut slots = self.tickets.slots.borrow_mut();
            let (place, _) = split(self.number);
            let Some(slot) = slots.slot(self.number) else { return };
            slot.generation = slot.generation.wrapping_add(1);
            slot.deadline = None;
            let hold = std::mem::replace(&mut slot.hold, Hold::Free);
            slots.free.push(u32::try_from(place).unwrap_or_default());
            hold
        };
        drop(hold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::time::Duration;

    #[test]
    fn answers_reach_their_ticket_and_none_reaches_its_successor() {
        let tickets = Tickets::default();
        let (first, second) = (tickets.open(None), tickets.open(None));
        tickets.answer(second.number(), 2);
        tickets.answer(first.number(), 1);
        assert_eq!(block_on(second), Some(2));
        let late = first.number();
        drop(first);
        let next = tickets.open(None);
        tickets.answer(late, 9);
        assert_eq!(block_on(poll_once(next)), None);
        let slots = tickets.slots.borrow();
        assert_eq!(slots.slots.len(), slots.free.len());
    }

    #[test]
    fn ticket_ends_after_its_deadline() {
        let now = crate::base::clock::now();
        let tickets = Tickets::<()>::default();
        let mut waiting = tickets.open(Some(now + Duration::from_secs(3)));
        tickets.expire(now + Duration::from_secs(2));
        assert_eq!(block_on(poll_once(&mut waiting)), None);
        tickets.expire(now + Duration::from_secs(3));
        assert_eq!(block_on(waiting), None);
    }
}
