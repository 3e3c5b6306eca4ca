//! Documents against the recorded ones, and what must hold without them.

use crate::api::openapi::custom;
use crate::api::openapi::fixed::sections;
use crate::api::openapi::swagger::Swagger;
use crate::api::openapi::v2;
use crate::api::openapi::v3;
use crate::base::hash::HashSet;
use crate::catalog::Resource;
use crate::catalog::catalog;
use crate::codec::json::encode_any;
use flate2::read::GzDecoder;
use serde_json::Map;
use serde_json::Value;
use std::fs::File;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/oracle/");

fn recorded(name: &str) -> Option<Value> {
    let file = File::open(format!("{RECORDED}{name}.json.gz")).ok()?;
    Some(serde_json::from_reader(GzDecoder::new(file)).expect("recorded documents are JSON"))
}

/// Takes descriptions away; says where one is missing on either side.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match value {
                Value::String(_) if key == "description" => (key.clone(), Value::Bool(true)),
                _ => (key.clone(), plain(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn differences(path: &str, want: &Value, got: &Value, out: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            for (key, value) in want {
                match got.get(key) {
                    Some(other) => differences(&format!("{path}/{key}"), value, other, out),
                    None => out.push(format!("{path}: no {key}: {value}")),
                }
            }
            for (key, value) in got.iter().filter(|(key, _)| !want.contains_key(*key)) {
                out.push(format!("{path}: unwanted {key}: {value}"));
            }
        }
        _ if want != got => out.push(format!("{path}: {want} became {got}")),
        _ => {}
    }
}

fn report(name: &str, all: &[String]) {
    let shown: Vec<String> =
        all.iter().take(400).map(|line| line.chars().take(300).collect()).collect();
    assert!(all.is_empty(), "{name}: {} differences\n{}", all.len(), shown.join("\n"));
}

#[test]
fn v3_documents_are_the_recorded_ones() {
    let mut all = Vec::new();
    for section in sections() {
        let Some(want) = recorded(&format!("openapi-v3/{}", section.name.replace('/', "__")))
        else {
            return;
        };
        let mut got = Vec::new();
        v3::document(&section, &mut got);
        let got = serde_json::from_slice(&got).expect("JSON");
        differences(&section.name, &plain(&want), &plain(&got), &mut all);
    }
    all.sort_unstable();
    report("v3", &all);
}

#[test]
fn descriptions_of_common_kinds_are_the_recorded_ones() {
    let Some(want) = recorded("openapi-v3/apis__apps__v1") else { return };
    let sections = sections();
    let section = sections.iter().find(|section| section.name == "apis/apps/v1").expect("apps");
    let mut got = Vec::new();
    v3::document(section, &mut got);
    let got: Value = serde_json::from_slice(&got).expect("JSON");
    for name in [
        "io.k8s.api.apps.v1.DeploymentSpec",
        "io.k8s.api.core.v1.PodSpec",
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    ] {
        let (want, got) =
            (&want["components"]["schemas"][name], &got["components"]["schemas"][name]);
        let mut all = Vec::new();
        differences(name, want, got, &mut all);
        report(name, &all);
    }
}

/// Collects the parts of the v2 document.
#[derive(Default)]
struct Parts(Map<String, Value>);

impl Parts {
    fn add(&mut self, part: &str, name: &str, value: &crate::object::Value<'_>) {
        let mut json = Vec::new();
        encode_any(value, &mut json);
        let json = serde_json::from_slice(&json).expect("JSON");
        let part = self.0.entry(part).or_insert_with(|| Map::new().into());
        part.as_object_mut().expect("an object").insert(name.to_owned(), json);
    }
}

impl v2::Sink for Parts {
    fn entry(&mut self, part: v2::Part, name: &str, value: &crate::object::Value<'_>) {
        self.add(part.name(), name, value);
    }
}

#[test]
fn the_v2_document_is_the_recorded_one() {
    let Some(want) = recorded("openapi-v2") else { return };
    let mut parts = Parts::default();
    v2::document(&sections(), &mut parts);
    let mut all = Vec::new();
    for (name, got) in &parts.0 {
        differences(name, &plain(&want[name]), &plain(got), &mut all);
    }
    report("v2", &all);
}

/// Every `$ref` in a document.
fn references<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            out.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, out));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, out)),
        _ => {}
    }
}

#[test]
fn references_resolve_and_served_kinds_have_definition_and_paths() {
    let mut parts = Parts::default();
    v2::document(&sections(), &mut parts);
    let document = Value::Object(parts.0);
    let mut all = Vec::new();
    references(&document, &mut all);
    assert!(all.len() > 1_000);
    for reference in all {
        let path = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(path).is_some(), "{reference} leads nowhere");
    }
    for resource in catalog().resources().iter().filter(|resource| resource.served_by_default) {
        let (ty, name) = (resource.ty.name, resource.name);
        assert!(document["definitions"].get(ty).is_some(), "{ty} is not defined");
        let paths = document["paths"].as_object().expect("an object");
        let end = format!("/{name}");
        assert!(paths.keys().any(|path| path.ends_with(&end)), "{name} has no path");
    }
}

#[test]
fn operation_identifiers_are_unique() {
    let mut seen = HashSet::default();
    for operation in sections().iter().flat_map(|s| &s.items).flat_map(|i| &i.operations) {
        assert!(seen.insert(operation.id.clone()), "{} stands twice", operation.id);
    }
}

#[test]
fn every_definition_and_field_is_described() {
    let mut parts = Parts::default();
    v2::document(&sections(), &mut parts);
    let definitions = parts.0["definitions"].as_object().expect("an object");
    for (name, schema) in definitions {
        assert!(schema["description"].is_string(), "{name} is not described");
    }
    let fields = definitions.values().filter_map(|schema| schema["properties"].as_object());
    let (described, all) = fields.flatten().fold((0, 0), |(described, all), (_, field)| {
        (described + usize::from(field["description"].is_string()), all + 1)
    });
    // Upstream itself leaves some bare.
    assert!(described * 50 > all * 49, "{described} of {all} fields are described");
}

/// The members of a protobuf message: number and bytes; varints as none.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let varint = |bytes: &mut &[u8]| {
        let mut value = 0;
        for at in 0.. {
            let byte = bytes[at];
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                *bytes = &bytes[at + 1..];
                return value;
            }
        }
        value
    };
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = varint(&mut bytes);
        if key & 7 == 2 {
            let (inner, rest) = bytes.split_at(usize::try_from(value).expect("short"));
            all.push((key >> 3, inner));
            bytes = rest;
        } else {
            all.push((key >> 3, &[]));
        }
    }
    all
}

fn member<'b>(bytes: &'b [u8], path: &[u64]) -> &'b [u8] {
    path.iter().fold(bytes, |bytes, number| {
        fields(bytes).into_iter().find(|(n, _)| n == number).expect("the field").1
    })
}

#[test]
fn the_protobuf_document_reads_as_gnostic_defines_it() {
    let mut swagger = Swagger::new(Vec::new());
    v2::document(&sections(), &mut swagger);
    let document = swagger.finish();
    assert_eq!(member(&document, &[1]), b"2.0");
    let named = |part: u64, entry: u64, name: &str| {
        // Every member of a part comes as a message of its own.
        let parts = fields(&document).into_iter().filter(|(number, _)| *number == part);
        let found = parts
            .map(|(_, bytes)| member(bytes, &[entry]))
            .find(|bytes| member(bytes, &[1]) == name.as_bytes());
        member(found.expect("the entry"), &[2])
    };
    let pod = named(9, 1, "io.k8s.api.core.v1.Pod");
    assert!(member(pod, &[4]).starts_with(b"Pod is a collection"));
    assert_eq!(member(pod, &[22, 1]), b"object");
    assert_eq!(member(pod, &[31, 1]), b"x-kubernetes-group-version-kind");
    let gvk: Value = serde_json::from_slice(member(pod, &[31, 2, 2])).expect("JSON is YAML");
    assert_eq!(gvk[0]["kind"], "Pod");
    let item = named(8, 2, "/api/v1/namespaces/{namespace}/pods");
    assert_eq!(member(item, &[2, 5]), b"listCoreV1NamespacedPod");
    assert_eq!(member(item, &[9, 2, 1]), b"#/parameters/namespace-vgWSWtn3");
    let limit = named(10, 1, "limit-1NfNmdNH");
    assert_eq!(member(limit, &[2, 3, 4]), b"limit");
    assert_eq!(member(limit, &[2, 3, 6]), b"integer");
    let body = named(10, 1, "body-78PwaGsr");
    assert_eq!(member(body, &[1, 2]), b"body");
}

/// The rows of a definition with this schema, published.
fn widgets(group: &str) -> Vec<&'static Resource> {
    let names =
        r#"{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"}"#;
    let schema = r#"{"type":"object","required":["spec","soft"],"properties":{
        "soft":{"type":"object","nullable":true,"properties":{"a":{"type":"string"}}},
        "spec":{"type":"object","properties":{
            "any":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
            "color":{"type":"string","default":"red","oneOf":[{"pattern":"r"},{"pattern":"g"}]},
            "inner":{"type":"object","x-kubernetes-embedded-resource":true},
            "port":{"x-kubernetes-int-or-string":true}}}}}"#;
    let text = format!(
        r#"{{"metadata":{{"name":"widgets.{group}"}},"spec":{{"group":"{group}",
            "scope":"Namespaced","names":{names},"versions":[{{"name":"v1","served":true,
                "storage":true,"subresources":{{"status":{{}}}},
                "selectableFields":[{{"jsonPath":".spec.color"}}],
                "schema":{{"openAPIV3Schema":{schema}}}}}]}},
            "status":{{"acceptedNames":{names},
                "conditions":[{{"type":"Established","status":"True"}}]}}}}"#
    );
    let arena = bumpalo::Bump::new();
    let object = crate::object::json_text::parse(&text, &arena).expect("JSON");
    crate::catalog::custom::observe(&object, 1).expect("a row");
    let published = custom::published(&crate::catalog::custom::served());
    published.get(&format!("apis/{group}/v1")).expect("published").clone()
}

#[test]
fn v3_has_the_whole_schema_of_custom_resources() {
    let rows = widgets("three.example.com");
    let mut got = Vec::new();
    v3::document(&custom::section("apis/three.example.com/v1", &rows), &mut got);
    let got: Value = serde_json::from_slice(&got).expect("JSON");
    let schemas = &got["components"]["schemas"];
    let widget = &schemas["com.example.three.v1.Widget"];
    let spec = &widget["properties"]["spec"]["properties"];
    assert_eq!(spec["color"]["default"], "red");
    assert_eq!(spec["color"]["oneOf"].as_array().map(Vec::len), Some(2));
    assert_eq!(spec["port"]["anyOf"][0]["type"], "integer");
    assert_eq!(spec["inner"]["required"], serde_json::json!(["kind", "apiVersion"]));
    assert_eq!(widget["properties"]["soft"]["nullable"], true);
    let metadata = &widget["properties"]["metadata"]["allOf"][0]["$ref"];
    assert_eq!(metadata, "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    let kind = serde_json::json!([
        {"group": "three.example.com", "version": "v1", "kind": "Widget"}
    ]);
    assert_eq!(widget["x-kubernetes-group-version-kind"], kind);
    assert_eq!(widget["x-kubernetes-selectable-fields"][0]["fieldPath"], "spec.color");
    assert_eq!(schemas["com.example.three.v1.WidgetList"]["required"][0], "items");
    let paths = got["paths"].as_object().expect("an object");
    let root = "/apis/three.example.com/v1";
    let one = format!("{root}/namespaces/{{namespace}}/widgets/{{name}}");
    let all = [
        format!("{root}/namespaces/{{namespace}}/widgets"),
        one.clone(),
        format!("{one}/status"),
        format!("{root}/widgets"),
    ];
    assert!(paths.keys().eq(all.iter()), "{:?}", paths.keys());
    let put = &paths[&one]["put"];
    assert_eq!(put["operationId"], "replaceThreeExampleComV1NamespacedWidget");
    assert_eq!(put["tags"], serde_json::json!(["threeExampleCom_v1"]));
}

#[test]
fn v2_leaves_out_what_its_readers_take_amiss() {
    let rows = widgets("two.example.com");
    let mut parts = Parts::default();
    v2::document(&[custom::section("apis/two.example.com/v1", &rows)], &mut parts);
    let widget = &parts.0["definitions"]["com.example.two.v1.Widget"];
    let spec = &widget["properties"]["spec"]["properties"];
    assert_eq!(spec["color"], serde_json::json!({"type": "string"}));
    assert_eq!(spec["any"], serde_json::json!({"x-kubernetes-preserve-unknown-fields": true}));
    assert_eq!(spec["port"], serde_json::json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(widget["properties"]["soft"], serde_json::json!({}));
    assert_eq!(widget["required"], serde_json::json!(["spec"]), "what may be null is not required");
    assert!(spec["inner"]["properties"]["metadata"]["$ref"].is_string());
}
