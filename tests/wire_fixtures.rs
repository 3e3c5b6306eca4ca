//! JSON and protobuf of one full object of every kind: either decodes to the same object, and
//! encodes to the other's bytes. The pairs of Kubernetes itself are used where the reference data
//! lies beside the checkout; the project's own few pairs always.
#![cfg(test)]

use bumpalo::Bump;
use flate2::read::GzDecoder;
use kubering::catalog::catalog;
use kubering::codec::json::{self, Strictness};
use kubering::codec::proto::{self, envelope};
use kubering::codec::transcode::{self, Names, Spliced};
use kubering::object::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Files by name without extension: JSON and protobuf.
type Pairs = BTreeMap<String, (Vec<u8>, Vec<u8>)>;

fn put(pairs: &mut Pairs, path: &Path, bytes: Vec<u8>) {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let pair = pairs.entry(name).or_default();
    match path.extension().and_then(|ext| ext.to_str()) {
        Some("json") => pair.0 = bytes,
        Some("pb") => pair.1 = bytes,
        _ => {}
    }
}

/// The files of a tar archive with short names.
fn read_tar(archive: &[u8]) -> Pairs {
    let mut pairs = Pairs::new();
    let mut rest = archive;
    while let Some((header, body)) = rest.split_at_checked(512) {
        let text = |range: std::ops::Range<usize>| {
            let field = header[range].split(|byte| *byte == 0).next().unwrap();
            String::from_utf8_lossy(field).trim().to_owned()
        };
        let (name, size) = (text(0..100), text(124..136));
        if name.is_empty() {
            break;
        }
        let size = usize::from_str_radix(&size, 8).unwrap();
        if header[156] == b'0' {
            put(&mut pairs, Path::new(&name), body[..size].to_vec());
        }
        rest = &body[size.div_ceil(512) * 512..];
    }
    pairs
}

fn reference_pairs() -> Option<Pairs> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let archive = ["../shared/oracle/wire/HEAD.tar.gz", "../../shared/oracle/wire/HEAD.tar.gz"]
        .iter()
        .find_map(|path| std::fs::read(root.join(path)).ok())?;
    let mut tar = Vec::new();
    GzDecoder::new(archive.as_slice()).read_to_end(&mut tar).unwrap();
    Some(read_tar(&tar))
}

fn own_pairs() -> Pairs {
    let mut pairs = Pairs::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire");
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        put(&mut pairs, &path, std::fs::read(&path).unwrap());
    }
    pairs
}

/// Writes the protobuf forms of the own pairs anew: for when one is added, to be read by eye.
#[test]
#[ignore = "rewrites tests/data/wire"]
fn rewrite_own_pairs() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire");
    for (name, (source, _)) in own_pairs() {
        let arena = Bump::new();
        let meta = json::peek_type_meta(&source, &arena).unwrap();
        let (group, version) = meta.api_version.split_once('/').unwrap_or(("", meta.api_version));
        let ty = catalog().kind(group, version, meta.kind).unwrap();
        let value = json::decode(&source, ty, &arena, Strictness::Report).unwrap().value;
        let mut pb = Vec::new();
        envelope::wrap_with(meta.api_version, meta.kind, &mut pb, |out| {
            proto::encode(&value, ty, out);
        });
        std::fs::write(dir.join(name + ".pb"), pb).unwrap();
    }
}

/// Compares one pair; what differs.
fn differences(json_bytes: &[u8], pb: &[u8]) -> Vec<String> {
    let arena = Bump::new();
    let mut found = Vec::new();
    let unknown = envelope::unwrap(pb).unwrap().expect("an envelope");
    let (group, version) = unknown.api_version.split_once('/').unwrap_or(("", unknown.api_version));
    let Some(ty) = catalog().kind(group, version, unknown.kind) else {
        return vec!["the kind is not in the catalog".to_owned()];
    };
    let decoded = match json::decode(json_bytes, ty, &arena, Strictness::Report) {
        Ok(decoded) => decoded,
        Err(error) => return vec![format!("JSON is refused: {error}")],
    };
    found.extend(decoded.strict_errors.iter().map(|error| format!("strict: {error}")));
    let mut from_pb = match proto::decode(unknown.raw, ty, &arena) {
        Ok(value) => value,
        Err(error) => return vec![format!("protobuf is refused: {error}")],
    };
    let map = from_pb.as_map_mut().unwrap();
    map.insert("apiVersion", Value::str_in(unknown.api_version, &arena));
    map.insert("kind", Value::str_in(unknown.kind, &arena));
    if from_pb != decoded.value {
        found.push("the two forms decode to different objects".to_owned());
    }
    let mut text = Vec::new();
    json::encode(&from_pb, ty, &mut text);
    let ours = json::parse_any(&text, &arena).expect("own JSON parses");
    let theirs = json::parse_any(json_bytes, &arena).expect("the JSON parses");
    diff("", &theirs, &ours, &mut found);
    // The pairs are of the stored form; what is served shows the names of whole objects inside.
    let added = [".kind is too much", ".apiVersion is too much"];
    found.retain(|text| {
        let template = text.starts_with(".spec.volumeClaimTemplates[");
        !(template && added.iter().any(|part| text.contains(part)))
    });
    let mut raw = Vec::new();
    proto::encode(&decoded.value, ty, &mut raw);
    if raw != unknown.raw {
        let at = raw.iter().zip(unknown.raw).take_while(|(a, b)| a == b).count();
        found.push(format!("protobuf differs from byte {at} of {} on", unknown.raw.len()));
    }
    let mut whole = Vec::new();
    envelope::wrap(unknown.api_version, unknown.kind, unknown.raw, &mut whole);
    if whole != pb {
        found.push("the envelope differs".to_owned());
    }
    found
}

/// What the hot path shows of stored bytes, against what decoding and encoding shows.
fn hot_path_differences(pb: &[u8]) -> Vec<String> {
    let arena = Bump::new();
    let mut found = Vec::new();
    let unknown = envelope::unwrap(pb).unwrap().expect("an envelope");
    let (group, version) = unknown.api_version.split_once('/').unwrap_or(("", unknown.api_version));
    let ty = catalog().kind(group, version, unknown.kind).unwrap();
    let mut value = proto::decode(unknown.raw, ty, &arena).unwrap();
    let metadata = ty.field("metadata").and_then(|field| field.kind.message());
    if metadata.is_none_or(|metadata| metadata.go_name != "ObjectMeta") {
        return found;
    }
    // Stored objects have no revision.
    let metadata = value.as_map_mut().unwrap().entry_map("metadata");
    metadata.remove("resourceVersion");
    let mut stored = Vec::new();
    envelope::wrap_with(unknown.api_version, unknown.kind, &mut stored, |out| {
        proto::encode(&value, ty, out);
    });
    let map = value.as_map_mut().unwrap();
    map.entry_map("metadata").insert("resourceVersion", Value::Str("42"));
    map.insert("apiVersion", Value::str_in(unknown.api_version, &arena));
    map.insert("kind", Value::str_in(unknown.kind, &arena));
    let (mut slow, mut hot) = (Vec::new(), Vec::new());
    json::encode(&value, ty, &mut slow);
    let names = Names { api_version: unknown.api_version, kind: unknown.kind };
    transcode::to_json(&stored, ty, Some(names), 42, &mut hot).unwrap();
    let slow = json::parse_any(&slow, &arena).unwrap();
    match json::parse_any_strict(&hot, &arena) {
        Ok(hot) => {
            found.extend(hot.strict_errors);
            diff("", &slow, &hot.value, &mut found);
        }
        Err(error) => found.push(format!("{error}: {}", String::from_utf8_lossy(&hot))),
    }
    let mut spliced = Vec::new();
    Spliced::new(transcode::message(&stored).unwrap(), 42)
        .unwrap()
        .write_object(names, &mut spliced);
    let mut expected = Vec::new();
    envelope::wrap_with(unknown.api_version, unknown.kind, &mut expected, |out| {
        proto::encode(&value, ty, out);
    });
    if spliced != expected {
        found.push("the spliced protobuf differs".to_owned());
    }
    found
}

fn diff(path: &str, expected: &Value<'_>, actual: &Value<'_>, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Map(a), Value::Map(b)) => {
            for (key, value) in a.iter() {
                match b.get(key) {
                    Some(other) => diff(&format!("{path}.{key}"), value, other, found),
                    None => found.push(format!("{path}.{key} is missing")),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| a.get(key).is_none()) {
                found.push(format!("{path}.{key} is too much: {value:?}"));
            }
        }
        (Value::List(a), Value::List(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                diff(&format!("{path}[{at}]"), a, b, found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{path}: expected {expected:?}, got {actual:?}")),
    }
}

/// The text without the white space that it was printed with: raw objects keep theirs, and in the
/// protobuf form they have none.
fn tight(text: &[u8]) -> Vec<u8> {
    let (mut in_string, mut is_escaped) = (false, false);
    let mut keep = |byte: u8| {
        let kept = in_string || !byte.is_ascii_whitespace();
        in_string ^= byte == b'"' && !is_escaped;
        is_escaped = in_string && byte == b'\\' && !is_escaped;
        kept
    };
    text.iter().copied().filter(|byte| keep(*byte)).collect()
}

fn check(pairs: &Pairs) {
    let mut bad = 0;
    for (name, (json, pb)) in pairs {
        let mut found = differences(&tight(json), pb);
        found.extend(hot_path_differences(pb));
        if !found.is_empty() {
            bad += 1;
            eprintln!("{name}:\n  {}", found.join("\n  "));
        }
    }
    assert_eq!(bad, 0, "of {} pairs", pairs.len());
}

#[test]
fn all_pairs_of_kubernetes_round_trip() {
    let Some(pairs) = reference_pairs() else {
        eprintln!("the reference pairs are not here; only the own ones are tested");
        return;
    };
    assert!(pairs.len() >= 100, "{} pairs", pairs.len());
    check(&pairs);
}

#[test]
fn own_pairs_round_trip() {
    let pairs = own_pairs();
    assert!(pairs.len() >= 3, "{} pairs", pairs.len());
    check(&pairs);
}
