//! AlwaysPullImages: every container pulls its image at each start, so that its pull secrets are
//! checked each time.

use super::refusal::refuse;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

const KINDS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Sets the pull policy of all containers.
pub(super) fn admit(at: &Attributes<'_>, object: &mut Value<'_>) {
    if !concerns(at) {
        return;
    }
    for kind in KINDS {
        for container in object.list_at_mut(&["spec", kind]) {
            if let Some(map) = container.as_map_mut() {
                map.insert("imagePullPolicy", Value::Str("Always"));
            }
        }
    }
}

/// Whatever other plugins did, the policy must be `Always`.
///
/// # Errors
/// 403 naming the containers.
pub(super) fn validate(at: &Attributes<'_>, object: &Value<'_>) -> Result<()> {
    if !concerns(at) {
        return Ok(());
    }
    let mut errors = Vec::new();
    for kind in KINDS {
        for (place, container) in object.list_at(&["spec", kind]).iter().enumerate() {
            let policy = container.str_at(&["imagePullPolicy"]);
            if policy != "Always" {
                errors.push(format!(
                    "spec.{kind}[{place}].imagePullPolicy: Unsupported value: {policy:?}: \
                     supported values: \"Always\""
                ));
            }
        }
    }
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(refuse(at, one.clone())),
        many => Err(refuse(at, format!("[{}]", many.join(", ")))),
    }
}

fn concerns(at: &Attributes<'_>) -> bool {
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    let pods = at.resource.group.is_empty() && at.resource.name == "pods";
    written && pods && matches!(at.subresource, "" | "ephemeralcontainers")
}
