//! DefaultIngressClass: an Ingress without a class gets the one marked as default, the newest if
//! there are several.

use super::Reader;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};
use bumpalo::Bump;

const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// Sets `spec.ingressClassName` on create.
///
/// # Errors
/// Those of reading the classes.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    if at.operation != Operation::Create || !at.is("networking.k8s.io", "ingresses") {
        return Ok(());
    }
    let annotated = object.at(&["metadata", "annotations", "kubernetes.io/ingress.class"]);
    if annotated.is_some() || object.at(&["spec", "ingressClassName"]).is_some() {
        return Ok(());
    }
    let class = reader.newest_marked("networking.k8s.io", "ingressclasses", &[DEFAULT]).await?;
    if let (Some(class), Some(map)) = (class, object.as_map_mut()) {
        map.entry_map("spec").insert("ingressClassName", Value::str_in(&class, arena));
    }
    Ok(())
}
