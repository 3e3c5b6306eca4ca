//! The binary as its user meets it: what it prints, its exit codes, stopping and starting again.

use crate::harness::Server;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::process::Output;

fn kubering(args: &[&str]) -> (Option<i32>, String, String) {
    let binary = env!("CARGO_BIN_EXE_kubering");
    let Output { status, stdout, stderr } =
        Command::new(binary).args(args).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn it_says_what_to_type() {
    let server = Server::start(&[]);
    let kubeconfig = server.kubeconfig();
    let log = server.log();
    assert!(log.contains(&format!("export KUBECONFIG={}", kubeconfig.display())), "{log}");
    assert!(log.contains("kubectl get ns"), "{log}");
    let mode = kubeconfig.metadata().expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_start_has_the_same_keys_and_objects() {
    let mut server = Server::start(&[]);
    let kubeconfig = std::fs::read(server.kubeconfig()).expect("a kubeconfig");
    let uid = |server: &Server| {
        let text = server.get("/api/v1/namespaces/default").expect("the namespace");
        let object: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        object["metadata"]["uid"].as_str().expect("a uid").to_owned()
    };
    let before = uid(&server);
    assert!(server.stop().success(), "SIGTERM is a clean end:\n{}", server.log());
    server.start_again();
    assert_eq!(std::fs::read(server.kubeconfig()).expect("a kubeconfig"), kubeconfig);
    assert_eq!(uid(&server), before);
}

#[test]
fn help_groups_the_flags() {
    let (code, out, err) = kubering(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for word in ["--data-dir", "--shards", "--secure-port", "Secure serving flags:"] {
        assert!(out.contains(word), "no {word} in\n{out}");
    }
}

#[test]
fn a_wrong_command_line_is_one_line_and_exit_code_2() {
    for args in [
        &["--no-such-flag"][..],
        &["--secure-port=many"],
        &["--client-ca-file=/nowhere/ca.crt"],
        &["--service-cluster-ip-range=10.0.0.0"],
    ] {
        let (code, out, err) = kubering(args);
        assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{args:?}: {err}");
    }
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_3() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = format!("--secure-port={}", taken.local_addr().expect("its address").port());
    let home = tempfile::tempdir().expect("a directory");
    let dir = format!("--data-dir={}", home.path().display());
    let (code, _, err) = kubering(&[&dir, &port, "--bind-address=127.0.0.1"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.trim_end().lines().last().is_some_and(|line| line.contains("in use")), "{err}");
}

#[test]
fn flags_that_do_nothing_yet_are_one_warning_line() {
    let server = Server::start(&["--emulated-version=1.35", "--cors-allowed-origins=x"]);
    let log = server.log();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    for flag in ["--emulated-version", "--cors-allowed-origins"] {
        assert!(warning.contains(flag), "{warning}");
    }
}

#[test]
fn requests_are_counted_under_upstreams_names() {
    let server = Server::start(&[]);
    for _ in 0..3 {
        server.get("/api/v1/namespaces/default").expect("the namespace");
    }
    let text = server.get("/metrics").expect("figures");
    let line = text.lines().find(|line| {
        line.starts_with("apiserver_request_total{code=\"200\"")
            && line.contains("resource=\"namespaces\",scope=\"resource\"")
            && line.contains("verb=\"GET\"")
    });
    assert!(line.is_some_and(|line| line.ends_with(" 3")), "{line:?}");
    for name in [
        "apiserver_request_duration_seconds_bucket",
        "apiserver_current_inflight_requests",
        "apiserver_storage_objects{resource=\"namespaces\"}",
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(name), "no {name}");
    }
}

#[test]
fn a_stop_ends_an_open_watch_and_is_quick() {
    let mut server = Server::start(&[]);
    let kubeconfig = server.kubeconfig();
    let mut watch = Command::new("kubectl")
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .args(["get", "--raw", "/api/v1/namespaces?watch=true"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let mut seen = [0; 16];
    std::io::Read::read_exact(watch.stdout.as_mut().expect("a pipe"), &mut seen).expect("an event");
    let begun = std::time::Instant::now();
    assert!(server.stop().success(), "{}", server.log());
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!server.log().contains("cut off"), "{}", server.log());
    drop(watch.wait());
}

#[test]
fn new_certificates_are_shown_after_a_hangup() {
    let files = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (files.path().join("a.crt"), files.path().join("a.key"));
    let make = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned(), "127.0.0.1".to_owned()]);
        let made = made.expect("a certificate");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        std::fs::write(&certificate, made.cert.pem()).expect("a file");
    };
    make("first.example");
    let flags = [
        format!("--tls-cert-file={}", certificate.display()),
        format!("--tls-private-key-file={}", key.display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::start(&flags);
    server.get("/version").expect("the kubeconfig trusts the first certificate");
    make("second.example");
    server.signal(rustix::process::Signal::HUP);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !server.log().contains("certificates were reloaded") {
        assert!(std::time::Instant::now() < deadline, "{}", server.log());
        crate::harness::pause(std::time::Duration::from_millis(20));
    }
    server.get("/version").expect("the kubeconfig was renewed with it");
}
