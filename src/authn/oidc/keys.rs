//! The keys of an issuer: fetched by a thread, read by all shards without waiting.

use crate::authn::key::PublicKey;
use crate::base::clock;
use crate::base::limits::OIDC_REFRESHES_WAITING_MAX;
use crate::client::{Client, Roots, Target, Trust, go_url_error};
use crate::rt;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_lite::future::block_on;
use http::Method;
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// How often the first fetch is tried until it succeeds.
const RETRY: Duration = Duration::from_secs(10);
/// Keys are fetched no more often, whatever tokens come.
const INTERVAL_MIN: Duration = Duration::from_secs(5);
/// How long a request waits for new keys.
const WAIT: Duration = Duration::from_secs(10);
/// How long one fetch may take (`http.Client.Timeout` of the authenticator).
const TIMEOUT: Duration = Duration::from_secs(30);

type Keys = ArcSwapOption<Vec<PublicKey>>;

/// A way to an issuer's keys.
#[derive(Debug)]
pub(super) struct KeySource {
    keys: Arc<Keys>,
    asks: SyncSender<async_channel::Sender<()>>,
    client: Client,
    target: Target,
}

/// Where the keys are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The issuer, as its configuration names it.
    pub(super) issuer: String,
    /// Where its configuration is; its well-known place if empty.
    pub(super) discovery_url: String,
    /// CAs of its server, PEM; the system's if none.
    pub(super) ca: Option<Vec<u8>>,
}

impl KeySource {
    /// Starts the thread; it ends when the source is dropped.
    pub(super) fn start(place: Place, client: Client) -> Result<Self, String> {
        let keys = Arc::new(Keys::empty());
        let (asks, asked) = sync_channel(OIDC_REFRESHES_WAITING_MAX);
        let roots = place.ca.map_or(Roots::System, Roots::Pem);
        let discovery = match place.discovery_url.as_str() {
            "" => {
                format!("{}/.well-known/openid-configuration", place.issuer.trim_end_matches('/'))
            }
            given => given.to_owned(),
        };
        let target = Target::of_url(Trust::new(roots, None));
        let fetcher = Fetcher {
            client: client.clone(),
            target: target.clone(),
            issuer: place.issuer,
            discovery,
            keys: Arc::clone(&keys),
        };
        std::thread::Builder::new()
            .name("oidc".to_owned())
            .spawn(move || fetcher.run(&asked))
            .map_err(|error| error.to_string())?;
        Ok(Self { keys, asks, client, target })
    }

    /// The text at a URL, asked for with a token if there is one; from servers that are trusted
    /// with the issuer's keys.
    ///
    /// # Errors
    /// It is not there.
    pub(super) async fn get(&self, url: &str, token: &str) -> Result<String, String> {
        if !url.starts_with("https://") {
            return Err(format!("{url:?} is no https URL"));
        }
        let mut request = http::Request::get(url);
        if !token.is_empty() {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
        let answer = self.client.call(&self.target, request, TIMEOUT).await;
        let answer = answer.map_err(|error| go_url_error(&Method::GET, url, &error))?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("error while getting distributed claim JWT: {}", answer.status()));
        }
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }

    /// The keys as last fetched; none before that.
    pub(super) fn keys(&self) -> Option<Arc<Vec<PublicKey>>> {
        self.keys.load_full()
    }

    /// The keys after another fetch. Where too many wait already, as they are.
    pub(super) async fn refreshed(&self) -> Option<Arc<Vec<PublicKey>>> {
        let (done, fetched) = async_channel::bounded(1);
        if self.asks.try_send(done).is_ok() {
            // Late keys are seen by the next request.
            rt::timeout(WAIT, fetched.recv()).await.ok();
        }
        self.keys()
    }
}

struct Fetcher {
    client: Client,
    target: Target,
    issuer: String,
    discovery: String,
    keys: Arc<Keys>,
}

impl Fetcher {
    fn run(&self, asked: &Receiver<async_channel::Sender<()>>) {
        let mut last: Option<Instant> = None;
        loop {
            let known = self.keys.load().is_some();
            let wait = if last.is_some() { RETRY } else { Duration::ZERO };
            let ask = match asked.recv_timeout(wait) {
                Ok(ask) => Some(ask),
                Err(RecvTimeoutError::Timeout) if known => continue,
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if last.is_none_or(|at| clock::now().duration_since(at) >= INTERVAL_MIN) {
                last = Some(clock::now());
                match self.fetch() {
                    Ok(keys) => self.keys.store(Some(Arc::new(keys))),
                    Err(why) => log::warn!("oidc: keys of {} not fetched: {why}", self.issuer),
                }
            }
            // Who has left needs no answer.
            ask.map(|done| done.try_send(()).ok());
        }
    }

    fn fetch(&self) -> Result<Vec<PublicKey>, String> {
        let document = self.document(&self.discovery)?;
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("issuer") != self.issuer {
            return Err(format!(
                "oidc: issuer URL provided to client ({:?}) did not match the issuer URL returned \
                 by provider ({:?})",
                self.issuer,
                text("issuer")
            ));
        }
        let set = self.document(text("jwks_uri"))?;
        let listed = set.get("keys").and_then(Value::as_array).ok_or("no keys in its key set")?;
        Ok(listed.iter().filter_map(PublicKey::of_jwk).collect())
    }

    fn document(&self, url: &str) -> Result<Value, String> {
        if !url.starts_with("https://") {
            return Err(format!("{url:?} is no https URL"));
        }
        let request = http::Request::get(url).body(Bytes::new()).map_err(|e| e.to_string())?;
        let answer = block_on(self.client.call(&self.target, request, TIMEOUT));
        let answer = answer.map_err(|error| go_url_error(&Method::GET, url, &error))?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("{url} answered {}", answer.status().as_u16()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| format!("{url}: {error}"))
    }
}
