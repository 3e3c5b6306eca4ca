//! The servers of a run: kubering and its peer started here, or any that runs already.

use crate::Fault;
use crate::args::RunOptions;
use crate::client::{Call, Client, Endpoint};
use crate::kubeconfig::{self, Access};
use crate::measure::About;
use crate::pki::Pki;
use crate::process;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a server may take to be ready.
const READY: Duration = Duration::from_secs(120);
/// Time between looks at `/readyz`: the error of a start time.
const READY_EVERY: Duration = Duration::from_millis(5);

/// A server that can be driven.
#[derive(Debug)]
pub(crate) struct Server {
    /// What the report says of it.
    pub(crate) about: About,
    /// How to reach it.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Its process, if known.
    pub(crate) pid: Option<u32>,
    /// Its store's process, if it has one.
    pub(crate) store_pid: Option<u32>,
    /// How many pods the scenarios before have left in it.
    pub(crate) pods: AtomicUsize,
    // Killed when dropped, the server before its store; the folder goes last.
    children: Vec<Child>,
    home: Option<Arc<tempfile::TempDir>>,
}

impl Server {
    /// Starts, or reaches, all servers of a run.
    pub(crate) async fn all(options: &RunOptions) -> Result<Vec<Self>, Fault> {
        let mut servers = Vec::new();
        for (index, path) in options.kubeconfigs.iter().enumerate() {
            let pid = options.pids.get(index).copied();
            servers.push(Self::running(path, pid).await?);
        }
        if servers.is_empty() || options.kubering.is_some() || options.peer.is_some() {
            let home = Arc::new(tempfile::TempDir::with_prefix("kubering-perf-")?);
            let pki = Pki::make(home.path())?;
            let binary = options.kubering.clone().map_or_else(beside, Ok)?;
            servers.push(Self::kubering(&binary, &options.kubering_flags, &home, &pki).await?);
            if let Some((peer, etcd)) = &options.peer {
                servers.push(Self::kube_apiserver(peer, etcd, &home, &pki).await?);
            }
        }
        Ok(servers)
    }

    async fn running(path: &Path, pid: Option<u32>) -> Result<Self, Fault> {
        let access = kubeconfig::read(path)?;
        let name = access.server.trim_start_matches("https://").to_owned();
        Self::ready(&name, &access, None, Vec::new(), pid, None).await
    }

    async fn kubering(
        binary: &Path,
        flags: &[String],
        home: &Arc<tempfile::TempDir>,
        pki: &Pki,
    ) -> Result<Self, Fault> {
        let port = free_port()?;
        let began = Instant::now();
        let child = Command::new(binary)
            .arg(format!("--data-dir={}", home.path().join("kubering").display()))
            .args(serving(pki, port))
            .args(flags)
            .output_to(&home.path().join("kubering.log"))?
            .spawn()
            .map_err(|e| format!("{}: {e}", binary.display()))?;
        let pid = child.id();
        let access = access(pki, port)?;
        let mut server =
            Self::ready("kubering", &access, Some(began), vec![child], pid, None).await?;
        server.home = Some(Arc::clone(home));
        Ok(server)
    }

    async fn kube_apiserver(
        binary: &Path,
        etcd: &Path,
        home: &Arc<tempfile::TempDir>,
        pki: &Pki,
    ) -> Result<Self, Fault> {
        let (client, peer) = (free_port()?, free_port()?);
        let url = format!("http://127.0.0.1:{client}");
        let store = Command::new(etcd)
            .arg(format!("--data-dir={}", home.path().join("etcd").display()))
            .arg(format!("--listen-client-urls={url}"))
            .arg(format!("--advertise-client-urls={url}"))
            .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer}"))
            .arg("--quota-backend-bytes=8589934592")
            .output_to(&home.path().join("etcd.log"))?
            .spawn()
            .map_err(|e| format!("{}: {e}", etcd.display()))?;
        wait_for_port(client).await?;
        let port = free_port()?;
        let began = Instant::now();
        let child = Command::new(binary)
            .arg(format!("--etcd-servers={url}"))
            .arg(format!("--cert-dir={}", home.path().display()))
            .args(serving(pki, port))
            .output_to(&home.path().join("kube-apiserver.log"))?
            .spawn()
            .map_err(|e| format!("{}: {e}", binary.display()))?;
        let (pid, store_pid) = (child.id(), store.id());
        let access = access(pki, port)?;
        let children = vec![child, store];
        let mut server =
            Self::ready("kube-apiserver", &access, Some(began), children, pid, store_pid).await?;
        server.home = Some(Arc::clone(home));
        Ok(server)
    }

    async fn ready(
        name: &str,
        access: &Access,
        began: Option<Instant>,
        children: Vec<Child>,
        pid: Option<u32>,
        store_pid: Option<u32>,
    ) -> Result<Self, Fault> {
        let endpoint = Arc::new(Endpoint::new(access)?);
        let client = wait_until_ready(name, &endpoint).await?;
        let start_seconds = began.map(|it| it.elapsed().as_secs_f64());
        let (_, version) = client.read(&Call::get("/version")).await?;
        let version: serde_json::Value = serde_json::from_slice(&version)?;
        Ok(Self {
            about: About {
                name: name.to_owned(),
                version: version["gitVersion"].as_str().unwrap_or("unknown").to_owned(),
                start_seconds,
                resident_bytes: pid.map(process::resident_bytes).transpose()?,
            },
            endpoint,
            pid,
            store_pid,
            pods: AtomicUsize::new(0),
            children,
            home: None,
        })
    }

    /// The pods in it, as the scenarios know.
    pub(crate) fn pods(&self) -> usize {
        self.pods.load(Ordering::Relaxed)
    }

    /// Ends what was started for it.
    pub(crate) async fn stop(mut self) {
        for mut child in self.children.drain(..) {
            // It may have ended by itself; then there is nothing to do.
            drop(child.kill().await);
        }
    }
}

/// The flags that both servers are given alike.
fn serving(pki: &Pki, port: u16) -> Vec<String> {
    vec![
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", pki.cert.display()),
        format!("--tls-private-key-file={}", pki.key.display()),
        format!("--token-auth-file={}", pki.tokens.display()),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", pki.public.display()),
        format!("--service-account-signing-key-file={}", pki.key.display()),
    ]
}

fn access(pki: &Pki, port: u16) -> Result<Access, Fault> {
    Ok(Access {
        server: format!("https://127.0.0.1:{port}"),
        ca: std::fs::read(&pki.ca)?,
        client: None,
        token: Some(pki.token.clone()),
    })
}

/// The kubering binary in the same build folder.
fn beside() -> Result<PathBuf, Fault> {
    let path = std::env::current_exe()?.with_file_name("kubering");
    if path.exists() {
        return Ok(path);
    }
    Err(format!("no kubering at {}: build it, or name it with --kubering", path.display()).into())
}

fn free_port() -> Result<u16, Fault> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn wait_for_port(port: u16) -> Result<(), Fault> {
    let deadline = Instant::now() + READY;
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if Instant::now() > deadline {
            return Err(format!("nothing listens on port {port} after {READY:?}").into());
        }
        tokio::time::sleep(READY_EVERY).await;
    }
    Ok(())
}

async fn wait_until_ready(name: &str, endpoint: &Arc<Endpoint>) -> Result<Client, Fault> {
    let deadline = Instant::now() + READY;
    let mut last = "no connection".to_owned();
    while Instant::now() < deadline {
        match endpoint.connect().await {
            Ok(client) => match client.send(&Call::get("/readyz")).await {
                Ok(answer) if answer.status == 200 => return Ok(client),
                Ok(answer) => last = String::from_utf8_lossy(&answer.head).into_owned(),
                Err(why) => last = why.to_string(),
            },
            Err(why) => last = why.to_string(),
        }
        tokio::time::sleep(READY_EVERY).await;
    }
    Err(format!("{name} is not ready after {READY:?}: {last}").into())
}

/// A child whose output goes to a file and which ends with this process.
trait OutputTo: Sized {
    fn output_to(self, path: &Path) -> Result<Self, Fault>;
}

impl OutputTo for &mut Command {
    fn output_to(self, path: &Path) -> Result<Self, Fault> {
        let log = File::create(path)?;
        Ok(self.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true))
    }
}
