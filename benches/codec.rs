//! What encoding and decoding cost, on a pod as clusters have them.
//!
//! `cargo bench --bench codec`; prints nanoseconds an operation and a byte of the JSON form.

use bumpalo::Bump;
use kubering::catalog::catalog;
use kubering::codec::json::{self, Strictness};
use kubering::codec::proto::{self, envelope};
use kubering::codec::transcode::scan::{Metadata, Paths};
use kubering::codec::transcode::{self, Names, Spliced};
use std::hint::black_box;

const POD: &str = include_str!("data/pod.json");

/// Nanoseconds of CPU that this process has had: steadier than the clock where others compete.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Runs `work` for a while, seven times; nanoseconds a run of the best time.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn measure(work: &mut dyn FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let (start, mut runs, mut spent) = (cpu_nanos(), 0u32, 0);
        // The counter moves by ticks: let it move far.
        while spent < 100_000_000 {
            (0..2_000).for_each(|_| work());
            runs += 2_000;
            spent = cpu_nanos() - start;
        }
        best = best.min(spent as f64 / f64::from(runs));
    }
    best
}

#[expect(clippy::cast_precision_loss, clippy::print_stdout, reason = "a bench prints figures")]
fn main() {
    let pod = catalog().kind("", "v1", "Pod").expect("the catalog has pods");
    let names = Names { api_version: "v1", kind: "Pod" };
    let arena = Bump::new();
    let decoded = json::decode(POD.as_bytes(), pod, &arena, Strictness::Report);
    let value = decoded.expect("the pod decodes").value;
    let mut text = Vec::new();
    json::encode(&value, pod, &mut text);
    let mut stored = Vec::new();
    envelope::wrap_with("v1", "Pod", &mut stored, |out| proto::encode(&value, pod, out));
    let raw = transcode::message(&stored).expect("an envelope");
    println!("pod: {} bytes of JSON, {} stored", text.len(), stored.len());
    // `cargo bench --bench codec -- stored` measures only what has that in its name.
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--")).unwrap_or_default();
    let show = |name: &str, work: &mut dyn FnMut()| {
        if !name.contains(&wanted) {
            return;
        }
        let nanos = measure(work);
        println!("{name:<28} {nanos:>9.0} ns {:>7.2} ns/byte", nanos / text.len() as f64);
    };

    let mut arena = Bump::new();
    show("decode JSON", &mut || {
        arena.reset();
        black_box(json::decode(&text, pod, &arena, Strictness::Report).is_ok());
    });
    show("parse JSON without schema", &mut || {
        arena.reset();
        black_box(json::parse_any(&text, &arena).is_ok());
    });
    show("parse JSON with serde_json", &mut || {
        black_box(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
    });
    show("decode protobuf", &mut || {
        arena.reset();
        black_box(proto::decode(arena.alloc_slice_copy(raw), pod, &arena).is_ok());
    });
    let mut out = Vec::with_capacity(16 * 1024);
    show("encode JSON", &mut || {
        out.clear();
        json::encode(black_box(&value), pod, &mut out);
    });
    show("encode protobuf", &mut || {
        out.clear();
        proto::encode(black_box(&value), pod, &mut out);
    });
    show("stored to JSON", &mut || {
        out.clear();
        let shown = transcode::to_json(black_box(&stored), pod, Some(names), 123_456, &mut out);
        black_box(shown.is_ok());
    });
    show("stored to protobuf", &mut || {
        out.clear();
        let spliced = transcode::message(black_box(&stored))
            .and_then(|raw| Spliced::new(raw, 123_456))
            .map(|spliced| spliced.write_object(names, &mut out));
        black_box(spliced.is_ok());
    });
    let paths = Paths::new(pod, &[&["spec", "nodeName"], &["status", "phase"]]);
    show("scan metadata and selectors", &mut || {
        let raw = transcode::message(black_box(&stored)).expect("an envelope");
        black_box(Metadata::read(raw).map(|metadata| metadata.labels().count()).is_ok());
        let mut found = 0;
        black_box(paths.scan(raw, |_, _| found += 1).is_ok());
        black_box(found);
    });
}
