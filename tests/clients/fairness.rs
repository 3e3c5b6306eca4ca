//! API priority and fairness of the real binary, with clients that send more than they may.
//!
//! They speak HTTP/1.1 themselves: the `kube` crate sends what is refused with 429 again.

use crate::harness::{Server, pause};
use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const TOKENS: &str = "root-token,root,0,system:masters\nflood-token,flood,1\nother-token,other,2\n";
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
const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MAP: &str = r#"{"metadata":{"generateName":"made-"}}"#;
/// Clients that write at once, and writes of each.
const CLIENTS: usize = 40;
const WRITES: usize = 8;

/// One connection.
struct Wire(StreamOwned<ClientConnection, TcpStream>);

/// What came back.
struct Answer {
    status: u16,
    head: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        line.map(str::trim)
    }
}

impl Wire {
    fn open(server: &Server) -> Self {
        let text = std::fs::read_to_string(server.kubeconfig()).expect("the kubeconfig");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.expect("a field of the kubeconfig").trim().trim_matches('"').to_owned()
        };
        let ca = base64::engine::general_purpose::STANDARD
            .decode(field("certificate-authority-data:"))
            .expect("base64");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&ca).expect("a certificate")).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address = field("server:").trim_start_matches("https://").to_owned();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let mut wire =
            Self(StreamOwned::new(session, TcpStream::connect(address).expect("a connection")));
        wire.0.conn.complete_io(&mut wire.0.sock).expect("a handshake");
        wire
    }

    fn post(&mut self, token: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(request.as_bytes()).expect("the request is sent");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("headers are ASCII");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let answer = Answer { status: status.expect("a status"), head };
        let length = answer.header("content-length").and_then(|text| text.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        self.0.read_exact(&mut body).expect("the body");
        answer
    }
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

/// The uid of the level `narrow`, once requests are led there.
fn narrow(server: &Server) -> String {
    let mut wire = Wire::open(server);
    for (path, body) in [("prioritylevelconfigurations", LEVEL), ("flowschemas", SCHEMA)] {
        let made = wire.post("root-token", &format!("{FLOW}/{path}"), body);
        assert_eq!(made.status, 201, "{}", made.head);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let level = server.get(&format!("{FLOW}/prioritylevelconfigurations/narrow"));
    let level: serde_json::Value = serde_json::from_str(&level.expect("the level")).expect("JSON");
    let uid = level["metadata"]["uid"].as_str().expect("a uid").to_owned();
    loop {
        let answer = wire.post("other-token", MAPS, MAP);
        if answer.header("x-kubernetes-pf-prioritylevel-uid") == Some(&uid) {
            return uid;
        }
        assert!(Instant::now() < deadline, "the level is not taken up: {}", answer.head);
        pause(Duration::from_millis(20));
    }
}

#[test]
fn a_user_who_floods_is_refused_and_starves_nobody() {
    let server = crowded();
    let uid = narrow(&server);
    let ready = Barrier::new(CLIENTS + 1);
    let (flooded, quiet) = std::thread::scope(|scope| {
        let flood = || {
            let mut wire = Wire::open(&server);
            ready.wait();
            let write = |_| wire.post("flood-token", MAPS, MAP);
            (0..WRITES).map(write).collect::<Vec<_>>()
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(flood)).collect();
        let mut wire = Wire::open(&server);
        ready.wait();
        let quiet: Vec<_> = (0..10).map(|_| wire.post("other-token", MAPS, MAP)).collect();
        let flooded = clients.into_iter().flat_map(|client| client.join().expect("no panic"));
        (flooded.collect::<Vec<_>>(), quiet)
    });
    assert!(quiet.iter().all(|answer| answer.status == 201), "who does not flood is served");
    let (refused, served): (Vec<_>, Vec<_>) =
        flooded.iter().partition(|answer| answer.status == 429);
    assert!(served.iter().all(|answer| answer.status == 201));
    assert!(!refused.is_empty() && !served.is_empty(), "{} served", served.len());
    for answer in &refused {
        let seconds = answer.header("retry-after").and_then(|text| text.parse::<u32>().ok());
        assert!(seconds >= Some(1), "{}", answer.head);
        assert_eq!(answer.header("x-kubernetes-pf-prioritylevel-uid"), Some(&*uid));
    }
    let metrics = server.get("/metrics").expect("figures");
    let count = |name: &str| -> f64 {
        let name = format!("apiserver_flowcontrol_{name}{{");
        let of = |line: &&str| line.starts_with(&name) && line.contains("level=\"narrow\"");
        let lines = metrics.lines().filter(of);
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert_eq!(count("rejected_requests_total") as usize, refused.len());
    assert!(count("dispatched_requests_total") as usize >= served.len() + quiet.len());
    assert_eq!(count("nominal_limit_seats"), 1.0);
    assert_eq!(count("current_executing_seats"), 0.0, "all seats are given back");
    assert_eq!(count("current_inqueue_requests"), 0.0);
}

#[test]
fn the_dumps_show_levels_queues_and_requests() {
    let server = Server::start(&[]);
    let get = |name: &str| server.get(&format!("/debug/api_priority_and_fairness/{name}"));
    let levels = get("dump_priority_levels").expect("levels");
    assert!(levels.starts_with("PriorityLevelName,"), "{levels}");
    for level in ["catch-all,", "exempt,", "global-default,", "workload-low,"] {
        assert_eq!(levels.lines().filter(|line| line.starts_with(level)).count(), 1, "{levels}");
    }
    let exempt = levels.lines().find(|line| line.starts_with("exempt,"));
    let count = exempt.and_then(|line| line.split(',').nth(6)?.trim().parse::<u64>().ok());
    assert!(count > Some(0), "the administrator's requests are counted: {levels}");
    let queues = get("dump_queues").expect("queues");
    // Two shards with 128 queues each.
    assert_eq!(queues.lines().filter(|line| line.starts_with("workload-low,")).count(), 256);
    let requests = get("dump_requests?includeRequestDetails=1").expect("requests");
    let mut lines = requests.lines();
    assert!(lines.next().is_some_and(|head| head.ends_with("SubResource")), "{requests}");
    // The one that asks executes: in no queue, and begun when it came.
    let own = lines.find(|line| line.contains("/debug/api_priority_and_fairness/dump_requests"));
    let own: Vec<&str> = own.expect("itself").split(',').map(str::trim).collect();
    assert_eq!((own[0], own[2], own[3]), ("exempt", "-1", "-1"), "{requests}");
    assert_eq!(own[5], own[9], "{requests}");
}

#[test]
fn debug_endpoints_are_for_those_who_may_see_them() {
    let server = Server::start(&["--authorization-mode=RBAC"]);
    let mut wire = Wire::open(&server);
    for path in ["/debug/api_priority_and_fairness/dump_queues", "/debug/latency", "/debug/shards"]
    {
        let refused = wire.post("", path, "");
        assert!([401, 403].contains(&refused.status), "{}", refused.head);
    }
}
