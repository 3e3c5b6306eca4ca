//! The EncryptionConfiguration (`apiserver.config.k8s.io/v1`): which resources, which providers,
//! which keys.

use super::provider::{Chain, Key, Kind, Provider};
use crate::base::hash::HashMap;
use crate::codec::yaml;
use crate::object::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use std::fmt;
use std::sync::Arc;

/// Why a file is no configuration; the text for the operator, without any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
                providers.iter().map(provider).collect();
            let chain = Arc::new(Chain::new(providers?));
            for name in named {
                let place = place(name.as_str().unwrap_or_default())?;
                // An earlier entry for the same resource goes before.
                rules.chains.entry(place).or_insert_with(|| Arc::clone(&chain));
            }
        }
        Ok(rules)
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

fn provider(value: &Value<'_>) -> Result<Provider, ConfigError> {
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
        "kms" => return wrong("providers: kms is not built yet in this version of kubering"),
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
