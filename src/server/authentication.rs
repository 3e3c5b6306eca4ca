//! The authenticators of a shard and its issuer of tokens, as flags and files want them.

use crate::authn::key::PublicKey;
use crate::authn::sign::Signer;
use crate::authn::{
    Anonymous, Authenticator, FrontProxy, Objects, ServiceAccounts, TokenCache, TokenFile,
    TokenIssuer, TokenService, TokenWebhook, Tokens,
};
use crate::base::ids;
use crate::cache::Cache;
use crate::client::{Client, kubeconfig};
use crate::config::Config;
use crate::server::credentials::Credentials;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// The service that knows more tokens, if flags name one.
///
/// # Errors
/// The line for the operator.
pub(in crate::server) fn token_service(
    config: &Config,
    client: &Client,
) -> Result<Option<Arc<TokenService>>, String> {
    let Some(webhook) = &config.authentication.token_webhook else { return Ok(None) };
    let endpoint = kubeconfig::read(&webhook.config_file)
        .map_err(|why| format!("--authentication-token-webhook-config-file: {why}"))?;
    let (client, version) = (client.clone(), webhook.version.clone());
    Ok(Some(Arc::new(TokenService { client, endpoint, version, ttl: webhook.ttl })))
}

/// Who clients are, and what proves it.
pub(in crate::server) struct Authentication {
    pub(in crate::server) authenticator: Rc<Authenticator>,
    pub(in crate::server) issuer: Rc<TokenIssuer>,
    /// The keys that verify service accounts' tokens, for discovery.
    pub(in crate::server) keys: Rc<[PublicKey]>,
}

impl Authentication {
    /// For one shard.
    ///
    /// # Errors
    /// The line for the operator: a file that cannot be used.
    pub(in crate::server) fn new(
        config: &Config,
        credentials: &Credentials,
        token_service: Option<Arc<TokenService>>,
        cache: &Cache,
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
        let tokens = Tokens {
            file,
            accounts: ServiceAccounts {
                keys: Rc::clone(&keys),
                issuers: accounts.issuers.clone(),
                audiences: Rc::clone(&audiences),
                lookup: accounts.lookup,
                objects: objects.clone(),
            },
            bootstrap: authentication.bootstrap_tokens.then_some(objects),
            webhook: token_service.map(|service| TokenWebhook::new(service, Rc::clone(&audiences))),
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
            anonymous: Anonymous { enabled: anonymous, paths: Vec::new() },
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
        Ok(Self { authenticator: Rc::new(authenticator), issuer: Rc::new(issuer), keys })
    }
}
