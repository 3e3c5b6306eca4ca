//! `kubectl delete` with selectors, grace, propagation, finalizers.

use crate::tools::Bench;

#[test]
fn by_name_selector_and_all() {
    let Some(bench) = Bench::start() else { return };
    for (name, label) in [("a", "x=1"), ("b", "x=1"), ("c", "x=2"), ("d", "x=3")] {
        bench.kubectl(&["create", "configmap", name]);
        bench.kubectl(&["label", "configmap", name, label]);
    }
    assert_eq!(
        bench.kubectl(&["delete", "cm", "d"]),
        "configmap \"d\" deleted from default namespace\n"
    );
    let out = bench.kubectl(&["delete", "cm", "-l", "x=1"]);
    assert_eq!(out.lines().count(), 2, "{out}");
    let left = bench.kubectl(&["get", "cm", "-o", "name", "-l", "x"]);
    assert_eq!(left, "configmap/c\n");
    bench.kubectl(&["delete", "cm", "--all"]);
    assert_eq!(bench.kubectl(&["get", "cm", "-o", "name", "-l", "x"]), "");
    let missing = bench.kubectl_fails(&["delete", "cm", "a"]);
    assert!(missing.contains("(NotFound): configmaps \"a\" not found"), "{missing}");
    assert_eq!(bench.kubectl(&["delete", "cm", "a", "--ignore-not-found"]), "");
}

#[test]
fn a_finalizer_holds_the_object() {
    let Some(bench) = Bench::start() else { return };
    let held = "{apiVersion: v1, kind: ConfigMap, metadata: {name: h, finalizers: [a.b/hold]}}";
    bench.kubectl_with(&["create", "-f", "-"], held);
    bench.kubectl(&["delete", "cm", "h", "--wait=false"]);
    let time = ["get", "cm", "h", "-o", "jsonpath={.metadata.deletionTimestamp}"];
    assert!(!bench.kubectl(&time).is_empty());
    let free = r#"{"metadata":{"finalizers":null}}"#;
    bench.kubectl(&["patch", "cm", "h", "--type=merge", "-p", free]);
    assert!(bench.kubectl_fails(&["get", "cm", "h"]).contains("NotFound"));
}

#[test]
fn propagation_shows_as_finalizers() {
    let Some(bench) = Bench::start() else { return };
    let finalizers = ["get", "deploy", "d", "-o", "jsonpath={.metadata.finalizers}"];
    for (cascade, finalizer) in
        [("foreground", "[\"foregroundDeletion\"]"), ("orphan", "[\"orphan\"]")]
    {
        bench.kubectl(&["create", "deployment", "d", "--image=nginx"]);
        let cascade = format!("--cascade={cascade}");
        bench.kubectl(&["delete", "deployment", "d", "--wait=false", &cascade]);
        assert_eq!(bench.kubectl(&finalizers), finalizer);
        let free = r#"{"metadata":{"finalizers":null}}"#;
        bench.kubectl(&["patch", "deployment", "d", "--type=merge", "-p", free]);
    }
    bench.kubectl(&["create", "deployment", "d", "--image=nginx"]);
    bench.kubectl(&["delete", "deployment", "d"]);
    assert!(bench.kubectl_fails(&finalizers).contains("NotFound"));
}

#[test]
fn a_pod_on_a_node_ends_with_grace() {
    let Some(bench) = Bench::start() else { return };
    bench.namespace("g");
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: g}
spec: {nodeName: node-a, containers: [{name: c, image: nginx}]}
";
    bench.kubectl_with(&["create", "-f", "-"], pod);
    bench.kubectl(&["delete", "pod", "p", "-n", "g", "--grace-period=20", "--wait=false"]);
    let grace = "jsonpath={.metadata.deletionGracePeriodSeconds}";
    assert_eq!(bench.kubectl(&["get", "pod", "p", "-n", "g", "-o", grace]), "20");
    bench.kubectl(&["delete", "pod", "p", "-n", "g", "--grace-period=0", "--force"]);
    assert!(bench.kubectl_fails(&["get", "pod", "p", "-n", "g"]).contains("NotFound"));
}

#[test]
fn a_namespace_waits_for_its_finalizer() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl(&["create", "namespace", "gone"]);
    bench.kubectl(&["delete", "namespace", "gone", "--wait=false"]);
    let phase = ["get", "ns", "gone", "-o", "jsonpath={.status.phase}"];
    assert_eq!(bench.kubectl(&phase), "Terminating");
    let err = bench.kubectl_fails(&["create", "configmap", "late", "-n", "gone"]);
    assert!(err.contains("because it is being terminated"), "{err}");
    let end = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"gone"},"spec":{}}"#;
    let path = "/api/v1/namespaces/gone/finalize";
    bench.kubectl_with(&["replace", "--raw", path, "-f", "-"], end);
    assert!(bench.kubectl_fails(&phase).contains("NotFound"));
}
