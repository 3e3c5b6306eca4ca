//! The real binary on an etcd that others write to as well: what it finds there need not be what
//! it would have written.
#![cfg(test)]

#[path = "harness/etcd.rs"]
#[expect(dead_code, reason = "written for the store's tests, of which this needs a part")]
mod etcd;
mod harness;

use etcd::Etcd;
use harness::Server;
use kubering::codec::proto::envelope;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(30);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Writes a key as another server would.
fn put(cluster: &Etcd, key: &str, value: &[u8]) {
    run(async {
        let mut client = cluster.client().await;
        client.put(key, value, None).await.expect("written");
    });
}

/// The bytes of a key.
fn stored(cluster: &Etcd, key: &str) -> Option<Vec<u8>> {
    run(async {
        let found = cluster.client().await.get(key, None).await.expect("read");
        found.kvs().first().map(|kv| kv.value().to_vec())
    })
}

/// One request by the administrator: code, warnings, body.
fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Vec<String>, Value) {
    let sent = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    send(server, method, path, sent)
}

/// The same with a body as it is.
fn send(server: &Server, method: &str, path: &str, sent: Vec<u8>) -> (u16, Vec<String>, Value) {
    run(async {
        let file = kube::config::Kubeconfig::read_from(server.kubeconfig()).expect("a file");
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await;
        let mut config = config.expect("a configuration");
        // What is refused for the moment is to be seen.
        config.default_retry = false;
        let client = kube::Client::try_from(config).expect("a client");
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        let request = request.body(sent.into()).expect("a request");
        let answer = client.send(request).await.expect("an answer");
        let code = answer.status().as_u16();
        let warnings = answer.headers().get_all("warning").iter();
        let warnings = warnings.map(|text| text.to_str().expect("text").to_owned()).collect();
        let body = answer.into_body().collect_bytes().await.expect("a body");
        (code, warnings, serde_json::from_slice(&body).unwrap_or_default())
    })
}

fn get(server: &Server, path: &str) -> Value {
    ask(server, "GET", path, &Value::Null).2
}

/// Asks again until the answer is as wanted.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        harness::pause(Duration::from_millis(50));
    }
}

fn start(cluster: &Etcd, more: &[&str]) -> Server {
    let flags = cluster.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::start(&flags)
}

#[test]
fn what_cannot_be_read_is_named_and_does_not_take_its_kind_down() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let gate = "--feature-gates=AllowUnsafeMalformedObjectDeletion=true";
    let mut server = start(&cluster, &[]);
    let key = "/registry/configmaps/default/bad";
    put(&cluster, key, b"k8s\0garbage");
    for name in ["a", "z"] {
        let made = ask(&server, "POST", MAPS, &json!({"metadata": {"name": name}}));
        assert_eq!(made.0, 201, "{made:?}");
    }
    let (code, warnings, list) = ask(&server, "GET", MAPS, &Value::Null);
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("items").iter();
        let names = items.map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned());
        names.filter(|name| name != "kube-root-ca.crt").collect()
    };
    assert_eq!((code, names(&list)), (200, vec!["a".to_owned(), "z".to_owned()]));
    assert!(warnings.len() == 1 && warnings[0].contains(key), "{warnings:?}");
    assert_eq!(ask(&server, "GET", &format!("{MAPS}/bad"), &Value::Null).0, 500);
    // As with kube-apiserver, the option is for those who have switched it on.
    let option = json!({"kind": "DeleteOptions", "apiVersion": "v1",
        "ignoreStoreReadErrorWithClusterBreakingPotential": true});
    assert_eq!(ask(&server, "DELETE", &format!("{MAPS}/bad"), &option).0, 500);
    assert!(server.stop().success());

    let server = start(&cluster, &[gate]);
    let (code, _, list) = ask(&server, "GET", MAPS, &Value::Null);
    assert_eq!((code, &list["reason"]), (500, &json!("StorageReadError")));
    assert_eq!(list["details"]["causes"][0]["field"], key);
    let (code, _, refused) = ask(&server, "DELETE", &format!("{MAPS}/a"), &option);
    assert_eq!(code, 422, "{refused}");
    let (code, _, done) = ask(&server, "DELETE", &format!("{MAPS}/bad"), &option);
    assert_eq!((code, &done["details"]["name"]), (200, &json!("bad")));
    assert_eq!(stored(&cluster, key), None);
    assert_eq!(names(&get(&server, MAPS)), ["a", "z"]);
}

#[test]
fn definitions_are_stored_as_other_servers_store_them() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let server = start(&cluster, &[]);
    let prefix = "/registry/apiextensions.k8s.io/customresourcedefinitions";
    let base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition", "metadata": {"name": "as.x.io"},
        "spec": {"group": "x.io", "scope": "Namespaced",
            "names": {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    assert_eq!(ask(&server, "POST", base, &definition).0, 201);
    let written = stored(&cluster, &format!("{prefix}/as.x.io")).expect("stored");
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(written["apiVersion"], "apiextensions.k8s.io/v1beta1");
    let spec = &written["spec"];
    assert_eq!(spec["validation"]["openAPIV3Schema"]["type"], "object");
    assert_eq!(spec["versions"], json!([{"name": "v1", "served": true, "storage": true}]));
    assert_eq!(spec["version"], "v1");
    let shown = get(&server, &format!("{base}/as.x.io"));
    assert_eq!(shown["spec"]["versions"], definition["spec"]["versions"]);

    let others = json!({"apiVersion": "apiextensions.k8s.io/v1beta1",
        "kind": "CustomResourceDefinition", "metadata": {"name": "bs.x.io", "uid": "u"},
        "spec": {"group": "x.io", "version": "v1", "scope": "Namespaced",
            "names": {"plural": "bs", "singular": "b", "kind": "B", "listKind": "BList"},
            "validation": {"openAPIV3Schema": {"type": "object", "properties":
                {"size": {"type": "integer"}}}},
            "versions": [{"name": "v1", "served": true, "storage": true}],
            "conversion": {"strategy": "None"}, "preserveUnknownFields": false},
        "status": {"acceptedNames": {"plural": "", "kind": ""}, "conditions": null,
            "storedVersions": ["v1"]}});
    put(&cluster, &format!("{prefix}/bs.x.io"), format!("{others}\n").as_bytes());
    let path = "/apis/x.io/v1/namespaces/default/bs";
    let object = |size: Value| {
        json!({"apiVersion": "x.io/v1", "kind": "B",
        "metadata": {"name": "one"}, "size": size})
    };
    until("the other's definition is served", || {
        ask(&server, "POST", path, &object(json!(3))).0 == 201
    });
    let refused = ask(&server, "PUT", &format!("{path}/one"), &object(json!("three")));
    assert_eq!(refused.0, 422, "its schema holds: {refused:?}");
}

#[test]
fn objects_of_older_versions_are_read_and_stored_anew_with_the_next_write() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let server = start(&cluster, &[]);
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = json!({"metadata": {"name": "one"}, "spec": {"holderIdentity": "me"}});
    assert_eq!(ask(&server, "POST", path, &lease).0, 201);
    let key = "/registry/leases/default/one";
    let today = stored(&cluster, key).expect("stored");
    let older = |version: &str| {
        let message = envelope::unwrap(&today).expect("an envelope").expect("protobuf").raw;
        let mut bytes = Vec::new();
        envelope::wrap(version, "Lease", message, &mut bytes);
        bytes
    };
    put(&cluster, key, &older("coordination.k8s.io/v1beta1"));
    let one = format!("{path}/one");
    let shown = get(&server, &one);
    assert_eq!(shown["apiVersion"], "coordination.k8s.io/v1");
    assert_eq!(shown["spec"]["holderIdentity"], "me");
    assert_eq!(stored(&cluster, key), Some(older("coordination.k8s.io/v1beta1")));
    // A PUT that changes nothing is a change of what is stored.
    assert_eq!(ask(&server, "PUT", &one, &shown).0, 200);
    assert_eq!(stored(&cluster, key), Some(today.clone()));

    put(&cluster, key, &older("coordination.k8s.io/v7"));
    let (code, _, status) = ask(&server, "GET", &one, &Value::Null);
    let message = status["message"].as_str().expect("a message");
    let expected = "no kind \"Lease\" is registered for version \"coordination.k8s.io/v7\"";
    assert!(code == 500 && message.contains(key) && message.contains(expected), "{message}");
}

#[test]
fn raw_objects_are_stored_as_they_were_sent() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let server = start(&cluster, &[]);
    let text = r#"{"z": {"y": 1.50},  "b":[ 1 ]}"#;
    let path = "/apis/apps/v1/namespaces/default/controllerrevisions";
    let body = |labels: &str| {
        format!(
            r#"{{"apiVersion":"apps/v1","kind":"ControllerRevision",
            "metadata":{{"name":"one","labels":{{{labels}}}}},"data":{text},"revision":1}}"#
        )
    };
    let is_kept = || {
        let bytes = stored(&cluster, "/registry/controllerrevisions/default/one").expect("stored");
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    };
    assert_eq!(send(&server, "POST", path, body("").into_bytes()).0, 201);
    assert!(is_kept());
    let one = format!("{path}/one");
    assert_eq!(get(&server, &one)["data"], json!({"z": {"y": 1.5}, "b": [1]}));
    let labelled = body(r#""a":"b""#).into_bytes();
    assert_eq!(send(&server, "PUT", &one, labelled).0, 200);
    assert!(is_kept());
    // The same object in another form is another one, and it may not change.
    let (code, _, status) = ask(&server, "PUT", &one, &get(&server, &one));
    assert_eq!(code, 422, "{status}");
    assert!(is_kept());
}

#[test]
fn what_one_server_has_acknowledged_the_other_goes_on_from() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let servers = [start(&cluster, &[]), start(&cluster, &[])];
    let object = json!({"metadata": {"name": "baton"}, "data": {"round": "0"}});
    let mut last = ask(&servers[0], "POST", MAPS, &object).2;
    let path = format!("{MAPS}/baton");
    for round in 1..=40 {
        // The one that is asked may not have heard yet of what the other has answered.
        let server = &servers[round % 2];
        last["data"]["round"] = json!(round.to_string());
        let (code, _, answer) = ask(server, "PUT", &path, &last);
        assert_eq!(code, 200, "round {round}: {answer}");
        let stale = ask(&servers[(round + 1) % 2], "PUT", &path, &last);
        assert_eq!(stale.0, 409, "round {round}: an old revision is refused");
        assert_eq!(get(server, &path)["data"]["round"], json!(round.to_string()));
        last = answer;
    }
    // What changes nothing is judged by what stands there.
    let (_, _, same) = ask(&servers[1], "PUT", &path, &last);
    assert_eq!(same["metadata"]["resourceVersion"], last["metadata"]["resourceVersion"]);
}

#[test]
fn the_kubernetes_service_leads_to_all_servers_that_serve() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let other = b"k8s\0\n\x0f\n\x02v1\x12\tEndpoints\x12#\n\x10\n\0\x12\0\x1a\0\"\0*\0\
        2\08\x01B\0\x12\x0f\n\r\n\t192.0.2.2\x1a\0\x1a\0\"\0";
    put(&cluster, "/registry/masterleases/192.0.2.2", other);
    let mut server = start(&cluster, &["--advertise-address=192.0.2.3"]);
    let addresses = || {
        let endpoints = get(&server, "/api/v1/namespaces/default/endpoints/kubernetes");
        let list = endpoints["subsets"][0]["addresses"].as_array().expect("addresses").clone();
        list.iter().map(|address| address["ip"].as_str().expect("ip").to_owned()).collect()
    };
    let addresses: Vec<String> = addresses();
    assert_eq!(addresses, ["192.0.2.2", "192.0.2.3"]);
    assert!(server.stop().success());
    assert_eq!(stored(&cluster, "/registry/masterleases/192.0.2.3"), None, "it has left");
    let endpoints = stored(&cluster, "/registry/services/endpoints/default/kubernetes");
    let endpoints = endpoints.expect("stored");
    let has = |ip: &[u8]| endpoints.windows(ip.len()).any(|part| part == ip);
    assert!(has(b"192.0.2.2") && !has(b"192.0.2.3"), "the others stay");
}

#[test]
fn figures_of_etcd_have_their_usual_names() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let server = start(&cluster, &[]);
    let text = || server.get("/metrics").expect("figures");
    until("the size of the database is known", || {
        let text = text();
        let size = text.lines().find_map(|line| {
            line.strip_prefix("apiserver_storage_size_bytes{storage_cluster_id=\"etcd-0\"} ")
        });
        size.and_then(|size| size.parse::<f64>().ok()).is_some_and(|size| size > 0.0)
    });
    let text = text();
    for figure in [
        "apiserver_resource_objects{group=\"\",resource=\"namespaces\"} 4",
        "apiserver_storage_objects{resource=\"namespaces\"} 4",
        "apiserver_storage_objects{resource=\"pods\"} 0",
        "etcd_requests_total{group=\"\",operation=\"create\",resource=\"namespaces\"} 4",
        "etcd_request_duration_seconds_bucket{group=\"\",operation=\"create\",\
         resource=\"namespaces\",le=\"0.025\"}",
        "etcd_request_duration_seconds_bucket{group=\"\",operation=\"create\",\
         resource=\"namespaces\",le=\"60\"} 4",
        "apiserver_storage_events_received_total{group=\"\",resource=\"namespaces\"} 4",
    ] {
        assert!(text.contains(figure), "{figure}");
    }
    let counted = text.lines().filter(|line| line.starts_with("apiserver_"));
    let named = counted.filter(|line| line.contains("masterleases")).count();
    assert_eq!(named, 0, "what servers tell each other is no resource");
    let health = ask(&server, "GET", "/livez/etcd", &Value::Null);
    assert_eq!(health.0, 200);
}

/// An event as kubelets make them.
fn event(name: &str) -> Value {
    json!({"metadata": {"name": name}, "reason": "R", "message": name, "type": "Normal",
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}})
}

#[test]
fn events_live_in_an_etcd_of_their_own() {
    if !etcd::is_there() {
        return;
    }
    const EVENTS: &str = "/api/v1/namespaces/default/events";
    let (cluster, mut second) = (Etcd::single(), Etcd::single());
    // What lies in the wrong one is not looked at.
    put(&cluster, "/registry/events/default/stale", b"k8s\0garbage");
    let flag = format!("--etcd-servers-overrides=/events#{}", second.urls());
    let server = start(&cluster, &[&flag]);
    let text = server.get("/metrics").expect("figures");
    assert!(text.contains("apiserver_storage_size_bytes{storage_cluster_id=\"etcd-1\"}"), "{text}");
    let (code, warnings, list) = ask(&server, "GET", EVENTS, &Value::Null);
    assert_eq!((code, warnings.len(), list["items"].as_array().map(Vec::len)), (200, 0, Some(0)));
    let start = list["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned();
    assert_eq!(start, "1", "nobody has written there");
    let made = ask(&server, "POST", EVENTS, &event("first"));
    assert_eq!((made.0, &made.2["metadata"]["resourceVersion"]), (201, &json!("2")));
    let map = ask(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).2;
    let revision = map["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
    assert!(revision > Some(20_u64), "each counts for itself: {revision:?}");
    let key = "/registry/events/default/first";
    assert!(stored(&cluster, key).is_none() && stored(&second, key).is_some());
    assert!(stored(&second, "/registry/configmaps/default/a").is_none());

    // What another server writes there is seen at once, and by a watch from the revision before.
    let mut other = stored(&second, key).expect("stored");
    for at in 0..other.len() - 5 {
        if &other[at..at + 5] == b"first" {
            other[at..at + 5].copy_from_slice(b"other");
        }
    }
    put(&second, "/registry/events/default/other", &other);
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("items").iter();
        items.map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&get(&server, EVENTS)), ["first", "other"]);
    let watch = format!("{EVENTS}?watch=1&resourceVersion={start}&timeoutSeconds=1");
    let seen = server.get(&watch).expect("a watch");
    assert_eq!(seen.lines().filter(|line| line.contains("ADDED")).count(), 2, "{seen}");
    let same = get(&server, "/apis/events.k8s.io/v1/namespaces/default/events");
    assert_eq!(names(&same), ["first", "other"], "the other version shows the same");

    assert!(server.get("/livez/etcd-override-0").is_ok());
    second.kill_member(0);
    let code = |path: &str| ask(&server, "GET", path, &Value::Null).0;
    until("its failure is told", || code("/readyz/etcd-override-readiness-0") == 500);
    assert_eq!(code("/livez/etcd"), 200);
    let (code, _, made) = ask(&server, "POST", MAPS, &json!({"metadata": {"name": "b"}}));
    assert_eq!(code, 201, "the others go on: {made}");
    assert_eq!(get(&server, &format!("{EVENTS}?resourceVersion=0"))["kind"], "EventList");
    second.start_member(0);
    until("it recovers", || ask(&server, "POST", EVENTS, &event("last")).0 == 201);
    assert_eq!(names(&get(&server, EVENTS)), ["first", "last", "other"]);
}

#[test]
fn endpoints_are_kept_as_the_flag_says() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let path = "/api/v1/namespaces/default/endpoints/kubernetes";
    let addresses = |server: &Server| -> Vec<String> {
        let endpoints = get(server, path);
        let list = endpoints["subsets"][0]["addresses"].as_array().cloned().unwrap_or_default();
        list.iter().map(|address| address["ip"].as_str().expect("ip").to_owned()).collect()
    };
    let run = |flags: &[&str]| start(&cluster, flags);
    let first = run(&["--endpoint-reconciler-type=none", "--advertise-address=192.0.2.9"]);
    assert_eq!(ask(&first, "GET", path, &Value::Null).0, 404, "nobody keeps them");
    assert_eq!(
        ask(&first, "GET", "/api/v1/namespaces/default/services/kubernetes", &Value::Null).0,
        200
    );
    drop(first);
    let counted = ["--endpoint-reconciler-type=master-count", "--apiserver-count=2"];
    let with = |address: &str| {
        let flag = format!("--advertise-address={address}");
        run(&[&counted[..], &[&flag]].concat())
    };
    let mut one = with("192.0.2.1");
    assert_eq!(addresses(&one), ["192.0.2.1"]);
    let two = with("192.0.2.2");
    assert_eq!(addresses(&two), ["192.0.2.1", "192.0.2.2"]);
    let three = with("192.0.2.3");
    assert_eq!(addresses(&three), ["192.0.2.2", "192.0.2.3"], "the first behind it goes");
    drop((two, three));
    assert!(one.stop().success());
}

#[test]
fn a_change_of_the_leader_fails_no_request() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::start(3, false);
    let server = start(&cluster, &[]);
    let mut made = 0;
    for _ in 0..6 {
        run(async {
            let mut client = cluster.client().await;
            let status = client.status().await.expect("a status");
            let members = client.member_list().await.expect("members");
            let next = members.members().iter().find(|member| member.id() != status.leader());
            let next = next.expect("three members").id();
            // Only the leader can be asked to give way.
            for url in cluster.urls().split(',') {
                let one = Box::pin(etcd_client::Client::connect([url], None)).await;
                if one.expect("a client").move_leader(next).await.is_ok() {
                    return;
                }
            }
            panic!("no member gave way");
        });
        for _ in 0..5 {
            made += 1;
            let body = json!({"metadata": {"name": format!("m{made}")}});
            let (code, _, answer) = ask(&server, "POST", MAPS, &body);
            assert_eq!(code, 201, "{answer}");
        }
    }
    let list = get(&server, MAPS);
    let items = list["items"].as_array().expect("items");
    let ours = items.iter().filter(|item| item["metadata"]["name"] != "kube-root-ca.crt").count();
    assert_eq!(ours, made);
}

#[test]
fn while_etcd_stands_still_memory_is_read_and_all_else_fails() {
    if !etcd::is_there() {
        return;
    }
    let cluster = Etcd::single();
    let server = start(&cluster, &[]);
    assert_eq!(ask(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).0, 201);
    cluster.signal_member(0, rustix::process::Signal::STOP);
    let path = format!("{MAPS}/a");
    assert_eq!(ask(&server, "GET", &format!("{path}?resourceVersion=0"), &Value::Null).0, 200);
    assert_eq!(ask(&server, "GET", &format!("{MAPS}?resourceVersion=0"), &Value::Null).0, 200);
    for (method, path, body) in [
        ("GET", &path[..], Value::Null),
        ("GET", MAPS, Value::Null),
        ("POST", MAPS, json!({"metadata": {"name": "b"}})),
        ("PUT", &path, json!({"metadata": {"name": "a"}})),
        ("DELETE", &path, Value::Null),
    ] {
        let (code, _, answer) = ask(&server, method, path, &body);
        // A write that is under way when the connection is given up may have been done.
        let text = answer["message"].as_str().unwrap_or_default();
        let is_unknown = method != "GET" && text.starts_with("rpc error: code = Unavailable");
        let expected = if is_unknown { (500, Value::Null) } else { (504, json!("Timeout")) };
        assert_eq!((code, answer["reason"].clone()), expected, "{method} {path}: {answer}");
    }
    assert_eq!(ask(&server, "GET", "/livez/etcd", &Value::Null).0, 500);
    cluster.signal_member(0, rustix::process::Signal::CONT);
    until("it recovers by itself", || {
        ask(&server, "POST", MAPS, &json!({"metadata": {"name": "c"}})).0 == 201
    });
    assert_eq!(ask(&server, "GET", &path, &Value::Null).0, 200);
}
