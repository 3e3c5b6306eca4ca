//! helm installs, upgrades, rolls back, lists and removes a chart.

use crate::tools::Bench;
use crate::tools::data;
use crate::tools::rows;

#[test]
fn a_release_from_install_to_uninstall() {
    let Some(bench) = Bench::start() else { return };
    let chart = data("chart").display().to_string();
    let image = ["get", "deployment", "web", "-o", "jsonpath={..image} {.spec.replicas}"];

    let out = bench.helm(&["install", "web", &chart, "--server-side=false"]);
    assert!(out.contains("STATUS: deployed") && out.contains("REVISION: 1"), "{out}");
    assert_eq!(bench.kubectl(&image), "nginx:1.0 1");

    let set = ["upgrade", "web", &chart, "--server-side=false", "--set", "tag=2.0,replicas=3"];
    assert!(bench.helm(&set).contains("REVISION: 2"));
    assert_eq!(bench.kubectl(&image), "nginx:2.0 3");

    bench.helm(&["rollback", "web", "1", "--server-side=false"]);
    assert_eq!(bench.kubectl(&image), "nginx:1.0 1");

    let out = bench.helm(&["list"]);
    assert_eq!(rows(&out)[1][..3], ["web", "default", "3"], "{out}");
    let out = bench.helm(&["history", "web"]);
    assert_eq!(rows(&out).len(), 4, "{out}");
    let out = bench.helm(&["get", "manifest", "web"]);
    assert!(out.contains("nginx:1.0"), "{out}");
    let secrets = ["get", "secrets", "-l", "owner=helm", "-o", "jsonpath={.items[*].type}"];
    assert_eq!(bench.kubectl(&secrets), ["helm.sh/release.v1"; 3].join(" "));

    bench.helm(&["uninstall", "web"]);
    assert!(bench.kubectl_fails(&image).contains("NotFound"));
    assert_eq!(bench.kubectl(&["get", "secrets", "-l", "owner=helm", "-o", "name"]), "");
}
