//! Encryption at rest with keys of a KMS plugin.

use super::harness::Server;
use super::plugin::Plugin;
use super::{ask, create, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const TEXT: &str = "never on disk";

fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "data": {"text": STANDARD.encode(TEXT)}})
}

/// Whether a file below the directory holds the bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    let mut found = false;
    let mut waiting: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else if let Ok(content) = std::fs::read(&path) {
                found |= content.windows(bytes.len()).any(|window| window == bytes);
            }
        }
    }
    found
}

#[test]
fn secrets_are_sealed_with_keys_of_a_plugin_and_opened_after_its_key_has_changed() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("kms.sock");
    let plugin = Plugin::start(&socket);
    let file = directory.path().join("encryption.yaml");
    let config = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
         - resources: [secrets]\n  providers:\n  - kms:\n      apiVersion: v2\n      name: test\n\
         \x20     endpoint: unix://{}\n  - identity: {{}}\n",
        socket.display()
    );
    std::fs::write(&file, config).expect("a file");
    let flag = format!("--encryption-provider-config={}", file.display());
    let mut server = Server::start(&[&flag]);
    create(&server, SECRETS, &secret("first"));
    let read = |server: &Server, name: &str| {
        let text = ask(server, "GET", &format!("{SECRETS}/{name}"), &Value::Null)?;
        let read: Value = serde_json::from_str(&text).expect("JSON");
        let data = read["data"]["text"].as_str().unwrap_or_default();
        Ok::<_, String>(String::from_utf8(STANDARD.decode(data).expect("base64")).expect("text"))
    };
    assert_eq!(read(&server, "first"), Ok(TEXT.to_owned()));
    let health = server.get("/healthz?verbose").expect("its health");
    assert!(health.contains("[+]kms-providers ok"), "{health}");
    let figures = server.get("/metrics").expect("its figures");
    let called = "apiserver_envelope_encryption_kms_operations_latency_seconds_count{\
                  grpc_status_code=\"OK\",method_name=\"/v2.KeyManagementService/Encrypt\",\
                  provider_name=\"test\"} 1";
    assert!(figures.contains(called), "{figures}");

    // Another key: what is written from then on names it.
    plugin.key.store(2, Ordering::Relaxed);
    let data = server.data_dir();
    let mut number = 0;
    let named = || {
        number += 1;
        create(&server, SECRETS, &secret(&format!("later-{number}")));
        harness_pause();
        holds(&data, b"key-2")
    };
    until_within(named);
    assert!(holds(&data, b"k8s:enc:kms:v2:test:") && holds(&data, b"key-1"));
    assert!(!holds(&data, TEXT.as_bytes()));
    server.stop();
    server.start_again();
    for name in ["first", "later-1"] {
        assert_eq!(read(&server, name), Ok(TEXT.to_owned()), "{name}");
    }
    // A write of an old one that changes nothing seals it anew.
    let touched =
        until(|| ask(&server, "PUT", &format!("{SECRETS}/first"), &secret("first")), Result::is_ok);
    assert!(touched.is_ok());
}

fn harness_pause() {
    super::harness::pause(std::time::Duration::from_millis(500));
}

/// The plugin is asked for its key every 20 seconds.
fn until_within(mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "the new key was not taken");
    }
}
