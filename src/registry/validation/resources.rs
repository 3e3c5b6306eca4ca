//! Resource names and amounts (`core/helper`, `ValidateResourceRequirements`).

use super::{Errors, NEGATIVE, Report as _, format};
use crate::object::Value;
use crate::object::field::Path;
use crate::object::quantity::{Quantity, printed};
use crate::registry::read::Read as _;
use std::borrow::Cow;

/// `isNotIntegerErrorMsg`.
pub const NOT_INTEGER: &str = "must be an integer";
/// `isNotPositiveErrorMsg`.
pub const NOT_POSITIVE: &str = "must be greater than zero";

const STANDARD: [&str; 20] = [
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
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
const INTEGER: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// The amount under `name`, 0 if it is missing or no quantity.
pub fn quantity(value: Option<&Value<'_>>) -> Quantity {
    let text = value.and_then(Value::as_str);
    text.and_then(|text| Quantity::parse(text).ok()).unwrap_or(Quantity::ZERO)
}

/// The amount as messages show it.
pub fn shown<'v>(value: Option<&'v Value<'_>>) -> Cow<'v, str> {
    printed(value.and_then(Value::as_str).unwrap_or("0"))
}

/// `IsHugePageResourceName`.
pub fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// `IsStandardResourceName`.
pub fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || is_huge_page(name) || name.starts_with("requests.hugepages-")
}

/// `IsStandardContainerResourceName`.
pub fn is_standard_container(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_page(name)
}

/// `IsNativeResource`: of Kubernetes itself.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// `IsExtendedResourceName`.
pub fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && format::label_key(&format!("requests.{name}")).is_empty()
}

/// `IsOvercommitAllowed`.
pub fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// `IsIntegerResourceName`.
pub fn is_integer(name: &str) -> bool {
    INTEGER.contains(&name) || is_extended(name)
}

/// `validateResourceName`.
pub fn name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let messages = format::label_key(name);
    if !messages.is_empty() {
        errors.messages(path, name, messages);
    } else if !name.contains('/') && !is_standard(name) {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
}

/// `ValidateContainerResourceName`.
pub fn container_name(resource: &str, path: &Path<'_>, errors: &mut Errors) {
    name(resource, path, errors);
    if !resource.contains('/') {
        if !is_standard_container(resource) {
            errors.invalid(path, resource, "must be a standard resource for containers");
        }
    } else if !is_native(resource) && !is_extended(resource) {
        errors.invalid(path, resource, "doesn't follow extended resource name standard");
    }
}

/// `validatePodResourceName`: what a pod as a whole may ask for.
fn pod_name(resource: &str, path: &Path<'_>, errors: &mut Errors) {
    let before = errors.len();
    name(resource, path, errors);
    if errors.len() == before && !matches!(resource, "cpu" | "memory") && !is_huge_page(resource) {
        errors.unsupported(path, resource, &["cpu", "hugepages-", "memory"]);
    }
}

/// `validateBasicResource`; true if there is nothing against it.
pub fn basic(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) -> bool {
    let amount = quantity(Some(value)).value();
    if amount < 0 {
        errors.invalid(path, amount, "must be a valid resource quantity");
    }
    amount >= 0
}

/// `ValidateNonnegativeQuantity`.
pub fn non_negative(value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if quantity(Some(value)).signum() < 0 {
        errors.invalid(path, &*shown(Some(value)), NEGATIVE);
    }
}

/// `ValidatePositiveQuantityValue`.
pub fn positive(value: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    if quantity(value).signum() <= 0 {
        errors.invalid(path, &*shown(value), NOT_POSITIVE);
    }
}

/// `ValidateResourceQuantityValue`.
pub fn amount(resource: &str, value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    non_negative(value, path, errors);
    if is_integer(resource) && !quantity(Some(value)).is_integer() {
        errors.invalid(path, &*shown(Some(value)), NOT_INTEGER);
    }
}

/// `ValidateContainerResourceRequirements`; `claims` are the names of the pod's resource claims.
pub fn container(
    requirements: Option<&Value<'_>>,
    claims: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    requirement_lists(requirements, container_name, path, errors);
    if let Some(requirements) = requirements {
        claim_names(requirements.items("claims"), claims, &path.child("claims"), errors);
    }
}

/// The lists of a pod as a whole, before they are compared with its containers.
pub fn pod(requirements: &Value<'_>, claims: &[&str], path: &Path<'_>, errors: &mut Errors) {
    requirement_lists(Some(requirements), pod_name, path, errors);
    claim_names(requirements.items("claims"), claims, &path.child("claims"), errors);
}

/// A list that is checked as the limits of a container (`validateOverhead`).
pub fn limits(list: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("limits");
    let (mut huge, mut computing) = (false, false);
    for (resource, value) in list.and_then(Value::as_map).into_iter().flat_map(|map| map.iter()) {
        container_name(resource, &at.key(resource), errors);
        amount(resource, value, &at.key(resource), errors);
        huge_pages(resource, value, &at.key(resource), errors);
        huge |= is_huge_page(resource);
        computing |= matches!(resource, "cpu" | "memory");
    }
    if huge && !computing {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

/// `validateResourceQuantityHugePageValue`: whole pages of the size that the name tells.
fn huge_pages(resource: &str, value: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(size) = resource.strip_prefix("hugepages-") else { return };
    let bytes = |text: &str| Quantity::parse(text).ok().map(|size| size.value());
    let size = bytes(size).filter(|size| *size > 0);
    let shown = shown(Some(value));
    let whole = size.zip(bytes(&shown)).is_some_and(|(size, bytes)| bytes % size == 0);
    if !whole {
        let detail = format!("{shown} is not positive integer multiple of {resource}");
        errors.invalid(path, &*shown, &detail);
    }
}

type NameCheck = fn(&str, &Path<'_>, &mut Errors);

fn requirement_lists(
    requirements: Option<&Value<'_>>,
    check: NameCheck,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let Some(requirements) = requirements else { return };
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    let (mut huge, mut computing) = (false, false);
    let mut see = |resource: &str| {
        huge |= is_huge_page(resource);
        computing |= matches!(resource, "cpu" | "memory");
    };
    for (resource, value) in requirements.entries("limits") {
        let at = limits.key(resource);
        check(resource, &at, errors);
        amount(resource, value, &at, errors);
        huge_pages(resource, value, &at, errors);
        see(resource);
    }
    for (resource, value) in requirements.entries("requests") {
        let at = requests.key(resource);
        check(resource, &at, errors);
        amount(resource, value, &at, errors);
        let limit = requirements.at(&["limits", resource]);
        against_limit(resource, value, limit, path, errors);
        huge_pages(resource, value, &at, errors);
        see(resource);
    }
    if huge && !computing {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

fn against_limit(
    resource: &str,
    value: &Value<'_>,
    limit: Option<&Value<'_>>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let exact = !is_overcommit_allowed(resource);
    let Some(limit) = limit else {
        if exact {
            let detail = "Limit must be set for non overcommitable resources";
            errors.required(&path.child("limits"), detail);
        }
        return;
    };
    let (asked, most) = (quantity(Some(value)), quantity(Some(limit)));
    let relation = if exact && asked != most {
        "equal to"
    } else if asked > most {
        "less than or equal to"
    } else {
        return;
    };
    let limit = shown(Some(limit));
    let detail = format!("must be {relation} {resource} limit of {limit}");
    errors.invalid(&path.child("requests"), &*shown(Some(value)), &detail);
}

/// `validateResourceClaimNames`: each claim or request of one once, and not both.
fn claim_names(claims: &[Value<'_>], known: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let at = path.index(index);
        let (name, request) = (claim.text("name"), claim.text("request"));
        if name.is_empty() {
            errors.required(&at, "");
            continue;
        }
        if seen.iter().any(|key| key == name) {
            errors.duplicate(&at, name);
        } else {
            let mut key = name.to_owned();
            if !request.is_empty() {
                errors.messages(&at.child("request"), request, format::dns_label(request));
                key.push('/');
                key.push_str(request);
            }
            let of_same = |key: &&String| key.split_once('/').is_some_and(|(own, _)| own == name);
            if seen.contains(&key) {
                errors.duplicate(&at, &*key);
            } else if request.is_empty() {
                seen.iter().filter(of_same).for_each(|_| errors.duplicate(&at, name));
            }
            seen.push(key);
        }
        if !known.contains(&name) {
            let mut names: Vec<&str> =
                known.iter().copied().filter(|name| !name.is_empty()).collect();
            names.sort_unstable();
            names.dedup();
            let names = if names.is_empty() {
                " which is empty".to_owned()
            } else {
                format!(": {}", names.join(", "))
            };
            let detail = format!("must be one of the names in pod.spec.resourceClaims{names}");
            errors.not_found_of(&at, name, &detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::basic;
    use crate::object::Value;
    use crate::object::field::Path;

    #[test]
    fn a_negative_amount_of_a_volume_is_shown_as_a_number() {
        let mut errors = Vec::new();
        assert!(!basic(&Value::Str("-1"), &Path::root("c"), &mut errors));
        assert_eq!(
            errors[0].to_string(),
            "c: Invalid value: -1: must be a valid resource quantity"
        );
        assert!(basic(&Value::Str("1Gi"), &Path::root("c"), &mut errors));
    }
}
