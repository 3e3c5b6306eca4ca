//! KMS version 2 (`pkg/storage/value/encrypt/envelope/kmsv2`): a plugin keeps the key, and opens
//! and seals seeds for this server. Values are sealed here, with keys derived from the seed; what
//! the plugin has made of the seed is stored with each value.
//!
//! A seed is used until the plugin tells of another key. Without word from the plugin values are
//! still opened, and sealed for `WRITE_SECONDS_MAX` more.

mod envelope;
mod figures;
mod service;
mod wire;

pub use figures::Figures;
pub(in crate::seal) use figures::doubled;

use super::{Opened, SealError};
use crate::base::hash::HashMap;
use crate::base::limits::KMS_SOURCES_MAX;
use crate::base::{clock, ids, timestamp};
use arc_swap::{ArcSwap, ArcSwapOption};
use async_channel::Sender;
use bytes::{Bytes, BytesMut};
use envelope::{SEED_BYTES, Source};
use prost::Message as _;
use ring::digest;
use service::{Address, Job, Service};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use wire::{DecryptRequest, EncryptedObject, KEY, SEED, StatusResponse, check_key_id};

/// What stored bytes begin with, before the provider's name.
pub(super) const PREFIX: &str = "k8s:enc:kms:v2:";
/// How long a seed seals without word from the plugin (`kmsv2PluginWriteDEKSourceMaxTTL`).
const WRITE_SECONDS_MAX: u64 = 180;

/// How long a plugin that could not open a source is not asked again.
const UNREACHED_MILLIS: u64 = 3_000;

/// A plugin and what it has opened.
pub(super) struct Plugin {
    name: String,
    /// Seals what is written.
    state: ArcSwapOption<State>,
    /// What the plugin has opened, by all that it was asked with.
    opened: ArcSwap<HashMap<[u8; 32], Arc<Source>>>,
    jobs: Sender<Job>,
    /// What was wrong when it was last asked.
    health: ArcSwap<Result<(), String>>,
    /// The version of the protocol that it told first.
    version: ArcSwapOption<String>,
    /// Another key has been taken since the start.
    rotated: AtomicBool,
    /// When it was last asked to open a source and could not be: milliseconds of its life.
    unreached: AtomicU64,
    born: Instant,
    figures: Arc<Figures>,
}

/// The seed that is in use.
#[derive(Debug, Clone)]
struct State {
    source: Arc<Source>,
    /// The hash of the key's id, for figures.
    hash: Arc<str>,
    /// What is stored with a value, all but its data.
    object: EncryptedObject,
    until: Instant,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// True for the stored form of an object (`EncryptedObject`), and if what is written of it reads as
/// the same.
pub(super) fn is_sound(stored: &[u8]) -> bool {
    let Ok((object, key)) = Plugin::read(Bytes::copy_from_slice(stored)) else { return false };
    let again = Plugin::read(object.encode_to_vec().into());
    again.is_ok_and(|(read, same)| read == object && same == key)
}

/// `sha256:…` of a key id, which is not told as it is (`GetHashIfNotEmpty`).
fn hashed(id: &str) -> String {
    if id.is_empty() {
        return String::new();
    }
    let hash = digest::digest(&digest::SHA256, id.as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// All that a plugin is asked with to open a source.
fn key_of(object: &EncryptedObject) -> [u8; 32] {
    let asked = EncryptedObject { data: Bytes::new(), ..object.clone() };
    let hash = digest::digest(&digest::SHA256, &asked.encode_to_vec());
    hash.as_ref().try_into().unwrap_or_default()
}

impl Plugin {
    /// Starts to talk to a plugin; blocks until it has been asked for the first time.
    pub(super) fn start(
        name: &str,
        endpoint: &str,
        timeout: Duration,
    ) -> Result<Arc<Self>, String> {
        let (jobs, queue) = async_channel::bounded(KMS_SOURCES_MAX);
        let plugin = Arc::new(Self {
            name: name.to_owned(),
            state: ArcSwapOption::empty(),
            opened: ArcSwap::default(),
            jobs,
            health: ArcSwap::from_pointee(Err("it has not been asked yet".to_owned())),
            version: ArcSwapOption::empty(),
            rotated: AtomicBool::new(false),
            unreached: AtomicU64::new(0),
            born: Instant::now(),
            figures: Arc::default(),
        });
        let address = Address { name: name.to_owned(), endpoint: endpoint.to_owned(), timeout };
        let (ready, asked) = async_channel::bounded(1);
        let figures = Arc::clone(&plugin.figures);
        service::start(&address, Arc::downgrade(&plugin), figures, queue, ready)
            .map_err(|error| format!("KMS provider {}: {error}", address.name))?;
        // Closed once it has been.
        asked.recv_blocking().ok();
        Ok(plugin)
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is counted of it.
    pub(super) const fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// What was wrong when it was last asked.
    pub(super) fn health(&self) -> Result<(), String> {
        Result::clone(&self.health.load())
    }

    /// True if values of before may be sealed with another key.
    pub(super) fn has_rotated(&self) -> bool {
        self.rotated.load(Relaxed)
    }

    /// Whether values can be sealed now.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(state) = self.state.load_full() else {
            return Err("got unexpected nil transformer".to_owned());
        };
        if Instant::now() <= state.until {
            return Ok(());
        }
        let hash = hashed(&state.object.key_id);
        let now = clock::unix_seconds();
        let past = i64::try_from(state.until.elapsed().as_secs()).unwrap_or(now);
        let (now, expired) = (timestamp::rfc3339(now), timestamp::rfc3339(now - past));
        Err(format!(
            "encryptedDEKSource with keyID hash {hash:?} expired at {expired} (current time is \
             {now})"
        ))
    }

    /// What is stored of a value; `None` before the plugin has ever answered.
    pub(super) fn seal(&self, place: &[u8], plain: &[u8]) -> Option<Bytes> {
        let state = self.state.load_full()?;
        let data = state.source.seal(place, plain)?;
        let object = EncryptedObject { data, ..state.object.clone() };
        let mut out = BytesMut::with_capacity(object.encoded_len() + self.name.len() + 16);
        out.extend_from_slice(PREFIX.as_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(b":");
        object.encode(&mut out).ok()?;
        self.figures.used("to_storage", &state.hash);
        Some(out.freeze())
    }

    /// The value of what stands behind the prefix. Asks the plugin for a source that is new, and
    /// waits for it: not for a thread that has anything else to do, see [`Self::prepare`].
    pub(super) fn open(&self, place: &[u8], stored: Bytes) -> Result<Opened, SealError> {
        let (object, key) = Self::read(stored)?;
        let known = self.opened.load().get(&key).cloned();
        let source = match known {
            Some(source) => source,
            None => futures_lite::future::block_on(self.ask(&object, key))?,
        };
        let hash: Arc<str> = match &*self.state.load() {
            Some(state) if state.object.key_id == object.key_id => Arc::clone(&state.hash),
            _ => hashed(&object.key_id).into(),
        };
        self.figures.used("from_storage", &hash);
        let plain = source.open(place, &object.data).ok_or(SealError::NoMatchingKey)?;
        let state = self.state.load();
        let stale = state.as_ref().is_some_and(|state| {
            state.object.key_id != object.key_id || state.object.source_type != object.source_type
        });
        Ok(Opened { plain: plain.into(), stale })
    }

    fn read(stored: Bytes) -> Result<(EncryptedObject, [u8; 32]), SealError> {
        let object = EncryptedObject::decode(stored).map_err(|_| SealError::NoMatchingKey)?;
        object.check().map_err(|_| SealError::NoMatchingKey)?;
        let key = key_of(&object);
        Ok((object, key))
    }

    /// Has the plugin open what [`Self::open`] will need, so that this does not wait.
    pub(super) async fn prepare(&self, stored: Bytes) {
        let Ok((object, key)) = Self::read(stored) else { return };
        if !self.opened.load().contains_key(&key) {
            // What cannot be had now is missed when it is used.
            self.ask(&object, key).await.ok();
        }
    }

    /// Milliseconds since the plugin was started with; never 0.
    fn age_millis(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Asks for a source; not again while the plugin has just not been there.
    async fn ask(&self, object: &EncryptedObject, key: [u8; 32]) -> Result<Arc<Source>, SealError> {
        let missed = self.unreached.load(Relaxed);
        if missed > 0 && self.age_millis().saturating_sub(missed) < UNREACHED_MILLIS {
            return Err(SealError::Unavailable);
        }
        let request = DecryptRequest {
            ciphertext: object.source.clone(),
            uid: ids::uuid(),
            key_id: object.key_id.clone(),
            annotations: object.annotations.clone(),
        };
        let (answer, answered) = async_channel::bounded(1);
        self.jobs.try_send(Job { request, answer }).map_err(|_| SealError::Unavailable)?;
        let opened = answered.recv().await.unwrap_or_else(|_| Err("it has stopped".to_owned()));
        let plain = opened.map_err(|why| {
            log::error!("KMS provider {}: failed to decrypt DEK, error: {why}", self.name);
            self.unreached.store(self.age_millis(), Relaxed);
            SealError::Unavailable
        })?;
        self.unreached.store(0, Relaxed);
        let source = match object.source_type {
            KEY => Source::key(&plain),
            _ => Source::seed(&plain),
        };
        let source = Arc::new(source.ok_or(SealError::NoMatchingKey)?);
        self.keep(key, &source);
        Ok(source)
    }

    fn keep(&self, key: [u8; 32], source: &Arc<Source>) {
        self.opened.rcu(|opened| {
            let mut opened = HashMap::clone(opened);
            if opened.len() >= KMS_SOURCES_MAX {
                opened.clear();
            }
            opened.insert(key, Arc::clone(source));
            self.figures.sources.store(opened.len() as u64, Relaxed);
            opened
        });
    }

    /// Asks the plugin how it is, and for a new seed if its key has changed. True if all is well.
    async fn probe(&self, service: &Service) -> bool {
        let name = &self.name;
        let health = match service.status().await {
            Err(why) => Err(format!(
                "failed to perform status section of the healthz check for KMS Provider {name}, \
                 error: {why}"
            )),
            Ok(status) => self
                .take(&status, service)
                .await
                .map_err(|why| format!("kmsv2 Provider {name} is not healthy, error: {why}")),
        };
        if let Err(why) = &health {
            log::warn!("kms plugin failed health check probe: {why}");
        }
        let healthy = health.is_ok();
        self.health.store(Arc::new(health));
        healthy
    }

    async fn take(&self, status: &StatusResponse, service: &Service) -> Result<(), String> {
        let mut errors = Vec::new();
        let StatusResponse { version, healthz, key_id } = status;
        if healthz != "ok" {
            errors.push(format!("got unexpected healthz status: {healthz}"));
        }
        if !matches!(version.as_str(), "v2" | "v2beta1") {
            errors.push(format!("expected KMSv2 API version v2, got {version}"));
        } else {
            let first = self.version.load_full().unwrap_or_else(|| Arc::new(version.clone()));
            self.version.store(Some(Arc::clone(&first)));
            if *first != *version {
                errors.push(format!(
                    "KMSv2 API version should not change after the initial status response version \
                     {first}, got {version}"
                ));
            }
        }
        match check_key_id(key_id) {
            Err(why) => {
                self.figures.invalid(if key_id.is_empty() { "empty" } else { "too_long" });
                errors.push(format!("got invalid KMSv2 KeyID hash {:?}: {why}", hashed(key_id)));
            }
            Ok(()) => {
                self.figures.used("status", &hashed(key_id).into());
                errors.extend(self.rotate(key_id, service).await.err());
            }
        }
        match errors.as_slice() {
            [] => Ok(()),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }

    /// Goes on with the seed in use, or takes a new one if the plugin has another key
    /// (`rotateDEKOnKeyIDChange`).
    async fn rotate(&self, key_id: &str, service: &Service) -> Result<(), String> {
        // From before the call: it is an upper bound.
        let until = Instant::now() + Duration::from_secs(WRITE_SECONDS_MAX);
        let state = self.state.load_full();
        if let Some(state) = state.as_ref().filter(|state| state.object.key_id == key_id) {
            self.state.store(Some(Arc::new(State { until, ..State::clone(state) })));
            return Ok(());
        }
        let uid = ids::uuid();
        let told = |why: &str, id: &str| {
            let old = state.as_ref().map_or("", |state| &state.object.key_id);
            format!(
                "failed to rotate DEK uid={uid:?}, useSeed=true, errGen={why}, \
                 statusKeyIDHash={:?}, encryptKeyIDHash={:?}, stateKeyIDHash={:?}",
                hashed(key_id),
                hashed(id),
                hashed(old)
            )
        };
        let seed: [u8; SEED_BYTES] = ids::random();
        let Some(source) = Source::seed(&seed) else { return Err(told("no seed", "")) };
        let sealed = service.encrypt(Bytes::copy_from_slice(&seed), uid.clone()).await;
        let sealed =
            sealed.map_err(|why| told(&format!("failed to encrypt DEK, error: {why}"), ""))?;
        let object = EncryptedObject {
            data: Bytes::from_static(b"\0"),
            key_id: sealed.key_id,
            source: sealed.ciphertext,
            annotations: sealed.annotations,
            source_type: SEED,
        };
        object.check().map_err(|why| told(&why, &object.key_id))?;
        if object.key_id != key_id {
            return Err(told("<nil>", &object.key_id));
        }
        let object = EncryptedObject { data: Bytes::new(), ..object };
        let source = Arc::new(source);
        self.keep(key_of(&object), &source);
        let hash = hashed(&object.key_id).into();
        self.state.store(Some(Arc::new(State { source, hash, object, until })));
        if state.is_some() {
            self.rotated.store(true, Relaxed);
            log::info!("KMS provider {}: took another key", self.name);
        }
        Ok(())
    }
}
