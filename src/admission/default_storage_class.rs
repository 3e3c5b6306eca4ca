//! DefaultStorageClass: a claim that names no class gets the one marked as default, the newest if
//! there are several.

use super::Reader;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};
use bumpalo::Bump;

const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULTS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

/// Sets `spec.storageClassName` on create.
///
/// # Errors
/// Those of reading the classes.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    if at.operation != Operation::Create || !at.is("", "persistentvolumeclaims") {
        return Ok(());
    }
    let annotated = object.at(&["metadata", "annotations", CLASS_ANNOTATION]).is_some();
    if annotated || object.at(&["spec", "storageClassName"]).is_some() {
        return Ok(());
    }
    let class = reader.newest_marked("storage.k8s.io", "storageclasses", &DEFAULTS).await?;
    if let (Some(class), Some(map)) = (class, object.as_map_mut()) {
        map.entry_map("spec").insert("storageClassName", Value::str_in(&class, arena));
    }
    Ok(())
}
