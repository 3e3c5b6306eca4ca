//! What leaves HTTP: exec, attach, port-forward, and upgrades of proxied requests.

use super::harness::Server;
use super::kubelet;
use super::other::{self, Asked, Other, Wire};
use super::tools::Bench;
use super::upgraded::Upgraded;
use super::{PODS, ask, create_node, create_pod, move_node};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

/// A file of tokens; its directory goes with it.
fn tokens() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tokens.csv");
    let mut file = std::fs::File::create(&path).expect("a file");
    writeln!(file, "root,root,root,system:masters\nguest,guest,guest").expect("to write");
    let flag = format!("--token-auth-file={}", path.display());
    (directory, flag)
}

/// Upgrades to whatever is asked for, says what was asked, and gives back in capitals what it gets.
fn shout(asked: &Asked, wire: &mut dyn Wire) -> std::io::Result<()> {
    let protocol = asked.header("upgrade").join(",");
    let told = asked.header("x-stream-protocol-version").join(",");
    write!(
        wire,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\
         X-Stream-Protocol-Version: {told}\r\nX-Path: {}\r\n\r\nready",
        asked.path
    )?;
    wire.flush()?;
    let mut buffer = [0; 4_096];
    loop {
        let count = wire.read(&mut buffer)?;
        if count == 0 {
            wire.write_all(b"bye")?;
            return wire.flush();
        }
        wire.write_all(&buffer[..count].to_ascii_uppercase())?;
        wire.flush()?;
    }
}

const ROOT: (&str, &str) = ("Authorization", "Bearer root");
const LEAVES: (&str, &str) = ("Connection", "Upgrade");
const SPDY: (&str, &str) = ("Upgrade", "SPDY/3.1");

#[test]
fn a_connection_that_leaves_http_is_joined_to_the_kubelets() {
    let answer = |asked: &Asked| (404, "text/plain", format!("no {}", asked.path));
    let kubelet = Other::upgrading(&["node.example"], answer, |asked, wire| {
        if asked.path.starts_with("/attach") {
            write!(wire, "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot you")?;
            return wire.flush();
        }
        shout(asked, wire)
    });
    let (_kept, flag) = tokens();
    let server = Server::start(&[&flag]);
    create_node(&server, kubelet.port, &[]);
    create_pod(&server, "p", Some("n"));
    let line = format!("POST {PODS}/p/exec?command=echo&command=a%20b&stdout=1&stdin=1");
    let version = ("X-Stream-Protocol-Version", "v4.channel.k8s.io");
    let mut joined = Upgraded::ask(&server, &line, &[ROOT, LEAVES, SPDY, version]);
    assert_eq!(joined.head[0], "HTTP/1.1 101 Switching Protocols", "{:?}", joined.head);
    assert_eq!(joined.header("upgrade"), Some("SPDY/3.1"));
    assert_eq!(joined.header("x-stream-protocol-version"), Some("v4.channel.k8s.io"));
    let path = "/exec/default/p/c?command=echo&command=a+b&input=1&output=1";
    assert_eq!(joined.header("x-path"), Some(path));
    assert_eq!(joined.receive(5), b"ready");
    let many: Vec<u8> = (0..1_000_000u32).map(|at| b'a' + (at % 26) as u8).collect();
    for piece in many.chunks(50_000) {
        joined.send(piece);
        assert_eq!(joined.receive(piece.len()), piece.to_ascii_uppercase());
    }
    // What is said after the client has ended its half still comes.
    joined.end();
    assert_eq!(joined.rest(), b"bye");

    let line = format!("POST {PODS}/p/portforward?ports=80");
    let mut joined = Upgraded::ask(&server, &line, &[ROOT, LEAVES, SPDY]);
    assert_eq!(joined.header("x-path"), Some("/portForward/default/p?port=80"));
    joined.send(b"x");
    assert_eq!(joined.receive(6), b"readyX");

    let line = format!("POST {PODS}/p/attach?stdout=1");
    let mut refused = Upgraded::ask(&server, &line, &[ROOT, LEAVES, SPDY]);
    assert_eq!(refused.head[0], "HTTP/1.1 403 Forbidden");
    assert_eq!(refused.body(), b"not you");

    if let Some(address) = other::outward() {
        move_node(&server, address);
        let line = "GET /api/v1/nodes/n/proxy/shell?x=1";
        let any = ("Upgrade", "anything");
        let mut joined = Upgraded::ask(&server, line, &[ROOT, LEAVES, any]);
        assert_eq!(joined.header("x-path"), Some("/shell?x=1"), "{:?}", joined.head);
        assert_eq!(joined.receive(5), b"ready");
    }

    let get = |path: &str| ask(&server, "GET", &format!("{PODS}/{path}"), &Value::Null);
    assert_eq!(get("p/exec?command=ls"), Err("Upgrade request required".to_owned()));
}

#[test]
fn a_websocket_needs_the_permission_to_create() {
    let answer = |asked: &Asked| (404, "text/plain", format!("no {}", asked.path));
    let kubelet = Other::upgrading(&["node.example"], answer, shout);
    let (_kept, flag) = tokens();
    let server = Server::start(&[&flag, "--authorization-mode=RBAC"]);
    create_node(&server, kubelet.port, &["ExtendWebSocketsToKubelet"]);
    create_pod(&server, "p", Some("n"));
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "verbs": ["get"],
            "resources": ["pods/exec"]}]});
    let base = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    super::create(&server, &format!("{base}/roles"), &role);
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding", "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User",
            "name": "guest"}]});
    super::create(&server, &format!("{base}/rolebindings"), &binding);
    let line = format!("GET {PODS}/p/exec?command=ls&stdout=1");
    let socket = [LEAVES, ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    let with = |token| [&[("Authorization", token)], &socket[..]].concat();
    let refused = super::until(
        || Upgraded::ask(&server, &line, &with("Bearer guest")).body(),
        |text| !String::from_utf8_lossy(text).contains("cannot get"),
    );
    let refused = String::from_utf8_lossy(&refused).into_owned();
    assert!(refused.contains(r#"pods \"p\" is forbidden: "#), "{refused}");
    let mut joined = Upgraded::ask(&server, &line, &with("Bearer root"));
    // The kubelet says that it takes WebSockets, so it gets them.
    assert_eq!(joined.header("upgrade"), Some("websocket"), "{:?}", joined.head);
    assert_eq!(joined.header("x-path"), Some("/exec/default/p/c?command=ls&output=1"));
    assert_eq!(joined.receive(5), b"ready");
}

/// kubectl with its streams at hand.
fn kubectl(bench: &Bench, args: &[&str]) -> std::process::Child {
    let mut command = bench.command("kubectl", args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("kubectl")
}

#[test]
fn kubectl_runs_commands_and_forwards_ports_by_a_kubelet_that_speaks_spdy() {
    let answer = |asked: &Asked| (404, "text/plain", format!("no {}", asked.path));
    let kubelet = Other::upgrading(&["node.example"], answer, |asked, wire| {
        match asked.path.split('/').nth(1) {
            Some("exec") => kubelet::command(asked, wire),
            _ => kubelet::port(asked, wire),
        }
    });
    let Some(bench) = Bench::start() else { return };
    create_node(&bench.server, kubelet.port, &[]);
    create_pod(&bench.server, "p", Some("n"));
    let mut running = kubectl(&bench, &["exec", "-i", "p", "--", "shout"]);
    let mut input = running.stdin.take().expect("its input");
    let many = "some text\n".repeat(20_000);
    // It reads while it writes.
    let sent = many.clone();
    let writer = std::thread::spawn(move || input.write_all(sent.as_bytes()));
    let done = running.wait_with_output().expect("its end");
    writer.join().expect("no panic").expect("all was taken");
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&done.stdout), many.to_ascii_uppercase(), "{error}");
    assert!(error.contains("no more input"), "{error}");
    assert!(error.contains("command terminated with exit code 3"), "{error}");
    assert_eq!(done.status.code(), Some(3));

    ask(
        &bench.server,
        "PATCH",
        &format!("{PODS}/p/status"),
        &json!({"status": {"phase": "Running"}}),
    )
    .expect("a status");
    let mut running = kubectl(&bench, &["port-forward", "pod/p", ":80"]);
    let mut lines = BufReader::new(running.stdout.take().expect("its output"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("where it listens");
    let port = line.split(" -> ").next().and_then(|text| text.rsplit(':').next());
    let port: u16 = port.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    for _ in 0..2 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.write_all(b"to the pod").expect("to send");
        let mut told = [0; 10];
        stream.read_exact(&mut told).expect("an answer");
        assert_eq!(&told, b"TO THE POD");
    }
    let id = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("to end it");
    running.wait().expect("its end");
}
