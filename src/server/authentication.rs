//! The authenticators of a shard and its issuer of tokens, as flags and files want them.

use crate::authn::key::PublicKey;
use crate::authn::oidc::{AuthenticationConfig, Issuer, IssuerConfig};
use crate::authn::sign::Signer;
use crate::authn::{
    Anonymous, Authenticator, CacheFigures, FrontProxy, Issuers, Objects, ServiceAccounts,
    TokenCache, TokenFile, TokenIssuer, TokenService, TokenWebhook, Tokens, UsedSecret,
};
use crate::base::ids;
use crate::base::limits::LEGACY_USES_WAITING_MAX;
use crate::cache::Cache;
use crate::client::{Client, kubeconfig};
use crate::config::Config;
use crate::metrics::Recorder;
use crate::server::credentials::Credentials;
use crate::server::pki;
use async_channel::Receiver;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

/// Who else knows tokens, for all shards; and what a file says of those who show none.
#[derive(Debug, Clone)]
pub(in crate::server) struct Providers {
    pub(in crate::server) issuers: Issuers,
    pub(in crate::server) token_service: Option<Arc<TokenService>>,
    anonymous: Option<Anonymous>,
    client: Client,
}

impl Providers {
    /// Reads what flags name, and starts to fetch issuers' keys.
    ///
    /// # Errors
    /// The line for the operator.
    pub(in crate::server) fn start(config: &Config, client: &Client) -> Result<Self, String> {
        let authentication = &config.authentication;
        let mut found = AuthenticationConfig::default();
        if let Some(path) = &authentication.config_file {
            found = read(config, path)?;
        }
        if found.anonymous.is_some() && authentication.anonymous_given {
            let text = "--anonymous-auth flag cannot be set when anonymous field is configured in \
                        authentication configuration file";
            return Err(text.to_owned());
        }
        if let Some(oidc) = &authentication.oidc {
            let mut issuer = oidc.issuer.clone();
            if let Some(path) = &oidc.ca_file {
                issuer.ca = Some(pki::read("oidc-ca-file", path)?);
            }
            found.issuers.push(issuer.into());
        }
        Ok(Self {
            issuers: issuers(found.issuers, client)?,
            token_service: token_service(config, client)?,
            anonymous: found.anonymous,
            client: client.clone(),
        })
    }

    /// The issuers of the file as it is now.
    ///
    /// # Errors
    /// The line for the operator.
    pub(in crate::server) fn again(&self, config: &Config, path: &Path) -> Result<Issuers, String> {
        issuers(read(config, path)?.issuers, &self.client)
    }
}

fn read(config: &Config, path: &Path) -> Result<AuthenticationConfig, String> {
    let source = pki::read("authentication-config", path)?;
    let taken = &config.authentication.service_accounts.issuers;
    AuthenticationConfig::parse(&source, taken)
        .map_err(|why| format!("--authentication-config: {why}"))
}

fn issuers(configs: Vec<IssuerConfig>, client: &Client) -> Result<Issuers, String> {
    configs.into_iter().map(|config| Issuer::start(config, client)).collect()
}

/// The service that knows more tokens, if flags name one.
fn token_service(config: &Config, client: &Client) -> Result<Option<Arc<TokenService>>, String> {
    let Some(webhook) = &config.authentication.token_webhook else { return Ok(None) };
    let endpoint = kubeconfig::read(&webhook.config_file)
        .map_err(|why| format!("--authentication-token-webhook-config-file: {why}"))?;
    let (client, version) = (client.clone(), webhook.version.clone());
    Ok(Some(Arc::new(TokenService { client, endpoint, version, ttl: webhook.ttl })))
}

/// When the AuthenticationConfiguration was last written.
pub(in crate::server) fn written(config: &Config) -> Option<SystemTime> {
    let file = config.authentication.config_file.as_ref()?;
    std::fs::metadata(file).and_then(|data| data.modified()).ok()
}

/// Who clients are, and what proves it.
pub(in crate::server) struct Authentication {
    pub(in crate::server) authenticator: Rc<Authenticator>,
    pub(in crate::server) issuer: Rc<TokenIssuer>,
    /// The keys that verify service accounts' tokens, for discovery.
    pub(in crate::server) keys: Rc<[PublicKey]>,
    /// Told of secrets whose tokens are used.
    pub(in crate::server) used: Receiver<UsedSecret>,
}

impl Authentication {
    /// For one shard.
    ///
    /// # Errors
    /// The line for the operator: a file that cannot be used.
    pub(in crate::server) fn new(
        config: &Config,
        credentials: &Credentials,
        providers: &Providers,
        cache: &Cache,
        metrics: Rc<Recorder>,
    ) -> Result<Self, String> {
        let authentication = &config.authentication;
        let accounts = &authentication.service_accounts;
        let file = match &credentials.tokens {
            Some(text) => {
                TokenFile::parse(text).map_err(|error| format!("--token-auth-file: {error}"))?
            }
            None => TokenFile::default(),
        };
        let signer = Signer::of_pem(&credentials.service_account_signing_key)
            .map_err(|error| format!("--service-account-signing-key-file: {error}"))?;
        let mut keys = Vec::new();
        for pem in &credentials.service_account_keys {
            let found = PublicKey::all_of_pem(pem)
                .map_err(|error| format!("--service-account-key-file: {error}"))?;
            keys.extend(found.into_iter().filter(|key| !keys.contains(key)).collect::<Vec<_>>());
        }
        let keys: Rc<[PublicKey]> = keys.into();
        let audiences: Rc<[String]> = accounts.api_audiences.as_slice().into();
        let objects = Objects::new(cache.clone());
        let (uses, used) = async_channel::bounded(LEGACY_USES_WAITING_MAX);
        let figures = CacheFigures::new(&metrics);
        let service = providers.token_service.clone();
        let webhook = service.map(|service| TokenWebhook::new(service, Rc::clone(&audiences)));
        let tokens = Tokens {
            figures,
            file,
            accounts: ServiceAccounts {
                keys: Rc::clone(&keys),
                issuers: accounts.issuers.clone(),
                audiences: Rc::clone(&audiences),
                lookup: accounts.lookup,
                objects: objects.clone(),
                used: uses,
                metrics,
            },
            bootstrap: authentication.bootstrap_tokens.then_some(objects),
            issuers: RefCell::new(Arc::clone(&providers.issuers)),
            webhook,
            audiences: Rc::clone(&audiences),
            cache: RefCell::new(TokenCache::default()),
        };
        // Nobody may do everything: where all is allowed, upstream lets nobody in unnamed.
        let allows_all = config.authorization.modes.iter().any(|mode| mode == "AlwaysAllow");
        let anonymous = authentication.anonymous && !allows_all;
        let header = &authentication.request_header;
        let authenticator = Authenticator {
            front_proxy: FrontProxy {
                enabled: header.enabled,
                allowed_names: header.allowed_names.clone(),
                username_headers: header.username_headers.clone(),
                uid_headers: header.uid_headers.clone(),
                group_headers: header.group_headers.clone(),
                extra_headers_prefixes: header.extra_headers_prefixes.clone(),
            },
            tokens,
            anonymous: providers
                .anonymous
                .clone()
                .unwrap_or_else(|| Anonymous { enabled: anonymous, paths: Vec::new() }),
            loopback_token: ids::random(),
            loopback: Authenticator::own(),
        };
        let issuer = TokenIssuer {
            signer,
            name: accounts.issuers.first().cloned().unwrap_or_default(),
            audiences,
            max_seconds: i64::try_from(accounts.max_expiration.as_secs()).unwrap_or(i64::MAX),
            extends: accounts.extend_expiration,
        };
        let (authenticator, issuer) = (Rc::new(authenticator), Rc::new(issuer));
        Ok(Self { authenticator, issuer, keys, used })
    }
}
