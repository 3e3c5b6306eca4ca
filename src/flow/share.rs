//! How the seats of the server are dealt to its levels (`conc_alloc.go`, `updateBorrowingLocked`).

/// What a level may have, and what it wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Want {
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) target: f64,
}

/// A target of nothing is taken as this (`MinTarget`).
const TARGET_MIN: f64 = 0.001;
/// Steps of the search; each halves what is not known.
const STEPS: usize = 64;

/// Deals `sum` in proportion to the targets, within the bounds: the shares, and the proportion.
pub(super) fn deal(sum: f64, wants: &[Want]) -> (Vec<f64>, f64) {
    let share = |want: &Want, proportion: f64| {
        (want.target.max(TARGET_MIN) * proportion).clamp(want.least, want.most.max(want.least))
    };
    let total = |proportion: f64| wants.iter().map(|want| share(want, proportion)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while total(high) < sum && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if total(middle) < sum {
            low = middle;
        } else {
            high = middle;
        }
    }
    (wants.iter().map(|want| share(want, high)).collect(), high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(least: f64, most: f64, target: f64) -> Want {
        Want { least, most, target }
    }

    fn rounded(sum: f64, wants: &[Want]) -> Vec<i64> {
        deal(sum, wants).0.into_iter().map(|share| share.round() as i64).collect()
    }

    #[test]
    fn shares_are_in_proportion_to_what_is_wanted() {
        assert_eq!(rounded(90.0, &[want(0.0, 600.0, 10.0), want(0.0, 600.0, 20.0)]), [30, 60]);
    }

    #[test]
    fn bounds_hold_and_the_rest_goes_to_others() {
        assert_eq!(rounded(100.0, &[want(50.0, 600.0, 50.0), want(0.0, 10.0, 200.0)]), [90, 10]);
        assert_eq!(rounded(100.0, &[want(80.0, 600.0, 80.0), want(0.0, 600.0, 600.0)]), [80, 20]);
    }

    #[test]
    fn levels_that_want_nothing_get_equal_shares() {
        assert_eq!(rounded(60.0, &[want(0.0, 600.0, 0.0), want(0.0, 600.0, 0.0)]), [30, 30]);
    }
}
