//! resource.k8s.io.

use super::expression;
pub(super) use super::volume_source::driver_name as driver;
use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same_as};
use crate::registry::strategy::Scope;
use std::borrow::Cow;

/// Most requests, constraints, configurations, selectors and results.
pub(super) const LISTS_MAX: usize = 32;
const BINDING_CONDITIONS_MAX: usize = 4;
const ALTERNATIVES_MAX: usize = 8;
const EXPRESSION_BYTES_MAX: usize = 10 * 1_024;
/// `OpaqueParametersMaxLength`.
const PARAMETERS_BYTES_MAX: usize = 10 * 1_024;
/// Of an attribute or a capacity: domain, slash, identifier.
const KEY_BYTES_MAX: usize = 63 + 1 + 32;
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
    if fits(requests, LISTS_MAX, &at, errors) {
        for (index, request) in requests.iter().enumerate() {
            one_request(request, &at.index(index), errors);
        }
        duplicates(&members(requests, "name"), &at, errors);
    }
    let at = path.child("constraints");
    let constraints = devices.items("constraints");
    if fits(constraints, LISTS_MAX, &at, errors) {
        for (index, constraint) in constraints.iter().enumerate() {
            one_constraint(constraint, requests, &at.index(index), errors);
        }
    }
    let at = path.child("config");
    let configs = devices.items("config");
    if fits(configs, LISTS_MAX, &at, errors) {
        for (index, config) in configs.iter().enumerate() {
            let at = at.index(index);
            request_names(config, requests, &at, errors);
            opaque(config, &at, errors);
        }
    }
}

fn one_constraint(
    constraint: &Value<'_>,
    requests: &[Value<'_>],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    request_names(constraint, requests, path, errors);
    let names = ["matchAttribute", "distinctAttribute"];
    let set = names.into_iter().find_map(|name| Some((name, constraint.get(name)?.as_str()?)));
    match set {
        Some((name, attribute)) => attribute_name(attribute, true, &path.child(name), errors),
        None => {
            let detail = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, \
                          but multiple fields are set";
            errors.required(path, detail);
        }
    }
}

/// `validateSlice`, `validateSet`: a list that is too long is not looked into.
pub(super) fn fits(
    items: &[Value<'_>],
    items_max: usize,
    path: &Path<'_>,
    errors: &mut Errors,
) -> bool {
    let fits = items.len() <= items_max;
    if !fits {
        errors.too_many(path, items.len(), items_max);
    }
    fits
}

/// An error for each key that stood there before; errors of the items come first.
pub(super) fn duplicates(keys: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for (index, key) in keys.iter().enumerate() {
        if keys.iter().take(index).any(|other| other == key) {
            errors.duplicate(&path.index(index), *key);
        }
    }
}

/// The same member of each item.
pub(super) fn members<'a>(items: &[Value<'a>], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item.text(name)).collect()
}

/// The names in `requests` of a constraint or a configuration.
pub(super) fn request_names(
    owner: &Value<'_>,
    requests: &[Value<'_>],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let at = path.child("requests");
    if !fits(owner.items("requests"), LISTS_MAX, &at, errors) {
        return;
    }
    let names: Vec<&str> = owner.texts("requests").collect();
    for (index, name) in names.iter().enumerate() {
        known_request(name, requests, &at.index(index), errors);
    }
    duplicates(&names, &at, errors);
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
    let detail = "must be the name of a request in the claim or the name of a request and a \
                  subrequest separated by '/'";
    if sub.is_some_and(|sub| sub.contains('/')) {
        errors.invalid(path, name, detail);
        return;
    }
    for part in name.split('/') {
        errors.messages(path, part, format::dns_label(part));
    }
    let request = requests.iter().find(|request| request.text("name") == first);
    let known = request.is_some_and(|request| {
        let below = request.items("firstAvailable");
        sub.is_none_or(|sub| below.iter().any(|request| request.text("name") == sub))
    });
    if !known {
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
        parameters => raw_object(parameters, PARAMETERS_BYTES_MAX, &at.child("parameters"), errors),
    }
}

/// `validateRawExtension`, if there is one.
pub(super) fn raw_object(
    data: Option<&Value<'_>>,
    bytes_max: usize,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    match data {
        None => {}
        Some(Value::Raw(text)) if text.len() <= bytes_max => {}
        Some(data) if go_form::plain(Some(data)).len() > bytes_max => {
            errors.too_long(path, bytes_max);
        }
        Some(Value::Null) => errors.required(path, ""),
        Some(Value::Map(_)) => {}
        Some(_) => errors.invalid(path, "<value omitted>", "must be a valid JSON object"),
    }
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
            if !fits(alternatives, ALTERNATIVES_MAX, &at, errors) {
                return;
            }
            for (index, alternative) in alternatives.iter().enumerate() {
                let at = at.index(index);
                let name = alternative.text("name");
                errors.messages(&at.child("name"), name, format::dns_label(name));
                one_device(alternative, &at, errors);
            }
            duplicates(&members(alternatives, "name"), &at, errors);
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
fn device_toleration(toleration: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (key, operator) = (toleration.text("key"), toleration.text("operator"));
    let value = toleration.text("value");
    if !key.is_empty() {
        errors.messages(&path.child("key"), key, format::label_key(key));
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
    if !fits(list, LISTS_MAX, &at, errors) {
        return;
    }
    for (index, selector) in list.iter().enumerate() {
        let at = at.index(index);
        let at = at.child("cel");
        let Some(cel) = selector.get("cel") else {
            errors.required(&at, "");
            continue;
        };
        let text = cel.text("expression");
        if text.len() > EXPRESSION_BYTES_MAX {
            errors.too_long(&at.child("expression"), EXPRESSION_BYTES_MAX);
        } else {
            expression::device_selector(text, &at.child("expression"), errors);
        }
    }
}

/// `domain/identifier`; the domain may be implied unless the name is to be a `full` one. Upstream
/// looks at no name of more than two parts.
pub(super) fn attribute_name(name: &str, full: bool, path: &Path<'_>, errors: &mut Errors) {
    match name.split_once('/') {
        None => identifier(name, path, errors),
        Some((_, rest)) if rest.contains('/') => {}
        Some((domain, id)) => {
            if domain.is_empty() {
                errors.invalid(path, "", "the domain must not be empty");
            } else {
                driver(domain, path, errors);
            }
            if id.is_empty() {
                errors.invalid(path, "", "the name must not be empty");
            } else {
                identifier(id, path, errors);
            }
        }
    }
    if full && !name.contains('/') {
        let detail = "a fully qualified name must be a domain and a name separated by a slash";
        errors.invalid(path, name, detail);
    }
}

/// `validateCIdentifier`.
fn identifier(id: &str, path: &Path<'_>, errors: &mut Errors) {
    if id.len() > 32 {
        errors.too_long(path, 32);
    }
    errors.messages(path, id, format::c_identifier(id));
}

/// A key as paths show it (`truncateIfTooLong`).
pub(super) fn shortened(key: &str) -> Cow<'_, str> {
    let ends =
        (KEY_BYTES_MAX - 3).div_ceil(2)..key.len() - ((KEY_BYTES_MAX - 3) / 2).min(key.len());
    match (key.get(..ends.start), key.get(ends.end..)) {
        (Some(head), Some(tail)) if key.len() > KEY_BYTES_MAX => {
            Cow::Owned(format!("{head}...{tail}"))
        }
        _ => Cow::Borrowed(key),
    }
}

fn immutable_spec(new: &Value<'_>, old: &Value<'_>, ty: &str, errors: &mut Errors) {
    if !same_as(ty, new.get("spec"), old.get("spec")) {
        let shown = go_form::compact(new.get("spec"), ty);
        errors.invalid(&Path::root("spec"), Verbatim(&shown), IMMUTABLE);
    }
}

/// ResourceClaim, updated: the spec stays.
pub fn claim_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    immutable_spec(new, old, "resource.v1.ResourceClaimSpec", errors);
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
    if fits(config, LISTS_MAX, &at, errors) {
        for (index, config) in config.iter().enumerate() {
            opaque(config, &at.index(index), errors);
        }
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
