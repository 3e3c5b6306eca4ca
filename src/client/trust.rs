//! What is believed of the other end, and what is shown to it.

use crate::client::ClientError;
use crate::client::verify::GoVerifier;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::sign::SingleCertAndKey;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

/// Which certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Roots {
    /// Those that chain to the system's roots.
    System,
    /// Those that chain to a CA of this PEM text.
    Pem(Vec<u8>),
    /// Any, as Go's `InsecureSkipVerify`.
    Unverified,
}

/// A client certificate, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain, the own certificate first.
    pub certificates: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Roots and identity for a set of servers. Connections are shared among exchanges with the same
/// one, so it is made once and kept, not once for each exchange.
#[derive(Debug)]
pub struct Trust {
    roots: Roots,
    identity: Option<Identity>,
    built: OnceLock<Result<Configs, ClientError>>,
}

/// For both kinds of ALPN.
#[derive(Debug, Clone)]
pub(in crate::client) struct Configs {
    pub(in crate::client) any: Arc<ClientConfig>,
    pub(in crate::client) http1: Arc<ClientConfig>,
}

impl Trust {
    /// What cannot be used of it is told by the exchanges that need it.
    #[must_use]
    pub fn new(roots: Roots, identity: Option<Identity>) -> Arc<Self> {
        Arc::new(Self { roots, identity, built: OnceLock::new() })
    }

    /// Built by the client's thread at the first use: the system's roots are read from files.
    pub(in crate::client) fn configs(&self) -> Result<&Configs, ClientError> {
        self.built
            .get_or_init(|| self.build().map_err(ClientError::Unusable))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn build(&self) -> Result<Configs, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match &self.roots {
            Roots::Unverified => Arc::new(GoVerifier::any(&provider)),
            Roots::System => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                Arc::new(GoVerifier::new(roots, Vec::new(), &provider)?)
            }
            Roots::Pem(pem) => {
                let listed = from_pem(pem).filter(|listed| !listed.is_empty()).ok_or(
                    "unable to load root certificates: unable to parse bytes as PEM block",
                )?;
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(listed.iter().cloned());
                Arc::new(GoVerifier::new(roots, listed, &provider)?)
            }
        };
        let keys = provider.key_provider;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = from_pem(&identity.certificates).unwrap_or_default();
                let key = PrivateKeyDer::from_pem_slice(&identity.key)
                    .map_err(|_| "tls: failed to find any PEM data in key input")?;
                let key = keys
                    .load_private_key(key)
                    .map_err(|error| format!("tls: client certificate: {error}"))?;
                // Not held against each other, which would refuse certificates of version 1, as
                // `openssl x509 -req` makes them.
                let pair = CertifiedKey::new(chain, key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Configs { any: Arc::new(config), http1 })
    }
}

fn from_pem(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()
}
