//! What encoding and decoding cost, on a pod as clusters have them.
//!
//! `cargo bench --bench codec`; prints nanoseconds an operation and a byte of the JSON form.

mod measure;

use bumpalo::Bump;
use kubering::catalog::catalog;
use kubering::codec::json::{self, Strictness};
use kubering::codec::proto::{self, envelope};
use kubering::codec::transcode::scan::{Metadata, Paths};
use kubering::codec::transcode::{self, Names, Spliced};
use measure::show;
use std::hint::black_box;

const POD: &str = include_str!("data/pod.json");

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
    let measured = |name: &str, work: &mut dyn FnMut()| {
        if name.contains(&wanted) {
            let nanos = show(name, work);
            println!("{:<56} {:>9.2} ns a byte", "", nanos / text.len() as f64);
        }
    };

    let mut arena = Bump::new();
    measured("decode JSON", &mut || {
        arena.reset();
        black_box(json::decode(&text, pod, &arena, Strictness::Report).is_ok());
    });
    measured("parse JSON without schema", &mut || {
        arena.reset();
        black_box(json::parse_any(&text, &arena).is_ok());
    });
    measured("parse JSON with serde_json", &mut || {
        black_box(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
    });
    measured("decode protobuf", &mut || {
        arena.reset();
        black_box(proto::decode(arena.alloc_slice_copy(raw), pod, &arena).is_ok());
    });
    let mut out = Vec::with_capacity(16 * 1024);
    measured("encode JSON", &mut || {
        out.clear();
        json::encode(black_box(&value), pod, &mut out);
    });
    measured("encode protobuf", &mut || {
        out.clear();
        proto::encode(black_box(&value), pod, &mut out);
    });
    measured("stored to JSON", &mut || {
        out.clear();
        let shown = transcode::to_json(black_box(&stored), pod, Some(names), 123_456, &mut out);
        black_box(shown.is_ok());
    });
    measured("stored to protobuf", &mut || {
        out.clear();
        let spliced = transcode::message(black_box(&stored))
            .and_then(|raw| Spliced::new(raw, 123_456))
            .map(|spliced| spliced.write_object(names, &mut out));
        black_box(spliced.is_ok());
    });
    let paths = Paths::new(pod, &[&["spec", "nodeName"], &["status", "phase"]]);
    measured("scan metadata and selectors", &mut || {
        let raw = transcode::message(black_box(&stored)).expect("an envelope");
        black_box(Metadata::read(raw).map(|metadata| metadata.labels().count()).is_ok());
        let mut found = 0;
        black_box(paths.scan(raw, |_, _| found += 1).is_ok());
        black_box(found);
    });
}
