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

/// The body of an answer as bytes, and its status.
async fn bytes(client: &kube::Client, path: &str) -> (u16, Vec<u8>) {
    let request = http::Request::get(path).body(Vec::new().into()).expect("a request");
    let answer = client.send(request).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect_bytes().await.expect("a body");
    (status, body.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_taken_of_the_running_server_and_disturbs_no_request() {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("a server");
    let admin = client(&server.kubeconfig()).await.expect("a client");
    let done = std::sync::atomic::AtomicBool::new(false);
    let working = async {
        // Signals interrupt whatever waits: rings, the store's thread, writes to disk.
        let mut number = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            number += 1;
            let body = format!(r#"{{"metadata":{{"name":"made-{number}"}}}}"#);
            post(&admin, "/api/v1/namespaces/default/configmaps", &body).await;
            let path = format!("/api/v1/namespaces/default/configmaps/made-{number}");
            let request = http::Request::get(path).body(Vec::new()).expect("a request");
            admin.request_text(request).await.expect("it is there");
        }
        number
    };
    let profiling = async {
        let profile = bytes(&admin, "/debug/pprof/profile?seconds=2").await;
        let drawn = bytes(&admin, "/debug/flamegraph?seconds=1").await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        (profile, drawn)
    };
    let (made, ((status, profile), (drawn, picture))) =
        futures_util::future::join(working, profiling).await;
    assert!(made > 20, "{made} requests meanwhile");
    assert_eq!((status, drawn), (200, 200), "{}", String::from_utf8_lossy(&picture));
    let mut message = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(&profile[..]);
    std::io::Read::read_to_end(&mut gzip, &mut message).expect("gzip, as Go's");
    let names =
        |text: &[u8], name: &str| text.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(names(&message, "nanoseconds") && names(&message, "kubering::"), "functions are named");
    assert!(names(&picture, "<svg") && names(&picture, "kubering::"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_of_go_and_too_long_ones_are_refused_and_all_go_with_the_flag() {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("a server");
    let cmdline = server.get("/debug/pprof/cmdline").expect("the command line");
    assert!(cmdline.split('\0').any(|argument| argument == "--bind-address=127.0.0.1"));
    let index = server.get("/debug/pprof/").expect("the index");
    assert!(index.contains("/debug/pprof/profile") && index.contains("/debug/flamegraph"));
    assert_eq!(server.get("/debug/pprof/symbol").expect("symbols"), "num_symbols: 0\n");
    let refused = server.get("/debug/pprof/heap").expect_err("Go's");
    assert!(refused.contains("501") && refused.contains("Go's runtime"), "{refused}");
    let refused = server.get("/debug/pprof/profile?seconds=100000").expect_err("too long");
    assert!(refused.contains("400"), "{refused}");
    let flags = &["--profiling=false"];
    let server = tokio::task::spawn_blocking(|| Server::start(flags)).await.expect("a server");
    for path in ["pprof/cmdline", "pprof/profile", "flamegraph", "latency", "shards"] {
        let missing = server.get(&format!("/debug/{path}")).expect_err("without the flag");
        assert!(missing.contains("404"), "{missing}");
    }
    server.get("/debug/api_priority_and_fairness/dump_queues").expect("no profile");
}
