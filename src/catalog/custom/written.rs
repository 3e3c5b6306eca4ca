//! CustomResourceDefinitions in the form in which they are stored: `v1beta1`, which kube-apiserver
//! still writes and no longer serves (`pkg/apis/apiextensions/{v1,v1beta1}/conversion.go` of
//! `k8s.io/apiextensions-apiserver`).
//!
//! What all versions have in common stands beside them there, a conversion webhook has no object of
//! its own, and columns spell `JSONPath`.

use crate::object::{List, Map, Value};
use bumpalo::Bump;

/// What stands beside the versions if it is the same in all of them: the name there, and in a
/// version.
const SHARED: [(&str, &str); 4] = [
    ("validation", "schema"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// The definition, which is of `v1`, as it is stored.
pub fn to_written<'a>(definition: &Value<'a>, api_version: &str, arena: &'a Bump) -> Value<'a> {
    let mut written = definition.share_in(arena);
    let Some(map) = written.as_map_mut() else { return written };
    map.insert("apiVersion", Value::str_in(api_version, arena));
    let Some(spec) = map.get_mut("spec").and_then(Value::as_map_mut) else { return written };
    for version in members(spec.get_mut("versions")) {
        rename_in_columns(version.get_mut("additionalPrinterColumns"), "jsonPath", "JSONPath");
    }
    if let Some(name) = first_version(spec).and_then(|first| first.get("name")) {
        let name = name.share_in(arena);
        spec.insert("version", name);
    }
    for (beside, within) in SHARED {
        lift(spec, beside, within, arena);
    }
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_map_mut)
        && let Some(Value::Map(mut webhook)) = conversion.remove("webhook")
    {
        for (from, to) in [
            ("clientConfig", "webhookClientConfig"),
            ("conversionReviewVersions", "conversionReviewVersions"),
        ] {
            if let Some(value) = webhook.remove(from) {
                conversion.insert(to, value);
            }
        }
    }
    if spec.get("preserveUnknownFields").is_none() {
        spec.insert("preserveUnknownFields", Value::Bool(false));
    }
    written
}

/// A stored definition of `v1beta1` in `v1`, with the defaults of the older version.
pub fn from_written<'a>(
    mut definition: Value<'a>,
    api_version: &str,
    arena: &'a Bump,
) -> Value<'a> {
    let Some(map) = definition.as_map_mut() else { return definition };
    map.insert("apiVersion", Value::str_in(api_version, arena));
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_map_mut) {
        read_spec(spec, arena);
    }
    definition
}

fn read_spec<'a>(spec: &mut Map<'a>, arena: &'a Bump) {
    if let Some(name) = spec.remove("version")
        && first_version(spec).is_none()
    {
        let mut version = Map::with_capacity_in(3, arena);
        version.push_unique("name", name);
        version.push_unique("served", Value::Bool(true));
        version.push_unique("storage", Value::Bool(true));
        let mut versions = List::new_in(arena);
        versions.push(Value::Map(version));
        spec.insert("versions", Value::List(versions));
    }
    for (beside, within) in SHARED {
        let Some(shared) = spec.remove(beside).filter(|shared| !shared.is_null()) else { continue };
        for version in members(spec.get_mut("versions")) {
            version.insert(within, shared.share_in(arena));
        }
    }
    for version in members(spec.get_mut("versions")) {
        rename_in_columns(version.get_mut("additionalPrinterColumns"), "JSONPath", "jsonPath");
    }
    let names = spec.entry_map("names");
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or("");
    for (field, usual) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
        if names.get(field).is_none_or(Value::is_empty) {
            names.insert(field, Value::str_in(&usual, arena));
        }
    }
    let conversion = spec.entry_map("conversion");
    if conversion.get("strategy").is_none_or(Value::is_empty) {
        conversion.insert("strategy", Value::Str("None"));
    }
    let client = conversion.remove("webhookClientConfig");
    let reviewed = conversion.remove("conversionReviewVersions");
    if client.is_some() || reviewed.is_some() {
        let webhook = conversion.entry_map("webhook");
        if let Some(client) = client {
            webhook.insert("clientConfig", client);
        }
        if let Some(reviewed) = reviewed {
            webhook.insert("conversionReviewVersions", reviewed);
        }
    }
    match spec.get("preserveUnknownFields") {
        Some(Value::Bool(false)) => drop(spec.remove("preserveUnknownFields")),
        None => drop(spec.insert("preserveUnknownFields", Value::Bool(true))),
        Some(_) => {}
    }
}

/// Moves what all versions have in common beside them; lists that are empty are as none.
fn lift<'a>(spec: &mut Map<'a>, beside: &'static str, within: &str, arena: &'a Bump) {
    let of = |version: &Value<'a>| {
        let value = version.get(within).filter(|value| !value.is_null());
        value
            .filter(|value| value.as_list().is_none_or(|list| !list.is_empty()))
            .map(|value| value.share_in(arena))
    };
    let versions = spec.get("versions").and_then(Value::as_list);
    let Some((first, others)) = versions.and_then(|versions| versions.split_first()) else {
        return;
    };
    let shared = of(first);
    if others.iter().any(|version| of(version) != shared) {
        return;
    }
    for version in members(spec.get_mut("versions")) {
        version.remove(within);
    }
    if let Some(shared) = shared {
        spec.insert(beside, shared);
    }
}

fn first_version<'s, 'a>(spec: &'s Map<'a>) -> Option<&'s Value<'a>> {
    spec.get("versions").and_then(Value::as_list)?.first()
}

fn members<'s, 'a>(list: Option<&'s mut Value<'a>>) -> impl Iterator<Item = &'s mut Map<'a>> {
    let list = list.and_then(Value::as_list_mut).into_iter().flatten();
    list.filter_map(Value::as_map_mut)
}

fn rename_in_columns(columns: Option<&mut Value<'_>>, from: &str, to: &'static str) {
    for column in members(columns) {
        if let Some(path) = column.remove(from) {
            column.insert(to, path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::fixture::value;

    const V1: &str = "apiextensions.k8s.io/v1";
    const V1BETA1: &str = "apiextensions.k8s.io/v1beta1";

    fn definition<'a>(arena: &'a Bump, api_version: &str, spec: &str) -> Value<'a> {
        let text = format!(r#"{{"apiVersion":"{api_version}","metadata":{{}},"spec":{spec}}}"#);
        value(arena, &text)
    }

    /// The spec is written like that, and read again as it was.
    #[track_caller]
    fn assert_written(spec: &str, expected: &str) {
        let arena = Bump::new();
        let served = definition(&arena, V1, spec);
        let written = to_written(&served, V1BETA1, &arena);
        assert_eq!(written, definition(&arena, V1BETA1, expected));
        assert_eq!(from_written(written, V1, &arena), served, "nothing is lost on the way");
    }

    #[test]
    fn what_all_versions_have_in_common_stands_beside_them() {
        let names = r#""names":{"kind":"B","singular":"b","listKind":"BList"}"#;
        assert_written(
            &format!(
                r#"{{{names},"versions":[
                {{"name":"v2","schema":{{"openAPIV3Schema":{{"type":"object"}}}},
                  "subresources":{{"status":{{}}}},
                  "additionalPrinterColumns":[{{"name":"A","jsonPath":".a"}}]}},
                {{"name":"v1","schema":{{"openAPIV3Schema":{{"type":"object"}}}},
                  "additionalPrinterColumns":[{{"name":"A","jsonPath":".a"}}]}}],
                "conversion":{{"strategy":"None"}}}}"#
            ),
            &format!(
                r#"{{{names},"version":"v2","validation":{{"openAPIV3Schema":{{"type":"object"}}}},
                "additionalPrinterColumns":[{{"name":"A","JSONPath":".a"}}],
                "versions":[{{"name":"v2","subresources":{{"status":{{}}}}}},{{"name":"v1"}}],
                "conversion":{{"strategy":"None"}},"preserveUnknownFields":false}}"#
            ),
        );
    }

    #[test]
    fn a_webhook_has_no_object_of_its_own() {
        let names = r#""names":{"kind":"B","singular":"b","listKind":"BList"}"#;
        assert_written(
            &format!(
                r#"{{{names},"versions":[{{"name":"v1"}}],"preserveUnknownFields":true,
                "conversion":{{"strategy":"Webhook","webhook":{{"clientConfig":{{"url":"u"}},
                "conversionReviewVersions":["v1"]}}}}}}"#
            ),
            &format!(
                r#"{{{names},"version":"v1","versions":[{{"name":"v1"}}],
                "preserveUnknownFields":true,
                "conversion":{{"strategy":"Webhook","webhookClientConfig":{{"url":"u"}},
                "conversionReviewVersions":["v1"]}}}}"#
            ),
        );
    }

    #[test]
    fn what_an_old_server_left_out_is_filled_in() {
        let arena = Bump::new();
        let old = r#"{"names":{"kind":"Foo"},"version":"v1","validation":{"openAPIV3Schema":{}}}"#;
        let read = from_written(definition(&arena, V1BETA1, old), V1, &arena);
        let expected = r#"{"names":{"kind":"Foo","singular":"foo","listKind":"FooList"},
            "versions":[{"name":"v1","served":true,"storage":true,
            "schema":{"openAPIV3Schema":{}}}],
            "conversion":{"strategy":"None"},"preserveUnknownFields":true}"#;
        assert_eq!(read, definition(&arena, V1, expected));
    }
}
