//! Resources within custom resources (`apiserver/schema/objectmeta`): they need a type, and their
//! metadata keeps the rules of all metadata.

use super::{Errors, Report as _, format, metadata};
use crate::object::Value;
use crate::object::field::Path;
use crate::object::structural::Schema;

/// Checks the embedded resources at and below `value`, which follows `schema`.
pub(super) fn check(
    value: &Value<'_>,
    schema: &Schema,
    at: Option<&Path<'_>>,
    errors: &mut Errors,
) {
    let nowhere = Path::root("");
    match value {
        Value::Map(map) => {
            if schema.embedded.is_some() {
                resource(value, at, errors);
            }
            for (key, value) in map.iter() {
                let place = || at.map_or_else(|| Path::root(key), |path| path.child(key));
                if let Some(below) = schema.property(key) {
                    check(value, below, Some(&place()), errors);
                } else if let Some(below) = schema.member(key) {
                    let keyed = at.unwrap_or(&nowhere).key(key);
                    check(value, below, Some(&keyed), errors);
                }
            }
        }
        Value::List(list) => {
            let Some(below) = schema.items.as_deref() else { return };
            for (index, item) in list.iter().enumerate() {
                check(item, below, Some(&at.unwrap_or(&nowhere).index(index)), errors);
            }
        }
        _ => {}
    }
}

/// `validateEmbeddedResource`.
fn resource(value: &Value<'_>, at: Option<&Path<'_>>, errors: &mut Errors) {
    let child = |name| at.map_or_else(|| Path::root(name), |path| path.child(name));
    for name in ["apiVersion", "kind"] {
        if value.as_map().is_some_and(|map| map.get(name).is_none()) {
            errors.required(&child(name), "");
        }
    }
    if let Some(version) = value.get("apiVersion").and_then(Value::as_str) {
        if version.is_empty() {
            errors.invalid(&child("apiVersion"), version, "must not be empty");
        } else if version.matches('/').count() > 1 {
            let detail = format!("unexpected GroupVersion string: {version}");
            errors.invalid(&child("apiVersion"), version, &detail);
        }
    }
    if let Some(kind) = value.get("kind").and_then(Value::as_str) {
        let messages = format::dns_1035_label(&kind.to_lowercase());
        if kind.is_empty() {
            errors.invalid(&child("kind"), kind, "must not be empty");
        } else if !messages.is_empty() {
            let joined = messages.join(",");
            let detail = format!("may have mixed case, but should otherwise match: {joined}");
            errors.invalid(&child("kind"), kind, &detail);
        }
    }
    if let Some(found) = value.get("metadata") {
        metadata::embedded(found, &child("metadata"), errors);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::catalog::catalog;
    use crate::object::json_text;
    use crate::object::structural::Schema;
    use bumpalo::Bump;

    fn told(spec: &str) -> Vec<String> {
        let arena = Bump::new();
        let name = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        let metadata = catalog().type_named(name).unwrap();
        let schema = r#"{"type":"object","properties":{"spec":{"type":"object",
            "x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}}}"#;
        let schema = json_text::parse(schema, &arena).unwrap();
        let schema = Schema::compile(&schema, metadata);
        let text = format!(r#"{{"spec":{spec}}}"#);
        let object = json_text::parse(&text, &arena).unwrap();
        let mut errors = Vec::new();
        check(&object, &schema, None, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_embedded_resource_needs_a_version_and_a_kind() {
        let want = ["spec.apiVersion: Required value", "spec.kind: Required value"];
        assert_eq!(told("{}"), want);
        assert!(told(r#"{"apiVersion":"v1","kind":"Pod","spec":1}"#).is_empty());
        let errors = told(r#"{"apiVersion":"a/b/c","kind":""}"#);
        let version = "spec.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: \
                       a/b/c";
        let kind = "spec.kind: Invalid value: \"\": must not be empty";
        assert_eq!(errors, [version, kind]);
    }

    #[test]
    fn embedded_metadata_keeps_the_rules_of_all_metadata() {
        let metadata = r#"{"name":"a/b","namespace":"No!","labels":{"a b":"c"},"generation":-1}"#;
        let errors = told(&format!(r#"{{"apiVersion":"v1","kind":"K","metadata":{metadata}}}"#));
        let fields: Vec<_> =
            errors.iter().map(|error| error.split(": ").next().unwrap_or_default()).collect();
        let want = ["name", "namespace", "generation", "labels"];
        assert_eq!(fields, want.map(|name| format!("spec.metadata.{name}")));
    }
}
