//! Every built-in kind through a running server: an object created in JSON, in YAML and in protobuf
//! is the same object, and reads the same in all three.
//!
//! `data/kinds.json` has a small valid object of each kind; the full ones grow from these by the
//! schema, a field at a time, as far as the server accepts them.
#![cfg(test)]

#[expect(dead_code, reason = "the harness of all tests can do more")]
mod harness;

use crate::harness::Server;
use bumpalo::Bump;
use kube::client::Body;
use kubering::catalog::{Resource, catalog};
use kubering::codec::json::{self, Strictness};
use kubering::codec::proto::{self, envelope};
use kubering::codec::yaml;
use kubering::object::schema::{Field, Kind, Scalar, Shape, Type};
use serde_json::{Value, json};
use std::time::Duration;

const OBJECTS: &str = include_str!("data/kinds.json");
const FORMS: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
/// Kinds whose objects may have only one name, so that one must go before the next.
const NAMED: [&str; 4] = ["APIService", "CustomResourceDefinition", "IPAddress", "ServiceCIDR"];
/// Kinds that the server itself writes to a little later.
const OWN: [&str; 4] = ["APIService", "CustomResourceDefinition", "FlowSchema", "ServiceCIDR"];
/// How deep below the object fields are added, and how many at most.
const DEPTH_MAX: usize = 5;
const GROWN_MAX: usize = 120;

const AUTOMOUNT: &str = "automountServiceAccountToken";

/// A kind under test.
struct Case {
    resource: &'static Resource,
    /// Its collection.
    path: String,
}

impl Case {
    fn of(object: &Value) -> Self {
        let text = |name: &str| object[name].as_str().expect("a string");
        let (group, version) =
            text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        let mut all = catalog().resources().iter();
        let found =
            all.find(|one| (one.group, one.version, one.kind) == (group, version, text("kind")));
        let resource = found.unwrap_or_else(|| panic!("no resource for {object}"));
        let root = if group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{group}/{version}")
        };
        let scope = if resource.namespaced { "/namespaces/default" } else { "" };
        Self { resource, path: format!("{root}{scope}/{}", resource.name) }
    }

    /// The object as a request body.
    fn body(&self, object: &Value, form: &str) -> Vec<u8> {
        let text = serde_json::to_vec(object).expect("JSON");
        let arena = Bump::new();
        let mut out = Vec::new();
        if form.ends_with("yaml") {
            yaml::from_json(&text, &mut out).expect("YAML");
        } else if form.ends_with("protobuf") {
            let ty = self.resource.ty;
            let value =
                json::decode(&text, ty, &arena, Strictness::Ignore).expect("an object").value;
            let api_version = object["apiVersion"].as_str().expect("a version");
            envelope::wrap_with(api_version, self.resource.kind, &mut out, |out| {
                proto::encode(&value, ty, out);
            });
        } else {
            return text;
        }
        out
    }

    /// The object of an answer.
    fn object(&self, bytes: &[u8], form: &str) -> Value {
        let arena = Bump::new();
        let mut text = Vec::new();
        if form.ends_with("yaml") {
            let document = yaml::parse(bytes, &arena).expect("YAML");
            json::encode_any(&document.any(&arena).expect("an object"), &mut text);
        } else if form.ends_with("protobuf") {
            let unknown = envelope::unwrap(bytes).expect("protobuf").expect("an envelope");
            let value = proto::decode(unknown.raw, self.resource.ty, &arena).expect("an object");
            json::encode(&value, self.resource.ty, &mut text);
        } else {
            text.extend_from_slice(bytes);
        }
        let mut object: Value = serde_json::from_slice(&text).expect("JSON");
        object["kind"] = self.resource.kind.into();
        object["apiVersion"] = api_version(self.resource).into();
        object
    }
}

fn api_version(resource: &Resource) -> String {
    match resource.group {
        "" => resource.version.to_owned(),
        group => format!("{group}/{}", resource.version),
    }
}

/// Sends requests as the administrator.
struct Client(kube::Client);

impl Client {
    async fn send(
        &self,
        method: &str,
        url: &str,
        form: (&str, &str),
        body: Vec<u8>,
    ) -> (u16, Vec<u8>) {
        let request = http::Request::builder().method(method).uri(url);
        let request = request.header("content-type", form.0).header("accept", form.1);
        let request = request.body(Body::from(body)).expect("a request");
        let answer = self.0.send(request).await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.into_body().collect_bytes().await.expect("a body").to_vec())
    }

    /// True if the server would create it.
    async fn accepts(&self, case: &Case, object: &Value) -> bool {
        let url = format!("{}?dryRun=All&fieldValidation=Strict", case.path);
        let body = case.body(object, FORMS[0]);
        self.send("POST", &url, (FORMS[0], FORMS[0]), body).await.0 == 201
    }

    /// Creates it in one form, reads it in all, and removes it.
    async fn round(&self, case: &Case, object: &Value, form: &str) -> Vec<Value> {
        let kind = case.resource.kind;
        let (status, answer) =
            self.send("POST", &case.path, (form, FORMS[0]), case.body(object, form)).await;
        let shown = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status, 201, "{kind} in {form}: {shown}\n{object}");
        let name = object["metadata"]["name"].as_str().expect("a name");
        let url = format!("{}/{name}", case.path);
        let mut read = vec![canonical(case.object(&answer, FORMS[0]), name)];
        for accept in FORMS {
            let (status, answer) = self.send("GET", &url, (FORMS[0], accept), Vec::new()).await;
            let shown = String::from_utf8_lossy(&answer).into_owned();
            assert_eq!(status, 200, "{kind} as {accept}: {shown}");
            read.push(canonical(case.object(&answer, accept), name));
        }
        let now = format!("{url}?gracePeriodSeconds=0");
        self.send("DELETE", &now, (FORMS[0], FORMS[0]), Vec::new()).await;
        let free = br#"{"metadata":{"finalizers":null}}"#.to_vec();
        let merge = ("application/merge-patch+json", FORMS[0]);
        self.send("PATCH", &url, merge, free).await;
        for _ in 0..if NAMED.contains(&kind) { 250 } else { 0 } {
            if self.send("GET", &url, (FORMS[0], FORMS[0]), Vec::new()).await.0 == 404 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        read
    }
}

/// The object without what differs from one to the next.
fn canonical(mut object: Value, name: &str) -> Value {
    let uid = object["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let own = OWN.iter().any(|kind| object["kind"] == *kind);
    if own {
        object["status"] = Value::Null;
    }
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    if own {
        metadata.retain(|name, _| !matches!(name.as_str(), "finalizers" | "managedFields"));
    }
    for member in ["creationTimestamp", "resourceVersion", "uid"] {
        assert!(metadata.remove(member).is_some(), "no {member}");
    }
    for entry in
        metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten()
    {
        entry["time"] = Value::Null;
    }
    let given = [
        "clusterIP",
        "clusterIPs",
        "healthCheckNodePort",
        "lastPhaseTransitionTime",
        "lastTransitionTime",
        "nodePort",
    ];
    forget(&mut object, &given);
    let text = object.to_string().replace(&uid, "UID").replace(name, "NAME");
    serde_json::from_str(&text).expect("JSON")
}

fn forget(value: &mut Value, members: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !members.contains(&name.as_str()));
            map.values_mut().for_each(|value| forget(value, members));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| forget(value, members)),
        _ => {}
    }
}

/// Values to try for one element of a field.
fn elements(field: &Field, depth: usize) -> Vec<Value> {
    // A dry run does not look whether an address is taken: this one is free.
    let texts = ["a", "/a", "a.example.com/x", "10.0.0.77"];
    match field.kind {
        Kind::Message(cell) => cell.get().map(|ty| required(ty, depth)).into_iter().collect(),
        Kind::Scalar(scalar) => match scalar {
            Scalar::Bool => vec![json!(true)],
            Scalar::Bytes => vec![json!("YQ==")],
            Scalar::Duration => vec![json!("1m0s")],
            Scalar::FieldsV1 => vec![json!({"f:a": {}})],
            Scalar::Float64 => vec![json!(1.5)],
            Scalar::Int32 | Scalar::Int64 => vec![json!(1), json!(1_000)],
            Scalar::IntOrString => vec![json!(1), json!("50%")],
            Scalar::Json | Scalar::RawExtension => vec![json!({"a": [1, "b", null]})],
            Scalar::MicroTime => vec![json!("2024-05-06T07:08:09.123456Z")],
            Scalar::Quantity => vec![json!("1Gi")],
            Scalar::String if !field.values.is_empty() => {
                field.values.iter().map(|value| json!(value)).collect()
            }
            Scalar::String => texts.map(|text| json!(text)).to_vec(),
            Scalar::Time => vec![json!("2024-05-06T07:08:09Z")],
        },
    }
}

/// An object with what the schema calls required.
fn required(ty: &'static Type, depth: usize) -> Value {
    let fields = ty.fields.iter().filter(|field| field.required && depth > 0);
    let members = fields.filter_map(|field| {
        let value = values(field, depth - 1).into_iter().next()?;
        Some((field.name.to_owned(), value))
    });
    Value::Object(members.collect())
}

fn values(field: &Field, depth: usize) -> Vec<Value> {
    let all = elements(field, depth).into_iter();
    match field.shape {
        Shape::One | Shape::OneOrBool | Shape::OneOrList => all.collect(),
        Shape::List => all.map(|one| json!([one])).collect(),
        Shape::Map | Shape::MapOrStrings => all.map(|one| json!({"a": one})).collect(),
        Shape::MapOfLists => all.map(|one| json!({"a": [one]})).collect(),
    }
}

/// Adds the fields of the value at `pointer`, then those of what stands in it.
async fn grow(client: &Client, case: &Case, object: &mut Value, left: &mut usize) {
    let mut open = vec![(String::new(), case.resource.ty, 0)];
    while let Some((pointer, ty, depth)) = open.pop() {
        for field in &ty.fields {
            let known = matches!(field.name, "apiVersion" | "kind" | "metadata" | "status");
            // Templates are tried with pods; a mounted token has a volume of a random name.
            let left_out =
                matches!(field.name, "template" | "jobTemplate" | AUTOMOUNT) && depth > 0;
            if known || left_out || *left == 0 {
                continue;
            }
            let missing = object.pointer(&pointer).is_some_and(|at| at.get(field.name).is_none());
            if missing {
                for value in values(field, 3) {
                    let mut next = object.clone();
                    next.pointer_mut(&pointer).expect("a place")[field.name] = value;
                    if client.accepts(case, &next).await {
                        *object = next;
                        *left -= 1;
                        break;
                    }
                }
            }
            let Some(below) = field.kind.message().filter(|_| depth < DEPTH_MAX) else { continue };
            let step = match field.shape {
                Shape::One => format!("{pointer}/{}", field.name),
                Shape::List => format!("{pointer}/{}/0", field.name),
                _ => continue,
            };
            if object.pointer(&step).is_some_and(Value::is_object) {
                open.push((step, below, depth + 1));
            }
        }
    }
}

async fn check(client: &Client, case: &Case, object: &Value, size: &str) {
    let mut all: Vec<(&str, Value)> = Vec::new();
    for (at, form) in FORMS.into_iter().enumerate() {
        let mut object = object.clone();
        if !NAMED.contains(&case.resource.kind) {
            object["metadata"]["name"] = format!("{size}-kind-under-test-{at}").into();
        }
        let read = client.round(case, &object, form).await;
        all.extend(read.into_iter().map(|object| (form, object)));
    }
    let mut pairs = all.windows(2);
    if let Some(pair) = pairs.find(|pair| pair[0].1 != pair[1].1) {
        let [(_, a), (form, b)] = pair else { unreachable!("a window of two") };
        panic!("{} made in {form}:\n{a}\n{b}", case.resource.kind);
    }
}

#[tokio::test]
async fn every_kind_is_the_same_in_json_yaml_and_protobuf() {
    let server = Server::start(&[]);
    let client = harness::client(&server.kubeconfig()).await.expect("a client");
    let client = Client(client);
    // A controller makes it elsewhere; pods ask for it.
    let account =
        br#"{"metadata":{"name":"default"},"automountServiceAccountToken":false}"#.to_vec();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    client.send("POST", accounts, (FORMS[0], FORMS[0]), account).await;
    let objects: Vec<Value> = serde_json::from_str(OBJECTS).expect("JSON");
    let mut grown = 0;
    for object in &objects {
        let case = Case::of(object);
        check(&client, &case, object, "small").await;
        let (mut full, mut left) = (object.clone(), GROWN_MAX);
        full["metadata"]["labels"] = json!({"b": "1", "a": ""});
        full["metadata"]["annotations"] = json!({"example.com/b": "ü\n\"<&>", "a": ""});
        full["metadata"]["finalizers"] = json!(["example.com/f"]);
        grow(&client, &case, &mut full, &mut left).await;
        grown += GROWN_MAX - left;
        check(&client, &case, &full, "full").await;
    }
    assert!(grown > 300, "only {grown} fields were added in all");
}

#[test]
fn the_data_has_every_kind_that_can_be_created() {
    let objects: Vec<Value> = serde_json::from_str(OBJECTS).expect("JSON");
    let known = |resource: &Resource| {
        objects.iter().any(|object| {
            object["kind"] == resource.kind && object["apiVersion"] == api_version(resource)
        })
    };
    let all = catalog().resources().iter().filter(|resource| {
        resource.served_by_default && resource.storage.is_some() && resource.has_verb("create")
    });
    let missing: Vec<&str> = all.filter(|one| !known(one)).map(|one| one.name).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
