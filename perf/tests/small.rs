//! Every scenario at its small size, on the real server: each must bring figures without a failed
//! operation, and the report must hold them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The server's binary, built into the same folder as this package's.
fn kubering() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_kubering-perf")).parent().expect("a folder");
    let binary = folder.join("kubering");
    if !binary.exists() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--package", "kubering", "--bin", "kubering", "--manifest-path"])
            .arg(manifest)
            .status();
        assert!(built.is_ok_and(|status| status.success()), "kubering is built");
    }
    binary
}

#[test]
fn every_scenario_runs_at_its_small_size() {
    let out = tempfile::TempDir::new().expect("a folder");
    let done = Command::new(env!("CARGO_BIN_EXE_kubering-perf"))
        .args(["run", "--scale", "small", "--rounds", "1", "--kubering"])
        .arg(kubering())
        .args(["--kubering-flag", "--shards=2", "--kubering-flag", "--pin-shards=false", "--out"])
        .arg(out.path())
        .output()
        .expect("the program runs");
    let log = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{log}");
    assert!(!log.contains("FAILED") && !log.contains(" failed: "), "{log}");
    let run = std::fs::read(out.path().join("run.json")).expect("run.json");
    let run: serde_json::Value = serde_json::from_slice(&run).expect("JSON");
    let measures = run["measures"].as_array().expect("measures");
    let listed = Command::new(env!("CARGO_BIN_EXE_kubering-perf")).arg("list").output();
    let listed = String::from_utf8(listed.expect("the list").stdout).expect("UTF-8");
    for scenario in listed.lines().filter_map(|line| line.split(' ').next()) {
        let of: Vec<_> = measures.iter().filter(|it| it["scenario"] == scenario).collect();
        assert!(!of.is_empty(), "{scenario} brought nothing: {log}");
        for measure in of {
            assert!(measure["done"].as_u64() > Some(0), "{measure}");
            assert!(measure["usage"].is_object(), "{measure}");
        }
    }
    let page = std::fs::read_to_string(out.path().join("report.html")).expect("report.html");
    assert!(page.contains("kubering") && page.contains("<svg"), "a page with plots");
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let done = Command::new(env!("CARGO_BIN_EXE_kubering-perf"))
        .args(["run", "--kubering", "no-such-binary"])
        .output()
        .expect("the program runs");
    let log = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{log}");
    assert!(log.starts_with("kubering-perf: no-such-binary: "), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}
