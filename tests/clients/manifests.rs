//! Manifests as their projects publish them: apply, apply again, diff, delete.
//!
//! They lie outside the repository, in `../shared/manifests` or where `KUBERING_MANIFESTS` says.

use crate::harness::pause;
use crate::tools::Bench;
use crate::tools::rows;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// How often, and how many times, what settles a little later is looked at.
const SETTLED_EVERY: Duration = Duration::from_millis(200);
const SETTLED_TRIES: u32 = 30;

/// The files, in order of their names; none, and a printed line, if there is no such directory.
fn published() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/manifests");
    let dir = std::env::var_os("KUBERING_MANIFESTS").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("left out: no published manifests at hand");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "no manifests in {}", dir.display());
    files
}

/// What is wrong after each step that every file must stand.
///
/// For lists that no patch can merge kubectl says `configured` whatever the server does, so the
/// second apply is judged by what it changed: nothing.
fn faults(bench: &Bench, file: &Path) -> Vec<String> {
    let path = file.display().to_string();
    let mut faults = Vec::new();
    let mut step = |verb: &str, args: &[&str], endings: &[&str]| {
        let ran = bench.kubectl_any(&[&[verb, "-f", &path], args].concat());
        let odd = |line: &&str| !endings.iter().any(|ending| line.ends_with(ending));
        let odd: Vec<&str> = ran.out.lines().filter(odd).collect();
        if ran.code != Some(0) || !odd.is_empty() {
            faults.push(format!("{}: {:?}\n{}\n{}", ran.line, ran.code, odd.join("\n"), ran.err));
        }
        ran.out
    };
    let versions = "custom-columns=:.kind,:.metadata.name,:.metadata.resourceVersion";
    step("apply", &[], &[" created"]);
    // Definitions get their conditions a moment after they are made.
    let mut before = step("get", &["-o", versions, "--no-headers"], &[""]);
    for _ in 0..SETTLED_TRIES {
        pause(SETTLED_EVERY);
        let again = step("get", &["-o", versions, "--no-headers"], &[""]);
        if std::mem::replace(&mut before, again) == before {
            break;
        }
    }
    step("apply", &[], &[" unchanged", " configured"]);
    let after = step("get", &["-o", versions, "--no-headers"], &[""]);
    step("diff", &[], &[]);
    step("delete", &["--wait=false"], &[""]);
    if before != after {
        faults.push(format!("{path}: the second apply changed\n{before}to\n{after}"));
    }
    faults
}

/// Ends the namespaces that are being deleted, as their controller would.
fn end_namespaces(bench: &Bench) {
    let names = bench.kubectl(&["get", "ns"]);
    for row in rows(&names).iter().filter(|row| row[1] == "Terminating") {
        let path = format!("/api/v1/namespaces/{}/finalize", row[0]);
        let end = format!(
            r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{}"}},"spec":{{}}}}"#,
            row[0]
        );
        bench.kubectl_with(&["replace", "--raw", &path, "-f", "-"], &end);
    }
}

#[test]
fn published_manifests_apply_stay_and_go() {
    let Some(bench) = Bench::start() else { return };
    let mut all = Vec::new();
    for file in published() {
        all.extend(faults(&bench, &file));
        end_namespaces(&bench);
        let get = || bench.kubectl_any(&["get", "-f", &file.display().to_string()]);
        let mut gone = get();
        // A definition goes when its objects have gone.
        for _ in 0..SETTLED_TRIES {
            if gone.code != Some(0) && gone.out.is_empty() {
                break;
            }
            pause(SETTLED_EVERY);
            gone = get();
        }
        if gone.code == Some(0) || !gone.out.is_empty() {
            all.push(format!("{} was not deleted:\n{}", file.display(), gone.out));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}
