//! DenyServiceExternalIPs: no Service gets an external IP that it does not have yet.

use super::refusal::refuse;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

/// Judges the external IPs of a Service.
///
/// # Errors
/// 403 for new ones.
pub(super) fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
) -> Result<()> {
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    if !written || !at.is("", "services") {
        return Ok(());
    }
    let path = ["spec", "externalIPs"];
    let known = old.map_or(&[][..], |old| old.list_at(&path));
    if object.list_at(&path).iter().all(|ip| known.contains(ip)) {
        return Ok(());
    }
    Err(refuse(at, "Use of external IPs is denied by admission control."))
}
