//! ClusterTrustBundleAttest: a bundle of a signer needs the verb `attest` on that signer.

use super::authority::{Authority, allows_signer};
use super::refusal::refuse;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

/// Judges a bundle that names a signer.
///
/// # Errors
/// 403 for a user who may not.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    authority: &dyn Authority,
) -> Result<()> {
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    if !written || !at.is("certificates.k8s.io", "clustertrustbundles") {
        return Ok(());
    }
    let signer = object.str_at(&["spec", "signerName"]);
    if signer.is_empty() || allows_signer(authority, &at.context.user, "attest", signer).await {
        return Ok(());
    }
    Err(refuse(at, format!("user not permitted to attest for signerName {signer:?}")))
}
