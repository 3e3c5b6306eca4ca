//! CertificateSubjectRestriction: no client certificate makes its holder one of `system:masters`.

use super::refusal::refuse;
use super::signing_request;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Judges a new request to the signer of client certificates.
///
/// # Errors
/// 403 for one that asks for the group, or cannot be read.
pub(super) fn validate(at: &Attributes<'_>, object: &Value<'_>) -> Result<()> {
    let created = at.operation == Operation::Create;
    if !created || !at.is("certificates.k8s.io", "certificatesigningrequests") {
        return Ok(());
    }
    if object.str_at(&["spec", "signerName"]) != SIGNER {
        return Ok(());
    }
    let Some(subject) = signing_request::subject(object) else {
        return Err(refuse(at, "unable to parse CSR: PEM block type must be CERTIFICATE REQUEST"));
    };
    if subject.organizations.iter().any(|group| group == "system:masters") {
        let text = format!("use of {SIGNER} signer with system:masters group is not allowed");
        return Err(refuse(at, text));
    }
    Ok(())
}
