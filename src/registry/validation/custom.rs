//! Custom resources against their schema (`registry/customresource`, strategy and validator).

use super::{Errors, Report as _, embedded, rules};
use crate::catalog::custom::CustomVersion;
use crate::object::Value;
use crate::object::content;
use crate::object::field::{ErrorKind, FieldError, Path};
use crate::object::structural;
use crate::registry::strategy::Scope;

/// A new object.
pub fn create(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let Some(version) = scope.custom else { return };
    errors.extend(structural::check(None, object, version.schema));
    scale(object, version, true, errors);
    resources(object, version, errors);
    structural::check_lists(object, version.schema, errors);
    validations(object, None, version, errors);
}

/// An object that replaces another: what is wrong and did not change stays allowed.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let Some(version) = scope.custom else { return };
    errors.extend(structural::check_update(None, new, Some(old), version.schema));
    scale(new, version, true, errors);
    // What was wrong before is no better here.
    resources(new, version, errors);
    lists(new, old, version, errors);
    validations(new, Some(old), version, errors);
}

/// A changed status.
pub fn status(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let Some(version) = scope.custom else { return };
    let schema = version.schema.property("status");
    let member =
        |object: &Value<'_>| object.as_map().is_some_and(|map| map.get("status").is_some());
    if let (Some(schema), true) = (schema, member(new)) {
        let null = Value::Null;
        let status = new.get("status").unwrap_or(&null);
        errors.extend(structural::check_update(Some("status"), status, old.get("status"), schema));
    }
    scale(new, version, false, errors);
    lists(new, old, version, errors);
    validations(new, Some(old), version, errors);
}

/// Finalizers that may clash with those of others.
pub fn warn(new: &Value<'_>, old: Option<&Value<'_>>, _: &str, warnings: &mut Vec<String>) {
    const STANDARD: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];
    fn names<'a>(object: &Value<'a>) -> Vec<&'a str> {
        let list = object.list_at(&["metadata", "finalizers"]);
        list.iter().filter_map(Value::as_str).collect()
    }
    let known = old.map(names).unwrap_or_default();
    let mut added: Vec<&str> = names(new).into_iter().filter(|n| !known.contains(n)).collect();
    added.sort_unstable();
    added.dedup();
    for name in added {
        let said = format!("metadata.finalizers: {name:?}");
        for text in content::label_key_errors(name) {
            warnings.push(format!("{said}: {text}"));
        }
        if name.contains('/') || STANDARD.contains(&name) {
            continue;
        }
        let path = if name.contains('.') { " including a path (/)" } else { "" };
        warnings.push(format!(
            "{said}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts \
             with other finalizer writers"
        ));
    }
}

/// The resources within.
fn resources(object: &Value<'_>, version: &CustomVersion, errors: &mut Errors) {
    if version.schema.has_embedded() {
        embedded::check(object, version.schema, None, errors);
    }
}

/// Items that stand twice, unless they did before.
fn lists(new: &Value<'_>, old: &Value<'_>, version: &CustomVersion, errors: &mut Errors) {
    let mut before = Errors::new();
    structural::check_lists(old, version.schema, &mut before);
    if before.is_empty() {
        structural::check_lists(new, version.schema, errors);
    }
}

/// The numbers that the scale subresource shows.
fn scale(object: &Value<'_>, version: &CustomVersion, spec: bool, errors: &mut Errors) {
    let Some(scale) = &version.scale else { return };
    let paths = [(spec, &scale.spec), (true, &scale.status)];
    for (_, path) in paths.into_iter().filter(|(wanted, _)| *wanted) {
        let name = format!(".{}", path.join("."));
        let at = Path::root(&name);
        match find(object, path) {
            Ok(None) => {}
            Ok(Some(Value::Int(number))) if *number < 0 => {
                errors.invalid(&at, *number, "should be a non-negative integer");
            }
            Ok(Some(Value::Int(number))) if *number > i64::from(i32::MAX) => {
                let detail = format!("should be less than or equal to {}", i32::MAX);
                errors.invalid(&at, *number, &detail);
            }
            Ok(Some(Value::Int(_))) => {}
            Ok(Some(other)) => {
                let text = accessor_error(path, other, "int64");
                errors.invalid(&at, 0_i64, &text);
            }
            Err(text) => errors.invalid(&at, 0_i64, &text),
        }
    }
    if scale.selector.is_empty() {
        return;
    }
    let name = format!(".{}", scale.selector.join("."));
    match find(object, &scale.selector) {
        Ok(None | Some(Value::Str(_))) => {}
        Ok(Some(other)) => {
            let text = accessor_error(&scale.selector, other, "string");
            errors.invalid(&Path::root(&name), "", &text);
        }
        Err(text) => errors.invalid(&Path::root(&name), "", &text),
    }
}

/// `unstructured.NestedFieldNoCopy`.
fn find<'v, 'a>(
    object: &'v Value<'a>,
    path: &[&'static str],
) -> Result<Option<&'v Value<'a>>, String> {
    let mut value = object;
    for (at, name) in path.iter().enumerate() {
        let Value::Map(map) = value else {
            let walked = path.get(..=at).unwrap_or_default();
            let found = go_value(value);
            let text = format!(
                ".{} accessor error: {found}, expected map[string]interface{{}}",
                walked.join(".")
            );
            return Err(text);
        };
        match map.get(name) {
            None => return Ok(None),
            Some(next) => value = next,
        }
    }
    Ok(Some(value))
}

fn accessor_error(path: &[&'static str], value: &Value<'_>, wanted: &str) -> String {
    format!(".{} accessor error: {}, expected {wanted}", path.join("."), go_value(value))
}

fn go_value(value: &Value<'_>) -> String {
    let kind = match value {
        Value::Null => return "<nil> is of the type <nil>".into(),
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::Str(_) | Value::Raw(_) => "string",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
    };
    format!("{} is of the type {kind}", crate::object::go_text::GoText(value))
}

/// Rules of `x-kubernetes-validations`: they are judged only for an object that is otherwise fine.
fn validations(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    version: &CustomVersion,
    errors: &mut Errors,
) {
    if !version.schema.has_validations() {
        return;
    }
    let blocks = |error: &FieldError| {
        matches!(
            error.kind,
            ErrorKind::NotSupported
                | ErrorKind::Required
                | ErrorKind::TooLong
                | ErrorKind::TooMany
                | ErrorKind::TypeInvalid
        )
    };
    if errors.iter().any(blocks) {
        let detail = "some validation rules were not checked because the object was invalid; \
                      correct the existing errors to complete validation";
        errors.invalid(&Path::root("<nil>"), &Value::Null, detail);
        return;
    }
    rules::check(object, old, version.schema, errors);
}
