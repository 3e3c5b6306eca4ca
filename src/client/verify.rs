//! Whether a server's certificate is to be believed, as Go's `crypto/x509` decides, and its words
//! when it is not.

use rustls::CertificateError;
use rustls::DigitallySignedStruct;
use rustls::Error;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::verify_tls12_signature;
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::server::ParsedCertificate;
use std::fmt;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;

/// The text of a refused certificate, carried through rustls.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Believes servers as Go does.
#[derive(Debug)]
pub(in crate::client) struct GoVerifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Which certificates are believed.
#[derive(Debug)]
enum Trust {
    /// Any whose key the server has (`InsecureSkipVerify`).
    Any,
    /// Those that chain to roots, with Go's exceptions: one that is itself among the roots is
    /// believed, and its being a CA does not matter.
    Roots {
        /// `None` if there is no root at all.
        chains: Option<Arc<WebPkiServerVerifier>>,
        listed: Vec<CertificateDer<'static>>,
    },
}

impl GoVerifier {
    /// Believes any server.
    pub(in crate::client) fn any(provider: &CryptoProvider) -> Self {
        Self { trust: Trust::Any, algorithms: provider.signature_verification_algorithms }
    }

    /// `listed` are the roots that a server may show as its own certificate.
    pub(in crate::client) fn new(
        roots: RootCertStore,
        listed: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let algorithms = provider.signature_verification_algorithms;
        let chains = match roots.is_empty() {
            true => None,
            false => {
                let provider = Arc::clone(provider);
                let built =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
                Some(built.map_err(|error| error.to_string())?)
            }
        };
        Ok(Self { trust: Trust::Roots { chains, listed }, algorithms })
    }

    /// A certificate that is one of the roots.
    fn verify_listed(
        own: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let (_, parsed) = x509_parser::parse_x509_certificate(own)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if seconds > parsed.validity().not_after.timestamp() {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        if seconds < parsed.validity().not_before.timestamp() {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        verify_server_name(&ParsedCertificate::try_from(own)?, name)
    }
}

impl ServerCertVerifier for GoVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = match &self.trust {
            Trust::Any => Ok(ServerCertVerified::assertion()),
            Trust::Roots { listed, .. } if listed.iter().any(|root| root == own) => {
                Self::verify_listed(own, name, now).map(|()| ServerCertVerified::assertion())
            }
            Trust::Roots { chains: Some(chains), .. } => {
                chains.verify_server_cert(own, others, name, stapled, now)
            }
            Trust::Roots { chains: None, .. } => {
                Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
            }
        };
        verified.map_err(|error| match error {
            Error::InvalidCertificate(reason) => {
                let text = go_text(&reason, own, name, now);
                let other = rustls::OtherError(Arc::new(Refused(text)));
                Error::InvalidCertificate(CertificateError::Other(other))
            }
            other => other,
        })
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
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// `x509: …`, as Go's `CertificateInvalidError`, `HostnameError` and `UnknownAuthorityError` read.
fn go_text(
    reason: &CertificateError,
    own: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> String {
    let parsed = x509_parser::parse_x509_certificate(own).ok().map(|(_, parsed)| parsed);
    let stamp = |seconds: i64| {
        time::OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
            |_| seconds.to_string(),
            |at| {
                let (date, clock) = (at.date(), at.time());
                let (hour, minute, second) = clock.as_hms();
                format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
            },
        )
    };
    let current = stamp(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let expired = "x509: certificate has expired or is not yet valid: current time";
    match (reason, &parsed) {
        (CertificateError::Expired | CertificateError::ExpiredContext { .. }, Some(own)) => {
            format!("{expired} {current} is after {}", stamp(own.validity().not_after.timestamp()))
        }
        (
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            Some(own),
        ) => {
            let begin = stamp(own.validity().not_before.timestamp());
            format!("{expired} {current} is before {begin}")
        }
        (
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            Some(own),
        ) => hostname_text(own, name),
        (CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }, _) => {
            "x509: certificate specifies an incompatible key usage".to_owned()
        }
        (CertificateError::BadEncoding, None) => "x509: malformed certificate".to_owned(),
        _ => "x509: certificate signed by unknown authority".to_owned(),
    }
}

/// Go's `HostnameError`.
fn hostname_text(
    own: &x509_parser::certificate::X509Certificate<'_>,
    name: &ServerName<'_>,
) -> String {
    let names = own.subject_alternative_name().ok().flatten();
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let mut hosts = Vec::new();
    let mut addresses = Vec::new();
    for name in names {
        match name {
            GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let four = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
                let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(Into::into));
                addresses.extend(address.ok().map(|address| address.to_string()));
            }
            _ => {}
        }
    }
    let wanted = name.to_str();
    if names.is_empty() {
        return "x509: certificate relies on legacy Common Name field, use SANs instead".to_owned();
    }
    let valid = match name {
        ServerName::IpAddress(_) if addresses.is_empty() => {
            return format!(
                "x509: cannot validate certificate for {wanted} because it doesn't contain any \
                 IP SANs"
            );
        }
        ServerName::IpAddress(_) => addresses,
        _ => hosts,
    };
    match valid.is_empty() {
        true => {
            format!("x509: certificate is not valid for any names, but wanted to match {wanted}")
        }
        false => format!("x509: certificate is valid for {}, not {wanted}", valid.join(", ")),
    }
}
