//! The shard's ring: readiness of sockets, the time it may sleep, and what wakes it.
//!
//! Sockets are read and written directly and waited for here, so that a wake is one system call
//! that hands over what is awaited next and takes what became ready. Completions are made when the
//! shard is in the kernel anyway (cooperative task running), so none interrupts it. They are not
//! deferred until it asks for them: the driver does not ask in a turn that another thread wanted,
//! and under load each turn is one.

use super::executor;
use compio_driver::DriverType;
use compio_driver::Key;
use compio_driver::Proactor;
use compio_driver::PushEntry;
use compio_driver::op::Interest;
use compio_driver::op::PollOnce;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

/// Entries that are handed over at once. More wait for the next call.
const SUBMISSIONS: u32 = 256;
/// Answers that have room before the kernel has to keep them elsewhere: about as many connections
/// as become ready within one round.
const COMPLETIONS: u32 = 1024;

/// One ring. Used by the thread that made it alone.
pub(super) struct Ring {
    driver: Proactor,
    waker: Waker,
}

impl Ring {
    /// Sets the ring up with the quietest way of completing that the kernel has.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Proactor::builder();
        builder.capacity(SUBMISSIONS).cqsize(COMPLETIONS).driver_type(DriverType::IoUring);
        builder.thread_pool_limit(0).single_issuer(true).coop_taskrun(true);
        // Before Linux 6.0 a ring cannot be told that it has one issuer, before 5.19 not to
        // cooperate.
        let driver = builder
            .build()
            .or_else(|_| builder.single_issuer(false).build())
            .or_else(|_| builder.coop_taskrun(false).build())?;
        Ok(Self { waker: driver.waker(), driver })
    }

    /// Wakes a [`Ring::turn`] that sleeps, from any thread; costs next to nothing when it does not.
    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Hands over what was asked for since the last call and wakes the tasks whose sockets are
    /// ready. Sleeps until there is one, [`Self::waker`] is used or `timeout` has passed.
    ///
    /// # Errors
    /// The system's, of the ring itself.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            // Spares the kernel a timer that has passed already.
            self.waker.wake_by_ref();
        }
        match self.driver.poll(timeout) {
            Err(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            result => result,
        }
    }
}

/// Whether one direction of a socket can be used. Starts as if it could, so that the first attempt
/// is made at once.
pub(super) struct Readiness<S: AsFd + 'static> {
    interest: Interest,
    /// Nothing to be had before the ring says so.
    exhausted: bool,
    asked: Option<Key<PollOnce<Rc<S>>>>,
}

impl<S: AsFd + 'static> Readiness<S> {
    /// Of data, connections, or the end.
    pub(super) fn to_read() -> Self {
        Self { interest: Interest::Readable, exhausted: false, asked: None }
    }

    /// Of room.
    pub(super) fn to_write() -> Self {
        Self { interest: Interest::Writable, exhausted: false, asked: None }
    }

    /// Notes that the socket gave (or took) less than it was asked to.
    pub(super) fn exhaust(&mut self) {
        self.exhausted = true;
    }

    /// Ready when an attempt is worth it. What became ready before the ring is asked counts, so
    /// nothing can be missed between [`Self::exhaust`] and this.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, socket: &Rc<S>) -> Poll<io::Result<()>> {
        if !self.exhausted {
            return Poll::Ready(Ok(()));
        }
        executor::with_ring(|Ring { driver, .. }| {
            let entry = match self.asked.take() {
                Some(key) => driver.pop(key),
                None => driver.push(PollOnce::new(Rc::clone(socket), self.interest)),
            };
            match entry {
                PushEntry::Pending(key) => {
                    driver.update_waker(&key, cx.waker());
                    self.asked = Some(key);
                    Poll::Pending
                }
                PushEntry::Ready(done) => {
                    self.exhausted = false;
                    Poll::Ready(done.0.map(drop))
                }
            }
        })
        .unwrap_or_else(|| Poll::Ready(Err(io::Error::other("used outside of its shard"))))
    }

    /// [`Self::poll`] around attempts: `attempt` is repeated until it does not end with
    /// [`io::ErrorKind::WouldBlock`].
    ///
    /// # Errors
    /// Of the attempt, or the ring's.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Rc<S>,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match self.poll(cx, socket) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => return Poll::Pending,
            }
            match attempt() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.exhaust(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl<S: AsFd + 'static> Drop for Readiness<S> {
    fn drop(&mut self) {
        // Else the ring would hold the socket until its next event.
        if let Some(key) = self.asked.take() {
            executor::with_ring(|ring| drop(ring.driver.cancel(key)));
        }
    }
}

impl<S: AsFd + 'static> std::fmt::Debug for Readiness<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readiness").field("asked", &self.asked.is_some()).finish_non_exhaustive()
    }
}
