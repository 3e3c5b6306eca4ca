//! What a machine carries, reckoned from a run: nodes by their CPU, pods by their memory.
//!
//! Nodes: the `nodes` scenario gives the server's CPU time that one node takes a second; the share
//! of the machine's cores that may be used, over that. It holds only for a latency that the run
//! showed, so the run's own p99 must be within the bound. Pods: the memory that may be used, less
//! what the empty server takes, over what each of the standing pods took.

use crate::Fault;
use crate::args::CapacityOptions;
use crate::measure::{Measure, Row, Run};
use std::fs;

/// Prints what each server of a run would carry.
pub(crate) fn command(options: &CapacityOptions) -> Result<(), Fault> {
    let name = options.run.display();
    let bytes = fs::read(&options.run).map_err(|e| format!("{name}: {e}"))?;
    let run: Run = serde_json::from_slice(&bytes).map_err(|e| format!("{name}: {e}"))?;
    for server in &run.servers {
        println!("{}", sentence(&run, &server.name, options)?);
    }
    Ok(())
}

/// One server's capacity as a sentence. Fails if the run lacks what it is reckoned from.
fn sentence(run: &Run, server: &str, options: &CapacityOptions) -> Result<String, Fault> {
    let cores = options.cores.unwrap_or(run.host.cores as f64);
    let memory = options.memory_gib.map_or(run.host.memory_bytes as f64, |gib| gib * GIB);
    let share = options.share_percent / 100.0;
    let rows = Row::all(run);
    let find = |scenario: &str, figure: &'static str| {
        rows.iter().find(|row| {
            let first = row.first();
            first.scenario == scenario
                && first.server == server
                && first.figures.contains_key(figure)
        })
    };
    let node_us = "server CPU us a second, a node";
    let nodes = find("nodes", node_us)
        .ok_or_else(|| format!("{server}: the run has no figure of scenario nodes"))?;
    let figure = |name: &'static str| move |it: &Measure| it.figures.get(name).copied();
    let us = nodes.median(figure(node_us)).unwrap_or(f64::INFINITY);
    let p99 = nodes.median(|it| it.latency_ms(99.0)).unwrap_or(f64::INFINITY);
    let count = cores * share * 1e6 / us;
    let pod_bytes = "resident bytes a pod";
    let pods = rows
        .iter()
        .filter(|row| row.first().server == server)
        .find_map(|row| row.median(figure(pod_bytes)))
        .filter(|bytes| *bytes > 0.0);
    let empty = run.servers.iter().find(|it| it.name == server).and_then(|it| it.resident_bytes);
    let pods = pods.map_or("pods: not measured".to_owned(), |bytes| {
        format!("{:.0} pods", (memory * share - empty.unwrap_or(0) as f64).max(0.0) / bytes)
    });
    let verdict = if p99 <= options.p99_ms {
        format!("at p99 <= {} ms (measured {p99:.2} ms)", options.p99_ms)
    } else {
        format!("but not at p99 <= {} ms: the run measured {p99:.2} ms", options.p99_ms)
    };
    Ok(format!(
        "{server}: {cores} cores and {:.0} GiB, {}% of them used, carry {count:.0} nodes / {pods} \
         {verdict}",
        memory / GIB,
        options.share_percent
    ))
}

const GIB: f64 = (1_u64 << 30) as f64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::measure::{About, sample};

    fn run_of(figure_us: f64) -> Run {
        let mut nodes =
            sample("a", 0, 100, 0.1).figure("server CPU us a second, a node", figure_us);
        nodes.scenario = "nodes".to_owned();
        let fill = sample("a", 0, 100, 0.1).figure("resident bytes a pod", 4096.0);
        Run {
            began: String::new(),
            scale: String::new(),
            host: Host { cores: 2, memory_bytes: 1 << 30, ..Host::look() },
            servers: vec![About {
                name: "a".to_owned(),
                version: String::new(),
                start_seconds: None,
                resident_bytes: Some(0),
            }],
            measures: vec![nodes, fill],
        }
    }

    fn options(p99_ms: f64) -> CapacityOptions {
        CapacityOptions {
            run: "run.json".into(),
            p99_ms,
            cores: None,
            memory_gib: None,
            share_percent: 50.0,
        }
    }

    #[test]
    fn nodes_by_cpu_and_pods_by_memory() {
        let text = sentence(&run_of(10.0), "a", &options(5.0)).expect("a capacity");
        assert!(text.contains("carry 100000 nodes / 131072 pods at p99 <= 5 ms"), "{text}");
    }

    #[test]
    fn a_latency_that_the_run_missed_is_said() {
        let text = sentence(&run_of(10.0), "a", &options(1.0)).expect("a capacity");
        assert!(text.contains("but not at p99 <= 1 ms: the run measured 3.00 ms"), "{text}");
    }

    #[test]
    fn a_run_without_nodes_is_refused() {
        let mut run = run_of(10.0);
        run.measures.remove(0);
        let why = sentence(&run, "a", &options(1.0)).expect_err("no nodes").to_string();
        assert_eq!(why, "a: the run has no figure of scenario nodes");
    }
}
