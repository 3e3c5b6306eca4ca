//! A real etcd cluster under test: one or three members in directories of their own, with or
//! without TLS, killed and started again at will.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// How long a cluster may take to answer.
const START: Duration = Duration::from_secs(30);

/// Whether there is an etcd to test with. Without one the tests that need it say so and pass.
pub(crate) fn is_there() -> bool {
    let found = Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        println!("skipped: no etcd in PATH (on Debian and Ubuntu: apt-get install etcd-server)");
    }
    found
}

/// A cluster; dropping it kills its members and removes their data.
#[derive(Debug)]
pub(crate) struct Etcd {
    home: TempDir,
    members: Vec<Member>,
    tls: bool,
}

#[derive(Debug)]
struct Member {
    client: u16,
    peer: u16,
    child: Option<Child>,
}

impl Etcd {
    /// Starts one member without TLS.
    pub(crate) fn single() -> Self {
        Self::start(1, false)
    }

    /// Starts a cluster and waits until it answers.
    pub(crate) fn start(members: usize, tls: bool) -> Self {
        // In memory where that is possible: a killed process loses nothing of it.
        let shared = Path::new("/dev/shm");
        let home = if shared.is_dir() { TempDir::new_in(shared) } else { TempDir::new() };
        let home = home.expect("a directory for etcd");
        let ports = free_ports(members * 2);
        let members =
            ports.chunks(2).map(|pair| Member { client: pair[0], peer: pair[1], child: None });
        let mut etcd = Self { home, members: members.collect(), tls };
        if tls {
            etcd.make_certificates();
        }
        for member in 0..etcd.members.len() {
            etcd.start_member(member);
        }
        etcd.wait_until_ready();
        etcd
    }

    /// URLs for clients, separated by commas.
    pub(crate) fn urls(&self) -> String {
        let urls: Vec<_> = self.members.iter().map(|m| self.url(m.client)).collect();
        urls.join(",")
    }

    /// The server's flags for this cluster.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec![format!("--etcd-servers={}", self.urls())];
        if self.tls {
            for (flag, file) in
                [("cafile", "ca.crt"), ("certfile", "client.crt"), ("keyfile", "client.key")]
            {
                flags.push(format!("--etcd-{flag}={}", self.file(file).display()));
            }
        }
        flags
    }

    /// A file of its certificates.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// How many members it has.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Starts a member over the data that is there.
    pub(crate) fn start_member(&mut self, number: usize) {
        let name = |number: usize| format!("m{number}");
        let peers = self.members.iter().enumerate();
        let peers: Vec<_> = peers
            .map(|(number, member)| format!("{}={}", name(number), self.url(member.peer)))
            .collect();
        let (client, peer) = {
            let member = &self.members[number];
            (self.url(member.client), self.url(member.peer))
        };
        let log = self.file(&format!("m{number}.log"));
        let log = File::options().append(true).create(true).open(log).expect("a log");
        let mut command = Command::new("etcd");
        command
            .args(["--name", &name(number)])
            .args(["--data-dir".into(), self.file(&name(number))])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.join(",")])
            // Room for the largest value in a transaction.
            .args(["--max-request-bytes", "2097152"])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"]);
        if self.tls {
            for side in ["", "peer-"] {
                command
                    .arg(format!("--{side}trusted-ca-file={}", self.file("ca.crt").display()))
                    .arg(format!("--{side}cert-file={}", self.file("server.crt").display()))
                    .arg(format!("--{side}key-file={}", self.file("server.key").display()))
                    .arg(format!("--{side}client-cert-auth"));
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("etcd starts");
        self.members[number].child = Some(child);
    }

    /// Ends a member at once (SIGKILL).
    pub(crate) fn kill_member(&mut self, number: usize) {
        if let Some(mut child) = self.members[number].child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Stops a member without ending it, or lets it go on (SIGSTOP, SIGCONT).
    pub(crate) fn signal_member(&self, number: usize, signal: rustix::process::Signal) {
        let child = self.members[number].child.as_ref().expect("the member runs");
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, signal).expect("a signal");
    }

    /// A client of its own, beside the one under test.
    pub(crate) async fn client(&self) -> etcd_client::Client {
        let mut options = etcd_client::ConnectOptions::new();
        if self.tls {
            let read = |name| std::fs::read(self.file(name)).expect("a file");
            let identity = etcd_client::Identity::from_pem(read("client.crt"), read("client.key"));
            let ca = etcd_client::Certificate::from_pem(read("ca.crt"));
            let tls = etcd_client::TlsOptions::new().ca_certificate(ca).identity(identity);
            options = options.with_tls(tls);
        }
        let urls: Vec<_> = self.members.iter().map(|m| self.url(m.client)).collect();
        Box::pin(etcd_client::Client::connect(urls, Some(options))).await.expect("a client")
    }

    fn url(&self, port: u16) -> String {
        format!("{}://127.0.0.1:{port}", if self.tls { "https" } else { "http" })
    }

    fn wait_until_ready(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let deadline = Instant::now() + START;
        runtime.expect("a runtime").block_on(async {
            loop {
                let tried = tokio::time::timeout(
                    Duration::from_secs(2),
                    Box::pin(async { self.client().await.get("/", None).await }),
                );
                match tried.await {
                    Ok(Ok(_)) => return,
                    other => assert!(Instant::now() < deadline, "etcd does not answer: {other:?}"),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }

    fn make_certificates(&self) {
        let key = || rcgen::KeyPair::generate().expect("a key");
        let write =
            |name: &str, text: String| std::fs::write(self.file(name), text).expect("saved");
        let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = key();
        let certificate = ca.self_signed(&ca_key).expect("a certificate");
        write("ca.crt", certificate.pem());
        let issuer = rcgen::Issuer::new(ca, ca_key);
        for name in ["server", "client"] {
            let mut leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]);
            if let Ok(leaf) = &mut leaf {
                use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
                leaf.extended_key_usages = vec![ServerAuth, ClientAuth];
            }
            let leaf_key = key();
            let signed = leaf.expect("parameters").signed_by(&leaf_key, &issuer).expect("signed");
            write(&format!("{name}.crt"), signed.pem());
            write(&format!("{name}.key"), leaf_key.serialize_pem());
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for number in 0..self.members.len() {
            self.kill_member(number);
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.file(&format!("m{number}.log")));
                let log = log.unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(15).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                println!("---- etcd member {number}, last lines ----\n{}", tail.join("\n"));
            }
        }
    }
}

fn free_ports(count: usize) -> Vec<u16> {
    let sockets: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    sockets.iter().map(|socket| socket.local_addr().expect("an address").port()).collect()
}
