//! From counting to the text of a scrape.

use crate::base::ticks::Ticks;
use crate::metrics::Labels;
use crate::metrics::Laps;
use crate::metrics::Phase;
use crate::metrics::Recorder;
use crate::metrics::RequestKind;
use crate::metrics::STORAGE_OBJECTS;
use crate::metrics::Tally;
use std::rc::Rc;
use std::time::Duration;

const LIST_PODS: Labels<'static> = Labels {
    verb: "LIST",
    group: "",
    version: "v1",
    resource: "pods",
    subresource: "",
    scope: "namespace",
    dry_run: false,
};

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
}

#[test]
fn shards_are_summed_under_upstreams_names() {
    let shards = [Rc::new(Recorder::default()), Rc::new(Recorder::default())];
    for shard in &shards {
        shard.request(&LIST_PODS, 200, (Duration::from_micros(300), &Laps::default()), Some(2_000));
        shard.request(&LIST_PODS, 200, (Duration::from_millis(30), &Laps::default()), Some(500));
        shard.tally(Tally::AuthenticationSuccess);
        shard.watch_series("", "v1", "pods").events(1, 1_500);
    }
    shards[1].request(&LIST_PODS, 410, (Duration::from_micros(100), &Laps::default()), None);
    let _watch = shards[0].long_running(&Labels { verb: "WATCH", ..LIST_PODS });
    let _write = shards[0].in_flight(RequestKind::Mutating);
    drop(shards[1].in_flight(RequestKind::Mutating));
    let mut sum = shards[0].snapshot();
    sum.merge(shards[1].snapshot());
    sum.add_labelled(&STORAGE_OBJECTS, ("resource", "pods"), 2.0);
    sum.add_labelled(&STORAGE_OBJECTS, ("resource", "pods"), 3.0);
    let text = sum.render();
    let base = "group=\"\",resource=\"pods\",scope=\"namespace\",subresource=\"\"";
    let labels =
        format!("component=\"apiserver\",dry_run=\"\",{base},verb=\"LIST\",version=\"v1\"");
    let total = |code: u16, count: u32| {
        has(&text, &format!("apiserver_request_total{{code=\"{code}\",{labels}}} {count}"));
    };
    total(200, 4);
    total(410, 1);
    let bucket = |bound: &str, count: u32| {
        let name = "apiserver_request_duration_seconds_bucket";
        has(&text, &format!("{name}{{{labels},le=\"{bound}\"}} {count}"));
    };
    bucket("0.005", 3);
    bucket("0.025", 3);
    bucket("0.05", 5);
    bucket("+Inf", 5);
    let sizes = format!("component=\"apiserver\",{base},verb=\"LIST\",version=\"v1\"");
    has(&text, &format!("apiserver_response_sizes_bucket{{{sizes},le=\"1000\"}} 2"));
    has(&text, &format!("apiserver_response_sizes_sum{{{sizes}}} 5000"));
    let watching = format!("component=\"apiserver\",{base},verb=\"WATCH\",version=\"v1\"");
    has(&text, &format!("apiserver_longrunning_requests{{{watching}}} 1"));
    has(&text, "apiserver_current_inflight_requests{request_kind=\"mutating\"} 1");
    has(&text, "authentication_attempts{result=\"success\"} 2");
    has(&text, "apiserver_storage_objects{resource=\"pods\"} 5");
    let watch = "group=\"\",resource=\"pods\",version=\"v1\"";
    has(&text, &format!("apiserver_watch_events_total{{{watch}}} 2"));
    has(&text, &format!("apiserver_watch_events_sizes_bucket{{{watch},le=\"2048\"}} 2"));
}

#[test]
fn every_family_has_one_head_before_its_samples() {
    let recorder = Rc::new(Recorder::default());
    recorder.request(&LIST_PODS, 200, (Duration::from_micros(300), &Laps::default()), Some(1));
    let mut snapshot = recorder.snapshot();
    snapshot.extend(crate::metrics::process_samples(Duration::from_secs(1)));
    let text = snapshot.render();
    let mut heads: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let count = heads.len();
    heads.sort_unstable();
    heads.dedup();
    assert_eq!(heads.len(), count);
    assert!(text.contains("\nprocess_resident_memory_bytes "));
}

#[test]
fn labels_cannot_break_out_of_their_quotes() {
    let recorder = Recorder::default();
    let odd = Labels { subresource: "a\"b\\c\nd", ..LIST_PODS };
    recorder.request(&odd, 200, (Duration::ZERO, &Laps::default()), None);
    assert!(recorder.snapshot().render().contains("subresource=\"a\\\"b\\\\c\\nd\""));
}

#[test]
fn series_are_bounded() {
    let recorder = Recorder::default();
    for number in 0..crate::base::limits::METRIC_SERIES_MAX + 10 {
        let subresource = number.to_string();
        let labels = Labels { subresource: &subresource, ..LIST_PODS };
        drop(recorder.long_running(&labels));
    }
    let lines = recorder.snapshot().requests.len();
    assert_eq!(lines, crate::base::limits::METRIC_SERIES_MAX + 1);
}

#[test]
fn laps_of_all_shards_are_added_up_by_verb_resource_and_phase() {
    let shards = [Recorder::default(), Recorder::default()];
    for shard in &shards {
        let laps = Laps::default();
        laps.lap(Phase::Authn);
        laps.lap(Phase::Cache);
        laps.lap(Phase::Cache);
        drop(shard.request(&LIST_PODS, 200, (Duration::ZERO, &laps), None));
    }
    let mut sum = shards[0].latency();
    sum.merge(shards[1].latency());
    let [(subject, phases)] = &sum.requests.iter().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((&*subject.verb, &*subject.resource), ("LIST", "pods"));
    let counts: Vec<_> = phases.iter().map(|(phase, nanos)| (*phase, nanos.len())).collect();
    assert_eq!(counts, [(Phase::Authn, 2), (Phase::Cache, 2), (Phase::Write, 2)]);
    assert_eq!(sum.phases().len(), 3);
}

#[test]
fn deliveries_are_kept_by_resource() {
    let recorder = Recorder::default();
    let series = recorder.watch_series("apps", "v1", "deployments");
    let committed = Ticks::now();
    series.delivered(Ticks::now(), committed);
    let latency = recorder.latency();
    assert_eq!(latency.deliveries.get("deployments.apps").map(|nanos| nanos.len()), Some(1));
}
