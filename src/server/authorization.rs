//! The authorizers that flags or a file ask for: read at start, and again when the file changes
//! (`pkg/kubeapiserver/authorizer`).

use crate::authz::abac::Policies;
use crate::authz::conditions::{self, Conditions};
use crate::authz::{
    AuthorizerConfig, Link, Mode, Part, Service, Successes, Webhook, WebhookConfig,
};
use crate::client::{Client, kubeconfig};
use crate::config::Config;
use crate::metrics::Recorder;
use crate::server::pki;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a webhook of the flags may take.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// The authorizers of all shards, in order.
#[derive(Debug, Clone)]
pub(in crate::server) struct Authorization {
    authorizers: Vec<(AuthorizerConfig, Option<Arc<Service>>)>,
    policies: Arc<Policies>,
    client: Client,
    successes: Arc<Successes>,
}

impl Authorization {
    /// Reads what flags name.
    ///
    /// # Errors
    /// The line for the operator.
    pub(in crate::server) fn read(config: &Config, client: &Client) -> Result<Self, String> {
        let authorization = &config.authorization;
        let authorizers = match &authorization.config_file {
            Some(path) => parse(path)?,
            None => of_flags(config),
        };
        let policies = if authorizers.iter().any(|one| one.mode == Mode::Abac) {
            policies(authorization.policy_file.as_deref().unwrap_or(Path::new("")))?
        } else {
            Policies::default()
        };
        let (policies, client) = (Arc::new(policies), client.clone());
        let authorizers = with_services(authorizers, &client)?;
        Ok(Self { authorizers, policies, client, successes: Arc::default() })
    }

    /// How users last impersonated, for all shards.
    pub(in crate::server) fn successes(&self) -> Arc<Successes> {
        Arc::clone(&self.successes)
    }

    /// The chain of a shard, which counts in `metrics`.
    pub(in crate::server) fn links(&self, metrics: &Rc<Recorder>) -> Vec<Link> {
        let link = |(one, service): &(AuthorizerConfig, Option<Arc<Service>>)| {
            let part = match (one.mode, service) {
                (Mode::Abac, _) => Part::Abac(Arc::clone(&self.policies)),
                (Mode::Webhook, Some(service)) => {
                    let (service, metrics) = (Arc::clone(service), Rc::clone(metrics));
                    Part::Webhook(Some(Rc::new(Webhook::new(service, &one.name, metrics))))
                }
                (mode, _) => Link::plain(mode).part,
            };
            Link::new(one.mode, &one.name, part, metrics)
        };
        self.authorizers.iter().map(link).collect()
    }

    /// Whether an authorizer of this mode is in the chain.
    pub(in crate::server) fn has(&self, mode: Mode) -> bool {
        self.authorizers.iter().any(|(one, _)| one.mode == mode)
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
            .map(|(one, _)| one.mode)
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
        let authorizers = with_services(authorizers, &self.client)?;
        Ok(Self { authorizers, ..self.clone() })
    }
}

/// What `--authorization-mode` and the flags beside it ask for.
fn of_flags(config: &Config) -> Vec<AuthorizerConfig> {
    let authorization = &config.authorization;
    let modes = authorization.modes.iter().filter_map(|text| Mode::parse(text));
    let of_mode = |mode| {
        let plain = AuthorizerConfig::plain(mode);
        let Some(webhook) = authorization.webhook.as_ref().filter(|_| mode == Mode::Webhook) else {
            return plain;
        };
        let webhook = WebhookConfig {
            authorized_ttl: webhook.authorized_ttl,
            unauthorized_ttl: webhook.unauthorized_ttl,
            timeout: WEBHOOK_TIMEOUT,
            version: webhook.version.clone(),
            denies_on_failure: false,
            kubeconfig: Some(webhook.config_file.clone()),
            match_conditions: Vec::new(),
        };
        AuthorizerConfig { name: "default".to_owned(), webhook: Some(webhook), ..plain }
    };
    modes.map(of_mode).collect()
}

/// An authorizer and the service that it asks, if it is a webhook.
type Served = (AuthorizerConfig, Option<Arc<Service>>);

/// The services that webhooks ask.
fn with_services(
    authorizers: Vec<AuthorizerConfig>,
    client: &Client,
) -> Result<Vec<Served>, String> {
    let with = |one: AuthorizerConfig| {
        let Some(webhook) = &one.webhook else { return Ok((one, None)) };
        let Some(file) = &webhook.kubeconfig else {
            let name = &one.name;
            return Err(format!("authorizer {name}: InClusterConfig is not for the API server"));
        };
        let service = Service {
            client: client.clone(),
            endpoint: kubeconfig::read(file)
                .map_err(|why| format!("authorizer {}: {why}", one.name))?,
            version: webhook.version.clone(),
            timeout: webhook.timeout,
            authorized_ttl: webhook.authorized_ttl,
            unauthorized_ttl: webhook.unauthorized_ttl,
            denies_on_failure: webhook.denies_on_failure,
            conditions: Conditions::compile(&webhook.match_conditions)
                .map(Arc::new)
                .map_err(|why| format!("authorizer {}: {why}", one.name))?,
        };
        Ok((one, Some(Arc::new(service))))
    };
    authorizers.into_iter().map(with).collect()
}

fn parse(path: &Path) -> Result<Vec<AuthorizerConfig>, String> {
    let source = pki::read("authorization-config", path)?;
    let compiles = |text: &str| conditions::compile(text).map(drop);
    let parsed = AuthorizerConfig::parse(&source, &compiles);
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
