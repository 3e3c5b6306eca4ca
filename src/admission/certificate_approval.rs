//! CertificateApproval: approving a request needs the verb `approve` on its signer.

use super::authority::{Authority, allows_signer};
use super::refusal::refuse;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

/// Judges an approval by the request as it stands.
///
/// # Errors
/// 403 for a user who may not.
pub(super) async fn validate(
    at: &Attributes<'_>,
    old: Option<&Value<'_>>,
    authority: &dyn Authority,
) -> Result<()> {
    let requests = at.resource.name == "certificatesigningrequests";
    let Some(old) = old else { return Ok(()) };
    if !requests || at.subresource != "approval" || at.operation != Operation::Update {
        return Ok(());
    }
    let signer = old.str_at(&["spec", "signerName"]);
    if allows_signer(authority, &at.context.user, "approve", signer).await {
        return Ok(());
    }
    Err(refuse(at, format!("user not permitted to approve requests with signerName {signer:?}")))
}
