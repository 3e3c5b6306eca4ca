//! Pod templates and the selectors that go with them.

use super::pod_spec::{self, Owner};
use super::{Errors, Report as _, Verbatim, format, go_form, metadata, pod, profile, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

/// `ValidatePodTemplateSpec`.
pub fn template(template: &Value<'_>, scope: &Scope<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    labels(template, path, errors);
    let null = Value::Null;
    let spec = template.get("spec").unwrap_or(&null);
    let notes = template.at(&["metadata", "annotations"]);
    let owner = Owner { name: "", is_pod: false, privileged_allowed: scope.allow_privileged };
    let at = path.child("spec");
    pod_spec::spec(spec, owner, &at, errors);
    if let Some(notes) = notes {
        profile::agree(notes, spec, &at, errors);
    }
    if !spec.items("ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        errors.forbidden(&at.child("ephemeralContainers"), detail);
    }
}

/// Labels and annotations of a template, which upstream finds without `metadata` in the path.
pub fn labels(template: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(meta) = template.get("metadata") else { return };
    selector::labels(meta.get("labels"), &path.child("labels"), errors);
    let notes = meta.get("annotations");
    metadata::annotations(notes, &path.child("annotations"), errors);
    if let Some(notes) = notes {
        let spec = template.get("spec").unwrap_or(&Value::Null);
        pod::annotations(notes, spec, &path.child("annotations"), errors);
    }
}

/// What a long-running kind asks of its template besides: pods that restart for ever.
pub fn restarts(template: &Value<'_>, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let spec = path.child("spec");
    let policy = template.str_at(&["spec", "restartPolicy"]);
    if policy != "Always" {
        errors.unsupported(&spec.child("restartPolicy"), policy, &["Always"]);
    }
    if template.at(&["spec", "activeDeadlineSeconds"]).is_some() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&spec.child("activeDeadlineSeconds"), &detail);
    }
}

/// A selector must be given and must ask for something; `kind` in lower case.
pub fn needed_selector(spec: &Value<'_>, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("selector");
    match spec.get("selector") {
        None => errors.required(&at, ""),
        Some(found) => {
            selector::label_selector(Some(found), &at, errors);
            not_empty(found, kind, &at, errors);
        }
    }
}

/// An error if the selector selects everything.
pub fn not_empty(found: &Value<'_>, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    if selector::is_empty(found) {
        let detail = format!("empty selector is invalid for {kind}");
        errors.invalid(path, Verbatim(&shown(Some(found))), &detail);
    }
}

/// A selector as Go's JSON shows it.
pub fn shown(selector: Option<&Value<'_>>) -> String {
    match selector {
        None => "null".to_owned(),
        Some(_) => go_form::compact(selector, "meta.v1.LabelSelector"),
    }
}

/// An error if the labels of `template` do not meet `selector`. A missing selector is met by none,
/// an empty one says nothing.
pub fn match_labels(
    selector: Option<&Value<'_>>,
    template: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let labels = template.at(&["metadata", "labels"]);
    if selector.is_none_or(|selector| !selector::matches(selector, labels)) {
        let detail = "`selector` does not match template `labels`";
        let shown = go_form::plain(labels);
        errors.invalid(&path.child("metadata").child("labels"), Verbatim(&shown), detail);
    }
}

/// `ValidatePositiveIntOrPercent`.
pub fn int_or_percent(value: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Some(Value::Str(text)) => errors.messages(path, text, format::percent(text)),
        Some(other) => errors.non_negative(path, other.as_i64()),
        None => {}
    }
}

/// `IsNotMoreThan100Percent`.
pub fn at_most_all(value: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(Value::Str(text)) = value
        && format::percent(text).is_empty()
        && percent(text) > 100
    {
        errors.invalid(path, *text, "must not be greater than 100%");
    }
}

fn percent(text: &str) -> i64 {
    let digits = text.strip_suffix('%').filter(|_| format::percent(text).is_empty());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// `getIntOrPercentValue`: 0 for what is neither.
pub fn int_or_percent_value(value: Option<&Value<'_>>) -> i64 {
    match value {
        Some(Value::Str(text)) if text.ends_with('%') => percent(text),
        Some(Value::Str(text)) => text.parse().unwrap_or(0),
        Some(other) => other.as_i64().unwrap_or(0),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::int_or_percent_value;
    use crate::object::Value;

    #[test]
    fn a_percentage_below_zero_is_none() {
        let value = |text| int_or_percent_value(Some(&Value::Str(text)));
        assert_eq!([value("25%"), value("-5%"), value("x"), value("")], [25, 0, 0, 0]);
    }
}
