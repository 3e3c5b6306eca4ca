//! Core kinds other than pods and controllers.

use super::{Fill as _, round_resources, volume};
use crate::object::{Map, Value};
use crate::registry::strategy::Scope;

/// Default affinity of `ClientIP` services, seconds.
const CLIENT_IP_SECONDS: i64 = 10_800;

/// Service.
pub fn service<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    let spec = object.entry_map("spec");
    let text = |spec: &Map<'a>, name| spec.get(name).and_then(Value::as_str).unwrap_or("");
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => spec
            .entry_map("sessionAffinityConfig")
            .entry_map("clientIP")
            .fill_int("timeoutSeconds", CLIENT_IP_SECONDS),
        _ => {}
    }
    for port in spec.maps_mut("ports") {
        if port.get("targetPort").is_none_or(Value::is_empty) {
            let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
            port.insert("targetPort", Value::Int(number));
        }
    }
    let kind = text(spec, "type");
    if is_external(spec) {
        spec.fill_text("externalTrafficPolicy", "Cluster");
    }
    if matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer") {
        spec.fill_text("internalTrafficPolicy", "Cluster");
    }
    if kind != "LoadBalancer" {
        return;
    }
    spec.fill_flag("allocateLoadBalancerNodePorts", true);
    let balancer = object.map_mut("status").and_then(|status| status.map_mut("loadBalancer"));
    if let Some(balancer) = balancer {
        for ingress in balancer.maps_mut("ingress") {
            if !ingress.lacks("ip") {
                ingress.fill("ipMode", || Value::Str("VIP"));
            }
        }
    }
}

/// `service.ExternallyAccessible`.
pub fn is_external(spec: &Map<'_>) -> bool {
    match spec.get("type").and_then(Value::as_str) {
        Some("LoadBalancer" | "NodePort") => true,
        Some("ClusterIP") => spec.get("externalIPs").is_some_and(|ips| !ips.is_empty()),
        _ => false,
    }
}

/// PersistentVolume.
pub fn volume<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    round_resources(object.entry_map("spec"), "capacity");
}

/// PersistentVolumeClaim.
pub fn claim<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    if let Some(status) = object.map_mut("status") {
        round_resources(status, "capacity");
        round_resources(status, "allocatedResources");
    }
    volume::claim_spec(object.entry_map("spec"));
}

/// A namespace carries its name as a label, whatever the client says.
pub fn name_label<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let name = object.str_at(&["metadata", "name"]);
    if name.is_empty() {
        return;
    }
    let Some(object) = object.as_map_mut() else { return };
    let labels = object.entry_map("metadata").entry_map("labels");
    labels.insert("kubernetes.io/metadata.name", Value::str_in(name, scope.arena));
}

/// Node: what is not said to be allocatable is the capacity.
pub fn node<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let status = object.as_map_mut().and_then(|object| object.map_mut("status"));
    let Some(status) = status else { return };
    round_resources(status, "capacity");
    if let Some(capacity) = status.get("capacity").filter(|capacity| !capacity.is_empty()) {
        let copy = capacity.copy_in(scope.arena);
        status.fill("allocatable", || copy);
    }
    round_resources(status, "allocatable");
}

/// ResourceQuota.
pub fn quota<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    if let Some(spec) = object.map_mut("spec") {
        round_resources(spec, "hard");
    }
    if let Some(status) = object.map_mut("status") {
        round_resources(status, "hard");
        round_resources(status, "used");
    }
}

/// LimitRange: a container's limits default from each other.
pub fn limit_range<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let spec = object.as_map_mut().and_then(|object| object.map_mut("spec"));
    let Some(spec) = spec else { return };
    for item in spec.maps_mut("limits") {
        if item.get("type").and_then(Value::as_str) == Some("Container") {
            fill_from(item, "default", "max");
            fill_from(item, "defaultRequest", "default");
            fill_from(item, "defaultRequest", "min");
        }
        for name in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            round_resources(item, name);
        }
    }
}

/// Copies to the map `to` what `from` has and `to` lacks.
fn fill_from(item: &mut Map<'_>, to: &'static str, from: &str) {
    let arena = item.arena();
    let Some(source) = item.get(from).and_then(Value::as_map).filter(|map| !map.is_empty()) else {
        return;
    };
    let source = source.copy_in(arena);
    let target = item.entry_map(to);
    for (name, value) in source.iter() {
        if target.get(name).is_none() {
            target.push_unique(name, value.copy_in(arena));
        }
    }
}
