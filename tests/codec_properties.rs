//! Decoders take any bytes without panic; encoders and decoders are each other's inverse; the hot
//! path agrees with the slow one.
#![cfg(test)]

use bumpalo::Bump;
use kubering::catalog::catalog;
use kubering::codec::json::{self, Strictness};
use kubering::codec::proto::{self, envelope};
use kubering::codec::transcode::scan::{Metadata, Paths};
use kubering::codec::transcode::{self, Names, Spliced};
use kubering::codec::yaml;
use kubering::object::schema::{Kind, Scalar, Shape, Type, omit};
use proptest::prelude::*;

const NAMES: Names<'_> = Names { api_version: "v1", kind: "Pod" };

fn kinds() -> Vec<&'static Type> {
    let kind = |group, version, kind| catalog().kind(group, version, kind).unwrap();
    vec![
        kind("", "v1", "Pod"),
        kind("", "v1", "Node"),
        kind("", "v1", "Secret"),
        kind("", "v1", "Service"),
        kind("", "v1", "PersistentVolume"),
        kind("apps", "v1", "ControllerRevision"),
        kind("apps", "v1", "Deployment"),
        kind("batch", "v1", "CronJob"),
        kind("coordination.k8s.io", "v1", "Lease"),
        kind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"),
        kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        kind("authentication.k8s.io", "v1", "TokenReview"),
    ]
}

/// A source of choices: the bytes that proptest makes and shrinks.
struct Choices<'b> {
    bytes: &'b [u8],
}

impl Choices<'_> {
    fn next(&mut self, below: u8) -> u8 {
        match self.bytes {
            [byte, rest @ ..] => {
                self.bytes = rest;
                byte % below
            }
            [] => 0,
        }
    }
}

const TEXTS: [&str; 8] =
    ["", "a", "x-1", "grün", "<&>\u{2028}", "tab\t\"q\"", "0", "😀 long text here"];

/// JSON text of a type, with choices of which fields and what values.
fn object(ty: &'static Type, choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    out.push('{');
    let mut first = true;
    for field in &ty.fields {
        if choices.next(3) == 0 || depth > 6 || choices.bytes.is_empty() {
            continue;
        }
        if !std::mem::replace(&mut first, false) {
            out.push(',');
        }
        out.push_str(&format!("\"{}\":", field.name));
        match field.shape {
            Shape::One | Shape::OneOrBool | Shape::OneOrList => {
                element(field.kind, choices, depth, out);
            }
            Shape::List => {
                out.push('[');
                for at in 0..choices.next(3) {
                    out.push_str(if at > 0 { "," } else { "" });
                    element(field.kind, choices, depth, out);
                }
                out.push(']');
            }
            Shape::Map | Shape::MapOrStrings => {
                out.push('{');
                for at in 0..choices.next(3) {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(&format!("\"k{at}\":"));
                    element(field.kind, choices, depth, out);
                }
                out.push('}');
            }
            Shape::MapOfLists => out.push_str("{\"k\":[\"v\",\"\"]}"),
        }
    }
    out.push('}');
}

fn element(kind: Kind, choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    let pick = |choices: &mut Choices<'_>, texts: &[&str]| {
        texts[usize::from(choices.next(u8::try_from(texts.len()).unwrap()))].to_owned()
    };
    let Some(scalar) = kind.scalar() else {
        return object(kind.message().unwrap(), choices, depth + 1, out);
    };
    out.push_str(&match scalar {
        Scalar::Bool => pick(choices, &["true", "false"]),
        Scalar::Bytes => pick(choices, &["\"\"", "\"dg==\"", "\"AAH/\""]),
        Scalar::Duration => pick(choices, &["\"1m30s\"", "\"0s\"", "\"90s\""]),
        Scalar::FieldsV1 => pick(choices, &["{}", "{\"f:a\":{\".\":{}}}"]),
        Scalar::Float64 => pick(choices, &["0", "1.5", "-3"]),
        Scalar::Int32 | Scalar::Int64 => pick(choices, &["0", "1", "-5", "2147483647"]),
        Scalar::IntOrString => pick(choices, &["0", "80", "\"http\"", "\"\"", "\"50%\""]),
        Scalar::Json | Scalar::RawExtension => {
            pick(choices, &["{}", "{\"b\":[1,null,\"x\"],\"a\":{}}"])
        }
        Scalar::MicroTime => "\"2026-01-02T03:04:05.000006Z\"".to_owned(),
        Scalar::Time => {
            pick(choices, &["null", "\"2026-01-02T03:04:05Z\"", "\"1969-01-02T03:04:05+01:00\""])
        }
        Scalar::Quantity => {
            pick(choices, &["\"0\"", "\"1500m\"", "1", "\"0.5\"", "\"1Gi\"", "0.25"])
        }
        Scalar::String => {
            let text = pick(choices, &TEXTS);
            let mut quoted = Vec::new();
            json::write::string(&text, &mut quoted);
            String::from_utf8(quoted).unwrap()
        }
    });
}

/// Runs `work` with three quarters of the stack that a thread has by default; unoptimized code
/// needs more.
fn on_small_stack(work: impl FnOnce() + Send + 'static) {
    let bytes = if cfg!(debug_assertions) { 64 << 20 } else { 3 << 19 };
    std::thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap();
}

#[test]
fn nesting_up_to_the_limit_fits_the_stack() {
    on_small_stack(|| {
        let arena = Bump::new();
        let crd = catalog().kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap();
        let open = r#"{"spec":{"versions":[{"schema":{"openAPIV3Schema":"#;
        let source =
            open.to_owned() + &r#"{"not":"#.repeat(380) + "{}" + &"}".repeat(380) + "}}]}}";
        let value = json::decode(source.as_bytes(), crd, &arena, Strictness::Report).unwrap().value;
        let mut text = Vec::new();
        json::encode(&value, crd, &mut text);
        let mut stored = Vec::new();
        envelope::wrap_with("v1", "X", &mut stored, |out| proto::encode(&value, crd, out));
        let raw = transcode::message(arena.alloc_slice_copy(&stored)).unwrap();
        assert_eq!(proto::decode(raw, crd, &arena).unwrap(), value);
        let mut hot = Vec::new();
        transcode::to_json(&stored, crd, Some(NAMES), 7, &mut hot).unwrap();
        let deep = "[".repeat(399) + &"]".repeat(399);
        let value = json::parse_any(deep.as_bytes(), &arena).unwrap();
        let mut text = Vec::new();
        json::encode_any(&value, &mut text);
        assert_eq!(text, deep.as_bytes());
        let mut yaml = Vec::new();
        yaml::from_json(&text, &mut yaml).unwrap();
        let tree = yaml::parse(&yaml, &arena);
        assert!(tree.is_ok());
        drop(value);
    });
}

const JSON_TOKENS: &str = concat!(
    "([\\[\\]{},:\"]|\"[a-z]{1,4}\":|spec|null|true|-?[0-9.e]{1,4}",
    "|\\\\u[0-9d]{4}|metadata| ){0,60}"
);
const YAML_TOKENS: &str = concat!(
    "([a-c]|[&*!][a-c]|: |- |\\? |[\\[\\]{},]|\n|  |\"|'",
    "|[|>][-+]?|#|<<|---|%|\t){0,40}"
);

/// Takes away empty lists, which protobuf does not tell from missing ones, nulls, and then every
/// empty map, since what held no more than such a list may be missing too.
fn drop_empty_lists(value: &mut kubering::object::Value<'_>) {
    if let Some(list) = value.as_list_mut() {
        list.iter_mut().for_each(drop_empty_lists);
    }
    let Some(map) = value.as_map_mut() else { return };
    map.retain(|name, member| {
        drop_empty_lists(member);
        let empty = member.as_map().map_or_else(
            || member.is_null() || member.as_list().is_some_and(|list| list.is_empty()),
            |map| map.is_empty(),
        );
        name == "metadata" || !empty
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn json_decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let arena = Bump::new();
        for ty in kinds() {
            let _ = json::decode(&bytes, ty, &arena, Strictness::Report);
        }
        let _ = json::parse_any(&bytes, &arena);
        let _ = json::parse_any_strict(&bytes, &arena);
        let _ = json::peek_type_meta(&bytes, &arena);
        let _ = yaml::parse(&bytes, &arena);
    }

    #[test]
    fn yaml_takes_any_tokens(text in YAML_TOKENS) {
        let arena = Bump::new();
        if let Ok(document) = yaml::parse(text.as_bytes(), &arena) {
            let value = document.any(&arena).unwrap();
            let (mut json, mut again) = (Vec::new(), Vec::new());
            json::encode_any(&value, &mut json);
            yaml::from_json(&json, &mut again).unwrap();
            let back = yaml::parse(&again, &arena).unwrap().any(&arena).unwrap();
            prop_assert_eq!(value, back, "{}", String::from_utf8_lossy(&again));
        }
    }

    #[test]
    fn yaml_says_what_its_json_says(
        seed in prop::collection::vec(any::<u8>(), 0..300),
        which in 0usize..12,
    ) {
        let arena = Bump::new();
        let mut source = String::new();
        object(kinds()[which], &mut Choices { bytes: &seed }, 0, &mut source);
        let value = json::parse_any(source.as_bytes(), &arena).unwrap();
        let mut text = Vec::new();
        yaml::from_json(source.as_bytes(), &mut text).unwrap();
        let back = yaml::parse(&text, &arena).unwrap().any(&arena).unwrap();
        prop_assert_eq!(value, back, "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn json_decoders_take_any_tokens(text in JSON_TOKENS) {
        let arena = Bump::new();
        for ty in kinds() {
            let _ = json::decode(text.as_bytes(), ty, &arena, Strictness::Report);
        }
        let ours = json::parse_any(text.as_bytes(), &arena).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert!(ours || !theirs, "{text}");
    }

    #[test]
    fn protobuf_decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let arena = Bump::new();
        let mut stored = Vec::new();
        envelope::wrap("v1", "Pod", &bytes, &mut stored);
        let _ = envelope::unwrap(&bytes);
        for ty in kinds() {
            let decoded = proto::decode(&bytes, ty, &arena);
            let mut out = Vec::new();
            let shown = transcode::to_json(&stored, ty, Some(NAMES), 7, &mut out);
            if let (Ok(value), Ok(())) = (&decoded, shown) {
                let text = json::parse_any(&out, &arena);
                prop_assert!(text.is_ok(), "{}", String::from_utf8_lossy(&out));
                let mut again = Vec::new();
                proto::encode(value, ty, &mut again);
                let back = proto::decode(arena.alloc_slice_copy(&again), ty, &arena).unwrap();
                prop_assert_eq!(value, &back);
            }
            let _ = Paths::new(ty, &[&["spec", "nodeName"]]).scan(&bytes, |_, _| {});
        }
        if let Ok(metadata) = Metadata::read(&bytes) {
            let _ = metadata.labels().chain(metadata.annotations()).count();
        }
        let _ = Spliced::new(&bytes, 7).map(|spliced| spliced.len());
    }

    #[test]
    fn all_forms_of_an_object_say_the_same(
        seed in prop::collection::vec(any::<u8>(), 0..400),
        which in 0usize..12,
    ) {
        let arena = Bump::new();
        let ty = kinds()[which];
        let mut source = String::new();
        object(ty, &mut Choices { bytes: &seed }, 0, &mut source);
        let Ok(decoded) = json::decode(source.as_bytes(), ty, &arena, Strictness::Report) else {
            return Err(TestCaseError::fail(source));
        };
        prop_assert!(decoded.strict_errors.is_empty());
        let mut value = decoded.value;
        // JSON → value → JSON.
        let mut text = Vec::new();
        json::encode(&value, ty, &mut text);
        let back = json::decode(&text, ty, &arena, Strictness::Report).unwrap().value;
        // Empty lists and maps that JSON leaves out do not come back.
        omit(&mut value, ty);
        prop_assert_eq!(&value, &back);
        // Value → protobuf → value; names do not travel, the revision is put in.
        let map = value.as_map_mut().unwrap();
        map.remove("kind");
        map.remove("apiVersion");
        map.entry_map("metadata").remove("resourceVersion");
        let mut stored = Vec::new();
        envelope::wrap_with("v1", "Pod", &mut stored, |out| proto::encode(&value, ty, out));
        let raw = transcode::message(arena.alloc_slice_copy(&stored)).unwrap();
        let mut back = proto::decode(raw, ty, &arena).unwrap();
        back.as_map_mut().unwrap().entry_map("metadata");
        let mut stored_value = value.copy_in(&arena);
        let has_empty_list = source.contains("[]") || source.contains("{}");
        if has_empty_list {
            drop_empty_lists(&mut stored_value);
            drop_empty_lists(&mut back);
        }
        prop_assert_eq!(&stored_value, &back);
        // Stored → JSON directly.
        let mut hot = Vec::new();
        transcode::to_json(&stored, ty, Some(NAMES), 7, &mut hot).unwrap();
        let map = value.as_map_mut().unwrap();
        map.insert("kind", kubering::object::Value::Str("Pod"));
        map.insert("apiVersion", kubering::object::Value::Str("v1"));
        map.entry_map("metadata").insert("resourceVersion", kubering::object::Value::Str("7"));
        let mut slow = Vec::new();
        json::encode(&value, ty, &mut slow);
        let mut hot = json::parse_any(&hot, &arena).unwrap();
        let mut slow = json::parse_any(&slow, &arena).unwrap();
        if has_empty_list {
            drop_empty_lists(&mut hot);
            drop_empty_lists(&mut slow);
        }
        prop_assert_eq!(hot, slow);
    }
}
