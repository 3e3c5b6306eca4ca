//! The real binary and the servers that it calls: admission webhooks, aggregated API servers,
//! kubelets.
#![cfg(test)]

mod harness;
#[path = "outgoing/images.rs"]
mod images;
#[path = "outgoing/kubelet.rs"]
mod kubelet;
#[path = "outgoing/other.rs"]
mod other;
#[path = "outgoing/plugin.rs"]
mod plugin;
#[path = "outgoing/sealed.rs"]
mod sealed;
#[path = "outgoing/streams.rs"]
mod streams;
#[path = "harness/tools.rs"]
#[expect(dead_code, reason = "the bench of all tests can do more")]
mod tools;
#[path = "outgoing/upgraded.rs"]
mod upgraded;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::Server;
use other::Other;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;
use std::time::Instant;

/// How long what the server follows may take to be known to it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request by the administrator; the message of the Status if it is refused.
fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let client = harness::client(&server.kubeconfig()).await.expect("a client");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(
                "content-type",
                match method {
                    "PATCH" => "application/merge-patch+json",
                    _ => "application/json",
                },
            )
            .body(body)
            .expect("a request");
        client.request_text(request).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            other => format!("{other:?}"),
        })
    })
}

fn create(server: &Server, path: &str, body: &Value) {
    ask(server, "POST", path, body).unwrap_or_else(|why| panic!("POST {path}: {why}"));
}

/// Asks again until the answer is as wanted.
fn until<T: std::fmt::Debug>(mut ask: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?}");
        harness::pause(Duration::from_millis(50));
    }
}

/// Webhook configuration `name` for the creation of config maps.
fn configuration(kind: &str, name: &str, other: &Other) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [{
            "name": format!("{name}.example.com"),
            "clientConfig": {
                "url": format!("https://127.0.0.1:{}/{name}", other.port),
                "caBundle": other.ca_bundle,
            },
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                "resources": ["configmaps"]}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    })
}

#[test]
fn webhooks_change_and_refuse_what_is_written() {
    let other = Other::start(&["127.0.0.1"], |asked| {
        let review: Value = serde_json::from_slice(&asked.body).expect("a review");
        let request = &review["request"];
        let mut response = json!({"uid": request["uid"], "allowed": true});
        if asked.path.starts_with("/change") {
            let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"by": "hook"}}]);
            response["patchType"] = "JSONPatch".into();
            response["patch"] = STANDARD.encode(patch.to_string()).into();
        } else if request["object"]["metadata"]["name"] == "bad" {
            // A validating hook sees what mutating ones have made.
            let by = &request["object"]["metadata"]["labels"]["by"];
            response["allowed"] = false.into();
            response["status"] = json!({"code": 403, "message": format!("not {by}")});
        }
        let kind = "AdmissionReview";
        let answer =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": kind, "response": response});
        (200, "application/json", answer.to_string())
    });
    let server = Server::start(&[]);
    let base = "/apis/admissionregistration.k8s.io/v1";
    for (kind, plural, name) in [
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "change"),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "judge"),
    ] {
        create(&server, &format!("{base}/{plural}"), &configuration(kind, name, &other));
    }
    let map =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let maps = "/api/v1/namespaces/default/configmaps";
    let dry = format!("{maps}?dryRun=All");
    let made = until(
        || ask(&server, "POST", &dry, &map("good")),
        |made| made.as_ref().is_ok_and(|text| text.contains(r#""by":"hook""#)),
    );
    assert!(made.is_ok());
    let refused = until(|| ask(&server, "POST", &dry, &map("bad")), Result::is_err);
    let text = r#"admission webhook "judge.example.com" denied the request: not "hook""#;
    assert_eq!(refused, Err(text.to_owned()));
}

#[test]
fn an_aggregated_server_gets_requests_and_who_asks() {
    let other = Other::start(&["back.default.svc"], |asked| {
        let users = (asked.header("x-remote-user"), asked.header("x-remote-group"));
        let told = json!({"kind": "Told", "path": asked.path, "users": users});
        (200, "application/json", told.to_string())
    });
    let server = Server::start(&[]);
    create(
        &server,
        "/api/v1/namespaces/default/services",
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "back"},
            "spec": {"type": "ExternalName", "externalName": "localhost"}}),
    );
    create(
        &server,
        "/apis/apiregistration.k8s.io/v1/apiservices",
        &json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1.other.example.com"},
            "spec": {"group": "other.example.com", "version": "v1", "groupPriorityMinimum": 100,
                "versionPriority": 10, "caBundle": other.ca_bundle,
                "service": {"name": "back", "namespace": "default", "port": other.port}}}),
    );
    let path = "/apis/other.example.com/v1/namespaces/default/foos?limit=5";
    let told = until(|| ask(&server, "GET", path, &Value::Null), Result::is_ok).expect("an answer");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["path"], path);
    assert_eq!(told["users"][0], json!(["kubernetes-admin"]));
    let groups = told["users"][1].as_array().expect("groups");
    assert!(groups.contains(&"system:authenticated".into()), "{groups:?}");
    let groups = server.get("/apis").expect("the groups");
    assert!(groups.contains("other.example.com/v1"), "{groups}");
}

/// A node whose kubelet listens at the port, with the features it declares.
fn create_node(server: &Server, port: u16, features: &[&str]) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    create(server, "/api/v1/nodes", &node);
    let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "declaredFeatures": features, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}});
    ask(server, "PATCH", "/api/v1/nodes/n/status", &status).expect("a status");
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    // It is made for the test, unless the server has done so.
    ask(server, "POST", "/api/v1/namespaces/default/serviceaccounts", &account).ok();
}

const PODS: &str = "/api/v1/namespaces/default/pods";

/// A pod on a node, or on none.
fn create_pod(server: &Server, name: &str, node: Option<&str>) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}});
    create(server, PODS, &pod);
}

#[test]
fn logs_come_from_the_kubelet_of_the_pods_node() {
    let kubelet = Other::start(&["node.example"], |asked| match asked.path.as_str() {
        "/containerLogs/default/p/c?tailLines=2" => (200, "text/plain", "one\ntwo\n".to_owned()),
        "/metrics" => (200, "text/plain", "figures".to_owned()),
        path => (404, "text/plain", format!("no {path}")),
    });
    let server = Server::start(&[]);
    create_node(&server, kubelet.port, &[]);
    let pods = PODS;
    create_pod(&server, "p", Some("n"));
    create_pod(&server, "waiting", None);
    let get = |path: &str| ask(&server, "GET", &format!("{pods}/{path}"), &Value::Null);
    assert_eq!(get("p/log?tailLines=2"), Ok("one\ntwo\n".to_owned()));
    assert_eq!(get("waiting/log"), Ok(String::new()));
    assert_eq!(get("none/log"), Err("pods \"none\" not found".to_owned()));
    let unknown = "container x is not valid for pod p".to_owned();
    assert_eq!(get("p/log?container=x"), Err(unknown));
    let gone = "the server could not find the requested resource ( pods p)".to_owned();
    assert_eq!(get("p/log"), Err(gone));
    let unbound = "pod waiting does not have a host assigned".to_owned();
    assert_eq!(get("waiting/exec?command=ls&stdout=true"), Err(unbound));
    let proxied = || ask(&server, "GET", "/api/v1/nodes/n/proxy/metrics", &Value::Null);
    assert_eq!(proxied(), Err("address not allowed".to_owned()));
    if let Some(address) = other::outward() {
        move_node(&server, address);
        assert_eq!(until(proxied, Result::is_ok), Ok("figures".to_owned()));
    }
}

/// Says that the node is at another address: nobody is led to the server's own machine by
/// `/proxy` with a loopback address.
fn move_node(server: &Server, address: std::net::IpAddr) {
    let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": address}]}});
    ask(server, "PATCH", "/api/v1/nodes/n/status", &status).expect("a status");
}

/// `size` of v1 is `length` of v2.
fn convert(object: &Value, wanted: &str) -> Value {
    let mut object = object.clone();
    let (from, to) = if wanted.ends_with("/v1") { ("length", "size") } else { ("size", "length") };
    if object["apiVersion"] != wanted {
        let value = object["spec"].as_object_mut().and_then(|spec| spec.remove(from));
        object["spec"][to] = value.unwrap_or_default();
        object["apiVersion"] = wanted.into();
    }
    object
}

#[test]
fn a_webhook_converts_what_is_written_read_listed_and_watched() {
    let other = Other::start(&["127.0.0.1"], |asked| {
        let review: Value = serde_json::from_slice(&asked.body).expect("a review");
        let request = &review["request"];
        let wanted = request["desiredAPIVersion"].as_str().expect("a version");
        let objects = request["objects"].as_array().expect("objects").iter();
        let converted: Vec<Value> = objects.map(|object| convert(object, wanted)).collect();
        let response = json!({"uid": request["uid"], "result": {"status": "Success"},
            "convertedObjects": converted});
        let answer = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": response});
        (200, "application/json", answer.to_string())
    });
    let server = Server::start(&[]);
    let version = |name: &str, field: &str| {
        let spec = json!({"type": "object", "properties": {field: {"type": "integer"}}});
        json!({"name": name, "served": true, "storage": name == "v1",
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}})
    };
    let webhook = json!({"conversionReviewVersions": ["v1"], "clientConfig":
        {"url": format!("https://127.0.0.1:{}/convert", other.port), "caBundle": other.ca_bundle}});
    create(
        &server,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        &json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "rods.x.io"},
            "spec": {"group": "x.io", "scope": "Namespaced",
                "names": {"plural": "rods", "singular": "rod", "kind": "Rod"},
                "versions": [version("v1", "size"), version("v2", "length")],
                "conversion": {"strategy": "Webhook", "webhook": webhook}}}),
    );
    let path = |version: &str| format!("/apis/x.io/{version}/namespaces/default/rods");
    let rod = |name: &str| {
        json!({"apiVersion": "x.io/v2", "kind": "Rod", "metadata": {"name": name},
            "spec": {"length": 3}})
    };
    // Written in the version that is not stored.
    assert!(until(|| ask(&server, "POST", &path("v2"), &rod("a")), Result::is_ok).is_ok());
    let read = |version: &str, rest: &str| -> Value {
        let text = ask(&server, "GET", &format!("{}{rest}", path(version)), &Value::Null);
        serde_json::from_str(&text.expect("readable")).expect("JSON")
    };
    assert_eq!(read("v1", "/a")["spec"], json!({"size": 3}));
    assert_eq!(read("v2", "/a")["spec"], json!({"length": 3}));
    assert_eq!(read("v1", "/a")["metadata"], read("v2", "/a")["metadata"]);
    let patch = json!({"spec": {"length": 4}});
    let patched = ask(&server, "PATCH", &format!("{}/a", path("v2")), &patch);
    assert!(patched.is_ok_and(|text| text.contains(r#""length":4"#)));
    create(&server, &path("v2"), &rod("b"));
    let list = read("v2", "");
    let lengths: Vec<&Value> =
        list["items"].as_array().expect("items").iter().map(|rod| &rod["spec"]).collect();
    assert_eq!(lengths, [&json!({"length": 4}), &json!({"length": 3})]);

    let deleted = ask(&server, "DELETE", &format!("{}/b", path("v1")), &Value::Null);
    assert!(deleted.is_ok(), "{deleted:?}");
    let from = list["metadata"]["resourceVersion"].as_str().expect("a revision");
    for (version, field) in [("v1", "size"), ("v2", "length")] {
        let events = |query: &str| -> Vec<(String, Value)> {
            let watch = format!("{}?watch=true&timeoutSeconds=1{query}", path(version));
            let text = ask(&server, "GET", &watch, &Value::Null).expect("a watch");
            let events = text.lines().map(|line| serde_json::from_str(line).expect("an event"));
            let told = |event: Value| {
                let object = &event["object"];
                assert_eq!(object["apiVersion"], format!("x.io/{version}"));
                (event["type"].as_str().expect("a type").to_owned(), object["spec"].clone())
            };
            events.map(told).collect()
        };
        assert_eq!(events(""), [("ADDED".to_owned(), json!({ field: 4 }))], "{version}");
        let later = events(&format!("&resourceVersion={from}"));
        assert_eq!(later, [("DELETED".to_owned(), json!({ field: 3 }))], "{version}");
    }
}
