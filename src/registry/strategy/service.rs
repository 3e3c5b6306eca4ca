//! Services: what an update leaves out is filled in from what was allocated, and what the new type
//! does not use is dropped (`pkg/registry/core/service/strategy.go`, `storage.go`).

use super::Scope;
use crate::object::{Map, Value};

const IP_FIELDS: [&str; 4] = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"];

/// The members of a spec that decide what it uses.
struct Uses {
    cluster_ip: bool,
    node_ports: bool,
    health_port: bool,
    balancer: bool,
    external_policy: bool,
}

impl Uses {
    fn of(service: &Value<'_>) -> Self {
        let kind = service.str_at(&["spec", "type"]);
        let balancer = kind == "LoadBalancer";
        let exposes = balancer || kind == "NodePort";
        let local = service.str_at(&["spec", "externalTrafficPolicy"]) == "Local";
        let addressed = !service.list_at(&["spec", "externalIPs"]).is_empty();
        Self {
            cluster_ip: matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer"),
            node_ports: exposes,
            health_port: balancer && local,
            balancer,
            external_policy: exposes || (kind == "ClusterIP" && addressed),
        }
    }
}

/// Prepares an update of the main resource.
pub(super) fn update<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    if scope.subresource == "status" {
        return;
    }
    fill(object, old, scope);
    drop_unused(object, old);
    if Uses::of(old).balancer
        && !Uses::of(object).balancer
        && let Some(map) = object.as_map_mut()
    {
        map.entry_map("status").remove("loadBalancer");
    }
}

/// `patchAllocatedValues`: an update that names no address or port means the allocated ones.
fn fill<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &Scope<'a, '_>) {
    let (was, is) = (Uses::of(old), Uses::of(object));
    let arena = scope.arena;
    if was.cluster_ip && is.cluster_ip {
        let missing = object.str_at(&["spec", "clusterIP"]).is_empty();
        if missing && object.list_at(&["spec", "clusterIPs"]).is_empty() {
            copy(object, old, "clusterIP", scope);
        }
        let same = object.str_at(&["spec", "clusterIP"]) == old.str_at(&["spec", "clusterIP"]);
        if same && object.list_at(&["spec", "clusterIPs"]).is_empty() {
            copy(object, old, "clusterIPs", scope);
        }
    }
    if was.node_ports && is.node_ports {
        let key = |port: &Value<'_>| {
            (port.str_at(&["protocol"]).to_owned(), port.i64_at(&["port"]).unwrap_or(0))
        };
        let known: Vec<_> = old
            .list_at(&["spec", "ports"])
            .iter()
            .filter_map(|port| Some((key(port), port.i64_at(&["nodePort"])?)))
            .collect();
        let mut used: Vec<i64> = object
            .list_at(&["spec", "ports"])
            .iter()
            .filter_map(|port| port.i64_at(&["nodePort"]))
            .collect();
        for port in object.list_at_mut(&["spec", "ports"]) {
            let own = key(port);
            if port.i64_at(&["nodePort"]).unwrap_or(0) != 0 {
                continue;
            }
            let found =
                known.iter().find(|(other, number)| *other == own && !used.contains(number));
            if let (Some((_, number)), Some(map)) = (found, port.as_map_mut()) {
                map.insert("nodePort", Value::Int(*number));
                used.push(*number);
            }
        }
    }
    if was.health_port
        && is.health_port
        && object.i64_at(&["spec", "healthCheckNodePort"]).unwrap_or(0) == 0
    {
        copy(object, old, "healthCheckNodePort", scope);
    }
    let _ = arena;
}

/// `dropTypeDependentFields`: what the new type does not use goes, unless the client changed it.
fn drop_unused(object: &mut Value<'_>, old: &Value<'_>) {
    let (was, is) = (Uses::of(old), Uses::of(object));
    let same =
        |object: &Value<'_>, name: &str| object.at(&["spec", name]) == old.at(&["spec", name]);
    let ports_same = {
        let numbers = |service: &Value<'_>| -> Vec<Option<i64>> {
            let ports = service.list_at(&["spec", "ports"]).iter();
            ports.map(|port| port.i64_at(&["nodePort"])).collect()
        };
        numbers(object) == numbers(old)
    };
    let mut gone: Vec<&str> = Vec::new();
    let ips_same = same(object, "clusterIP") && same(object, "clusterIPs");
    if was.cluster_ip && !is.cluster_ip && ips_same {
        gone.extend(IP_FIELDS);
    }
    if was.health_port && !is.health_port && same(object, "healthCheckNodePort") {
        gone.push("healthCheckNodePort");
    }
    if was.balancer && !is.balancer {
        for name in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if same(object, name) {
                gone.push(name);
            }
        }
    }
    if was.external_policy && !is.external_policy && same(object, "externalTrafficPolicy") {
        gone.push("externalTrafficPolicy");
    }
    if !is.cluster_ip && same(object, "internalTrafficPolicy") {
        gone.push("internalTrafficPolicy");
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_map_mut) {
        spec.retain(|name, _| !gone.contains(&name));
    }
    if was.node_ports && !is.node_ports && ports_same {
        for port in object.list_at_mut(&["spec", "ports"]) {
            if let Some(map) = port.as_map_mut() {
                map.remove("nodePort");
            }
        }
    }
}

fn copy<'a>(object: &mut Value<'a>, old: &Value<'_>, name: &'static str, scope: &Scope<'a, '_>) {
    let Some(value) = old.at(&["spec", name]) else { return };
    let spec: Option<&mut Map<'a>> = object.as_map_mut().map(|map| map.entry_map("spec"));
    if let Some(spec) = spec {
        spec.insert(name, value.copy_in(scope.arena));
    }
}
