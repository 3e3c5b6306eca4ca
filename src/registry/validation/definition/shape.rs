//! What makes a schema structural (`apiserver/schema/validation.go`).

use super::junctor;
use crate::object::Value;
use crate::object::field::Path;
use crate::object::structural::compile_pattern;
use crate::registry::read::Read as _;
use crate::registry::validation::{Errors, Report as _};

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Item,
    Field,
}

/// True if some part has what no structural schema can have at all; other rules speak of it.
pub(super) fn has_unsupported(schema: &Value<'_>) -> bool {
    const NEVER: [&str; 6] =
        ["id", "$ref", "additionalItems", "patternProperties", "definitions", "dependencies"];
    let several = matches!(schema.get("items"), Some(Value::List(list)) if !list.is_empty());
    several
        || NEVER.iter().any(|name| schema.has(name))
        || below(schema).iter().any(|schema| has_unsupported(schema))
}

/// True if some part names the schema of the schema, which no other rule speaks of.
pub(super) fn names_schema(schema: &Value<'_>) -> bool {
    !schema.text("$schema").is_empty() || below(schema).iter().any(|schema| names_schema(schema))
}

/// Every schema directly below.
fn below<'v, 'a>(schema: &'v Value<'a>) -> Vec<&'v Value<'a>> {
    let mut all: Vec<&Value<'a>> = schema.entries("properties").map(|(_, schema)| schema).collect();
    for name in ["items", "additionalProperties", "not"] {
        all.extend(schema.get(name).filter(|schema| schema.as_map().is_some()));
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        all.extend(schema.items(name));
    }
    all
}

/// Everything that keeps the schema from being structural, sorted.
pub(super) fn check(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut found = Errors::new();
    invariants(schema, Level::Root, path, &mut found);
    junctor::completeness(schema, path, &mut found);
    found.sort_by_cached_key(ToString::to_string);
    errors.append(&mut found);
}

/// Properties in order of their names: upstream's order is random where it is not sorted.
pub(super) fn properties<'v, 'a>(schema: &'v Value<'a>) -> Vec<(&'a str, &'v Value<'a>)> {
    let mut all: Vec<_> = schema.entries("properties").collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    all
}

fn invariants(schema: &Value<'_>, level: Level, path: &Path<'_>, errors: &mut Errors) {
    let kind = schema.text("type");
    let embedded = schema.flag("x-kubernetes-embedded-resource");
    let preserves = schema.flag("x-kubernetes-preserve-unknown-fields");
    let int_or_string = schema.flag("x-kubernetes-int-or-string");
    let items = schema.get("items").filter(|items| items.as_map().is_some());
    if kind == "array" && items.is_none() {
        errors.required(&path.child("items"), "must be specified");
    }
    if let Some(items) = items {
        invariants(items, Level::Item, &path.child("items"), errors);
    }
    for (name, property) in properties(schema) {
        invariants(property, Level::Field, &path.child("properties").key(name), errors);
    }
    if let Some(additional) = schema.get("additionalProperties") {
        let at = path.child("additionalProperties");
        if level == Level::Root {
            errors.forbidden(&at, "must not be used at the root");
        }
        if additional.as_map().is_some() {
            invariants(additional, Level::Field, &at, errors);
        }
    }
    if int_or_string && preserves {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.invalid(&at, true, "must be false if x-kubernetes-int-or-string is true");
    }
    if int_or_string && embedded {
        let at = path.child("x-kubernetes-embedded-resource");
        errors.invalid(&at, true, "must be false if x-kubernetes-int-or-string is true");
    }
    values(schema, path, errors);
    kinds(schema, level, path, errors);
    if embedded && schema.has("additionalProperties") {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&path.child("additionalProperties"), detail);
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.invalid(&path.child("type"), kind, "must be object at the root");
    }
    metadata(schema, level, path, errors);
    if embedded && !preserves && properties(schema).is_empty() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        errors.required(&path.child("properties"), detail);
    }
}

fn kinds(schema: &Value<'_>, level: Level, path: &Path<'_>, errors: &mut Errors) {
    let kind = schema.text("type");
    let free = schema.flag("x-kubernetes-int-or-string")
        || schema.flag("x-kubernetes-preserve-unknown-fields");
    let at = path.child("type");
    if schema.flag("x-kubernetes-embedded-resource") && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        if kind.is_empty() {
            errors.required(&at, detail);
        } else {
            errors.invalid(&at, kind, detail);
        }
    } else if kind.is_empty() && !free {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.required(&at, detail);
    }
}

fn metadata(schema: &Value<'_>, level: Level, path: &Path<'_>, errors: &mut Errors) {
    let checked = level == Level::Root || schema.flag("x-kubernetes-embedded-resource");
    let properties = path.child("properties");
    let property = |name: &str| schema.get("properties").and_then(|all| all.get(name));
    for name in ["kind", "apiVersion"] {
        if let Some(found) =
            property(name).filter(|found| checked && found.text("type") != "string")
        {
            let at = properties.key(name);
            errors.invalid(&at.child("type"), found.text("type"), "must be string");
        }
    }
    let Some(found) = property("metadata") else { return };
    let at = properties.key("metadata");
    if checked && found.text("type") != "object" {
        errors.invalid(&at.child("type"), found.text("type"), "must be object");
    }
    if level != Level::Root {
        return;
    }
    let named =
        found.entries("properties").all(|(name, _)| matches!(name, "name" | "generateName"));
    let others = found.as_map().is_some_and(|map| {
        map.keys().any(|key| !matches!(key, "type" | "properties" | "default" | "description"))
    });
    if !named || others || found.has("description") {
        let detail = "must not specify anything other than name and generateName, but metadata is \
                      implicitly specified";
        errors.forbidden(&at, detail);
    }
}

/// The value validations of a node and what stands in its junctors.
pub(super) fn values(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let skip_any = is_int_or_string(schema.items("anyOf"));
    let first = schema.items("allOf").first();
    let skip_first = first.is_some_and(|first| is_int_or_string(first.items("anyOf")));
    nested(schema, (skip_any, skip_first), path, errors);
}

/// The junctors of a node; `skips`: its `anyOf`, and that of its first `allOf`, are the two shapes
/// of a number or a string.
fn nested(schema: &Value<'_>, skips: (bool, bool), path: &Path<'_>, errors: &mut Errors) {
    if !skips.0 {
        each(schema, "anyOf", path, errors, |_| false);
    }
    each(schema, "allOf", path, errors, |at| skips.1 && at == 0);
    each(schema, "oneOf", path, errors, |_| false);
    if let Some(not) = schema.get("not") {
        forbidden(not, false, &path.child("not"), errors);
    }
    let pattern = schema.text("pattern");
    if !pattern.is_empty()
        && let Err(why) = compile_pattern(pattern)
    {
        let detail =
            format!("must be a valid regular expression, but isn't: error parsing regexp: {why}");
        errors.invalid(&path.child("pattern"), pattern, &detail);
    }
}

fn each(
    schema: &Value<'_>,
    name: &'static str,
    path: &Path<'_>,
    errors: &mut Errors,
    skips: impl Fn(usize) -> bool,
) {
    let path = path.child(name);
    for (at, below) in schema.items(name).iter().enumerate() {
        forbidden(below, skips(at), &path.index(at), errors);
    }
}

/// What may not stand below a junctor (`validateNestedValueValidation`).
fn forbidden(schema: &Value<'_>, skip_any: bool, path: &Path<'_>, errors: &mut Errors) {
    nested(schema, (skip_any, false), path, errors);
    if let Some(items) = schema.get("items") {
        forbidden(items, false, &path.child("items"), errors);
    }
    for (name, property) in properties(schema) {
        forbidden(property, false, &path.child("properties").key(name), errors);
    }
    let mut say = |name: &'static str, detail: &str| errors.forbidden(&path.child(name), detail);
    if schema.has("type") && !schema.text("type").is_empty() {
        say("type", "must be empty to be structural");
    }
    for name in ["additionalProperties", "default"] {
        if schema.has(name) {
            say(name, "must be undefined to be structural");
        }
    }
    for name in ["title", "description"] {
        if !schema.text(name).is_empty() {
            say(name, "must be empty to be structural");
        }
    }
    for name in [
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
    ] {
        if schema.flag(name) {
            say(name, "must be false to be structural");
        }
    }
    if !schema.items("x-kubernetes-list-map-keys").is_empty() {
        say("x-kubernetes-list-map-keys", "must be empty to be structural");
    }
    for name in ["x-kubernetes-list-type", "x-kubernetes-map-type"] {
        if schema.has(name) {
            say(name, "must be undefined to be structural");
        }
    }
    if !schema.items("x-kubernetes-validations").is_empty() {
        say("x-kubernetes-validations", "must be empty to be structural");
    }
    if schema.get("properties").is_some_and(|properties| properties.has("metadata")) {
        let detail = "must not be specified in a nested context";
        errors.forbidden(&path.child("properties").key("metadata"), detail);
    }
}

/// `anyOf: [{type: integer}, {type: string}]` and nothing else.
fn is_int_or_string(any_of: &[Value<'_>]) -> bool {
    let only = |schema: &Value<'_>, kind: &str| {
        schema.text("type") == kind && schema.as_map().is_some_and(|map| map.len() == 1)
    };
    matches!(any_of, [first, second] if only(first, "integer") && only(second, "string"))
}
