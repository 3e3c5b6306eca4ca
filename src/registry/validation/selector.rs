//! `metav1.LabelSelector` and labels (`apimachinery apis/meta/v1/validation`).

use super::{Errors, Report as _, format};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

/// `ValidateLabels`: `labels` is the map, `None` if there is none.
pub fn labels(labels: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(labels) = labels.and_then(Value::as_map) else { return };
    for (key, value) in labels.iter() {
        errors.messages(path, key, format::label_key(key));
        let value = value.as_str().unwrap_or("");
        errors.messages(path, value, format::label_value(value));
    }
}

/// `ValidateLabelSelector`.
pub fn label_selector(selector: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(selector) = selector else { return };
    labels(selector.get("matchLabels"), &path.child("matchLabels"), errors);
    let expressions = path.child("matchExpressions");
    for (index, expression) in selector.items("matchExpressions").iter().enumerate() {
        requirement(expression, false, &expressions.index(index), errors);
    }
}

/// `ValidateLabelSelectorRequirement`; with `unknown`, operators that are not known here may be
/// known to others.
pub fn requirement(expression: &Value<'_>, unknown: bool, path: &Path<'_>, errors: &mut Errors) {
    let operator = expression.text("operator");
    let values = expression.items("values");
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.required(&path.child("values"), detail);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&path.child("values"), detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ if unknown => {}
        _ => errors.invalid(&path.child("operator"), operator, "not a valid selector operator"),
    }
    let key = expression.text("key");
    errors.messages(&path.child("key"), key, format::label_key(key));
    for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
        errors.messages(&path.child("values").index(index), value, format::label_value(value));
    }
}

/// True if the selector names no requirement at all.
pub fn is_empty(selector: &Value<'_>) -> bool {
    selector.get("matchLabels").is_none_or(Value::is_empty)
        && selector.items("matchExpressions").is_empty()
}

/// True if the selector turns into requirements (`LabelSelectorAsSelector` gives no error).
pub fn is_valid(selector: &Value<'_>) -> bool {
    let mut errors = Errors::new();
    label_selector(Some(selector), &Path::root(""), &mut errors);
    errors.is_empty()
}

/// True if `labels` meet `selector`; a selector with no requirement is met by all.
pub fn matches(selector: &Value<'_>, labels: Option<&Value<'_>>) -> bool {
    let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
    selector.entries("matchLabels").all(|(key, value)| label(key) == value.as_str())
        && selector.items("matchExpressions").iter().all(|expression| {
            let found = label(expression.text("key"));
            let listed =
                || found.is_some_and(|found| expression.texts("values").any(|v| v == found));
            match expression.text("operator") {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}
