//! Defaults must be valid by the schema that they stand in (`apiserver/schema/defaulting`).

use super::shape::properties;
use crate::catalog::catalog;
use crate::codec::json;
use crate::object::Value;
use crate::object::field::Path;
use crate::object::schema::Type;
use crate::object::structural::{self, Schema};
use crate::registry::read::Read as _;
use crate::registry::validation::{Errors, Report as _, embedded, rules};
use bumpalo::Bump;

/// Checks all defaults of a schema: the root is a resource.
pub(super) fn check(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let Some(metadata) = catalog().type_named(name) else { return };
    let at = At { path, resource: true, in_metadata: false, metadata };
    walk(schema, at, errors);
}

/// True if some part of a schema has a default (`schemaHasDefaults`).
pub(in crate::registry::validation) fn any(schema: &Value<'_>) -> bool {
    let nested = ["allOf", "anyOf", "oneOf"];
    schema.as_map().is_some_and(|map| map.get("default").is_some())
        || ["items", "additionalProperties", "not"]
            .iter()
            .filter_map(|name| schema.get(name))
            .any(any)
        || properties(schema).iter().any(|(_, below)| any(below))
        || nested.iter().any(|name| schema.items(name).iter().any(any))
}

#[derive(Clone, Copy)]
struct At<'p> {
    path: &'p Path<'p>,
    /// A resource stands here.
    resource: bool,
    /// Below the metadata of one.
    in_metadata: bool,
    metadata: &'static Type,
}

/// Defaults below `additionalProperties` are not looked at.
fn walk(schema: &Value<'_>, at: At<'_>, errors: &mut Errors) {
    let resource = at.resource || schema.flag("x-kubernetes-embedded-resource");
    let at = At { resource, in_metadata: at.in_metadata && !resource, ..at };
    let default = schema.as_map().and_then(|map| map.get("default"));
    if let Some(default) = default.filter(|default| !default.is_null()) {
        one(schema, default, at, errors);
    }
    if let Some(items) = schema.get("items") {
        let path = at.path.child("items");
        walk(items, At { path: &path, resource: false, ..at }, errors);
    }
    for (name, property) in properties(schema) {
        let head = matches!(name, "apiVersion" | "kind" | "metadata");
        let path = at.path.child("properties");
        let path = path.key(name);
        let in_metadata = at.in_metadata || (resource && head);
        walk(property, At { path: &path, resource: false, in_metadata, ..at }, errors);
    }
}

fn one(schema: &Value<'_>, default: &Value<'_>, at: At<'_>, errors: &mut Errors) {
    let path = at.path.child("default");
    let mut compiled = Schema::compile(schema, at.metadata);
    if at.resource {
        compiled.embedded = Some(at.metadata);
    }
    // Upstream's schema for this check does not say that these are numbers or strings.
    compiled.forget_int_or_string();
    let arena = Bump::new();
    let before = errors.len();
    if !at.in_metadata {
        let mut pruned = default.copy_in(&arena);
        if structural::prune_part(&mut pruned, &compiled) {
            errors.invalid(&path, default, "must not have unknown fields");
        }
        let mut coerced = default.copy_in(&arena);
        let unknown = &mut Vec::new();
        if let Err(error) =
            json::coerce_embedded(&mut coerced, &compiled, Some(&path), &arena, unknown)
        {
            errors.push(error);
            return;
        }
        let resources = errors.len();
        embedded::check(&coerced, &compiled, Some(&path), errors);
        if errors.len() > resources {
            return;
        }
    }
    let found = structural::check(Some(&path.to_string()), default, &compiled);
    if found.is_empty() && errors.len() == before {
        rules::check_default(default, &compiled, &path, errors);
    }
    errors.extend(found);
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::object::field::Path;
    use crate::object::json_text;
    use bumpalo::Bump;

    fn told(property: &str) -> Vec<String> {
        let arena = Bump::new();
        let text = format!(r#"{{"type":"object","properties":{{"f":{property}}}}}"#);
        let schema = json_text::parse(&text, &arena).unwrap();
        let mut errors = Vec::new();
        check(&schema, &Path::root("s"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_default_keeps_the_rules_of_its_schema() {
        let rule = r#"[{"rule":"self > 3"}]"#;
        let found =
            told(&format!(r#"{{"type":"integer","default":1,"x-kubernetes-validations":{rule}}}"#));
        assert_eq!(found, ["s.properties[f].default: Invalid value: 1: failed rule: self > 3"]);
        assert!(told(r#"{"default":true,"x-kubernetes-int-or-string":true}"#).is_empty());
    }

    #[test]
    fn a_default_below_additional_properties_is_not_looked_at() {
        let below = r#"{"type":"string","default":5}"#;
        assert!(told(&format!(r#"{{"type":"object","additionalProperties":{below}}}"#)).is_empty());
    }

    #[test]
    fn a_default_of_an_embedded_resource_is_a_resource() {
        let of = |default: &str| {
            told(&format!(
                r#"{{"type":"object","x-kubernetes-embedded-resource":true,
                    "properties":{{"spec":{{"type":"object"}}}},"default":{default}}}"#
            ))
        };
        let path = "s.properties[f].default";
        assert_eq!(
            of("{}"),
            [format!("{path}.apiVersion: Required value"), format!("{path}.kind: Required value")]
        );
        let metadata = of(r#"{"kind":"K","apiVersion":"v1","metadata":5}"#);
        assert_eq!(
            metadata,
            [format!(
                "{path}.metadata: Invalid value: 5: json: cannot unmarshal number into Go value of \
                 type v1.ObjectMeta"
            )]
        );
        assert!(of(r#"{"kind":"K","apiVersion":"v1","metadata":{"name":"n"}}"#).is_empty());
    }
}
