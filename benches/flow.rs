//! What flow control costs a request on an idle server.
//!
//! `cargo bench --bench flow`; prints nanoseconds an operation.

mod measure;

use kubering::flow::{Digest, Flow, Known, Seats};
use kubering::request::{Query, RequestInfo, User};
use measure::show;
use std::hint::black_box;
use std::time::Duration;

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
        show(&format!("classify: GET of a pod by {name}"), || {
            drop(black_box(flow.classify(black_box(digest))));
        });
        let class = flow.classify(digest).expect("there is a class for all");
        show(&format!("enter and leave: GET of a pod by {name}"), || {
            let wait = Duration::from_secs(1);
            let seat = flow.enter(&class, digest, Query::new(""), Known::default, wait);
            drop(black_box(futures_lite::future::block_on(seat)));
        });
    }
}
