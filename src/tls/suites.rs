//! Names of TLS versions, cipher suites and curves as kube-apiserver's flags spell them
//! (`k8s.io/component-base/cli/flag` `ciphersuites_flag.go`), and what of them rustls has.

use rustls::CipherSuite;
use rustls::NamedGroup;
use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring as provider;

/// `--tls-min-version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// `VersionTLS12`, the default.
    #[default]
    Tls12,
    /// `VersionTLS13`.
    Tls13,
}

/// TLS 1.2 suites by Go's names that this server has.
const NAMED: [(&str, CipherSuite); 8] = [
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Suites that kube-apiserver knows and this server does not have (CBC modes and RSA key exchange),
/// or that TLS 1.3 always has whatever the flag says.
const WITHOUT_EFFECT: [&str; 17] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

/// The suites that `--tls-cipher-suites` chooses among.
pub fn cipher_suite_names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, _)| *name)
}

/// What rustls is to use: AES-128 first, as Go does on machines with AES instructions; it costs a
/// quarter less per byte than AES-256.
///
/// # Errors
/// The name that nobody knows, or a choice that leaves nothing.
pub(in crate::tls) fn provider(
    suites: &[String],
    curves: &[String],
) -> Result<CryptoProvider, String> {
    let mut provider = provider::default_provider();
    provider.cipher_suites = chosen_suites(suites)?;
    if !curves.is_empty() {
        provider.kx_groups = curves.iter().map(|name| curve(name)).collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

fn chosen_suites(names: &[String]) -> Result<Vec<SupportedCipherSuite>, String> {
    use provider::cipher_suite as suite;
    let mut chosen = Vec::new();
    for name in names {
        match NAMED.iter().find(|(known, _)| known == name) {
            Some((_, suite)) => chosen.push(*suite),
            None if WITHOUT_EFFECT.contains(&name.as_str()) => {}
            None => return Err(format!("Cipher suite {name} not supported or doesn't exist")),
        }
    }
    if chosen.is_empty() && !names.is_empty() {
        return Err("none of the given cipher suites is offered by this server".to_owned());
    }
    let all = [
        suite::TLS13_AES_128_GCM_SHA256,
        suite::TLS13_AES_256_GCM_SHA384,
        suite::TLS13_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    Ok(all
        .into_iter()
        .filter(|suite| {
            names.is_empty() || suite.tls13().is_some() || chosen.contains(&suite.suite())
        })
        .collect())
}

/// A curve by its number in the TLS registry or Go's name.
fn curve(name: &str) -> Result<&'static dyn SupportedKxGroup, String> {
    let group = match name {
        "23" | "CurveP256" => NamedGroup::secp256r1,
        "24" | "CurveP384" => NamedGroup::secp384r1,
        "29" | "X25519" => NamedGroup::X25519,
        _ => return Err(format!("curve {name} is not offered: 23, 24 and 29 are")),
    };
    provider::ALL_KX_GROUPS
        .iter()
        .find(|offered| offered.name() == group)
        .copied()
        .ok_or_else(|| format!("curve {name} is not offered"))
}
