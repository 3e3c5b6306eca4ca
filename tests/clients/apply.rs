//! `kubectl apply` and what belongs to it: diff, dry run, validation.

use crate::tools::Bench;

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1
        ports: [{containerPort: 80}]
        env: [{name: A, value: '1'}, {name: B, value: '2'}]
";

#[test]
fn apply_creates_leaves_and_configures() {
    let Some(bench) = Bench::start() else { return };
    let apply = |text: &str| bench.kubectl_with(&["apply", "-f", "-"], text);
    assert_eq!(apply(DEPLOYMENT), "deployment.apps/web created\n");
    assert_eq!(apply(DEPLOYMENT), "deployment.apps/web unchanged\n");
    let fewer = DEPLOYMENT.replace("{name: A, value: '1'}, ", "").replace("nginx:1", "nginx:2");
    assert_eq!(apply(&fewer), "deployment.apps/web configured\n");
    let spec = "jsonpath={..image} {..env[*].name} {.metadata.generation}";
    assert_eq!(bench.kubectl(&["get", "deployment", "web", "-o", spec]), "nginx:2 B 2");
    let last = bench.kubectl(&["apply", "view-last-applied", "deployment/web"]);
    assert!(last.contains("image: nginx:2"), "{last}");
}

#[test]
fn apply_keeps_what_others_set() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl_with(&["apply", "-f", "-"], DEPLOYMENT);
    bench.kubectl(&["set", "env", "deployment/web", "C=3"]);
    bench.kubectl(&["annotate", "deployment/web", "other=kept"]);
    let more = DEPLOYMENT.replace("nginx:1", "nginx:3");
    bench.kubectl_with(&["apply", "-f", "-"], &more);
    let names = "jsonpath={..env[*].name} {.metadata.annotations.other}";
    assert_eq!(bench.kubectl(&["get", "deployment", "web", "-o", names]), "A B C kept");
}

#[test]
fn diff_is_silent_until_something_differs() {
    let Some(bench) = Bench::start() else { return };
    bench.kubectl_with(&["apply", "-f", "-"], DEPLOYMENT);
    let same = bench.kubectl_with_any(&["diff", "-f", "-"], DEPLOYMENT);
    assert_eq!((same.code, same.out.as_str()), (Some(0), ""), "{}", same.err);
    let other = DEPLOYMENT.replace("replicas: 2", "replicas: 3");
    let differs = bench.kubectl_with_any(&["diff", "-f", "-"], &other);
    assert_eq!(differs.code, Some(1), "{}", differs.err);
    assert!(differs.out.contains("\n-  replicas: 2\n+  replicas: 3\n"), "{}", differs.out);
    let replicas = ["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(bench.kubectl(&replicas), "2");
}

#[test]
fn dry_run_answers_as_if_and_writes_nothing() {
    let Some(bench) = Bench::start() else { return };
    let args = ["apply", "--dry-run=server", "-f", "-", "-o", "json"];
    let out = bench.kubectl_with(&args, DEPLOYMENT);
    let object: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(object["spec"]["progressDeadlineSeconds"], 600, "{out}");
    assert!(object["metadata"]["uid"].is_string(), "{out}");
    let missing = bench.kubectl_fails(&["get", "deployment", "web"]);
    assert!(missing.contains("NotFound"), "{missing}");
    bench.kubectl_with(&["apply", "-f", "-"], DEPLOYMENT);
    bench.kubectl(&["delete", "deployment", "web", "--dry-run=server"]);
    bench.kubectl(&["get", "deployment", "web"]);
}

#[test]
fn unknown_and_repeated_fields_are_told_as_asked() {
    let Some(bench) = Bench::start() else { return };
    let unknown = DEPLOYMENT.replace("replicas: 2", "replicas: 2\n  colour: red");
    let strict = bench.kubectl_with_any(&["apply", "--validate=strict", "-f", "-"], &unknown);
    assert_eq!(strict.code, Some(1));
    assert!(strict.err.contains("strict decoding error: unknown field \"spec.colour\""), "{}", {
        strict.err
    });
    let warn = bench.kubectl_with_any(&["apply", "--validate=warn", "-f", "-"], &unknown);
    assert_eq!(warn.err, "Warning: unknown field \"spec.colour\"\n");
    assert_eq!(warn.out, "deployment.apps/web created\n");
    let ignore = bench.kubectl_with_any(&["apply", "--validate=ignore", "-f", "-"], &unknown);
    assert_eq!((ignore.code, ignore.err.as_str()), (Some(0), ""));
    let bad = DEPLOYMENT.replace("replicas: 2", "replicas: -2");
    let bad = bench.kubectl_with_any(&["apply", "-f", "-"], &bad);
    assert!(
        bad.err.contains("spec.replicas: Invalid value: -2: must be greater than or equal to 0")
    );
}

#[test]
fn a_directory_of_kinds_applies_and_prunes() {
    let Some(bench) = Bench::start() else { return };
    let dir = crate::tools::data("manifests").display().to_string();
    bench.namespace("kit");
    let out = bench.kubectl(&["apply", "-R", "-f", &dir]);
    assert!(out.lines().all(|line| line.ends_with(" created")), "{out}");
    let out = bench.kubectl(&["apply", "-R", "-f", &dir]);
    // Claim templates are an atomic list that the server completes: kubectl patches it each time.
    let stays =
        |line: &str| line.ends_with(" unchanged") || line == "statefulset.apps/db configured";
    assert!(out.lines().all(stays), "{out}");
    bench.kubectl(&["diff", "-R", "-f", &dir]);
    bench.kubectl(&["delete", "-R", "-f", &dir]);
    assert_eq!(bench.kubectl(&["get", "deploy,cm,svc,sts,cj", "-n", "kit", "-o", "name"]), "");
}
