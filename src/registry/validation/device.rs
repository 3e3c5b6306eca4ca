//! resource.k8s.io.

use super::expression;
use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

/// Most requests, constraints, configurations, selectors and results.
pub(super) const LISTS_MAX: usize = 32;
const BINDING_CONDITIONS_MAX: usize = 4;
const EXPRESSION_BYTES_MAX: usize = 10 * 1_024;
/// What taints do.
pub(super) const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];

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
    let at = path.child("constraints");
    for (index, constraint) in devices.items("constraints").iter().enumerate() {
        let at = at.index(index);
        request_names(constraint, requests, &at, errors);
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
        request_names(config, requests, &at, errors);
        opaque(config, &at, errors);
    }
}

fn request_names(owner: &Value<'_>, requests: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    let names: Vec<&str> = owner.texts("requests").collect();
    let at = path.child("requests");
    for (index, name) in names.iter().enumerate() {
        known_request(name, requests, &at.index(index), errors);
        if names.get(..index).is_some_and(|before| before.contains(name)) {
            errors.duplicate(&at.index(index), *name);
        }
    }
}

/// `validateRequestNameRef`: a request of the claim, or `request/subrequest`.
pub(super) fn known_request(
    name: &str,
    requests: &[Value<'_>],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let (first, sub) = match name.split_once('/') {
        Some((first, sub)) => (first, Some(sub)),
        None => (name, None),
    };
    let request = requests.iter().find(|request| request.text("name") == first);
    let known = request.is_some_and(|request| {
        let below = request.items("firstAvailable");
        sub.is_none_or(|sub| below.iter().any(|request| request.text("name") == sub))
    });
    if !known {
        let detail = "must be the name of a request in the claim or the name of a request and a \
                      subrequest separated by '/'";
        errors.invalid(path, name, detail);
    }
}

/// `validateDeviceBindingParameters`.
pub(super) fn bindings(owner: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let names = ["bindingConditions", "bindingFailureConditions"];
    let [conditions, failures] = names.map(|name| owner.texts(name).collect::<Vec<&str>>());
    for (name, list) in names.into_iter().zip([&conditions, &failures]) {
        let at = path.child(name);
        if list.len() > BINDING_CONDITIONS_MAX {
            errors.too_many(&at, list.len(), BINDING_CONDITIONS_MAX);
            continue;
        }
        for (index, condition) in list.iter().enumerate() {
            errors.messages(&at.index(index), condition, format::label_key(condition));
        }
    }
    for (name, list) in names.into_iter().zip([&conditions, &failures]) {
        let at = path.child(name);
        for (index, condition) in list.iter().enumerate() {
            if list.iter().take(index).any(|other| other == condition) {
                errors.duplicate(&at.index(index), *condition);
            }
            if name == "bindingFailureConditions" && conditions.contains(condition) {
                let detail = "bindingFailureConditions must not overlap with bindingConditions";
                errors.invalid(&at.index(index), *condition, detail);
            }
        }
    }
    let [first, second] = names;
    if conditions.is_empty() && !failures.is_empty() {
        let detail = "bindingConditions are required to use bindingFailureConditions";
        errors.invalid(&path.child(first), &Value::Null, detail);
    }
    if failures.is_empty() && !conditions.is_empty() {
        let detail = "bindingFailureConditions are required to use bindingConditions";
        errors.invalid(&path.child(second), &Value::Null, detail);
    }
}

/// The name of a pool: subdomains separated by slashes.
pub(super) fn pool_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > 253 {
        errors.too_long(path, 253);
    }
    for part in name.split('/') {
        errors.messages(path, part, format::dns_subdomain(part));
    }
}

/// The name of a device or a request.
pub(super) fn label_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    errors.messages(path, name, format::dns_label(name));
}

/// `opaque` of a configuration.
pub(super) fn opaque(config: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
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
pub(super) fn driver(name: &str, path: &Path<'_>, errors: &mut Errors) {
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

/// `validateDeviceToleration`.
pub(super) fn device_toleration(toleration: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
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
        } else {
            expression::device_selector(text, &at.child("expression"), errors);
        }
    }
}

/// `domain/identifier`, the domain given or implied.
pub(super) fn attribute_name(name: &str, full: bool, path: &Path<'_>, errors: &mut Errors) {
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
