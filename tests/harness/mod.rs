//! The real binary under test: started in a directory of its own on a free port, waited for,
//! stopped or killed, its log shown when the test fails.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// How long a start may take, with a debug build on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(60);

/// A server; dropping it kills it and removes its data.
#[derive(Debug)]
pub(crate) struct Server {
    home: TempDir,
    /// Where it listens, on the loopback.
    pub(crate) port: u16,
    flags: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts one with an empty store and waits until it is ready.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let home = TempDir::new().expect("a directory for the server");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.expect("a free port").port();
        let flags = flags.iter().map(ToString::to_string).collect();
        let mut server = Self { home, port, flags, child: None };
        server.start_again();
        server
    }

    /// Starts it anew over the data that is there, and waits until it is ready.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        let log = File::options().append(true).create(true).open(self.log_path()).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_kubering"))
            .arg(format!("--data-dir={}", self.data_dir().display()))
            .arg(format!("--secure-port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--shards=2", "--pin-shards=false"])
            .args(&self.flags)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.child = Some(child);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + START;
        let mut last = "no kubeconfig was written".to_owned();
        loop {
            if let Some(status) = self.exited() {
                panic!("the server ended at its start: {status}");
            }
            if self.kubeconfig().exists() {
                match self.get("/readyz") {
                    Ok(_) => return,
                    Err(why) => last = why,
                }
            }
            assert!(Instant::now() < deadline, "not ready after {START:?}: {last}");
            pause(Duration::from_millis(20));
        }
    }

    /// The text of a path, by the administrator.
    pub(crate) fn get(&self, path: &str) -> Result<String, String> {
        let (kubeconfig, path) = (self.kubeconfig(), path.to_owned());
        // A thread of its own: the caller may stand in a runtime already.
        let ask = move || -> Result<String, String> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|e| e.to_string())?.block_on(async {
                let client = client(&kubeconfig).await?;
                let request = http::Request::get(&path).body(Vec::new());
                let request = request.map_err(|e| e.to_string())?;
                client.request_text(request).await.map_err(|e| format!("{path}: {e:?}"))
            })
        };
        std::thread::spawn(ask).join().map_err(|_| "the client panicked".to_owned())?
    }

    /// Ends it at once, as a power cut would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks it to end (SIGTERM) and waits.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        let mut child = self.child.take().expect("the server runs");
        let deadline = Instant::now() + STOP;
        loop {
            if let Some(status) = child.try_wait().expect("the state of a child") {
                return status;
            }
            if Instant::now() > deadline {
                drop(child.kill());
                panic!("the server did not end within {STOP:?} of SIGTERM");
            }
            pause(Duration::from_millis(10));
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().expect("the server runs");
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, signal).expect("a signal");
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("the state of a child"))
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.data_dir().join("admin.kubeconfig")
    }

    /// Where it keeps everything.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// What the server printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(80).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            println!("---- the server's log, last lines ----\n{}", tail.join("\n"));
        }
    }
}

/// A client of the `kube` crate for a kubeconfig.
pub(crate) async fn client(kubeconfig: &Path) -> Result<kube::Client, String> {
    let file = kube::config::Kubeconfig::read_from(kubeconfig).map_err(|e| e.to_string())?;
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options).await;
    kube::Client::try_from(config.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
}

/// Blocks the thread of a test.
#[expect(clippy::disallowed_methods, reason = "a test's thread is no shard and may block")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
