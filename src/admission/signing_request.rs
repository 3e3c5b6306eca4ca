//! The subject of a certificate signing request.

use crate::object::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// What a request asks to be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// The last common name, "" for none.
    pub(super) common_name: String,
    /// Organizations, which are groups.
    pub(super) organizations: Vec<String>,
}

/// Reads `spec.request`; `None` for what is no request in PEM.
pub(super) fn subject(object: &Value<'_>) -> Option<Subject> {
    let bytes = STANDARD.decode(object.str_at(&["spec", "request"])).ok()?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&bytes).ok()?;
    if pem.label != "CERTIFICATE REQUEST" {
        return None;
    }
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    let subject = &request.certification_request_info.subject;
    let common_name = subject.iter_common_name().last().and_then(|name| name.as_str().ok());
    let organizations = subject.iter_organization().filter_map(|name| name.as_str().ok());
    Some(Subject {
        common_name: common_name.unwrap_or_default().to_owned(),
        organizations: organizations.map(str::to_owned).collect(),
    })
}
