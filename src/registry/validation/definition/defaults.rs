//! Defaults must be valid by the schema that they stand in (`apiserver/schema/defaulting`).

use super::shape::properties;
use crate::catalog::catalog;
use crate::object::Value;
use crate::object::field::Path;
use crate::object::structural::{self, Schema};
use crate::registry::validation::{Errors, Report as _};
use bumpalo::Bump;

/// Checks all defaults of a schema.
pub(super) fn check(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (name, property) in properties(schema) {
        // Defaults of these are not allowed, which is said elsewhere.
        if !matches!(name, "apiVersion" | "kind" | "metadata") {
            walk(property, &path.child("properties").key(name), errors);
        }
    }
}

fn walk(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(default) = schema.as_map().and_then(|map| map.get("default")) {
        one(schema, default, &path.child("default"), errors);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &path.child("items"), errors);
    }
    for (name, property) in properties(schema) {
        walk(property, &path.child("properties").key(name), errors);
    }
    let additional = schema.get("additionalProperties");
    if let Some(additional) = additional.filter(|schema| schema.as_map().is_some()) {
        walk(additional, &path.child("additionalProperties"), errors);
    }
}

fn one(schema: &Value<'_>, default: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let Some(metadata) = catalog().type_named(name) else { return };
    let compiled = Schema::compile(schema, metadata);
    let arena = Bump::new();
    let mut pruned = default.copy_in(&arena);
    if structural::prune_part(&mut pruned, &compiled) {
        errors.invalid(path, default, "must not have unknown fields");
    }
    errors.extend(structural::check(Some(&path.to_string()), default, &compiled));
}
