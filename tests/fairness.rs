//! API priority and fairness of the real binary, with clients that send more than they may.
#![cfg(test)]

mod harness;

use futures_util::future::join_all;
use harness::{Server, client};
use kube::client::Body;
use std::time::{Duration, Instant};

const TOKENS: &str = "flood-token,flood,1\nother-token,other,2\n";
/// A level with few places to wait, and a schema that leads both users there, each with a flow of
/// his own.
const LEVEL: &str = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1",
    "kind":"PriorityLevelConfiguration","metadata":{"name":"narrow"},
    "spec":{"type":"Limited","limited":{"nominalConcurrencyShares":1,"borrowingLimitPercent":0,
    "limitResponse":{"type":"Queue",
    "queuing":{"queues":512,"handSize":2,"queueLengthLimit":4}}}}}"#;
const SCHEMA: &str = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema",
    "metadata":{"name":"narrow"},"spec":{"priorityLevelConfiguration":{"name":"narrow"},
    "matchingPrecedence":50,"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":[
    {"kind":"User","user":{"name":"flood"}},{"kind":"User","user":{"name":"other"}}],
    "resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,
    "namespaces":["*"]}]}]}}"#;
const SCHEMAS: &str = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
const LEVELS: &str = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations";

/// Status, `Retry-After` and the uid of the priority level of a request's answer.
type Answered = (u16, Option<u64>, String);

/// A client that shows a token only.
async fn user(server: &Server) -> kube::Client {
    let text = std::fs::read_to_string(server.kubeconfig()).expect("the kubeconfig");
    let bare: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("client-")).collect();
    let path = server.data_dir().join("bare.kubeconfig");
    std::fs::write(&path, bare.join("\n")).expect("a file");
    client(&path).await.expect("a client")
}

/// A write: it holds its seat until it is durable.
async fn create(client: &kube::Client, token: &str) -> Answered {
    let path = "/api/v1/namespaces/default/configmaps";
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let body = br#"{"metadata":{"generateName":"made-"}}"#.to_vec();
    let answer = client.send(request.body(Body::from(body)).expect("a request")).await;
    let answer = answer.expect("an answer");
    let text = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
    let level = text("x-kubernetes-pf-prioritylevel-uid").unwrap_or_default();
    let retry = text("retry-after").and_then(|text| text.parse().ok());
    (answer.status().as_u16(), retry, level)
}

async fn post(client: &kube::Client, path: &str, body: &str) {
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(body.as_bytes().to_vec()).expect("a request");
    client.request_text(request).await.expect("it is created");
}

/// One shard, so that both users meet; the level `narrow` has one of its seats.
fn crowded() -> Server {
    let tokens = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(tokens.path(), TOKENS).expect("tokens");
    let file = format!("--token-auth-file={}", tokens.path().display());
    Server::start(&[
        &file,
        "--authorization-mode=AlwaysAllow",
        "--shards=1",
        "--max-requests-inflight=10",
        "--max-mutating-requests-inflight=10",
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_floods_is_refused_and_starves_nobody() {
    let server = tokio::task::spawn_blocking(crowded).await.expect("a server");
    let admin = client(&server.kubeconfig()).await.expect("a client");
    post(&admin, LEVELS, LEVEL).await;
    post(&admin, SCHEMAS, SCHEMA).await;
    let (flood, other) = (user(&server).await, user(&server).await);
    // The configuration is taken up soon after it is stored.
    let ordinary = create(&admin, "").await.2;
    let deadline = Instant::now() + Duration::from_secs(10);
    let narrow = loop {
        let (_, _, level) = create(&other, "other-token").await;
        let dump = server.get("/debug/api_priority_and_fairness/dump_priority_levels");
        if level != ordinary && dump.is_ok_and(|text| text.contains("\nnarrow,")) {
            break level;
        }
        assert!(Instant::now() < deadline, "the level is not taken up");
    };
    let flooding = async {
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.extend(join_all((0..80).map(|_| create(&flood, "flood-token"))).await);
        }
        answers
    };
    let quiet = async {
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(create(&other, "other-token").await);
        }
        answers
    };
    let (flooded, answered) = futures_util::future::join(flooding, quiet).await;
    assert!(answered.iter().all(|(status, ..)| *status == 201), "{answered:?}");
    let refused: Vec<_> = flooded.iter().filter(|(status, ..)| *status == 429).collect();
    let served = flooded.iter().filter(|(status, ..)| *status == 201).count();
    assert_eq!(served + refused.len(), flooded.len(), "{flooded:?}");
    assert!(!refused.is_empty() && served > 0, "{served} served");
    for (_, retry, level) in refused {
        assert!(retry.is_some_and(|seconds| seconds >= 1), "no Retry-After");
        assert_eq!(*level, narrow, "the header names the level that refused");
    }
    let metrics = server.get("/metrics").expect("figures");
    let count = |name: &str, with: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(with));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let of = "priority_level=\"narrow\"";
    let rejected = count("apiserver_flowcontrol_rejected_requests_total{", of);
    assert_eq!(rejected as usize, flooded.len() - served, "all refusals are counted");
    assert!(count("apiserver_flowcontrol_dispatched_requests_total{", of) >= served as f64);
    assert_eq!(count("apiserver_flowcontrol_nominal_limit_seats{", of), 1.0);
    assert_eq!(count("apiserver_flowcontrol_current_executing_seats{", of), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dumps_show_levels_queues_and_requests_to_those_who_may_see_them() {
    let server = tokio::task::spawn_blocking(|| Server::start(&["--authorization-mode=RBAC"]))
        .await
        .expect("a server");
    let get = |name: &str| server.get(&format!("/debug/api_priority_and_fairness/{name}"));
    let levels = get("dump_priority_levels").expect("levels");
    assert!(levels.starts_with("PriorityLevelName,"), "{levels}");
    for level in ["catch-all,", "exempt,", "global-default,", "workload-low,"] {
        assert_eq!(levels.lines().filter(|line| line.starts_with(level)).count(), 1, "{levels}");
    }
    let dispatched = levels.lines().find(|line| line.starts_with("exempt,"));
    let count = dispatched.and_then(|line| line.split(',').nth(6)?.trim().parse::<u64>().ok());
    assert!(count > Some(0), "the administrator's requests are counted: {levels}");
    let queues = get("dump_queues").expect("queues");
    // Two shards with 128 queues each.
    assert_eq!(queues.lines().filter(|line| line.starts_with("workload-low,")).count(), 256);
    let requests = get("dump_requests?includeRequestDetails=1").expect("requests");
    assert!(requests.trim_end().ends_with("SubResource"), "{requests}");
    let nobody = user(&server).await;
    let path = "/debug/api_priority_and_fairness/dump_queues";
    let request = http::Request::get(path).body(Body::empty()).expect("a request");
    let answer = nobody.send(request).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 403, "not for anonymous users");
}
