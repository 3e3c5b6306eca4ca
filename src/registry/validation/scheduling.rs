//! Node selectors, affinity, tolerations and spread constraints.

use super::{Errors, Report as _, format, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `ValidateNodeSelector`.
pub fn node_selector(node: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("nodeSelectorTerms");
    let terms = node.items("nodeSelectorTerms");
    if terms.is_empty() {
        errors.required(&at, "must have at least one node selector term");
        return;
    }
    for (index, term) in terms.iter().enumerate() {
        node_term(term, true, &at.index(index), errors);
    }
}

/// `ValidateNodeSelectorTerm`; of terms that are only preferred, values that no label can have are
/// warned of.
fn node_term(term: &Value<'_>, checks_values: bool, path: &Path<'_>, errors: &mut Errors) {
    let expressions = path.child("matchExpressions");
    for (index, requirement) in term.items("matchExpressions").iter().enumerate() {
        node_requirement(requirement, checks_values, &expressions.index(index), errors);
    }
    let fields = path.child("matchFields");
    for (index, requirement) in term.items("matchFields").iter().enumerate() {
        field_requirement(requirement, &fields.index(index), errors);
    }
}

fn node_requirement(
    requirement: &Value<'_>,
    checks_values: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let count = requirement.items("values").len();
    let at = path.child("values");
    match requirement.text("operator") {
        "In" | "NotIn" if count == 0 => {
            errors.required(&at, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if count > 0 => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&at, detail);
        }
        "Gt" | "Lt" if count != 1 => {
            errors.required(&at, "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    let key = requirement.text("key");
    errors.messages(&path.child("key"), key, format::label_key(key));
    for (index, value) in requirement.texts("values").enumerate().filter(|_| checks_values) {
        errors.messages(&at.index(index), value, format::label_value(value));
    }
}

fn field_requirement(requirement: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("values");
    match requirement.text("operator") {
        "In" | "NotIn" => {
            if requirement.items("values").len() != 1 {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node \
                              field selector";
                errors.required(&at, detail);
            }
        }
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    let key = requirement.text("key");
    if key == "metadata.name" {
        for (index, value) in requirement.texts("values").enumerate() {
            errors.messages(&at.index(index), value, format::dns_subdomain(value));
        }
    } else {
        errors.invalid(&path.child("key"), key, "not a valid field selector key");
    }
}

/// `validateAffinity`.
pub fn affinity(affinity: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(node) = affinity.get("nodeAffinity") {
        let path = path.child("nodeAffinity");
        if let Some(required) = node.get(REQUIRED) {
            node_selector(required, &path.child(REQUIRED), errors);
        }
        let at = path.child(PREFERRED);
        for (index, term) in node.items(PREFERRED).iter().enumerate() {
            let at = at.index(index);
            weight(term, &at, errors);
            if let Some(preference) = term.get("preference") {
                node_term(preference, false, &at.child("preference"), errors);
            }
        }
    }
    for name in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = affinity.get(name) else { continue };
        let path = path.child(name);
        let at = path.child(REQUIRED);
        for (index, term) in pods.items(REQUIRED).iter().enumerate() {
            pod_term(term, &at.index(index), errors);
        }
        let at = path.child(PREFERRED);
        for (index, term) in pods.items(PREFERRED).iter().enumerate() {
            let at = at.index(index);
            weight(term, &at, errors);
            let inner = term.get("podAffinityTerm").unwrap_or(&Value::Null);
            pod_term(inner, &at.child("podAffinityTerm"), errors);
        }
    }
}

fn weight(term: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let weight = term.int("weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}

fn pod_term(term: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    selector::label_selector(term.get("labelSelector"), &path.child("labelSelector"), errors);
    let at = path.child("namespaceSelector");
    selector::label_selector(term.get("namespaceSelector"), &at, errors);
    for namespace in term.texts("namespaces") {
        errors.messages(&path.child("namespace"), namespace, format::dns_label(namespace));
    }
    for name in ["matchLabelKeys", "mismatchLabelKeys"] {
        label_keys(term, name, path, errors);
    }
    merged_keys(term, path, errors);
    for (index, key) in term.texts("matchLabelKeys").enumerate() {
        if term.texts("mismatchLabelKeys").any(|other| other == key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&path.child("matchLabelKeys").index(index), key, detail);
        }
    }
    let key = term.text("topologyKey");
    let at = path.child("topologyKey");
    if key.is_empty() {
        errors.required(&at, "can not be empty");
    }
    errors.messages(&at, key, format::label_key(key));
}

/// Keys of `matchLabelKeys` are merged into the selector as expressions: one that the selector has
/// besides is told, of the term and not of the key.
fn merged_keys(term: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(labels) = term.get("labelSelector") else { return };
    let expressions = labels.items("matchExpressions");
    for (at, expression) in expressions.iter().enumerate() {
        let key = expression.text("key");
        let place = term.items("matchLabelKeys").iter().rposition(|own| own.as_str() == Some(key));
        let mut before = expressions.iter().take(at);
        let known = labels.at(&["matchLabels", key]).is_some()
            || before.any(|other| other.text("key") == key);
        if let Some(place) = place.filter(|_| known) {
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.invalid(&path.index(place), key, detail);
        }
    }
}

fn label_keys(term: &Value<'_>, name: &'static str, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child(name);
    if term.items(name).is_empty() {
        return;
    }
    if !term.has("labelSelector") {
        errors.forbidden(&at, "must not be specified when labelSelector is not set");
        return;
    }
    for (index, key) in term.texts(name).enumerate() {
        errors.messages(&at.index(index), key, format::label_key(key));
    }
}

/// `ValidateTolerations`.
pub fn tolerations(tolerations: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let at = path.index(index);
        let (key, operator) = (toleration.text("key"), toleration.text("operator"));
        let (value, effect) = (toleration.text("value"), toleration.text("effect"));
        if !key.is_empty() {
            errors.messages(&at.child("key"), key, format::label_key(key));
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all \
                          values and all keys\"";
            errors.invalid(&at.child("operator"), operator, detail);
        }
        if toleration.has("tolerationSeconds") && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&at.child("effect"), effect, detail);
        }
        match operator {
            "" | "Equal" => {
                let messages = format::label_value(value);
                if !messages.is_empty() {
                    errors.invalid(&at.child("operator"), value, &messages.join(";"));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let detail = "value must be empty when `operator` is 'Exists'";
                    errors.invalid(&at.child("operator"), value, detail);
                }
            }
            // Gate TaintTolerationComparisonOperators is off, and yet they are named.
            "Lt" | "Gt" => {
                let values = ["Equal", "Exists", "Lt", "Gt"];
                errors.unsupported(&at.child("operator"), operator, &values);
            }
            other => errors.unsupported(&at.child("operator"), other, &["Equal", "Exists"]),
        }
        errors.one_of(&at.child("effect"), effect, &EFFECTS);
    }
}

/// `validateTaintEffect` where an effect must be given.
pub fn taint_effect(effect: &str, path: &Path<'_>, errors: &mut Errors) {
    if effect.is_empty() {
        errors.required(path, "");
    }
    errors.one_of(path, effect, &EFFECTS);
}

/// `validateTopologySpreadConstraints`.
pub fn spread(constraints: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    for (index, constraint) in constraints.iter().enumerate() {
        let at = path.index(index);
        let skew = constraint.int("maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.invalid(&at.child("maxSkew"), skew, "must be greater than zero");
        }
        let key = constraint.text("topologyKey");
        if key.is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        }
        let action = constraint.text("whenUnsatisfiable");
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            let values = ["DoNotSchedule", "ScheduleAnyway"];
            errors.unsupported(&at.child("whenUnsatisfiable"), action, &values);
        }
        let repeated = constraints.iter().skip(index + 1).any(|other| {
            other.text("topologyKey") == key && other.text("whenUnsatisfiable") == action
        });
        if repeated {
            let shown = format!("{{{key}, {action}}}");
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), &shown);
        }
        spread_details(constraint, action, &at, errors);
    }
}

fn spread_details(constraint: &Value<'_>, action: &str, path: &Path<'_>, errors: &mut Errors) {
    if let Some(domains) = constraint.int("minDomains") {
        let at = path.child("minDomains");
        if domains <= 0 {
            errors.invalid(&at, domains, "must be greater than zero");
        }
        if action != "DoNotSchedule" {
            let detail = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ";
            errors.invalid(&at, domains, &format!("{detail}{action}"));
        }
    }
    for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        if let Some(policy) = constraint.get(name).and_then(Value::as_str)
            && !matches!(policy, "Honor" | "Ignore")
        {
            errors.unsupported(&path.child(name), policy, &["Honor", "Ignore"]);
        }
    }
    label_keys(constraint, "matchLabelKeys", path, errors);
    merged_keys(constraint, path, errors);
    let at = path.child("labelSelector");
    selector::label_selector(constraint.get("labelSelector"), &at, errors);
}
