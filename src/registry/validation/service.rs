//! Services (`ValidateService`, `ValidateServiceUpdate`).

use super::probe::port as port_or_name;
use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, ip, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::defaulting::core::is_external;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const ONLY_BALANCER: &str = "may only be used when `type` is 'LoadBalancer'";
const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// Longest client affinity, seconds: a day.
const AFFINITY_SECONDS_MAX: i64 = 86_400;

/// A new service.
pub fn create(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    service(object, None, errors);
}

/// `validateService`; addresses and ranges that `old` has may stay as they are.
fn service(object: &Value<'_>, old: Option<&Value<'_>>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    topology(object, errors);
    let kind = spec.text("type");
    let headless = spec.texts("clusterIPs").next() == Some("None");
    let list = spec.items("ports");
    if list.is_empty() && !headless && kind != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    by_type(spec, headless, &path, errors);
    let at = path.child("ports");
    for (index, port) in list.iter().enumerate() {
        one_port(
            port,
            list.get(..index).unwrap_or_default(),
            list.len() > 1,
            &at.index(index),
            errors,
        );
    }
    selector::labels(spec.get("selector"), &path.child("selector"), errors);
    affinity(spec, &path, errors);
    addresses(object, old, errors);
    let at = path.child("externalIPs");
    for (index, address) in spec.texts("externalIPs").enumerate() {
        let before = errors.len();
        if !kept(old, "externalIPs", address) {
            ip::legacy_ip(address, &at.index(index), errors);
        }
        if errors.len() == before {
            ip::not_special(address, &at.index(index), errors);
        }
    }
    if kind.is_empty() {
        errors.required(&path.child("type"), "");
    }
    errors.one_of(&path.child("type"), kind, &TYPES);
    repeats(list, kind, &path.child("ports"), errors);
    balancer(object, spec, old, &path, errors);
    traffic(spec, &path, errors);
}

/// True if the stored service has this text in this list.
fn kept(old: Option<&Value<'_>>, name: &str, text: &str) -> bool {
    let list = old.map_or(&[][..], |old| old.list_at(&["spec", name]));
    list.iter().filter_map(Value::as_str).any(|before| before.trim() == text.trim())
}

/// The old and the new annotation for topology say the same.
fn topology(object: &Value<'_>, errors: &mut Errors) {
    let (old, new) =
        ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode");
    let note = |name: &str| object.at(&["metadata", "annotations", name]).and_then(Value::as_str);
    if let (Some(hints), Some(mode)) = (note(old), note(new))
        && hints != mode
    {
        let root = Path::root("metadata");
        let detail = format!("must match annotations[{old}] when both are specified");
        errors.invalid(&root.child("annotations").key(new), mode, &detail);
    }
}

fn by_type(spec: &Value<'_>, headless: bool, path: &Path<'_>, errors: &mut Errors) {
    let kind = spec.text("type");
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid(&path.child("clusterIPs").index(0), "None", &detail);
        }
        "ExternalName" => {
            let detail = "may not be set for ExternalName services";
            for name in ["clusterIPs", "ipFamilies"] {
                if !spec.items(name).is_empty() {
                    errors.forbidden(&path.child(name), detail);
                }
            }
            if spec.has("ipFamilyPolicy") {
                errors.forbidden(&path.child("ipFamilyPolicy"), detail);
            }
            let name = spec.text("externalName");
            let name = name.strip_suffix('.').unwrap_or(name);
            errors.required_text(&path.child("externalName"), name, format::dns_subdomain);
        }
        _ => {}
    }
}

/// `validateServicePort`; `before` are the ports that stand before it.
fn one_port(
    port: &Value<'_>,
    before: &[Value<'_>],
    named: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let name = port.text("name");
    if name.is_empty() {
        if named {
            errors.required(&path.child("name"), "");
        }
    } else {
        errors.messages(&path.child("name"), name, format::dns_label(name));
        if before.iter().any(|other| other.text("name") == name) {
            errors.duplicate(&path.child("name"), name);
        }
    }
    let number = port.int("port").unwrap_or(0);
    for message in format::port(number) {
        errors.invalid(&path.child("port"), number, &message);
    }
    let protocol = port.text("protocol");
    if protocol.is_empty() {
        errors.required(&path.child("protocol"), "");
    }
    errors.one_of(&path.child("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
    port_or_name(port.get("targetPort"), &path.child("targetPort"), errors);
    if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
        errors.messages(&path.child("appProtocol"), protocol, format::label_key(protocol));
    }
}

fn affinity(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let affinity = spec.text("sessionAffinity");
    if affinity.is_empty() {
        errors.required(&path.child("sessionAffinity"), "");
    }
    errors.one_of(&path.child("sessionAffinity"), affinity, &["ClientIP", "None"]);
    let at = path.child("sessionAffinityConfig");
    let config = spec.get("sessionAffinityConfig");
    match affinity {
        "ClientIP" => {
            let need = "when session affinity type is ClientIP";
            let Some(config) = config else { return errors.required(&at, need) };
            let at = at.child("clientIP");
            let Some(client) = config.get("clientIP") else { return errors.required(&at, need) };
            let at = at.child("timeoutSeconds");
            match client.int("timeoutSeconds") {
                None => errors.required(&at, need),
                Some(seconds) if !(1..=AFFINITY_SECONDS_MAX).contains(&seconds) => {
                    let detail = "must be greater than 0 and less than 86400";
                    errors.invalid(&at, seconds, detail);
                }
                Some(_) => {}
            }
        }
        "None" if config.is_some() => {
            errors.forbidden(&at, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

/// `ValidateServiceClusterIPsRelatedFields`: addresses, their families and the policy agree.
pub fn addresses(object: &Value<'_>, old: Option<&Value<'_>>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    if spec.text("type") == "ExternalName" {
        return;
    }
    let path = Path::root("spec");
    let at = path.child("clusterIPs");
    let (single, list) = (spec.text("clusterIP"), spec.items("clusterIPs"));
    let shown = spec.get("clusterIPs").unwrap_or(&null);
    let first = list.first().and_then(Value::as_str).unwrap_or("");
    if single.is_empty() {
        if !list.is_empty() {
            errors.invalid(&at, shown, "must be empty when `clusterIP` is not specified");
        }
    } else if list.is_empty() {
        errors.required(&at, "");
    } else if first != single {
        errors.invalid(&at, shown, "first value must match `clusterIP`");
    }
    families(spec, &path, errors);
    let before = errors.len();
    for (index, address) in spec.texts("clusterIPs").enumerate() {
        if index == 0 && address == "None" {
            if list.len() > 1 {
                errors.invalid(&at, shown, "'None' must be the first and only value");
            }
        } else if !kept(old, "clusterIPs", address) {
            ip::legacy_ip(address, &at.index(index), errors);
        }
    }
    let valid = errors.len() == before;
    if list.len() > 2 {
        errors.invalid(&at, shown, "may only hold up to 2 values");
    }
    if !valid {
        return;
    }
    let six: Vec<bool> =
        spec.texts("clusterIPs").filter_map(ip::parse).map(|ip| ip.is_ipv6()).collect();
    if list.len() > 1 && !(six.contains(&true) && six.contains(&false)) {
        errors.invalid(&at, shown, "may specify no more than one IP for each IP family");
    }
    let pairs = spec.texts("clusterIPs").zip(spec.texts("ipFamilies"));
    for (index, (address, family)) in pairs.enumerate() {
        let six = ip::parse(address).is_some_and(|address| address.is_ipv6());
        let differs = matches!((family, six), ("IPv4", true) | ("IPv6", false));
        if differs && first != "None" {
            let detail =
                format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(&at.index(index), address, &detail);
        }
    }
}

fn families(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("ipFamilies");
    let list: Vec<&str> = spec.texts("ipFamilies").collect();
    for (index, family) in list.iter().enumerate() {
        if !matches!(*family, "IPv4" | "IPv6") {
            errors.unsupported(&at.index(index), *family, &["IPv4", "IPv6"]);
        }
        if list.get(..index).is_some_and(|before| before.contains(family)) {
            errors.duplicate(&at.index(index), *family);
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    errors.one_of_given(&path.child("ipFamilyPolicy"), spec.get("ipFamilyPolicy"), &policies);
}

fn repeats(list: &[Value<'_>], kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let number = |port: &Value<'_>, name: &str| port.int(name).unwrap_or(0);
    if kind == "ClusterIP" {
        for (index, port) in list.iter().enumerate() {
            if number(port, "nodePort") != 0 {
                let detail = "may not be used when `type` is 'ClusterIP'";
                errors.forbidden(&path.index(index).child("nodePort"), detail);
            }
        }
    }
    let before = |index: usize, name: &'static str, port: &Value<'_>| {
        let (protocol, wanted) = (port.text("protocol"), number(port, name));
        list.iter()
            .take(index)
            .any(|other| other.text("protocol") == protocol && number(other, name) == wanted)
    };
    for (index, port) in list.iter().enumerate() {
        let node = number(port, "nodePort");
        if node != 0 && before(index, "nodePort", port) {
            errors.duplicate(&path.index(index).child("nodePort"), node);
        }
    }
    for (index, port) in list.iter().enumerate() {
        if before(index, "port", port) {
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{:?},\"AppProtocol\":null,\"Port\":{},\
                 \"TargetPort\":0,\"NodePort\":0}}",
                port.text("protocol"),
                number(port, "port")
            );
            errors.duplicate(&path.index(index), Verbatim(&shown));
        }
    }
}

fn balancer(
    object: &Value<'_>,
    spec: &Value<'_>,
    old: Option<&Value<'_>>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let is_balancer = spec.text("type") == "LoadBalancer";
    let annotation = object.str_at(&["metadata", "annotations", RANGES]);
    let ranges: Vec<&str> = spec.texts("loadBalancerSourceRanges").collect();
    let at = path.child("LoadBalancerSourceRanges");
    if !ranges.is_empty() {
        if !is_balancer {
            errors.forbidden(&at, ONLY_BALANCER);
        }
        for (index, range) in ranges.iter().enumerate() {
            if !kept(old, "loadBalancerSourceRanges", range) {
                ip::legacy_cidr(range.trim(), &at.index(index), errors);
            }
        }
    } else if object.at(&["metadata", "annotations", RANGES]).is_some() {
        let root = Path::root("metadata");
        let at = root.child("annotations");
        let at = at.key(RANGES);
        if !is_balancer {
            errors.forbidden(&at, ONLY_BALANCER);
        }
        let path = ["metadata", "annotations", RANGES];
        let before = old.and_then(|old| old.at(&path)).and_then(Value::as_str);
        let annotation = annotation.trim();
        let ranges = annotation.split(',').filter(|_| !annotation.is_empty());
        for range in ranges.filter(|_| before.map(str::trim) != Some(annotation)) {
            ip::legacy_cidr(range.trim(), &at, errors);
        }
    }
    let at = path.child("allocateLoadBalancerNodePorts");
    match (is_balancer, spec.has("allocateLoadBalancerNodePorts")) {
        (false, true) => errors.forbidden(&at, ONLY_BALANCER),
        // Upstream's path is short.
        (true, false) => errors.required(&Path::root("allocateLoadBalancerNodePorts"), ""),
        _ => {}
    }
    balancer_class(spec, path, errors);
}

fn balancer_class(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(class) = spec.get("loadBalancerClass").and_then(Value::as_str) else { return };
    let at = path.child("loadBalancerClass");
    if spec.text("type") == "LoadBalancer" {
        errors.messages(&at, class, format::label_key(class));
    } else {
        errors.forbidden(&at, ONLY_BALANCER);
    }
}

fn traffic(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let external = spec.as_map().is_some_and(is_external);
    let policy = spec.text("externalTrafficPolicy");
    let at = path.child("externalTrafficPolicy");
    if external {
        if policy.is_empty() {
            errors.required(&at, "");
        }
        errors.one_of(&at, policy, &["Cluster", "Local"]);
    } else if !policy.is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.invalid(&at, policy, detail);
    }
    let check = spec.int("healthCheckNodePort").unwrap_or(0);
    let checked = spec.text("type") == "LoadBalancer" && policy == "Local";
    let at = path.child("healthCheckNodePort");
    if checked {
        if check == 0 {
            errors.required(&at, "");
        } else {
            for message in format::port(check) {
                errors.invalid(&at, check, &message);
            }
        }
    } else if check != 0 {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` \
                      is 'Local'";
        errors.invalid(&at, check, detail);
    }
    let at = path.child("internalTrafficPolicy");
    let inner = matches!(spec.text("type"), "ClusterIP" | "LoadBalancer" | "NodePort");
    if !spec.has("internalTrafficPolicy") && inner {
        errors.required(&at, "");
    }
    errors.one_of_given(&at, spec.get("internalTrafficPolicy"), &["Cluster", "Local"]);
    let values = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    let at = path.child("trafficDistribution");
    errors.one_of_given(&at, spec.get("trafficDistribution"), &values);
}

/// A service, updated.
pub fn update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    let path = Path::root("spec");
    let external = |spec: &Value<'_>| spec.text("type") == "ExternalName";
    let headless = |spec: &Value<'_>| spec.texts("clusterIPs").next() == Some("None");
    if !external(now) && !external(was) {
        if !(headless(now) && headless(was)) {
            stays(now, was, &ADDRESSES, &path, errors);
        }
        if !headless(now) && !headless(was) {
            stays(now, was, &FAMILIES, &path, errors);
        }
    }
    let class = "loadBalancerClass";
    let balancer = |spec: &Value<'_>| spec.text("type") == "LoadBalancer";
    if balancer(now) && balancer(was) && !same(now.get(class), was.get(class)) {
        let shown = go_form::plain(now.get(class));
        errors.invalid(&path.child(class), Verbatim(&shown), "may not change once set");
    }
    // Upstream asks for its form here, and again where it asks for the rest.
    balancer_class(now, &path, errors);
    let checked =
        |spec: &Value<'_>| balancer(spec) && spec.text("externalTrafficPolicy") == "Local";
    let port = |spec: &Value<'_>| spec.int("healthCheckNodePort").unwrap_or(0);
    if checked(now) && checked(was) && port(now) != port(was) {
        errors.forbidden(&path.child("healthCheckNodePort"), IMMUTABLE);
    }
    service(new, Some(old), errors);
}

/// A list whose first element stays, and whose second may come and go.
struct Pair {
    name: &'static str,
    /// What is said where the first is gone.
    unset: &'static str,
    /// What is said where the second goes while the policy wants it.
    release: &'static str,
    /// What is shown of lists that differ in length.
    shown: &'static str,
}

const ADDRESSES: Pair = Pair {
    name: "clusterIPs",
    unset: "primary clusterIP can not be unset",
    release: "must be set to 'SingleStack' when releasing the secondary clusterIP",
    shown: "clusterIPs",
};
const FAMILIES: Pair = Pair {
    name: "ipFamilies",
    unset: "primary ipFamily can not be unset",
    release: "must be set to 'SingleStack' when releasing the secondary ipFamily",
    shown: "clusterIPs",
};

/// `validateUpgradeDowngradeClusterIPs`, `validateUpgradeDowngradeIPFamilies`.
fn stays(now: &Value<'_>, was: &Value<'_>, pair: &Pair, path: &Path<'_>, errors: &mut Errors) {
    const ONCE: &str = "may not change once set";
    let is_families = pair.name == "ipFamilies";
    let (new, old) = (now.items(pair.name), was.items(pair.name));
    let at = path.child(pair.name);
    let empty = Value::Null;
    let list = |name: &str| now.get(name).unwrap_or(&empty);
    if new.len() == old.len() {
        for (index, _) in new.iter().zip(old).enumerate().filter(|(_, (new, old))| new != old) {
            let index = if is_families { 0 } else { index };
            errors.invalid(&at.index(index), list(pair.name), ONCE);
        }
        return;
    }
    let shrinks = new.len() < old.len();
    let gone = if is_families { now.items("clusterIPs").is_empty() } else { new.is_empty() };
    if shrinks && gone {
        errors.invalid(&at.index(0), list(pair.name), pair.unset);
    }
    if let (Some(first), Some(before)) = (new.first(), old.first())
        && first != before
    {
        errors.invalid(&at.index(0), list(pair.shown), ONCE);
    }
    let policy = now.get("ipFamilyPolicy").and_then(Value::as_str);
    if shrinks && new.len() == 1 && policy != Some("SingleStack") {
        let shown = policy.map_or(Value::Null, Value::Str);
        errors.invalid(&path.child("ipFamilyPolicy"), &shown, pair.release);
    }
}

/// Status of a service: its balancer.
pub fn status(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let stored = old.list_at(&["status", "loadBalancer", "ingress"]);
    let root = Path::root("status");
    let path = root.child("loadBalancer");
    let ingress = new.list_at(&["status", "loadBalancer", "ingress"]);
    let at = path.child("ingress");
    if !ingress.is_empty() && new.str_at(&["spec", "type"]) != "LoadBalancer" {
        errors.forbidden(&at, "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    for (index, entry) in ingress.iter().enumerate() {
        let at = at.index(index);
        let address = entry.text("ip");
        if !address.is_empty() && stored.iter().all(|entry| entry.text("ip") != address) {
            ip::legacy_ip(address, &at.child("ip"), errors);
        }
        let mode = entry.get("ipMode").and_then(Value::as_str);
        match (mode, address.is_empty()) {
            (None, false) => {
                errors.required(&at.child("ipMode"), "must be specified when `ip` is set")
            }
            (Some(_), true) => {
                errors.forbidden(&at.child("ipMode"), "may not be specified when `ip` is not set");
            }
            (Some(mode), false) if !matches!(mode, "Proxy" | "VIP") => {
                errors.unsupported(&at.child("ipMode"), mode, &["Proxy", "VIP"]);
            }
            _ => {}
        }
        host_name(entry.text("hostname"), &at.child("hostname"), errors);
    }
}

/// A host name of a balancer: a name, not an address.
pub fn host_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return;
    }
    errors.messages(path, name, format::dns_subdomain(name));
    if ip::parse(name).is_some() {
        errors.invalid(path, name, "must be a DNS name, not an IP address");
    }
}
