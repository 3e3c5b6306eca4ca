//! rbac.authorization.k8s.io.

use super::{Errors, Report as _, Verbatim, format, go_form, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Role and ClusterRole.
pub fn role(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("rules");
    for (index, rule) in object.items("rules").iter().enumerate() {
        policy_rule(rule, scope.namespaced, &path.index(index), errors);
    }
    let Some(aggregation) = object.get("aggregationRule") else { return };
    let root = Path::root("aggregationRule");
    let at = root.child("clusterRoleSelectors");
    let selectors = aggregation.items("clusterRoleSelectors");
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.required(&at, detail);
        return;
    }
    for (index, found) in selectors.iter().enumerate() {
        let before = errors.len();
        selector::label_selector(Some(found), &at.index(index), errors);
        let wrong = errors.len() > before || !selector::is_valid(found);
        if wrong {
            let shown = selector_shown(found);
            errors.invalid(&at.index(index), Verbatim(&shown), "invalid label selector.");
        }
    }
}

/// Upstream shows the selector that it could not make, which is nil.
fn selector_shown(_: &Value<'_>) -> String {
    "null".to_owned()
}

fn policy_rule(rule: &Value<'_>, namespaced: bool, path: &Path<'_>, errors: &mut Errors) {
    if rule.items("verbs").is_empty() {
        errors.required(&path.child("verbs"), "verbs must contain at least one value");
    }
    let urls = rule.items("nonResourceURLs");
    if !urls.is_empty() {
        let at = path.child("nonResourceURLs");
        let shown = rule.get("nonResourceURLs").unwrap_or(&Value::Null);
        if namespaced {
            let detail = "namespaced rules cannot apply to non-resource URLs";
            errors.invalid(&at, shown, detail);
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|n| !rule.items(n).is_empty()) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(&at, shown, detail);
        }
        return;
    }
    if rule.items("apiGroups").is_empty() {
        let detail = "resource rules must supply at least one api group";
        errors.required(&path.child("apiGroups"), detail);
    }
    if rule.items("resources").is_empty() {
        let detail = "resource rules must supply at least one resource";
        errors.required(&path.child("resources"), detail);
    }
}

/// Role and ClusterRole, updated.
pub fn role_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    role(new, scope, errors);
}

/// RoleBinding and ClusterRoleBinding.
pub fn binding(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let role = object.get("roleRef").unwrap_or(&null);
    let path = Path::root("roleRef");
    let group = role.text("apiGroup");
    if group != GROUP {
        errors.unsupported(&path.child("apiGroup"), group, &[GROUP]);
    }
    let kind = role.text("kind");
    let kinds: &[&str] = if scope.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&kind) {
        errors.unsupported(&path.child("kind"), kind, kinds);
    }
    errors.required_text(&path.child("name"), role.text("name"), format::path_segment);
    let path = Path::root("subjects");
    for (index, who) in object.items("subjects").iter().enumerate() {
        subject(who, scope.namespaced, &path.index(index), errors);
    }
}

fn subject(who: &Value<'_>, namespaced: bool, path: &Path<'_>, errors: &mut Errors) {
    let (name, group) = (who.text("name"), who.text("apiGroup"));
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    match who.text("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.messages(&path.child("name"), name, format::dns_subdomain(name));
            }
            if !group.is_empty() {
                errors.unsupported(&path.child("apiGroup"), group, &[""]);
            }
            if !namespaced && who.text("namespace").is_empty() {
                errors.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.unsupported(&path.child("apiGroup"), group, &[GROUP]);
            }
        }
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.unsupported(&path.child("kind"), other, &kinds);
        }
    }
}

/// RoleBinding and ClusterRoleBinding, updated: the role stays.
pub fn binding_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    binding(new, scope, errors);
    if !same(new.get("roleRef"), old.get("roleRef")) {
        let shown = go_form::compact(new.get("roleRef"), "rbac.v1.RoleRef");
        errors.invalid(&Path::root("roleRef"), Verbatim(&shown), "cannot change roleRef");
    }
}
