//! What the server shows and accepts, made from PEM bytes.

use crate::tls::certificates::AnyClient;
use crate::tls::certificates::ClientVerifier;
use crate::tls::certificates::Resolver;
use crate::tls::certificates::ServerKey;
use crate::tls::suites;
use crate::tls::suites::MinVersion;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::server::ProducesTickets;
use std::fmt;
use std::sync::Arc;

/// The keys of session tickets: one set for the process, so that a client may resume on whichever
/// shard takes its connection, also after certificates were reloaded.
#[derive(Debug, Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// Fresh keys, which rotate by themselves.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new() -> Result<Self, ConfigError> {
        rustls::crypto::ring::Ticketer::new()
            .map(Self)
            .map_err(|e| ConfigError { what: "session tickets", message: e.to_string() })
    }
}

/// A further certificate for some host names (`--tls-sni-cert-key`).
#[derive(Debug, Clone, Default)]
pub struct SniKey {
    /// Chain, PEM.
    pub certificates: Vec<u8>,
    /// Private key, PEM.
    pub key: Vec<u8>,
    /// Host names or `*.domain`; the certificate's own if empty.
    pub names: Vec<String>,
}

/// All that a [`Config`] is made from; the contents of files, not their names.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The server's chain, PEM.
    pub certificates: Vec<u8>,
    /// Its private key, PEM.
    pub key: Vec<u8>,
    /// Further ones.
    pub sni: Vec<SniKey>,
    /// Roots that client certificates are verified against, PEM.
    pub client_ca: Option<Vec<u8>>,
    /// Roots that front proxies' certificates are verified against, PEM.
    pub front_proxy_ca: Option<Vec<u8>>,
    /// Lowest version.
    pub min_version: MinVersion,
    /// Names of TLS 1.2 suites; the default ones if empty.
    pub cipher_suites: Vec<String>,
    /// Curves; the default ones if empty.
    pub curves: Vec<String>,
    /// Offer HTTP/1.1 only.
    pub http1_only: bool,
}

/// Why no [`Config`] could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Which part.
    pub what: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Ready for handshakes; cheap to clone and to send to another shard.
#[derive(Debug, Clone)]
pub struct Config {
    pub(in crate::tls) server: Arc<ServerConfig>,
    pub(in crate::tls) client_ca: Option<ClientVerifier>,
    pub(in crate::tls) front_proxy_ca: Option<ClientVerifier>,
}

impl Config {
    /// Checks and builds.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(material: &Material, tickets: &Tickets) -> Result<Self, ConfigError> {
        let named = |what: &'static str| move |message: String| ConfigError { what, message };
        let provider = suites::provider(&material.cipher_suites, &material.curves)
            .map_err(named("cipher suites and curves"))?;
        let provider = Arc::new(provider);
        let resolver = resolver(material, &provider)?;
        let roots = |what: &'static str, pem: &Option<Vec<u8>>| {
            let verifier = pem.as_ref().map(|pem| ClientVerifier::from_pem(pem, &provider));
            verifier.transpose().map_err(named(what))
        };
        let client_ca = roots("client CA", &material.client_ca)?;
        let front_proxy_ca = roots("requestheader client CA", &material.front_proxy_ca)?;
        let versions: &[&rustls::SupportedProtocolVersion] = match material.min_version {
            MinVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            MinVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|e| named("TLS versions")(e.to_string()))?;
        let verifiers = [&client_ca, &front_proxy_ca];
        let builder = if verifiers.iter().any(|verifier| verifier.is_some()) {
            let subjects = verifiers.into_iter().flatten().flat_map(ClientVerifier::subjects);
            builder.with_client_cert_verifier(Arc::new(AnyClient {
                algorithms: provider.signature_verification_algorithms,
                subjects: subjects.cloned().collect(),
            }))
        } else {
            builder.with_no_client_auth()
        };
        let mut server = builder.with_cert_resolver(Arc::new(resolver));
        server.ignore_client_order = true;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = Arc::clone(&tickets.0);
        server.send_tls13_tickets = 1;
        server.alpn_protocols.push(b"http/1.1".to_vec());
        if !material.http1_only {
            server.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(Self { server: Arc::new(server), client_ca, front_proxy_ca })
    }
}

fn resolver(material: &Material, provider: &CryptoProvider) -> Result<Resolver, ConfigError> {
    let default = ServerKey::from_pem(&material.certificates, &material.key, provider)
        .map_err(|message| ConfigError { what: "serving certificate", message })?;
    let mut by_name = Vec::new();
    for sni in &material.sni {
        let key = ServerKey::from_pem(&sni.certificates, &sni.key, provider)
            .map_err(|message| ConfigError { what: "SNI certificate", message })?;
        let names = if sni.names.is_empty() { key.names() } else { sni.names.clone() };
        by_name.extend(names.into_iter().map(|name| (name.to_ascii_lowercase(), key.clone())));
    }
    Ok(Resolver { default, by_name })
}
