//! LimitRange and ResourceQuota.

use super::resources::{self, quantity};
use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form};
use crate::object::Value;
use crate::object::field::Path;
use crate::object::quantity::Quantity;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;
use std::collections::BTreeSet;

const LISTS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
const SCOPES: [&str; 6] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
];

/// LimitRange.
pub fn limit_range(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("spec");
    let path = root.child("limits");
    let limits = object.list_at(&["spec", "limits"]);
    for (index, limit) in limits.iter().enumerate() {
        let at = path.index(index);
        let kind = limit.text("type");
        limit_type(kind, &at.child("type"), errors);
        if limits.iter().take(index).any(|other| other.text("type") == kind) {
            errors.duplicate(&at.child("type"), kind);
        }
        one_limit(limit, kind, &at, errors);
    }
}

/// LimitRange, updated.
pub fn limit_range_update(
    new: &Value<'_>,
    _: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    limit_range(new, scope, errors);
}

fn limit_type(kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let messages = format::label_key(kind);
    if !messages.is_empty() {
        errors.messages(path, kind, messages);
    } else if !kind.contains('/') && !matches!(kind, "Container" | "Pod" | "PersistentVolumeClaim")
    {
        errors.invalid(path, kind, "must be a standard limit type or fully qualified");
    }
}

fn limit_name(kind: &str, name: &str, path: &Path<'_>, errors: &mut Errors) {
    if kind == "Container" || kind == "Pod" {
        resources::container_name(name, path, errors);
    } else {
        resources::name(name, path, errors);
    }
}

fn one_limit(limit: &Value<'_>, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for list in LISTS {
        if kind == "Pod" && matches!(list, "default" | "defaultRequest") {
            if limit.get(list).is_some_and(|list| !list.is_empty()) {
                errors.forbidden(&path.child(list), "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, _) in limit.entries(list) {
            limit_name(kind, name, &path.child(list).key(name), errors);
            names.insert(name);
        }
    }
    if kind == "PersistentVolumeClaim" {
        let has = |list: &str| limit.at(&[list, "storage"]).is_some();
        if !has("min") && !has("max") {
            let detail = "either minimum or maximum storage value is required, but neither was \
                          provided";
            errors.required(&path.child("limits"), detail);
        }
    }
    for name in names {
        compare(limit, name, path, errors);
    }
}

/// min ≤ defaultRequest ≤ default ≤ max, as far as they are given.
fn compare(limit: &Value<'_>, name: &str, path: &Path<'_>, errors: &mut Errors) {
    let amount = |list: &str| limit.at(&[list, name]).map(|value| quantity(Some(value)));
    let text = |list: &str| limit.str_at(&[list, name]);
    let (max, min) = (amount("max"), amount("min"));
    let (default, request) = (amount("default"), amount("defaultRequest"));
    let above =
        |a: Option<Quantity>, b: Option<Quantity>| matches!((a, b), (Some(a), Some(b)) if a > b);
    let words = |list: &str| match list {
        "min" => "min value",
        "max" => "max value",
        "default" => "default value",
        _ => "default request value",
    };
    let mut check = |low: &str, high: &str, shown: &str, high_words: &str| {
        if above(amount(low), amount(high)) {
            let detail =
                format!("{} {} is greater than {high_words} {}", words(low), text(low), text(high));
            errors.invalid(
                &path.child(shown).key(name),
                text(shown_value(low, high, shown)),
                &detail,
            );
        }
    };
    check("min", "max", "min", "max value");
    check("min", "defaultRequest", "defaultRequest", "default request value");
    check("defaultRequest", "max", "defaultRequest", "max value");
    check("defaultRequest", "default", "defaultRequest", "default limit value");
    check("min", "default", "default", "default value");
    check("default", "max", "default", "max value");
    let ratio = amount("maxLimitRequestRatio");
    let at = path.child("maxLimitRequestRatio");
    let at = at.key(name);
    if let Some(ratio) = ratio {
        let shown = text("maxLimitRequestRatio");
        if ratio < Quantity::from_int(1) {
            errors.invalid(&at, shown, &format!("ratio {shown} is less than 1"));
        }
        if let (Some(max), Some(min)) = (max, min)
            && min.signum() > 0
        {
            let limit = max.milli_value() as f64 / min.milli_value() as f64;
            if ratio.milli_value() as f64 / 1000.0 > limit {
                let detail = format!("ratio {shown} is greater than max/min = {limit:.6}");
                errors.invalid(&at, shown, &detail);
            }
        }
    }
    if !resources::is_overcommit_allowed(name)
        && let (Some(default), Some(request)) = (default, request)
        && default != request
    {
        let detail = format!(
            "default value {} must equal to defaultRequest value {} in {name}",
            text("default"),
            text("defaultRequest")
        );
        errors.invalid(&path.child("defaultRequest").key(name), text("default"), &detail);
    }
}

/// Upstream shows the lower bound where a default is out of bounds, itself else.
fn shown_value<'l>(low: &'l str, high: &'l str, shown: &'l str) -> &'l str {
    match (low, high) {
        ("min", "default") => "min",
        ("default", "max") => "max",
        _ => shown,
    }
}

/// ResourceQuota.
pub fn resource_quota(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("spec");
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    amounts(spec, "hard", &root, errors);
    scopes(spec, &root.child("scopes"), errors);
    if let Some(selector) = spec.get("scopeSelector") {
        scope_selector(spec, selector, &root.child("scopeSelector"), errors);
    }
}

fn amounts(owner: &Value<'_>, list: &'static str, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child(list);
    for (name, value) in owner.entries(list) {
        let at = at.key(name);
        quota_name(name, &at, errors);
        resources::non_negative(value, &at, errors);
        let amount = quantity(Some(value));
        if (resources::is_integer(name) || name.starts_with("count/")) && !amount.is_integer() {
            errors.invalid(&at, &*resources::shown(Some(value)), resources::NOT_INTEGER);
        }
    }
}

/// `ValidateResourceQuotaResourceName`.
fn quota_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    resources::name(name, path, errors);
    let standard = resources::is_standard(name) && name != "storage";
    if !name.contains('/') && !standard {
        errors.invalid(path, name, "must be a standard resource for quota");
    }
}

fn scopes(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let shown = || go_form::plain(spec.get("scopes"));
    let list: Vec<&str> = spec.texts("scopes").collect();
    for scope in &list {
        if !SCOPES.contains(scope) && *scope != "VolumeAttributesClass" {
            errors.invalid(path, Verbatim(&shown()), "unsupported scope");
        }
        for _ in 0..unfit(scope, spec) {
            errors.invalid(path, Verbatim(&shown()), "unsupported scope applied to resource");
        }
    }
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if list.contains(&one) && list.contains(&other) {
            errors.invalid(path, Verbatim(&shown()), "conflicting scopes");
        }
    }
}

/// How many of the standard resources the scope cannot be applied to
/// (`IsResourceQuotaScopeValidForResource`).
fn unfit(scope: &str, spec: &Value<'_>) -> usize {
    let computing = |name: &str| {
        let what = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits."));
        matches!(what.unwrap_or(name), "cpu" | "memory")
    };
    let fits = |name: &str| match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => name == "pods" || computing(name),
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    };
    let standard = |name: &str| name != "storage" && resources::is_standard(name);
    spec.entries("hard").filter(|(name, _)| standard(name) && !fits(name)).count()
}

fn scope_selector(spec: &Value<'_>, selector: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("matchExpressions");
    for requirement in selector.items("matchExpressions") {
        let scope = requirement.text("scopeName");
        if !SCOPES.contains(&scope) && scope != "VolumeAttributesClass" {
            errors.invalid(&at.child("scopeName"), scope, "unsupported scope");
        }
        for _ in 0..unfit(scope, spec) {
            let shown = go_form::compact(Some(selector), "core.v1.ScopeSelector");
            errors.invalid(&at, Verbatim(&shown), "unsupported scope applied to resource");
        }
        let operator = requirement.text("operator");
        let count = requirement.items("values").len();
        let plain = SCOPES.contains(&scope) && scope != "PriorityClass";
        if plain && operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&at.child("operator"), operator, detail);
        }
        match operator {
            "In" | "NotIn" if count == 0 => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for \
                              scope selector";
                errors.required(&at.child("values"), detail);
            }
            "Exists" | "DoesNotExist" if count > 0 => {
                let shown = requirement.get("values").unwrap_or(&Value::Null);
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for \
                              scope selector";
                errors.invalid(&at.child("values"), shown, detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                errors.invalid(&at.child("operator"), other, "not a valid selector operator");
            }
        }
    }
    let given = |name: &str| {
        selector.items("matchExpressions").iter().any(|one| one.text("scopeName") == name)
    };
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if given(one) && given(other) {
            let shown = go_form::plain(spec.get("scopes"));
            errors.invalid(&at, Verbatim(&shown), "conflicting scopes");
        }
    }
}

/// ResourceQuota, updated.
pub fn resource_quota_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    resource_quota(new, scope, errors);
    let root = Path::root("spec");
    let path = ["spec", "scopes"];
    if !same(new.at(&path), old.at(&path)) {
        let shown = go_form::plain(new.at(&path));
        errors.invalid(&root.child("scopes"), Verbatim(&shown), IMMUTABLE);
    }
}

/// Status of a ResourceQuota.
pub fn resource_quota_status(
    new: &Value<'_>,
    _: &Value<'_>,
    _: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    let path = Path::root("status");
    if let Some(status) = new.get("status") {
        amounts(status, "hard", &path, errors);
        amounts(status, "used", &path, errors);
    }
}
