//! The authorizers that flags or a file ask for: read at start, and again when the file changes
//! (`pkg/kubeapiserver/authorizer`).

use crate::authz::abac::Policies;
use crate::authz::{AuthorizerConfig, Link, Mode, Part};
use crate::config::Config;
use crate::server::pki;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// The authorizers of all shards, in order.
#[derive(Debug, Clone)]
pub(in crate::server) struct Authorization {
    authorizers: Vec<AuthorizerConfig>,
    policies: Arc<Policies>,
}

impl Authorization {
    /// Reads what flags name.
    ///
    /// # Errors
    /// The line for the operator.
    pub(in crate::server) fn read(config: &Config) -> Result<Self, String> {
        let authorization = &config.authorization;
        let authorizers = match &authorization.config_file {
            Some(path) => parse(path)?,
            None => {
                let modes = authorization.modes.iter().filter_map(|text| Mode::parse(text));
                modes.map(AuthorizerConfig::plain).collect()
            }
        };
        let policies = if authorizers.iter().any(|one| one.mode == Mode::Abac) {
            policies(authorization.policy_file.as_deref().unwrap_or(Path::new("")))?
        } else {
            Policies::default()
        };
        Ok(Self { authorizers, policies: Arc::new(policies) })
    }

    /// The chain of a shard.
    pub(in crate::server) fn links(&self) -> Vec<Link> {
        let link = |one: &AuthorizerConfig| match one.mode {
            Mode::Abac => Link {
                name: one.name.as_str().into(),
                part: Part::Abac(Arc::clone(&self.policies)),
            },
            mode => Link { name: one.name.as_str().into(), ..Link::plain(mode) },
        };
        self.authorizers.iter().map(link).collect()
    }

    /// Whether an authorizer of this mode is in the chain.
    pub(in crate::server) fn has(&self, mode: Mode) -> bool {
        self.authorizers.iter().any(|one| one.mode == mode)
    }

    /// Reads the file anew. The authorizers of this process stay what they were at start: indexes
    /// that are not kept cannot decide (`reloadableAuthorizerResolver.newForConfig`).
    ///
    /// # Errors
    /// The line for the operator.
    pub(in crate::server) fn again(&self, path: &Path) -> Result<Self, String> {
        let authorizers = parse(path)?;
        let own = |mode: &Mode| *mode != Mode::Webhook;
        let mut missing: Vec<&str> = self
            .authorizers
            .iter()
            .map(|one| one.mode)
            .filter(|mode| own(mode) && !authorizers.iter().any(|one| one.mode == *mode))
            .map(Mode::name)
            .collect();
        missing.sort_unstable();
        if !missing.is_empty() {
            return Err(format!("missing required types: [{}]", missing.join(" ")));
        }
        let added = authorizers.iter().map(|one| one.mode);
        if let Some(mode) = added.filter(own).find(|mode| !self.has(*mode)) {
            return Err(format!(
                "authorizer type {} is not allowed if it was not enabled at initial server startup",
                mode.name()
            ));
        }
        Ok(Self { authorizers, policies: Arc::clone(&self.policies) })
    }
}

fn parse(path: &Path) -> Result<Vec<AuthorizerConfig>, String> {
    let source = pki::read("authorization-config", path)?;
    let parsed = AuthorizerConfig::parse(&source, &|_| {
        Err("expressions are not built yet in this version of kubering".to_owned())
    });
    parsed.map_err(|why| format!("--authorization-config: {why}"))
}

fn policies(path: &Path) -> Result<Policies, String> {
    let source = pki::read("authorization-policy-file", path)?;
    let text = String::from_utf8_lossy(&source);
    let shown = path.display();
    let policies = Policies::parse(&text).map_err(|error| {
        format!("--authorization-policy-file: error reading policy file {shown}, {error}")
    })?;
    if policies.unversioned > 0 {
        log::warn!("policy file {shown} contained unversioned rules");
    }
    Ok(policies)
}

/// When the file was last written.
pub(in crate::server) fn written(config: &Config) -> Option<SystemTime> {
    let file = config.authorization.config_file.as_ref()?;
    fs::metadata(file).and_then(|data| data.modified()).ok()
}
