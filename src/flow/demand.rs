//! How many seats a level's requests want, over an adjustment period (`integrator`,
//! `seatDemandStats`).

use std::time::Instant;

/// `seatDemandSmoothingCoefficient`.
const SMOOTHING: f64 = 0.977;

/// A count over time: its mean, deviation and most.
#[derive(Debug, Clone)]
pub(super) struct Demand {
    since: Instant,
    seats: usize,
    seconds: f64,
    sum: f64,
    squares: f64,
    most: usize,
    pub(super) stats: Stats,
}

/// What is known of the last period.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Stats {
    pub(super) most: usize,
    pub(super) mean: f64,
    pub(super) deviation: f64,
    /// The envelope, falling slowly.
    pub(super) smoothed: f64,
}

impl Demand {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            seats: 0,
            seconds: 0.0,
            sum: 0.0,
            squares: 0.0,
            most: 0,
            stats: Stats::default(),
        }
    }

    /// The demand is this from now on.
    pub(super) fn set(&mut self, now: Instant, seats: usize) {
        self.pass(now);
        self.seats = seats;
        self.most = self.most.max(seats);
    }

    /// Ends the period.
    pub(super) fn end_period(&mut self, now: Instant) {
        self.pass(now);
        self.stats.most = self.most;
        if self.seconds > 0.0 {
            let mean = self.sum / self.seconds;
            let variance = (self.squares / self.seconds - mean * mean).max(0.0);
            let deviation = variance.sqrt();
            let envelope = mean + deviation;
            let falling = SMOOTHING * self.stats.smoothed + (1.0 - SMOOTHING) * envelope;
            self.stats =
                Stats { most: self.most, mean, deviation, smoothed: envelope.max(falling) };
        }
        (self.seconds, self.sum, self.squares, self.most) = (0.0, 0.0, 0.0, self.seats);
    }

    fn pass(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = self.since.max(now);
        let seats = self.seats as f64;
        self.seconds += seconds;
        self.sum += seats * seconds;
        self.squares += seats * seats * seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn demand_rises_at_once_and_falls_slowly() {
        let mut now = crate::base::clock::now();
        let mut demand = Demand::new(now);
        demand.set(now, 10);
        now += Duration::from_secs(10);
        demand.end_period(now);
        assert_eq!((demand.stats.most, demand.stats.mean), (10, 10.0));
        assert_eq!(demand.stats.smoothed, 10.0);
        demand.set(now, 0);
        now += Duration::from_secs(10);
        demand.end_period(now);
        assert_eq!(demand.stats.mean, 0.0);
        assert!((demand.stats.smoothed - 9.77).abs() < 1e-9, "{}", demand.stats.smoothed);
    }
}
