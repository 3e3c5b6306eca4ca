//! PodSpec, of pods and templates (`ValidatePodSpec`).

use super::container::Pod;
use super::{
    Errors, Report as _, container, env, format, ip, resources, scheduling, security, selector,
    volume,
};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::defaulting::pod_spec::aggregate;
use crate::registry::read::Read as _;

/// What a spec belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'n> {
    /// The pod's name; "" for a template.
    pub name: &'n str,
    /// It is a Pod.
    pub is_pod: bool,
    /// `--allow-privileged`.
    pub privileged_allowed: bool,
}

/// `ValidatePodSpec`.
pub fn spec(spec: &Value<'_>, owner: Owner<'_>, path: &Path<'_>, errors: &mut Errors) {
    if !spec.has("terminationGracePeriodSeconds") {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let at = path.child("volumes");
    let volumes = volume::volumes(spec.items("volumes"), owner, &at, errors);
    let claims = spec.items("resourceClaims").iter().map(|claim| claim.text("name")).collect();
    resource_claims(spec, &path.child("resourceClaims"), errors);
    let pod = Pod {
        spec,
        volumes,
        claims,
        privileged_allowed: owner.privileged_allowed,
        is_pod: owner.is_pod,
    };
    container::containers(&pod, &path.child("containers"), errors);
    container::init_containers(&pod, &path.child("initContainers"), errors);
    container::ephemeral_containers(&pod, &path.child("ephemeralContainers"), errors);
    pod_resources(spec, &pod.claims, &path.child("resources"), errors);
    container::host_network(&pod, path, errors);
    policies(spec, path, errors);
    selector::labels(spec.get("nodeSelector"), &path.child("nodeSelector"), errors);
    if let Some(context) = spec.get("securityContext") {
        security::pod(spec, context, &path.child("securityContext"), errors);
    }
    pull_secrets(spec, &path.child("imagePullSecrets"), errors);
    if let Some(affinity) = spec.get("affinity") {
        scheduling::affinity(affinity, &path.child("affinity"), errors);
    }
    dns(spec, &path.child("dnsConfig"), errors);
    gates(spec, path, errors);
    let at = path.child("topologySpreadConstraints");
    scheduling::spread(spec.items("topologySpreadConstraints"), &at, errors);
    security::host_process(spec, owner.privileged_allowed, path, errors);
    host_users(spec, path, errors);
    host_name(spec, path, errors);
    names(spec, path, errors);
    scheduling::tolerations(spec.items("tolerations"), &path.child("tolerations"), errors);
    host_aliases(spec, &path.child("hostAliases"), errors);
    classes(spec, path, errors);
    os(spec, path, errors);
    env::file_volumes(spec, path, errors);
}

fn policies(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (name, values) in [
        ("restartPolicy", &["Always", "OnFailure", "Never"][..]),
        ("dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"][..]),
    ] {
        let value = spec.text(name);
        if value.is_empty() {
            errors.required(&path.child(name), "");
        }
        errors.one_of(&path.child(name), value, values);
    }
}

fn resource_claims(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let claims = spec.items("resourceClaims");
    for (index, claim) in claims.iter().enumerate() {
        let at = path.index(index);
        let name = claim.text("name");
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        } else if claims.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        } else {
            errors.messages(&at.child("name"), name, format::dns_label(name));
        }
        let (direct, template) =
            (claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName"));
        let shown = || super::go_form::compact(Some(claim), "core.v1.PodResourceClaim");
        if direct.is_some() == template.is_some() {
            let detail = if direct.is_some() {
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            } else {
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            };
            errors.invalid(&at, super::Verbatim(&shown()), detail);
        }
        for name in ["resourceClaimName", "resourceClaimTemplateName"] {
            if let Some(target) = claim.get(name).and_then(Value::as_str) {
                errors.messages(&at.child(name), target, format::dns_subdomain(target));
            }
        }
    }
}

/// `validatePodResources`: what the pod as a whole asks for covers its containers.
fn pod_resources(spec: &Value<'_>, claims: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let Some(own) = spec.get("resources") else { return };
    if spec.get("os").is_some_and(|os| os.text("name") == "windows") {
        errors.forbidden(path, "may not be set for a windows pod");
        return;
    }
    if !own.items("claims").is_empty() {
        errors.forbidden(&path.child("claims"), "claims may not be set for Resources at pod-level");
    }
    resources::pod(own, claims, path, errors);
    let Some(map) = spec.as_map() else { return };
    let requests = aggregate(map, "requests");
    let at = path.child("requests");
    for (name, asked) in own.entries("requests") {
        let Some((_, sum)) = requests.iter().find(|(known, _)| known == name) else { continue };
        if resources::quantity(Some(asked)) < *sum {
            let detail =
                format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.invalid(&at.key(name), asked.as_str().unwrap_or("0"), &detail);
        }
    }
    let limits = aggregate(map, "limits");
    let at = path.child("limits");
    for (name, sum) in limits.iter().filter(|(name, _)| resources::is_huge_page(name)) {
        let Some(most) = own.at(&["limits", name]) else { continue };
        if *sum > resources::quantity(Some(most)) {
            let detail =
                format!("must be greater than or equal to aggregate container limits of {sum}");
            errors.invalid(&at.key(name), &*resources::shown(Some(most)), &detail);
        }
    }
    let at = path.child("containers");
    for (index, container) in spec.items("containers").iter().enumerate() {
        for (name, most) in own.entries("limits") {
            let Some(limit) = container.at(&["resources", "limits", name]) else { continue };
            if resources::quantity(Some(limit)) > resources::quantity(Some(most)) {
                let most = resources::shown(Some(most));
                let detail = format!("must be less than or equal to pod limits of {most}");
                let at = at.index(index);
                let at = at.key(name);
                errors.invalid(&at.child("limits"), &*resources::shown(Some(limit)), &detail);
            }
        }
    }
}

fn pull_secrets(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (index, secret) in spec.items("imagePullSecrets").iter().enumerate() {
        let extra = |map: &crate::object::Map<'_>| map.keys().any(|key| key != "name");
        if secret.as_map().is_some_and(extra) {
            errors.invalid(&path.index(index), secret, "only name may be set");
        }
    }
}

/// `validatePodDNSConfig`.
fn dns(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let config = spec.get("dnsConfig");
    if spec.text("dnsPolicy") == "None" {
        let Some(config) = config else {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        };
        if config.items("nameservers").is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.required(&path.child("nameservers"), detail);
            return;
        }
    }
    let Some(config) = config else { return };
    let at = path.child("nameservers");
    if config.items("nameservers").len() > 3 {
        let list = config.get("nameservers").unwrap_or(&Value::Null);
        errors.invalid(&at, list, "must not have more than 3 nameservers");
    }
    for (index, server) in config.texts("nameservers").enumerate() {
        ip::legacy_ip(server, &at.index(index), errors);
    }
    let at = path.child("searches");
    let searches = config.items("searches");
    let list = config.get("searches").unwrap_or(&Value::Null);
    if searches.len() > 32 {
        errors.invalid(&at, list, "must not have more than 32 search paths");
    }
    let bytes: usize = config.texts("searches").map(|search| search.len() + 1).sum();
    if bytes > 2_049 {
        let detail =
            "must not have more than 2048 characters (including spaces) in the search list";
        errors.invalid(&at, list, detail);
    }
    for (index, search) in config.texts("searches").enumerate() {
        if search != "." {
            let name = search.strip_suffix('.').unwrap_or(search);
            errors.messages(&at.index(index), name, format::dns_subdomain_underscore(name));
        }
    }
    let at = path.child("options");
    for (index, option) in config.items("options").iter().enumerate() {
        if option.text("name").is_empty() {
            errors.required(&at.index(index), "must not be empty");
        }
    }
}

fn gates(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("readinessGates");
    for (index, gate) in spec.items("readinessGates").iter().enumerate() {
        let name = gate.text("conditionType");
        errors.messages(&at.index(index).child("conditionType"), name, format::label_key(name));
    }
    let at = path.child("schedulingGates");
    let list = spec.items("schedulingGates");
    for (index, gate) in list.iter().enumerate() {
        let name = gate.text("name");
        errors.messages(&at.index(index), name, format::label_key(name));
        if list.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.index(index), name);
        }
    }
}

/// `validateHostUsers`.
fn host_users(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if spec.get("hostUsers").and_then(Value::as_bool) != Some(false) {
        return;
    }
    let detail = "when `hostUsers` is false";
    for (name, shown) in
        [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
    {
        if spec.flag(name) {
            errors.forbidden(&path.child(shown), detail);
        }
    }
    each_container(spec, path, |container, at| {
        if !container.items("volumeDevices").is_empty() {
            errors.forbidden(&at.child("volumeDevices"), detail);
        }
    });
}

fn names(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for name in ["serviceAccountName", "nodeName"] {
        let value = spec.text(name);
        if !value.is_empty() {
            errors.messages(&path.child(name), value, format::dns_subdomain(value));
        }
    }
    if let Some(seconds) = spec.int("activeDeadlineSeconds") {
        for message in format::range(seconds, 1, i64::from(i32::MAX)) {
            errors.invalid(&path.child("activeDeadlineSeconds"), seconds, &message);
        }
    }
    for name in ["hostname", "subdomain"] {
        let value = spec.text(name);
        if !value.is_empty() {
            errors.messages(&path.child(name), value, format::dns_label(value));
        }
    }
}

/// `validatePodHostName`.
fn host_name(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(name) = spec.get("hostnameOverride").and_then(Value::as_str) else { return };
    let at = path.child("hostnameOverride");
    if spec.flag("setHostnameAsFQDN") {
        errors.forbidden(&at, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.flag("hostNetwork") {
        errors.forbidden(&at, "may not be specified when hostNetwork is true");
    }
    if name.len() > 64 {
        errors.too_long(&at, 64);
    }
    errors.messages(&at, name, format::dns_subdomain(name));
}

fn host_aliases(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (index, alias) in spec.items("hostAliases").iter().enumerate() {
        let at = path.index(index);
        ip::legacy_ip(alias.text("ip"), &at.child("ip"), errors);
        let at = at.child("hostnames");
        for (index, name) in alias.texts("hostnames").enumerate() {
            errors.messages(&at.index(index), name, format::dns_subdomain(name));
        }
    }
}

fn classes(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = spec.text("priorityClassName");
    if !name.is_empty() {
        errors.messages(&path.child("priorityClassName"), name, format::dns_subdomain(name));
    }
    if let Some(name) = spec.get("runtimeClassName").and_then(Value::as_str) {
        errors.messages(&path.child("runtimeClassName"), name, format::dns_subdomain(name));
    }
    let at = path.child("preemptionPolicy");
    match spec.get("preemptionPolicy").and_then(Value::as_str) {
        Some("") => errors.required(&at, ""),
        Some(policy) => {
            errors.one_of(&at, policy, &["PreemptLowerPriority", "Never"]);
        }
        None => {}
    }
    let at = path.child("overhead");
    resources::limits(spec.get("overhead"), &at, errors);
}

fn os(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(os) = spec.get("os") else { return };
    match os.text("name") {
        "" => errors.required(&path.child("os").child("name"), ""),
        "linux" => linux(spec, path, errors),
        "windows" => windows(spec, path, errors),
        other => errors.unsupported(&path.child("os"), other, &["linux", "windows"]),
    }
}

fn linux(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let detail = "windows options cannot be set for a linux pod";
    if spec.at(&["securityContext", "windowsOptions"]).is_some() {
        errors.forbidden(&path.child("securityContext").child("windowsOptions"), detail);
    }
    each_context(spec, path, |context, at| {
        if context.has("windowsOptions") {
            errors.forbidden(&at.child("windowsOptions"), detail);
        }
    });
}

/// `validateWindows`; what internal pods have in their security context is told of the spec.
fn windows(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const POD: [&str; 15] = [
        "appArmorProfile",
        "seLinuxOptions",
        "hostUsers",
        "hostPID",
        "hostIPC",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "shareProcessNamespace",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ];
    const CONTAINER: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    let detail = "cannot be set for a windows pod";
    let at = path.child("securityContext");
    let context = spec.get("securityContext").unwrap_or(&Value::Null);
    for name in POD {
        let (path, is_set) = match name {
            "hostUsers" | "shareProcessNamespace" => (path, spec.has(name)),
            "hostPID" | "hostIPC" => (path, spec.flag(name)),
            "sysctls" => (&at, !context.items(name).is_empty()),
            _ => (&at, context.has(name)),
        };
        if is_set {
            errors.forbidden(&path.child(name), detail);
        }
    }
    each_context(spec, path, |context, at| {
        for name in CONTAINER.iter().filter(|name| context.has(name)) {
            errors.forbidden(&at.child(name), detail);
        }
    });
}

fn each_context(spec: &Value<'_>, path: &Path<'_>, mut visit: impl FnMut(&Value<'_>, &Path<'_>)) {
    each_container(spec, path, |container, at| {
        if let Some(context) = container.get("securityContext") {
            visit(context, &at.child("securityContext"));
        }
    });
}

/// `VisitContainersWithPath`: every container in upstream's order.
pub fn each_container<'v, 'a>(
    spec: &'v Value<'a>,
    path: &Path<'_>,
    mut visit: impl FnMut(&'v Value<'a>, &Path<'_>),
) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let at = path.child(list);
        for (index, container) in spec.items(list).iter().enumerate() {
            visit(container, &at.index(index));
        }
    }
}
