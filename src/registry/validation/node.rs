//! Nodes: taints, amounts and what the kubelet declares.

use super::{Errors, Report as _, Verbatim, format, go_form, ip, resources, scheduling};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

/// Node (`ValidateNode`).
pub fn node(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    taints(spec, errors);
    amounts(object, errors);
    let swap = object.at(&["status", "nodeInfo", "swap"]).and_then(|swap| swap.int("capacity"));
    if let Some(capacity) = swap.filter(|capacity| *capacity <= 0) {
        let at = Path::root("metadata.nodeSwapStatus.capacity");
        errors.invalid(&at, capacity, "must be greater than zero");
    }
    features(object, errors);
    let path = Path::root("spec");
    let at = path.child("podCIDRs");
    let ranges: Vec<&str> = spec.texts("podCIDRs").collect();
    for (index, range) in ranges.iter().enumerate() {
        ip::legacy_cidr(range, &at.index(index), errors);
    }
    if ranges.len() > 1 {
        let families: Vec<bool> =
            ranges.iter().filter_map(|r| ip::parse_cidr(r)).map(|r| r.address.is_ipv4()).collect();
        if ranges.len() > 2 || families.first() == families.get(1) {
            let shown = spec.get("podCIDRs").unwrap_or(&null);
            let detail = "may specify no more than one CIDR for each IP family";
            errors.invalid(&at, shown, detail);
        }
    }
}

/// What of capacity and allocatable is negative, or not whole where it must be.
fn amounts(object: &Value<'_>, errors: &mut Errors) {
    let root = Path::root("status");
    for list in ["capacity", "allocatable"] {
        let at = root.child(list);
        let status = object.get("status");
        let mut entries: Vec<_> =
            status.into_iter().flat_map(|status| status.entries(list)).collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        for (name, value) in entries {
            resources::amount(name, value, &at.child(name), errors);
        }
    }
}

/// `validateNodeDeclaredFeatures`: names in order, each once.
fn features(object: &Value<'_>, errors: &mut Errors) {
    let root = Path::root("status");
    let path = root.child("declaredFeatures");
    let names = object.list_at(&["status", "declaredFeatures"]);
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(why) = feature_problem(name) {
            errors.invalid(
                &path.index(index),
                *name,
                &format!("invalid feature name {name:?}: {why}"),
            );
        }
        let Some(next) = names.get(index + 1) else { continue };
        if next == name {
            errors.duplicate(&path.index(index + 1), *next);
        } else if next < name {
            errors.invalid(&path.index(index + 1), *next, "list must be sorted alphabetically");
        }
    }
}

fn feature_problem(name: &str) -> Option<&'static str> {
    if name.len() > format::SUBDOMAIN_BYTES_MAX {
        return Some("must be no more than 253 characters");
    }
    let is_segment = |(index, segment): (usize, &str)| {
        let first = segment.bytes().next().unwrap_or(b'/');
        let starts =
            if index == 0 { first.is_ascii_uppercase() } else { first.is_ascii_alphabetic() };
        starts && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if name.split('/').enumerate().all(is_segment) {
        return None;
    }
    Some(
        "must start with an UpperCamelCase segment, with subsequent segments separated by '/' \
         (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and \
         slashes",
    )
}

/// `validateNodeTaints`, with upstream's path.
fn taints(spec: &Value<'_>, errors: &mut Errors) {
    let root = Path::root("metadata");
    let (taints, path) = (spec.items("taints"), root.child("taints"));
    for (index, taint) in taints.iter().enumerate() {
        let at = path.index(index);
        let (key, value) = (taint.text("key"), taint.text("value"));
        let effect = taint.text("effect");
        errors.messages(&at.child("key"), key, format::label_key(key));
        let messages = format::label_value(value);
        if !messages.is_empty() {
            errors.invalid(&at.child("value"), value, &messages.join(";"));
        }
        scheduling::taint_effect(effect, &at.child("effect"), errors);
        let repeated = taints
            .iter()
            .take(index)
            .any(|other| other.text("key") == key && other.text("effect") == effect);
        if repeated {
            let shown = go_form::compact(Some(taint), "core.v1.Taint");
            errors.duplicate(&at, Verbatim(&shown));
            if let Some(error) = errors.last_mut() {
                error.body.push_str(": taints must be unique by key and effect pair");
            }
        }
    }
}

/// Node, updated: upstream checks the whole of it, then the change, which looks at some parts once
/// more.
pub fn node_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    node(new, scope, errors);
    change(new, old, errors);
}

/// Status of a node.
pub fn node_status(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    change(new, old, errors);
}

/// `ValidateNodeUpdate`.
fn change(new: &Value<'_>, old: &Value<'_>, errors: &mut Errors) {
    amounts(new, errors);
    features(new, errors);
    let root = Path::root("status");
    let at = root.child("addresses");
    let addresses = new.list_at(&["status", "addresses"]);
    for (index, address) in addresses.iter().enumerate() {
        if addresses.iter().take(index).any(|other| other == address) {
            let shown = go_form::compact(Some(address), "core.v1.NodeAddress");
            errors.duplicate(&at.index(index), Verbatim(&shown));
        }
    }
    let path = Path::root("spec");
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    let (ranges, before) = (now.items("podCIDRs"), was.items("podCIDRs"));
    let differing = match ranges.len() == before.len() {
        true => ranges.iter().zip(before).filter(|(now, was)| now != was).count(),
        false => usize::from(!before.is_empty()),
    };
    for _ in 0..differing {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden(&path.child("podCIDRs"), detail);
    }
    let (provider, before) = (now.text("providerID"), was.text("providerID"));
    if !before.is_empty() && provider != before {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.forbidden(&path.child("providerID"), detail);
    }
    taints(now, errors);
    if now.text("externalID") != was.text("externalID") {
        errors.forbidden(&path.child("externalID"), "may not be updated");
    }
}

#[cfg(test)]
mod tests {
    use super::{Errors, node, node_status};
    use crate::registry::sample::{lines, scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn what_a_node_declares_is_checked_when_it_is_made_too() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let scope = scope(&arena, "", "nodes", &mut warnings);
        let object = tree(
            &arena,
            &json!({"status": {"capacity": {"pods": "1500m", "cpu": "-1"},
                "declaredFeatures": ["B/c", "A", "A"], "nodeInfo": {"swap": {"capacity": 0}}}}),
        );
        let mut errors = Errors::new();
        node(&object, &scope, &mut errors);
        assert_eq!(
            lines(&errors),
            [
                "status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0",
                "status.capacity.pods: Invalid value: \"1500m\": must be an integer",
                "metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero",
                "status.declaredFeatures[1]: Invalid value: \"A\": list must be sorted \
                 alphabetically",
                "status.declaredFeatures[2]: Duplicate value: \"A\"",
            ]
        );
    }

    #[test]
    fn addresses_stand_once_in_the_status_of_a_node_that_is_there() {
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let scope = scope(&arena, "", "nodes", &mut warnings);
        let address = json!({"type": "InternalIP", "address": "1.2.3.4"});
        let object = tree(&arena, &json!({"status": {"addresses": [address, address]}}));
        let mut errors = Errors::new();
        node(&object, &scope, &mut errors);
        assert_eq!(errors.len(), 0);
        node_status(&object, &object, &scope, &mut errors);
        assert_eq!(errors.len(), 1);
    }
}
