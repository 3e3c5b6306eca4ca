//! X.509 client certificates: user name from the common name, groups from the organizations
//! (`k8s.io/apiserver/pkg/authentication/request/x509`, `CommonNameUserConversion`).

use crate::http::{ClientCertificates, Verification};
use crate::request::User;
use ring::digest::{SHA256, digest};
use std::fmt::Write as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The extra key that names the credential.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
/// Subject attribute that carries the uid (gate AllowParsingUserUIDFromCertAuth).
const UID_OID: &str = "1.3.6.1.4.1.57683.2";

/// What became of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It does not chain to the client CA, or names no user it may.
    Refused,
    /// It holds; the user it names, without `system:authenticated`.
    Verified(User),
}

impl ClientCertificate {
    /// What a connection's certificates say; `None` if there is no client CA to ask.
    pub fn of_peer(shown: &ClientCertificates) -> Option<Self> {
        match shown.client_ca {
            Verification::NotConfigured => None,
            Verification::Failed(_) => Some(Self::Refused),
            Verification::Verified => {
                let user = shown.chain.first().and_then(|der| user_of_certificate(der));
                user.map(Self::Verified)
            }
        }
    }
}

/// The user that a certificate (DER) names; `None` if it has no common name or does not parse.
pub fn user_of_certificate(der: &[u8]) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    if name.is_empty() {
        return None;
    }
    let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        value.as_str().map(str::to_owned).ok()
    };
    let groups = subject.iter_organization().filter_map(text).collect();
    let uid = subject
        .iter_attributes()
        .find(|attribute| attribute.attr_type().to_id_string() == UID_OID)
        .and_then(text)
        .unwrap_or_default();
    let mut id = String::from("X509SHA256=");
    for byte in digest(&SHA256, der).as_ref() {
        let _ = write!(id, "{byte:02x}");
    }
    Some(User { name, uid, groups, extra: vec![(CREDENTIAL_ID.into(), vec![id])] })
}

#[cfg(test)]
mod tests {
    use super::user_of_certificate;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    #[test]
    fn the_common_name_is_the_user_and_organizations_are_groups() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.distinguished_name.push(DnType::OrganizationName, "dev");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let user = user_of_certificate(certificate.der()).unwrap();
        assert_eq!(user.name, "alice");
        assert_eq!(user.groups, ["dev"]);
        assert!(user.extra[0].1[0].starts_with("X509SHA256="));
    }

    #[test]
    fn bytes_that_are_no_certificate_name_nobody() {
        assert_eq!(user_of_certificate(b"junk"), None);
    }
}
