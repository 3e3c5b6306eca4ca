//! PodTopologyLabels: a pod that is bound to a node gets the node's zone and region as labels.

use super::Reader;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};
use bumpalo::Bump;

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// Sets the labels of a binding.
///
/// # Errors
/// Those of the cache.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    let binding =
        matches!((at.resource.name, at.subresource), ("pods", "binding") | ("bindings", ""));
    if !binding || at.operation != Operation::Create || !at.resource.group.is_empty() {
        return Ok(());
    }
    let name = object.str_at(&["target", "name"]);
    let Some(node) = reader.get("", "nodes", "", name, arena).await? else { return Ok(()) };
    let Some(map) = object.as_map_mut() else { return Ok(()) };
    for label in LABELS {
        if let Some(value) = node.at(&["metadata", "labels", label]) {
            map.entry_map("metadata").entry_map("labels").insert(label, value.copy_in(arena));
        }
    }
    Ok(())
}
