//! What flow control costs a request on an idle server.
//!
//! `cargo bench --bench flow`; prints nanoseconds an operation.

use kubering::flow::{Digest, Flow, Known, Seats};
use kubering::request::{Query, RequestInfo, User};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Runs `work` for a while, five times; nanoseconds a run of the best time.
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let (start, mut runs) = (Instant::now(), 0u32);
        while start.elapsed() < Duration::from_millis(200) {
            for _ in 0..64 {
                work();
            }
            runs += 64;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
    }
    best
}

#[expect(clippy::print_stdout, reason = "a bench prints figures")]
fn show(name: &str, nanos: f64) {
    println!("{name:<44} {nanos:>9.1} ns");
}

fn main() {
    let flow = Flow::with_bootstrap(Seats { process: 600, shard: 0, shards: 1 });
    let user = |name: &str, groups: &[&str]| User {
        name: name.into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..User::default()
    };
    let users = [
        ("an administrator", user("admin", &["system:masters", "system:authenticated"])),
        ("a kubelet", user("system:node:n", &["system:nodes", "system:authenticated"])),
        (
            "a service account",
            user(
                "system:serviceaccount:default:web",
                &[
                    "system:serviceaccounts",
                    "system:serviceaccounts:default",
                    "system:authenticated",
                ],
            ),
        ),
        ("someone", user("someone", &["system:authenticated"])),
    ];
    let path = "/api/v1/namespaces/default/pods/web";
    let info = RequestInfo::parse("GET", path, &Query::new("")).expect("a path");
    for (name, user) in &users {
        let digest = Digest { user, info: &info, verb: "get" };
        let nanos = measure(|| drop(black_box(flow.classify(black_box(digest)))));
        show(&format!("classify: GET of a pod by {name}"), nanos);
        let class = flow.classify(digest).expect("there is a class for all");
        let nanos = measure(|| {
            let wait = Duration::from_secs(1);
            let seat = flow.enter(&class, digest, Query::new(""), Known::default, wait);
            drop(black_box(futures_lite::future::block_on(seat)));
        });
        show(&format!("enter and leave: GET of a pod by {name}"), nanos);
    }
}
