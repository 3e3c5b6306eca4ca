//! Resource lists: names and quantities, and what a pod takes of them
//! (`k8s.io/component-helpers/resource`).

use crate::object::Value;
use crate::object::quantity::Quantity;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Quantities by resource name.
pub(super) type List = BTreeMap<String, Quantity>;

/// Reads a resource list; what is no quantity is left out.
pub(super) fn read(value: Option<&Value<'_>>) -> List {
    let entries = value.and_then(Value::as_map).into_iter().flat_map(|map| map.iter());
    let parsed = entries.filter_map(|(name, quantity)| {
        let quantity = match quantity {
            Value::Int(number) => Quantity::from_int(*number),
            other => Quantity::parse(other.as_str()?).ok()?,
        };
        Some((name.to_owned(), quantity))
    });
    parsed.collect()
}

/// Adds every quantity of `more` to `sum`.
pub(super) fn add(sum: &mut List, more: &List) {
    for (name, quantity) in more {
        let total = sum.get(name).map_or(*quantity, |known| known.add(quantity));
        sum.insert(name.clone(), total);
    }
}

/// Raises `most` to what is larger in `other`.
fn raise(most: &mut List, other: &List) {
    for (name, quantity) in other {
        if most.get(name).is_none_or(|known| compare(quantity, known) == Ordering::Greater) {
            most.insert(name.clone(), *quantity);
        }
    }
}

/// How two quantities stand to each other.
pub(super) fn compare(a: &Quantity, b: &Quantity) -> Ordering {
    a.cmp(b)
}

/// Which half of a container's resources is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Limits,
    Requests,
}

impl Part {
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Requests => "requests",
        }
    }
}

/// What the containers of a pod take together (`AggregateContainerRequests`), or what the pod says
/// of itself as a whole.
pub(super) fn of_containers(spec: &Value<'_>, part: Part) -> List {
    let of = |container: &Value<'_>| read(container.at(&["resources", part.field()]));
    let mut total = List::new();
    for container in spec.list_at(&["containers"]) {
        add(&mut total, &of(container));
    }
    let (mut sidecars, mut starting) = (List::new(), List::new());
    for container in spec.list_at(&["initContainers"]) {
        let own = of(container);
        if container.str_at(&["restartPolicy"]) == "Always" {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            let mut now = own;
            add(&mut now, &sidecars);
            raise(&mut starting, &now);
        }
    }
    raise(&mut total, &starting);
    for (name, quantity) in read(spec.at(&["resources", part.field()])) {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-") {
            total.insert(name, quantity);
        }
    }
    total
}

/// What a pod takes, its overhead included (`PodRequests`, `PodLimits`).
pub(super) fn of_pod(spec: &Value<'_>, part: Part) -> List {
    let mut total = of_containers(spec, part);
    let mut overhead = read(spec.at(&["overhead"]));
    if part == Part::Limits {
        overhead.retain(|name, _| total.contains_key(name));
    }
    add(&mut total, &overhead);
    total
}

/// A pod without any request or limit of CPU and memory.
pub(super) fn is_best_effort(spec: &Value<'_>) -> bool {
    let asks = |of: &Value<'_>| {
        [Part::Limits, Part::Requests].into_iter().any(|part| {
            let list = read(of.at(&["resources", part.field()]));
            let set = |name| list.get(name).is_some_and(|quantity| quantity.signum() > 0);
            set("cpu") || set("memory")
        })
    };
    let kinds = ["containers", "initContainers"];
    !asks(spec) && !kinds.iter().any(|kind| spec.list_at(&[kind]).iter().any(asks))
}

/// A resource that Kubernetes itself does not know (`IsExtendedResourceName`).
pub(super) fn is_extended(name: &str) -> bool {
    let Some((domain, _)) = name.split_once('/') else { return false };
    let native = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
    !native && !name.starts_with("requests.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;
    use bumpalo::Bump;

    fn of(spec: &str) -> String {
        let arena = Bump::new();
        let spec = json::parse_any(spec.as_bytes(), &arena).unwrap();
        let list = of_pod(&spec, Part::Requests);
        list.iter().map(|(name, quantity)| format!("{name}={quantity} ")).collect()
    }

    #[test]
    fn a_pod_takes_the_more_of_running_and_starting() {
        let container = |cpu: &str, more: &str| {
            format!(r#"{{"name":"c"{more},"resources":{{"requests":{{"cpu":"{cpu}"}}}}}}"#)
        };
        let (one, init) = (container("1", ""), container("3", ""));
        assert_eq!(of(&format!(r#"{{"containers":[{one},{one}]}}"#)), "cpu=2 ");
        let text = format!(r#"{{"containers":[{one}],"initContainers":[{init}]}}"#);
        assert_eq!(of(&text), "cpu=3 ");
        let sidecar = container("2", r#","restartPolicy":"Always""#);
        let text = format!(r#"{{"containers":[{one}],"initContainers":[{sidecar},{init}]}}"#);
        assert_eq!(of(&text), "cpu=5 ");
    }

    #[test]
    fn overhead_and_resources_of_the_whole_pod_count() {
        let text = r#"{"containers":[{"resources":{"requests":{"cpu":"1"}}}],
            "overhead":{"cpu":"100m"}}"#;
        assert_eq!(of(text), "cpu=1100m ");
        let text = r#"{"containers":[{"resources":{"requests":{"cpu":"1"}}}],
            "resources":{"requests":{"cpu":"4"}}}"#;
        assert_eq!(of(text), "cpu=4 ");
    }
}
