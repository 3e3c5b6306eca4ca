//! What the object machinery does for a POST of a pod: decode, default, validate, encode.
//!
//! `cargo bench --bench write`; prints nanoseconds of CPU an operation, each step and all of them.

mod measure;

use bumpalo::Bump;
use kubering::catalog::{Resource, catalog};
use kubering::codec::json::{self, Strictness};
use kubering::codec::proto::{self, envelope};
use kubering::object::Value;
use kubering::registry::strategy::{Scope, User};
use kubering::registry::{meta, stored};
use measure::show;
use std::hint::black_box;

const POD: &str = include_str!("data/pod.json");
const NOW: &str = "2024-06-01T00:00:00Z";

fn decode<'a>(pods: &Resource, arena: &'a Bump) -> Value<'a> {
    let decoded = json::decode(POD.as_bytes(), pods.ty, arena, Strictness::Report);
    decoded.expect("the pod decodes").value
}

/// Sets what a create sets, then changes and checks the object; true if nothing is wrong with it.
fn check<'a>(pods: &'static Resource, pod: &mut Value<'a>, arena: &'a Bump) -> bool {
    let metadata = meta::metadata_mut(pod, arena);
    metadata.insert("creationTimestamp", Value::Str(NOW));
    metadata.insert("uid", Value::Str("6f1c2c6e-7d1c-4b6c-9a51-0a4d2e1f7a11"));
    let mut warnings = Vec::new();
    let mut scope = Scope {
        arena,
        group: "",
        version: "v1",
        served_group: "",
        resource: "pods",
        kind: "Pod",
        namespaced: true,
        custom: None,
        subresource: "",
        namespace: "default",
        user: User::default(),
        now: NOW,
        allow_privileged: true,
        warnings: &mut warnings,
    };
    let strategy = stored::strategy_of(pods);
    strategy.begin_create(pod, &mut scope);
    let errors = strategy.check_create(pod, &scope);
    strategy.warn_create(pod, &mut scope);
    strategy.finish(pod, &mut scope);
    errors.is_empty()
}

fn encode(pods: &Resource, pod: &Value<'_>, out: &mut Vec<u8>) {
    out.clear();
    envelope::wrap_with("v1", "Pod", out, |out| proto::encode(pod, pods.ty, out));
}

fn main() {
    let pods = catalog().resource("", "v1", "pods").expect("the catalog has pods");
    let keep = Bump::new();
    let mut kept = decode(pods, &keep);
    stored::fill_defaults(pods, &mut kept, &keep);
    assert!(check(pods, &mut kept, &keep), "the pod is valid");
    let mut arena = Bump::new();
    let mut out = Vec::with_capacity(16 * 1024);
    show("decode", || {
        arena.reset();
        black_box(decode(pods, &arena));
    });
    show("copy, default", || {
        arena.reset();
        let mut pod = kept.copy_in(&arena);
        stored::fill_defaults(pods, &mut pod, &arena);
        black_box(pod);
    });
    show("copy, validate, warn", || {
        arena.reset();
        let mut pod = kept.copy_in(&arena);
        black_box(check(pods, &mut pod, &arena));
    });
    show("encode", || encode(pods, black_box(&kept), &mut out));
    show("decode, default, validate, warn, encode", || {
        arena.reset();
        let mut pod = decode(pods, &arena);
        stored::fill_defaults(pods, &mut pod, &arena);
        black_box(check(pods, &mut pod, &arena));
        encode(pods, &pod, &mut out);
        black_box(&out);
    });
}
