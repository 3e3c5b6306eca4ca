//! What the running server tells of itself below `/debug/`.

use crate::harness::{Server, client};

async fn post(client: &kube::Client, path: &str, body: &str) {
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(body.as_bytes().to_vec()).expect("a request");
    client.request_text(request).await.expect("it is created");
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_has_the_phases_of_reads_writes_and_deliveries() {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("a server");
    let admin = client(&server.kubeconfig()).await.expect("a client");
    let watch = "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=2";
    let request = http::Request::get(watch).body(Vec::new()).expect("a request");
    let watching = admin.request_text(request);
    let writing = async {
        // The watch has begun by then.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        for number in 0..5 {
            let body = format!(r#"{{"metadata":{{"name":"made-{number}"}}}}"#);
            post(&admin, "/api/v1/namespaces/default/configmaps", &body).await;
        }
    };
    let (watched, ()) = futures_util::future::join(watching, writing).await;
    assert!(watched.is_ok_and(|text| text.contains("made-4")), "the watch tells of the writes");
    server.get("/api/v1/namespaces/default/configmaps/made-1").expect("it is there");
    let latency = json(&server.get("/debug/latency?format=json").expect("latency"));
    assert_eq!(latency["unit"], "ns");
    let rows = latency["rows"].as_array().expect("rows");
    let count = |verb: &str, resource: &str, phase: &str| {
        let row = rows.iter().find(|row| {
            row["verb"] == verb && row["resource"] == resource && row["phase"] == phase
        });
        row.map_or(0, |row| {
            let [p50, p99, max] = ["p50", "p99", "max"].map(|name| row[name].as_u64());
            assert!(p50 <= p99 && p99 <= max && max > Some(0), "{row}");
            row["count"].as_u64().expect("a count")
        })
    };
    for phase in ["authn", "queue", "authz", "prepare", "admission", "store", "encode", "write"] {
        assert_eq!(count("POST", "configmaps", phase), 5, "{phase}");
    }
    for phase in ["authn", "queue", "authz", "cache", "encode", "write"] {
        assert!(count("GET", "configmaps", phase) >= 1, "{phase}");
    }
    assert_eq!(count("GET", "configmaps", "store"), 0, "reads do not ask the store");
    assert!(count("EVENT", "configmaps", "delivery") >= 1);
    let text = server.get("/debug/latency").expect("text");
    assert!(text.lines().any(|line| line.starts_with("POST") && line.contains("admission")));
    let page = server.get("/debug/latency?format=html").expect("a page");
    assert!(page.contains("<polyline") && page.contains("configmaps"), "{page}");
    let metrics = server.get("/metrics").expect("figures");
    for series in [
        "kubering_request_phase_seconds_count{phase=\"store\"}",
        "kubering_watch_delivery_seconds_count{resource=\"configmaps\"}",
    ] {
        let line = metrics.lines().find(|line| line.starts_with(series));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        assert!(value > Some(0.0), "{series}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_tell_their_queues_and_partitions() {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("a server");
    let shards = json(&server.get("/debug/shards?format=json").expect("shards"));
    let shards = shards.as_array().expect("a list");
    assert_eq!(shards.len(), 2);
    let mut namespaces = 0;
    for (number, shard) in shards.iter().enumerate() {
        assert_eq!(shard["shard"], number);
        assert!(shard["applied"].as_u64() > Some(0), "{shard}");
        let partitions = shard["partitions"].as_array().expect("partitions");
        let of = partitions.iter().find(|partition| partition["resource"] == "namespaces");
        namespaces += of.map_or(0, |of| of["objects"].as_u64().expect("a count"));
    }
    assert_eq!(namespaces, 4, "each object is in one shard's partition");
    let text = server.get("/debug/shards").expect("text");
    assert!(text.starts_with("SHARD") && text.contains("clusterroles.rbac.authorization.k8s.io"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_say_how_they_are_taken_and_go_with_the_flag() {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("a server");
    let cmdline = server.get("/debug/pprof/cmdline").expect("the command line");
    assert!(cmdline.split('\0').any(|argument| argument == "--bind-address=127.0.0.1"));
    for path in ["/debug/pprof/profile", "/debug/flamegraph"] {
        let refused = server.get(path).expect_err("not taken here");
        assert!(refused.contains("perf record"), "{refused}");
    }
    let flags = &["--profiling=false"];
    let server = tokio::task::spawn_blocking(|| Server::start(flags)).await.expect("a server");
    for path in ["/debug/pprof/cmdline", "/debug/latency", "/debug/shards"] {
        let missing = server.get(path).expect_err("without the flag");
        assert!(missing.contains("404"), "{missing}");
    }
    server.get("/debug/api_priority_and_fairness/dump_queues").expect("no profile");
}
