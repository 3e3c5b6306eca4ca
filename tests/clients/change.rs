//! kubectl changes objects: create, label, annotate, patch, replace, scale, edit, wait.

use crate::tools::Bench;

#[test]
fn create_makes_what_its_flags_say() {
    let Some(bench) = Bench::start() else { return };
    let out = bench.kubectl(&["create", "configmap", "c", "--from-literal=a=1"]);
    assert_eq!(out, "configmap/c created\n");
    let out = bench.kubectl(&["create", "secret", "generic", "s", "--from-literal=k=v"]);
    assert_eq!(out, "secret/s created\n");
    let data = ["get", "secret", "s", "-o", "jsonpath={.data.k} {.type}"];
    assert_eq!(bench.kubectl(&data), "dg== Opaque");
    bench.kubectl(&["create", "deployment", "web", "--image=nginx", "--replicas=2", "--port=80"]);
    bench.kubectl(&["expose", "deployment", "web", "--port=80", "--type=NodePort"]);
    let port = ["get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}"];
    let port: u16 = bench.kubectl(&port).parse().expect("a port");
    assert!((30_000..=32_767).contains(&port), "{port}");
    bench.kubectl(&["create", "role", "r", "--verb=get", "--resource=pods"]);
    bench.kubectl(&["create", "rolebinding", "b", "--role=r", "--user=jane"]);
    bench.kubectl(&["create", "job", "j", "--image=busybox"]);
    bench.kubectl(&["create", "cronjob", "cj", "--image=busybox", "--schedule=0 * * * *"]);
    bench.kubectl(&["create", "ingress", "i", "--rule=a.example/=web:80"]);
    bench.kubectl(&["create", "quota", "q", "--hard=pods=10"]);
    bench.kubectl(&["create", "poddisruptionbudget", "p", "--selector=a=b", "--min-available=1"]);
    bench.kubectl(&["autoscale", "deployment", "web", "--min=1", "--max=3"]);
    let again = bench.kubectl_fails(&["create", "configmap", "c"]);
    assert!(again.contains("configmaps \"c\" already exists"), "{again}");
    let bad = bench.kubectl_fails(&["create", "configmap", "C_"]);
    assert!(bad.contains("ConfigMap \"C_\" is invalid: metadata.name: Invalid value"), "{bad}");
}

/// Each command has a connection of its own, so the shards take turns, and each keeps a copy of
/// which ports are taken.
#[test]
fn a_node_port_is_free_once_its_service_is_gone() {
    let Some(bench) = Bench::start() else { return };
    for _ in 0..8 {
        let create = ["create", "service", "nodeport", "web", "--tcp=80", "--node-port=30080"];
        assert_eq!(bench.kubectl(&create), "service/web created\n");
        bench.kubectl(&["delete", "service", "web"]);
    }
}

#[test]
fn generated_names_differ() {
    let Some(bench) = Bench::start() else { return };
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: gen-}}";
    let make = || bench.kubectl_with(&["create", "-f", "-", "-o", "name"], manifest);
    let (first, second) = (make(), make());
    assert!(first.starts_with("configmap/gen-") && first != second, "{first}{second}");
}

#[test]
fn label_and_annotate() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl(&["create", "configmap", "c"]);
    assert_eq!(bench.kubectl(&["label", "cm", "c", "a=1"]), "configmap/c labeled\n");
    let err = bench.kubectl_fails(&["label", "cm", "c", "a=2"]);
    assert!(err.contains("--overwrite is false"), "{err}");
    bench.kubectl(&["label", "cm", "c", "a=2", "--overwrite"]);
    assert_eq!(bench.kubectl(&["annotate", "cm", "c", "note=x"]), "configmap/c annotated\n");
    let both =
        ["get", "cm", "c", "-o", "jsonpath={.metadata.labels.a}{.metadata.annotations.note}"];
    assert_eq!(bench.kubectl(&both), "2x");
    assert_eq!(bench.kubectl(&["label", "cm", "c", "a-"]), "configmap/c unlabeled\n");
    assert_eq!(bench.kubectl(&both), "x");
    let bad = r#"{"metadata":{"labels":{"a":"-bad-"}}}"#;
    let err = bench.kubectl_fails(&["patch", "cm", "c", "-p", bad]);
    assert!(err.contains("metadata.labels: Invalid value: \"-bad-\""), "{err}");
}

#[test]
fn all_three_patches() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl(&["create", "deployment", "d", "--image=nginx:1"]);
    let patch = |kind: &str, patch: &str| {
        bench.kubectl(&["patch", "deployment", "d", "--type", kind, "-p", patch])
    };
    let images = ["get", "deployment", "d", "-o", "jsonpath={..image}"];
    let sidecar = r#"{"spec":{"template":{"spec":{"containers":[{"name":"s","image":"side"}]}}}}"#;
    assert_eq!(patch("strategic", sidecar), "deployment.apps/d patched\n");
    assert_eq!(bench.kubectl(&images), "side nginx:1");
    let image = "/spec/template/spec/containers/1/image";
    patch("json", &format!(r#"[{{"op":"replace","path":"{image}","value":"nginx:2"}}]"#));
    assert_eq!(bench.kubectl(&images), "side nginx:2");
    let only = r#"{"spec":{"template":{"spec":{"containers":[{"name":"o","image":"only"}]}}}}"#;
    patch("merge", only);
    assert_eq!(bench.kubectl(&images), "only");
    assert_eq!(patch("merge", only), "deployment.apps/d patched (no change)\n");
    let generation = ["get", "deployment", "d", "-o", "jsonpath={.metadata.generation}"];
    assert_eq!(bench.kubectl(&generation), "4");
    let status = r#"{"status":{"replicas":3}}"#;
    let args = ["patch", "deployment", "d", "--subresource=status", "--type=merge", "-p", status];
    bench.kubectl(&args);
    let replicas = ["get", "deployment", "d", "-o", "jsonpath={.status.replicas}"];
    assert_eq!(bench.kubectl(&replicas), "3");
    assert_eq!(bench.kubectl(&generation), "4");
}

#[test]
fn replace_keeps_to_the_resource_version() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl(&["create", "configmap", "c", "--from-literal=a=1"]);
    let old = bench.kubectl(&["get", "cm", "c", "-o", "yaml"]);
    let new = old.replace("a: \"1\"", "a: \"2\"");
    assert_eq!(bench.kubectl_with(&["replace", "-f", "-"], &new), "configmap/c replaced\n");
    let ran = bench.kubectl_with_any(&["replace", "-f", "-"], &old);
    assert!(ran.err.contains("(Conflict)"), "{}", ran.err);
    assert!(ran.err.contains("the object has been modified; please apply your changes"));
    assert_eq!(bench.kubectl(&["get", "cm", "c", "-o", "jsonpath={.data.a}"]), "2");
    let force = bench.kubectl_with(&["replace", "--force", "-f", "-"], &old);
    assert!(force.contains("configmap/c replaced"), "{force}");
    assert_eq!(bench.kubectl(&["get", "cm", "c", "-o", "jsonpath={.data.a}"]), "1");
}

#[test]
fn scale_every_kind_that_scales() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl(&["create", "deployment", "d", "--image=nginx"]);
    let out = bench.kubectl(&["scale", "deployment", "d", "--replicas=5"]);
    assert_eq!(out, "deployment.apps/d scaled\n");
    let replicas = ["get", "deployment", "d", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(bench.kubectl(&replicas), "5");
    let wrong = ["scale", "deployment", "d", "--replicas=1", "--current-replicas=9"];
    assert!(bench.kubectl_fails(&wrong).contains("Expected replicas to be 9, was 5"));
    let scale = "/apis/apps/v1/namespaces/default/deployments/d/scale";
    let scale = bench.kubectl(&["get", "--raw", scale]);
    assert!(scale.contains(r#""kind":"Scale","apiVersion":"autoscaling/v1""#), "{scale}");
    let set = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: nginx}]}
";
    bench.kubectl_with(&["create", "-f", "-"], set);
    bench.kubectl(&["scale", "statefulset", "s", "--replicas=0"]);
    assert_eq!(bench.kubectl(&["get", "sts", "s", "-o", "jsonpath={.spec.replicas}"]), "0");
}

#[test]
fn edit_saves_what_the_editor_wrote() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl(&["create", "configmap", "c", "--from-literal=color=red"]);
    let edit = |editor: &str| {
        let args = ["edit", "configmap", "c"];
        let mut command = bench.command("kubectl", &args);
        command.env("KUBE_EDITOR", editor);
        bench.run(&mut command, "kubectl", &args).must_succeed()
    };
    assert_eq!(edit("sed -i s/red/blue/"), "configmap/c edited\n");
    assert_eq!(bench.kubectl(&["get", "cm", "c", "-o", "jsonpath={.data.color}"]), "blue");
    assert!(edit("true").is_empty());
}

#[test]
fn wait_for_conditions_fields_and_the_end() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl(&["create", "deployment", "d", "--image=nginx"]);
    let none = ["wait", "deployment/d", "--for=condition=Available", "--timeout=1s"];
    assert!(bench.kubectl_fails(&none).contains("timed out waiting for the condition"));
    let waiting = ["wait", "deployment/d", "--for=condition=Available", "--timeout=30s"];
    let mut waiting = bench.command("kubectl", &waiting).spawn().expect("kubectl starts");
    let status = r#"{"status":{"conditions":[{"type":"Available","status":"True"}]}}"#;
    bench.kubectl(&["patch", "deployment", "d", "--subresource=status", "-p", status]);
    assert!(waiting.wait().expect("an end").success());
    let field = ["wait", "deployment/d", "--for=jsonpath={.spec.replicas}=1", "--timeout=10s"];
    bench.kubectl(&field);
    let gone = ["wait", "deployment/d", "--for=delete", "--timeout=30s"];
    let mut gone = bench.command("kubectl", &gone).spawn().expect("kubectl starts");
    bench.kubectl(&["delete", "deployment", "d"]);
    assert!(gone.wait().expect("an end").success());
}
