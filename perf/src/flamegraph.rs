//! `kubering-perf flamegraph`: where the server's CPU goes in a scenario, as an SVG.
//!
//! Linux' `perf` samples the server from outside, so that the kernel's part of it is seen as well;
//! `inferno` folds the stacks and draws them.

use crate::Fault;
use crate::args::{FlamegraphOptions, RunOptions};
use crate::host::Host;
use crate::scale::Scale;
use crate::scenario::{self, Scenario};
use crate::server::Server;
use inferno::collapse::Collapse as _;
use inferno::collapse::perf::Folder;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Samples a second of each core. With their stacks of 16 KiB more would be a load of its own.
const SAMPLES_PER_SECOND: &str = "199";
/// How long `perf` may take to write what it has.
const WRITE_MAX: Duration = Duration::from_secs(60);

/// Drives a server of its own through the scenarios; one SVG for each.
pub(crate) async fn command(options: &FlamegraphOptions) -> Result<(), Fault> {
    let chosen = scenario::chosen(&options.scenarios)?;
    let scale = Scale::named(&options.scale)?;
    std::fs::create_dir_all(&options.out)?;
    for scenario in chosen {
        let run = RunOptions {
            kubering: options.kubering.clone(),
            kubering_flags: options.kubering_flags.clone(),
            ..RunOptions::default()
        };
        let server = Server::all(&run).await?.pop().ok_or("no server was started")?;
        let pid = server.pid.ok_or("the server's process is not known")?;
        let folder = tempfile::TempDir::with_prefix("kubering-perf-")?;
        let data = folder.path().join("perf.data");
        eprintln!("{} with perf on process {pid}", scenario.name);
        let recording = record(pid, &options.call_graph, &data)?;
        let measures = scenario.run_on(&server, &scale, 0).await;
        end(recording).await?;
        let _measures = measures?;
        let out = options.out.join(format!("{}.svg", scenario.name));
        draw(&data, &title(scenario, &options.scale), &out).await?;
        server.stop().await;
        eprintln!("written to {}", out.display());
    }
    Ok(())
}

fn title(scenario: &Scenario, scale: &str) -> String {
    let Host { cpu, cores, kernel, .. } = Host::look();
    format!("{} ({scale}) · {cores} × {cpu} · {kernel}", scenario.about)
}

/// Starts `perf record` on a process.
fn record(pid: u32, call_graph: &str, data: &Path) -> Result<Child, Fault> {
    // The clock counts where there are no hardware counters, as in virtual machines.
    Command::new("perf")
        .args(["record", "--quiet", "-e", "cpu-clock", "-F", SAMPLES_PER_SECOND])
        .args(["--call-graph", call_graph, "-p", &pid.to_string(), "-o"])
        .arg(data)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("perf: {error} (Debian: linux-perf)").into())
}

/// Ends it so that it writes what it has.
async fn end(mut recording: Child) -> Result<(), Fault> {
    let pid = recording.id().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw).ok_or("perf has ended by itself")?;
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    tokio::time::timeout(WRITE_MAX, recording.wait()).await??;
    Ok(())
}

/// Turns what `perf` has written into an SVG.
async fn draw(data: &Path, title: &str, out: &Path) -> Result<(), Fault> {
    let script = data.with_extension("script");
    let status = Command::new("perf")
        .args(["script", "--no-inline", "-i"])
        .arg(data)
        .stdout(File::create(&script)?)
        .stderr(Stdio::null())
        .status()
        .await?;
    if !status.success() {
        return Err(format!("perf script: {status}").into());
    }
    let (title, out) = (title.to_owned(), PathBuf::from(out));
    tokio::task::spawn_blocking(move || fold(BufReader::new(File::open(script)?), &title, &out))
        .await?
}

/// Folds the stacks of `perf script` and draws them.
fn fold(script: impl std::io::BufRead, title: &str, out: &Path) -> Result<(), Fault> {
    let mut folded = Vec::new();
    Folder::default().collapse(script, &mut folded)?;
    let mut options = inferno::flamegraph::Options::default();
    title.clone_into(&mut options.title);
    let svg = BufWriter::new(File::create(out)?);
    inferno::flamegraph::from_reader(&mut options, &folded[..], svg)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::fold;

    const SCRIPT: &str = "\
kubering-0 7 [000] 1.0: 1 cpu-clock:
\t55 kubering::codec::json::encode+0x5 (kubering)
\t44 kubering::api::verb::get::serve+0x4 (kubering)

kubering-0 7 [000] 1.1: 1 cpu-clock:
\tffffffff81 io_uring_enter+0x1 ([kernel.kallsyms])
\t33 glommio::sys::sleep+0x3 (kubering)

";

    #[test]
    fn stacks_of_perf_become_a_picture() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let out = folder.path().join("get.svg");
        fold(SCRIPT.as_bytes(), "one pod", &out).expect("it is drawn");
        let svg = std::fs::read_to_string(out).expect("the picture");
        for part in ["one pod", "kubering::codec::json::encode", "io_uring_enter"] {
            assert!(svg.contains(part), "{part}");
        }
    }
}
