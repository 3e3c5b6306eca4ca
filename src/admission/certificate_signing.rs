//! CertificateSigning: issuing a certificate needs the verb `sign` on the signer.

use super::authority::{Authority, allows_signer};
use super::refusal::refuse;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

/// Judges a change of the certificate or the conditions.
///
/// # Errors
/// 403 for a user who may not.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    authority: &dyn Authority,
) -> Result<()> {
    let requests = at.resource.name == "certificatesigningrequests";
    let Some(old) = old else { return Ok(()) };
    if !requests || at.subresource != "status" || at.operation != Operation::Update {
        return Ok(());
    }
    let same = |field| object.at(&["status", field]) == old.at(&["status", field]);
    if same("certificate") && same("conditions") {
        return Ok(());
    }
    let signer = old.str_at(&["spec", "signerName"]);
    if allows_signer(authority, &at.context.user, "sign", signer).await {
        return Ok(());
    }
    Err(refuse(at, format!("user not permitted to sign requests with signerName {signer:?}")))
}
