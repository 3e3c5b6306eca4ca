//! What kube-apiserver says of bodies that it refuses, over all recorded conversations: skipped
//! where the reference data does not lie beside the checkout.
#![cfg(test)]

use bumpalo::Bump;
use kubering::catalog::catalog;
use kubering::codec::json::{Document, Strictness};
use kubering::codec::yaml;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn cases() -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = ["../shared/oracle/cases", "../../shared/oracle/cases"]
        .iter()
        .map(|path| root.join(path))
        .find(|path| path.is_dir())?;
    let areas = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    Some(
        areas
            .flat_map(|area| std::fs::read_dir(area).unwrap().map(|f| f.unwrap().path()))
            .collect(),
    )
}

/// What we say of a body, in the words that upstream puts around it; none if it is fine.
fn verdict(body: &[u8], is_yaml: bool) -> Option<String> {
    let arena = Bump::new();
    let document = if is_yaml {
        match yaml::parse(body, &arena) {
            Ok(document) => document,
            Err(error) => return Some(error.to_string()),
        }
    } else {
        match Document::parse(body, &arena) {
            Ok(document) => document,
            Err(error) => {
                return Some(format!("couldn't get version/kind; json parse error: {error}"));
            }
        }
    };
    let meta = match document.type_meta() {
        Ok(meta) => meta,
        Err(error) => return Some(format!("couldn't get version/kind; json parse error: {error}")),
    };
    let (group, version) = meta.api_version.split_once('/').unwrap_or(("", meta.api_version));
    let ty = catalog().kind(group, version, meta.kind)?;
    match document.decode(ty, &arena, Strictness::Report) {
        Err(error) => Some(error.to_string()),
        Ok(decoded) if decoded.strict_errors.is_empty() => None,
        Ok(decoded) => Some(format!("strict decoding error: {}", decoded.strict_errors.join(", "))),
    }
}

#[test]
fn refused_bodies_get_the_recorded_text() {
    let Some(cases) = cases() else { return };
    let (mut checked, mut bad) = (0, 0);
    for path in cases {
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for step in case["steps"].as_array().into_iter().flatten() {
            if !matches!(step["method"].as_str(), Some("POST" | "PUT")) {
                continue;
            }
            let body = match (&step["rawBody"], &step["body"]) {
                (Value::String(raw), _) => raw.clone(),
                (_, Value::Null) => continue,
                (_, body) => body.to_string(),
            };
            if body.contains("${webhook") {
                continue;
            }
            let message = step["expect"]["body"]["message"].as_str().unwrap_or("");
            let expected = match message.split_once(" cannot be handled as a ") {
                Some((_, rest)) => rest.split_once(": ").map(|(_, text)| text),
                None => message
                    .strip_prefix("the object provided is unrecognized (must be of type ")
                    .and_then(|rest| Some(rest.split_once("): ")?.1))
                    .and_then(|rest| Some(rest.rsplit_once(" (")?.0)),
            };
            let elsewhere = ["no kind ", "unknown conversion"];
            if expected.is_some_and(|text| elsewhere.iter().any(|other| text.contains(other))) {
                continue;
            }
            let is_yaml = step["headers"]["Content-Type"] == "application/yaml";
            let own = verdict(body.as_bytes(), is_yaml);
            let strict_or_fine = step["query"]["fieldValidation"] == "Strict" || expected.is_some();
            let own_text = own
                .as_deref()
                .filter(|text| strict_or_fine || !text.starts_with("strict decoding error"));
            let is_crd = step["path"].as_str().unwrap_or("").contains("example.com");
            if own_text != expected && !is_crd && step["expect"]["status"] != 404 {
                bad += 1;
                eprintln!(
                    "{}\n  {body:.200}\n  expected {expected:?}\n  got {own_text:?}",
                    path.display()
                );
            }
            checked += usize::from(expected.is_some());
        }
    }
    assert_eq!(bad, 0, "{checked} texts checked");
    assert!(checked > 100, "{checked} texts checked");
}
