//! The ready tasks of a shard, and the loop that runs them and sleeps when there are none.

use super::ring::Ring;
use async_task::Runnable;
use concurrent_queue::ConcurrentQueue;
use slab::Slab;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

thread_local! {
    static HERE: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

/// How often tasks that others made ready are run before the ring is asked again: a request is a
/// few tasks that wake each other, and none of them should wait for a system call.
const ROUNDS: usize = 8;

/// What a shard's thread has.
struct Local {
    ready: RefCell<VecDeque<Runnable>>,
    far: Arc<Far>,
    ring: RefCell<Ring>,
    timers: RefCell<BTreeMap<TimerId, Waker>>,
    made: Cell<u64>,
    /// Of every task that has not ended, so that the end of the shard can end them.
    living: RefCell<Slab<Waker>>,
}

/// A timer: when, and which of those.
pub(super) type TimerId = (Instant, u64);

/// What other threads reach: tasks that they made ready. A task stands in it once at most, so
/// there are never more than tasks.
struct Far {
    ready: ConcurrentQueue<Runnable>,
    ring: Waker,
}

/// The waker of the future that [`Shard::run`] runs.
struct MainWaker {
    woken: AtomicBool,
    ring: Waker,
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.ring.wake_by_ref();
        }
    }
}

fn here() -> Option<Rc<Local>> {
    HERE.try_with(|here| here.borrow().clone()).ok().flatten()
}

/// Uses the ring of this thread's shard; `None` where there is no shard (any more).
pub(super) fn with_ring<T>(f: impl FnOnce(&mut Ring) -> T) -> Option<T> {
    here().map(|local| f(&mut local.ring.borrow_mut()))
}

/// Has `waker` woken at `due`. `None` where there is no shard.
pub(super) fn set_timer(due: Instant, waker: Waker) -> Option<TimerId> {
    here().map(|local| {
        let id = (due, local.made.replace(local.made.get().wrapping_add(1)));
        local.timers.borrow_mut().insert(id, waker);
        id
    })
}

/// Has the timer wake `waker` from now on. False when it has passed.
pub(super) fn keep_timer(id: TimerId, waker: &Waker) -> bool {
    here().is_some_and(|local| match local.timers.borrow_mut().get_mut(&id) {
        Some(kept) => {
            kept.clone_from(waker);
            true
        }
        None => false,
    })
}

/// Takes a timer back.
pub(super) fn clear_timer(id: TimerId) {
    if let Some(local) = here() {
        local.timers.borrow_mut().remove(&id);
    }
}

/// Takes a task out of the living ones.
struct Living(usize);

impl Drop for Living {
    fn drop(&mut self) {
        if let Some(local) = here() {
            local.living.borrow_mut().try_remove(self.0);
        }
    }
}

/// Makes a task of the future, ready to run.
///
/// # Panics
/// Where there is no shard.
#[expect(clippy::expect_used, reason = "stated in the contract")]
pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
    let local = here().expect("a shard on this thread");
    let far = Arc::clone(&local.far);
    let schedule = move |runnable: Runnable| {
        let runnable = HERE
            .try_with(|here| match &*here.borrow() {
                Some(local) if Arc::ptr_eq(&local.far, &far) => {
                    local.ready.borrow_mut().push_back(runnable);
                    None
                }
                _ => Some(runnable),
            })
            .ok()
            .flatten();
        if let Some(runnable) = runnable
            && far.ready.push(runnable).is_ok()
        {
            far.ring.wake_by_ref();
        }
    };
    let mut living = local.living.borrow_mut();
    let entry = living.vacant_entry();
    let alive = Living(entry.key());
    let task = async move {
        let _alive = alive;
        future.await;
    };
    let (runnable, task) = async_task::spawn_local(task, schedule);
    entry.insert(runnable.waker());
    task.detach();
    runnable.schedule();
}

impl Local {
    /// Runs the tasks that are ready now, once each: what they wake is for the next round.
    fn round(&self) {
        for _ in 0..self.far.ready.len() {
            let Ok(runnable) = self.far.ready.pop() else { break };
            self.ready.borrow_mut().push_back(runnable);
        }
        let ready = self.ready.borrow().len();
        for _ in 0..ready {
            let Some(runnable) = self.ready.borrow_mut().pop_front() else { break };
            runnable.run();
        }
    }

    fn fire_timers(&self) {
        if self.timers.borrow().is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let mut timers = self.timers.borrow_mut();
            let Some(first) = timers.first_entry().filter(|first| first.key().0 <= now) else {
                return;
            };
            let waker = first.remove();
            drop(timers);
            waker.wake();
        }
    }

    /// How long the shard may sleep at most.
    fn until_next_timer(&self) -> Option<Duration> {
        let timers = self.timers.borrow();
        timers.first_key_value().map(|((due, _), _)| due.saturating_duration_since(Instant::now()))
    }
}

/// The thread's being a shard.
pub(super) struct Shard(Rc<Local>);

impl Shard {
    /// Makes this thread one.
    ///
    /// # Errors
    /// The system's: no ring can be made.
    ///
    /// # Panics
    /// When the thread is a shard already.
    pub(super) fn new() -> io::Result<Self> {
        let ring = Ring::new()?;
        let far = Far { ready: ConcurrentQueue::unbounded(), ring: ring.waker() };
        let local = Rc::new(Local {
            ready: RefCell::default(),
            far: Arc::new(far),
            ring: RefCell::new(ring),
            timers: RefCell::default(),
            made: Cell::new(0),
            living: RefCell::default(),
        });
        HERE.with(|here| {
            let before = here.borrow_mut().replace(Rc::clone(&local));
            assert!(before.is_none(), "this thread is a shard already");
        });
        Ok(Self(local))
    }

    /// Runs the future, and the tasks it [`spawn`]s, to the future's end. Tasks that have not ended
    /// by then are dropped.
    ///
    /// # Panics
    /// When the ring itself fails.
    pub(super) fn run<T>(self, future: impl Future<Output = T>) -> T {
        let local = &self.0;
        let ring = local.far.ring.clone();
        let main = Arc::new(MainWaker { woken: AtomicBool::new(true), ring });
        let waker = Waker::from(Arc::clone(&main));
        let mut future = pin!(future);
        loop {
            if main.woken.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            local.fire_timers();
            for _ in 0..ROUNDS {
                local.round();
                if local.ready.borrow().is_empty() {
                    break;
                }
            }
            let sleep = if local.ready.borrow().is_empty() {
                local.until_next_timer()
            } else {
                Some(Duration::ZERO)
            };
            let turned = local.ring.borrow_mut().turn(sleep);
            #[expect(clippy::expect_used, reason = "a shard cannot go on without its ring")]
            turned.expect("the ring turns");
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // A task may only be dropped on its thread, and only one that is ready can be: all are
        // made so. What they drop may wake others, which have been woken then.
        let living: Vec<_> = self.0.living.borrow_mut().drain().collect();
        living.into_iter().for_each(Waker::wake);
        loop {
            let near = self.0.ready.borrow_mut().pop_front();
            let Some(runnable) = near.or_else(|| self.0.far.ready.pop().ok()) else { break };
            drop(runnable);
        }
        self.0.far.ready.close();
        HERE.with(|here| here.borrow_mut().take());
    }
}
