//! The report: one page without a link to anything outside it.

use super::plot::{self, Line};
use crate::measure::{Loop, Measure, Row, Run};
use std::fmt::Write;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #ddd}h3{margin:1.2rem 0 .3rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.wide{width:22%}
.bar{display:block;height:.6rem;border-radius:2px}
.key{display:inline-block;width:.8rem;height:.8rem;
border-radius:2px;margin:0 .3rem 0 1rem}.plots{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0;flex:1 1 480px}figcaption{color:#555}.bad{color:#b00}
svg{width:100%;height:auto}svg path{fill:none;stroke-width:2}svg .grid{stroke:#e5e5e5}
svg text{font:11px system-ui,sans-serif;fill:#555}";

/// The page.
pub(crate) fn page(run: &Run) -> String {
    let mut html = head(run);
    let rows = Row::all(run);
    let mut scenarios: Vec<&str> = Vec::new();
    for row in &rows {
        if !scenarios.contains(&row.first().scenario.as_str()) {
            scenarios.push(&row.first().scenario);
        }
    }
    for scenario in scenarios {
        let of: Vec<&Row<'_>> =
            rows.iter().filter(|row| row.first().scenario == scenario).collect();
        // Writing to a string does not fail.
        let _ = write!(html, "<h2>{}</h2>", escaped(scenario));
        let mut variants: Vec<&str> = Vec::new();
        for row in &of {
            if !variants.contains(&row.first().variant.as_str()) {
                variants.push(&row.first().variant);
            }
        }
        for variant in variants {
            let of: Vec<&Row<'_>> =
                of.iter().copied().filter(|row| row.first().variant == variant).collect();
            section(&mut html, run, variant, &of);
        }
    }
    html.push_str("</body></html>\n");
    html
}

fn head(run: &Run) -> String {
    let mut html = format!(
        concat!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">",
            "<title>kubering-perf {}</title><style>{}</style></head><body>",
            "<h1>API servers side by side</h1>",
            "<p>{} · scale {} · {} · {} cores{} · {:.0} GiB · {} · load before {:.1}</p>"
        ),
        run.began,
        STYLE,
        run.began,
        escaped(&run.scale),
        escaped(&run.host.cpu),
        run.host.cores,
        if run.host.virtual_machine { " of a virtual machine" } else { "" },
        run.host.memory_bytes as f64 / f64::from(1 << 30),
        escaped(&run.host.kernel),
        run.host.load_before,
    );
    html.push_str(concat!(
        "<p>The load generator ran on the same cores, so throughput is what both shared; CPU per ",
        "operation is the server's process alone. Latencies of paced loads count from the time a ",
        "request should have started (no coordinated omission); those at saturation are service ",
        "times. Figures are medians over the rounds, their spread in brackets.</p>",
        "<table><tr><th>server</th><th>version</th><th>start to ready</th>",
        "<th>memory, empty</th></tr>"
    ));
    for (n, server) in run.servers.iter().enumerate() {
        let start = server.start_seconds.map(|it| format!("{:.0} ms", it * 1e3));
        let memory = server.resident_bytes.map(|it| format!("{:.1} MB", it as f64 / 1e6));
        // Writing to a string does not fail.
        let _ = write!(
            html,
            "<tr><td>{}{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            key(n),
            escaped(&server.name),
            escaped(&server.version),
            start.unwrap_or_else(|| "–".to_owned()),
            memory.unwrap_or_else(|| "–".to_owned())
        );
    }
    html.push_str("</table>");
    html
}

/// A variant: its table and plots.
fn section(html: &mut String, run: &Run, variant: &str, rows: &[&Row<'_>]) {
    let first = rows[0].first();
    let kind = match first.load {
        Loop::Closed => "always in flight",
        Loop::Open => "paced",
    };
    // Writing to a string does not fail.
    let _ = write!(
        html,
        concat!(
            "<h3>{}: {} ({})</h3><table><tr><th>server</th><th></th><th>CPU µs each</th>",
            "<th>store CPU µs</th><th>a second</th><th>p50 ms</th><th>p99 ms</th><th>max ms</th>",
            "<th>peak MB</th><th>failed</th></tr>"
        ),
        escaped(variant),
        escaped(&first.operation),
        kind
    );
    let highest = rows.iter().filter_map(|row| row.median(Measure::server_us)).fold(0.0, f64::max);
    for row in rows {
        table_row(html, run, row, highest);
    }
    html.push_str("</table>");
    figures(html, run, rows);
    plots(html, run, rows);
}

fn table_row(html: &mut String, run: &Run, row: &Row<'_>, highest: f64) {
    let server = place(run, &row.first().server);
    let cpu = row.median(Measure::server_us);
    let failed: u64 = row.rounds.iter().map(|it| it.failed).sum();
    let why = row.rounds.iter().find_map(|it| it.first_failure.as_deref()).unwrap_or("");
    let peak = |it: &Measure| it.usage.as_ref().map(|usage| usage.resident_peak_bytes as f64 / 1e6);
    let cells = [
        with_spread(row, Measure::server_us, 1),
        with_spread(row, |it| it.store_us().filter(|us| *us > 0.0), 1),
        with_spread(row, |it| Some(it.rate()), 0),
        with_spread(row, |it| it.latency_ms(50.0), 2),
        with_spread(row, |it| it.latency_ms(99.0), 2),
        with_spread(row, |it| it.latency_ms(100.0), 1),
        with_spread(row, peak, 0),
    ];
    // Writing to a string does not fail.
    let _ = write!(
        html,
        "<tr><td>{}{}</td><td class=\"wide\">{}</td>",
        key(server),
        escaped(&row.first().server),
        plot::bar(server, cpu.unwrap_or(0.0), highest)
    );
    for cell in cells {
        let _ = write!(html, "<td>{cell}</td>");
    }
    let class = if failed > 0 { " class=\"bad\"" } else { "" };
    let _ = write!(html, "<td{class} title=\"{}\">{failed}</td></tr>", escaped(why));
}

/// The median, and the spread over rounds where there are several.
fn with_spread(row: &Row<'_>, figure: impl Fn(&Measure) -> Option<f64>, digits: usize) -> String {
    let (Some(median), Some((low, high))) = (row.median(&figure), row.spread(&figure)) else {
        return "–".to_owned();
    };
    if row.rounds.len() == 1 {
        return format!("{median:.digits$}");
    }
    format!("{median:.digits$} <small>({low:.digits$}–{high:.digits$})</small>")
}

/// What only this scenario measures.
fn figures(html: &mut String, run: &Run, rows: &[&Row<'_>]) {
    let names: Vec<&String> = rows[0].first().figures.keys().collect();
    for name in names {
        // Writing to a string does not fail.
        let _ = write!(html, "<p>{}:", escaped(name));
        for row in rows {
            let value = row.median(|it| it.figures.get(name).copied());
            let text = value.map_or("–".to_owned(), |it| format!("{it:.2}"));
            let _ = write!(html, "{}{text}", key(place(run, &row.first().server)));
        }
        html.push_str("</p>");
    }
}

fn plots(html: &mut String, run: &Run, rows: &[&Row<'_>]) {
    let lines = |points: fn(&Measure) -> Vec<(f64, f64)>| -> Vec<Line> {
        let all = rows.iter().flat_map(|row| row.rounds.iter());
        all.map(|it| Line { server: place(run, &it.server), points: points(it) }).collect()
    };
    let latency = plot::latency(&lines(|it| {
        it.latency_ns.iter().map(|(at, ns)| (*at, *ns as f64)).collect()
    }));
    let memory = plot::memory(&lines(|it| {
        let samples = it.usage.as_ref().map(|usage| &usage.resident_over_time);
        samples.into_iter().flatten().map(|(at, bytes)| (*at, *bytes as f64)).collect()
    }));
    html.push_str("<div class=\"plots\">");
    for (svg, caption) in [(latency, "latency over percentiles"), (memory, "memory over time")] {
        if !svg.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(html, "<figure>{svg}<figcaption>{caption}</figcaption></figure>");
        }
    }
    html.push_str("</div>");
}

fn key(server: usize) -> String {
    format!("<i class=\"key\" style=\"background:{}\"></i>", plot::colour(server))
}

fn place(run: &Run, name: &str) -> usize {
    run.servers.iter().position(|server| server.name == name).unwrap_or(0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::measure::{About, sample};

    #[test]
    fn a_page_shows_medians_and_needs_nothing_from_outside() {
        let about = |name: &str| About {
            name: name.to_owned(),
            version: "v1 <b>".to_owned(),
            start_seconds: Some(0.1),
            resident_bytes: None,
        };
        let run = Run {
            began: "now".to_owned(),
            scale: "small".to_owned(),
            host: Host::look(),
            servers: vec![about("a"), about("b")],
            measures: vec![
                sample("a", 0, 1_000, 0.01),
                sample("a", 1, 1_000, 0.02),
                sample("a", 2, 1_000, 0.03),
                sample("b", 0, 1_000, 0.50),
            ],
        };
        let page = page(&run);
        assert!(page.contains("20.0 <small>(10.0–30.0)</small>"), "{page}");
        assert!(page.contains("v1 &lt;b&gt;"));
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http"), "nothing is fetched");
    }
}
