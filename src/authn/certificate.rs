//! X.509 client certificates: user name from the common name, groups from the organizations
//! (`k8s.io/apiserver/pkg/authentication/request/x509`, `CommonNameUserConversion`).

use super::{AUTHENTICATED, Failure};
use crate::base::clock;
use crate::http::{ClientCertificates, Verification};
use crate::request::User;
use ring::digest::{SHA256, digest};
use std::fmt::Write as _;
use std::rc::Rc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The extra key that names the credential.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
/// Subject attribute that carries the uid (gate AllowParsingUserUIDFromCertAuth).
const UID_OID: &str = "1.3.6.1.4.1.57683.2";

/// What a connection's client certificate is worth. It is found out once for a connection; only
/// its end is looked at again at each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    /// There is no client CA to ask, or it names no user.
    Nobody,
    /// It does not chain to the client CA.
    Refused(Failure),
    /// It holds until the second since the epoch.
    Verified(Rc<User>, i64),
}

impl ClientCertificate {
    /// What a connection's certificates say.
    pub fn of_peer(shown: &ClientCertificates) -> Self {
        match &shown.client_ca {
            Verification::NotConfigured => Self::Nobody,
            Verification::Failed(why) => Self::Refused(Failure::one(why.clone())),
            Verification::Verified => {
                let Some(der) = shown.chain.first() else { return Self::Nobody };
                match (user_of_certificate(der), not_after(der)) {
                    (Some(mut user), Some(end)) => {
                        if !user.in_group(AUTHENTICATED) {
                            user.groups.push(AUTHENTICATED.into());
                        }
                        Self::Verified(Rc::new(user), end)
                    }
                    _ => Self::Nobody,
                }
            }
        }
    }

    /// The user now, `system:authenticated` among the groups.
    ///
    /// # Errors
    /// Why the certificate does not hold.
    pub(super) fn user(&self) -> Result<Option<Rc<User>>, Failure> {
        match self {
            Self::Nobody => Ok(None),
            Self::Refused(failure) => Err(failure.clone()),
            Self::Verified(_, end) if clock::unix_seconds() > *end => {
                Err(Failure::one("x509: certificate has expired or is not yet valid"))
            }
            Self::Verified(user, _) => Ok(Some(Rc::clone(user))),
        }
    }
}

fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// The common name of a certificate (DER).
pub(super) fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    Some(name)
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
