//! The scenarios, and the run that takes the servers through them in alternation.

mod churn;
mod custom;
mod fanout;
mod get;
mod handshake;
mod herd;
mod idle;
mod lease;
mod list;
mod nodes;
mod policy;
mod slow;
mod stage;
mod webhook;

use crate::Fault;
use crate::args::RunOptions;
use crate::host::Host;
use crate::measure::{Measure, Run};
use crate::report;
use crate::scale::Scale;
use crate::server::Server;
use stage::Stage;
use std::fmt::Write;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<Measure>, Fault>> + Send + 'a>>;

/// One scenario.
pub(crate) struct Scenario {
    /// Its name on the command line and in the report.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) about: &'static str,
    run: for<'a> fn(&'a Stage<'a>) -> Running<'a>,
}

impl Scenario {
    /// Runs it once.
    pub(crate) async fn run_on(
        &self,
        server: &Server,
        scale: &Scale,
        round: u32,
    ) -> Result<Vec<Measure>, Fault> {
        (self.run)(&Stage { scenario: self.name, server, scale, round }).await
    }
}

/// All of them, in the order they run: what leaves few objects behind first.
pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "handshake",
        about: "TLS handshakes, full and resumed",
        run: |stage| Box::pin(handshake::run(stage)),
    },
    Scenario {
        name: "lease",
        about: "lease heartbeats: PUT from many nodes, at saturation and paced",
        run: |stage| Box::pin(lease::run(stage)),
    },
    Scenario {
        name: "fanout",
        about: "one change to many watchers: cost an event, latency from write to client",
        run: |stage| Box::pin(fanout::run(stage)),
    },
    Scenario {
        name: "slow-watcher",
        about: "one stuck reader among watchers: what the others notice",
        run: |stage| Box::pin(slow::run(stage)),
    },
    Scenario {
        name: "idle",
        about: "watches that see nothing: memory of each",
        run: |stage| Box::pin(idle::run(stage)),
    },
    Scenario {
        name: "churn",
        about: "pods made, bound, reported on and deleted",
        run: |stage| Box::pin(churn::run(stage)),
    },
    Scenario {
        name: "nodes",
        about: "kubelets with their watches, leases and statuses",
        run: |stage| Box::pin(nodes::run(stage)),
    },
    Scenario {
        name: "custom",
        about: "a custom resource beside a built-in kind: create, read",
        run: |stage| Box::pin(custom::run(stage)),
    },
    Scenario {
        name: "policy",
        about: "creates without validating policies and with ten that match",
        run: |stage| Box::pin(policy::run(stage)),
    },
    Scenario {
        name: "webhook",
        about: "creates without a validating webhook and with one",
        run: |stage| Box::pin(webhook::run(stage)),
    },
    Scenario {
        name: "get",
        about: "one pod: JSON, protobuf, metadata, from cache; at saturation and paced",
        run: |stage| Box::pin(get::run(stage)),
    },
    Scenario {
        name: "list",
        about: "all pods: whole, in pages, by selector, one namespace, gzip, streamed",
        run: |stage| Box::pin(list::run(stage)),
    },
    Scenario {
        name: "herd",
        about: "many clients list and watch at once, as after a restart",
        run: |stage| Box::pin(herd::run(stage)),
    },
];

/// The text of `kubering-perf list`.
pub(crate) fn listing() -> String {
    let mut text = String::new();
    for scenario in ALL {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:14} {}", scenario.name, scenario.about);
    }
    text
}

/// Runs what the options say and writes the report.
pub(crate) async fn run(options: &RunOptions) -> Result<(), Fault> {
    let scale = Scale::named(&options.scale)?;
    let chosen = chosen(&options.scenarios)?;
    let host = Host::look();
    let began = time::OffsetDateTime::now_utc();
    let servers = Server::all(options).await?;
    let mut run = Run {
        began: began.format(&time::format_description::well_known::Rfc3339)?,
        scale: options.scale.clone(),
        host,
        servers: servers.iter().map(|server| server.about.clone()).collect(),
        measures: Vec::new(),
    };
    for scenario in &chosen {
        for round in 0..options.rounds {
            for server in &servers {
                let name = &server.about.name;
                eprintln!("{} · round {} · {name}", scenario.name, round + 1);
                match scenario.run_on(server, &scale, round).await {
                    Ok(measures) => {
                        measures.iter().for_each(|it| eprintln!("  {}", report::line(it)));
                        run.measures.extend(measures);
                    }
                    Err(why) => eprintln!("  {} on {name} failed: {why}", scenario.name),
                }
            }
        }
    }
    for server in servers {
        server.stop().await;
    }
    let out = options.out.clone().unwrap_or_else(|| {
        PathBuf::from(format!("perf/runs/{}-{}", began.date(), run.host.kind()))
    });
    report::write(&run, &out)?;
    eprintln!("written to {}", out.display());
    let failed = chosen.iter().find(|it| !run.measures.iter().any(|m| m.scenario == it.name));
    match failed {
        Some(scenario) => Err(format!("{} brought no figure", scenario.name).into()),
        None => Ok(()),
    }
}

/// The scenarios of these names; all for none.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, Fault> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| format!("no scenario {name:?}; see kubering-perf list").into())
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scenario_is_named() {
        let why = chosen(&["fast".to_owned()]).err().map(|e| e.to_string());
        assert_eq!(why.as_deref(), Some("no scenario \"fast\"; see kubering-perf list"));
        assert_eq!(chosen(&[]).map(|all| all.len()).ok(), Some(ALL.len()));
    }
}
