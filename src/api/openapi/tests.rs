//! Documents against the recorded ones, and what must hold without them.

use crate::api::openapi::fixed::sections;
use crate::api::openapi::tree::write;
use crate::api::openapi::v2;
use crate::api::openapi::v3;
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
        let got = serde_json::from_slice(&v3::document(&section)).expect("JSON");
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
    let got: Value = serde_json::from_slice(&v3::document(section)).expect("JSON");
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
        write(value, &mut json);
        let json = serde_json::from_slice(&json).expect("JSON");
        let part = self.0.entry(part).or_insert_with(|| Map::new().into());
        part.as_object_mut().expect("an object").insert(name.to_owned(), json);
    }
}

impl v2::Sink for Parts {
    fn path(&mut self, path: &str, item: &crate::object::Value<'_>) {
        self.add("paths", path, item);
    }

    fn definition(&mut self, name: &str, schema: &crate::object::Value<'_>) {
        self.add("definitions", name, schema);
    }

    fn parameter(&mut self, name: &str, parameter: &crate::object::Value<'_>) {
        self.add("parameters", name, parameter);
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
