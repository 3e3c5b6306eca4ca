//! Status of pods (`ValidatePodStatusUpdate`).

use super::pod::annotation_updates;
use super::{Errors, IMMUTABLE, Report as _, format, go_form, ip};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

const NOT_NEGATIVE: &str = "must be a non-negative integer";
/// `v1.ResourceHealthMessageMaxLength`.
const HEALTH_BYTES_MAX: usize = 1_024;
const STATUSES: [&str; 3] =
    ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];

/// `ValidatePodStatusUpdate`.
pub fn status(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    annotation_updates(new, old, errors);
    let path = Path::root("status");
    let null = Value::Null;
    let (now, was) = (new.get("status").unwrap_or(&null), old.get("status").unwrap_or(&null));
    conditions(now, &path.child("conditions"), errors);
    let nominated = now.text("nominatedNodeName");
    if nominated != was.text("nominatedNodeName") && !nominated.is_empty() {
        let messages = format::dns_subdomain(nominated);
        errors.messages(&path.child("nominatedNodeName"), nominated, messages);
    }
    let bound = !old.str_at(&["spec", "nodeName"]).is_empty();
    if bound && !nominated.is_empty() && nominated != was.text("nominatedNodeName") {
        let detail = "may not be set on pods that are already bound to a node";
        errors.forbidden(&path.child("nominatedNodeName"), detail);
    }
    if let Some(seen) = now.int("observedGeneration").filter(|seen| *seen < 0) {
        errors.invalid(&path.child("observedGeneration"), seen, NOT_NEGATIVE);
    }
    if now.text("qosClass") != was.text("qosClass") {
        errors.invalid(&path.child("qosClass"), now.text("qosClass"), IMMUTABLE);
    }
    if old.str_at(&["spec", "restartPolicy"]) != "Always" {
        for list in ["containerStatuses", "initContainerStatuses"] {
            stays_terminated(now, was, old, list, errors);
        }
    }
    let spec = new.get("spec").unwrap_or(&null);
    claim_statuses(now, spec, &path.child("resourceClaimStatuses"), errors);
    if let Some(claim) = now.get("extendedResourceClaimStatus") {
        extended_claim(claim, spec, &path.child("extendedResourceClaimStatus"), errors);
    }
    addresses(now, was, "podIPs", &path.child("podIPs"), errors);
    if let Some(first) = now.items("hostIPs").first().map(|ip| ip.text("ip"))
        && first != now.text("hostIP")
    {
        let detail = "must be equal to `hostIP`";
        errors.invalid(&path.child("hostIPs").index(0).child("ip"), first, detail);
    }
    addresses(now, was, "hostIPs", &path.child("hostIPs"), errors);
    for list in STATUSES {
        users(now.items(list), spec, &path.child(list), errors);
    }
    for (list, containers) in STATUSES.into_iter().zip(["containers", "initContainers"]) {
        allocated(now.items(list), spec.items(containers), &path.child(list), errors);
    }
    let at = path.child("ephemeralContainerStatuses");
    for (index, status) in now.items("ephemeralContainerStatuses").iter().enumerate() {
        if !status.items("allocatedResourcesStatus").is_empty() {
            let detail = "must not be specified in container status";
            errors.forbidden(&at.index(index).child("allocatedResourcesStatus"), detail);
        }
    }
}

/// `validatePodConditions`.
fn conditions(status: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (index, condition) in status.items("conditions").iter().enumerate() {
        let at = path.index(index);
        if let Some(seen) = condition.int("observedGeneration").filter(|seen| *seen < 0) {
            errors.invalid(&at.child("observedGeneration"), seen, NOT_NEGATIVE);
        }
        let kind = condition.text("type");
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            errors.messages(&at.child("Type"), kind, format::label_key(kind));
        }
    }
}

/// `validatePodResourceClaimStatuses`.
fn claim_statuses(status: &Value<'_>, spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list = status.items("resourceClaimStatuses");
    for (index, claim) in list.iter().enumerate() {
        let at = path.index(index);
        let name = claim.text("name");
        if spec.items("resourceClaims").iter().all(|known| known.text("name") != name) {
            let detail = "must match the name of an entry in `spec.resourceClaims`";
            errors.invalid(&at.child("name"), name, detail);
        }
        if list.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        if let Some(target) = claim.get("resourceClaimName").and_then(Value::as_str) {
            errors.messages(&at.child("resourceClaimName"), target, format::dns_subdomain(target));
        }
    }
}

/// `validatePodExtendedResourceClaimStatus`.
fn extended_claim(claim: &Value<'_>, spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("requestMappings");
    let mappings = claim.items("requestMappings");
    if mappings.is_empty() {
        errors.required(&at, "at least one request mapping is required");
    }
    for (index, mapping) in mappings.iter().enumerate() {
        let at = at.index(index);
        let (name, resource) = (mapping.text("containerName"), mapping.text("resourceName"));
        let mut containers =
            spec.items("containers").iter().chain(spec.items("initContainers").iter());
        match containers.find(|container| container.text("name") == name) {
            None => {
                let detail = "must match the name of an entry in spec.initContainers.name or \
                              spec.containers.name";
                errors.invalid(&at.child("containerName"), name, detail);
            }
            Some(container) if container.at(&["resources", "requests", resource]).is_none() => {
                let detail = "must match the extended resource name of an entry in \
                              spec.initContainers.resources.requests or \
                              spec.containers.resources.requests";
                errors.invalid(&at.child("resourceName"), resource, detail);
            }
            Some(_) => {}
        }
        let request = mapping.text("requestName");
        errors.messages(&path.child("requestName"), request, format::dns_label(request));
        let names = ["containerName", "resourceName", "requestName"];
        let same =
            |other: &Value<'_>| names.iter().all(|name| other.text(name) == mapping.text(name));
        if mappings.iter().take(index).any(same) {
            for name in names {
                errors.duplicate(&at.child(name), mapping.text(name));
            }
        }
    }
    let target = claim.text("resourceClaimName");
    errors.required_text(&path.child("resourceClaimName"), target, format::dns_subdomain);
}

/// `validateContainerStatusUsers`.
fn users(statuses: &[Value<'_>], spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let os = spec.get("os").map_or("linux", |os| os.text("name"));
    for (index, status) in statuses.iter().enumerate() {
        let Some(user) = status.at(&["user", "linux"]) else { continue };
        let at = path.index(index);
        let at = at.child("user");
        let at = at.child("linux");
        match os {
            "windows" => errors.forbidden(&at, "cannot be set for a windows pod"),
            "linux" => {
                let mut check = |at: &Path<'_>, id: i64| {
                    for message in format::user_id(id) {
                        errors.invalid(at, id, &message);
                    }
                };
                for name in ["uid", "gid"] {
                    check(&at.child(name), user.int(name).unwrap_or(0));
                }
                let groups = at.child("supplementalGroups");
                for (index, group) in user.items("supplementalGroups").iter().enumerate() {
                    check(&groups.index(index), group.as_i64().unwrap_or(0));
                }
            }
            _ => {}
        }
    }
}

/// `validateContainerStatusAllocatedResourcesStatus`.
fn allocated(
    statuses: &[Value<'_>],
    containers: &[Value<'_>],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for (index, status) in statuses.iter().enumerate() {
        let at = path.index(index);
        let at = at.child("allocatedResourcesStatus");
        let name = status.text("name");
        let container = containers.iter().find(|container| container.text("name") == name);
        for (index, entry) in status.items("allocatedResourcesStatus").iter().enumerate() {
            let at = at.index(index);
            if let Some(container) = container {
                allocated_name(entry.text("name"), container, &at.child("name"), errors);
            }
            let at = at.child("resources");
            let resources = entry.items("resources");
            for (index, resource) in resources.iter().enumerate() {
                let at = at.index(index);
                let (health, id) = (resource.text("health"), resource.text("resourceID"));
                let values = ["Healthy", "Unhealthy", "Unknown"];
                if !values.contains(&health) {
                    errors.unsupported(&at.child("health"), health, &values);
                }
                match resource.get("message").and_then(Value::as_str) {
                    Some("") => {
                        errors.required(&at.child("message"), "must be non-empty if specified");
                    }
                    Some(text) if text.len() > HEALTH_BYTES_MAX => {
                        errors.too_long(&at.child("message"), HEALTH_BYTES_MAX);
                    }
                    _ => {}
                }
                if resources.iter().take(index).any(|other| other.text("resourceID") == id) {
                    errors.duplicate(&at.child("resourceID"), id);
                }
            }
        }
    }
}

fn allocated_name(name: &str, container: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (known, detail) = match name.strip_prefix("claim:") {
        Some(wanted) => {
            let full = |claim: &Value<'_>| match claim.text("request") {
                "" => claim.text("name").to_owned(),
                request => format!("{}/{request}", claim.text("name")),
            };
            let claims = container.list_at(&["resources", "claims"]);
            let detail = "must match one of the container's resource claims in a format \
                          'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty";
            (claims.iter().any(|claim| full(claim) == wanted), detail)
        }
        None => {
            let known = container.at(&["resources", "requests", name]).is_some();
            (known, "must match one of the container's resource requests")
        }
    };
    if !known {
        errors.invalid(path, name, detail);
    }
}

/// `ValidateContainerStateTransition`.
fn stays_terminated(
    now: &Value<'_>,
    was: &Value<'_>,
    pod: &Value<'_>,
    list: &'static str,
    errors: &mut Errors,
) {
    let on_failure = pod.str_at(&["spec", "restartPolicy"]) == "OnFailure";
    let root = Path::root("status");
    let path = root.child(list);
    for before in was.items(list) {
        let Some(ended) = before.at(&["state", "terminated"]) else { continue };
        if on_failure && ended.int("exitCode").unwrap_or(0) != 0 {
            continue;
        }
        let name = before.text("name");
        for (index, after) in now.items(list).iter().enumerate() {
            if after.text("name") == name && after.at(&["state", "terminated"]).is_none() {
                let detail = "may not be transitioned to non-terminated state";
                errors.forbidden(&path.index(index).child("state"), detail);
            }
        }
    }
}

/// `validatePodIPs`, `validateHostIPs`: one of each family; what is stored may stay.
fn addresses(
    status: &Value<'_>,
    old: &Value<'_>,
    list: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let entries = status.items(list);
    for (index, text) in entries.iter().map(|entry| entry.text("ip")).enumerate() {
        if old.items(list).iter().all(|stored| stored.text("ip") != text) {
            ip::legacy_ip(text, &path.index(index), errors);
        }
    }
    if entries.len() < 2 {
        return;
    }
    let families: Option<Vec<bool>> =
        entries.iter().map(|e| ip::parse(e.text("ip")).map(|ip| ip.is_ipv4())).collect();
    let Some(families) = families else { return };
    let both = families.contains(&true) && families.contains(&false);
    if entries.len() > 2 || !both {
        let name = if list == "podIPs" { "core.v1.PodIP" } else { "core.v1.HostIP" };
        let shown: Vec<String> =
            entries.iter().map(|entry| go_form::compact(Some(entry), name)).collect();
        let detail = "may specify no more than one IP for each IP family";
        let shown = format!("[{}]", shown.join(","));
        errors.invalid(path, super::Verbatim(&shown), detail);
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn a_status_speaks_of_claims_that_the_pod_has() {
        let arena = Bump::new();
        let new = tree(
            &arena,
            &json!({"metadata": {}, "spec": {"resourceClaims": [{"name": "a"}]},
            "status": {"observedGeneration": -1,
                "resourceClaimStatuses": [{"name": "a"}, {"name": "b"}],
                "podIPs": [{"ip": "x"}]}}),
        );
        let old = tree(&arena, &json!({"metadata": {}, "spec": {}, "status": {}}));
        let (mut warnings, mut errors) = (Vec::new(), Vec::new());
        let scope = scope(&arena, "", "pods", &mut warnings);
        super::status(&new, &old, &scope, &mut errors);
        let expected = [
            "status.observedGeneration: Invalid value: -1: must be a non-negative integer",
            "status.resourceClaimStatuses[1].name: Invalid value: \"b\": must match the name of \
             an entry in `spec.resourceClaims`",
            "status.podIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 \
             or 2001:db8::ffff)",
        ];
        assert_eq!(lines(&errors), expected);
    }
}
