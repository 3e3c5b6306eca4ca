//! PodNodeSelector: pods run where the annotation of their namespace wants them.

use super::Reader;
use super::refusal::refuse;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};
use bumpalo::Bump;

const ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";

/// Adds the namespace's selector to that of a new pod.
///
/// # Errors
/// 403 for a pod that contradicts it.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    if at.operation != Operation::Create || !at.is("", "pods") {
        return Ok(());
    }
    let Some(namespace) = reader.get("", "namespaces", "", at.namespace, arena).await? else {
        return Ok(());
    };
    let text = namespace.str_at(&["metadata", "annotations", ANNOTATION]);
    let wanted = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return Ok(()) };
    for part in wanted {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (key.trim(), value.trim());
        let selector = spec.entry_map("nodeSelector");
        let own = selector.get(key).and_then(Value::as_str);
        if own.is_some_and(|own| own != value) {
            return Err(refuse(
                at,
                "pod node label selector conflicts with its namespace node label selector",
            ));
        }
        selector.insert(arena.alloc_str(key), Value::str_in(value, arena));
    }
    Ok(())
}
