//! A run as files: `run.json` (everything), `measures.csv` (a line a measure), `report.html` (one
//! page that needs nothing else), `summary.md` (the table for the README).

mod csv;
mod html;
mod plot;
mod summary;

use crate::Fault;
use crate::measure::{Measure, Run};
use std::fs;
use std::path::Path;

/// Writes all of them into a folder, which is made.
pub(crate) fn write(run: &Run, folder: &Path) -> Result<(), Fault> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("run.json"), serde_json::to_vec(run)?)?;
    fs::write(folder.join("measures.csv"), csv::text(run))?;
    fs::write(folder.join("report.html"), html::page(run))?;
    fs::write(folder.join("summary.md"), summary::table(run))?;
    Ok(())
}

/// One measure on one line, for who watches the run.
pub(crate) fn line(measure: &Measure) -> String {
    let mut text = format!(
        "{:24} {:>9} in {:6.2} s {:>9.0}/s",
        measure.variant,
        measure.done,
        measure.seconds,
        measure.rate()
    );
    if let Some(us) = measure.server_us() {
        text.push_str(&format!("  {us:8.1} us CPU"));
    }
    if let (Some(p50), Some(p99)) = (measure.latency_ms(50.0), measure.latency_ms(99.0)) {
        text.push_str(&format!("  p50 {p50:.2} ms p99 {p99:.2} ms"));
    }
    for (name, value) in &measure.figures {
        text.push_str(&format!("  {name} {value:.1}"));
    }
    if measure.failed > 0 {
        let why = measure.first_failure.as_deref().unwrap_or("");
        text.push_str(&format!("  {} FAILED: {why}", measure.failed));
    }
    text
}
