//! Waiting on a shard.

use std::fmt;
use std::future::Future;
use std::pin::pin;
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

/// Waits; to the millisecond or so.
pub async fn sleep(duration: Duration) {
    glommio::timer::Timer::new(duration).await;
}

/// The future's output, unless `duration` passes first; then it is dropped.
///
/// # Errors
/// [`Elapsed`].
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut timer: Option<glommio::timer::Timer> = None;
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // Made only once the future has to wait: most do not.
        let timer = timer.get_or_insert_with(|| glommio::timer::Timer::new(duration));
        std::pin::Pin::new(timer).poll(cx).map(|_| Err(Elapsed))
    })
    .await
}
