//! The bindings of admission policies.

use super::admission::match_resources;
use super::{Errors, Report as _, Verbatim, format, go_form, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

const MUTATING: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];

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
        match_resources(found, &path.child("matchResources"), errors);
    }
    if !validating {
        mutating_operations(spec, "matchResources", &path, errors);
    }
    if validating {
        actions(spec, &path.child("validationActions"), errors);
    }
}

/// What is deleted cannot be changed.
pub(super) fn mutating_operations(
    spec: &Value<'_>,
    name: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let (owner, rules) = (path.child(name), "resourceRules");
    let (rules_at, resources) = (owner.child(rules), spec.list_at(&[name, rules]));
    let at = rules_at.child("operations");
    for rule in resources {
        for operation in rule.texts("operations").filter(|one| !MUTATING.contains(one)) {
            errors.unsupported(&at, operation, &MUTATING);
        }
    }
}

fn actions(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list: Vec<&str> = spec.texts("validationActions").collect();
    for (index, action) in list.iter().enumerate() {
        if !matches!(*action, "Audit" | "Deny" | "Warn") {
            errors.unsupported(&path.index(index), *action, &["Audit", "Deny", "Warn"]);
        }
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
    if list.is_empty() {
        errors.required(path, "at least one validation action is required");
    }
}

fn param_ref(reference: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = reference.text("name");
    let (named, selects) = (!name.is_empty(), reference.has("selector"));
    let detail = "name and selector are mutually exclusive";
    if named {
        errors.messages(&path.child("name"), name, format::path_segment(name));
        if selects {
            errors.forbidden(&path.child("name"), detail);
        }
    }
    if selects {
        let at = path.child("selector");
        selector::label_selector(reference.get("selector"), &at, errors);
        if named {
            errors.forbidden(&at, detail);
        }
    }
    if !named && !selects {
        errors.required(path, "one of name or selector must be specified");
    }
    let at = path.child("parameterNotFoundAction");
    let action = reference.text("parameterNotFoundAction");
    if action.is_empty() {
        errors.required(&at, "");
    }
    errors.one_of(&at, action, &["Deny", "Allow"]);
}

/// Both bindings, updated.
pub fn binding_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    binding(new, scope, errors);
}
