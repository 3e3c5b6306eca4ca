//! OpenAPI v3: one document for each group version, and for each other root path.

use crate::api::openapi::fixed::Section;
use crate::api::openapi::out::Out;
use crate::api::openapi::parameter::Parameter;
use crate::api::openapi::route::Body;
use crate::api::openapi::route::Content;
use crate::api::openapi::route::Item;
use crate::api::openapi::route::Operation;
use crate::api::openapi::schema::Dialect;
use crate::api::openapi::schema::Referred;
use crate::api::openapi::schema::Schemas;
use crate::api::openapi::tree::Maker;
use crate::codec::json;
use crate::object::Value;
use bumpalo::Bump;

const ALL_MEDIA: [&str; 3] =
    ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"];
const STREAM_MEDIA: [&str; 5] = [
    "application/json",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/yaml",
];
const LOG_MEDIA: [&str; 4] =
    ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml", "text/plain"];
/// What custom resources come in.
pub(super) const CUSTOM_MEDIA: [&str; 2] = ["application/json", "application/yaml"];
/// The patches of custom resources.
const CUSTOM_PATCH_MEDIA: [&str; 3] =
    ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
pub(super) const PATCH_MEDIA: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// Writes the document of a section as compact JSON.
pub(super) fn document(section: &Section, out: &mut impl Out) {
    let mut piece = Vec::with_capacity(16 * 1024);
    let info: &[u8] = if section.custom.is_empty() {
        br#"{"title":"Kubernetes","version":"1.36"}"#
    } else {
        br#"{"title":"Kubernetes CRD Swagger","version":"v0.1.0"}"#
    };
    out.put(br#"{"openapi":"3.0.0","info":"#);
    out.put(info);
    out.put(br#","paths":{"#);
    let mut referred = Referred::default();
    let mut arena = Bump::new();
    for (at, path) in section.items.iter().enumerate() {
        arena.reset();
        let mut schemas = schemas(&arena, section, referred);
        let entry = (&*path.path, item(&mut schemas, path));
        referred = schemas.referred;
        member(at, entry, &mut piece, out);
    }
    out.put(br#"},"components":{"#);
    if referred.get(0).is_some() {
        out.put(br#""schemas":{"#);
        let mut at = 0;
        while let Some(name) = referred.get(at) {
            arena.reset();
            let mut schemas = schemas(&arena, section, referred);
            let definition = schemas.definition(name);
            referred = schemas.referred;
            member(at, (name, definition), &mut piece, out);
            at += 1;
        }
        out.put(b"}");
    }
    if !section.custom.is_empty() {
        out.put(b"}}");
        return;
    }
    if referred.get(0).is_some() {
        out.put(b",");
    }
    out.put(br#""securitySchemes":{"BearerToken":{"type":"apiKey","description":"#);
    out.put(br#""Bearer Token authentication","name":"authorization","in":"header"}}}}"#);
}

fn schemas<'a>(arena: &'a Bump, section: &'a Section, referred: Referred) -> Schemas<'a> {
    let group_version = section.group_version;
    let custom = &section.custom;
    Schemas { make: Maker(arena), dialect: Dialect::V3, group_version, custom, referred }
}

/// Writes one member of an object, after a comma if it is not the first.
fn member(at: usize, (key, value): (&str, Value<'_>), piece: &mut Vec<u8>, out: &mut impl Out) {
    piece.clear();
    if at > 0 {
        piece.push(b',');
    }
    json::write::string(key, piece);
    piece.push(b':');
    json::encode_any(&value, piece);
    out.put(piece);
}

fn item<'a>(schemas: &mut Schemas<'a>, item: &Item) -> Value<'a> {
    let make = schemas.make;
    let mut entries = Vec::with_capacity(8);
    for one in &item.operations {
        entries.push((one.method, operation(schemas, one)));
    }
    entries.push(("parameters", parameters(make, &item.common)));
    make.map(entries)
}

fn operation<'a>(schemas: &mut Schemas<'a>, operation: &Operation) -> Value<'a> {
    let make = schemas.make;
    let body = body(schemas, operation);
    let responses = responses(schemas, operation);
    let text = |text: &str| Value::str_in(text, make.0);
    make.map([
        ("tags", make.list([text(&operation.tag)])),
        ("description", text(&operation.description)),
        ("operationId", text(&operation.id)),
        ("parameters", parameters(make, &operation.parameters)),
        ("requestBody", body),
        ("responses", responses),
        ("x-kubernetes-action", action(operation)),
        ("x-kubernetes-group-version-kind", gvk(make, operation)),
    ])
}

/// What kind of request it is.
pub(super) fn action<'a>(operation: &Operation) -> Value<'a> {
    if operation.action.is_empty() { Value::Null } else { Value::Str(operation.action) }
}

/// The kind that an operation acts on.
pub(super) fn gvk<'a>(make: Maker<'a>, operation: &Operation) -> Value<'a> {
    let Some((group, version, kind)) = operation.gvk else { return Value::Null };
    make.map([
        ("group", Value::Str(group)),
        ("version", Value::Str(version)),
        ("kind", Value::Str(kind)),
    ])
}

fn parameters<'a>(make: Maker<'a>, parameters: &[Parameter]) -> Value<'a> {
    if parameters.is_empty() {
        return Value::Null;
    }
    make.list(parameters.iter().map(|parameter| {
        let schema = [("type", Value::Str(parameter.kind)), ("uniqueItems", Value::Bool(true))];
        make.map([
            ("name", Value::Str(parameter.name)),
            ("in", Value::Str(parameter.place)),
            ("description", Value::str_in(&parameter.description, make.0)),
            ("required", if parameter.required { Value::Bool(true) } else { Value::Null }),
            ("schema", make.map(schema)),
        ])
    }))
}

/// The definition that a request body holds; none if there is no body.
pub(super) fn body_definition(body: Body) -> Option<&'static str> {
    Some(match body {
        Body::None => return None,
        Body::DeleteOptions => "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
        Body::Object(ty) => ty.name,
        Body::Patch => "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
    })
}

fn body<'a>(schemas: &mut Schemas<'a>, operation: &Operation) -> Value<'a> {
    let body = operation.body;
    let Some(definition) = body_definition(body) else { return Value::Null };
    let media: &[&str] = match (operation.custom, matches!(body, Body::Patch)) {
        (false, false) => &["*/*"],
        (false, true) => &PATCH_MEDIA,
        (true, false) => &CUSTOM_MEDIA,
        (true, true) => &CUSTOM_PATCH_MEDIA,
    };
    let required = !matches!(body, Body::DeleteOptions);
    let content = content(schemas, media, Some(definition));
    let required = if required { Value::Bool(true) } else { Value::Null };
    schemas.make.map([("content", content), ("required", required)])
}

/// One schema for each media type; without a definition it is a string.
fn content<'a>(
    schemas: &mut Schemas<'a>,
    media: &[&'static str],
    definition: Option<&'static str>,
) -> Value<'a> {
    let make = schemas.make;
    let entries: Vec<_> = media
        .iter()
        .map(|media| {
            let schema = match definition {
                Some(definition) => schemas.reference(definition),
                None => make.map([("type", Value::Str("string"))]),
            };
            (*media, make.map([("schema", schema)]))
        })
        .collect();
    make.map(entries)
}

/// Codes of success and their texts, by action.
pub(super) fn successes(operation: &Operation) -> &'static [(&'static str, &'static str)] {
    match operation.action {
        "delete" => &[("200", "OK"), ("202", "Accepted")],
        "patch" if operation.custom => &[("200", "OK")],
        "patch" | "put" => &[("200", "OK"), ("201", "Created")],
        "post" => &[("200", "OK"), ("201", "Created"), ("202", "Accepted")],
        _ => &[("200", "OK")],
    }
}

fn responses<'a>(schemas: &mut Schemas<'a>, operation: &Operation) -> Value<'a> {
    let make = schemas.make;
    let (media, definition): (&[&'static str], _) = match operation.answer {
        Content::Any => (&["*/*"], None),
        Content::Json(definition) => (&["application/json"], Some(definition)),
        Content::Log => (&LOG_MEDIA, None),
        Content::Object(definition) if operation.custom => (&CUSTOM_MEDIA, Some(definition)),
        Content::Object(definition) => (&ALL_MEDIA, Some(definition)),
        Content::Stream(definition) => (&STREAM_MEDIA, Some(definition)),
        Content::Text("application/json") => (&["application/json"], None),
        Content::Text(_) => (&["application/jwk-set+json"], None),
    };
    let mut entries = Vec::with_capacity(4);
    for (code, text) in successes(operation) {
        let content = content(schemas, media, definition);
        entries.push((*code, make.map([("description", Value::Str(text)), ("content", content)])));
    }
    entries.push(("401", make.map([("description", Value::Str("Unauthorized"))])));
    make.map(entries)
}
