//! Whose certificate is shown, and what the clients' are worth.

use crate::http::Verification;
use rustls::DigitallySignedStruct;
use rustls::DistinguishedName;
use rustls::Error;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::verify_tls12_signature;
use rustls::crypto::verify_tls13_signature;
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerified;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use x509_parser::x509::X509Version;

/// A certificate chain with its private key, as rustls wants it.
#[derive(Debug, Clone)]
pub struct ServerKey(Arc<CertifiedKey>);

impl ServerKey {
    /// From PEM: the server's own certificate first.
    ///
    /// # Errors
    /// What is wrong with them, also when the key is not the certificate's.
    pub fn from_pem(
        certificates: &[u8],
        key: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Self, String> {
        let chain = certificates_from_pem(certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|e| format!("private key cannot be read: {e}"))?;
        CertifiedKey::from_der(chain, key, provider)
            .map(|key| Self(Arc::new(key)))
            .map_err(|e| format!("certificate and key cannot be used: {e}"))
    }

    /// The DNS names the certificate is for.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let Some(certificate) = self.0.cert.first() else { return Vec::new() };
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else {
            return Vec::new();
        };
        let Ok(Some(names)) = parsed.subject_alternative_name() else { return Vec::new() };
        let names = names.value.general_names.iter().filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        names.collect()
    }
}

/// All certificates of a PEM text.
///
/// # Errors
/// When one cannot be read, or there is none.
pub(in crate::tls) fn certificates_from_pem(
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|e| format!("certificate cannot be read: {e}"))?;
    if found.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(found) }
}

/// Chooses the certificate by the host name that the client asks for.
#[derive(Debug)]
pub(in crate::tls) struct Resolver {
    pub(in crate::tls) default: ServerKey,
    /// Host names in lower case, or `*.domain`.
    pub(in crate::tls) by_name: Vec<(String, ServerKey)>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = hello
            .server_name()
            .map(str::to_ascii_lowercase)
            .and_then(|name| self.find(&name))
            .unwrap_or(&self.default);
        Some(Arc::clone(&key.0))
    }
}

impl Resolver {
    /// An exact name wins over a wildcard, the first given over later ones.
    fn find(&self, name: &str) -> Option<&ServerKey> {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let exact = self.by_name.iter().find(|(pattern, _)| pattern == name);
        let wildcard = || {
            self.by_name
                .iter()
                .find(|(pattern, _)| parent.is_some() && pattern.strip_prefix("*.") == parent)
        };
        exact.or_else(wildcard).map(|(_, key)| key)
    }
}

/// Asks clients for a certificate and takes any, as long as the client proves that it has the key.
/// Whether it is to be trusted is found out afterwards, by [`ClientVerifier`].
#[derive(Debug)]
pub(in crate::tls) struct AnyClient {
    pub(in crate::tls) algorithms: WebPkiSupportedAlgorithms,
    /// The CAs' names, which tell clients with several certificates which one to send.
    pub(in crate::tls) subjects: Vec<DistinguishedName>,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls13_signature(message, certificate, signature, &self.algorithms);
        // Certificates of version 1 (`openssl x509 -req` makes them) are none to webpki; their key
        // may sign all the same.
        match (verified, version_one_key(certificate)) {
            (Err(_), Some(key)) => {
                verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
            }
            (verified, _) => verified,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies chains of client certificates against one set of roots.
#[derive(Debug, Clone)]
pub struct ClientVerifier {
    verifier: Arc<dyn ClientCertVerifier>,
    roots: Arc<[CertificateDer<'static>]>,
}

impl ClientVerifier {
    /// From the PEM text of `--client-ca-file` or `--requestheader-client-ca-file`.
    ///
    /// # Errors
    /// What is wrong with the roots.
    pub fn from_pem(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let listed = certificates_from_pem(pem)?;
        for certificate in &listed {
            roots.add(certificate.clone()).map_err(|e| format!("not usable as a root: {e}"))?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map(|verifier| Self { verifier, roots: listed.into() })
            .map_err(|e| e.to_string())
    }

    pub(in crate::tls) fn subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    /// Verifies at the present time; the peer's own certificate comes first in `chain`.
    #[must_use]
    pub fn verify(&self, chain: &[CertificateDer<'_>]) -> Verification {
        let Some((own, intermediates)) = chain.split_first() else {
            return Verification::Failed("no certificate".to_owned());
        };
        match self.verifier.verify_client_cert(own, intermediates, UnixTime::now()) {
            Ok(_) => Verification::Verified,
            Err(_) if version_one_holds(own, &self.roots) => Verification::Verified,
            Err(error) => Verification::Failed(error.to_string()),
        }
    }
}

/// The public key of a certificate of version 1; `None` for any other.
fn version_one_key(der: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let key = certificate.public_key().raw.to_vec();
    (certificate.version() == X509Version::V1).then(|| key.into())
}

/// True for a certificate of version 1 that one of the roots itself has issued and that is in its
/// time. It has no extensions, so nothing limits what it may be used for.
fn version_one_holds(der: &CertificateDer<'_>, roots: &[CertificateDer<'_>]) -> bool {
    let Ok((_, own)) = x509_parser::parse_x509_certificate(der) else { return false };
    own.version() == X509Version::V1
        && own.validity().is_valid()
        && roots.iter().any(|root| {
            x509_parser::parse_x509_certificate(root).is_ok_and(|(_, root)| {
                root.subject() == own.issuer()
                    && root.validity().is_valid()
                    && root.is_ca()
                    && own.verify_signature(Some(root.public_key())).is_ok()
            })
        })
}
