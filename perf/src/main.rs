//! kubering-perf: load, latency and cost of Kubernetes API servers, side by side.
//!
//! `kubering-perf run` starts kubering (and, with `--peer`, kube-apiserver on etcd), drives both in
//! alternation over HTTP/2 and TLS, and writes a report. `kubering-perf capacity` turns a run into
//! how many nodes and pods the machine carries; `kubering-perf flamegraph` shows where the CPU
//! goes. What the figures mean stands in [`measure`].

mod args;
mod capacity;
mod client;
mod flamegraph;
mod host;
mod kubeconfig;
mod load;
mod measure;
mod objects;
mod pki;
mod process;
mod report;
mod scale;
mod scenario;
mod server;

use args::Command;
use std::process::ExitCode;

/// What ends a run, as one line for the person who started it.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(why) => {
            eprintln!("kubering-perf: {why}");
            return ExitCode::from(2);
        }
    };
    let done = match command {
        Command::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
        Command::List => {
            print!("{}", scenario::listing());
            Ok(())
        }
        Command::Capacity(options) => capacity::command(&options),
        Command::Flamegraph(options) => {
            runtime().and_then(|it| it.block_on(flamegraph::command(&options)))
        }
        Command::Run(options) => runtime().and_then(|it| it.block_on(scenario::run(&options))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("kubering-perf: {why}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
