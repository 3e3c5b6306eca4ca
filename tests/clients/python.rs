//! Python's Kubernetes client.

use crate::tools::Bench;

#[test]
fn the_script_runs_to_its_end() {
    let Some(bench) = Bench::start() else { return };
    let out = bench.python("python/client.py");
    assert!(out.ends_with("all done\n"), "{out}");
}
