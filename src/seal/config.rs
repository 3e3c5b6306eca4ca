//! The EncryptionConfiguration (`apiserver.config.k8s.io/v1`): which resources, which providers,
//! which keys.

use super::kms::Plugin;
use super::provider::{Chain, Key, Kind, Provider};
use crate::base::duration;
use crate::base::hash::HashMap;
use crate::codec::yaml;
use crate::object::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a file is no configuration; the text for the operator, without any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for ConfigError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError(text.into()))
}

/// Providers by group and resource; `*` stands for all of a group, and for all groups.
#[derive(Debug, Default)]
pub(super) struct Rules {
    chains: HashMap<(String, String), Arc<Chain>>,
}

impl Rules {
    pub(super) fn parse(source: &[u8]) -> Result<Self, ConfigError> {
        let arena = Bump::new();
        let document =
            yaml::parse(source, &arena).map_err(|error| ConfigError(error.to_string()))?;
        let config = document.any(&arena).map_err(|error| ConfigError(error.to_string()))?;
        let kind = (config.str_at(&["apiVersion"]), config.str_at(&["kind"]));
        if kind != ("apiserver.config.k8s.io/v1", "EncryptionConfiguration") {
            return wrong("must be an EncryptionConfiguration of apiserver.config.k8s.io/v1");
        }
        let mut rules = Self::default();
        let mut names: Vec<String> = Vec::new();
        let entries = config.list_at(&["resources"]);
        if entries.is_empty() {
            return wrong("resources: Required value: at least one resource is needed");
        }
        for (at, entry) in entries.iter().enumerate() {
            let named = entry.list_at(&["resources"]);
            let providers = entry.list_at(&["providers"]);
            if named.is_empty() || providers.is_empty() {
                return wrong(format!("resources[{at}]: resources and providers are required"));
            }
            let providers: Result<Vec<Provider>, ConfigError> =
                providers.iter().map(|value| provider(value, &mut names)).collect();
            let chain = Arc::new(Chain::new(providers?));
            for name in named {
                let place = place(name.as_str().unwrap_or_default())?;
                // An earlier entry for the same resource goes before.
                rules.chains.entry(place).or_insert_with(|| Arc::clone(&chain));
            }
        }
        Ok(rules)
    }

    /// All plugins, each once.
    pub(super) fn plugins(&self) -> Vec<Arc<Plugin>> {
        let mut plugins: Vec<Arc<Plugin>> = Vec::new();
        for plugin in self.chains.values().flat_map(|chain| chain.plugins()) {
            if !plugins.iter().any(|known| Arc::ptr_eq(known, plugin)) {
                plugins.push(Arc::clone(plugin));
            }
        }
        plugins.sort_by(|a, b| a.name().cmp(b.name()));
        plugins
    }

    /// The providers of a resource (`transformerFromOverrides`).
    pub(super) fn chain(&self, group: &str, resource: &str) -> Option<Arc<Chain>> {
        let find = |group: &str, resource: &str| {
            self.chains.get(&(group.to_owned(), resource.to_owned())).map(Arc::clone)
        };
        find(group, resource).or_else(|| find(group, "*")).or_else(|| find("*", "*"))
    }
}

/// Group and resource of `secrets`, `deployments.apps`, `*.apps`, `*.` or `*.*`.
fn place(name: &str) -> Result<(String, String), ConfigError> {
    let (resource, group) = name.split_once('.').unwrap_or((name, ""));
    if resource.is_empty() || name == "*" {
        return wrong(format!(
            "resources: Invalid value: {name:?}: use '*.<group>' to encrypt all the resources from \
             a group, or '*.*' to encrypt all resources"
        ));
    }
    if group == "*" && resource != "*" {
        return wrong(format!("resources: Invalid value: {name:?}: resource in all groups"));
    }
    if name != name.to_ascii_lowercase() {
        return wrong(format!("resources: Invalid value: {name:?}: must be lower case"));
    }
    Ok((group.to_owned(), resource.to_owned()))
}

fn provider(value: &Value<'_>, names: &mut Vec<String>) -> Result<Provider, ConfigError> {
    let Some(map) = value.as_map() else { return wrong("providers: a map was expected") };
    let mut found = map.iter();
    let (Some((name, settings)), None) = (found.next(), found.next()) else {
        return wrong("providers: Invalid value: exactly one provider in each element");
    };
    let kind = match name {
        "aescbc" => Kind::Cbc,
        "aesgcm" => Kind::Gcm,
        "identity" => return Ok(Provider::identity()),
        "secretbox" => Kind::SecretBox,
        "kms" => return plugin(settings, names),
        other => return wrong(format!("providers: unknown field {other:?}")),
    };
    let listed = settings.list_at(&["keys"]);
    if listed.is_empty() {
        return wrong(format!("{name}: keys: Required value: at least one key is needed"));
    }
    let mut keys: Vec<Key> = Vec::new();
    for key in listed {
        let label = key.str_at(&["name"]);
        if label.is_empty() || label.contains(':') {
            return wrong(format!("{name}: keys: Invalid value: {label:?}: a name without colon"));
        }
        if keys.iter().any(|known| known.name == label) {
            return wrong(format!("{name}: keys: key name {label:?} is not unique"));
        }
        let secret = STANDARD.decode(key.str_at(&["secret"]));
        let Ok(secret) = secret else {
            return wrong(format!("{name}: keys: {label}: secret must be base64 encoded"));
        };
        let Some(key) = Key::new(kind, label, &secret) else {
            return wrong(format!(
                "{name}: keys: {label}: secret is not of the expected length, got {}, expected one \
                 of {:?}",
                secret.len(),
                kind.lengths()
            ));
        };
        keys.push(key);
    }
    Ok(Provider::new(kind, keys))
}

/// How long a plugin may take unless told otherwise.
const KMS_TIMEOUT: Duration = Duration::from_secs(3);

/// A plugin of version 2 (`validateKMSConfiguration`).
fn plugin(settings: &Value<'_>, names: &mut Vec<String>) -> Result<Provider, ConfigError> {
    let (name, endpoint) = (settings.str_at(&["name"]), settings.str_at(&["endpoint"]));
    match settings.str_at(&["apiVersion"]) {
        "v2" => {}
        "" | "v1" => {
            return wrong(
                "kms: KMSv1 is deprecated and will only receive security updates going forward. \
                 Use KMSv2 instead.",
            );
        }
        other => {
            return wrong(format!(
                "kms.apiVersion: Invalid value: {other:?}: unsupported apiVersion {other} for KMS \
                 provider, only v1 and v2 are supported"
            ));
        }
    }
    if name.is_empty() {
        return wrong("kms.name: Required value: name is a mandatory field for a provider");
    }
    if name.contains(':') {
        return wrong(format!(
            "kms.name: Invalid value: {name:?}: invalid KMS provider name {name}, must not contain \
             ':'"
        ));
    }
    if names.iter().any(|known| known == name) {
        return wrong(format!(
            "kms.name: Invalid value: {name:?}: duplicate KMS provider name {name}, names must be \
             unique"
        ));
    }
    names.push(name.to_owned());
    if settings.get("cachesize").is_some() {
        return wrong("kms.cachesize: Invalid value: cachesize is not supported in v2");
    }
    let nanos = match settings.str_at(&["timeout"]) {
        "" => i64::try_from(KMS_TIMEOUT.as_nanos()).unwrap_or(i64::MAX),
        text => duration::parse(text).unwrap_or(0),
    };
    let timeout = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
    if timeout.is_zero() {
        return wrong("kms.timeout: Invalid value: timeout should be a positive value");
    }
    if endpoint.is_empty() {
        return wrong("kms.endpoint: Required value: endpoint is a mandatory field for a kms");
    }
    let Some(path) = endpoint.strip_prefix("unix://") else {
        let scheme = endpoint.split_once(':').map_or("", |(scheme, _)| scheme);
        return wrong(format!(
            "kms.endpoint: Invalid value: {endpoint:?}: unsupported scheme {scheme:?} for KMS \
             provider, only unix is supported"
        ));
    };
    if path.is_empty() || path.starts_with("/@") {
        return wrong(format!("kms.endpoint: Invalid value: {endpoint:?}: no path of a socket"));
    }
    Ok(Provider::plugin(Plugin::start(name, endpoint, timeout)?))
}
