//! A clock for what takes nanoseconds: the processor's counter, read without a system call. Where
//! it does not run evenly, the monotonic clock takes its place.

use quanta::Clock;
use std::sync::LazyLock;

static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::new);

/// A point in time; of use only against another one of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(u64);

impl Ticks {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(CLOCK.raw())
    }

    /// The counts since `earlier`, none if that is later: cores' counters may differ by a few.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Counts as nanoseconds.
    #[must_use]
    pub fn nanos(counts: u64) -> u64 {
        CLOCK.delta_as_nanos(0, counts)
    }

    /// Finds out how fast the counter runs, which takes some milliseconds: before the first
    /// request, so that none has to wait for it.
    pub fn calibrate() {
        LazyLock::force(&CLOCK);
    }
}

#[cfg(test)]
mod tests {
    use super::Ticks;
    use std::time::{Duration, Instant};

    #[test]
    fn counts_agree_with_the_monotonic_clock() {
        Ticks::calibrate();
        let (begun, from) = (Instant::now(), Ticks::now());
        while begun.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let nanos = Ticks::nanos(Ticks::now().since(from)) as f64;
        let real = begun.elapsed().as_nanos() as f64;
        assert!((nanos / real - 1.0).abs() < 0.1, "{nanos} for {real}");
        assert_eq!(from.since(Ticks::now()), 0);
    }
}
