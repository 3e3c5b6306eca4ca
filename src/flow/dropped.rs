//! How long refused clients are told to wait: longer while many are refused
//! (`droppedRequestsTracker`).

use std::collections::VecDeque;

/// `maxRetryAfter`.
const SECONDS_MAX: i64 = 32;

/// The refusals of one level.
#[derive(Debug)]
pub(super) struct Dropped {
    /// Seconds and the refusals in each, oldest first; the last is now.
    history: VecDeque<(i64, i64)>,
    retry_seconds: i64,
    raised_at: i64,
}

impl Default for Dropped {
    fn default() -> Self {
        Self { history: VecDeque::new(), retry_seconds: 1, raised_at: 0 }
    }
}

impl Dropped {
    /// Counts a refusal, and says what to tell the client.
    pub(super) fn count(&mut self, now: i64) -> u32 {
        match self.history.back_mut() {
            Some((second, count)) if *second == now => *count += 1,
            _ => {
                self.adjust(now);
                self.history.push_back((now, 1));
            }
        }
        u32::try_from(self.retry_seconds).unwrap_or(1)
    }

    /// Doubles the wait if there were many refusals within it, shortens it if there were few.
    fn adjust(&mut self, now: i64) {
        let kept = (2 * self.retry_seconds).min(SECONDS_MAX);
        while self.history.front().is_some_and(|(second, _)| now - second > kept) {
            self.history.pop_front();
        }
        let within = self.history.iter().filter(|(second, _)| now - second <= self.retry_seconds);
        let dropped: i64 = within.map(|(_, count)| count).sum();
        let wait = self.retry_seconds;
        if now - self.raised_at >= wait && dropped >= 3 * wait {
            self.retry_seconds = (2 * wait).min(SECONDS_MAX);
            self.raised_at = now;
        } else if dropped < wait && wait > 1 {
            self.retry_seconds -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dropped;

    #[test]
    fn many_refusals_double_the_wait_and_few_shorten_it() {
        let mut dropped = Dropped::default();
        for _ in 0..3 {
            assert_eq!(dropped.count(100), 1);
        }
        assert_eq!(dropped.count(101), 2);
        for _ in 0..5 {
            dropped.count(102);
        }
        assert_eq!(dropped.count(103), 4);
        assert_eq!(dropped.count(200), 3);
        assert_eq!(dropped.count(300), 2);
        assert_eq!(dropped.count(400), 1);
        assert_eq!(dropped.count(500), 1);
    }
}
