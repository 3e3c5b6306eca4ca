//! LimitPodHardAntiAffinityTopology: required anti-affinity only between nodes.

use super::refusal::refuse;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

const HOST: &str = "kubernetes.io/hostname";

/// Judges the required anti-affinity of a pod.
///
/// # Errors
/// 403 for another topology key than the host name.
pub(super) fn validate(at: &Attributes<'_>, object: &Value<'_>) -> Result<()> {
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    if !written || !at.is("", "pods") {
        return Ok(());
    }
    let field = "requiredDuringSchedulingIgnoredDuringExecution";
    for term in object.list_at(&["spec", "affinity", "podAntiAffinity", field]) {
        let key = term.str_at(&["topologyKey"]);
        if key != HOST {
            let text = format!(
                "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key} but only \
                 key {HOST} is allowed"
            );
            return Err(refuse(at, text));
        }
    }
    Ok(())
}
