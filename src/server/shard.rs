//! One shard: what its requests work with, and its life from start to end.

use crate::admission::Settings;
use crate::api::discovery::{Current, Discovery};
use crate::audit::Auditor;
use crate::authn::Issuers;
use crate::base::limits::CONNECTIONS_MAX;
use crate::cache::Cache;
use crate::cache::CacheSeed;
use crate::client::Client;
use crate::config::Config;
use crate::http;
use crate::metrics::Recorder;
use crate::metrics::RequestKind;
use crate::registry::network::Cidr;
use crate::rt;
use crate::seal::Sealer;
use crate::server::auditing::Auditing;
use crate::server::authentication::Providers;
use crate::server::authorization::Authorization;
use crate::server::bootstrap;
use crate::server::credentials::Credentials;
use crate::server::definitions;
use crate::server::health;
use crate::server::keep;
use crate::server::lifecycle::Lifecycle;
use crate::server::listener::Listener;
use crate::server::pipeline;
use crate::server::pipeline::Gate;
use crate::store;
use crate::tls;
use async_channel::Receiver;
use async_channel::Sender;
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a store that answers too late may hold up the server's own objects at the start.
const BOOTSTRAP_PATIENCE: Duration = Duration::from_secs(120);
/// How often connections are looked over.
const TICK: Duration = Duration::from_secs(1);
/// How often a draining shard looks whether it is done.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// What a request can use; one for each shard.
#[derive(Debug)]
pub struct Shard {
    /// Its number, from 0.
    pub id: usize,
    /// The port that all listen on.
    pub port: u16,
    /// What the operator chose.
    pub config: Arc<Config>,
    /// Keys and tokens.
    pub credentials: Arc<Credentials>,
    /// Where the server stands.
    pub lifecycle: Arc<Lifecycle>,
    /// The store's pulse.
    pub store: Arc<store::Health>,
    /// Those of stores that keep single resources.
    pub other_stores: Vec<Arc<store::Health>>,
    /// Objects.
    pub cache: Cache,
    /// Connections.
    pub listener: Rc<Listener>,
    /// What requests pass through.
    pub gate: Gate,
    /// The audit, if there is one.
    pub auditor: Option<Rc<Auditor>>,
    /// Figures.
    pub metrics: Rc<Recorder>,
    /// How health checks ended.
    pub outcomes: health::Outcomes,
    /// Ways to all shards by number, this one among them.
    pub(in crate::server) peers: Vec<Sender<Control>>,
}

/// What the thread that runs the server tells a shard.
pub(in crate::server) enum Control {
    /// Take tokens of these issuers from now on.
    Authenticate(Issuers),
    /// Decide by these authorizers from now on.
    Authorize(Arc<Authorization>),
    /// Use these certificates from now on.
    Reload(tls::Config),
    /// Tell something of yourself.
    Ask(Box<dyn FnOnce(&Shard) + Send>),
    /// Stop: accept nothing more and end what is being served.
    Stop,
}

/// What all shards have one of.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Encryption at rest.
    pub sealer: Option<Arc<Sealer>>,
    /// Requests to other servers.
    pub client: Client,
    /// Who decides what users may do.
    pub(in crate::server) authorization: Arc<Authorization>,
    /// What admission plugins are told beside the flags.
    pub(in crate::server) admission: Arc<Settings>,
    /// Who knows the tokens that this server does not.
    pub(in crate::server) providers: Providers,
    /// The pulses of stores that keep single resources.
    pub(in crate::server) other_stores: Vec<Arc<store::Health>>,
}

/// A shard before it is on its thread.
pub(in crate::server) struct Seed {
    pub(in crate::server) config: Arc<Config>,
    pub(in crate::server) credentials: Arc<Credentials>,
    pub(in crate::server) lifecycle: Arc<Lifecycle>,
    pub(in crate::server) store: Arc<store::Health>,
    pub(in crate::server) cache: CacheSeed,
    pub(in crate::server) discovery: Arc<Discovery>,
    pub(in crate::server) auditing: Option<Auditing>,
    pub(in crate::server) shared: Shared,
    pub(in crate::server) tls: tls::Config,
    pub(in crate::server) address: SocketAddr,
    pub(in crate::server) control: Receiver<Control>,
    pub(in crate::server) peers: Vec<Sender<Control>>,
    /// Told once the shard listens, or why it does not.
    pub(in crate::server) listening: Sender<Result<(), String>>,
    /// Closed when all shards listen and the server's own objects are there: serving begins.
    pub(in crate::server) go: Receiver<()>,
    /// Told when the shard has nothing to serve any more.
    pub(in crate::server) drained: Sender<usize>,
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A shard's life.
pub(in crate::server) async fn run(id: usize, seed: Seed) {
    let options = http::Options { streams_max: seed.config.serving.streams_max };
    let cache = seed.cache.start();
    let metrics = Rc::<Recorder>::default();
    let advertised = format!("{}:{}", seed.config.serving.advertise_address, seed.address.port());
    let other_stores = seed.shared.other_stores.clone();
    let gate = match Gate::new(
        &seed.config,
        &seed.credentials,
        &cache,
        Current::new(seed.discovery, advertised),
        Rc::clone(&metrics),
        seed.shared,
    ) {
        Ok(gate) => gate,
        Err(message) => {
            seed.listening.send(Err(message)).await.ok();
            return;
        }
    };
    let shard = Rc::new(Shard {
        id,
        port: seed.address.port(),
        gate,
        auditor: seed.auditing.map(|auditing| Rc::new(auditing.auditor())),
        credentials: seed.credentials,
        lifecycle: seed.lifecycle,
        store: seed.store,
        other_stores,
        cache,
        listener: Rc::new(Listener::new(seed.tls, options, CONNECTIONS_MAX)),
        config: seed.config,
        metrics,
        outcomes: health::Outcomes::default(),
        peers: seed.peers,
    });
    let socket = match rt::TcpListener::bind(seed.address) {
        Ok(socket) => socket,
        Err(error) => {
            let message = format!("cannot listen on {}: {error}", seed.address);
            seed.listening.send(Err(message)).await.ok();
            return;
        }
    };
    let prepared = prepare(&shard, seed.address.port()).await;
    let failed = prepared.is_err();
    seed.listening.send(prepared).await.ok();
    if failed {
        return;
    }
    // Connections that come meanwhile wait in the socket's queue.
    seed.go.recv().await.ok();
    shard.lifecycle.one_listens();
    if id == 0 {
        rt::spawn(definitions::run(Rc::clone(&shard)));
    }
    serve(&shard, socket, seed.control).await;
    if id == 0 {
        keep::end(&shard).await;
    }
    drain(&shard).await;
    seed.drained.send(id).await.ok();
    // The cache goes on taking what the store says until the process ends.
    std::future::pending::<()>().await;
}

/// Takes connections until the process is told to stop.
async fn serve(shard: &Rc<Shard>, socket: rt::TcpListener, control: Receiver<Control>) {
    let (stop_tx, stop) = async_channel::bounded(1);
    rt::spawn(follow(Rc::clone(shard), control, stop_tx));
    let stop = async move { stop.recv().await.unwrap_or_default() };
    let serving = Rc::clone(shard);
    let handler = move |request| {
        let shard = Rc::clone(&serving);
        async move { pipeline::handle(&shard, request).await }
    };
    Rc::clone(&shard.listener).run(socket, stop, handler).await;
}

/// What must be in place before the first request: the shard follows what its gate decides by, and
/// the first shard writes what the server itself keeps. Errors are lines for the operator.
async fn prepare(shard: &Rc<Shard>, port: u16) -> Result<(), String> {
    rt::spawn(look_after_connections(Rc::clone(shard)));
    rt::spawn(shard.gate.flow().clone().follow(shard.cache.clone()));
    rt::spawn(shard.gate.flow().clone().adjust());
    rt::spawn(keep::keep_legacy_tokens(Rc::clone(shard), shard.gate.used_secrets()));
    rt::spawn(shard.gate.aggregator().clone().follow(shard.cache.clone()));
    shard.gate.authorizer().follow(&shard.cache).await;
    if shard.id == 0 {
        bootstrap(shard, port).await?;
        keep::start(shard);
    }
    // Last, so that no webhook is asked about what the server needs to come up.
    let (ready, known) = async_channel::bounded(1);
    let webhooks = shard.gate.api().registry.admit.chain.webhooks().clone();
    rt::spawn(webhooks.follow(shard.cache.clone(), ready));
    known.recv().await.ok();
    Ok(())
}

/// Writes the objects that the server itself keeps.
async fn bootstrap(shard: &Shard, port: u16) -> Result<(), String> {
    let config = &shard.config;
    let cidrs = &config.services.cluster_ip_ranges;
    let texts: Vec<String> = cidrs.iter().map(ToString::to_string).collect();
    let ranges = texts.iter().filter_map(|text| Cidr::parse(text));
    let addresses: Vec<IpAddr> = ranges.map(|range| range.first()).collect();
    let facts = bootstrap::Facts { port, service_cidrs: &texts, service_addresses: &addresses };
    let what = "the server's own objects cannot be written yet";
    let written = rt::again(what, BOOTSTRAP_PATIENCE, async || {
        Box::pin(bootstrap::run(shard.gate.api(), facts)).await?;
        keep::write_first(shard).await
    });
    let written = Box::pin(written).await;
    written.map_err(|fault| format!("the server's own objects cannot be written: {fault:?}"))
}

async fn look_after_connections(shard: Rc<Shard>) {
    loop {
        rt::sleep(TICK).await;
        shard.listener.connections.tick();
    }
}

/// Does what it is told.
async fn follow(shard: Rc<Shard>, control: Receiver<Control>, stop: Sender<()>) {
    while let Ok(control) = control.recv().await {
        match control {
            Control::Authenticate(issuers) => shard.gate.take_issuers(issuers),
            Control::Authorize(to) => shard.gate.authorizer().replace(to.links(&shard.metrics)),
            Control::Reload(config) => *shard.listener.tls.borrow_mut() = config,
            Control::Ask(ask) => ask(&shard),
            // A second stop changes nothing.
            Control::Stop => rt::spawn(stop_listening(Rc::clone(&shard), stop.clone())),
        }
    }
}

/// Closes the listener: at once, or if clients are to be told to come back, when nothing is served.
async fn stop_listening(shard: Rc<Shard>, stop: Sender<()>) {
    let shutdown = shard.config.shutdown;
    let begun = rt::now();
    let serves = || {
        let kinds = [RequestKind::Mutating, RequestKind::ReadOnly];
        kinds.iter().any(|kind| shard.metrics.in_flight_count(*kind) > 0)
    };
    while shutdown.send_retry_after && serves() && begun.elapsed() < shutdown.drain {
        rt::sleep(DRAIN_POLL).await;
    }
    stop.try_send(()).ok();
}

/// Lets connections end, watches after their grace, and everything after the deadline.
async fn drain(shard: &Shard) {
    let connections = &shard.listener.connections;
    let shutdown = shard.config.shutdown;
    let begun = rt::now();
    let mut watches_ended = false;
    connections.drain();
    while connections.open() > 0 {
        if !watches_ended && begun.elapsed() >= shutdown.watch_grace {
            watches_ended = true;
            shard.cache.end_watches();
            connections.end_upgraded();
        }
        if begun.elapsed() >= shutdown.drain.max(shutdown.watch_grace) {
            log::warn!(
                "shard {}: {} requests were cut off when the server stopped",
                shard.id,
                connections.in_flight()
            );
            connections.close();
            rt::sleep(DRAIN_POLL).await;
            break;
        }
        rt::sleep(DRAIN_POLL).await;
    }
}
