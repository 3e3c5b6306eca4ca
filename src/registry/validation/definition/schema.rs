//! Rules of single schema nodes (`ValidateCustomResourceDefinitionOpenAPISchema`).

use super::is_field_path;
use super::shape::properties;
use crate::object::Value;
use crate::object::field::{FieldError, Path};
use crate::registry::read::Read as _;
use crate::registry::validation::{Errors, Report as _, Verbatim, go_form};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What the nodes above a node forbid it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    root: bool,
    in_metadata: bool,
    /// Why no default may be set; "" if one may.
    no_default: &'static str,
}

impl Default for Scope {
    fn default() -> Self {
        Self { root: true, in_metadata: false, no_default: "" }
    }
}

/// Checks a node and all below.
pub(super) fn check(schema: &Value<'_>, path: &Path<'_>, scope: Scope, errors: &mut Errors) {
    unsupported(schema, path, scope, errors);
    if schema.flag("uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes \
                      quadratic";
        errors.forbidden(&path.child("uniqueItems"), detail);
    }
    let inner = Scope { root: false, ..scope };
    if let Some(additional) = schema.get("additionalProperties") {
        let at = path.child("additionalProperties");
        let allows_all = matches!(additional, Value::Bool(true));
        if !properties(schema).is_empty() && !allows_all {
            let detail = "additionalProperties and properties are mutual exclusive";
            errors.forbidden(&at, detail);
        }
        if additional.as_map().is_some() {
            let mut inner = inner;
            if scope.in_metadata {
                inner.no_default = "inside additionalProperties applying to object metadata";
            }
            check(additional, &at, inner, errors);
        }
    }
    for (name, property) in properties(schema) {
        let mut inner = inner;
        let resource = scope.root || schema.flag("x-kubernetes-embedded-resource");
        if resource && matches!(name, "apiVersion" | "kind" | "metadata") {
            inner.in_metadata = true;
            if scope.root {
                inner.no_default = match name {
                    "apiVersion" => "in top-level apiVersion",
                    "kind" => "in top-level kind",
                    _ => "in top-level metadata",
                };
            }
        }
        check(property, &path.child("properties").key(name), inner, errors);
    }
    if let Some(not) = schema.get("not") {
        check(not, &path.child("not"), inner, errors);
    }
    for name in ["allOf", "oneOf", "anyOf"] {
        let at = path.child(name);
        for (index, below) in schema.items(name).iter().enumerate() {
            check(below, &at.index(index), inner, errors);
        }
    }
    match schema.get("items") {
        Some(Value::List(list)) => {
            let at = path.child("items");
            for (index, below) in list.iter().enumerate() {
                check(below, &at.index(index), inner, errors);
            }
        }
        Some(items) => check(items, &path.child("items"), inner, errors),
        None => {}
    }
    if schema.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool) == Some(false) {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.invalid(&at, false, "must be true or undefined");
    }
    merge_types(schema, path, errors);
    map_keys(schema, path, errors);
    rules(schema, path, errors);
}

fn unsupported(schema: &Value<'_>, path: &Path<'_>, scope: Scope, errors: &mut Errors) {
    let kind = schema.text("type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.unsupported(&path.child("type"), kind, &TYPES);
    }
    let has_default = schema.as_map().is_some_and(|map| map.get("default").is_some());
    if has_default && !scope.no_default.is_empty() {
        let detail = format!("must not be set {}", scope.no_default);
        errors.forbidden(&path.child("default"), &detail);
    }
    for (name, text) in [
        ("id", "id is not supported"),
        ("additionalItems", "additionalItems is not supported"),
        ("patternProperties", "patternProperties is not supported"),
        ("definitions", "definitions is not supported"),
        ("dependencies", "dependencies is not supported"),
        ("$ref", "$ref is not supported"),
    ] {
        if schema.has(name) {
            errors.forbidden(&path.child(name), text);
        }
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.forbidden(&path.child("type"), detail);
    }
    if matches!(schema.get("items"), Some(Value::List(list)) if !list.is_empty()) {
        let detail = "items must be a schema object and not an array";
        errors.forbidden(&path.child("items"), detail);
    }
    if scope.in_metadata && schema.flag("x-kubernetes-embedded-resource") {
        let at = path.child("x-kubernetes-embedded-resource");
        errors.forbidden(&at, "must not be used inside of resource meta");
    }
}

/// `x-kubernetes-map-type` and `x-kubernetes-list-type`.
fn merge_types(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let kind = schema.text("type");
    let wrong_kind = |name: &str, wanted: &str, errors: &mut Errors| {
        let detail = format!("must be {wanted} if {name} is specified");
        if kind.is_empty() {
            errors.required(&path.child("type"), &detail);
        } else {
            errors.invalid(&path.child("type"), kind, &detail);
        }
    };
    let (map_name, list_name) = ("x-kubernetes-map-type", "x-kubernetes-list-type");
    if schema.has(map_name) {
        if kind != "object" {
            wrong_kind(map_name, "object", errors);
        }
        errors.one_of_given(&path.child(map_name), schema.get(map_name), &["atomic", "granular"]);
    }
    let list = schema.text(list_name);
    if schema.has(list_name) && kind != "array" {
        wrong_kind(list_name, "array", errors);
    } else if list == "set"
        && let Some(items) = schema.get("items")
    {
        let at = path.child("items");
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let null = &Value::Null;
        let own = items.get(list_name).unwrap_or(null);
        if items.text("type") == "array" && !matches!(items.text(list_name), "" | "atomic") {
            errors.invalid(&at.child(list_name), own, detail);
        }
        if items.text("type") == "object" && items.text(map_name) != "atomic" {
            errors.invalid(&at.child(map_name), own, detail);
        }
    }
    let lists = ["atomic", "set", "map"];
    errors.one_of_given(&path.child(list_name), schema.get(list_name), &lists);
}

/// `x-kubernetes-list-map-keys`.
fn map_keys(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (list_name, keys_name) = ("x-kubernetes-list-type", "x-kubernetes-list-map-keys");
    let (list, keys) = (schema.text(list_name), schema.items(keys_name));
    if !keys.is_empty() && list != "map" {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        if schema.has(list_name) {
            errors.invalid(&path.child(list_name), list, detail);
        } else {
            errors.required(&path.child(list_name), detail);
        }
    }
    if list == "map" {
        if keys.is_empty() {
            let detail = "must not be empty if x-kubernetes-list-type is map";
            errors.required(&path.child(keys_name), detail);
        }
        match schema.get("items") {
            None => {
                let detail = "must have a schema if x-kubernetes-list-type is map";
                errors.required(&path.child("items"), detail);
            }
            Some(items) if items.text("type") != "object" => {
                let at = path.child("items");
                let detail = "must be object if parent array's x-kubernetes-list-type is map";
                errors.invalid(&at.child("type"), items.text("type"), detail);
            }
            Some(items) => item_keys(schema, items, path, errors),
        }
    }
    let Some(items) = schema.get("items").filter(|_| matches!(list, "map" | "set")) else { return };
    let at = path.child("items");
    if items.flag("nullable") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list}");
        errors.forbidden(&at.child("nullable"), &detail);
    }
    if list != "map" {
        return;
    }
    for key in schema.texts(keys_name) {
        let Some(property) = items.get("properties").and_then(|all| all.get(key)) else { continue };
        let all = at.child("properties");
        let at = all.key(key);
        let required = items.texts("required").any(|name| name == key);
        if !required && !property.has("default") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a \
                          default or be a required property";
            errors.required(&at.child("default"), detail);
        }
        if property.flag("nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&at.child("nullable"), detail);
        }
    }
}

fn item_keys(schema: &Value<'_>, items: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let keys_name = "x-kubernetes-list-map-keys";
    let shown = go_form::plain(schema.get(keys_name));
    let mut seen: Vec<&str> = Vec::new();
    for key in schema.texts(keys_name) {
        match items.get("properties").and_then(|all| all.get(key)) {
            Some(property) if matches!(property.text("type"), "array" | "object") => {
                let detail =
                    "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let at = path.child("items").child("properties").key(key).child("type").to_string();
                errors.push(FieldError::invalid(&Path::root(&at), items.text("type"), detail));
            }
            Some(_) => {}
            None => {
                let detail = "entries must all be names of item properties";
                errors.invalid(&path.child(keys_name), Verbatim(&shown), detail);
            }
        }
        if seen.contains(&key) {
            let detail = "must not contain duplicate entries";
            errors.invalid(&path.child(keys_name), Verbatim(&shown), detail);
        }
        seen.push(key);
    }
}

/// The forms of `x-kubernetes-validations`.
fn rules(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("x-kubernetes-validations");
    let breaks = |text: &str| text.contains(['\n', '\r']);
    for (index, rule) in schema.items("x-kubernetes-validations").iter().enumerate() {
        let at = path.index(index);
        let (text, message) = (rule.text("rule").trim(), rule.text("message"));
        if text.is_empty() {
            errors.required(&at.child("rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.invalid(&at.child("message"), message, "must be non-empty if specified");
        } else if breaks(message.trim()) {
            errors.invalid(&at.child("message"), message, "must not contain line breaks");
        } else if breaks(text) && message.trim().is_empty() {
            let detail = "message must be specified if rule contains line breaks";
            errors.required(&at.child("message"), detail);
        }
        let expression = rule.text("messageExpression");
        if !expression.is_empty() && expression.trim().is_empty() {
            let detail = "messageExpression must be non-empty if specified";
            errors.required(&at.child("messageExpression"), detail);
        }
        errors.one_of_given(&at.child("reason"), rule.get("reason"), &REASONS);
        let field = rule.text("fieldPath");
        if field.is_empty() {
            continue;
        }
        let at = at.child("fieldPath");
        if field.trim().is_empty() {
            errors.invalid(&at, field, "must be non-empty if specified");
        }
        if breaks(field) {
            errors.invalid(&at, field, "must not contain line breaks");
        }
        if !is_field_path(schema, field) {
            errors.invalid(&at, field, "must be a valid path");
        }
    }
}
