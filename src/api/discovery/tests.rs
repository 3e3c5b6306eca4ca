//! Documents against the recorded ones, and what must hold without them.

use crate::api::discovery::Answer;
use crate::api::discovery::Discovery;
use crate::api::discovery::Form;
use crate::api::discovery::built_in;
use crate::api::discovery::root_paths;
use crate::api::discovery::version;
use crate::codec::proto::envelope::unwrap;
use serde_json::Value;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/oracle/discovery/");
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn discovery() -> Discovery {
    Discovery::new(&built_in(), "127.0.0.1:6443")
}

fn document(discovery: &Discovery, path: &str, accept: &str) -> Value {
    match discovery.answer(path, accept, "") {
        Some(Answer::Document { body, .. }) => serde_json::from_slice(&body).expect("JSON"),
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn documents_are_the_recorded_ones() {
    let Ok(recorded) = std::fs::read_dir(RECORDED) else { return };
    let discovery = discovery();
    for file in recorded.map(|entry| entry.expect("an entry").path()) {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let text = std::fs::read_to_string(&file).expect("readable");
        let want: Value = serde_json::from_str(&text).expect("JSON");
        let got = match name.as_str() {
            "root-paths" => continue,
            "aggregated-api" => document(&discovery, "/api", AGGREGATED),
            "aggregated-apis" => document(&discovery, "/apis", AGGREGATED),
            name => document(&discovery, &format!("/{}", name.replace("__", "/")), ""),
        };
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn the_index_lists_the_recorded_paths_of_the_api() {
    let Ok(text) = std::fs::read_to_string(format!("{RECORDED}root-paths.json")) else { return };
    let want: Value = serde_json::from_str(&text).expect("JSON");
    let others: Vec<&str> = want["paths"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .filter(|path| !path.starts_with("/api"))
        .collect();
    let got: Value = serde_json::from_slice(&root_paths(&built_in(), &others)).expect("JSON");
    assert_eq!(got, want);
}

#[test]
fn the_aggregated_form_has_an_etag_that_saves_the_body() {
    let discovery = discovery();
    let Some(Answer::Document { etag: Some(etag), content_type, form, .. }) =
        discovery.answer("/apis/", AGGREGATED, "")
    else {
        panic!("no document")
    };
    assert_eq!((content_type, form), (AGGREGATED, Form::Json));
    assert_eq!(etag.len(), 130);
    assert_eq!(
        discovery.answer("/apis", AGGREGATED, &etag),
        Some(Answer::NotModified(etag.clone()))
    );
    // The legacy form has none.
    let Some(Answer::Document { etag: None, .. }) = discovery.answer("/apis", "", &etag) else {
        panic!("no document")
    };
}

#[test]
fn unknown_paths_and_forms_are_told_apart() {
    let discovery = discovery();
    assert_eq!(discovery.answer("/apis/nope", "", ""), None);
    assert_eq!(discovery.answer("/api/v2", "", ""), None);
    assert_eq!(discovery.answer("/apis/apps", AGGREGATED, ""), Some(Answer::NotAcceptable));
    assert!(discovery.is_below("/apis/apps/v9") && discovery.is_below("/api/v2"));
    assert!(!discovery.is_below("/apis/nope/v1") && !discovery.is_below("/apis/nope"));
}

#[test]
fn the_version_is_that_of_the_served_api() {
    let version: Value = serde_json::from_slice(&version()).expect("JSON");
    assert_eq!((&version["major"], &version["minor"]), (&"1".into(), &"36".into()));
    assert!(version["gitVersion"].as_str().is_some_and(|text| text.starts_with("v1.36.")));
}

#[test]
fn protobuf_carries_the_kind_in_its_envelope() {
    let discovery = discovery();
    let aggregated = AGGREGATED.replace("json", "vnd.kubernetes.protobuf");
    for (path, accept, api_version, kind) in [
        ("/api", "application/vnd.kubernetes.protobuf", "", "APIVersions"),
        ("/apis", "application/vnd.kubernetes.protobuf", "v1", "APIGroupList"),
        ("/apis/apps/v1", "application/vnd.kubernetes.protobuf", "v1", "APIResourceList"),
        ("/apis", &aggregated, "apidiscovery.k8s.io/v2", "APIGroupDiscoveryList"),
    ] {
        let Some(Answer::Document { body, content_type, .. }) = discovery.answer(path, accept, "")
        else {
            panic!("no {path}")
        };
        assert_eq!(content_type, accept);
        let unknown = unwrap(&body).expect("an envelope").expect("an envelope");
        assert_eq!((unknown.api_version, unknown.kind), (api_version, kind));
        assert!(!unknown.raw.is_empty());
    }
}
