//! Kinds of the remaining groups.

use super::Fill as _;
use crate::object::{List, Map, Value};
use crate::registry::strategy::Scope;

/// The API group of roles.
const RBAC: &str = "rbac.authorization.k8s.io";

/// NetworkPolicy.
pub fn network_policy<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    if spec.get("policyTypes").is_none_or(Value::is_empty) {
        let mut types = List::new_in(scope.arena);
        types.push(Value::Str("Ingress"));
        if spec.get("egress").is_some_and(|egress| !egress.is_empty()) {
            types.push(Value::Str("Egress"));
        }
        spec.insert("policyTypes", Value::List(types));
    }
}

/// RoleBinding and ClusterRoleBinding.
pub fn role_binding<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    for subject in object.maps_mut("subjects") {
        if matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            subject.fill_text("apiGroup", RBAC);
        }
    }
}

/// ResourceClaim and ResourceClaimTemplate.
pub fn resource_claim<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let mut spec = object.as_map_mut().and_then(|object| object.map_mut("spec"));
    if scope.resource == "resourceclaimtemplates" {
        spec = spec.and_then(|spec| spec.map_mut("spec"));
    }
    let Some(devices) = spec.and_then(|spec| spec.map_mut("devices")) else { return };
    for request in devices.maps_mut("requests") {
        if let Some(exactly) = request.map_mut("exactly") {
            device_request(exactly);
        }
        for alternative in request.maps_mut("firstAvailable") {
            device_request(alternative);
        }
    }
}

fn device_request(request: &mut Map<'_>) {
    request.fill_text("allocationMode", "ExactCount");
    if request.get("allocationMode").and_then(Value::as_str) == Some("ExactCount") {
        request.fill_nonzero("count", 1);
    }
    for toleration in request.maps_mut("tolerations") {
        toleration.fill_text("operator", "Equal");
    }
}

/// ResourceSlice: a taint was added now unless it says when.
pub fn resource_slice<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let spec = object.as_map_mut().and_then(|object| object.map_mut("spec"));
    let Some(spec) = spec.filter(|_| !scope.now.is_empty()) else { return };
    for device in spec.maps_mut("devices") {
        for taint in device.maps_mut("taints") {
            taint.fill("timeAdded", || Value::str_in(scope.now, scope.arena));
        }
    }
}

/// CustomResourceDefinition.
pub fn definition<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(spec) = object.as_map_mut().map(|object| object.entry_map("spec")) else { return };
    let arena = scope.arena;
    let names = spec.entry_map("names");
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or("");
    if !kind.is_empty() {
        if names.lacks("singular") {
            names.insert("singular", Value::str_in(&kind.to_lowercase(), arena));
        }
        if names.lacks("listKind") {
            names.insert("listKind", Value::str_in(&format!("{kind}List"), arena));
        }
    }
}
