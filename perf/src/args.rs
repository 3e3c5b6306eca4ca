//! The command line.

use crate::Fault;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
kubering-perf: load, latency and cost of Kubernetes API servers, side by side

kubering-perf run [options]         drive the servers, write a report
  --kubering PATH                   the binary to measure (default: beside this one)
  --kubering-flag FLAG              a flag more for it; may be repeated
  --peer PATH --etcd PATH           kube-apiserver and its etcd, driven in the same run
  --kubeconfig FILE                 a running server by its kubeconfig; may be repeated
  --pid PID                         its process, for CPU and memory (one for each --kubeconfig)
  --scenario NAME                   only this one; may be repeated (names: kubering-perf list)
  --scale small|standard|large      how much load (default: standard)
  --rounds N                        times each scenario runs on each server (default: 3)
  --out DIR                         where to write (default: perf/runs/<date>-<host kind>)

kubering-perf capacity RUN.JSON [--p99 MS] [--cores N] [--memory-gib N] [--share PERCENT]
kubering-perf flamegraph [SCENARIO…] [options]   where the server's CPU goes, as SVG (needs perf)
  --kubering PATH, --kubering-flag FLAG, --scale   as for run
  --call-graph fp|dwarf             how stacks are walked (default: dwarf,16384; fp needs a build
                                    with RUSTFLAGS=-Cforce-frame-pointers=yes, and costs less)
  --out DIR                         where to write (default: flamegraphs)
kubering-perf list                  the scenarios
";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print the help.
    Help,
    /// Print the scenarios.
    List,
    /// Drive servers.
    Run(RunOptions),
    /// Turn a run into what a machine carries.
    Capacity(CapacityOptions),
    /// Draw where the CPU goes.
    Flamegraph(FlamegraphOptions),
}

/// What to draw.
#[derive(Debug)]
pub(crate) struct FlamegraphOptions {
    pub(crate) kubering: Option<PathBuf>,
    pub(crate) kubering_flags: Vec<String>,
    /// All if none is named.
    pub(crate) scenarios: Vec<String>,
    pub(crate) scale: String,
    /// For `perf record --call-graph`.
    pub(crate) call_graph: String,
    pub(crate) out: PathBuf,
}

/// A run's choices.
#[derive(Debug, Default)]
pub(crate) struct RunOptions {
    pub(crate) kubering: Option<PathBuf>,
    pub(crate) kubering_flags: Vec<String>,
    pub(crate) peer: Option<(PathBuf, PathBuf)>,
    pub(crate) kubeconfigs: Vec<PathBuf>,
    pub(crate) pids: Vec<u32>,
    pub(crate) scenarios: Vec<String>,
    pub(crate) scale: String,
    pub(crate) rounds: u32,
    pub(crate) out: Option<PathBuf>,
}

/// What to reckon a machine's capacity by.
#[derive(Debug)]
pub(crate) struct CapacityOptions {
    pub(crate) run: PathBuf,
    /// The latency that has to hold, milliseconds.
    pub(crate) p99_ms: f64,
    /// The machine's cores; the run's own without it.
    pub(crate) cores: Option<f64>,
    /// The machine's memory, GiB; the run's own without it.
    pub(crate) memory_gib: Option<f64>,
    /// The share of cores and memory that may be used, percent.
    pub(crate) share_percent: f64,
}

/// Reads the arguments, the program's name first. Errors are texts for the user.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Fault> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    match parser.next()? {
        None | Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => Ok(Command::Help),
        Some(lexopt::Arg::Value(name)) if name == "run" => run(parser).map(Command::Run),
        Some(lexopt::Arg::Value(name)) if name == "capacity" => {
            capacity(parser).map(Command::Capacity)
        }
        Some(lexopt::Arg::Value(name)) if name == "flamegraph" => {
            flamegraph(parser).map(Command::Flamegraph)
        }
        Some(lexopt::Arg::Value(name)) if name == "list" => Ok(Command::List),
        Some(other) => Err(format!("{}; see --help", other.unexpected()).into()),
    }
}

fn run(mut parser: lexopt::Parser) -> Result<RunOptions, Fault> {
    let mut options = RunOptions {
        kubering: None,
        kubering_flags: Vec::new(),
        peer: None,
        kubeconfigs: Vec::new(),
        pids: Vec::new(),
        scenarios: Vec::new(),
        scale: "standard".to_owned(),
        rounds: 3,
        out: None,
    };
    let (mut peer, mut etcd) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("kubering") => options.kubering = Some(parser.value()?.into()),
            lexopt::Arg::Long("kubering-flag") => {
                options.kubering_flags.push(text(&mut parser)?);
            }
            lexopt::Arg::Long("peer") => peer = Some(PathBuf::from(parser.value()?)),
            lexopt::Arg::Long("etcd") => etcd = Some(PathBuf::from(parser.value()?)),
            lexopt::Arg::Long("kubeconfig") => options.kubeconfigs.push(parser.value()?.into()),
            lexopt::Arg::Long("pid") => options.pids.push(text(&mut parser)?.parse()?),
            lexopt::Arg::Long("scenario") => options.scenarios.push(text(&mut parser)?),
            lexopt::Arg::Long("scale") => options.scale = text(&mut parser)?,
            lexopt::Arg::Long("rounds") => options.rounds = text(&mut parser)?.parse()?,
            lexopt::Arg::Long("out") => options.out = Some(parser.value()?.into()),
            other => return Err(format!("{}; see --help", other.unexpected()).into()),
        }
    }
    options.peer = match (peer, etcd) {
        (Some(peer), Some(etcd)) => Some((peer, etcd)),
        (None, None) => None,
        _ => return Err("--peer and --etcd go together".into()),
    };
    if options.pids.len() > options.kubeconfigs.len() {
        return Err("--pid names the process of a --kubeconfig: there are more of them".into());
    }
    if options.rounds == 0 {
        return Err("--rounds must be 1 or more".into());
    }
    Ok(options)
}

fn capacity(mut parser: lexopt::Parser) -> Result<CapacityOptions, Fault> {
    let mut run = None;
    let mut options = CapacityOptions {
        run: PathBuf::new(),
        p99_ms: 10.0,
        cores: None,
        memory_gib: None,
        share_percent: 60.0,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Value(path) if run.is_none() => run = Some(PathBuf::from(path)),
            lexopt::Arg::Long("p99") => options.p99_ms = text(&mut parser)?.parse()?,
            lexopt::Arg::Long("cores") => options.cores = Some(text(&mut parser)?.parse()?),
            lexopt::Arg::Long("memory-gib") => {
                options.memory_gib = Some(text(&mut parser)?.parse()?);
            }
            lexopt::Arg::Long("share") => options.share_percent = text(&mut parser)?.parse()?,
            other => return Err(format!("{}; see --help", other.unexpected()).into()),
        }
    }
    options.run = run.ok_or("capacity needs a run.json")?;
    Ok(options)
}

fn flamegraph(mut parser: lexopt::Parser) -> Result<FlamegraphOptions, Fault> {
    let mut options = FlamegraphOptions {
        kubering: None,
        kubering_flags: Vec::new(),
        scenarios: Vec::new(),
        scale: "standard".to_owned(),
        call_graph: "dwarf,16384".to_owned(),
        out: PathBuf::from("flamegraphs"),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Value(name) => {
                options.scenarios.push(name.into_string().map_err(|_| "a name is not UTF-8")?);
            }
            lexopt::Arg::Long("kubering") => options.kubering = Some(parser.value()?.into()),
            lexopt::Arg::Long("kubering-flag") => options.kubering_flags.push(text(&mut parser)?),
            lexopt::Arg::Long("scale") => options.scale = text(&mut parser)?,
            lexopt::Arg::Long("call-graph") => options.call_graph = text(&mut parser)?,
            lexopt::Arg::Long("out") => options.out = parser.value()?.into(),
            other => return Err(format!("{}; see --help", other.unexpected()).into()),
        }
    }
    Ok(options)
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Fault> {
    Ok(parser.value()?.into_string().map_err(|_| "a value is not UTF-8")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let words = line.split_whitespace().map(OsString::from);
        parse([OsString::from("kubering-perf")].into_iter().chain(words)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_peer_needs_its_etcd() {
        let text = parsed("run --peer apiserver").expect_err("half a peer");
        assert_eq!(text, "--peer and --etcd go together");
        let Ok(Command::Run(options)) = parsed("run --peer a --etcd b --rounds 2") else {
            panic!("a run");
        };
        assert_eq!(options.peer, Some(("a".into(), "b".into())));
        assert_eq!(options.rounds, 2);
    }

    #[test]
    fn flamegraphs_are_of_the_scenarios_that_are_named() {
        let Ok(Command::Flamegraph(options)) = parsed("flamegraph get list --call-graph fp") else {
            panic!("flamegraphs");
        };
        assert_eq!((options.scenarios.len(), &*options.call_graph), (2, "fp"));
    }

    #[test]
    fn an_unknown_flag_is_named() {
        assert!(parsed("run --fast").expect_err("no such flag").contains("--fast"));
    }
}
