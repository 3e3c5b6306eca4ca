//! The table for the README: medians over the rounds, the servers side by side.

use crate::measure::{Measure, Row, Run};
use std::fmt::Write;

/// Markdown.
pub(crate) fn table(run: &Run) -> String {
    let rows = Row::all(run);
    let names: Vec<&str> = run.servers.iter().map(|server| server.name.as_str()).collect();
    let mut text = format!(
        "{} · {} cores, {} · {} · scale {}, load before {:.1}\n\n| what |",
        run.began, run.host.cores, run.host.cpu, run.host.kernel, run.scale, run.host.load_before
    );
    for name in &names {
        // Writing to a string does not fail.
        let _ = write!(text, " {name}: CPU µs | p50 / p99 ms |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|---:|".repeat(names.len()));
    text.push('\n');
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for row in &rows {
        let key = (row.first().scenario.as_str(), row.first().variant.as_str());
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let _ = write!(text, "| {}: {}, {} |", key.0, row.first().operation, key.1);
        for name in &names {
            let found = rows.iter().find(|other| {
                let first = other.first();
                (first.scenario.as_str(), first.variant.as_str()) == key && first.server == *name
            });
            text.push_str(&cells(found));
        }
        text.push('\n');
    }
    text
}

fn cells(row: Option<&Row<'_>>) -> String {
    let Some(row) = row else { return " – | – |".to_owned() };
    let cpu = row.median(Measure::server_us).map_or("–".to_owned(), |it| format!("{it:.1}"));
    let latency = |at| row.median(|it| it.latency_ms(at));
    let latency = match (latency(50.0), latency(99.0)) {
        (Some(p50), Some(p99)) => format!("{p50:.2} / {p99:.2}"),
        _ => "–".to_owned(),
    };
    format!(" {cpu} | {latency} |")
}
