//! Whom to ask.

use crate::client::ClientError;
use crate::client::Trust;
use http::HeaderValue;
use std::sync::Arc;

/// The other end of an exchange, beside its URL.
#[derive(Debug, Clone)]
pub struct Target {
    /// What is believed of it, and what is shown to it.
    pub trust: Arc<Trust>,
    /// Host and port to connect to instead of the URL's, as for a webhook's service.
    pub address: Option<(String, u16)>,
    /// The name its certificate must be for; the URL's host if none.
    pub server_name: Option<String>,
    /// The `Authorization` header that [`Client::post`](crate::client::Client::post) sends.
    pub authorization: Option<HeaderValue>,
}

impl Target {
    /// The server that the URL names.
    #[must_use]
    pub const fn of_url(trust: Arc<Trust>) -> Self {
        Self { trust, address: None, server_name: None, authorization: None }
    }
}

/// What connections are kept by: all that must be equal for one to serve another exchange.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::client) struct Key {
    pub(in crate::client) host: String,
    pub(in crate::client) port: u16,
    /// `None` without TLS.
    pub(in crate::client) server_name: Option<String>,
    /// Only HTTP/1.1, because the exchange may be upgraded.
    pub(in crate::client) upgrades: bool,
    /// Which [`Trust`]: its address, which stays its own while the pool holds it.
    trust: usize,
}

impl Key {
    /// # Errors
    /// The URL has no host, or a scheme other than `http` and `https`.
    pub(in crate::client) fn new(
        target: &Target,
        uri: &http::Uri,
        upgrades: bool,
    ) -> Result<Self, ClientError> {
        let unusable = |what: String| ClientError::Unusable(what);
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            other => {
                let scheme = other.unwrap_or_default();
                return Err(unusable(format!("unsupported protocol scheme {scheme:?}")));
            }
        };
        let host = uri.host().ok_or_else(|| unusable("http: no Host in request URL".to_owned()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let server_name = target.server_name.clone().unwrap_or_else(|| host.to_owned());
        let (host, port) = target.address.clone().unwrap_or_else(|| (host.to_owned(), port));
        let trust = Arc::as_ptr(&target.trust).addr();
        let server_name = tls.then_some(server_name);
        Ok(Self { host, port, server_name, upgrades: upgrades || !tls, trust })
    }
}
