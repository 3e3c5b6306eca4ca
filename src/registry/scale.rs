//! The `scale` subresource: an `autoscaling/v1` Scale made from, and carried over to, an object
//! with `spec.replicas` (`pkg/registry/apps/*/storage`, `scaleFromDeployment` and its siblings).

use super::change::typed;
use super::meta;
use super::validation::{format, metadata};
use crate::catalog::Resource;
use crate::catalog::custom::ScalePaths;
use crate::object::field::{FieldError, Path};
use crate::object::{Map, Value};
use crate::request::{Fault, Result, Subject};
use bumpalo::Bump;
use std::fmt::Write as _;

/// The Scale of `object`.
///
/// # Errors
/// 500 for a custom resource whose `specReplicasPath` leads nowhere.
pub fn of<'a>(resource: &Resource, object: &Value<'_>, arena: &'a Bump) -> Result<Value<'a>> {
    if let Some(paths) = resource.custom.and_then(|custom| custom.scale.as_ref())
        && object.i64_at(&paths.spec).is_none()
    {
        let path = paths.spec.join(".");
        return Err(Fault::Internal(format!("the spec replicas field \".{path}\" does not exist")));
    }
    Ok(of_written(resource, object, arena))
}

/// Stands for replicas that are not there, until a client tells how many (`invalidSpecReplicas`).
const NO_REPLICAS: i64 = -2_147_483_648;

/// As [`of`], of an object whose Scale is written: [`check_told`] says what is missing.
pub fn of_written<'a>(resource: &Resource, object: &Value<'_>, arena: &'a Bump) -> Value<'a> {
    if let Some(paths) = resource.custom.and_then(|custom| custom.scale.as_ref()) {
        return of_custom(paths, object, arena);
    }
    let mut scale = typed("Scale", "autoscaling/v1", arena);
    let metadata = scale.entry_map("metadata");
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.at(&["metadata", field]) {
            metadata.push_unique(field, value.copy_in(arena));
        }
    }
    let replicas = object.i64_at(&["spec", "replicas"]).unwrap_or(0);
    let spec = scale.entry_map("spec");
    if replicas != 0 {
        spec.push_unique("replicas", Value::Int(replicas));
    }
    let status = scale.entry_map("status");
    let current = object.i64_at(&["status", "replicas"]).unwrap_or(0);
    status.push_unique("replicas", Value::Int(current));
    let selector = object.at(&["spec", "selector"]).and_then(Value::as_map);
    let text = match selector {
        Some(map) if resource.group.is_empty() => equality_text(map),
        Some(map) => selector_text(map),
        None => String::new(),
    };
    if !text.is_empty() {
        status.push_unique("selector", Value::str_in(&text, arena));
    }
    Value::Map(scale)
}

/// The Scale of a custom resource (`scaleFromCustomResource`).
fn of_custom<'a>(paths: &ScalePaths, object: &Value<'_>, arena: &'a Bump) -> Value<'a> {
    let replicas = object.i64_at(&paths.spec).unwrap_or(NO_REPLICAS);
    let mut scale = typed("Scale", "autoscaling/v1", arena);
    let metadata = scale.entry_map("metadata");
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.at(&["metadata", field]) {
            metadata.push_unique(field, value.copy_in(arena));
        }
    }
    let spec = scale.entry_map("spec");
    if replicas != 0 {
        spec.push_unique("replicas", Value::Int(replicas));
    }
    let status = scale.entry_map("status");
    let current = object.i64_at(&paths.status).unwrap_or(0);
    status.push_unique("replicas", Value::Int(current));
    let selector = object.str_at(&paths.selector);
    if !paths.selector.is_empty() && !selector.is_empty() {
        status.push_unique("selector", Value::str_in(selector, arena));
    }
    Value::Map(scale)
}

/// The replicas of a custom resource that had none must be told.
///
/// # Errors
/// 400 if they are not.
pub fn check_told(resource: &Resource, scale: &Value<'_>) -> Result<()> {
    let paths = resource.custom.and_then(|custom| custom.scale.as_ref());
    match (paths, scale.i64_at(&["spec", "replicas"])) {
        (Some(paths), Some(NO_REPLICAS)) => {
            let path = paths.spec.join(".");
            Err(Fault::BadRequest(format!("the spec replicas field \".{path}\" cannot be empty")))
        }
        _ => Ok(()),
    }
}

/// A Scale must name its object and may not be negative; its metadata is held to the rules of all
/// (`ValidateScale`).
///
/// # Errors
/// 422 for negative replicas and bad metadata, 400 for another name.
pub fn check(resource: &Resource, scale: &Value<'_>, name: &str) -> Result<()> {
    let own = meta::name(scale);
    if !own.is_empty() && own != name {
        return Err(Fault::BadRequest(format!(
            "the name of the object ({own}) does not match the name on the URL ({name})"
        )));
    }
    // That of a custom resource is checked where it stands.
    if resource.custom.is_some() {
        return Ok(());
    }
    let mut errors = Vec::new();
    metadata::create(scale, true, &format::dns_subdomain, &mut errors);
    let replicas = scale.i64_at(&["spec", "replicas"]).unwrap_or(0);
    if replicas < 0 {
        let (spec, text) = (Path::root("spec"), "must be greater than or equal to 0");
        errors.push(FieldError::invalid(&spec.child("replicas"), replicas, text));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let subject =
        Subject { group: "autoscaling".into(), resource: "Scale".into(), name: name.into() };
    Err(Fault::Invalid { subject, errors })
}

/// `a=b,c=d` with sorted keys.
fn equality_text(map: &Map<'_>) -> String {
    let mut pairs: Vec<(&str, &str)> =
        map.iter().filter_map(|(key, value)| Some((key, value.as_str()?))).collect();
    pairs.sort_unstable();
    let mut text = String::new();
    for (key, value) in pairs {
        let _ = write!(text, "{}{key}={value}", if text.is_empty() { "" } else { "," });
    }
    text
}

/// A LabelSelector as a query would write it, requirements in key order.
fn selector_text(map: &Map<'_>) -> String {
    let mut terms: Vec<(String, String)> = Vec::new();
    if let Some(labels) = map.get("matchLabels").and_then(Value::as_map) {
        for (key, value) in labels.iter() {
            let value = value.as_str().unwrap_or("");
            terms.push((key.to_owned(), format!("{key}={value}")));
        }
    }
    let expressions = map.get("matchExpressions").and_then(Value::as_list);
    for expression in expressions.into_iter().flatten() {
        let key = expression.str_at(&["key"]);
        let mut values: Vec<&str> =
            expression.list_at(&["values"]).iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match expression.str_at(&["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort();
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_scale_is_invalid() {
        let arena = Bump::new();
        let mut scale = Map::new_in(&arena);
        scale.entry_map("spec").insert("replicas", Value::Int(-1));
        let resource = crate::catalog::catalog().resource("apps", "v1", "deployments").unwrap();
        let refused = check(resource, &Value::Map(scale), "web");
        assert!(matches!(refused, Err(Fault::Invalid { .. })));
    }

    #[test]
    fn selectors_are_written_in_key_order() {
        let arena = Bump::new();
        let mut map = Map::new_in(&arena);
        let labels = map.entry_map("matchLabels");
        labels.insert("b", Value::Str("2"));
        labels.insert("a", Value::Str("1"));
        assert_eq!(selector_text(&map), "a=1,b=2");
    }

    #[test]
    fn replicas_that_are_not_there_must_be_told() {
        let arena = Bump::new();
        let paths = ScalePaths {
            spec: vec!["spec", "n"],
            status: vec!["status", "n"],
            selector: Vec::new(),
        };
        let scale = of_custom(&paths, &Value::map_in(&arena), &arena);
        assert_eq!(scale.i64_at(&["spec", "replicas"]), Some(NO_REPLICAS));
        assert_eq!(scale.i64_at(&["status", "replicas"]), Some(0));
    }
}
