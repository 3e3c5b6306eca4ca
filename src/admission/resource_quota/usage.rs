//! What an object takes of a quota, by kind (`k8s.io/kubernetes/pkg/quota/v1/evaluator/core`).

use crate::admission::persistent_volume_claim_resize::class;
use crate::admission::resources::{List, Part, add, is_extended, of_pod, read};
use crate::base::{clock, timestamp};
use crate::object::Value;
use crate::object::quantity::Quantity;
use crate::request::{Attributes, Operation};
use std::collections::{BTreeMap, BTreeSet};

const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";
const DEVICES_SUFFIX: &str = ".deviceclass.resource.k8s.io/devices";
/// Devices that a claim takes at most of one request (`AllocationResultsMaxSize`).
const DEVICES_MAX: i64 = 32;
/// What pods are counted by, beside prefixes.
const POD_RESOURCES: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];
/// Resources whose quota makes every container name an amount.
const VALIDATED: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// How a kind is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evaluator {
    /// Persistent volume claims.
    Claims,
    /// By number alone; true if the plain plural is a name too.
    Objects(bool),
    /// Pods.
    Pods,
    /// Resource claims.
    ResourceClaims,
    /// Services.
    Services,
}

impl Evaluator {
    pub(super) fn of(at: &Attributes<'_>) -> Self {
        match (at.resource.group, at.resource.name) {
            ("", "pods") => Self::Pods,
            ("", "services") => Self::Services,
            ("", "persistentvolumeclaims") => Self::Claims,
            ("resource.k8s.io", "resourceclaims") => Self::ResourceClaims,
            ("", "configmaps" | "replicationcontrollers" | "resourcequotas" | "secrets") => {
                Self::Objects(true)
            }
            _ => Self::Objects(false),
        }
    }

    /// True if the request may change what is taken.
    pub(super) fn handles(self, at: &Attributes<'_>) -> bool {
        matches!(
            (self, at.subresource, at.operation),
            (Self::Pods, "resize", Operation::Update)
                | (_, "", Operation::Create)
                | (Self::Services | Self::Claims | Self::ResourceClaims, "", Operation::Update)
        )
    }

    /// True if a quota of this resource counts objects of the kind (`MatchingResources`).
    pub(super) fn counts(self, at: &Attributes<'_>, resource: &str) -> bool {
        if resource == count_name(at) {
            return true;
        }
        match self {
            Self::Pods => {
                POD_RESOURCES.contains(&resource)
                    || resource.starts_with("hugepages-")
                    || resource.starts_with("requests.hugepages-")
                    || resource.strip_prefix("requests.").is_some_and(is_extended)
            }
            Self::Services => {
                matches!(resource, "services" | "services.loadbalancers" | "services.nodeports")
            }
            Self::Claims => {
                let of_class = resource.split_once(CLASS_SUFFIX).map(|(_, rest)| rest);
                let known =
                    |name: &str| matches!(name, "persistentvolumeclaims" | "requests.storage");
                known(resource) || of_class.is_some_and(known)
            }
            Self::ResourceClaims => resource.ends_with(DEVICES_SUFFIX),
            Self::Objects(plain) => plain && resource == at.resource.name,
        }
    }

    /// What the object takes.
    pub(super) fn usage(self, at: &Attributes<'_>, object: &Value<'_>) -> List {
        let one = Quantity::from_int(1);
        let mut usage = List::from([(count_name(at), one)]);
        match self {
            Self::Pods => {
                if is_alive(object)
                    && let Some(spec) = object.at(&["spec"])
                {
                    let (requests, limits) =
                        (of_pod(spec, Part::Requests), of_pod(spec, Part::Limits));
                    usage.extend(compute(&requests, &limits));
                }
            }
            Self::Services => usage.extend(service(object)),
            Self::Claims => usage.extend(claim(object)),
            Self::ResourceClaims => usage.extend(devices(object)),
            Self::Objects(true) => {
                usage.insert(at.resource.name.to_owned(), one);
            }
            Self::Objects(false) => {}
        }
        usage
    }

    /// Every container must name an amount of the resources that are limited (`Constraints`).
    pub(super) fn constrain(
        self,
        limited: &BTreeSet<&str>,
        object: &Value<'_>,
    ) -> Result<(), String> {
        if self != Self::Pods {
            return Ok(());
        }
        let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let whole = read(object.at(&["spec", "resources", "requests"]));
        let whole_limits = read(object.at(&["spec", "resources", "limits"]));
        let said = compute(&whole, &whole_limits);
        for kind in ["containers", "initContainers"] {
            for container in object.list_at(&["spec", kind]) {
                let of = |part: Part| read(container.at(&["resources", part.field()]));
                let usage = compute(&of(Part::Requests), &of(Part::Limits));
                for resource in VALIDATED {
                    let named = usage.contains_key(resource) || said.contains_key(resource);
                    if limited.contains(resource) && !named {
                        missing.entry(resource).or_default().insert(container.str_at(&["name"]));
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> = missing
            .into_iter()
            .map(|(resource, names)| {
                let names: Vec<&str> = names.into_iter().collect();
                format!("{resource} for: {}", names.join(","))
            })
            .collect();
        Err(format!("must specify {}", texts.join("; ")))
    }
}

/// `count/pods`, `count/deployments.apps`.
fn count_name(at: &Attributes<'_>) -> String {
    match at.resource.group {
        "" => format!("count/{}", at.resource.name),
        group => format!("count/{}.{group}", at.resource.name),
    }
}

/// Pods that have ended, or should have, take nothing (`QuotaV1Pod`).
fn is_alive(pod: &Value<'_>) -> bool {
    if matches!(pod.str_at(&["status", "phase"]), "Failed" | "Succeeded") {
        return false;
    }
    let marked = pod.str_at(&["metadata", "deletionTimestamp"]);
    let grace = pod.i64_at(&["metadata", "deletionGracePeriodSeconds"]);
    match (timestamp::parse_rfc3339(marked), grace) {
        (Some(marked), Some(grace)) => clock::unix_seconds() <= marked + grace,
        _ => true,
    }
}

/// The names under which requests and limits are counted (`podComputeUsageHelper`).
fn compute(requests: &List, limits: &List) -> List {
    let mut usage = List::from([("pods".to_owned(), Quantity::from_int(1))]);
    for (name, quantity) in requests {
        let native = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if native || name.starts_with("hugepages-") {
            usage.insert(name.clone(), *quantity);
            usage.insert(format!("requests.{name}"), *quantity);
        } else if is_extended(name) {
            usage.insert(format!("requests.{name}"), *quantity);
        }
    }
    for (name, quantity) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            usage.insert(format!("limits.{name}"), *quantity);
        }
    }
    usage
}

fn service(service: &Value<'_>) -> List {
    let ports = service.list_at(&["spec", "ports"]);
    let asked = || ports.iter().filter(|port| port.i64_at(&["nodePort"]).unwrap_or(0) != 0).count();
    let declines = service.at(&["spec", "allocateLoadBalancerNodePorts"]).and_then(Value::as_bool)
        == Some(false);
    let (node_ports, balancers) = match service.str_at(&["spec", "type"]) {
        "NodePort" => (ports.len(), 0),
        "LoadBalancer" => (if declines { asked() } else { ports.len() }, 1),
        _ => (0, 0),
    };
    let count = |count: usize| Quantity::from_int(i64::try_from(count).unwrap_or(i64::MAX));
    List::from([
        ("services".to_owned(), count(1)),
        ("services.loadbalancers".to_owned(), count(balancers)),
        ("services.nodeports".to_owned(), count(node_ports)),
    ])
}

fn claim(claim: &Value<'_>) -> List {
    let one = Quantity::from_int(1);
    let mut usage = List::from([("persistentvolumeclaims".to_owned(), one)]);
    let class = class(claim);
    if !class.is_empty() {
        usage.insert(format!("{class}{CLASS_SUFFIX}persistentvolumeclaims"), one);
    }
    let asked = read(claim.at(&["spec", "resources", "requests"])).remove("storage");
    let granted = read(claim.at(&["status", "allocatedResources"])).remove("storage");
    if let Some(storage) = asked.max(granted) {
        usage.insert("requests.storage".to_owned(), storage);
        if !class.is_empty() {
            usage.insert(format!("{class}{CLASS_SUFFIX}requests.storage"), storage);
        }
    }
    usage
}

/// Devices by class; of alternatives the most that one takes.
fn devices(claim: &Value<'_>) -> List {
    let of = |request: &Value<'_>| {
        let count = match request.str_at(&["allocationMode"]) {
            "All" => DEVICES_MAX,
            _ => request.i64_at(&["count"]).unwrap_or(1),
        };
        let class = request.str_at(&["deviceClassName"]);
        (format!("{class}{DEVICES_SUFFIX}"), Quantity::from_int(count))
    };
    let mut usage = List::new();
    for request in claim.list_at(&["spec", "devices", "requests"]) {
        if let Some(exactly) = request.at(&["exactly"]) {
            add(&mut usage, &List::from([of(exactly)]));
        }
        let mut most = List::new();
        for alternative in request.list_at(&["firstAvailable"]) {
            let (class, count) = of(alternative);
            let known = most.get(&class).copied();
            most.insert(class, known.map_or(count, |known: Quantity| known.max(count)));
        }
        add(&mut usage, &most);
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;
    use bumpalo::Bump;

    fn text(list: &List) -> String {
        list.iter().map(|(name, quantity)| format!("{name}={quantity} ")).collect()
    }

    #[test]
    fn a_balancer_takes_node_ports_only_as_far_as_it_wants_them() {
        let arena = Bump::new();
        let of = |spec: &str| {
            let text_of = format!(r#"{{"spec":{spec}}}"#);
            text(&service(&json::parse_any(text_of.as_bytes(), &arena).unwrap()))
        };
        let ports = r#""ports":[{"port":1},{"port":2,"nodePort":30000}]"#;
        let all = "services=1 services.loadbalancers=1 services.nodeports=2 ";
        assert_eq!(of(&format!(r#"{{"type":"LoadBalancer",{ports}}}"#)), all);
        let some = "services=1 services.loadbalancers=1 services.nodeports=1 ";
        let declines = r#""allocateLoadBalancerNodePorts":false"#;
        assert_eq!(of(&format!(r#"{{"type":"LoadBalancer",{declines},{ports}}}"#)), some);
        let none = "services=1 services.loadbalancers=0 services.nodeports=0 ";
        assert_eq!(of(&format!(r#"{{"type":"ClusterIP",{ports}}}"#)), none);
    }

    #[test]
    fn extended_resources_are_counted_by_requests_alone() {
        let of = |name: &str| List::from([(name.to_owned(), Quantity::from_int(2))]);
        let usage = compute(&of("example.com/gpu"), &of("example.com/gpu"));
        assert_eq!(text(&usage), "pods=1 requests.example.com/gpu=2 ");
        let usage = compute(&of("cpu"), &of("cpu"));
        assert_eq!(text(&usage), "cpu=2 limits.cpu=2 pods=1 requests.cpu=2 ");
    }

    #[test]
    fn containers_without_an_amount_are_named_by_resource() {
        let arena = Bump::new();
        let pod = r#"{"spec":{"containers":[{"name":"b"},{"name":"a","resources":{"requests":
            {"cpu":"1"}}}],"initContainers":[{"name":"i"}]}}"#;
        let pod = json::parse_any(pod.as_bytes(), &arena).unwrap();
        let limited = BTreeSet::from(["limits.cpu", "pods", "requests.cpu"]);
        let expected = "must specify limits.cpu for: a,b,i; requests.cpu for: b,i";
        assert_eq!(Evaluator::Pods.constrain(&limited, &pod), Err(expected.to_owned()));
    }
}
