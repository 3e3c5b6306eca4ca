//! The clients that `tests/run` installs, and how a test runs them against a server.

use crate::harness::Server;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

/// Longest that one command may run, in seconds.
const COMMAND_SECONDS_MAX: &str = "60";

/// The installed clients; `None`, with a printed line, where `KUBERING_NO_TOOLS=1` says that their
/// tests are to be left out. Without that variable missing clients fail the test.
pub(crate) fn tools() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    if tools.join("stamp").exists() {
        return Some(tools);
    }
    let out = std::env::var_os("KUBERING_NO_TOOLS").is_some_and(|value| value == "1");
    assert!(
        out,
        "kubectl and helm are not installed: run `tests/run` (or set KUBERING_NO_TOOLS=1)"
    );
    println!("left out: KUBERING_NO_TOOLS=1");
    None
}

/// A server with the clients for it.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The server.
    pub(crate) server: Server,
    tools: PathBuf,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its words.
    pub(crate) line: String,
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Bench {
    /// Starts a server; `None` where the clients are left out.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with flags of its own; `None` where the clients are left out.
    pub(crate) fn start_with(flags: &[&str]) -> Option<Self> {
        let tools = tools()?;
        let bench = Self { server: Server::start(flags), tools };
        std::fs::create_dir(bench.scratch()).expect("a directory for the test's files");
        Some(bench)
    }

    /// Runs kubectl, whatever comes of it.
    pub(crate) fn kubectl_any(&self, args: &[&str]) -> Ran {
        self.run(&mut self.command("kubectl", args), "kubectl", args)
    }

    /// Runs kubectl, which must succeed; its standard output.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.kubectl_any(args).must_succeed()
    }

    /// Runs kubectl with a manifest on its standard input, which must succeed.
    pub(crate) fn kubectl_with(&self, args: &[&str], manifest: &str) -> String {
        self.kubectl_with_any(args, manifest).must_succeed()
    }

    /// Runs kubectl with a manifest on its standard input, whatever comes of it.
    pub(crate) fn kubectl_with_any(&self, args: &[&str], manifest: &str) -> Ran {
        let path = self.scratch().join("stdin.yaml");
        std::fs::write(&path, manifest).expect("a file for the manifest");
        let mut command = self.command("kubectl", args);
        command.stdin(std::fs::File::open(&path).expect("the manifest"));
        self.run(&mut command, "kubectl", args)
    }

    /// Runs kubectl, which must fail; its standard error.
    pub(crate) fn kubectl_fails(&self, args: &[&str]) -> String {
        let ran = self.kubectl_any(args);
        assert!(ran.code != Some(0), "`{}` succeeded:\n{}", ran.line, ran.out);
        ran.err
    }

    /// Runs helm, which must succeed; its standard output.
    pub(crate) fn helm(&self, args: &[&str]) -> String {
        self.run(&mut self.command("helm", args), "helm", args).must_succeed()
    }

    /// Runs a script with the Python client, which must succeed; its standard output.
    pub(crate) fn python(&self, script: &str) -> String {
        let script = data(script).display().to_string();
        let args = [script.as_str()];
        self.run(&mut self.command("python/bin/python", &args), "python", &args).must_succeed()
    }

    /// A command over this server, with a home of its own: nothing of the user's is read.
    pub(crate) fn command(&self, tool: &str, args: &[&str]) -> Command {
        let home = self.scratch();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", COMMAND_SECONDS_MAX]);
        command.arg(self.tools.join(tool)).args(args);
        command.env("KUBECONFIG", self.server.kubeconfig()).env("HOME", &home);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HELM_CACHE_HOME", home.join("helm")).stdin(std::process::Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, command: &mut Command, tool: &str, args: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = command.output().expect("the command starts");
        Ran {
            line: format!("{tool} {}", args.join(" ")),
            code: status.code(),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// A directory for the test's own files; it goes with the server.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.server.data_dir().with_file_name("scratch")
    }

    /// A namespace with the service account that a controller would have made for it.
    pub(crate) fn namespace(&self, name: &str) {
        self.kubectl(&["create", "namespace", name]);
        self.kubectl(&["create", "serviceaccount", "default", "-n", name]);
    }
}

impl Ran {
    /// Its standard output, if it succeeded.
    pub(crate) fn must_succeed(self) -> String {
        let Self { line, code, out, err } = self;
        assert!(code == Some(0), "`{line}` ended with {code:?}:\n{out}{err}");
        out
    }
}

/// A file or directory of `tests/data`.
pub(crate) fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// The words of each line.
pub(crate) fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}
