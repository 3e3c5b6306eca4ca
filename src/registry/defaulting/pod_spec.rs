//! Pods and pod templates (`SetDefaults_Pod`, `SetDefaults_PodSpec`, `SetDefaults_Container`).

use super::{Fill as _, image, round_resources, volume};
use crate::object::quantity::Quantity;
use crate::object::{Map, Value};
use crate::registry::strategy::Scope;

/// A Pod.
pub fn pod<'a>(object: &mut Value<'a>, _: &mut Scope<'a, '_>) {
    let Some(object) = object.as_map_mut() else { return };
    drop_init_annotations(object);
    let own = object.entry_map("spec");
    pod_only(own);
    // Only of pods: a template keeps what it says (`Convert_v1_Pod_To_core_Pod`).
    let grace = "terminationGracePeriodSeconds";
    if own.get(grace).and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
        own.insert(grace, Value::Int(1));
    }
    spec(own);
}

/// Old clients send the init containers as annotations too (`dropInitContainerAnnotations`).
fn drop_init_annotations(owner: &mut Map<'_>) {
    const NAMES: [&str; 4] = [
        "pod.alpha.kubernetes.io/init-container-statuses",
        "pod.alpha.kubernetes.io/init-containers",
        "pod.beta.kubernetes.io/init-container-statuses",
        "pod.beta.kubernetes.io/init-containers",
    ];
    if let Some(annotations) =
        owner.map_mut("metadata").and_then(|metadata| metadata.map_mut("annotations"))
    {
        NAMES.iter().for_each(|name| drop(annotations.remove(name)));
    }
}

/// What `template` (a PodTemplateSpec) gets; made if it is missing, as Go's struct is.
pub fn template(owner: &mut Map<'_>, name: &'static str) {
    let template = owner.entry_map(name);
    drop_init_annotations(template);
    spec(template.entry_map("spec"));
}

/// What pods get and templates do not.
fn pod_only(spec: &mut Map<'_>) {
    for list in ["containers", "initContainers"] {
        for container in spec.maps_mut(list) {
            requests_from_limits(container);
        }
    }
    pod_level_resources(spec);
    spec.fill_flag("enableServiceLinks", true);
    if spec.get("hostNetwork").and_then(Value::as_bool) == Some(true) {
        for list in ["containers", "initContainers"] {
            for container in spec.maps_mut(list) {
                for port in container.maps_mut("ports") {
                    let number = port.get("containerPort").and_then(Value::as_i64).unwrap_or(0);
                    port.fill_nonzero("hostPort", number);
                }
            }
        }
    }
}

fn requests_from_limits(container: &mut Map<'_>) {
    let arena = container.arena();
    let Some(resources) = container.map_mut("resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_map) else { return };
    if limits.is_empty() {
        return;
    }
    let limits = limits.copy_in(arena);
    let requests = resources.entry_map("requests");
    for (name, value) in limits.iter() {
        if requests.get(name).is_none() {
            requests.push_unique(name, value.copy_in(arena));
        }
    }
}

/// `defaultHugePagePodLimits` and `defaultPodRequests`.
fn pod_level_resources(spec: &mut Map<'_>) {
    let Some(resources) = spec.map_mut("resources") else { return };
    let given = |resources: &Map<'_>, list: &str| {
        resources.get(list).and_then(Value::as_map).is_some_and(|list| !list.is_empty())
    };
    if !given(resources, "limits") && !given(resources, "requests") {
        return;
    }
    let limits = aggregate(spec, "limits");
    let requests = aggregate(spec, "requests");
    let Some(resources) = spec.map_mut("resources") else { return };
    let arena = resources.arena();
    let huge: Vec<_> = limits.iter().filter(|(name, _)| name.starts_with("hugepages-")).collect();
    if !huge.is_empty() {
        let list = resources.entry_map("limits");
        for (name, value) in huge {
            if list.get(name).is_none() {
                let name = arena.alloc_str(name);
                list.push_unique(name, Value::str_in(&value.to_string(), arena));
            }
        }
    }
    if !given(resources, "limits") {
        return;
    }
    let mut missing: Vec<(&str, Value<'_>)> = Vec::new();
    let known = |name: &str, missing: &[(&str, Value<'_>)]| {
        let given = resources.get("requests").and_then(Value::as_map);
        given.is_some_and(|given| given.get(name).is_some())
            || missing.iter().any(|(other, _)| *other == name)
    };
    for (name, value) in &requests {
        if matches!(name.as_str(), "cpu" | "memory") && !known(name, &missing) {
            missing.push((arena.alloc_str(name), Value::str_in(&value.to_string(), arena)));
        }
    }
    if let Some(limits) = resources.get("limits").and_then(Value::as_map) {
        for (name, value) in limits.iter() {
            let supported = matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
            if supported && !known(name, &missing) {
                missing.push((name, value.copy_in(arena)));
            }
        }
    }
    if !missing.is_empty() {
        let list = resources.entry_map("requests");
        for (name, value) in missing {
            list.push_unique(name, value);
        }
    }
}

/// A resource list as numbers.
pub type Amounts = Vec<(String, Quantity)>;

/// `AggregateContainerRequests` (or limits): what all containers need at once.
pub fn aggregate(spec: &Map<'_>, which: &str) -> Amounts {
    let containers = |list: &str| {
        let list = spec.get(list).and_then(Value::as_list);
        list.map(|list| list.as_slice()).unwrap_or_default()
    };
    let mut total = Amounts::new();
    for container in containers("containers") {
        merge(&mut total, &amounts(container, which), Quantity::add);
    }
    let mut sidecars = Amounts::new();
    let mut peak = Amounts::new();
    for container in containers("initContainers") {
        let mut own = amounts(container, which);
        if container.str_at(&["restartPolicy"]) == "Always" {
            merge(&mut total, &own, Quantity::add);
            merge(&mut sidecars, &own, Quantity::add);
            own.clone_from(&sidecars);
        } else {
            merge(&mut own, &sidecars, Quantity::add);
        }
        merge(&mut peak, &own, |a, b| *a.max(b));
    }
    merge(&mut total, &peak, |a, b| *a.max(b));
    total
}

fn amounts(container: &Value<'_>, which: &str) -> Amounts {
    let list = container.at(&["resources", which]).and_then(Value::as_map);
    list.map(|list| {
        list.iter()
            .filter_map(|(name, value)| {
                Some((name.to_owned(), Quantity::parse(value.as_str()?).ok()?))
            })
            .collect()
    })
    .unwrap_or_default()
}

fn merge(into: &mut Amounts, from: &Amounts, join: fn(&Quantity, &Quantity) -> Quantity) {
    for (name, value) in from {
        match into.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = join(sum, value),
            None => into.push((name.clone(), *value)),
        }
    }
}

/// A PodSpec, of a pod or a template.
pub fn spec(spec: &mut Map<'_>) {
    service_account(spec);
    for entry in spec.maps_mut("volumes") {
        volume::pod_volume(entry);
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for entry in spec.maps_mut(list) {
            container(entry);
        }
    }
    round_resources(spec, "overhead");
    if let Some(resources) = spec.map_mut("resources") {
        round_resources(resources, "limits");
        round_resources(resources, "requests");
    }
}

/// `serviceAccount` is another name of `serviceAccountName`, which wins.
pub fn service_account(spec: &mut Map<'_>) {
    let text = |spec: &Map<'_>, name: &str| -> Option<usize> {
        spec.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::len)
    };
    let arena = spec.arena();
    let (from, to) = match (text(spec, "serviceAccountName"), text(spec, "serviceAccount")) {
        (Some(_), _) => ("serviceAccountName", "serviceAccount"),
        (None, Some(_)) => ("serviceAccount", "serviceAccountName"),
        (None, None) => {
            spec.remove("serviceAccount");
            return;
        }
    };
    if let Some(name) = spec.get(from).and_then(Value::as_str) {
        spec.insert(to, Value::str_in(name, arena));
    }
}

fn container(container: &mut Map<'_>) {
    image::pull_policy(container, "imagePullPolicy", "image");
    if let Some(resources) = container.map_mut("resources") {
        round_resources(resources, "limits");
        round_resources(resources, "requests");
    }
}
