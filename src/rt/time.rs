//! Waiting on a shard.

use super::executor;
use super::executor::TimerId;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use std::time::Instant;

/// A [`timeout`] ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl std::error::Error for Elapsed {}

/// The monotonic clock.
#[must_use]
pub fn now() -> Instant {
    crate::base::clock::now()
}

/// Waits.
pub async fn sleep(duration: Duration) {
    Timer::new(duration).await;
}

/// The future's output, unless `duration` passes first; then it is dropped.
///
/// # Errors
/// [`Elapsed`].
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut timer: Option<Timer> = None;
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // Made only once the future has to wait: most do not.
        let timer = timer.get_or_insert_with(|| Timer::new(duration));
        Pin::new(timer).poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// Ends at its time.
struct Timer {
    due: Instant,
    set: Option<TimerId>,
}

impl Timer {
    fn new(duration: Duration) -> Self {
        let now = Instant::now();
        // Further than the clock goes is never; a century does for that.
        let due = now.checked_add(duration).unwrap_or(now + Duration::from_secs(100 * 31_536_000));
        Self { due, set: None }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(id) = self.set {
            // Gone when it has passed.
            return if executor::keep_timer(id, cx.waker()) {
                Poll::Pending
            } else {
                Poll::Ready(())
            };
        }
        if Instant::now() >= self.due {
            return Poll::Ready(());
        }
        self.set = executor::set_timer(self.due, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(id) = self.set.take() {
            executor::clear_timer(id);
        }
    }
}
