//! `/debug/latency`: where requests of each verb and resource spend their time, and how long events
//! take to watchers, as text, JSON or a page with a plot.

use super::plot::{Curve, plot};
use super::{escaped, page, text};
use crate::http::Response;
use crate::http::StatusCode;
use crate::metrics::Latency;
use crate::request::Query;
use crate::server::gather::gather;
use crate::server::shard::Shard;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::fmt::Write;

/// Shown of each histogram.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// Which form is asked for: `format=text|json|html`, else what `Accept` names first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Json,
    Text,
}

impl Form {
    pub(super) fn asked(query: Query<'_>, accept: &str) -> Self {
        let format = query.text("format");
        let wanted = if format.is_empty() { accept } else { &format };
        let place = |name: &str| wanted.find(name);
        match (place("html"), place("json")) {
            (Some(html), json) if json.is_none_or(|json| html < json) => Self::Html,
            (_, Some(_)) => Self::Json,
            _ => Self::Text,
        }
    }
}

/// Asks all shards and answers.
pub(super) async fn answer(shard: &Shard, form: Form) -> Response {
    let mut latency = Latency::default();
    for other in gather(shard, |shard| shard.metrics.latency()).await {
        latency.merge(other);
    }
    match form {
        Form::Html => page("latency", &html(&latency)),
        Form::Json => Response::json(StatusCode::OK, json(&latency).to_string()),
        Form::Text => text(table(&latency)),
    }
}

/// Verb and resource, phase, histogram; then what watchers were told.
fn rows(latency: &Latency) -> impl Iterator<Item = (&str, &str, &str, &Histogram<u32>)> {
    let requests = latency.requests.iter().flat_map(|(subject, phases)| {
        phases
            .iter()
            .map(|(phase, nanos)| (&*subject.verb, &*subject.resource, phase.name(), nanos))
    });
    let deliveries = latency.deliveries.iter();
    requests.chain(deliveries.map(|(resource, nanos)| ("EVENT", &**resource, "delivery", nanos)))
}

fn table(latency: &Latency) -> String {
    let mut out = String::from(
        "Microseconds. Phases of a request follow each other; \"delivery\" is from a change's \
         commit until a watcher's connection is given its event.\n\n",
    );
    let head = ["VERB", "RESOURCE", "PHASE", "COUNT"];
    let [verb, resource, phase, count] = head;
    write!(out, "{verb:<17}{resource:<60} {phase:<10}{count:>10}").ok();
    for (name, _) in QUANTILES {
        write!(out, "{name:>12}").ok();
    }
    out.push('\n');
    for (verb, resource, phase, nanos) in rows(latency) {
        write!(out, "{verb:<17}{resource:<60} {phase:<10}{:>10}", nanos.len()).ok();
        for (_, quantile) in QUANTILES {
            write!(out, "{:>12.1}", micros(nanos.value_at_quantile(quantile))).ok();
        }
        out.push('\n');
    }
    out
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn json(latency: &Latency) -> Value {
    let row = |(verb, resource, phase, nanos): (&str, &str, &str, &Histogram<u32>)| {
        let mut row = json!({
            "verb": verb, "resource": resource, "phase": phase,
            "count": nanos.len(), "mean": nanos.mean(),
        });
        for (name, quantile) in QUANTILES {
            row[name] = nanos.value_at_quantile(quantile).into();
        }
        row
    };
    json!({ "unit": "ns", "rows": rows(latency).map(row).collect::<Vec<_>>() })
}

fn html(latency: &Latency) -> String {
    let phases = latency.phases();
    let mut curves: Vec<Curve<'_>> =
        phases.iter().map(|(phase, nanos)| Curve { name: phase.name(), nanos }).collect();
    let mut events = Histogram::<u32>::new(1);
    if let Ok(events) = &mut events {
        for nanos in latency.deliveries.values() {
            events.add(nanos).ok();
        }
    }
    if let Ok(nanos) = &events
        && !nanos.is_empty()
    {
        curves.push(Curve { name: "delivery", nanos });
    }
    let mut body = format!(
        "<p>All requests by phase, and events from commit to connection.</p>{}\
         <table><tr><th>verb<th>resource<th>phase<th>count",
        plot(&curves)
    );
    for (name, _) in QUANTILES {
        write!(body, "<th>{name} µs").ok();
    }
    for (verb, resource, phase, nanos) in rows(latency) {
        let (resource, count) = (escaped(resource), nanos.len());
        write!(body, "\n<tr><td>{verb}<td>{resource}<td>{phase}<td class=n>{count}").ok();
        for (_, quantile) in QUANTILES {
            write!(body, "<td class=n>{:.1}", micros(nanos.value_at_quantile(quantile))).ok();
        }
    }
    body.push_str("\n</table>");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Labels, Laps, Phase, Recorder};
    use std::time::Duration;

    fn sample() -> Latency {
        let recorder = Recorder::default();
        let laps = Laps::default();
        laps.lap(Phase::Authn);
        let labels = Labels {
            verb: "GET",
            group: "apps",
            version: "v1",
            resource: "deployments",
            subresource: "status",
            scope: "resource",
            dry_run: false,
        };
        drop(recorder.request(&labels, 200, (Duration::ZERO, &laps), None));
        recorder.latency()
    }

    #[test]
    fn each_form_tells_the_same_rows() {
        let latency = sample();
        let table = table(&latency);
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("GET")).collect();
        assert_eq!(rows.len(), 2, "{table}");
        let words: Vec<&str> = rows[0].split_whitespace().take(4).collect();
        assert_eq!(words, ["GET", "deployments.apps/status", "authn", "1"]);
        let json = json(&latency);
        assert_eq!(json["rows"].as_array().map(Vec::len), Some(2));
        assert_eq!(json["rows"][1]["phase"], "write");
        let html = html(&latency);
        assert_eq!(html.matches("deployments.apps/status").count(), 2);
        assert_eq!(html.matches("<polyline").count(), 2);
    }

    #[test]
    fn the_form_is_what_is_asked_for() {
        let form = |query, accept| Form::asked(Query::new(query), accept);
        assert_eq!(form("", "*/*"), Form::Text);
        assert_eq!(form("", "text/html,application/json"), Form::Html);
        assert_eq!(form("", "application/json,text/html"), Form::Json);
        assert_eq!(form("format=json", "text/html"), Form::Json);
        assert_eq!(form("format=text", "text/html"), Form::Text);
    }
}
