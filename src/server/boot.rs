//! Start and end of the server, each step in its order.

use crate::api::discovery::{Discovery, built_in};
use crate::base::clock;
use crate::base::limits::SHARD_CONTROL_MAX;
use crate::base::ticks::Ticks;
use crate::cache::Cache;
use crate::cache::CacheSeed;
use crate::cache::Entry;
use crate::catalog::Storage;
use crate::client::Client;
use crate::config::Config;
use crate::rt;
use crate::rt::signal::Signal;
use crate::seal::Sealer;
use crate::server::admitting;
use crate::server::auditing::Auditing;
use crate::server::authentication::Providers;
use crate::server::authorization::Authorization;
use crate::server::credentials;
use crate::server::credentials::Credentials;
use crate::server::files::Files;
use crate::server::lifecycle::Lifecycle;
use crate::server::pki;
use crate::server::pki::Pki;
use crate::server::preflight;
use crate::server::sealing;
use crate::server::shard;
use crate::server::shard::Control;
use crate::server::shard::Seed;
use crate::server::shard::Shared;
use crate::store;
use crate::tls;
use async_channel::Receiver;
use async_channel::Sender;
use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

/// How often certificates are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);
/// How often the other files are looked at.
const FILES_INTERVAL: Duration = Duration::from_secs(1);
/// How long a port may go on being in use before the start is given up.
const ADDRESS_WAIT: Duration = Duration::from_secs(3);
/// How often it is tried meanwhile.
const ADDRESS_INTERVAL: Duration = Duration::from_millis(20);
/// How often the progress of loading is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long shards may take beyond their deadline to say that they are drained.
const DRAIN_SLACK: Duration = Duration::from_secs(5);

/// Why the server did not start; one line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootError {
    /// The command line names something unusable.
    Config(String),
    /// The machine does not allow what is needed.
    Preflight(String),
    /// Something failed on the way.
    Failed(String),
}

impl BootError {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Preflight(_) => 3,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(line) | Self::Preflight(line) | Self::Failed(line) => f.write_str(line),
        }
    }
}

impl std::error::Error for BootError {}

/// Runs the server until it is told to stop. `announce` is called once it serves, with what the
/// user needs to know.
///
/// # Errors
/// [`BootError`] if it could not start.
pub fn run(config: Config, announce: impl FnOnce(&str)) -> Result<(), BootError> {
    let started = clock::now();
    // Beside all that follows, which takes longer.
    std::thread::spawn(Ticks::calibrate);
    credentials::check(&config).map_err(BootError::Config)?;
    let mut shared = shared(&config)?;
    preflight::check(config.shards).map_err(BootError::Preflight)?;
    let signals = rt::signal::listen().map_err(|e| failed("cannot take signals", &e))?;
    let address = free_address(&config)?;
    let own = pki::ensure(&config, address.port()).map_err(BootError::Config)?;
    let credentials = Credentials::read(&config, &own).map_err(BootError::Config)?;
    let tickets = tls::Tickets::new().map_err(|e| BootError::Failed(e.to_string()))?;
    let tls = tls_config(&config, &own, &tickets).map_err(BootError::Config)?;
    shared.sealer = sealing::read(&config).map_err(BootError::Config)?;
    let auditing = Auditing::start(&config, &shared.client).map_err(BootError::Config)?;
    let (opened, store) = open_store(&config, shared.sealer.clone())?;
    let (others, other_stores) = open_others(&config, shared.sealer.as_ref())?;
    shared.other_stores = other_stores.iter().map(|store| Arc::clone(store.health())).collect();
    log::info!("store is open at revision {}, {} objects", opened.revision, opened.state.len());

    let lifecycle = Arc::new(Lifecycle::new(started, config.shards));
    let config = Arc::new(config);
    let credentials = Arc::new(credentials);
    let (listening_tx, listening) = async_channel::bounded(config.shards);
    let (go_tx, go) = async_channel::bounded(1);
    let (drained_tx, drained) = async_channel::bounded(config.shards);
    let advertised = format!("{}:{}", config.serving.advertise_address, address.port());
    let discovery = Arc::new(Discovery::new(&built_in(), &advertised));
    let control = || async_channel::bounded(SHARD_CONTROL_MAX);
    let (controls, control_receivers): (Vec<_>, Vec<_>) =
        std::iter::repeat_with(control).take(config.shards).unzip();
    let seed = |(cache, control)| Seed {
        config: Arc::clone(&config),
        credentials: Arc::clone(&credentials),
        lifecycle: Arc::clone(&lifecycle),
        store: Arc::clone(store.health()),
        cache,
        discovery: Arc::clone(&discovery),
        auditing: auditing.clone(),
        shared: shared.clone(),
        tls: tls.clone(),
        address,
        control,
        peers: controls.clone(),
        listening: listening_tx.clone(),
        go: go.clone(),
        drained: drained_tx.clone(),
    };
    let seeds = caches(opened, others).into_iter().zip(control_receivers).map(seed).collect();
    let shards = rt::run_shards(config.placement, seeds, shard::run)
        .map_err(|e| BootError::Preflight(e.to_string()))?;
    for _ in 0..config.shards {
        let answer = listening.recv_blocking().map_err(|e| failed("a shard ended", &e))?;
        answer.map_err(BootError::Failed)?;
    }
    drop(go_tx);
    log::info!("serving on {address} with {} shards after {:?}", config.shards, started.elapsed());
    announce(&welcome(&config, &own, address.port()));

    let port = address.port();
    let (authorization, providers) = (shared.authorization, shared.providers);
    let files = Files::new(&config, authorization, providers, Arc::clone(&lifecycle));
    let sealer = shared.sealer;
    let mut server =
        Running { config, own, tickets, sealer, files, port, controls, lifecycle, drained };
    server.serve(&signals);
    server.stop();
    if let Some(auditing) = auditing {
        auditing.flush();
    }
    std::iter::once(store).chain(other_stores).try_for_each(close)?;
    log::info!("stopped");
    // The shards' threads end with the process: their executors hold nothing that must be put away.
    drop(shards);
    Ok(())
}

/// What all shards have one of; encryption at rest comes later, once the machine is known to do.
fn shared(config: &Config) -> Result<Shared, BootError> {
    let client = Client::start().map_err(|e| failed("no thread for requests to others", &e))?;
    let authorization = Authorization::read(config, &client).map_err(BootError::Config)?;
    let providers = Providers::start(config, &client).map_err(BootError::Config)?;
    let (authorization, other_stores) = (Arc::new(authorization), Vec::new());
    let admission = admitting::settings(config).map_err(BootError::Config)?;
    let admission = Arc::new(admission);
    Ok(Shared { sealer: None, client, authorization, admission, providers, other_stores })
}

/// The address to listen on, found free just now. Shards share a port by SO_REUSEPORT, which would
/// also share it with another server of this user without a word; so it is asked for alone first.
/// A server that was killed may hold it a little longer than it lives, until the kernel has taken
/// its rings apart; so it is asked for more than once.
fn free_address(config: &Config) -> Result<SocketAddr, BootError> {
    let wanted = SocketAddr::new(config.serving.bind_address, config.serving.port);
    if config.serving.permit_port_sharing && wanted.port() != 0 {
        return Ok(wanted);
    }
    let deadline = clock::now() + ADDRESS_WAIT;
    let bound = loop {
        match TcpListener::bind(wanted) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && clock::now() < deadline => {
                pause(ADDRESS_INTERVAL);
            }
            other => break other,
        }
    };
    bound.and_then(|socket| socket.local_addr()).map_err(|error| {
        BootError::Preflight(match error.kind() {
            ErrorKind::AddrInUse => format!(
                "port {} of {} is in use: stop what uses it, or choose another with --secure-port",
                wanted.port(),
                wanted.ip()
            ),
            _ => format!("cannot listen on {wanted}: {error}"),
        })
    })
}

/// Blocks the main thread, before any shard is there.
#[expect(clippy::disallowed_methods, reason = "no shard runs yet")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn tls_config(config: &Config, own: &Pki, tickets: &tls::Tickets) -> Result<tls::Config, String> {
    let material = credentials::tls_material(config, own)?;
    tls::Config::new(&material, tickets).map_err(|e| e.to_string())
}

fn store_options(config: &Config, sealer: Option<Arc<Sealer>>) -> store::Options {
    let mut options = store::Options::new(config.shards);
    let interval = config.store.compaction_interval;
    options.sealer = sealer;
    options.retention.age = if interval.is_zero() { Duration::MAX } else { interval };
    options
}

/// What another store keeps.
type Other = (Vec<&'static Storage>, store::Opened<Entry>);

fn close(store: store::Handle) -> Result<(), BootError> {
    let closed = store.close();
    closed.map_err(|e| BootError::Failed(format!("the store did not close well: {e:?}")))
}

/// A part for each shard of what all stores hold.
fn caches(opened: store::Opened<Entry>, others: Vec<Other>) -> Vec<CacheSeed> {
    others.into_iter().fold(Cache::open(opened), |caches, (resources, other)| {
        let parts = caches.into_iter().zip(Cache::open(other));
        parts.map(|(cache, part)| cache.with(resources.clone(), part)).collect()
    })
}

/// The stores of resources that are kept elsewhere.
fn open_others(
    config: &Config,
    sealer: Option<&Arc<Sealer>>,
) -> Result<(Vec<Other>, Vec<store::Handle>), BootError> {
    for unknown in &config.store.unknown_overrides {
        log::warn!("--etcd-servers-overrides names {unknown}, which is no resource built in");
    }
    let options = store_options(config, sealer.cloned());
    let mut others = Vec::new();
    let mut handles = Vec::new();
    for other in &config.store.overrides {
        let names: Vec<&str> = other.resources.iter().map(|row| row.resource).collect();
        let (names, urls) = (names.join(", "), other.servers.endpoints.join(","));
        log::info!("reading {names} from etcd at {urls}");
        let opened = store::etcd::open(&other.servers, &options, &mut |_| ());
        let (opened, handle) = opened.map_err(|e| BootError::Failed(e.to_string()))?;
        others.push((other.resources.clone(), opened));
        handles.push(handle);
    }
    Ok((others, handles))
}

fn open_store(
    config: &Config,
    sealer: Option<Arc<Sealer>>,
) -> Result<(store::Opened<Entry>, store::Handle), BootError> {
    let options = store_options(config, sealer);
    let mut told = Instant::now();
    let mut tell = |what: &str, count: u64| {
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            log::info!("loading the store: {count} {what} so far");
        }
    };
    let opened = if let Some(servers) = &config.store.etcd {
        log::info!("reading the store from etcd at {}", servers.endpoints.join(","));
        store::etcd::open(servers, &options, &mut |keys| tell("keys", keys))
    } else if config.store.in_memory {
        store::memory::open(&options)
    } else {
        let directory = config.data_dir.join("store");
        log::info!("opening the store in {}", directory.display());
        store::embedded::open(&directory, &options, &mut |records| tell("records", records))
    };
    opened.map_err(|e| BootError::Failed(e.to_string()))
}

/// What the user needs to know.
fn welcome(config: &Config, own: &Pki, port: u16) -> String {
    let url = pki::url(config, port);
    let data = match &config.store.etcd {
        Some(servers) => format!("etcd at {}", servers.endpoints.join(",")),
        None if config.store.in_memory => "memory".into(),
        None => config.data_dir.display().to_string(),
    };
    match &own.kubeconfig {
        Some(path) => format!(
            "kubering serves the Kubernetes API on {url}\n  data:       {data}\n  kubeconfig: \
             {path}\n\nTry:\n  export KUBECONFIG={path}\n  kubectl get ns\n",
            path = path.display()
        ),
        None => format!(
            "kubering serves the Kubernetes API on {url}\n  data:       {data}\n  clients need \
             certificates of the CA in --client-ca-file, or tokens\n"
        ),
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> BootError {
    BootError::Failed(format!("{what}: {error}"))
}

/// A server that serves.
struct Running {
    config: Arc<Config>,
    own: Pki,
    tickets: tls::Tickets,
    sealer: Option<Arc<Sealer>>,
    files: Files,
    port: u16,
    controls: Vec<Sender<Control>>,
    lifecycle: Arc<Lifecycle>,
    drained: Receiver<usize>,
}

impl Running {
    /// Until a stop is asked for. Meanwhile certificates are renewed, and files read again that
    /// have changed.
    fn serve(&mut self, signals: &mpsc::Receiver<Signal>) {
        let mut stamps = credentials::tls_stamps(&self.config, &self.own);
        let mut renewed = clock::now();
        loop {
            let signal = signals.recv_timeout(FILES_INTERVAL);
            match signal {
                Ok(Signal::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Ok(Signal::Reload) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if signal.is_ok() || clock::now().duration_since(renewed) >= RELOAD_INTERVAL {
                renewed = clock::now();
                self.reload(&mut stamps);
            }
            self.files.reload(&self.config, self.sealer.as_deref(), &self.controls);
        }
    }

    /// A certificate that cannot be used is told and the one in use stays.
    fn reload(&mut self, stamps: &mut Vec<Option<SystemTime>>) {
        match pki::ensure(&self.config, self.port) {
            Ok(own) if own.changed => log::info!("certificates of the server's own were renewed"),
            Ok(_) => {}
            Err(line) => log::warn!("certificates cannot be renewed: {line}"),
        }
        let now = credentials::tls_stamps(&self.config, &self.own);
        if now == *stamps {
            return;
        }
        match tls_config(&self.config, &self.own, &self.tickets) {
            Ok(config) => {
                *stamps = now;
                for control in &self.controls {
                    // A full queue loses its oldest: a scrape that nobody waits for.
                    control.force_send(Control::Reload(config.clone())).ok();
                }
                log::info!("certificates were reloaded");
            }
            Err(line) => log::warn!("certificates cannot be reloaded, the old ones stay: {line}"),
        }
    }

    /// Drains and stops: readiness goes first, then the listener, then requests as they end.
    fn stop(&self) {
        log::info!("stopping; once more stops at once");
        self.lifecycle.stop();
        let shutdown = self.config.shutdown;
        std::thread::park_timeout(shutdown.delay);
        self.lifecycle.drain();
        for control in &self.controls {
            control.force_send(Control::Stop).ok();
        }
        let deadline = clock::now() + shutdown.drain.max(shutdown.watch_grace) + DRAIN_SLACK;
        let mut left = self.controls.len();
        while left > 0 && clock::now() < deadline {
            match self.drained.try_recv() {
                Ok(_) => left -= 1,
                Err(_) => std::thread::park_timeout(Duration::from_millis(10)),
            }
        }
    }
}
