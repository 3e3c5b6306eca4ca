//! Certificate authorities and what they issue, on files.

use crate::server::pki::files;
use crate::server::pki::files::Readers;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;
use rcgen::SerialNumber;
use ring::rand::SecureRandom;
use ring::rand::SystemRandom;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;

const DAY_SECONDS: i64 = 86_400;
/// Lifetime of a CA, as kubeadm's.
const CA_DAYS: i64 = 3_650;
/// Lifetime of what it issues, as kubeadm's.
const LEAF_DAYS: i64 = 365;
/// What is left of a lifetime when a certificate is renewed.
const RENEWAL_DAYS: i64 = 90;
/// Certificates are valid from this long ago, for clocks that are behind.
const BACKDATED_SECONDS: i64 = 300;

/// Certificate and key.
pub(in crate::server::pki) type Pair = (PathBuf, PathBuf);

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server::pki) enum Use {
    Client,
    Server,
}

/// What is to be certified.
#[derive(Debug, Clone)]
pub(in crate::server::pki) struct Leaf {
    pub(in crate::server::pki) common_name: &'static str,
    pub(in crate::server::pki) organization: Option<&'static str>,
    /// DNS names and IP addresses.
    pub(in crate::server::pki) names: BTreeSet<String>,
    pub(in crate::server::pki) use_: Use,
}

/// A certificate authority with its key.
#[derive(Debug)]
pub(in crate::server::pki) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(in crate::server::pki) certificate_pem: String,
}

impl Authority {
    /// Reads it, or makes it if neither of its files is there.
    pub(in crate::server::pki) fn ensure(
        common_name: &str,
        (certificate_path, key_path): &Pair,
        now: i64,
        changed: &mut bool,
    ) -> Result<Self, String> {
        let found = (files::read_if_there(certificate_path)?, files::read_if_there(key_path)?);
        let (certificate_pem, key) = match found {
            (Some(certificate), Some(key)) => {
                let key = KeyPair::from_pem(&key).map_err(|e| unusable(key_path, &e))?;
                (certificate, key)
            }
            // Half of it is there: making a new one would cut off everybody who trusts the old.
            (Some(_), None) => return Err(incomplete(certificate_path, key_path)),
            (None, Some(_)) => return Err(incomplete(key_path, certificate_path)),
            (None, None) => {
                let key = KeyPair::generate().map_err(|e| unusable(key_path, &e))?;
                let certificate = authority_parameters(common_name, now)
                    .and_then(|parameters| parameters.self_signed(&key))
                    .map_err(|e| unusable(certificate_path, &e))?
                    .pem();
                files::write(key_path, key.serialize_pem().as_bytes(), Readers::Owner)?;
                files::write(certificate_path, certificate.as_bytes(), Readers::All)?;
                *changed = true;
                (certificate, key)
            }
        };
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)
            .map_err(|e| unusable(certificate_path, &e))?;
        Ok(Self { issuer, certificate_pem })
    }

    /// Sees to it that the pair is there, names what it should and is valid for a while; tells
    /// whether it had to be made.
    pub(in crate::server::pki) fn ensure_leaf(
        &self,
        leaf: &Leaf,
        (certificate_path, key_path): &Pair,
        now: i64,
    ) -> Result<bool, String> {
        let has_key = files::read_if_there(key_path)?.is_some();
        let certificate = files::read_if_there(certificate_path)?;
        if has_key && certificate.is_some_and(|pem| self.is_current(&pem, leaf, now)) {
            return Ok(false);
        }
        let (certificate, key) = self.issue(leaf, now)?;
        files::write(key_path, key.as_bytes(), Readers::Owner)?;
        files::write(certificate_path, certificate.as_bytes(), Readers::All)?;
        Ok(true)
    }

    /// Whether a certificate, PEM, was issued here, is of this kind, names what it should and is
    /// not near its end.
    pub(in crate::server::pki) fn is_current(&self, pem: &str, leaf: &Leaf, now: i64) -> bool {
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(pem.as_bytes()) else { return false };
        let Ok(certificate) = pem.parse_x509() else { return false };
        let Ok((_, own)) = x509_parser::pem::parse_x509_pem(self.certificate_pem.as_bytes()) else {
            return false;
        };
        let is_ours = own
            .parse_x509()
            .is_ok_and(|own| certificate.verify_signature(Some(own.public_key())).is_ok());
        let names: BTreeSet<String> = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name_text).collect(),
            _ => BTreeSet::new(),
        };
        let common_name = certificate.subject().iter_common_name().next();
        is_ours
            && common_name.and_then(|name| name.as_str().ok()) == Some(leaf.common_name)
            && names == leaf.names
            && certificate.validity().not_before.timestamp() <= now
            && certificate.validity().not_after.timestamp() > now + RENEWAL_DAYS * DAY_SECONDS
    }

    /// A fresh certificate and key, PEM.
    pub(in crate::server::pki) fn issue(
        &self,
        leaf: &Leaf,
        now: i64,
    ) -> Result<(String, String), String> {
        let failed = |e: rcgen::Error| format!("cannot issue {}: {e}", leaf.common_name);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf_parameters(leaf, now)
            .and_then(|parameters| parameters.signed_by(&key, &self.issuer))
            .map_err(failed)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

/// Makes a signing key with its public half unless the private one is there; tells whether it did.
/// The key is EC P-256 (tokens are signed with ES256).
pub(in crate::server::pki) fn ensure_key_pair(
    private_path: &Path,
    public_path: &Path,
) -> Result<bool, String> {
    let found = files::read_if_there(private_path)?;
    let is_new = found.is_none();
    let key = match found {
        Some(pem) => KeyPair::from_pem(&pem),
        None => KeyPair::generate(),
    };
    let key = key.map_err(|e| unusable(private_path, &e))?;
    if is_new {
        files::write(private_path, key.serialize_pem().as_bytes(), Readers::Owner)?;
    }
    let public = key.public_key_pem();
    if files::read_if_there(public_path)?.as_ref() != Some(&public) {
        files::write(public_path, public.as_bytes(), Readers::All)?;
    }
    Ok(is_new)
}

/// Whether a text may stand as a DNS name in a certificate.
pub(in crate::server::pki) fn is_dns_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(IpAddr::from(four).to_string()),
            Err(_) => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

fn parameters(
    subject: DistinguishedName,
    days: i64,
    now: i64,
) -> Result<CertificateParams, rcgen::Error> {
    let moment =
        |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| rcgen::Error::Time);
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
    // Positive, in twenty bytes at most (RFC 5280).
    serial[0] &= 0x7f;
    serial[0] |= 0x01;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = subject;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters.not_before = moment(now - BACKDATED_SECONDS)?;
    parameters.not_after = moment(now + days * DAY_SECONDS)?;
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

fn authority_parameters(common_name: &str, now: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    let mut parameters = parameters(subject, CA_DAYS, now)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    Ok(parameters)
}

fn leaf_parameters(leaf: &Leaf, now: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut subject = DistinguishedName::new();
    if let Some(organization) = leaf.organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject.push(DnType::CommonName, leaf.common_name);
    let mut parameters = parameters(subject, LEAF_DAYS, now)?;
    for name in &leaf.names {
        parameters.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![match leaf.use_ {
        Use::Client => ExtendedKeyUsagePurpose::ClientAuth,
        Use::Server => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    Ok(parameters)
}

fn unusable(path: &Path, error: &rcgen::Error) -> String {
    format!("cannot use {}: {error}", path.display())
}

fn incomplete(there: &Path, missing: &Path) -> String {
    format!(
        "{} is there but {} is not: bring it back, or move {} away to have both made anew",
        there.display(),
        missing.display(),
        there.display()
    )
}
