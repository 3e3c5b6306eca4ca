//! admissionregistration.k8s.io.

use super::expression::{self, Policy};
use super::{Errors, Report as _, Verbatim, format, go_form, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

const CONDITIONS_MAX: usize = 64;
const POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCHES: [&str; 2] = ["Equivalent", "Exact"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];

/// ValidatingWebhookConfiguration and MutatingWebhookConfiguration.
pub fn webhooks(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("webhooks");
    let list = object.items("webhooks");
    for (index, webhook) in list.iter().enumerate() {
        let at = path.index(index);
        one_webhook(webhook, scope, &at, errors);
        let name = webhook.text("name");
        if !name.is_empty() && list.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
    }
}

/// Both kinds, updated.
pub fn webhooks_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    webhooks(new, scope, errors);
}

fn one_webhook(webhook: &Value<'_>, scope: &Scope<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    qualified_domain(webhook.text("name"), &path.child("name"), errors);
    let at = path.child("rules");
    for (index, rule) in webhook.items("rules").iter().enumerate() {
        rule_with_operations(rule, &at.index(index), errors);
    }
    optional(webhook, "failurePolicy", &POLICIES, path, errors);
    optional(webhook, "matchPolicy", &MATCHES, path, errors);
    let effects = webhook.get("sideEffects").and_then(Value::as_str);
    let allowed = ["None", "NoneOnDryRun"];
    let at = path.child("sideEffects");
    match effects {
        None => errors.required(&at, "must specify one of None, NoneOnDryRun"),
        Some(effects) if !allowed.contains(&effects) => errors.unsupported(&at, effects, &allowed),
        Some(_) => {}
    }
    if let Some(seconds) = webhook.int("timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&path.child("timeoutSeconds"), seconds, detail);
    }
    for name in ["namespaceSelector", "objectSelector"] {
        selector::label_selector(webhook.get(name), &path.child(name), errors);
    }
    client_config(webhook.get("clientConfig"), &path.child("clientConfig"), errors);
    review_versions(webhook, &path.child("admissionReviewVersions"), errors);
    if scope.resource == "mutatingwebhookconfigurations" {
        optional(webhook, "reinvocationPolicy", &["IfNeeded", "Never"], path, errors);
    }
    let at = path.child("matchConditions");
    match_conditions(webhook.items("matchConditions"), None, &at, errors);
}

/// `IsFullyQualifiedName`.
fn qualified_domain(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let messages = format::dns_subdomain(name);
    if name.is_empty() {
        errors.required(path, "");
    } else if !messages.is_empty() {
        errors.invalid(path, name, &messages.join(","));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        errors.invalid(path, name, detail);
    }
}

fn optional(
    owner: &Value<'_>,
    name: &'static str,
    values: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if let Some(value) = owner.get(name).and_then(Value::as_str)
        && !values.contains(&value)
    {
        errors.unsupported(&path.child(name), value, values);
    }
}

/// A member that defaulting has set: missing is an error.
fn given(
    owner: &Value<'_>,
    name: &'static str,
    values: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if owner.has(name) {
        optional(owner, name, values, path, errors);
    } else {
        errors.required(&path.child(name), "");
    }
}

fn client_config(config: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let config = config.unwrap_or(&null);
    match (config.get("url").and_then(Value::as_str), config.get("service")) {
        (Some(url), None) => webhook_url(url, &path.child("url"), errors),
        (None, Some(service)) => {
            // Upstream passes name and namespace the other way round.
            webhook_service(service, ["namespace", "name"], &path.child("service"), errors);
        }
        _ => errors.required(path, "exactly one of url or service is required"),
    }
}

/// `webhook.ValidateWebhookURL`.
pub fn webhook_url(url: &str, path: &Path<'_>, errors: &mut Errors) {
    const FORM: &str = "; desired format: https://host[/path]";
    if url.starts_with(':') {
        let why = format!("parse {url:?}: missing protocol scheme");
        errors.required(path, &format!("url must be a valid URL: {why}{FORM}"));
        return;
    }
    let (scheme, rest) = match url.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') => (scheme, rest),
        _ => ("", url),
    };
    let rest = rest.strip_prefix("//").unwrap_or("");
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or("");
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme{FORM}");
        errors.invalid(path, scheme, &detail);
    }
    if host.is_empty() {
        errors.invalid(path, host, &format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        errors.invalid(path, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        errors.invalid(path, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        errors.invalid(path, query, "query parameters are not permitted in the URL");
    }
}

/// `webhook.ValidateWebhookService`; `names` are the members that it is given as name and as
/// namespace.
pub fn webhook_service(
    service: &Value<'_>,
    names: [&str; 2],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for (name, told) in names.into_iter().zip(["name", "namespace"]) {
        if service.text(name).is_empty() {
            errors.required(&path.child(told), "");
        }
    }
    let port = service.int("port").unwrap_or(0);
    for message in format::port(port) {
        errors.invalid(&path.child("port"), port, &format!("port is not valid: {message}"));
    }
    let Some(target) = service.get("path").and_then(Value::as_str) else { return };
    let at = path.child("path");
    if target.is_empty() || target == "/" {
        return;
    }
    if !target.starts_with('/') {
        errors.invalid(&at, target, "must start with a '/'");
    }
    let mut inner = target.chars();
    inner.next();
    let inner = inner.as_str();
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    for (index, step) in inner.split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(&at, target, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for message in format::dns_subdomain(step) {
            errors.invalid(&at, target, &format!("segment[{index}]: {message}"));
        }
    }
}

fn review_versions(webhook: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let versions: Vec<&str> = webhook.texts("admissionReviewVersions").collect();
    if versions.is_empty() {
        errors.required(path, "must specify one of v1, v1beta1");
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        if versions.get(..index).is_some_and(|before| before.contains(version)) {
            errors.invalid(&path.index(index), *version, "duplicate version");
            continue;
        }
        errors.messages(&path.index(index), version, format::dns_1035_label(version));
    }
    if !versions.iter().any(|version| matches!(*version, "v1" | "v1beta1")) {
        let shown = go_form::plain(webhook.get("admissionReviewVersions"));
        let detail = "must include at least one of v1, v1beta1";
        errors.invalid(path, Verbatim(&shown), detail);
    }
}

/// `validateNamedRuleWithOperations`; rules of webhooks have no names.
fn rule_with_operations(rule: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let names: Vec<&str> = rule.texts("resourceNames").collect();
    let at = path.child("resourceNames");
    for (index, name) in names.iter().enumerate() {
        errors.messages(&at.index(index), name, format::path_segment(name));
        if names.get(..index).is_some_and(|before| before.contains(name)) {
            errors.duplicate(&at.index(index), *name);
        }
    }
    let at = path.child("operations");
    let operations: Vec<&str> = rule.texts("operations").collect();
    let shown = |name: &str| go_form::plain(rule.get(name));
    if operations.is_empty() {
        errors.required(&at, "");
    }
    if operations.len() > 1 && operations.contains(&"*") {
        let detail = "if '*' is present, must not specify other operations";
        errors.invalid(&at, Verbatim(&shown("operations")), detail);
    }
    for (index, operation) in operations.iter().enumerate() {
        if !OPERATIONS.contains(operation) {
            errors.unsupported(&at.index(index), *operation, &OPERATIONS);
        }
    }
    for (name, what) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        let at = path.child(name);
        let list: Vec<&str> = rule.texts(name).collect();
        if list.is_empty() {
            errors.required(&at, "");
        }
        if list.len() > 1 && list.contains(&"*") {
            let detail = format!("if '*' is present, must not specify other {what}");
            errors.invalid(&at, Verbatim(&shown(name)), &detail);
        }
        for (index, _) in list.iter().enumerate().filter(|(_, item)| item.is_empty()) {
            if name == "apiVersions" {
                errors.required(&at.index(index), "");
            }
        }
    }
    rule_resources(rule, &path.child("resources"), errors);
    optional(rule, "scope", &["*", "Cluster", "Namespaced"], path, errors);
}

fn rule_resources(rule: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list: Vec<&str> = rule.texts("resources").collect();
    if list.is_empty() {
        errors.required(path, "");
    }
    let shown = || go_form::plain(rule.get("resources"));
    if list.contains(&"*/*") && list.len() > 1 {
        let detail = "if '*/*' is present, must not specify other resources";
        errors.invalid(path, Verbatim(&shown()), detail);
    }
    let mut every_sub: Vec<&str> = Vec::new();
    let mut every_part: Vec<&str> = Vec::new();
    for (index, resource) in list.iter().enumerate() {
        let at = path.index(index);
        if resource.is_empty() {
            errors.required(&at, "");
            continue;
        }
        match resource.split_once('/') {
            None => {
                if *resource == "*" && list.iter().any(|r| !r.contains('/') && *r != "*") {
                    let detail = "if '*' is present, must not specify other resources without \
                                  subresources";
                    errors.invalid(path, Verbatim(&shown()), detail);
                }
            }
            Some(("*", sub)) => every_sub.push(sub),
            Some((resource, "*")) => every_part.push(resource),
            Some((name, sub)) => {
                if every_sub.contains(&sub) {
                    let detail = format!("if '*/{sub}' is present, must not specify {resource}");
                    errors.invalid(&at, *resource, &detail);
                }
                if every_part.contains(&name) {
                    let detail = format!("if '{name}/*' is present, must not specify {resource}");
                    errors.invalid(&at, *resource, &detail);
                }
            }
        }
    }
}

fn match_conditions(
    conditions: &[Value<'_>],
    policy: Option<&Policy>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if conditions.len() > CONDITIONS_MAX {
        errors.too_many(path, conditions.len(), CONDITIONS_MAX);
    }
    for (index, condition) in conditions.iter().enumerate() {
        let at = path.index(index);
        let name = condition.text("name");
        if condition.text("expression").trim().is_empty() {
            errors.required(&at.child("expression"), "");
        }
        let (text, place) = (condition.text("expression"), at.child("expression"));
        match policy {
            Some(policy) => policy.condition(text, &place, errors),
            None => expression::webhook_condition(text, &place, errors),
        }
        errors.required_text(&at.child("name"), name, format::label_key);
        let repeated = conditions.iter().take(index).any(|other| other.text("name") == name);
        if !name.is_empty() && repeated {
            errors.duplicate(&at.child("name"), name);
        }
    }
}

/// ValidatingAdmissionPolicy.
pub fn validating_policy(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    policy_basics(spec, &path, errors);
    let policy = policy_expressions(spec, false, &path, errors);
    let (rules, notes) = (spec.items("validations"), spec.items("auditAnnotations"));
    if rules.is_empty() && notes.is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        for name in ["validations", "auditAnnotations"] {
            errors.required(&path.child(name), detail);
        }
        return;
    }
    let at = path.child("validations");
    for (index, rule) in rules.iter().enumerate() {
        validation(rule, &policy, &at.index(index), errors);
    }
    let at = path.child("auditAnnotations");
    if notes.len() > 20 {
        let shown = notes
            .iter()
            .map(|note| go_form::compact(Some(note), "admissionregistration.v1.AuditAnnotation"));
        let shown = format!("[{}]", shown.collect::<Vec<_>>().join(","));
        let detail = "must not have more than 20 auditAnnotations";
        errors.invalid(&at, Verbatim(&shown), detail);
    }
    let name = object.str_at(&["metadata", "name"]);
    for (index, note) in notes.iter().enumerate() {
        let at = at.index(index);
        let key = note.text("key");
        if notes.iter().take(index).any(|other| other.text("key") == key) {
            errors.duplicate(&at.child("key"), key);
        }
        if name.is_empty() {
            errors.invalid(&at.child("key"), key, "requires metadata.name be non-empty");
        } else {
            let full = format!("{name}/{key}");
            errors.messages(&at.child("key"), &full, format::label_key(&full));
        }
        let text = note.text("valueExpression").trim();
        let at = at.child("valueExpression");
        if text.is_empty() {
            errors.required(&at, "valueExpression is not specified");
        } else if text.len() > 5 * 1_024 {
            errors.required(&at, "must not exceed 5120 bytes in length");
        } else {
            policy.annotation(text, &at, errors);
        }
    }
}

fn validation(rule: &Value<'_>, policy: &Policy, path: &Path<'_>, errors: &mut Errors) {
    let expression = rule.text("expression");
    if expression.trim().is_empty() {
        errors.required(&path.child("expression"), "expression is not specified");
    }
    policy.validation(expression, &path.child("expression"), errors);
    let message = rule.text("message");
    let at = path.child("message");
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&at, message, "message must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        errors.invalid(&at, message, "must not contain line breaks");
    } else if message.trim().is_empty() && expression.trim().contains(['\n', '\r']) {
        let detail = "message must be specified if expression contains line breaks";
        errors.required(&at, detail);
    }
    let text = rule.text("messageExpression");
    if !text.is_empty() && text.trim().is_empty() {
        let detail = "must be non-empty if specified";
        errors.invalid(&path.child("messageExpression"), text, detail);
    }
    policy.message(text, &path.child("messageExpression"), errors);
    let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    let reason = rule.get("reason").and_then(Value::as_str);
    if let Some(reason) = reason.filter(|r| !reasons.contains(r) && *r != "Unauthorized") {
        errors.unsupported(&path.child("reason"), reason, &reasons);
    }
}

/// What validating and mutating policies share.
fn policy_basics(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    given(spec, "failurePolicy", &POLICIES, path, errors);
    if let Some(kind) = spec.get("paramKind") {
        param_kind(kind, &path.child("paramKind"), errors);
    }
    let at = path.child("matchConstraints");
    match spec.get("matchConstraints") {
        None => errors.required(&at, ""),
        Some(found) => {
            match_resources(found, &at, errors);
            if found.items("resourceRules").is_empty() {
                errors.required(&at.child("resourceRules"), "");
            }
        }
    }
}

/// The expressions of a policy's conditions and variables, told in this order.
fn policy_expressions(
    spec: &Value<'_>,
    mutating: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Policy {
    let mut of_variables = Errors::new();
    let policy = Policy::new(spec, mutating, path, &mut of_variables);
    let at = path.child("matchConditions");
    match_conditions(spec.items("matchConditions"), Some(&policy), &at, errors);
    errors.append(&mut of_variables);
    policy
}

/// `validateMatchResources`.
pub(super) fn match_resources(found: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    given(found, "matchPolicy", &MATCHES, path, errors);
    for name in ["namespaceSelector", "objectSelector"] {
        if found.has(name) {
            selector::label_selector(found.get(name), &path.child(name), errors);
        } else {
            errors.required(&path.child(name), "");
        }
    }
    for name in ["resourceRules", "excludeResourceRules"] {
        let at = path.child(name);
        for (index, rule) in found.items(name).iter().enumerate() {
            rule_with_operations(rule, &at.index(index), errors);
        }
    }
}

fn param_kind(kind: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let text = kind.text("apiVersion");
    let at = path.child("apiVersion");
    if text.is_empty() {
        errors.required(&at, "");
    } else if text.split('/').count() > 2 {
        errors.invalid(&at, text, &format!("unexpected GroupVersion string: {text}"));
    } else {
        let (group, version) = text.split_once('/').unwrap_or(("", text));
        if !group.is_empty() {
            let messages = format::dns_subdomain(group);
            if !messages.is_empty() {
                errors.invalid(&at, group, &messages.join(","));
            }
        }
        if version.is_empty() {
            errors.invalid(&at, text, "version must be specified");
        } else {
            errors.messages(&at, version, format::dns_1035_label(version));
        }
    }
    let name = kind.text("kind");
    let at = path.child("kind");
    if name.is_empty() {
        errors.required(&at, "");
    } else {
        let messages = format::dns_1035_label(&name.to_lowercase());
        if !messages.is_empty() {
            let detail =
                format!("may have mixed case, but should otherwise match: {}", messages.join(","));
            errors.invalid(&at, name, &detail);
        }
    }
}

/// ValidatingAdmissionPolicy, updated.
pub fn validating_policy_update(
    new: &Value<'_>,
    _: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    validating_policy(new, scope, errors);
}

/// Status of a ValidatingAdmissionPolicy.
pub fn validating_policy_status(
    new: &Value<'_>,
    _: &Value<'_>,
    _: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    let root = Path::root("status");
    if let Some(status) = new.get("status") {
        let at = root.child("conditions");
        super::metadata::conditions(status.items("conditions"), &at, errors);
    }
}

/// MutatingAdmissionPolicy.
pub fn mutating_policy(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    policy_basics(spec, &path, errors);
    super::binding::mutating_operations(spec, "matchConstraints", &path, errors);
    let policy = policy_expressions(spec, true, &path, errors);
    let mutations = spec.items("mutations");
    let at = path.child("mutations");
    if mutations.is_empty() {
        errors.required(&at, "mutations must contain at least one item");
    }
    for (index, mutation) in mutations.iter().enumerate() {
        one_mutation(mutation, &policy, &at.index(index), errors);
    }
    let policy = spec.text("reinvocationPolicy");
    let at = path.child("reinvocationPolicy");
    if policy.is_empty() {
        errors.required(&at, "");
    }
    errors.one_of(&at, policy, &["IfNeeded", "Never"]);
}

fn one_mutation(mutation: &Value<'_>, policy: &Policy, path: &Path<'_>, errors: &mut Errors) {
    const KINDS: [(&str, &str); 2] =
        [("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")];
    let kind = mutation.text("patchType");
    if kind.is_empty() {
        errors.required(&path.child("patchType"), "");
    }
    let names = KINDS.map(|(kind, _)| kind);
    if !errors.one_of(&path.child("patchType"), kind, &names) || kind.is_empty() {
        return;
    }
    let mut members = KINDS;
    members.sort_by_key(|(known, _)| *known != kind);
    for (known, name) in members {
        let at = path.child(name);
        match (known == kind, mutation.get(name)) {
            (true, None) => {
                let detail = format!("must be specified when patchType is {kind}");
                errors.required(&at, &detail);
            }
            (true, Some(patch)) => {
                if patch.text("expression").trim().is_empty() {
                    errors.required(&at.child("expression"), "");
                }
                let text = patch.text("expression");
                policy.mutation(kind, text, &at.child("expression"), errors);
            }
            (false, Some(_)) => {
                let detail = format!("must not be specified when patchType is {kind}");
                errors.invalid(&at, &*format!("{{{name}}}"), &detail);
            }
            (false, None) => {}
        }
    }
}

/// MutatingAdmissionPolicy, updated.
pub fn mutating_policy_update(
    new: &Value<'_>,
    _: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    mutating_policy(new, scope, errors);
}
