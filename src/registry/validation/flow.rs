//! flowcontrol.apiserver.k8s.io.

use super::{Errors, Report as _, Verbatim, format, go_form};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

const PRECEDENCE_MAX: i64 = 10_000;
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const ZERO_SHARES: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";
const QUEUES_MAX: i64 = 10_000_000;

/// FlowSchema.
pub fn schema(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let precedence = spec.int("matchingPrecedence").unwrap_or(0);
    let at = path.child("matchingPrecedence");
    if precedence <= 0 {
        errors.invalid(&at, precedence, "must be a positive value");
    }
    if precedence > PRECEDENCE_MAX {
        errors.invalid(&at, precedence, "must not be greater than 10000");
    }
    if precedence == 1 && object.str_at(&["metadata", "name"]) != "exempt" {
        let detail = "only the schema named 'exempt' may have matchingPrecedence 1";
        errors.invalid(&at, precedence, detail);
    }
    if let Some(method) = spec.get("distinguisherMethod")
        && !matches!(method.text("type"), "ByNamespace" | "ByUser")
    {
        let shown = go_form::compact(Some(method), "flowcontrol.v1.FlowDistinguisherMethod");
        let at = path.child("distinguisherMethod");
        errors.unsupported(&at.child("type"), Verbatim(&shown), &["ByNamespace", "ByUser"]);
    }
    let level = spec.str_at(&["priorityLevelConfiguration", "name"]);
    let at = path.child("priorityLevelConfiguration");
    if level.is_empty() {
        errors.required(&at.child("name"), "must reference a priority level");
    } else {
        errors.messages(&at.child("name"), level, format::dns_subdomain(level));
    }
    let at = path.child("rules");
    for (index, rule) in spec.items("rules").iter().enumerate() {
        policy_rule(rule, &at.index(index), errors);
    }
}

fn policy_rule(rule: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("subjects");
    let subjects = rule.items("subjects");
    if subjects.is_empty() {
        errors.required(&at, "subjects must contain at least one value");
    }
    for (index, who) in subjects.iter().enumerate() {
        subject(who, &at.index(index), errors);
    }
    let (urls, resources) = (rule.items("nonResourceRules"), rule.items("resourceRules"));
    if urls.is_empty() && resources.is_empty() {
        let detail = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.required(path, detail);
    }
    let at = path.child("resourceRules");
    for (index, rule) in resources.iter().enumerate() {
        resource_rule(rule, &at.index(index), errors);
    }
    let at = path.child("nonResourceRules");
    for (index, rule) in urls.iter().enumerate() {
        url_rule(rule, &at.index(index), errors);
    }
}

fn subject(who: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const KINDS: [(&str, &str); 3] =
        [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = who.text("kind");
    if !KINDS.iter().any(|(known, _)| *known == kind) {
        errors.unsupported(&path.child("kind"), kind, &["Group", "ServiceAccount", "User"]);
        return;
    }
    for (known, name) in KINDS {
        let at = path.child(name);
        match (known == kind, who.get(name)) {
            (true, None) => {
                let detail = format!("{name} is required when subject kind is '{kind}'");
                errors.required(&at, &detail);
            }
            (true, Some(member)) => subject_name(name, member, &at, errors),
            (false, Some(_)) => {
                let detail = format!("{name} is forbidden when subject kind is not '{known}'");
                errors.forbidden(&at, &detail);
            }
            (false, None) => {}
        }
    }
}

fn subject_name(kind: &str, member: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = member.text("name");
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    if kind != "serviceAccount" {
        return;
    }
    if !name.is_empty() && name != "*" {
        errors.messages(&path.child("name"), name, format::dns_subdomain(name));
    }
    let namespace = member.text("namespace");
    let at = path.child("namespace");
    if namespace.is_empty() {
        errors.required(&at, "must specify namespace for service account");
    } else {
        errors.messages(&at, namespace, format::dns_label(namespace));
    }
}

fn verbs(rule: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list: Vec<&str> = rule.texts("verbs").collect();
    let at = path.child("verbs");
    let shown = || go_form::plain(rule.get("verbs"));
    if list.is_empty() {
        errors.required(&at, "verbs must contain at least one value");
    } else if list.contains(&"*") {
        if list.len() > 1 {
            let detail = "if '*' is present, must not specify other verbs";
            errors.invalid(&at, Verbatim(&shown()), detail);
        }
    } else if list.iter().any(|verb| !VERBS.contains(verb)) {
        errors.unsupported(&at, Verbatim(&shown()), &VERBS);
    }
}

fn alone(rule: &Value<'_>, name: &str, what: &str, path: &Path<'_>, errors: &mut Errors) {
    let list = rule.items(name);
    if list.len() > 1 && list.iter().any(|item| item.as_str() == Some("*")) {
        let shown = go_form::plain(rule.get(name));
        let detail = format!("if '*' is present, must not specify other {what}");
        errors.invalid(path, Verbatim(&shown), &detail);
    }
}

fn resource_rule(rule: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    verbs(rule, path, errors);
    for (name, one, what) in
        [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")]
    {
        let at = path.child(name);
        if rule.items(name).is_empty() {
            let detail = format!("resource rules must supply at least one {one}");
            errors.required(&at, &detail);
        }
        alone(rule, name, what, &at, errors);
    }
    let at = path.child("namespaces");
    if rule.items("namespaces").is_empty() && !rule.flag("clusterScope") {
        let detail = "resource rules that are not cluster scoped must supply at least one \
                      namespace";
        errors.required(&at, detail);
    }
    alone(rule, "namespaces", "namespaces", &at, errors);
    for (index, name) in rule.texts("namespaces").enumerate().filter(|(_, name)| *name != "*") {
        for message in format::dns_label(name) {
            let detail =
                format!("each member of this list must be '*' or a DNS-1123 label; {message}");
            errors.invalid(&at.index(index), name, &detail);
        }
    }
}

fn url_rule(rule: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    verbs(rule, path, errors);
    let at = path.child("nonResourceURLs");
    let urls: Vec<&str> = rule.texts("nonResourceURLs").collect();
    if urls.is_empty() {
        errors.required(&at, "nonResourceURLs must contain at least one value");
    } else if urls.contains(&"*") {
        if urls.len() > 1 {
            let shown = go_form::plain(rule.get("nonResourceURLs"));
            let detail = "if '*' is present, must not specify other non-resource URLs";
            errors.invalid(&at, Verbatim(&shown), detail);
        }
    } else {
        for (index, url) in urls.iter().enumerate() {
            if let Some(why) = url_problem(url) {
                errors.invalid(&at.index(index), *url, why);
            }
        }
    }
}

fn url_problem(url: &str) -> Option<&'static str> {
    let stars = url.matches('*').count();
    if url.is_empty() {
        Some("must not be empty")
    } else if url == "/" {
        None
    } else if !url.starts_with('/') {
        Some("must start with slash")
    } else if url.contains(char::is_whitespace) {
        Some("must not contain white-space")
    } else if url.contains("//") {
        Some("must not contain double slash")
    } else if stars > 1 || (stars == 1 && !url.ends_with("/*")) {
        Some("wildcard can only do suffix matching")
    } else {
        None
    }
}

/// FlowSchema, updated.
pub fn schema_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    schema(new, scope, errors);
}

/// PriorityLevelConfiguration.
pub fn level(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    if object.at(&["metadata", "annotations", ZERO_SHARES]).is_some() {
        let root = Path::root("metadata");
        let at = root.child("annotations");
        let detail = "specifying annotation is not allowed in v1";
        errors.forbidden(&at.key(ZERO_SHARES), detail);
    }
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let (name, kind) = (object.str_at(&["metadata", "name"]), spec.text("type"));
    if (name == "exempt") != (kind == "Exempt") {
        let detail = "must be 'Exempt' if and only if `name` is 'exempt'";
        errors.invalid(&path.child("type"), kind, detail);
    }
    match kind {
        "Exempt" => {
            if spec.has("limited") {
                let detail = "must be nil if the type is not Limited";
                errors.forbidden(&path.child("limited"), detail);
            }
            if let Some(exempt) = spec.get("exempt") {
                shares(exempt, &path.child("exempt"), errors);
            }
        }
        "Limited" => {
            if spec.has("exempt") {
                let detail = "must be nil if the type is Limited";
                errors.forbidden(&path.child("exempt"), detail);
            }
            match spec.get("limited") {
                None => {
                    let detail = "must not be empty when type is Limited";
                    errors.required(&path.child("limited"), detail);
                }
                Some(limited) => limits(limited, &path.child("limited"), errors),
            }
        }
        other => errors.unsupported(&path.child("type"), other, &["Exempt", "Limited"]),
    }
}

fn shares(owner: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(count) = owner.int("nominalConcurrencyShares").filter(|count| *count < 0) {
        let detail = "must be a non-negative integer";
        errors.invalid(&path.child("nominalConcurrencyShares"), count, detail);
    }
    if let Some(percent) = owner.int("lendablePercent").filter(|p| !(0..=100).contains(p)) {
        let detail = "must be between 0 and 100, inclusive";
        errors.invalid(&path.child("lendablePercent"), percent, detail);
    }
}

fn limits(limited: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    shares(limited, path, errors);
    let null = Value::Null;
    let response = limited.get("limitResponse").unwrap_or(&null);
    let at = path.child("limitResponse");
    let queuing = response.get("queuing");
    match response.text("type") {
        "Reject" => {
            if queuing.is_some() {
                let detail = "must be nil if limited.limitResponse.type is not Limited";
                errors.forbidden(&at.child("queuing"), detail);
            }
        }
        "Queue" => match queuing {
            None => {
                let detail = "must not be empty if limited.limitResponse.type is Limited";
                errors.required(&at.child("queuing"), detail);
            }
            Some(queuing) => queues(queuing, &at.child("queuing"), errors),
        },
        other => errors.unsupported(&at.child("type"), other, &["Queue", "Reject"]),
    }
    if let Some(percent) = limited.int("borrowingLimitPercent").filter(|percent| *percent < 0) {
        let detail = "if specified, must be a non-negative integer";
        errors.invalid(&path.child("borrowingLimitPercent"), percent, detail);
    }
}

fn queues(queuing: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let number = |name: &str| queuing.int(name).unwrap_or(0);
    let (length, queues, hand) = (number("queueLengthLimit"), number("queues"), number("handSize"));
    if length <= 0 {
        errors.invalid(&path.child("queueLengthLimit"), length, "must be positive");
    }
    if queues <= 0 {
        errors.invalid(&path.child("queues"), queues, "must be positive");
    } else if queues > QUEUES_MAX {
        let detail = format!("must not be greater than {QUEUES_MAX}");
        errors.invalid(&path.child("queues"), queues, &detail);
    }
    let at = path.child("handSize");
    if hand <= 0 {
        errors.invalid(&at, hand, "must be positive");
    } else if hand > queues {
        let detail = format!("should not be greater than queues ({queues})");
        errors.invalid(&at, hand, &detail);
    } else if entropy_bits(queues, hand) > 60 {
        let detail = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater \
             than 60"
        );
        errors.invalid(&at, hand, &detail);
    }
}

/// `shufflesharding.RequiredEntropyBits`.
fn entropy_bits(deck: i64, hand: i64) -> u32 {
    let mut bits = 0.0f64;
    for dealt in 0..hand.min(64) {
        bits += ((deck - dealt).max(1) as f64).log2();
    }
    bits.ceil() as u32
}

/// PriorityLevelConfiguration, updated.
pub fn level_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    level(new, scope, errors);
}

/// Status of both: conditions have a type, each at most once.
pub fn status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("status");
    let path = root.child("conditions");
    let list = new.list_at(&["status", "conditions"]);
    for (index, condition) in list.iter().enumerate() {
        let at = path.index(index);
        let kind = condition.text("type");
        if list.iter().take(index).any(|other| other.text("type") == kind) {
            errors.duplicate(&at.child("type"), kind);
        }
        if kind.is_empty() {
            errors.required(&at.child("type"), "");
        }
    }
}
