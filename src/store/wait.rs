//! Waiting for a future on a plain thread, but not for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;
use std::thread::Thread;
use std::time::Instant;

/// Parks the thread that made it until a future is ready or a deadline passes.
#[derive(Debug)]
pub(super) struct Waiter {
    waker: Waker,
}

impl Waiter {
    /// For the calling thread only: another thread would park without being woken.
    pub(super) fn new() -> Self {
        Self { waker: Waker::from(Arc::new(Unpark(std::thread::current()))) }
    }

    /// The future's output, or `None` at the deadline; the future can then be waited for again.
    pub(super) fn until<F: Future>(
        &self,
        mut future: Pin<&mut F>,
        deadline: Instant,
    ) -> Option<F::Output> {
        let mut context = Context::from_waker(&self.waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Some(output);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::park_timeout(left);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn gives_up_at_the_deadline_and_can_go_on_waiting() {
        let (sender, receiver) = async_channel::bounded::<u8>(1);
        let waiter = Waiter::new();
        let mut future = std::pin::pin!(receiver.recv());
        let started = Instant::now();
        assert!(waiter.until(future.as_mut(), started + Duration::from_millis(20)).is_none());
        assert!(started.elapsed() >= Duration::from_millis(20));
        let thread = std::thread::spawn(move || sender.send_blocking(7));
        let found = waiter.until(future.as_mut(), Instant::now() + Duration::from_secs(10));
        assert_eq!(found, Some(Ok(7)));
        thread.join().expect("joins").expect("sends");
    }
}
