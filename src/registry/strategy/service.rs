//! Services (`pkg/registry/core/service`): what is set from what was, and the families of the
//! cluster's addresses. Addresses and ports themselves are given out by `registry::network`.

use super::Scope;
use crate::object::field::Path;
use crate::object::{List, Map, Value};
use crate::registry::defaulting::core::is_external;
use crate::registry::read::{Read as _, same};
use crate::registry::validation::{Errors, Report as _, ip, service};
use bumpalo::Bump;

/// A new service: `clusterIP` alone makes `clusterIPs`.
pub(super) fn create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let arena = scope.arena;
    let Some(spec) = spec_mut(object) else { return };
    let single = text(spec, "clusterIP");
    if !single.is_empty() && lacks_list(spec, "clusterIPs") {
        set_list(spec, "clusterIPs", &[single], arena);
    }
    drop_for_external_name(spec);
}

/// What the client left out is as it was; what the new type has no use for goes.
pub(super) fn update<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    if scope.subresource == "status" {
        return;
    }
    let arena = scope.arena;
    let null = Value::Null;
    let old = old.get("spec").unwrap_or(&null);
    let Some(spec) = spec_mut(object) else { return };
    keep_allocated(spec, old, arena);
    normalize_addresses(spec, old, arena);
    drop_by_type(spec, old);
    drop_for_external_name(spec);
    if text(spec, "type") != "LoadBalancer"
        && let Some(status) = object.get_mut("status").and_then(Value::as_map_mut)
    {
        status.remove("loadBalancer");
    }
}

fn spec_mut<'o, 'a>(object: &'o mut Value<'a>) -> Option<&'o mut Map<'a>> {
    object.as_map_mut().map(|object| object.entry_map("spec"))
}

fn text<'a>(spec: &Map<'a>, name: &str) -> &'a str {
    spec.get(name).and_then(Value::as_str).unwrap_or("")
}

fn lacks_list(spec: &Map<'_>, name: &str) -> bool {
    spec.get(name).is_none_or(Value::is_empty)
}

fn set_list<'a>(spec: &mut Map<'a>, name: &'static str, texts: &[&str], arena: &'a Bump) {
    let mut list = List::with_capacity_in(texts.len(), arena);
    list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
    spec.insert(name, Value::List(list));
}

fn has_address(kind: &str) -> bool {
    matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer")
}

fn has_node_ports(kind: &str, allocate: Option<bool>) -> bool {
    kind == "NodePort" || (kind == "LoadBalancer" && allocate.unwrap_or(true))
}

fn allocate(value: Option<&Value<'_>>) -> Option<bool> {
    value.and_then(Value::as_bool)
}

/// `patchAllocatedValues`.
fn keep_allocated<'a>(spec: &mut Map<'a>, old: &Value<'_>, arena: &'a Bump) {
    let kind = text(spec, "type");
    if has_address(kind) && has_address(old.text("type")) {
        if text(spec, "clusterIP").is_empty() && old.has("clusterIP") {
            spec.insert("clusterIP", Value::str_in(old.text("clusterIP"), arena));
        }
        if lacks_list(spec, "clusterIPs")
            && let Some(list) = old.get("clusterIPs")
        {
            spec.insert("clusterIPs", list.copy_in(arena));
        }
    }
    let before =
        has_node_ports(old.text("type"), allocate(old.get("allocateLoadBalancerNodePorts")));
    let now = has_node_ports(kind, allocate(spec.get("allocateLoadBalancerNodePorts")));
    if before && now {
        keep_node_ports(spec, old);
    }
    let checks = |kind: &str, policy: &str| kind == "LoadBalancer" && policy == "Local";
    if checks(kind, text(spec, "externalTrafficPolicy"))
        && checks(old.text("type"), old.text("externalTrafficPolicy"))
        && spec.get("healthCheckNodePort").is_none_or(Value::is_empty)
        && let Some(port) = old.int("healthCheckNodePort")
    {
        spec.insert("healthCheckNodePort", Value::Int(port));
    }
}

/// Ports of the same name keep their node port, unless another port asks for it. Two that had one
/// together keep it together.
fn keep_node_ports(spec: &mut Map<'_>, old: &Value<'_>) {
    let ports = |value: Option<&Value<'_>>| -> Vec<i64> {
        let list = value.and_then(Value::as_list);
        list.into_iter().flatten().filter_map(|port| port.int("nodePort")).collect()
    };
    let mine = ports(spec.get("ports"));
    let used: Vec<i64> =
        ports(old.get("ports")).into_iter().filter(|port| mine.contains(port)).collect();
    let Some(list) = spec.get_mut("ports").and_then(Value::as_list_mut) else { return };
    for port in list.iter_mut() {
        if port.int("nodePort").unwrap_or(0) != 0 {
            continue;
        }
        let name = port.text("name");
        let before = old.items("ports").iter().rev().find(|other| other.text("name") == name);
        let Some(number) = before.and_then(|port| port.int("nodePort")) else { continue };
        if number != 0
            && !used.contains(&number)
            && let Some(map) = port.as_map_mut()
        {
            map.insert("nodePort", Value::Int(number));
        }
    }
}

/// `normalizeClusterIPs` of an update: a change of one of the two names is meant for both.
fn normalize_addresses<'a>(spec: &mut Map<'a>, old: &Value<'_>, arena: &'a Bump) {
    let (single, before) = (text(spec, "clusterIP"), old.text("clusterIP"));
    let equal = same(spec.get("clusterIPs"), old.get("clusterIPs"));
    if single == before {
        if lacks_list(spec, "clusterIPs")
            && let Some(list) = old.get("clusterIPs")
            && !single.is_empty()
        {
            spec.insert("clusterIPs", list.copy_in(arena));
        }
    } else if equal && single.is_empty() {
        spec.remove("clusterIPs");
    } else if equal {
        set_list(spec, "clusterIPs", &[single], arena);
    }
}

/// `dropTypeDependentFields`: only what the client did not also change.
fn drop_by_type(spec: &mut Map<'_>, old: &Value<'_>) {
    let (kind, before) = (text(spec, "type"), old.text("type"));
    let mut drop = |name: &str| {
        if same(spec.get(name), old.get(name)) {
            spec.remove(name);
            return true;
        }
        false
    };
    if has_address(before) && !has_address(kind) {
        if drop("clusterIPs") {
            drop("clusterIP");
        }
        drop("ipFamilies");
        drop("ipFamilyPolicy");
    }
    if before == "LoadBalancer" && kind != "LoadBalancer" {
        drop("allocateLoadBalancerNodePorts");
        drop("loadBalancerClass");
    }
    let checks = |kind: &str, policy: &str| kind == "LoadBalancer" && policy == "Local";
    if checks(before, old.text("externalTrafficPolicy"))
        && !checks(kind, text(spec, "externalTrafficPolicy"))
        && same(spec.get("healthCheckNodePort"), old.get("healthCheckNodePort"))
    {
        spec.remove("healthCheckNodePort");
    }
    let was_external = old.as_map().is_some_and(is_external);
    let kept = same(spec.get("externalTrafficPolicy"), old.get("externalTrafficPolicy"));
    if was_external && !is_external(spec) && kept {
        spec.remove("externalTrafficPolicy");
    }
    // Whoever declines node ports for a balancer keeps those that are there.
    if has_node_ports(before, None) && !has_node_ports(kind, None) {
        drop_node_ports(spec, old);
    }
}

fn drop_node_ports(spec: &mut Map<'_>, old: &Value<'_>) {
    let ports = |list: Option<&Value<'_>>| -> Vec<i64> {
        let list = list.and_then(Value::as_list);
        let mut ports: Vec<i64> =
            list.into_iter().flatten().filter_map(|port| port.int("nodePort")).collect();
        ports.sort_unstable();
        ports
    };
    if ports(spec.get("ports")) != ports(old.get("ports")) {
        return;
    }
    let list = spec.get_mut("ports").and_then(Value::as_list_mut);
    for port in list.into_iter().flat_map(|list| list.iter_mut()) {
        if let Some(port) = port.as_map_mut() {
            port.remove("nodePort");
        }
    }
}

fn drop_for_external_name(spec: &mut Map<'_>) {
    if text(spec, "type") == "ExternalName" {
        spec.remove("internalTrafficPolicy");
    }
}

/// `initIPFamilyFields`: fills in `ipFamilies` and `ipFamilyPolicy` from what the cluster has
/// (`configured`, the primary family first), or says why what was asked for cannot be.
pub fn families<'a>(
    object: &mut Value<'a>,
    old: Option<&Value<'_>>,
    configured: &[&str],
    arena: &'a Bump,
) -> Errors {
    let mut errors = Errors::new();
    let selectorless = object.at(&["spec", "selector"]).is_none_or(Value::is_empty);
    let before = old.and_then(|old| old.get("spec"));
    let Some(spec) = spec_mut(object).filter(|spec| text(spec, "type") != "ExternalName") else {
        return errors;
    };
    if before.is_some_and(|before| keeps_both_families(spec, before)) {
        return errors;
    }
    let headless = text(spec, "clusterIP") == "None";
    if text(spec, "ipFamilyPolicy").is_empty() {
        let known = before.map_or("", |before| before.text("ipFamilyPolicy"));
        let policy = match known {
            "" if headless && selectorless => Value::Str("RequireDualStack"),
            "" => Value::Str("SingleStack"),
            known => Value::str_in(known, arena),
        };
        spec.insert("ipFamilyPolicy", policy);
    }
    service::addresses(object, old, &mut errors);
    let Some(spec) = spec_mut(object).filter(|_| errors.is_empty()) else { return errors };
    let policy = text(spec, "ipFamilyPolicy");
    let path = Path::root("spec");
    let at = path.child("ipFamilyPolicy");
    if let Some(before) = before {
        for (name, what) in [("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")] {
            let (now, had) = (list(spec, name), before.items(name).len());
            if policy != "SingleStack" {
                if !now.is_empty() && now.len() < had {
                    let detail = format!("must be 'SingleStack' to release the secondary {what}");
                    errors.invalid(&at, policy, &detail);
                }
            } else if now.len() > 1 && same(spec.get(name), before.get(name)) {
                // A downgrade drops the second one, if the client left them as they were.
                set_list(spec, name, &now[..1], arena);
            }
        }
    }
    let asked: Vec<&str> = list(spec, "clusterIPs");
    let mut chosen: Vec<&str> = list(spec, "ipFamilies");
    if policy == "SingleStack" {
        for (count, what) in [(asked.len(), "cluster IPs"), (chosen.len(), "IP families")] {
            if count == 2 {
                let detail = format!(
                    "must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are \
                     specified"
                );
                errors.invalid(&at, policy, &detail);
            }
        }
    }
    for (index, address) in asked.iter().enumerate().filter(|_| !headless) {
        let Some(address) = ip::parse(address) else { continue };
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        if index >= chosen.len() {
            if configured.contains(&family) {
                chosen.push(family);
            } else {
                let shown = spec.get("clusterIPs").unwrap_or(&Value::Null);
                let detail = format!("{family} is not configured on this cluster");
                errors.invalid(&path.child("clusterIPs").index(index), shown, &detail);
            }
        }
    }
    if errors.is_empty() {
        complete(&mut chosen, policy, configured, headless && selectorless, &mut errors);
    }
    if errors.is_empty() {
        set_list(spec, "ipFamilies", &chosen, arena);
    }
    errors
}

fn complete<'f>(
    chosen: &mut Vec<&'f str>,
    policy: &str,
    configured: &[&'f str],
    free: bool,
    errors: &mut Errors,
) {
    let path = Path::root("spec");
    if !free {
        if policy == "RequireDualStack" && configured.len() < 2 {
            let detail = "this cluster is not configured for dual-stack services";
            errors.invalid(&path.child("ipFamilyPolicy"), policy, detail);
        }
        for (index, family) in chosen.iter().enumerate() {
            if !configured.contains(family) {
                let detail = "not configured on this cluster";
                errors.invalid(&path.child("ipFamilies").index(index), *family, detail);
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(configured.first());
    }
    if policy != "SingleStack" && chosen.len() == 1 && (free || configured.len() == 2) {
        let other = if chosen.first() == Some(&"IPv4") { "IPv6" } else { "IPv4" };
        chosen.push(other);
    }
}

/// True for an update of a Service that prefers both families and changes neither them nor its
/// addresses: what the cluster has become since does not matter to it
/// (`isMatchingPreferDualStackClusterIPFields`).
fn keeps_both_families(spec: &Map<'_>, before: &Value<'_>) -> bool {
    let kind = text(spec, "type");
    let prefers = |policy: &str| policy == "PreferDualStack";
    let preferred = before.text("ipFamilyPolicy");
    prefers(text(spec, "ipFamilyPolicy"))
        && (preferred.is_empty() || prefers(preferred))
        && has_address(kind)
        && kind == before.text("type")
        && same(spec.get("clusterIPs"), before.get("clusterIPs"))
        && same(spec.get("ipFamilies"), before.get("ipFamilies"))
}

fn list<'a>(spec: &Map<'a>, name: &str) -> Vec<&'a str> {
    let list = spec.get(name).and_then(Value::as_list);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::families;
    use crate::object::Value;
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn families_follow_from_the_cluster_and_from_what_is_asked() {
        for (spec, configured, policy, chosen) in [
            (
                json!({"type": "ClusterIP", "selector": {"a": "b"}}),
                vec!["IPv4"],
                "SingleStack",
                vec!["IPv4"],
            ),
            (
                json!({"type": "ClusterIP", "selector": {"a": "b"}, "ipFamilyPolicy":
                "PreferDualStack"}),
                vec!["IPv4", "IPv6"],
                "PreferDualStack",
                vec!["IPv4", "IPv6"],
            ),
            (
                json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]}),
                vec!["IPv4"],
                "RequireDualStack",
                vec!["IPv4", "IPv6"],
            ),
        ] {
            let arena = Bump::new();
            let mut object = tree(&arena, &json!({ "spec": spec }));
            let errors = families(&mut object, None, &configured, &arena);
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(object.str_at(&["spec", "ipFamilyPolicy"]), policy);
            let found: Vec<&str> = object
                .list_at(&["spec", "ipFamilies"])
                .iter()
                .filter_map(|family| family.as_str())
                .collect();
            assert_eq!(found, chosen);
        }
    }

    #[test]
    fn a_family_that_the_cluster_lacks_is_refused() {
        let arena = Bump::new();
        let mut object = tree(
            &arena,
            &json!({"spec": {"type": "ClusterIP",
            "selector": {"a": "b"}, "ipFamilies": ["IPv6"]}}),
        );
        let errors = families(&mut object, None, &["IPv4"], &arena);
        assert_eq!(
            lines(&errors),
            ["spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"]
        );
    }

    #[test]
    fn two_families_need_a_policy_that_allows_them() {
        let arena = Bump::new();
        let spec = json!({"type": "ClusterIP", "ipFamilies": ["IPv4", "IPv6"]});
        let mut object = tree(&arena, &json!({ "spec": spec }));
        let errors = families(&mut object, None, &["IPv4"], &arena);
        assert_eq!(
            lines(&errors),
            ["spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or \
              'PreferDualStack' when multiple IP families are specified"]
        );
    }

    #[test]
    fn an_update_keeps_the_policy_and_must_say_so_to_give_a_family_up() {
        let arena = Bump::new();
        let both = ["IPv4", "IPv6"];
        let old = json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.9",
            "clusterIPs": ["10.0.0.9", "fd00::9"], "ipFamilies": both,
            "ipFamilyPolicy": "RequireDualStack"}});
        let old = tree(&arena, &old);
        let updated = |spec: serde_json::Value| {
            let mut new = tree(&arena, &json!({ "spec": spec }));
            let errors = lines(&families(&mut new, Some(&old), &both, &arena));
            (new, errors)
        };
        let (_, errors) = updated(json!({"type": "ClusterIP", "clusterIP": "10.0.0.9",
            "clusterIPs": ["10.0.0.9"], "ipFamilies": ["IPv4"]}));
        assert_eq!(
            errors,
            [
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' \
                 to release the secondary cluster IP",
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' \
                 to release the secondary IP family",
            ]
        );
        let (new, errors) = updated(json!({"type": "ClusterIP", "clusterIP": "10.0.0.9",
            "clusterIPs": ["10.0.0.9", "fd00::9"], "ipFamilies": both,
            "ipFamilyPolicy": "SingleStack"}));
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(new.list_at(&["spec", "clusterIPs"]).len(), 1);
        assert_eq!(new.list_at(&["spec", "ipFamilies"]).len(), 1);
    }

    #[test]
    fn ports_that_share_a_node_port_keep_it() {
        let arena = Bump::new();
        let ports = |shared: Option<i64>| {
            let port = |name: &str, protocol: &str| match shared {
                Some(number) => {
                    json!({"name": name, "port": 80, "protocol": protocol, "nodePort": number})
                }
                None => json!({"name": name, "port": 80, "protocol": protocol}),
            };
            let spec = json!({"type": "NodePort", "ports": [port("a", "TCP"), port("b", "UDP")]});
            tree(&arena, &json!({ "spec": spec }))
        };
        let mut new = ports(None);
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "", "services", &mut warnings);
        super::update(&mut new, &ports(Some(30_080)), &mut scope);
        let kept = new.list_at(&["spec", "ports"]).iter().map(|port| port.i64_at(&["nodePort"]));
        assert_eq!(kept.collect::<Vec<_>>(), [Some(30_080); 2]);
    }

    #[test]
    fn another_address_is_meant_for_both_of_its_names() {
        let arena = Bump::new();
        let spec = json!({"type": "ClusterIP", "clusterIP": "10.0.0.9",
            "clusterIPs": ["10.0.0.9"]});
        let old = tree(&arena, &json!({ "spec": spec }));
        let spec = json!({"type": "ClusterIP", "clusterIP": "10.0.0.7"});
        let mut new = tree(&arena, &json!({ "spec": spec }));
        let mut warnings = Vec::new();
        super::update(&mut new, &old, &mut scope(&arena, "", "services", &mut warnings));
        assert_eq!(new.list_at(&["spec", "clusterIPs"]), [Value::Str("10.0.0.7")]);
    }

    #[test]
    fn leaving_a_type_drops_what_only_that_type_has() {
        let arena = Bump::new();
        let old = tree(
            &arena,
            &json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.9",
            "clusterIPs": ["10.0.0.9"], "externalTrafficPolicy": "Cluster",
            "ports": [{"port": 80, "nodePort": 31000}]}}),
        );
        let mut new = tree(
            &arena,
            &json!({"spec": {"type": "ClusterIP",
            "externalTrafficPolicy": "Cluster", "ports": [{"port": 80, "nodePort": 31000}]}}),
        );
        let mut warnings = Vec::new();
        super::update(&mut new, &old, &mut scope(&arena, "", "services", &mut warnings));
        assert_eq!(new.str_at(&["spec", "clusterIP"]), "10.0.0.9");
        assert!(new.at(&["spec", "externalTrafficPolicy"]).is_none());
        assert!(new.list_at(&["spec", "ports"])[0].get("nodePort").is_none());
    }
}
