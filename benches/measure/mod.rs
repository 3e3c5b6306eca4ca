//! What a piece of work costs in CPU, which is steadier than the clock where others compete.

/// Rounds, of which the best counts.
const ROUNDS: usize = 7;
/// What a round takes at least. The kernel moves the counter by ticks: it shall move far.
const ROUND_NANOS: u64 = 100_000_000;

/// Nanoseconds of CPU that this process has had.
fn spent() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Prints and returns how many nanoseconds of CPU one run of `work` takes, in the best of some
/// rounds.
#[expect(clippy::cast_precision_loss, clippy::print_stdout, reason = "a bench prints figures")]
pub(crate) fn show(name: &str, mut work: impl FnMut()) -> f64 {
    let mut round = |runs: u32| {
        let start = spent();
        (0..runs).for_each(|_| work());
        spent() - start
    };
    let mut runs = 64;
    while round(runs) < ROUND_NANOS {
        runs *= 2;
    }
    let best = (0..ROUNDS).map(|_| round(runs)).min().unwrap_or_default();
    let nanos = best as f64 / f64::from(runs);
    println!("{name:<56} {nanos:>9.1} ns");
    nanos
}
