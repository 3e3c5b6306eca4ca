//! PersistentVolumeClaimResize: only claims that are bound, of a class that allows it, may grow.

use super::Reader;
use super::refusal::refuse;
use super::resources::{compare, read};
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};
use bumpalo::Bump;
use std::cmp::Ordering;

/// Judges a claim that asks for more.
///
/// # Errors
/// 403 if it may not.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    let Some(old) = old else { return Ok(()) };
    if at.operation != Operation::Update || !at.is("", "persistentvolumeclaims") {
        return Ok(());
    }
    let storage =
        |claim: &Value<'_>| read(claim.at(&["spec", "resources", "requests"])).remove("storage");
    let grows = match (storage(object), storage(old)) {
        (Some(new), Some(old)) => compare(&new, &old) == Ordering::Greater,
        (Some(new), None) => new.signum() > 0,
        (None, _) => false,
    };
    if !grows {
        return Ok(());
    }
    if old.str_at(&["status", "phase"]) != "Bound" {
        return Err(refuse(at, "Only bound persistent volume claims can be expanded"));
    }
    let name = class(object);
    let allows = if name.is_empty() || name != class(old) {
        false
    } else {
        let arena = Bump::new();
        let class = reader.get("storage.k8s.io", "storageclasses", "", name, &arena).await?;
        class.is_some_and(|class| class.bool_at(&["allowVolumeExpansion"]))
    };
    if allows {
        return Ok(());
    }
    let text = "only dynamically provisioned pvc can be resized and the storageclass that \
                provisions the pvc must support resize";
    Err(refuse(at, text))
}

/// The class, by the old annotation or the field.
pub(super) fn class<'a>(claim: &Value<'a>) -> &'a str {
    const BETA: &str = "volume.beta.kubernetes.io/storage-class";
    match claim.at(&["metadata", "annotations", BETA]).and_then(Value::as_str) {
        Some(class) => class,
        None => claim.str_at(&["spec", "storageClassName"]),
    }
}
