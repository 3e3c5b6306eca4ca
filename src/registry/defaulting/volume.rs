//! Volumes of pods, and claims (`SetDefaults_Volume`, `SetDefaults_PersistentVolumeClaimSpec`).

use super::{Fill as _, image};
use crate::object::Map;
use crate::object::Value;

/// One entry of `spec.volumes`.
pub fn pod_volume(volume: &mut Map<'_>) {
    let arena = volume.arena();
    if !volume.iter().any(|(name, value)| name != "name" && !value.is_null()) {
        volume.insert("emptyDir", Value::map_in(arena));
    }
    if let Some(image) = volume.map_mut("image") {
        image::pull_policy(image, "pullPolicy", "reference");
    }
    let claim = volume.map_mut("ephemeral").and_then(|e| e.map_mut("volumeClaimTemplate"));
    if let Some(spec) = claim.and_then(|claim| claim.map_mut("spec")) {
        claim_spec(spec);
    }
}

/// `PersistentVolumeClaimSpec`.
pub fn claim_spec(spec: &mut Map<'_>) {
    if let Some(resources) = spec.map_mut("resources") {
        super::round_resources(resources, "requests");
        super::round_resources(resources, "limits");
    }
}
