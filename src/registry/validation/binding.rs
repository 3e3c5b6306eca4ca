//! The bindings of admission policies.

use super::admission::{MUTATING, OPERATIONS, match_resources};
use super::{Errors, Report as _, Verbatim, format, go_form, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

/// The bindings of both kinds of policy.
pub fn binding(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let validating = scope.resource == "validatingadmissionpolicybindings";
    errors.required_text(&path.child("policyName"), spec.text("policyName"), format::dns_subdomain);
    if let Some(reference) = spec.get("paramRef") {
        param_ref(reference, &path.child("paramRef"), errors);
    }
    if let Some(found) = spec.get("matchResources") {
        let operations: &[&str] = if validating { &OPERATIONS } else { &MUTATING };
        match_resources(found, operations, validating, &path.child("matchResources"), errors);
    }
    if validating {
        actions(spec, &path.child("validationActions"), errors);
    }
}

fn actions(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list: Vec<&str> = spec.texts("validationActions").collect();
    if list.is_empty() {
        errors.required(path, "at least one validation action is required");
    }
    for (index, action) in list.iter().enumerate() {
        errors.one_of(&path.index(index), action, &["Audit", "Deny", "Warn"]);
        if list.get(..index).is_some_and(|before| before.contains(action)) {
            errors.duplicate(&path.index(index), *action);
        }
    }
    if list.contains(&"Deny") && list.contains(&"Warn") {
        let shown = go_form::plain(spec.get("validationActions"));
        let detail = "must not contain both Deny and Warn (repeating the same validation failure \
                      information in the API response and headers serves no purpose)";
        errors.invalid(path, Verbatim(&shown), detail);
    }
}

fn param_ref(reference: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = reference.text("name");
    if !name.is_empty() {
        errors.messages(&path.child("name"), name, format::path_segment(name));
        if reference.has("selector") {
            let detail = "name and selector are mutually exclusive";
            errors.forbidden(&path.child("name"), detail);
            errors.forbidden(&path.child("selector"), detail);
        }
    } else if !reference.has("selector") {
        errors.required(path, "one of name or selector must be specified");
    } else {
        let at = path.child("selector");
        selector::label_selector(reference.get("selector"), &at, errors);
    }
    let at = path.child("parameterNotFoundAction");
    match reference.get("parameterNotFoundAction").and_then(Value::as_str) {
        None => errors.required(&at, ""),
        Some(action) => {
            errors.one_of(&at, action, &["Allow", "Deny"]);
        }
    }
}

/// Both bindings, updated.
pub fn binding_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    binding(new, scope, errors);
}
