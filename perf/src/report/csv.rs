//! A line a measure, for spreadsheets.

use crate::measure::{Measure, Run};
use std::fmt::Write;

const HEAD: &str = "scenario,variant,server,round,operation,load,done,failed,seconds,per_second,\
bytes,server_cpu_us,store_cpu_us,p50_ms,p90_ms,p99_ms,p99_9_ms,max_ms,resident_before_bytes,\
resident_peak_bytes,resident_after_bytes,figures\n";

/// The whole file. Empty fields are not known.
pub(crate) fn text(run: &Run) -> String {
    let mut text = HEAD.to_owned();
    for it in &run.measures {
        let load = format!("{:?}", it.load).to_lowercase();
        let words = [&it.scenario, &it.variant, &it.server, &it.round.to_string(), &it.operation];
        for word in words {
            text.push_str(&quoted(word));
            text.push(',');
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{load},{},{},{},{}", it.done, it.failed, it.seconds, it.rate());
        let _ = write!(text, ",{}", it.bytes);
        let numbers = [it.server_us(), it.store_us()].into_iter();
        let latencies = [50.0, 90.0, 99.0, 99.9, 100.0].map(|at| it.latency_ms(at));
        for number in numbers.chain(latencies) {
            text.push(',');
            text.push_str(&number.map(|value| value.to_string()).unwrap_or_default());
        }
        text.push_str(&memory(it));
        let figures: Vec<String> = it.figures.iter().map(|(k, v)| format!("{k}={v}")).collect();
        text.push(',');
        text.push_str(&quoted(&figures.join("; ")));
        text.push('\n');
    }
    text
}

fn memory(measure: &Measure) -> String {
    measure.usage.as_ref().map_or_else(
        || ",,,".to_owned(),
        |usage| {
            format!(
                ",{},{},{}",
                usage.resident_before_bytes, usage.resident_peak_bytes, usage.resident_after_bytes
            )
        },
    )
}

/// A field by RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::measure::sample;

    #[test]
    fn every_line_has_the_heads_fields() {
        let run = Run {
            began: String::new(),
            scale: String::new(),
            host: Host::look(),
            servers: Vec::new(),
            measures: vec![sample("a", 0, 10, 0.5), sample("b", 1, 0, 0.5)],
        };
        let text = text(&run);
        let counts: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(counts, [counts[0]; 3]);
        assert!(text.contains("get,json,a,0,GET,closed,10,0,2,5,100,50000,0,1,,3,,9,"), "{text}");
    }

    #[test]
    fn commas_and_quotes_are_quoted() {
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
    }
}
