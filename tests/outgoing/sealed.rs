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

/// A configuration that has secrets sealed by the plugin behind a socket, as a flag.
fn configured(directory: &Path, socket: &Path) -> String {
    let file = directory.join("encryption.yaml");
    let config = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
         - resources: [secrets]\n  providers:\n  - kms:\n      apiVersion: v2\n      name: test\n\
         \x20     endpoint: unix://{}\n  - identity: {{}}\n",
        socket.display()
    );
    std::fs::write(&file, config).expect("a file");
    format!("--encryption-provider-config={}", file.display())
}

/// The text of a secret.
fn read(server: &Server, name: &str) -> Result<String, String> {
    let text = ask(server, "GET", &format!("{SECRETS}/{name}"), &Value::Null)?;
    let read: Value = serde_json::from_str(&text).expect("JSON");
    let data = read["data"]["text"].as_str().unwrap_or_default();
    Ok(String::from_utf8(STANDARD.decode(data).expect("base64")).expect("text"))
}

/// What readiness says of the plugins.
fn plugins_are(server: &Server, expected: &str) -> bool {
    // Not ready is an error, whose text is the answer.
    let told = server.get("/readyz?verbose").unwrap_or_else(|told| told);
    told.contains(expected)
}

const WELL: &str = "[+]kms-providers ok";
const SICK: &str = "[-]kms-providers failed: reason withheld";

#[test]
fn without_its_plugin_a_server_is_not_ready_and_is_again_by_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("kms.sock");
    let plugin = Plugin::start(&socket);
    let mut server = Server::start(&[&configured(directory.path(), &socket)]);
    create(&server, SECRETS, &secret("first"));
    drop(plugin);
    until_within(|| plugins_are(&server, SICK));
    // The key that is in use is used for three minutes more.
    assert_eq!(read(&server, "first"), Ok(TEXT.to_owned()));
    create(&server, SECRETS, &secret("second"));
    let plugin = Plugin::start(&socket);
    until_within(|| plugins_are(&server, WELL));
    create(&server, SECRETS, &secret("third"));
    drop(plugin);

    // A start waits for it: without it nothing could be read.
    server.stop();
    let late = std::thread::spawn(move || {
        super::harness::pause(std::time::Duration::from_secs(3));
        Plugin::start(&socket)
    });
    server.start_again();
    for name in ["first", "second", "third"] {
        assert_eq!(read(&server, name), Ok(TEXT.to_owned()), "{name}");
    }
    drop(late.join().expect("the plugin"));
}

#[test]
#[ignore = "waits out the three minutes that a key is used for without word from the plugin"]
fn writes_are_refused_once_the_word_of_the_plugin_is_old_and_reads_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("kms.sock");
    let plugin = Plugin::start(&socket);
    let server = Server::start(&[&configured(directory.path(), &socket)]);
    create(&server, SECRETS, &secret("first"));
    drop(plugin);
    super::harness::pause(std::time::Duration::from_secs(185));
    let refused = ask(&server, "POST", SECRETS, &secret("second")).expect_err("no key");
    let expected = "Internal error occurred: encryptedDEKSource with keyID hash \"sha256:";
    assert!(refused.starts_with(expected) && refused.contains(" expired at "), "{refused}");
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let refused = ask(&server, "PATCH", &format!("{SECRETS}/first"), &labels).expect_err("no key");
    assert!(refused.starts_with(expected), "{refused}");
    assert_eq!(read(&server, "first"), Ok(TEXT.to_owned()));
    // What is not sealed is no matter.
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}});
    create(&server, "/api/v1/namespaces/default/configmaps", &map);
    let _plugin = Plugin::start(&socket);
    until_within(|| plugins_are(&server, WELL));
    create(&server, SECRETS, &secret("second"));
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
    let flag = configured(directory.path(), &socket);
    let mut server = Server::start(&[&flag]);
    create(&server, SECRETS, &secret("first"));
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

/// The plugin is asked how it is every 20 seconds, every 10 while it is not well.
fn until_within(mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "still not so");
    }
}
