//! PersistentVolumeClaimResize: a claim grows only if its class says that its volumes can.

use super::Reader;
use crate::object::Value;
use crate::object::quantity::Quantity;
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;

const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Refuses growth of a claim that is not bound, or whose class does not allow it.
///
/// # Errors
/// 403 with the reason.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    let main = at.operation == Operation::Update && at.subresource.is_empty();
    let Some(old) = old.filter(|_| main && at.is("", "persistentvolumeclaims")) else {
        return Ok(());
    };
    let size = |claim: &Value<'_>| {
        let text = claim.str_at(&["spec", "resources", "requests", "storage"]);
        Quantity::parse(text).unwrap_or(Quantity::ZERO)
    };
    if size(object) <= size(old) {
        return Ok(());
    }
    if old.str_at(&["status", "phase"]) != "Bound" {
        return Err(refuse(at, "Only bound persistent volume claims can be expanded"));
    }
    let name = class(object);
    let arena = Bump::new();
    let allows = match name {
        "" => false,
        name if name != class(old) => false,
        name => reader
            .get("storage.k8s.io", "storageclasses", "", name, &arena)
            .await?
            .is_some_and(|class| class.bool_at(&["allowVolumeExpansion"])),
    };
    if allows {
        return Ok(());
    }
    let text = "only dynamically provisioned pvc can be resized and the storageclass that \
                provisions the pvc must support resize";
    Err(refuse(at, text))
}

/// `GetPersistentVolumeClaimClass`: the old annotation goes before the field.
fn class<'a>(claim: &Value<'a>) -> &'a str {
    match claim.at(&["metadata", "annotations", CLASS]).and_then(Value::as_str) {
        Some(name) => name,
        None => claim.str_at(&["spec", "storageClassName"]),
    }
}

fn refuse(at: &Attributes<'_>, message: &str) -> Fault {
    let subject = Subject {
        group: at.resource.group.into(),
        resource: at.resource.name.into(),
        name: at.name.into(),
    };
    Fault::Forbidden { subject, message: message.into(), cause: None }
}
