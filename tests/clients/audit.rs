//! The audit log under load: every request once at every stage, whole lines, nothing secret.

use crate::harness::{self, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CLIENTS: usize = 8;
const ROUNDS: usize = 25;
/// What stands in every secret, as it is sent.
const SECRET: &str = "bm90IGZvciB0aGUgYXVkaXQ=";

const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: ['system:apiserver']
- level: Metadata
  resources: [{group: '', resources: [secrets]}]
- level: RequestResponse
  resources: [{group: '', resources: [configmaps]}]
- level: Metadata
";

/// One request with an id of its own.
async fn send(client: &kube::Client, id: &str, method: &str, path: &str, body: Option<Value>) {
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("audit-id", id)
        .header("content-type", "application/json")
        .body(body)
        .expect("a request");
    // A conflict is an answer like another.
    client.request_text(request).await.ok();
}

/// What one client does.
async fn work(client: kube::Client, number: usize) {
    for round in 0..ROUNDS {
        let id = |what: &str| format!("{number}-{round}-{what}");
        let name = format!("o-{number}-{round}");
        let base = "/api/v1/namespaces/default";
        let meta = json!({"name": name});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta,
            "data": {"text": SECRET}});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta,
            "data": {"text": "for the audit"}});
        send(&client, &id("secret"), "POST", &format!("{base}/secrets"), Some(secret)).await;
        send(&client, &id("map"), "POST", &format!("{base}/configmaps"), Some(map)).await;
        send(&client, &id("get"), "GET", &format!("{base}/secrets/{name}"), None).await;
        send(&client, &id("none"), "GET", &format!("{base}/configmaps/none"), None).await;
    }
}

#[test]
fn every_request_is_told_once_at_every_stage_and_nothing_secret_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let (policy, log) = (directory.path().join("policy.yaml"), directory.path().join("audit.log"));
    std::fs::write(&policy, POLICY).expect("a policy");
    let mut server = Server::start(&[
        &format!("--audit-policy-file={}", policy.display()),
        &format!("--audit-log-path={}", log.display()),
    ]);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut running = Vec::new();
        for number in 0..CLIENTS {
            let client = harness::client(&server.kubeconfig()).await.expect("a client");
            running.push(tokio::spawn(work(client, number)));
        }
        for one in running {
            one.await.expect("no panic");
        }
    });
    server.stop();
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(!text.contains(SECRET), "a secret is in the log");
    assert!(text.ends_with('\n'));
    let mut stages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        assert_eq!(event["kind"], "Event", "{line}");
        let id = event["auditID"].as_str().expect("an id").to_owned();
        let stage = event["stage"].as_str().expect("a stage").to_owned();
        let whole = event["level"] == "RequestResponse" && stage == "ResponseComplete";
        if whole && id.ends_with("-map") {
            assert_eq!(event["requestObject"]["data"]["text"], "for the audit", "{line}");
            assert_eq!(event["responseObject"]["kind"], "ConfigMap", "{line}");
        }
        if id.ends_with("-none") && stage == "ResponseComplete" {
            assert_eq!(event["responseStatus"]["code"], 404, "{line}");
        }
        stages.entry(id).or_default().push(stage);
    }
    for number in 0..CLIENTS {
        for round in 0..ROUNDS {
            for what in ["secret", "map", "get", "none"] {
                let id = format!("{number}-{round}-{what}");
                let told = stages.remove(&id).unwrap_or_default();
                assert_eq!(told, ["RequestReceived", "ResponseComplete"], "{id}");
            }
        }
    }
}
