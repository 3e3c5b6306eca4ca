//! kubectl asks what the server is and what it serves.

use crate::tools::Bench;
use crate::tools::rows;

#[test]
fn version_names_both_sides() {
    let Some(bench) = Bench::start() else { return };
    let out = bench.kubectl(&["version"]);
    assert!(out.contains("Client Version: v1.36."), "{out}");
    assert!(out.contains("Server Version: v1.36."), "{out}");
    assert!(!out.contains("WARNING"), "{out}");
}

#[test]
fn cluster_info_names_the_address() {
    let Some(bench) = Bench::start() else { return };
    let out = bench.kubectl(&["cluster-info"]);
    assert!(out.contains("control plane"), "{out}");
    assert!(out.contains("https://127.0.0.1:"), "{out}");
}

#[test]
fn api_resources_lists_every_group_with_short_names() {
    let Some(bench) = Bench::start() else { return };
    let out = bench.kubectl(&["api-resources", "--no-headers"]);
    let rows = rows(&out);
    for row in [
        &["bindings", "v1", "true", "Binding"][..],
        &["configmaps", "cm", "v1", "true", "ConfigMap"],
        &["nodes", "no", "v1", "false", "Node"],
        &["customresourcedefinitions", "crd,crds", "apiextensions.k8s.io/v1", "false"],
        &["apiservices", "apiregistration.k8s.io/v1", "false", "APIService"],
        &["deployments", "deploy", "apps/v1", "true", "Deployment"],
        &["horizontalpodautoscalers", "hpa", "autoscaling/v2", "true"],
        &["cronjobs", "cj", "batch/v1", "true", "CronJob"],
        &["leases", "coordination.k8s.io/v1", "true", "Lease"],
        &["networkpolicies", "netpol", "networking.k8s.io/v1", "true", "NetworkPolicy"],
        &["clusterroles", "rbac.authorization.k8s.io/v1", "false", "ClusterRole"],
        &["storageclasses", "sc", "storage.k8s.io/v1", "false", "StorageClass"],
    ] {
        assert!(rows.iter().any(|found| found.starts_with(row)), "no {row:?} in\n{out}");
    }
    let all = bench.kubectl(&["api-resources", "--categories=all", "-o", "name"]);
    let mut all: Vec<&str> = all.lines().collect();
    all.sort_unstable();
    let expected = [
        "cronjobs.batch",
        "daemonsets.apps",
        "deployments.apps",
        "horizontalpodautoscalers.autoscaling",
        "jobs.batch",
        "pods",
        "replicasets.apps",
        "replicationcontrollers",
        "services",
        "statefulsets.apps",
    ];
    assert_eq!(all, expected);
}

#[test]
fn api_versions_lists_what_is_served_by_default() {
    let Some(bench) = Bench::start() else { return };
    let out = bench.kubectl(&["api-versions"]);
    let versions: Vec<&str> = out.lines().collect();
    for version in ["v1", "apps/v1", "autoscaling/v1", "autoscaling/v2", "batch/v1", "policy/v1"] {
        assert!(versions.contains(&version), "no {version} in\n{out}");
    }
    assert!(!out.contains("alpha"), "{out}");
}

#[test]
fn explain_describes_kinds_and_fields() {
    let Some(bench) = Bench::start() else { return };
    let kind = bench.kubectl(&["explain", "deployments"]);
    assert!(kind.contains("GROUP:      apps"), "{kind}");
    assert!(kind.contains("KIND:       Deployment"), "{kind}");
    assert!(kind.contains("VERSION:    v1"), "{kind}");
    assert!(kind.contains("spec\t<DeploymentSpec>"), "{kind}");
    let field = bench.kubectl(&["explain", "pod.spec.containers.image"]);
    assert!(field.contains("FIELD: image <string>"), "{field}");
    assert!(field.contains("Container image name."), "{field}");
    let tree = bench.kubectl(&["explain", "service.spec", "--recursive"]);
    assert!(tree.contains("nodePort\t<integer>"), "{tree}");
    let missing = bench.kubectl_fails(&["explain", "pod.spec.nothing"]);
    assert!(missing.contains("field \"nothing\" does not exist"), "{missing}");
}

#[test]
fn health_is_told_check_by_check() {
    let Some(bench) = Bench::start() else { return };
    assert_eq!(bench.kubectl(&["get", "--raw", "/healthz"]), "ok");
    let out = bench.kubectl(&["get", "--raw", "/readyz?verbose"]);
    assert!(out.contains("[+]ping ok"), "{out}");
    assert!(out.ends_with("readyz check passed\n"), "{out}");
    let metrics = bench.kubectl(&["get", "--raw", "/metrics"]);
    assert!(metrics.contains("apiserver_request_total{"), "{metrics}");
}
