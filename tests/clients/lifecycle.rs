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
