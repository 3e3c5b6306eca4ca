//! The members of an etcd cluster: one connection each, one of them used until it fails.

use crate::base::limits::{
    ETCD_CONNECT_SECONDS_MAX, ETCD_KEEPALIVE_SECONDS, ETCD_KEEPALIVE_SECONDS_MAX,
    ETCD_READ_SECONDS_MAX, ETCD_STREAM_WINDOW_BYTES,
};
use crate::store::etcd::Servers;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::figures::Figures;
use crate::store::etcd::figures::Of;
use etcd_client::{
    Certificate, Channel, Client, ConnectOptions, Identity, KvClient, LeaseClient,
    MaintenanceClient, TlsOptions, WatchClient,
};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tonic::transport::Endpoint;

/// Calls that may wait for a connection.
const CALLS_WAITING_MAX: usize = 8_192;
/// Waits between tries, doubled up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_LAST: Duration = Duration::from_millis(500);

/// The members.
pub(super) struct Cluster {
    members: Vec<Member>,
    /// The one that is used.
    current: Cell<usize>,
    figures: Arc<Figures>,
}

struct Member {
    url: String,
    kv: KvClient,
    lease: LeaseClient,
    maintenance: MaintenanceClient,
    watch: WatchClient,
}

/// Grows with each failed try.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Pause {
    pub(super) fn new() -> Self {
        Self(RETRY_FIRST)
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(RETRY_LAST);
    }
}

impl Cluster {
    /// Reads certificates and names every member; connections are made on first use.
    pub(super) async fn new(servers: &Servers, figures: Arc<Figures>) -> Result<Self, String> {
        let tls = tls(servers)?;
        let mut members = Vec::with_capacity(servers.endpoints.len());
        for url in &servers.endpoints {
            let member = Box::pin(member(url, tls.as_ref())).await;
            members.push(member.map_err(|e| format!("{url}: {e}"))?);
        }
        if members.is_empty() {
            return Err("no server is given".to_owned());
        }
        Ok(Self { members, current: Cell::new(0), figures })
    }

    /// The member in use, and its number for [`Self::failed`].
    fn current(&self) -> (usize, &Member) {
        let number = self.current.get();
        // There is at least one, and `failed` keeps the number below their count.
        #[expect(clippy::indexing_slicing, reason = "stated above")]
        let member = &self.members[number];
        (number, member)
    }

    pub(super) fn kv(&self) -> (usize, KvClient) {
        let (number, member) = self.current();
        (number, member.kv.clone())
    }

    pub(super) fn lease(&self) -> (usize, LeaseClient) {
        let (number, member) = self.current();
        (number, member.lease.clone())
    }

    pub(super) fn watch(&self) -> (usize, WatchClient) {
        let (number, member) = self.current();
        (number, member.watch.clone())
    }

    pub(super) fn maintenance(&self) -> MaintenanceClient {
        self.current().1.maintenance.clone()
    }

    pub(super) fn current_url(&self) -> &str {
        &self.current().1.url
    }

    pub(super) fn url(&self, number: usize) -> &str {
        self.members.get(number).map_or("", |member| &member.url)
    }

    /// Turns to the next member, unless someone already has turned away from this one.
    pub(super) fn failed(&self, number: usize) {
        if self.current.get() == number {
            self.current.set((number + 1) % self.members.len());
        }
    }

    /// A call that may be made again and again: on the next member after each failure that may be
    /// the member's own, until the time for reads is over.
    pub(super) async fn read<T>(
        &self,
        of: Of,
        call: impl AsyncFn(KvClient) -> Result<T, etcd_client::Error>,
    ) -> Result<T, Fault> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(ETCD_READ_SECONDS_MAX);
        let mut pause = Pause::new();
        let mut tries = 0;
        loop {
            let (number, kv) = self.kv();
            // Another member gets its chance before the time is over.
            let last = tries > 0 || self.members.len() == 1;
            let patience = if last { deadline } else { halfway(deadline) };
            let started = Instant::now();
            let fault = match tokio::time::timeout_at(patience, call(kv)).await {
                Ok(Ok(answer)) => {
                    self.figures.end(of, started, true);
                    return Ok(answer);
                }
                Ok(Err(error)) => Fault::from(error),
                Err(_) => Fault::Timeout,
            };
            self.figures.end(of, started, false);
            if !fault.is_of_the_member() {
                return Err(fault);
            }
            log::debug!("etcd at {}: {of:?}: {fault:?}", self.url(number));
            self.failed(number);
            tries += 1;
            if tokio::time::Instant::now() >= deadline {
                return Err(fault);
            }
            // All were tried: let some time pass.
            if tries % self.members.len() == 0 {
                pause.wait().await;
            }
        }
    }
}

fn halfway(deadline: tokio::time::Instant) -> tokio::time::Instant {
    let now = tokio::time::Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

async fn member(url: &str, tls: Option<&TlsOptions>) -> Result<Member, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let url = match url.contains("://") {
        true => url.to_owned(),
        false if tls.is_some() => format!("https://{url}"),
        false => format!("http://{url}"),
    };
    let mut endpoint = Endpoint::from_shared(url.clone())
        .map_err(|e| text(&e))?
        .buffer_size(CALLS_WAITING_MAX)
        .connect_timeout(Duration::from_secs(ETCD_CONNECT_SECONDS_MAX))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(ETCD_KEEPALIVE_SECONDS))
        .keep_alive_timeout(Duration::from_secs(ETCD_KEEPALIVE_SECONDS_MAX))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(ETCD_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(ETCD_STREAM_WINDOW_BYTES * 4);
    if url.starts_with("https://") {
        let tls = tls.cloned().unwrap_or_else(|| TlsOptions::new().with_native_roots());
        endpoint = endpoint.tls_config(tls).map_err(|e| text(&e))?;
    }
    let channel = Channel::Tonic(endpoint.connect_lazy());
    // Without a leader a member answers at once instead of waiting for one, and ends its watches.
    let options = ConnectOptions::new().with_require_leader(true);
    let client = Client::from_channel(channel, Some(options)).await.map_err(|e| text(&e))?;
    Ok(Member {
        url,
        // A page of large objects, or all events of a moment, may be of any size.
        kv: client.kv_client().max_decoding_message_size(usize::MAX),
        lease: client.lease_client(),
        maintenance: client.maintenance_client(),
        watch: client.watch_client().max_decoding_message_size(usize::MAX),
    })
}

/// Certificates from files; `None` if none is given.
fn tls(servers: &Servers) -> Result<Option<TlsOptions>, String> {
    let mut options = TlsOptions::new();
    match &servers.ca_file {
        Some(path) => options = options.ca_certificate(Certificate::from_pem(read(path)?)),
        None => options = options.with_native_roots(),
    }
    match (&servers.certificate_file, &servers.key_file) {
        (Some(certificate), Some(key)) => {
            options = options.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        (None, None) if servers.ca_file.is_none() => return Ok(None),
        (None, None) => {}
        _ => return Err("--etcd-certfile and --etcd-keyfile must be given together".to_owned()),
    }
    Ok(Some(options))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
