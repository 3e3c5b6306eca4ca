//! Encryption at rest: what the store keeps is sealed on its way there and opened on its way back,
//! so that everything above sees plain bytes (features.md section 11.1, `pkg/storage/value`).
//!
//! Sealed bytes are kube-apiserver's: `k8s:enc:<provider>:v1:<key>:` and what the provider makes.
//! The first provider of a resource writes, all of them read. The keys can be exchanged while the
//! server runs; readers and writers see the old ones or the new ones, never a mixture.
//!
//! Left out: version 1 of KMS, which is off by default upstream.

mod config;
mod figures;
mod kms;
mod provider;

pub use config::ConfigError;
pub use figures::Latency;
pub use kms::Figures;

use crate::catalog::catalog;
use arc_swap::ArcSwap;
use bytes::Bytes;
use config::Rules;
use figures::Table;
use provider::Chain;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What all sealed bytes begin with.
const SEALED: &[u8] = b"k8s:enc:";

/// Seals and opens by the configuration that holds now.
pub struct Sealer {
    plan: ArcSwap<Plan>,
    transformations: Transformations,
}

/// The rules, spread out over the keys of the store.
struct Plan {
    /// Prefixes of keys of known resources that are sealed.
    known: Vec<(Vec<u8>, Arc<Chain>)>,
    /// Prefixes of keys of known resources that are not.
    plain: Vec<Vec<u8>>,
    rules: Rules,
    /// All plugins of the rules.
    plugins: Vec<Arc<kms::Plugin>>,
    /// Something may stand in the store that the first key would write differently.
    stale: AtomicBool,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// Stored bytes, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The plain bytes.
    pub plain: Bytes,
    /// The first key would have written them differently.
    pub stale: bool,
}

/// Why stored bytes cannot be opened. Says nothing of what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// No provider writes such bytes.
    NoMatchingPrefix,
    /// No key of the provider opens them.
    NoMatchingKey,
    /// They were written by another provider, and only plain ones are expected.
    Sealed,
    /// The plugin that has their key cannot be asked now.
    Unavailable,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMatchingKey | Self::Unavailable => {
                "no matching key was found for the provided transformer"
            }
            Self::NoMatchingPrefix => "no matching prefix found",
            Self::Sealed => "identity transformer tried to read encrypted data",
        })
    }
}

impl Sealer {
    /// From an EncryptionConfiguration, YAML or JSON.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(source: &[u8]) -> Result<Self, ConfigError> {
        let plan = ArcSwap::from_pointee(Plan::new(Rules::parse(source)?, false));
        Ok(Self { plan, transformations: Transformations::default() })
    }

    /// Takes another configuration from now on. What is stored stays as it is until it is written.
    ///
    /// # Errors
    /// The first thing that is wrong; then nothing changes.
    pub fn replace(&self, source: &[u8]) -> Result<(), ConfigError> {
        let plan = Plan::new(Rules::parse(source)?, true);
        plan.health().map_err(ConfigError::from)?;
        self.plan.store(Arc::new(plan));
        Ok(())
    }

    /// Whether what is to be stored under a key can be sealed now; to be asked before it is sent to
    /// the store.
    ///
    /// # Errors
    /// The plugin that seals it has not been heard of for too long; upstream's text.
    pub fn check(&self, key: &[u8]) -> Result<(), String> {
        let chain = self.plan.load().chain(key);
        chain.as_ref().and_then(|chain| chain.writer()).map_or(Ok(()), |plugin| plugin.check())
    }

    /// True if a plugin keeps keys.
    pub fn has_plugins(&self) -> bool {
        !self.plan.load().plugins.is_empty()
    }

    /// How the plugins are (`kmsHealthChecker.Check`).
    ///
    /// # Errors
    /// What is wrong with them, as upstream tells it.
    pub fn health(&self) -> Result<(), String> {
        self.plan.load().health()
    }

    /// What is counted of each plugin, by name.
    pub fn figures(&self) -> Vec<(String, Arc<Figures>)> {
        let plan = self.plan.load();
        let all = plan.plugins.iter();
        all.map(|plugin| (plugin.name().to_owned(), Arc::clone(plugin.figures()))).collect()
    }

    /// The bytes to store under a key; `place` is how the key is called where they are stored,
    /// which some providers bind them to.
    pub fn seal(&self, key: &[u8], place: &[u8], plain: &Bytes) -> Bytes {
        let Some(chain) = self.plan.load().chain(key) else { return plain.clone() };
        let begun = Instant::now();
        let sealed = chain.seal(place, plain);
        self.transformations.count(key, "to_storage", &sealed, begun, true);
        sealed
    }

    /// The plain bytes of what is stored under a key; `place` as for [`Self::seal`].
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, key: &[u8], place: &[u8], stored: &Bytes) -> Result<Opened, SealError> {
        let plan = self.plan.load();
        let opened = match plan.chain(key) {
            Some(chain) => {
                let begun = Instant::now();
                let opened = chain.open(place, stored);
                let told = opened.is_ok();
                self.transformations.count(key, "from_storage", stored, begun, told);
                opened?
            }
            None if stored.starts_with(SEALED) => return Err(SealError::Sealed),
            None => Opened { plain: stored.clone(), stale: false },
        };
        if opened.stale {
            plan.stale.store(true, Ordering::Relaxed);
        }
        Ok(opened)
    }

    /// Has plugins open what [`Self::open`] will need for these bytes, so that this does not wait.
    pub async fn prepare(&self, key: &[u8], stored: &Bytes) {
        let Some(rest) = stored.strip_prefix(kms::PREFIX.as_bytes()) else { return };
        let chain = self.plan.load().chain(key);
        for plugin in chain.iter().flat_map(|chain| chain.plugins()) {
            let named = rest.strip_prefix(plugin.name().as_bytes());
            if let Some(sealed) = named.and_then(|rest| rest.strip_prefix(b":")) {
                plugin.prepare(stored.slice_ref(sealed)).await;
            }
        }
    }

    /// What sealing and opening came to.
    pub fn transformations(&self) -> Vec<(Transformed, Arc<Latency>)> {
        self.transformations.0.all()
    }

    /// True if an object must be written even if it has not changed, since what is stored of it may
    /// be sealed with an older key.
    pub fn may_be_stale(&self, key: &[u8]) -> bool {
        let plan = self.plan.load();
        let rotated = || plan.plugins.iter().any(|plugin| plugin.has_rotated());
        (plan.stale.load(Ordering::Relaxed) || rotated()) && plan.chain(key).is_some()
    }
}

/// A kind of transformation, as figures tell it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transformed {
    /// `secrets`, `widgets.example.com`.
    pub resource: String,
    /// `from_storage` or `to_storage`.
    pub way: &'static str,
    /// What the stored bytes begin with, `identity` for plain ones.
    pub prefix: &'static str,
    /// It was done.
    pub done: bool,
}

/// `ExponentialBuckets(5e-6, 2, 25)`.
static BOUNDS: [Duration; 25] = kms::doubled(5_000);
/// Kinds of transformations that are told apart.
const TRANSFORMED_MAX: usize = 1_024;

/// What is counted of all of them.
#[derive(Debug)]
struct Transformations(Table<Transformed, Latency>);

impl Default for Transformations {
    fn default() -> Self {
        Self(Table::new())
    }
}

impl Transformations {
    fn count(&self, key: &[u8], way: &'static str, stored: &[u8], begun: Instant, done: bool) {
        let prefix = provider::prefix_of(stored);
        let kind = Transformed { resource: resource_of(key), way, prefix, done };
        let made = || Latency::new(&BOUNDS);
        if let Some(latency) = self.0.of(&kind, TRANSFORMED_MAX, made) {
            latency.record(begun.elapsed());
        }
    }
}

/// The resource that a key is of: `secrets`, `widgets.example.com`.
fn resource_of(key: &[u8]) -> String {
    let storages = catalog().storages().iter();
    let mut known = storages.filter(|storage| key.starts_with(storage.prefix.as_bytes()));
    let named = |group: &str, resource: &str| match group {
        "" => resource.to_owned(),
        _ => format!("{resource}.{group}"),
    };
    if let Some(storage) = known.next() {
        return named(storage.group, storage.resource);
    }
    let text = String::from_utf8_lossy(key);
    let mut parts = text.split('/').skip(2);
    let (group, resource) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    named(group, resource)
}

/// Whether bytes behind a KMS provider's prefix are an object that its plugin can be asked to
/// open; never panics, whatever they are.
#[must_use]
pub fn is_sound(stored: &[u8]) -> bool {
    kms::is_sound(stored)
}

impl Plan {
    fn new(rules: Rules, stale: bool) -> Self {
        let (mut known, mut plain) = (Vec::new(), Vec::new());
        for storage in catalog().storages() {
            let prefix = storage.prefix.as_bytes().to_vec();
            match rules.chain(storage.group, storage.resource) {
                Some(chain) => known.push((prefix, chain)),
                None => plain.push(prefix),
            }
        }
        let plugins = rules.plugins();
        Self { known, plain, rules, plugins, stale: AtomicBool::new(stale) }
    }

    fn health(&self) -> Result<(), String> {
        let told = self.plugins.iter().enumerate().filter_map(|(at, plugin)| {
            plugin.health().err().map(|why| format!("kms-provider-{at}: {why}"))
        });
        let told: Vec<String> = told.collect();
        match told.as_slice() {
            [] => Ok(()),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }

    fn chain(&self, key: &[u8]) -> Option<Arc<Chain>> {
        if let Some((_, chain)) = self.known.iter().find(|(prefix, _)| key.starts_with(prefix)) {
            return Some(Arc::clone(chain));
        }
        if self.plain.iter().any(|prefix| key.starts_with(prefix)) {
            return None;
        }
        // Custom resources: /registry/<group>/<resource>/…
        let mut parts = std::str::from_utf8(key).ok()?.split('/').skip(2);
        let (group, resource) = (parts.next()?, parts.next()?);
        if group.contains('.') { self.rules.chain(group, resource) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn config(providers: &str) -> String {
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
             - resources: [secrets, '*.example.com']\n  providers:\n{providers}"
        )
    }

    fn provider(name: &str, keys: &[(&str, usize)]) -> String {
        let mut text = format!("  - {name}:\n      keys:\n");
        for (at, (key, length)) in keys.iter().enumerate() {
            let byte = u8::try_from(at + 1).unwrap();
            let secret = STANDARD.encode(vec![byte; *length]);
            text.push_str(&format!("      - {{name: {key}, secret: '{secret}'}}\n"));
        }
        text
    }

    fn sealer(providers: &str) -> Sealer {
        Sealer::parse(config(providers).as_bytes()).unwrap()
    }

    const KEY: &[u8] = b"/registry/secrets/ns/name";
    const PROVIDERS: [(&str, usize); 7] = [
        ("aescbc", 16),
        ("aescbc", 24),
        ("aescbc", 32),
        ("aesgcm", 16),
        ("aesgcm", 24),
        ("aesgcm", 32),
        ("secretbox", 32),
    ];

    proptest! {
        #[test]
        fn what_is_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..200)) {
            let plain = Bytes::from(plain);
            for (name, length) in PROVIDERS {
                let sealer = sealer(&provider(name, &[("one", length)]));
                let stored = sealer.seal(KEY, KEY, &plain);
                let prefix = format!("k8s:enc:{name}:v1:one:");
                prop_assert!(stored.starts_with(prefix.as_bytes()));
                let opened = sealer.open(KEY, KEY, &stored).unwrap();
                prop_assert_eq!(&opened.plain, &plain);
                prop_assert!(!opened.stale);
            }
        }

        #[test]
        fn junk_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..80)) {
            for (name, length) in PROVIDERS {
                let sealer = sealer(&provider(name, &[("one", length)]));
                let mut stored = format!("k8s:enc:{name}:v1:one:").into_bytes();
                stored.extend_from_slice(&junk);
                let _ = sealer.open(KEY, KEY, &stored.into());
            }
            let _ = Sealer::parse(&junk);
        }
    }

    #[test]
    fn gcm_binds_the_bytes_to_their_key() {
        let sealer = sealer(&provider("aesgcm", &[("one", 32)]));
        let stored = sealer.seal(KEY, KEY, &Bytes::from_static(b"x"));
        let moved = sealer.open(KEY, b"/registry/secrets/ns/other", &stored);
        assert_eq!(moved, Err(SealError::NoMatchingKey));
    }

    #[test]
    fn an_older_key_still_opens_and_is_stale() {
        let old = sealer(&provider("aescbc", &[("one", 32)]));
        let stored = old.seal(KEY, KEY, &Bytes::from_static(b"x"));
        let rotated = [
            provider("secretbox", &[("new", 32)]),
            provider("aescbc", &[("one", 32)]),
            "  - identity: {}\n".to_owned(),
        ]
        .concat();
        assert!(!old.may_be_stale(KEY));
        old.replace(config(&rotated).as_bytes()).unwrap();
        assert!(old.may_be_stale(KEY));
        let opened = old.open(KEY, KEY, &stored).unwrap();
        assert!(opened.stale);
        let plain = old.open(KEY, KEY, &Bytes::from_static(b"k8s\0plain")).unwrap();
        assert!(plain.stale, "written before there was a key");
        assert!(old.seal(KEY, KEY, &opened.plain).starts_with(b"k8s:enc:secretbox:v1:new:"));
    }

    #[test]
    fn only_resources_that_are_named_are_sealed() {
        let sealer = sealer(&provider("aescbc", &[("one", 32)]));
        let plain = Bytes::from_static(b"x");
        for (key, sealed) in [
            ("/registry/secrets/ns/a", true),
            ("/registry/configmaps/ns/a", false),
            ("/registry/example.com/widgets/ns/a", true),
            ("/registry/example.org/widgets/ns/a", false),
            ("/registry/ranges/serviceips", false),
        ] {
            assert_eq!(
                sealer.seal(key.as_bytes(), key.as_bytes(), &plain) != plain,
                sealed,
                "{key}"
            );
        }
    }

    #[test]
    fn plain_bytes_are_refused_unless_identity_is_among_the_providers() {
        let sealer = sealer(&provider("aescbc", &[("one", 32)]));
        let plain = Bytes::from_static(b"k8s\0");
        assert_eq!(sealer.open(KEY, KEY, &plain), Err(SealError::NoMatchingPrefix));
        let sealed = Bytes::from_static(b"k8s:enc:aescbc:v1:x:");
        let other = b"/registry/configmaps/ns/a";
        assert_eq!(sealer.open(other, other, &sealed), Err(SealError::Sealed));
    }

    #[test]
    fn a_configuration_that_is_wrong_says_why() {
        let error = |text: &str| Sealer::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error("kind: Pod").contains("EncryptionConfiguration"));
        assert!(error(&config("  - kms: {name: x}\n")).contains("kms"));
        assert!(error(&config("  - aescbc: {keys: []}\n")).contains("keys"));
        assert!(error(&config(&provider("aescbc", &[("k", 15)]))).contains("expected length"));
        assert!(error(&config(&provider("secretbox", &[("k", 16)]))).contains("expected length"));
        let twice = provider("aescbc", &[("k", 16), ("k", 16)]);
        assert!(error(&config(&twice)).contains("unique"));
        let secret = error(&config("  - aescbc: {keys: [{name: k, secret: 'hunter2!'}]}\n"));
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
