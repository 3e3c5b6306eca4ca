//! Plots as SVG: latency over percentiles (both axes logarithmic), memory over time, bars.

use std::fmt::Write;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Told apart by colour-blind eyes too (Okabe and Ito).
const COLOURS: &[&str] = &["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];
/// The last percentile that is drawn before "all".
const NINES_MAX: f64 = 5.0;

/// The colour of the n-th server, in every plot.
pub(crate) fn colour(n: usize) -> &'static str {
    COLOURS[n % COLOURS.len()]
}

/// A line of a plot.
#[derive(Debug)]
pub(crate) struct Line {
    /// Which server's colour.
    pub(crate) server: usize,
    /// Its points.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Latency, nanoseconds, over percentiles; empty without a line of two points.
pub(crate) fn latency(lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points).filter(|(_, ns)| *ns > 0.0);
    if all().count() < 2 {
        return String::new();
    }
    let low = all().map(|(_, ns)| ns.log10()).fold(f64::INFINITY, f64::min).floor();
    let high = all().map(|(_, ns)| ns.log10()).fold(0.0, f64::max).ceil().max(low + 1.0);
    let x = |percentile: f64| {
        let nines = -((100.0 - percentile) / 100.0).max(1e-5).log10();
        LEFT + nines.min(NINES_MAX) / NINES_MAX * (WIDTH - LEFT - RIGHT)
    };
    let y = |ns: f64| {
        let share = (ns.max(1.0).log10() - low) / (high - low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = open("latency over percentiles");
    for percentile in [0.0, 90.0, 99.0, 99.9, 99.99, 99.999] {
        vertical(&mut svg, x(percentile), &format!("p{percentile}"));
    }
    for decade in low as i32..=high as i32 {
        horizontal(&mut svg, y(10_f64.powi(decade)), &time_label(decade));
    }
    for line in lines {
        let points = line.points.iter().filter(|(_, ns)| *ns > 0.0);
        path(&mut svg, line.server, points.map(|(percentile, ns)| (x(*percentile), y(*ns))));
    }
    svg.push_str("</svg>");
    svg
}

/// Memory, bytes, over seconds; empty without a line of two points.
pub(crate) fn memory(lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    if all().count() < 2 {
        return String::new();
    }
    let longest = all().map(|(at, _)| *at).fold(0.1, f64::max);
    let step = round_step(all().map(|(_, bytes)| bytes / 1e6).fold(1.0, f64::max) / 4.0);
    let highest = step * 4.0;
    let x = |at: f64| LEFT + at / longest * (WIDTH - LEFT - RIGHT);
    let y = |mb: f64| HEIGHT - BOTTOM - mb / highest * (HEIGHT - TOP - BOTTOM);
    let mut svg = open("memory over time");
    for quarter in 0..=4 {
        let at = longest * f64::from(quarter) / 4.0;
        vertical(&mut svg, x(at), &format!("{at:.1} s"));
        let mb = step * f64::from(quarter);
        horizontal(&mut svg, y(mb), &format!("{mb:.0} MB"));
    }
    for line in lines {
        path(&mut svg, line.server, line.points.iter().map(|(at, bytes)| (x(*at), y(bytes / 1e6))));
    }
    svg.push_str("</svg>");
    svg
}

/// A bar as wide as a value's share of the highest.
pub(crate) fn bar(server: usize, value: f64, highest: f64) -> String {
    let width = if highest > 0.0 { 100.0 * value / highest } else { 0.0 };
    format!(r#"<i class="bar" style="width:{width:.1}%;background:{}"></i>"#, colour(server))
}

fn open(title: &str) -> String {
    format!(
        concat!(
            r#"<svg role="img" viewBox="0 0 {} {}" xmlns="http://www.w3.org/2000/svg">"#,
            "<title>{}</title>"
        ),
        WIDTH, HEIGHT, title
    )
}

fn vertical(svg: &mut String, x: f64, label: &str) {
    let (bottom, text) = (HEIGHT - BOTTOM, HEIGHT - BOTTOM + 16.0);
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        concat!(
            r#"<line x1="{x:.1}" x2="{x:.1}" y1="{top}" y2="{bottom}" class="grid"/>"#,
            r#"<text x="{x:.1}" y="{text}" text-anchor="middle">{label}</text>"#
        ),
        x = x,
        top = TOP,
        bottom = bottom,
        text = text,
        label = label
    );
}

fn horizontal(svg: &mut String, y: f64, label: &str) {
    let (right, text_x, text_y) = (WIDTH - RIGHT, LEFT - 6.0, y + 4.0);
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        concat!(
            r#"<line x1="{left}" x2="{right}" y1="{y:.1}" y2="{y:.1}" class="grid"/>"#,
            r#"<text x="{text_x}" y="{text_y:.1}" text-anchor="end">{label}</text>"#
        ),
        left = LEFT,
        right = right,
        y = y,
        text_x = text_x,
        text_y = text_y,
        label = label
    );
}

fn path(svg: &mut String, server: usize, points: impl Iterator<Item = (f64, f64)>) {
    let mut data = String::new();
    for (n, (x, y)) in points.enumerate() {
        // Writing to a string does not fail.
        let _ = write!(data, "{}{x:.1} {y:.1}", if n == 0 { "M" } else { "L" });
    }
    let _ = write!(svg, r#"<path d="{data}" stroke="{}"/>"#, colour(server));
}

/// The label of a power of ten of nanoseconds.
fn time_label(decade: i32) -> String {
    let (unit, digits) = match decade {
        i32::MIN..3 => ("ns", decade),
        3..6 => ("µs", decade - 3),
        6..9 => ("ms", decade - 6),
        _ => ("s", decade - 9),
    };
    format!("{} {unit}", 10_f64.powi(digits))
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-3).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|it| *it >= least).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_decades() {
        let labels: Vec<String> = [2, 3, 5, 6, 8, 9].map(time_label).to_vec();
        assert_eq!(labels, ["100 ns", "1 µs", "100 µs", "1 ms", "100 ms", "1 s"]);
    }

    #[test]
    fn a_higher_latency_is_drawn_higher_and_a_higher_percentile_further_right() {
        let points = vec![(50.0, 1e6), (99.0, 1e7)];
        let svg = latency(&[Line { server: 0, points }]);
        let data = svg.split("<path d=\"M").nth(1).and_then(|it| it.split('"').next());
        let numbers: Vec<f64> = data
            .expect("a path")
            .split(['L', ' '])
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert!(numbers[2] > numbers[0], "{numbers:?}");
        assert!(numbers[3] < numbers[1], "{numbers:?}");
        assert_eq!(latency(&[]), "");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.3, 1.0, 1.2, 60.0].map(round_step), [0.5, 1.0, 2.0, 100.0]);
    }
}
