//! `kubectl get` and `describe` in all their forms.

use crate::harness::pause;
use crate::tools::Bench;
use crate::tools::rows;
use std::process::Stdio;
use std::time::Duration;

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web, tier: front}}
spec: {nodeName: node-a, containers: [{name: c, image: nginx:1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, labels: {app: web, tier: back}}
spec: {nodeName: node-b, containers: [{name: c, image: nginx:2}, {name: d, image: busybox}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-1, labels: {app: db}}
spec: {containers: [{name: c, image: postgres}]}
";

fn with_pods() -> Option<Bench> {
    let bench = Bench::start()?;
    bench.namespace("shop");
    bench.kubectl_with(&["create", "-n", "shop", "-f", "-"], PODS);
    Some(bench)
}

#[test]
fn tables_have_the_columns_of_upstream() {
    let Some(bench) = with_pods() else { return };
    let out = bench.kubectl(&["get", "pods", "-n", "shop"]);
    let table = rows(&out);
    assert_eq!(table[0], ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(table[1][..4], ["db-1", "0/1", "Pending", "0"]);
    assert_eq!(table[3][..4], ["web-2", "0/2", "Pending", "0"]);
    let out = bench.kubectl(&["get", "pods", "-n", "shop", "-o", "wide"]);
    let table = rows(&out);
    let wide = ["IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"];
    assert_eq!(table[0][5..], wide);
    assert_eq!(table[2][5..], ["<none>", "node-a", "<none>", "<none>"]);
    let out = bench.kubectl(&["get", "ns"]);
    assert_eq!(rows(&out)[0], ["NAME", "STATUS", "AGE"]);
    assert!(rows(&out).iter().any(|row| row[..2] == ["kube-system", "Active"]), "{out}");
    let out = bench.kubectl(&["get", "services", "kubernetes"]);
    assert_eq!(rows(&out)[0], ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]);
    assert_eq!(rows(&out)[1][..2], ["kubernetes", "ClusterIP"]);
    let none = bench.kubectl_any(&["get", "pods"]);
    assert_eq!(none.err, "No resources found in default namespace.\n");
}

#[test]
fn machine_forms() {
    let Some(bench) = with_pods() else { return };
    let get = |form: &str| bench.kubectl(&["get", "pod", "web-2", "-n", "shop", "-o", form]);
    assert_eq!(get("name"), "pod/web-2\n");
    assert_eq!(get("jsonpath={.spec.containers[*].image}"), "nginx:2 busybox");
    assert_eq!(get("custom-columns=N:.metadata.name,ON:.spec.nodeName"), {
        "N       ON\nweb-2   node-b\n"
    });
    assert_eq!(get("go-template={{.spec.nodeName}}"), "node-b");
    let json: serde_json::Value = serde_json::from_str(&get("json")).expect("JSON");
    assert_eq!(json["kind"], "Pod");
    assert_eq!(json["apiVersion"], "v1");
    assert_eq!(json["spec"]["terminationGracePeriodSeconds"], 30);
    assert_eq!(json["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(json["status"]["phase"], "Pending");
    let yaml = get("yaml");
    assert!(yaml.starts_with("apiVersion: v1\nkind: Pod\nmetadata:\n"), "{yaml}");
    assert!(yaml.contains("  nodeName: node-b\n"), "{yaml}");
    let list = bench.kubectl(&["get", "pods", "-n", "shop", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
}

#[test]
fn selectors_and_all_namespaces() {
    let Some(bench) = with_pods() else { return };
    bench.namespace("other");
    let pod = ["run", "lone", "--image=nginx", "-n", "other", "--labels=app=web"];
    bench.kubectl(&pod);
    let names = |args: &[&str]| {
        let args = [&["get", "pods", "-o", "name"], args].concat();
        bench.kubectl(&args).lines().map(|line| line.replace("pod/", "")).collect::<Vec<_>>()
    };
    assert_eq!(names(&["-n", "shop", "-l", "app=web"]), ["web-1", "web-2"]);
    assert_eq!(names(&["-n", "shop", "-l", "app in (web,db),tier!=front"]), ["db-1", "web-2"]);
    assert_eq!(names(&["-n", "shop", "-l", "!tier"]), ["db-1"]);
    assert_eq!(names(&["-n", "shop", "--field-selector", "spec.nodeName=node-b"]), ["web-2"]);
    assert_eq!(names(&["-n", "shop", "--field-selector", "metadata.name!=web-1"]).len(), 2);
    assert_eq!(names(&["-A", "-l", "app=web"]), ["lone", "web-1", "web-2"]);
    assert_eq!(names(&["-A", "--field-selector", "metadata.namespace=other"]), ["lone"]);
    let out = bench.kubectl(&["get", "pods", "-A"]);
    assert_eq!(rows(&out)[0][..2], ["NAMESPACE", "NAME"]);
    let unknown = ["get", "pods", "-n", "shop", "--field-selector", "spec.color=red"];
    let err = bench.kubectl_fails(&unknown);
    assert!(err.contains("field label not supported: spec.color"), "{err}");
}

#[test]
fn order_and_chunks() {
    let Some(bench) = with_pods() else { return };
    let sorted = ["get", "pods", "-n", "shop", "-o", "name", "--sort-by=.spec.containers[0].image"];
    assert_eq!(bench.kubectl(&sorted), "pod/web-1\npod/web-2\npod/db-1\n");
    let args = ["get", "pods", "-n", "shop", "-o", "name", "--chunk-size=1", "-v=6"];
    let ran = bench.kubectl_any(&args);
    let pages = ran.err.matches("limit=1").count();
    assert_eq!(ran.must_succeed(), "pod/db-1\npod/web-1\npod/web-2\n");
    assert!(pages >= 3, "only {pages} pages were asked for");
}

#[test]
fn watch_prints_what_changes() {
    let Some(bench) = with_pods() else { return };
    let args = ["get", "pods", "-n", "shop", "-w", "--output-watch-events"];
    let mut command = bench.command("kubectl", &args);
    let out = bench.scratch().join("watch.txt");
    command.stdout(std::fs::File::create(&out).expect("a file")).stderr(Stdio::null());
    let mut watching = command.spawn().expect("kubectl starts");
    let seen = |text: &str| {
        (0..500).any(|_| {
            pause(Duration::from_millis(20));
            std::fs::read_to_string(&out).is_ok_and(|printed| printed.contains(text))
        })
    };
    let first = seen("web-2");
    bench.kubectl(&["run", "late", "--image=nginx", "-n", "shop"]);
    let added = seen("late");
    bench.kubectl(&["label", "pod", "late", "a=b", "-n", "shop"]);
    bench.kubectl(&["delete", "pod", "late", "-n", "shop", "--now"]);
    let deleted = seen("DELETED");
    drop(watching.kill());
    drop(watching.wait());
    let printed = std::fs::read_to_string(&out).expect("its output");
    assert!(first && added && deleted, "{printed}");
    let late: Vec<Vec<&str>> =
        rows(&printed).into_iter().filter(|row| row.contains(&"late")).collect();
    assert_eq!(late[0][0], "ADDED", "{printed}");
    assert_eq!(late[late.len() - 1][0], "DELETED", "{printed}");
}

#[test]
fn describe_knows_every_kind_it_is_asked_for() {
    let Some(bench) = with_pods() else { return };
    let pod = bench.kubectl(&["describe", "pod", "web-1", "-n", "shop"]);
    for line in ["Name:             web-1", "Node:             node-a/", "Image:        nginx:1"] {
        assert!(pod.contains(line), "no `{line}` in\n{pod}");
    }
    bench.kubectl(&["create", "deployment", "d", "--image=nginx", "-n", "shop"]);
    let deployment = bench.kubectl(&["describe", "deployment", "d", "-n", "shop"]);
    assert!(deployment.contains("RollingUpdateStrategy:  25% max unavailable"), "{deployment}");
    let service = bench.kubectl(&["describe", "service", "kubernetes"]);
    assert!(service.contains("Type:                     ClusterIP"), "{service}");
    let namespace = bench.kubectl(&["describe", "namespace", "shop"]);
    assert!(namespace.contains("Status:       Active"), "{namespace}");
    bench.kubectl(&["describe", "serviceaccount", "default", "-n", "shop"]);
    let role = bench.kubectl(&["describe", "clusterrole", "admin"]);
    assert!(role.contains("rbac.authorization.kubernetes.io/autoupdate: true"), "{role}");
    let role = bench.kubectl(&["describe", "clusterrole", "system:node-bootstrapper"]);
    let rule = "certificatesigningrequests.certificates.k8s.io  []                 []              \
                [create get list watch]";
    assert!(role.contains(rule), "{role}");
}

#[test]
fn what_is_not_there_is_not_found() {
    let Some(bench) = Bench::start() else { return };
    let err = bench.kubectl_fails(&["get", "configmap", "nothing"]);
    assert_eq!(err, "Error from server (NotFound): configmaps \"nothing\" not found\n");
    let err = bench.kubectl_fails(&["get", "unicorns"]);
    assert_eq!(err, "error: the server doesn't have a resource type \"unicorns\"\n");
}
