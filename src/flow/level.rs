//! A priority level on this shard: its seats, its queues and what it counts.

use super::demand::Stats;
use super::dropped::Dropped;
use super::figures::{SECONDS, Spread, WIDTHS};
use super::plan::LevelSpec;
use super::queue::{About, Held, Queues, Refusal, Start, State, Ticket};
use super::register::Register;
use super::share::Want;
use super::width::Width;
use crate::base::clock;
use crate::http::HeaderValue;
use crate::rt;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// One request may take this part of a level's seats (`priorityLevelMaxSeatsPercent`).
const SEATS_PART: f64 = 0.15;

/// A level; it outlives changes of its configuration.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) spec: RefCell<LevelSpec>,
    queues: RefCell<Queues>,
    dropped: RefCell<Dropped>,
    /// Seats by its share, and the bounds that lending and borrowing leave.
    pub(super) nominal: Cell<usize>,
    pub(super) least: Cell<usize>,
    pub(super) most: Cell<usize>,
    pub(super) target: Cell<f64>,
    seats_max: Cell<usize>,
    exempt: Cell<bool>,
    /// A task waits for seats that are held.
    timed: Cell<bool>,
    executing: RefCell<Register>,
}

/// The seats of the process, and which shard deals its part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seats {
    /// All there are.
    pub process: usize,
    /// This shard, from 0.
    pub shard: usize,
    /// Shards of the process.
    pub shards: usize,
}

impl Seats {
    /// This shard's part of `count`; the parts of all shards add up to it.
    const fn part(self, count: usize) -> usize {
        let rest = count % self.shards;
        count / self.shards + if self.shard < rest { 1 } else { 0 }
    }
}

/// What is counted of one schema's requests.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) dispatched: Cell<u64>,
    pub(super) rejected: [Cell<u64>; Refusal::COUNT],
    pub(super) waiting: Cell<u64>,
    pub(super) executing: Cell<u64>,
    pub(super) seats: Cell<u64>,
    /// How long requests have waited: those that gave up, and those that went on.
    pub(super) waits: [Spread; 2],
    /// How long requests took, and watches to begin.
    pub(super) runs: [Spread; 2],
    /// How many seats requests were taken to need.
    pub(super) widths: Spread,
}

/// A request was refused: seconds after which it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// For `Retry-After`.
    pub retry_seconds: u32,
}

/// The seats of a request; dropping it frees them.
#[derive(Debug)]
pub struct Seat {
    level: Rc<Level>,
    counts: Rc<Counts>,
    held: Held,
    came: Instant,
    place: Option<usize>,
    is_watch: bool,
}

impl Seat {
    /// Notes what the request is, for those who look at what executes.
    pub(super) fn note(&mut self, is_watch: bool, texts: &[&str]) {
        self.is_watch = is_watch;
        let mut executing = self.level.executing.borrow_mut();
        self.place = Some(executing.enter(self.held, self.came, texts));
    }
}

impl Level {
    pub(super) fn new(spec: LevelSpec) -> Self {
        let now = clock::now();
        let mut queues = Queues::new(now);
        queues.configure(now, spec.exempt, spec.queuing);
        Self {
            exempt: Cell::new(spec.exempt),
            spec: RefCell::new(spec),
            queues: RefCell::new(queues),
            dropped: RefCell::default(),
            nominal: Cell::new(0),
            least: Cell::new(0),
            most: Cell::new(0),
            target: Cell::new(0.0),
            seats_max: Cell::new(1),
            timed: Cell::new(false),
            executing: RefCell::default(),
        }
    }

    /// Takes on a changed configuration.
    pub(super) fn configure(&self, spec: LevelSpec) {
        self.queues.borrow_mut().configure(clock::now(), spec.exempt, spec.queuing);
        self.exempt.set(spec.exempt);
        *self.spec.borrow_mut() = spec;
    }

    pub(super) fn uid(&self) -> HeaderValue {
        self.spec.borrow().uid.clone()
    }

    /// Nothing is limited, so nothing is estimated.
    pub(super) const fn is_exempt(&self) -> bool {
        self.exempt.get()
    }

    /// What one request may take.
    pub(super) fn seats_max(&self) -> usize {
        self.seats_max.get()
    }

    /// Sets its part of the process's seats, as its shares of all `shares` say
    /// (`finishQueueSetReconfigsLocked`), and of that the part of this shard.
    pub(super) fn set_share(&self, all: Seats, shares: u64, is_new: bool) {
        let spec = self.spec.borrow();
        let part = if shares == 0 { 0.0 } else { f64::from(spec.shares) / shares as f64 };
        let nominal = (all.process as f64 * part).ceil() as usize;
        let percent = |percent: u32| (nominal as f64 * f64::from(percent) / 100.0).round() as usize;
        let lendable = percent(spec.lendable_percent).min(nominal);
        let borrowed = spec.borrowing_percent.map_or(all.process, percent);
        // A level without shares is a jail; another never has nothing at all on a shard, for what
        // waits here cannot be let in elsewhere.
        let least = usize::from(nominal > 0 && !spec.exempt);
        self.nominal.set(all.part(nominal).max(least));
        self.least.set(all.part(nominal - lendable).max(least));
        self.most.set(all.part(nominal + borrowed).max(least));
        let nominal = self.nominal.get();
        if let Some(queuing) = spec.queuing {
            let hand = nominal / queuing.hand_size.max(1);
            self.seats_max.set(((nominal as f64 * SEATS_PART).ceil() as usize).min(hand).max(1));
        }
        drop(spec);
        if is_new {
            self.set_limit(nominal.midpoint(self.least.get()));
        }
    }

    pub(super) fn set_limit(&self, seats: usize) {
        self.queues.borrow_mut().set_limit(clock::now(), seats);
    }

    pub(super) fn limit(&self) -> usize {
        self.queues.borrow().limit()
    }

    /// What stands in its queues and what it holds.
    pub(super) fn queues(&self) -> std::cell::Ref<'_, Queues> {
        self.queues.borrow()
    }

    /// What executes.
    pub(super) fn executing(&self) -> std::cell::Ref<'_, Register> {
        self.executing.borrow()
    }

    pub(super) fn demand(&self) -> Stats {
        self.queues.borrow().demand.stats
    }

    /// Ends an adjustment period: what the level wants for the next.
    pub(super) fn want(&self) -> Want {
        let mut queues = self.queues.borrow_mut();
        queues.demand.end_period(clock::now());
        let stats = queues.demand.stats;
        let least = self.least.get().max(self.nominal.get().min(stats.most)) as f64;
        let want = Want { least, most: self.most.get() as f64, target: least.max(stats.smoothed) };
        self.target.set(want.target);
        want
    }

    /// Waits for seats, at most for `wait`. HOT: benches/flow.rs `enter`.
    ///
    /// # Errors
    /// The level has neither seats nor a place to wait, or the wait was too long.
    pub(super) async fn enter(
        self: &Rc<Self>,
        counts: &Rc<Counts>,
        flow: u64,
        width: Width,
        (wait, about): (Duration, impl FnOnce() -> About),
    ) -> Result<Seat, Refused> {
        let came = clock::now();
        counts.widths.observe(&WIDTHS, width.seats_max() as f64);
        let started = self.queues.borrow_mut().start(came, flow, width, about);
        let held = match started {
            Ok(Start::Seated(held)) => held,
            Ok(Start::Waits(ticket)) => {
                // Boxed, so that requests that need not wait carry no room for it.
                let waited = Box::pin(self.wait(counts, &ticket, wait)).await;
                let [gave_up, went_on] = &counts.waits;
                let waits = if waited.is_ok() { went_on } else { gave_up };
                waits.observe(&SECONDS, came.elapsed().as_secs_f64());
                waited.map_err(|refusal| self.refuse(counts, refusal))?
            }
            Err(refusal) => return Err(self.refuse(counts, refusal)),
        };
        add(&counts.dispatched, 1);
        add(&counts.executing, 1);
        add(&counts.seats, held.seats());
        let (level, counts) = (Rc::clone(self), Rc::clone(counts));
        Ok(Seat { level, counts, held, came, place: None, is_watch: false })
    }

    async fn wait(
        self: &Rc<Self>,
        counts: &Counts,
        ticket: &Rc<Ticket>,
        wait: Duration,
    ) -> Result<Held, Refusal> {
        let mut waiting = Waiting { level: self, counts, ticket, seated: None };
        add(&counts.waiting, 1);
        self.look_after_lingering();
        let executing = poll_fn(|cx| match ticket.state.get() {
            State::Waiting => {
                ticket.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
            State::Executing | State::Gone => Poll::Ready(()),
        });
        let seated = rt::timeout(wait, executing).await.is_ok();
        waiting.seated = Some(seated);
        if seated { Ok(ticket.held()) } else { Err(Refusal::TimeOut) }
    }

    fn refuse(&self, counts: &Counts, refusal: Refusal) -> Refused {
        if let Some(count) = counts.rejected.get(refusal as usize) {
            add(count, 1);
        }
        let retry_seconds = self.dropped.borrow_mut().count(clock::unix_seconds());
        Refused { retry_seconds }
    }

    /// While requests wait for seats that are held, a task frees these in time.
    fn look_after_lingering(self: &Rc<Self>) {
        if self.timed.get() || self.queues.borrow().next_release().is_none() {
            return;
        }
        self.timed.set(true);
        let level = Rc::clone(self);
        rt::spawn(async move {
            loop {
                let Some(at) = level.queues.borrow().next_release() else { break };
                rt::sleep(at.saturating_duration_since(clock::now())).await;
                level.queues.borrow_mut().tick(clock::now());
            }
            level.timed.set(false);
        });
    }
}

/// A request that waits; dropping it gives up.
struct Waiting<'w> {
    level: &'w Rc<Level>,
    counts: &'w Counts,
    ticket: &'w Rc<Ticket>,
    /// Whether the request goes on and frees its seats itself; `None` while it waits.
    seated: Option<bool>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.counts.waiting.set(self.counts.waiting.get().saturating_sub(1));
        if self.seated.is_none()
            && let Some(count) = self.counts.rejected.get(Refusal::Cancelled as usize)
        {
            add(count, 1);
        }
        let seated = self.seated == Some(true);
        let mut queues = self.level.queues.borrow_mut();
        match self.ticket.state.get() {
            State::Waiting => queues.cancel(clock::now(), self.ticket),
            // Seats came while the client went.
            State::Executing if !seated => queues.finish(clock::now(), self.ticket.held()),
            State::Executing | State::Gone => {}
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let counts = &self.counts;
        counts.executing.set(counts.executing.get().saturating_sub(1));
        counts.seats.set(counts.seats.get().saturating_sub(self.held.seats()));
        let now = clock::now();
        let [requests, watches] = &counts.runs;
        let took = now.saturating_duration_since(self.held.started).as_secs_f64();
        if self.is_watch { watches } else { requests }.observe(&SECONDS, took);
        if let Some(place) = self.place {
            self.level.executing.borrow_mut().leave(place);
        }
        self.level.queues.borrow_mut().finish(now, self.held);
        self.level.look_after_lingering();
    }
}

fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get().saturating_add(more));
}
