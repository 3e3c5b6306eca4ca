//! A plot of latencies by percentile, both axes logarithmic, as SVG without a script.

use super::escaped;
use hdrhistogram::Histogram;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 30.0;
/// From the median to one in ten thousand: 1/(1-p).
const RANKS: [(&str, f64); 5] =
    [("50 %", 2.0), ("90 %", 10.0), ("99 %", 100.0), ("99.9 %", 1e3), ("99.99 %", 1e4)];
/// Points of a curve between two marks of the axis.
const STEPS: i32 = 60;
const COLOURS: [&str; 10] = [
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f",
    "#bcbd22", "#17becf",
];
/// The vertical axis: 100 ns to 100 s.
const DECADES: [(&str, f64); 10] = [
    ("100 ns", 1e2),
    ("1 µs", 1e3),
    ("10 µs", 1e4),
    ("100 µs", 1e5),
    ("1 ms", 1e6),
    ("10 ms", 1e7),
    ("100 ms", 1e8),
    ("1 s", 1e9),
    ("10 s", 1e10),
    ("100 s", 1e11),
];

/// One line of the plot.
#[derive(Debug)]
pub(super) struct Curve<'h> {
    pub(super) name: &'h str,
    pub(super) nanos: &'h Histogram<u32>,
}

/// The plot; empty without curves.
pub(super) fn plot(curves: &[Curve<'_>]) -> String {
    let mut svg = format!(r#"<svg viewBox="0 0 {} {HEIGHT}" width="{WIDTH}">"#, WIDTH + 110.0);
    for (name, nanos) in DECADES {
        let y = y(nanos);
        write!(svg, r##"<path d="M{LEFT} {y:.1}H{WIDTH}" stroke="#ddd"/>"##).ok();
        write!(svg, r#"<text x="4" y="{:.1}">{name}</text>"#, y + 4.0).ok();
    }
    for (name, rank) in RANKS {
        let (x, top, foot) = (x(rank), y(1e11), HEIGHT - BOTTOM);
        write!(svg, r##"<path d="M{x:.1} {top:.1}V{foot}" stroke="#ddd"/>"##).ok();
        write!(svg, r#"<text x="{:.1}" y="{}">{name}</text>"#, x - 14.0, HEIGHT - 10.0).ok();
    }
    for (place, (Curve { name, nanos }, colour)) in curves.iter().zip(COLOURS).enumerate() {
        write!(svg, r#"<polyline fill="none" stroke="{colour}" stroke-width="1.6" points=""#).ok();
        for step in 0..=STEPS {
            let rank = 2.0 * 5e3_f64.powf(f64::from(step) / f64::from(STEPS));
            let value = nanos.value_at_quantile(1.0 - 1.0 / rank) as f64;
            write!(svg, "{:.1},{:.1} ", x(rank), y(value)).ok();
        }
        let (name, at) = (escaped(name), 20.0 + 16.0 * place as f64);
        let text = WIDTH + 6.0;
        write!(svg, r#""/><text x="{text}" y="{at}" fill="{colour}">{name}</text>"#).ok();
    }
    svg.push_str("</svg>");
    svg
}

fn x(rank: f64) -> f64 {
    let part = (rank / 2.0).log10() / 5e3_f64.log10();
    LEFT + part * (WIDTH - LEFT)
}

fn y(nanos: f64) -> f64 {
    let part = (nanos.max(1e2) / 1e2).log10() / 9.0;
    (HEIGHT - BOTTOM) - part * (HEIGHT - BOTTOM - 10.0)
}
