//! resource.k8s.io, but for what only a CEL compiler can say of selectors.

use super::resources::quantity;
use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, scheduling, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const LISTS_MAX: usize = 32;
const RESERVED_MAX: usize = 256;
const DEVICES_MAX: usize = 128;
const EXPRESSION_BYTES_MAX: usize = 10 * 1_024;
const NODE_FIELDS: [&str; 4] = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];
const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];

/// ResourceClaim.
pub fn claim(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    claim_spec(object.get("spec").unwrap_or(&null), &Path::root("spec"), errors);
}

/// ResourceClaimTemplate.
pub fn template(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    if let Some(meta) = spec.get("metadata") {
        let at = path.child("metadata");
        selector::labels(meta.get("labels"), &at.child("labels"), errors);
        let below = at.child("annotations");
        super::metadata::annotations(meta.get("annotations"), &below, errors);
    }
    claim_spec(spec.get("spec").unwrap_or(&null), &path.child("spec"), errors);
}

fn claim_spec(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let devices = spec.get("devices").unwrap_or(&null);
    let path = path.child("devices");
    let requests = devices.items("requests");
    let at = path.child("requests");
    if requests.len() > LISTS_MAX {
        errors.too_many(&at, requests.len(), LISTS_MAX);
    }
    for (index, request) in requests.iter().enumerate() {
        let at = at.index(index);
        one_request(request, &at, errors);
        let name = request.text("name");
        if requests.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at, name);
        }
    }
    let known = |name: &str| {
        requests.iter().any(|request| {
            let own = request.text("name");
            name == own
                || name.strip_prefix(own).and_then(|rest| rest.strip_prefix('/')).is_some_and(
                    |sub| request.items("firstAvailable").iter().any(|r| r.text("name") == sub),
                )
        })
    };
    let at = path.child("constraints");
    for (index, constraint) in devices.items("constraints").iter().enumerate() {
        let at = at.index(index);
        request_names(constraint, &known, &at, errors);
        let (one, other) = (constraint.has("matchAttribute"), constraint.has("distinctAttribute"));
        if !one && !other {
            errors.required(&at.child("matchAttribute"), "");
        }
        for name in ["matchAttribute", "distinctAttribute"] {
            if let Some(attribute) = constraint.get(name).and_then(Value::as_str) {
                attribute_name(attribute, true, &at.child(name), errors);
            }
        }
    }
    let at = path.child("config");
    for (index, config) in devices.items("config").iter().enumerate() {
        let at = at.index(index);
        request_names(config, &known, &at, errors);
        opaque(config, &at, errors);
    }
}

fn request_names(
    owner: &Value<'_>,
    known: &dyn Fn(&str) -> bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let names: Vec<&str> = owner.texts("requests").collect();
    let at = path.child("requests");
    for (index, name) in names.iter().enumerate() {
        if !known(name) {
            let detail = "must be the name of a request in the claim or the name of a request and \
                          a subrequest separated by '/'";
            errors.invalid(&at.index(index), *name, detail);
        }
        if names.get(..index).is_some_and(|before| before.contains(name)) {
            errors.duplicate(&at.index(index), *name);
        }
    }
}

fn opaque(config: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("opaque");
    let Some(opaque) = config.get("opaque") else {
        errors.required(&at, "");
        return;
    };
    driver(opaque.text("driver"), &at.child("driver"), errors);
    match opaque.get("parameters") {
        None => errors.required(&at.child("parameters"), ""),
        Some(Value::Map(_)) => {}
        Some(other) => {
            let shown = go_form::plain(Some(other));
            errors.invalid(
                &at.child("parameters"),
                Verbatim(&shown),
                "must be a valid JSON object",
            );
        }
    }
}

/// A driver's name.
fn driver(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > 63 {
        errors.too_long(path, 63);
    }
    errors.messages(path, name, format::dns_subdomain(name));
}

fn one_request(request: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = request.text("name");
    errors.messages(&path.child("name"), name, format::dns_label(name));
    let alternatives = request.items("firstAvailable");
    let detail = "exactly one of `exactly` or `firstAvailable` is required";
    match (request.get("exactly"), alternatives.is_empty()) {
        (None, true) => errors.required(path, detail),
        (Some(_), false) => {
            let detail = format!("{detail}, but multiple fields are set");
            errors.invalid(path, &Value::Null, &detail);
        }
        (Some(exactly), true) => one_device(exactly, &path.child("exactly"), errors),
        (None, false) => {
            let at = path.child("firstAvailable");
            if alternatives.len() > 8 {
                errors.too_many(&at, alternatives.len(), 8);
            }
            for (index, alternative) in alternatives.iter().enumerate() {
                let at = at.index(index);
                let name = alternative.text("name");
                errors.messages(&at.child("name"), name, format::dns_label(name));
                one_device(alternative, &at, errors);
                if alternatives.iter().take(index).any(|other| other.text("name") == name) {
                    errors.duplicate(&at, name);
                }
            }
        }
    }
}

fn one_device(request: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let class = request.text("deviceClassName");
    errors.required_text(&path.child("deviceClassName"), class, format::dns_subdomain);
    selectors(request, path, errors);
    let count = request.int("count").unwrap_or(0);
    match request.text("allocationMode") {
        "All" => {
            if count != 0 {
                let detail = "must not be specified when allocationMode is 'All'";
                errors.invalid(&path.child("count"), count, detail);
            }
        }
        "ExactCount" => {
            if count <= 0 {
                errors.invalid(&path.child("count"), count, "must be greater than zero");
            }
        }
        other => {
            errors.unsupported(&path.child("allocationMode"), other, &["All", "ExactCount"]);
        }
    }
    let at = path.child("tolerations");
    for (index, toleration) in request.items("tolerations").iter().enumerate() {
        device_toleration(toleration, &at.index(index), errors);
    }
}

fn device_toleration(toleration: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (key, operator) = (toleration.text("key"), toleration.text("operator"));
    let value = toleration.text("value");
    if !key.is_empty() {
        errors.messages(&path.child("key"), key, format::label_key(key));
    } else if operator == "Equal" {
        errors.required(&path.child("key"), "must not be empty when operator is Equal");
    }
    match operator {
        "Exists" => {
            if !value.is_empty() {
                let detail = "must be empty for operator `Exists`";
                errors.invalid(&path.child("value"), value, detail);
            }
        }
        "Equal" => errors.messages(&path.child("value"), value, format::label_value(value)),
        "" => errors.required(&path.child("operator"), ""),
        other => errors.unsupported(&path.child("operator"), other, &["Equal", "Exists"]),
    }
    errors.one_of(&path.child("effect"), toleration.text("effect"), &EFFECTS);
}

fn selectors(owner: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list = owner.items("selectors");
    let at = path.child("selectors");
    if list.len() > LISTS_MAX {
        errors.too_many(&at, list.len(), LISTS_MAX);
    }
    for (index, selector) in list.iter().enumerate() {
        let at = at.index(index);
        let at = at.child("cel");
        let Some(cel) = selector.get("cel") else {
            errors.required(&at, "");
            continue;
        };
        let text = cel.text("expression");
        if text.is_empty() {
            errors.required(&at.child("expression"), "");
        } else if text.len() > EXPRESSION_BYTES_MAX {
            errors.too_long(&at.child("expression"), EXPRESSION_BYTES_MAX);
        }
    }
}

/// `domain/identifier`, the domain given or implied.
fn attribute_name(name: &str, full: bool, path: &Path<'_>, errors: &mut Errors) {
    let (domain, id) = match name.split_once('/') {
        Some((domain, id)) => (Some(domain), id),
        None => (None, name),
    };
    match domain {
        Some("") => errors.required(path, "the domain must not be empty"),
        Some(domain) => {
            if domain.len() > 63 {
                errors.too_long(path, 63);
            }
            errors.messages(path, domain, format::dns_subdomain(domain));
        }
        None if full => errors.invalid(path, name, "must include a domain"),
        None => {}
    }
    if id.is_empty() {
        errors.required(path, "the name must not be empty");
    } else {
        if id.len() > 32 {
            errors.too_long(path, 32);
        }
        errors.messages(path, id, format::c_identifier(id));
    }
}

fn immutable_spec(new: &Value<'_>, old: &Value<'_>, ty: &str, errors: &mut Errors) {
    if !same(new.get("spec"), old.get("spec")) {
        let shown = go_form::compact(new.get("spec"), ty);
        errors.invalid(&Path::root("spec"), Verbatim(&shown), IMMUTABLE);
    }
}

/// ResourceClaim, updated: the spec stays.
pub fn claim_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    immutable_spec(new, old, "resource.v1.ResourceClaimSpec", errors);
    if errors.is_empty() {
        claim(new, scope, errors);
    }
}

/// ResourceClaimTemplate, updated: the spec stays.
pub fn template_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    template(new, scope, errors);
    immutable_spec(new, old, "resource.v1.ResourceClaimTemplateSpec", errors);
}

/// Status of a ResourceClaim.
pub fn claim_status(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let (now, was) = (new.get("status").unwrap_or(&null), old.get("status").unwrap_or(&null));
    let path = Path::root("status");
    let reserved = now.items("reservedFor");
    let at = path.child("reservedFor");
    if reserved.len() > RESERVED_MAX {
        errors.too_many(&at, reserved.len(), RESERVED_MAX);
    }
    for (index, consumer) in reserved.iter().enumerate() {
        let at = at.index(index);
        for name in ["resource", "name", "uid"] {
            if consumer.text(name).is_empty() {
                errors.required(&at.child(name), "");
            }
        }
        let uid = consumer.text("uid");
        if reserved.iter().take(index).any(|other| other.text("uid") == uid) {
            errors.duplicate(&at.child("uid"), uid);
        }
    }
    if !reserved.is_empty() && !now.has("allocation") {
        errors.forbidden(&at, "may not be specified when `allocated` is not set");
    }
    let deleting = new.at(&["metadata", "deletionTimestamp"]).is_some();
    let added = reserved.iter().any(|consumer| !was.items("reservedFor").contains(consumer));
    if deleting && added {
        let detail = "new entries may not be added while `deallocationRequested` or \
                      `deletionTimestamp` are set";
        errors.forbidden(&at, detail);
    }
    if was.has("allocation")
        && now.has("allocation")
        && !same(now.get("allocation"), was.get("allocation"))
    {
        let shown = go_form::compact(now.get("allocation"), "resource.v1.AllocationResult");
        errors.invalid(&path.child("allocation"), Verbatim(&shown), IMMUTABLE);
    }
    allocated_devices(now, &path, errors);
}

fn allocated_devices(status: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let results = status.list_at(&["allocation", "devices", "results"]);
    let at = path.child("devices");
    for (index, device) in status.items("devices").iter().enumerate() {
        let at = at.index(index);
        let known = results
            .iter()
            .any(|r| ["driver", "pool", "device"].iter().all(|n| r.text(n) == device.text(n)));
        if !known {
            let shown = go_form::plain(Some(device));
            let detail = "must be an allocated device in the claim";
            errors.invalid(&at, Verbatim(&shown), detail);
        }
        let below = at.child("conditions");
        super::metadata::conditions(device.items("conditions"), &below, errors);
    }
}

/// DeviceClass.
pub fn class(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    selectors(spec, &path, errors);
    let config = spec.items("config");
    let at = path.child("config");
    if config.len() > LISTS_MAX {
        errors.too_many(&at, config.len(), LISTS_MAX);
    }
    for (index, config) in config.iter().enumerate() {
        opaque(config, &at.index(index), errors);
    }
    if let Some(name) = spec.get("extendedResourceName").and_then(Value::as_str)
        && !super::resources::is_extended(name)
    {
        let detail = "must be a valid extended resource name";
        errors.invalid(&path.child("extendedResourceName"), name, detail);
    }
}

/// DeviceClass, updated.
pub fn class_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    class(new, scope, errors);
}

/// ResourceSlice.
pub fn slice(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    driver(spec.text("driver"), &path.child("driver"), errors);
    pool(spec.get("pool").unwrap_or(&null), &path.child("pool"), errors);
    placement(spec, &path, errors);
    let devices = spec.items("devices");
    let at = path.child("devices");
    if devices.len() > DEVICES_MAX {
        errors.too_many(&at, devices.len(), DEVICES_MAX);
    }
    for (index, device) in devices.iter().enumerate() {
        let at = at.index(index);
        one_slice_device(device, spec, &at, errors);
        let name = device.text("name");
        if devices.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at, name);
        }
    }
}

fn pool(pool: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = pool.text("name");
    let at = path.child("name");
    if name.is_empty() {
        errors.required(&at, "");
    } else {
        if name.len() > 253 {
            errors.too_long(&at, 253);
        }
        for part in name.split('/') {
            errors.messages(&at, part, format::dns_subdomain(part));
        }
    }
    let count = pool.int("resourceSliceCount").unwrap_or(0);
    if count <= 0 {
        errors.invalid(&path.child("resourceSliceCount"), count, "must be greater than zero");
    }
    let generation = pool.int("generation").unwrap_or(0);
    if generation < 0 {
        let detail = "must be greater than or equal to zero";
        errors.invalid(&path.child("generation"), generation, detail);
    }
}

fn placement(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let set: Vec<&str> = NODE_FIELDS.into_iter().filter(|name| spec.has(name)).collect();
    if let Some(node) = spec.get("nodeName").and_then(Value::as_str) {
        let at = path.child("nodeName");
        if node.is_empty() {
            errors.invalid(&at, node, "must be either unset or set to a non-empty string");
        } else {
            errors.messages(&at, node, format::dns_subdomain(node));
        }
    }
    if let Some(selector) = spec.get("nodeSelector") {
        let at = path.child("nodeSelector");
        scheduling::node_selector(selector, &at, errors);
        let terms = selector.items("nodeSelectorTerms");
        if terms.len() != 1 {
            let shown = go_form::plain(selector.get("nodeSelectorTerms"));
            let detail = "must have exactly one node selector term";
            errors.invalid(&at.child("nodeSelectorTerms"), Verbatim(&shown), detail);
        }
    }
    for name in ["allNodes", "perDeviceNodeSelection"] {
        if spec.get(name).and_then(Value::as_bool) == Some(false) {
            let detail = "must be either unset or set to true";
            errors.invalid(&path.child(name), false, detail);
        }
    }
    let detail = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` \
                  is required";
    match set.len() {
        0 => errors.required(path, detail),
        1 => {}
        _ => {
            let names: Vec<String> = set.iter().map(|name| format!("`{name}`")).collect();
            let shown = format!("{{{}}}", names.join(", "));
            errors.invalid(path, &shown, &format!("{detail}, but multiple fields are set"));
        }
    }
}

fn one_slice_device(device: &Value<'_>, spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const VALUES: [&str; 4] = ["int", "bool", "string", "version"];
    let name = device.text("name");
    errors.messages(&path.child("name"), name, format::dns_label(name));
    let at = path.child("attributes");
    for (name, attribute) in device.entries("attributes") {
        let at = at.key(name);
        attribute_name(name, false, &at, errors);
        let count = attribute.as_map().map_or(0, crate::object::Map::len);
        match count {
            1 => {}
            0 => errors.invalid(&at, "", "exactly one value must be specified"),
            _ => {
                let shown = go_form::plain(Some(attribute));
                errors.invalid(&at, Verbatim(&shown), "exactly one value must be specified");
            }
        }
        for name in VALUES.iter().filter(|name| attribute.text(name).len() > 64) {
            errors.too_long(&at.child(name), 64);
        }
    }
    let at = path.child("capacity");
    for (name, capacity) in device.entries("capacity") {
        attribute_name(name, false, &at.key(name), errors);
        if quantity(capacity.get("value")).signum() < 0 {
            let detail = "must be greater than or equal to 0";
            errors.invalid(&at.key(name), capacity.text("value"), detail);
        }
    }
    let at = path.child("taints");
    for (index, taint) in device.items("taints").iter().enumerate() {
        let at = at.index(index);
        let (key, value, effect) = (taint.text("key"), taint.text("value"), taint.text("effect"));
        errors.messages(&at.child("key"), key, format::label_key(key));
        errors.messages(&at.child("value"), value, format::label_value(value));
        if effect.is_empty() {
            errors.required(&at.child("effect"), "");
        }
        errors.one_of(&at.child("effect"), effect, &EFFECTS);
    }
    let own: Vec<&str> =
        ["nodeName", "nodeSelector", "allNodes"].into_iter().filter(|n| device.has(n)).collect();
    if !spec.flag("perDeviceNodeSelection") {
        for name in own {
            let detail = "may be set only if `perDeviceNodeSelection` is set to true in the slice \
                          spec";
            errors.forbidden(&path.child(name), detail);
        }
    }
}

/// ResourceSlice, updated.
pub fn slice_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    slice(new, scope, errors);
    let path = Path::root("spec");
    for (steps, shown) in [
        (&["spec", "nodeName"][..], "nodeName"),
        (&["spec", "driver"][..], "driver"),
        (&["spec", "pool", "name"][..], "pool.name"),
    ] {
        if new.str_at(steps) != old.str_at(steps) {
            errors.invalid(&path.child(shown), new.str_at(steps), IMMUTABLE);
        }
    }
}
