//! Fair queuing of one priority level (`fairqueuing/queueset` upstream): flows are dealt a hand of
//! queues, and queues take turns by the virtual time at which their work would be done.
//!
//! Work is counted in seats × nanoseconds in 128 bits, which never overflows, so upstream's epochs
//! are not needed. Where nobody waits and there is room, a request passes without a look at any
//! other queue and without an allocation. Time is given from outside, so that tests make it.

use super::plan::Queuing;
use super::width::Width;
use crate::base::clock;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// What a request is taken to last (`estimatedServiceDuration`).
const SERVICE: Duration = Duration::from_millis(3);
/// The largest hand (`maxHashBits` allows no larger for the queues there are).
const HAND_MAX: usize = 16;

/// Seats × nanoseconds.
type Work = i128;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its client left while it waited.
    Cancelled,
    /// All seats are taken, and the level has no queues.
    ConcurrencyLimit,
    /// Its queue is full.
    QueueFull,
    /// It has waited too long.
    TimeOut,
}

impl Refusal {
    /// How many there are.
    pub(super) const COUNT: usize = 4;
}

/// What a request that waits is, for those who look at the queues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    /// Flow schema, what its flow is told apart by, user, verb, path, namespace, name, group,
    /// version, resource, subresource.
    pub texts: Vec<String>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Executing,
    Gone,
    Waiting,
}

/// What a request holds that has been let in; to be given back by [`Queues::finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) width: Width,
    pub(super) queue: Option<usize>,
    pub(super) started: Instant,
}

impl Held {
    /// How many.
    pub(super) fn seats(self) -> u64 {
        self.width.seats_max() as u64
    }
}

/// How a request begins.
#[derive(Debug)]
pub(super) enum Start {
    /// At once.
    Seated(Held),
    /// In a queue.
    Waits(Rc<Ticket>),
}

/// One request that waits.
pub(super) struct Ticket {
    width: Width,
    work: Work,
    arrived: Work,
    queue: usize,
    about: About,
    arrived_micros: i64,
    started: Cell<Instant>,
    pub(super) state: Cell<State>,
    pub(super) waker: Cell<Option<Waker>>,
}

impl Ticket {
    /// What it holds once it executes.
    pub(super) const fn held(&self) -> Held {
        Held { width: self.width, queue: Some(self.queue), started: self.started.get() }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {:?}", self.state.get(), self.width)
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Rc<Ticket>>,
    waiting_work: Work,
    /// When its next request begins, in virtual time.
    next: Work,
    executing: usize,
    seats: usize,
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.executing == 0
    }

    /// A request begins no earlier than it has come (`boundNextDispatchLocked`).
    fn bound(&mut self) {
        if let Some(oldest) = self.waiting.front() {
            self.next = self.next.max(oldest.arrived);
        }
    }
}

/// One queue, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueState {
    pub(super) waiting: usize,
    pub(super) executing: usize,
    pub(super) seats: usize,
    /// Seat-seconds, as text.
    pub(super) next: String,
    pub(super) initial: usize,
    pub(super) most: usize,
    pub(super) work: String,
}

/// One request that waits, to be shown.
#[derive(Debug)]
pub(super) struct WaitingRequest<'q> {
    pub(super) queue: usize,
    pub(super) place: usize,
    pub(super) arrived_micros: i64,
    pub(super) width: Width,
    pub(super) about: &'q About,
}

/// The queues of a level.
#[derive(Debug)]
pub(super) struct Queues {
    exempt: bool,
    queuing: Option<Queuing>,
    limit: usize,
    queues: Vec<Queue>,
    active: usize,
    virtual_now: Work,
    real_now: Instant,
    robin: usize,
    enqueued: usize,
    waiting: usize,
    executing: usize,
    seats_in_use: usize,
    seats_waiting: usize,
    /// Seats that stay taken after their request: when they are free, how many, of which queue.
    /// No more than there are seats.
    lingering: BinaryHeap<Reverse<(Instant, usize, Option<usize>)>>,
    pub(super) demand: super::demand::Demand,
}

impl Queues {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            exempt: false,
            queuing: None,
            limit: 0,
            queues: Vec::new(),
            active: 0,
            virtual_now: 0,
            real_now: now,
            robin: 0,
            enqueued: 0,
            waiting: 0,
            executing: 0,
            seats_in_use: 0,
            seats_waiting: 0,
            lingering: BinaryHeap::new(),
            demand: super::demand::Demand::new(now),
        }
    }

    /// Sets what the level is from now on; queues beyond the wanted number run empty.
    pub(super) fn configure(&mut self, now: Instant, exempt: bool, queuing: Option<Queuing>) {
        self.advance(now);
        (self.exempt, self.queuing) = (exempt, queuing);
        let wanted = queuing.map_or(0, |queuing| queuing.queues);
        if self.queues.len() < wanted {
            self.queues.resize_with(wanted, Queue::default);
        }
        self.dispatch(now);
    }

    /// Requests that wait, and those that execute.
    pub(super) const fn counts(&self) -> (usize, usize) {
        (self.waiting, self.executing)
    }

    /// Each queue's state.
    pub(super) fn states(&self) -> impl Iterator<Item = QueueState> {
        self.queues.iter().map(|queue| QueueState {
            waiting: queue.waiting.len(),
            executing: queue.executing,
            seats: queue.seats,
            next: seat_seconds(queue.next),
            initial: queue.waiting.iter().map(|ticket| ticket.width.initial).sum(),
            most: queue.waiting.iter().map(|ticket| ticket.width.seats_max()).sum(),
            work: seat_seconds(queue.waiting_work),
        })
    }

    /// Each request that waits: its queue, its place there, when it came, how wide it is and what.
    pub(super) fn waiting_requests(&self) -> impl Iterator<Item = WaitingRequest<'_>> {
        self.queues.iter().enumerate().flat_map(|(queue, state)| {
            state.waiting.iter().enumerate().map(move |(place, ticket)| WaitingRequest {
                queue,
                place,
                arrived_micros: ticket.arrived_micros,
                width: ticket.width,
                about: &ticket.about,
            })
        })
    }

    /// Sets the seats there are from now on.
    pub(super) fn set_limit(&mut self, now: Instant, limit: usize) {
        self.advance(now);
        self.limit = limit;
        self.dispatch(now);
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    #[cfg(test)]
    pub(super) const fn seats_in_use(&self) -> usize {
        self.seats_in_use
    }

    /// Lets a request in, or queues it in the shortest queue of its flow's hand.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn start(
        &mut self,
        now: Instant,
        flow: u64,
        width: Width,
        about: impl FnOnce() -> About,
    ) -> Result<Start, Refusal> {
        self.advance(now);
        let seats = width.seats_max();
        let Some(queuing) = self.queuing.filter(|queuing| queuing.queues > 0) else {
            if !self.has_room(seats) {
                return Err(Refusal::ConcurrencyLimit);
            }
            self.seat(now, seats);
            return Ok(Start::Seated(Held { width, queue: None, started: now }));
        };
        let place = self.deal(flow, queuing);
        let work = work(width.initial, SERVICE) + work(width.last, width.additional);
        let at_once = self.waiting == 0 && self.has_room(seats);
        let Some(queue) = self.queues.get_mut(place) else { return Err(Refusal::QueueFull) };
        if self.seats_in_use >= self.limit && queue.waiting.len() >= queuing.length_max {
            return Err(Refusal::QueueFull);
        }
        if queue.is_idle() {
            queue.next = self.virtual_now;
            self.active += 1;
        }
        if at_once {
            // As if it were queued and let in, which comes to the same when nobody waits.
            queue.executing += 1;
            queue.seats += seats;
            queue.next += work;
            self.robin = place;
            self.seat(now, seats);
            return Ok(Start::Seated(Held { width, queue: Some(place), started: now }));
        }
        let ticket = Rc::new(Ticket {
            width,
            work,
            arrived: self.virtual_now,
            queue: place,
            about: about(),
            arrived_micros: i64::try_from(clock::unix_time().as_micros()).unwrap_or(i64::MAX),
            started: Cell::new(now),
            state: Cell::new(State::Waiting),
            waker: Cell::new(None),
        });
        queue.waiting.push_back(Rc::clone(&ticket));
        queue.waiting_work += work;
        queue.bound();
        self.waiting += 1;
        self.seats_waiting += seats;
        self.note(now);
        self.dispatch(now);
        Ok(Start::Waits(ticket))
    }

    /// Takes a request that waits out of its queue.
    pub(super) fn cancel(&mut self, now: Instant, ticket: &Rc<Ticket>) {
        self.advance(now);
        if ticket.state.replace(State::Gone) != State::Waiting {
            return;
        }
        if let Some(queue) = self.queues.get_mut(ticket.queue) {
            queue.waiting.retain(|other| !Rc::ptr_eq(other, ticket));
            queue.waiting_work -= ticket.work;
            queue.bound();
            if queue.is_idle() {
                self.active = self.active.saturating_sub(1);
            }
        }
        self.waiting -= 1;
        self.seats_waiting -= ticket.width.seats_max();
        self.note(now);
        self.dispatch(now);
    }

    /// Frees the seats of a request that has been served, now or after its additional latency.
    pub(super) fn finish(&mut self, now: Instant, held: Held) {
        self.advance(now);
        let Held { width, queue: place, started } = held;
        self.executing = self.executing.saturating_sub(1);
        let took = now.saturating_duration_since(started);
        if let Some(queue) = place.and_then(|place| self.queues.get_mut(place)) {
            queue.executing = queue.executing.saturating_sub(1);
            // What it was taken to last is set right by what it did last.
            queue.next -= work(width.initial, SERVICE) - work(width.initial, took);
            queue.bound();
            if queue.is_idle() {
                self.active = self.active.saturating_sub(1);
            }
        }
        let seats = width.seats_max();
        if width.additional.is_zero() {
            self.free(now, seats, place);
        } else {
            self.lingering.push(Reverse((now + width.additional, seats, place)));
        }
        self.dispatch(now);
    }

    /// When seats that are held become free, if requests wait for them.
    pub(super) fn next_release(&self) -> Option<Instant> {
        let Reverse((at, ..)) = self.lingering.peek()?;
        (self.waiting > 0).then_some(*at)
    }

    /// Lets time pass: frees seats that were held until now.
    pub(super) fn tick(&mut self, now: Instant) {
        self.advance(now);
        self.dispatch(now);
    }

    /// Moves both clocks. Virtual time runs as fast as each busy queue is served.
    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.real_now);
        self.real_now = self.real_now.max(now);
        if self.active > 0 {
            let wanted = self.seats_in_use + self.seats_waiting;
            let seats = work(wanted.min(self.limit), passed);
            self.virtual_now += seats / Work::try_from(self.active).unwrap_or(1);
        }
        while let Some(Reverse((at, seats, queue))) = self.lingering.peek().copied() {
            if at > now {
                break;
            }
            self.lingering.pop();
            self.free(now, seats, queue);
        }
    }

    fn free(&mut self, now: Instant, seats: usize, queue: Option<usize>) {
        self.seats_in_use = self.seats_in_use.saturating_sub(seats);
        if let Some(queue) = queue.and_then(|place| self.queues.get_mut(place)) {
            queue.seats = queue.seats.saturating_sub(seats);
        }
        self.note(now);
    }

    fn note(&mut self, now: Instant) {
        self.demand.set(now, self.seats_in_use + self.seats_waiting);
    }

    fn has_room(&self, seats: usize) -> bool {
        if self.exempt {
            return true;
        }
        if seats > self.limit {
            // Wider than the level: alone.
            return self.executing == 0;
        }
        self.seats_in_use + seats <= self.limit
    }

    fn seat(&mut self, now: Instant, seats: usize) {
        self.executing += 1;
        self.seats_in_use += seats;
        self.note(now);
    }

    /// Lets in as many as there is room for.
    fn dispatch(&mut self, now: Instant) {
        while self.waiting > 0 && (self.exempt || self.seats_in_use < self.limit) {
            let Some(place) = self.next_queue() else { return };
            let Some(queue) = self.queues.get_mut(place) else { return };
            let Some(ticket) = queue.waiting.front().cloned() else { return };
            if !self.has_room(ticket.width.seats_max()) {
                return;
            }
            self.robin = place;
            let Some(queue) = self.queues.get_mut(place) else { return };
            queue.waiting.pop_front();
            queue.waiting_work -= ticket.work;
            queue.executing += 1;
            queue.seats += ticket.width.seats_max();
            queue.next += ticket.work;
            queue.bound();
            self.waiting -= 1;
            self.seats_waiting -= ticket.width.seats_max();
            ticket.started.set(now);
            ticket.state.set(State::Executing);
            self.seat(now, ticket.width.seats_max());
            if let Some(waker) = ticket.waker.take() {
                waker.wake();
            }
        }
    }

    /// The queue whose oldest request would be done first, from the one after the last.
    fn next_queue(&self) -> Option<usize> {
        let count = self.queues.len();
        let places = (1..=count).map(|step| (self.robin + step) % count);
        let finish = |place: usize| {
            let queue = self.queues.get(place)?;
            Some((queue.next + queue.waiting.front()?.work, place))
        };
        // The first of the least, so that those passed over win next time.
        places
            .filter_map(finish)
            .reduce(|best, next| if next.0 < best.0 { next } else { best })
            .map(|(_, place)| place)
    }

    /// The queue with the least work of the flow's hand (`shuffleShardLocked`).
    fn deal(&mut self, flow: u64, queuing: Queuing) -> usize {
        let hand = deal(flow, queuing.queues, queuing.hand_size.min(HAND_MAX));
        let size = queuing.hand_size.clamp(1, HAND_MAX);
        let offset = self.enqueued % size;
        self.enqueued = self.enqueued.wrapping_add(1);
        let cards = (0..size).filter_map(|step| hand.get((offset + step) % size).copied());
        let load = |card: &usize| self.queues.get(*card).map_or(Work::MAX, |q| q.waiting_work);
        cards.min_by_key(load).unwrap_or(0)
    }
}

/// Work as upstream prints it.
fn seat_seconds(work: Work) -> String {
    format!("{:.8}ss", work as f64 / 1e9)
}

fn work(seats: usize, time: Duration) -> Work {
    let nanos = Work::try_from(time.as_nanos()).unwrap_or(Work::MAX);
    nanos.saturating_mul(Work::try_from(seats).unwrap_or(Work::MAX))
}

/// A hand of different cards out of a deck, by a hash (`shufflesharding.Dealer`).
fn deal(mut hash: u64, deck: usize, size: usize) -> [usize; HAND_MAX] {
    let (mut hand, mut sorted) = ([0; HAND_MAX], [usize::MAX; HAND_MAX]);
    for place in 0..size.min(deck).min(HAND_MAX) {
        let left = (deck - place) as u64;
        let (next, mut card) = (hash / left, (hash % left) as usize);
        hash = next;
        let mut at = 0;
        // The card's number counts those that are not dealt yet.
        while let Some(taken) = sorted.get(at).filter(|taken| card >= **taken && at < place) {
            debug_assert!(*taken < deck);
            card += 1;
            at += 1;
        }
        if let Some(rest) = sorted.get_mut(at..=place) {
            rest.rotate_right(1);
            if let Some(slot) = rest.first_mut() {
                *slot = card;
            }
        }
        if let Some(slot) = hand.get_mut(place) {
            *slot = card;
        }
    }
    hand
}

#[cfg(test)]
mod tests;
