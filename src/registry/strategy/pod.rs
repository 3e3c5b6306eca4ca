//! Pods (`pkg/registry/core/pod/strategy.go`).

use super::Scope;
use super::generic::{copy_member, copy_metadata};
use crate::object::quantity::Quantity;
use crate::object::{List, Map, Value};
use crate::registry::defaulting::pod_spec::{self, service_account};
use crate::registry::read::Read as _;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Conditional defaults, and the two names of the pod's address.
pub(super) fn default<'a>(pod: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    pod_spec::pod(pod, scope);
    addresses(pod);
}

/// A new pod is pending, and has the class of service that its resources give it.
pub(super) fn create<'a>(pod: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let arena = scope.arena;
    let null = Value::Null;
    let class = qos_class(pod.get("spec").unwrap_or(&null));
    let gated = !pod.list_at(&["spec", "schedulingGates"]).is_empty();
    merge_label_keys(pod, scope);
    super::app_armor::sync(pod, scope);
    let Some(map) = pod.as_map_mut() else { return };
    service_account(map.entry_map("spec"));
    let mut status = Map::new_in(arena);
    status.push_unique("phase", Value::Str("Pending"));
    if gated {
        let mut condition = Map::new_in(arena);
        condition.push_unique("type", Value::Str("PodScheduled"));
        condition.push_unique("status", Value::Str("False"));
        condition.push_unique("lastTransitionTime", Value::str_in(scope.now, arena));
        condition.push_unique("reason", Value::Str("SchedulingGated"));
        let message = "Scheduling is blocked due to non-empty scheduling gates";
        condition.push_unique("message", Value::Str(message));
        let mut conditions = List::new_in(arena);
        conditions.push(Value::Map(condition));
        status.push_unique("conditions", Value::List(conditions));
    }
    status.push_unique("qosClass", Value::Str(class));
    map.insert("status", Value::Map(status));
}

/// Updates of the main resource, of status and of the two subresources that change one part.
pub(super) fn update<'a>(pod: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    match scope.subresource {
        "status" => status(pod, old, scope),
        "ephemeralcontainers" => {
            let sent = take(pod, "ephemeralContainers");
            restore(pod, old, scope);
            let Some(map) = pod.as_map_mut() else { return };
            let spec = map.entry_map("spec");
            match sent {
                Some(list) => spec.insert("ephemeralContainers", list),
                None => spec.remove("ephemeralContainers"),
            };
        }
        "resize" => resize(pod, old, scope),
        _ => {
            if let Some(map) = pod.as_map_mut() {
                service_account(map.entry_map("spec"));
            }
        }
    }
}

fn take<'a>(pod: &mut Value<'a>, name: &str) -> Option<Value<'a>> {
    pod.get_mut("spec").and_then(Value::as_map_mut).and_then(|spec| spec.remove(name))
}

/// Makes spec, status and the user's metadata what they are stored as.
fn restore<'a>(pod: &mut Value<'a>, old: &Value<'_>, scope: &Scope<'a, '_>) {
    copy_member(pod, old, "spec", scope);
    copy_member(pod, old, "status", scope);
    copy_metadata(pod, old, &["labels", "annotations", "finalizers", "ownerReferences"], scope);
}

/// `dropNonResizeUpdates`: of the sent containers only resources and resize policies count.
fn resize<'a>(pod: &mut Value<'a>, old: &Value<'_>, scope: &Scope<'a, '_>) {
    let arena = scope.arena;
    let sent = pod.get("spec").map(|spec| spec.copy_in(arena));
    let lists = ["containers", "initContainers"];
    let names = |spec: Option<&Value<'a>>, list: &str| -> Vec<&'a str> {
        let items = spec.map_or(&[][..], |spec| spec.items(list));
        items.iter().map(|container| container.text("name")).collect()
    };
    let kept = old.get("spec").map(|spec| spec.copy_in(arena));
    // Other containers than before, or others of their names, are for validation to refuse.
    let as_sent = |list: &&str| names(sent.as_ref(), list) != names(kept.as_ref(), list);
    let count = |list: &&str| names(sent.as_ref(), list).len() != names(kept.as_ref(), list).len();
    if lists.iter().any(count) {
        // What was sent stands as it is, and it hardly says what the stored status does.
        if let Some(map) = pod.as_map_mut() {
            map.remove("status");
        }
        return;
    }
    restore(pod, old, scope);
    let others = lists.map(|list| as_sent(&list));
    let Some(sent) = sent else { return };
    for (list, other) in lists.into_iter().zip(others) {
        if other {
            if let Some(containers) = sent.get(list)
                && let Some(spec) = pod.get_mut("spec").and_then(Value::as_map_mut)
            {
                spec.insert(list, containers.copy_in(arena));
            }
            continue;
        }
        for (container, from) in pod.list_at_mut(&["spec", list]).iter_mut().zip(sent.items(list)) {
            let Some(map) = container.as_map_mut() else { continue };
            for name in ["resources", "resizePolicy"] {
                match from.get(name) {
                    Some(value) => map.insert(name, value.copy_in(arena)),
                    None => map.remove(name),
                };
            }
        }
    }
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_map_mut) else { return };
    match sent.get("resources") {
        Some(value) => spec.insert("resources", value.copy_in(arena)),
        None => spec.remove("resources"),
    };
}

/// Old kubelets leave out what they do not know.
fn status<'a>(pod: &mut Value<'a>, old: &Value<'_>, scope: &Scope<'a, '_>) {
    let Some(map) = pod.as_map_mut() else { return };
    let status = map.entry_map("status");
    let class = old.str_at(&["status", "qosClass"]);
    if status.get("qosClass").is_none_or(Value::is_empty) && !class.is_empty() {
        status.insert("qosClass", Value::str_in(class, scope.arena));
    }
    let seen = old.i64_at(&["status", "observedGeneration"]).unwrap_or(0);
    if status.get("observedGeneration").is_none_or(Value::is_empty) && seen != 0 {
        status.insert("observedGeneration", Value::Int(seen));
    }
}

/// `podIP` is the first of `podIPs`; where the two differ, the single one wins.
fn addresses(pod: &mut Value<'_>) {
    let Some(status) = pod.get_mut("status").and_then(Value::as_map_mut) else { return };
    let arena = status.arena();
    let text = |value: Option<&Value<'_>>| {
        let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(|text| &*arena.alloc_str(text))
    };
    let single = text(status.get("podIP"));
    let first = status.get("podIPs").and_then(Value::as_list).and_then(|list| list.first());
    let first = text(first.and_then(|entry| entry.get("ip")));
    match (single, first) {
        (Some(single), first) if first != Some(single) => {
            let mut entry = Map::new_in(arena);
            entry.push_unique("ip", Value::Str(single));
            let mut list = List::new_in(arena);
            list.push(Value::Map(entry));
            status.insert("podIPs", Value::List(list));
        }
        (None, Some(first)) => {
            status.insert("podIP", Value::Str(first));
        }
        _ => {}
    }
}

/// `ComputePodQOS` of a pod's spec.
pub fn qos_class(spec: &Value<'_>) -> &'static str {
    const NAMES: [&str; 2] = ["cpu", "memory"];
    let amount = |holder: &Value<'_>, which: &str, name: &str| {
        let text = holder.at(&["resources", which, name]).and_then(Value::as_str);
        text.and_then(|text| Quantity::parse(text).ok()).filter(|amount| amount.signum() > 0)
    };
    // Resources of the pod count instead of its containers', empty ones too.
    let holders: Vec<&Value<'_>> = if spec.get("resources").is_some() {
        vec![spec]
    } else {
        spec.items("containers").iter().chain(spec.items("initContainers")).collect()
    };
    let mut sums = [[Quantity::ZERO; 2]; 2];
    let mut complete = true;
    for holder in holders {
        for (at, name) in NAMES.iter().enumerate() {
            for (which, list) in sums.iter_mut().zip(["requests", "limits"]) {
                match amount(holder, list, name) {
                    Some(found) => which[at] = which[at].add(&found),
                    None if list == "limits" => complete = false,
                    None => {}
                }
            }
        }
    }
    let [requests, limits] = sums;
    let none = |list: &[Quantity; 2]| list.iter().all(|amount| amount.signum() == 0);
    if none(&requests) && none(&limits) {
        "BestEffort"
    } else if complete && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// `applyMatchLabelKeysAndMismatchLabelKeys` and the same for spread constraints: the pod's values
/// of the named labels become part of the selectors.
fn merge_label_keys<'a>(pod: &mut Value<'a>, scope: &Scope<'a, '_>) {
    let arena = scope.arena;
    let Some(labels) = pod.at(&["metadata", "labels"]).map(|l| l.copy_in(arena)) else { return };
    let Some(spec) = pod.get_mut("spec") else { return };
    for constraint in spec.list_at_mut(&["topologySpreadConstraints"]) {
        add_keys(constraint, &labels, "matchLabelKeys", "In");
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        for term in spec.list_at_mut(&["affinity", kind, REQUIRED]) {
            add_keys(term, &labels, "matchLabelKeys", "In");
            add_keys(term, &labels, "mismatchLabelKeys", "NotIn");
        }
        for term in spec.list_at_mut(&["affinity", kind, PREFERRED]) {
            let Some(term) = term.get_mut("podAffinityTerm") else { continue };
            add_keys(term, &labels, "matchLabelKeys", "In");
            add_keys(term, &labels, "mismatchLabelKeys", "NotIn");
        }
    }
}

fn add_keys<'a>(term: &mut Value<'a>, labels: &Value<'a>, keys: &str, operator: &'static str) {
    if !term.has("labelSelector") || term.items(keys).is_empty() {
        return;
    }
    let keys: Vec<&'a str> = term.texts(keys).collect();
    let Some(selector) = term.get_mut("labelSelector").and_then(Value::as_map_mut) else { return };
    let arena = selector.arena();
    for key in keys {
        let Some(value) = labels.get(key).and_then(Value::as_str) else { continue };
        let mut values = List::new_in(arena);
        values.push(Value::Str(value));
        let mut requirement = Map::new_in(arena);
        requirement.push_unique("key", Value::Str(key));
        requirement.push_unique("operator", Value::Str(operator));
        requirement.push_unique("values", Value::List(values));
        if selector.get("matchExpressions").and_then(Value::as_list).is_none() {
            selector.insert("matchExpressions", Value::list_in(arena));
        }
        if let Some(list) = selector.get_mut("matchExpressions").and_then(Value::as_list_mut) {
            list.push(Value::Map(requirement));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::qos_class;
    use crate::registry::sample::{scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn the_class_of_service_follows_from_requests_and_limits() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        let cases = [
            (json!({"containers": [{}]}), "BestEffort"),
            (json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]}), "Burstable"),
            (
                json!({"containers": [{"resources": {"requests": both, "limits": both}}]}),
                "Guaranteed",
            ),
            (
                json!({"containers": [{"resources": {"requests": both, "limits": both}}, {}]}),
                "Burstable",
            ),
            (
                json!({"resources": {"requests": both, "limits": both}, "containers": [{}]}),
                "Guaranteed",
            ),
            (
                json!({"resources": {}, "containers": [{"resources": {"requests": both}}]}),
                "BestEffort",
            ),
        ];
        for (spec, class) in cases {
            let arena = Bump::new();
            assert_eq!(qos_class(&tree(&arena, &spec)), class, "{spec}");
        }
    }

    #[test]
    fn gated_pods_say_so_in_a_condition() {
        let arena = Bump::new();
        let mut pod = tree(
            &arena,
            &json!({"metadata": {}, "status": {"phase": "Running"},
            "spec": {"schedulingGates": [{"name": "a"}], "containers": [{}]}}),
        );
        let mut warnings = Vec::new();
        super::create(&mut pod, &mut scope(&arena, "", "pods", &mut warnings));
        assert_eq!(pod.str_at(&["status", "phase"]), "Pending");
        let conditions = pod.list_at(&["status", "conditions"]);
        assert_eq!(conditions[0].str_at(&["reason"]), "SchedulingGated");
        assert!(!conditions[0].str_at(&["lastTransitionTime"]).is_empty());
    }

    #[test]
    fn pod_ip_and_pod_ips_agree() {
        for (status, ip, count) in [
            (json!({"podIP": "1.1.1.1"}), "1.1.1.1", 1),
            (json!({"podIPs": [{"ip": "1.1.1.1"}, {"ip": "fd00::1"}]}), "1.1.1.1", 2),
            (json!({"podIP": "2.2.2.2", "podIPs": [{"ip": "1.1.1.1"}]}), "2.2.2.2", 1),
        ] {
            let arena = Bump::new();
            let mut pod = tree(&arena, &json!({ "status": status }));
            super::addresses(&mut pod);
            assert_eq!(pod.str_at(&["status", "podIP"]), ip);
            assert_eq!(pod.list_at(&["status", "podIPs"]).len(), count);
            assert_eq!(pod.list_at(&["status", "podIPs"])[0].str_at(&["ip"]), ip);
        }
    }
}
