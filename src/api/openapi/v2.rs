//! OpenAPI v2 (Swagger): all paths and definitions in one document.

use crate::api::openapi::fixed::Section;
use crate::api::openapi::parameter;
use crate::api::openapi::parameter::Parameter;
use crate::api::openapi::route::Body;
use crate::api::openapi::route::Content;
use crate::api::openapi::route::Item;
use crate::api::openapi::route::Operation;
use crate::api::openapi::schema::Dialect;
use crate::api::openapi::schema::Referred;
use crate::api::openapi::schema::Schemas;
use crate::api::openapi::tree::Maker;
use crate::api::openapi::v3::CUSTOM_MEDIA;
use crate::api::openapi::v3::action;
use crate::api::openapi::v3::body_definition;
use crate::api::openapi::v3::gvk;
use crate::api::openapi::v3::successes;
use crate::catalog::Resource;
use crate::object::Value;
use bumpalo::Bump;

const ALL_MEDIA: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAM_MEDIA: [&str; 5] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
const LOG_MEDIA: [&str; 4] =
    ["text/plain", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const PATCH_MEDIA: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

const CUSTOM_PATCH_MEDIA: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// A part of the document: an object whose members come one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `definitions`.
    Definitions,
    /// `parameters`.
    Parameters,
    /// `paths`.
    Paths,
}

impl Part {
    /// Its name in the document.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Definitions => "definitions",
            Self::Parameters => "parameters",
            Self::Paths => "paths",
        }
    }
}

/// Where the members of the parts go: JSON or protobuf.
pub(super) trait Sink {
    /// Takes a member of a part; those of one part come in a row.
    fn entry(&mut self, part: Part, name: &str, value: &Value<'_>);
}

/// Two sinks at once.
impl<A: Sink, B: Sink> Sink for (A, B) {
    fn entry(&mut self, part: Part, name: &str, value: &Value<'_>) {
        self.0.entry(part, name, value);
        self.1.entry(part, name, value);
    }
}

/// Hands the parts of the document to `sink`: all paths, then all definitions, then all shared
/// parameters. Each part lives only that long.
pub(super) fn document(sections: &[Section], sink: &mut impl Sink) {
    let mut arena = Bump::new();
    let mut referred = Referred::default();
    let custom: Vec<&'static Resource> =
        sections.iter().flat_map(|section| section.custom.iter().copied()).collect();
    let mut items: Vec<&Item> = sections.iter().flat_map(|section| &section.items).collect();
    items.sort_by(|a, b| a.path.cmp(&b.path));
    for path in items {
        arena.reset();
        let mut schemas = schemas(&arena, &custom, referred);
        let value = item(&mut schemas, path);
        referred = schemas.referred;
        sink.entry(Part::Paths, &path.path, &value);
    }
    let mut at = 0;
    while let Some(name) = referred.get(at) {
        arena.reset();
        let mut schemas = schemas(&arena, &custom, referred);
        let definition = schemas.definition(name);
        referred = schemas.referred;
        sink.entry(Part::Definitions, name, &definition);
        at += 1;
    }
    shared_parameters(sink);
}

fn shared_parameters(sink: &mut impl Sink) {
    let arena = Bump::new();
    let mut schemas = schemas(&arena, &[], Referred::default());
    let make = schemas.make;
    for (name, body) in [(DELETE_BODY, Body::DeleteOptions), (PATCH_BODY, Body::Patch)] {
        let value = self::body(&mut schemas, body);
        sink.entry(Part::Parameters, name, &value);
    }
    for (_, shared) in parameter::all().iter().filter(|(_, parameter)| !parameter.shared.is_empty())
    {
        let name = make.text(format_args!("{}-{}", shared.name, shared.shared));
        sink.entry(Part::Parameters, name, &whole_parameter(make, shared));
    }
}

const DELETE_BODY: &str = "body-2Y1dVQaQ";
const PATCH_BODY: &str = "body-78PwaGsr";

fn schemas<'a>(
    arena: &'a Bump,
    custom: &'a [&'static Resource],
    referred: Referred,
) -> Schemas<'a> {
    let make = Maker(arena);
    Schemas { make, dialect: Dialect::V2, group_version: None, custom, referred }
}

fn item<'a>(schemas: &mut Schemas<'a>, item: &Item) -> Value<'a> {
    let make = schemas.make;
    let mut entries = Vec::with_capacity(8);
    for one in &item.operations {
        entries.push((one.method, operation(schemas, one)));
    }
    if !item.common.is_empty() {
        let common = item.common.iter().map(|parameter| parameter_value(make, parameter));
        entries.push(("parameters", make.list(common)));
    }
    make.map(entries)
}

fn operation<'a>(schemas: &mut Schemas<'a>, operation: &Operation) -> Value<'a> {
    let make = schemas.make;
    let text = |text: &str| Value::str_in(text, make.0);
    let consumes: &[&str] = match (operation.body, operation.answer) {
        (Body::Patch, _) if operation.custom => &CUSTOM_PATCH_MEDIA,
        (Body::Patch, _) => &PATCH_MEDIA,
        _ if operation.custom => &CUSTOM_MEDIA,
        (_, Content::Text(_)) => &[],
        (_, Content::Json(_)) => &["application/json"],
        _ if operation.action.is_empty() => &ALL_MEDIA,
        _ => &["*/*"],
    };
    let produces: &[&'static str] = match operation.answer {
        Content::Any => &["*/*"],
        Content::Json(_) => &["application/json"],
        Content::Log => &LOG_MEDIA,
        Content::Object(_) if operation.custom => &CUSTOM_MEDIA,
        Content::Object(_) => &ALL_MEDIA,
        Content::Stream(_) => &STREAM_MEDIA,
        Content::Text("application/json") => &["application/json"],
        Content::Text(_) => &["application/jwk-set+json"],
    };
    let parameters = parameters(schemas, operation);
    let responses = responses(schemas, operation);
    make.map([
        ("description", text(&operation.description)),
        ("consumes", make.some_texts(consumes)),
        ("produces", make.texts(produces)),
        ("schemes", make.list([Value::Str("https")])),
        ("tags", make.list([text(&operation.tag)])),
        ("operationId", text(&operation.id)),
        ("parameters", parameters),
        ("responses", responses),
        ("x-kubernetes-action", action(operation)),
        ("x-kubernetes-group-version-kind", gvk(make, operation)),
    ])
}

fn parameters<'a>(schemas: &mut Schemas<'a>, operation: &Operation) -> Value<'a> {
    let make = schemas.make;
    let mut all = Vec::with_capacity(operation.parameters.len() + 1);
    match operation.body {
        Body::None => {}
        Body::DeleteOptions => {
            schemas.refer("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions");
            all.push(shared(make, DELETE_BODY));
        }
        Body::Patch => {
            schemas.refer("io.k8s.apimachinery.pkg.apis.meta.v1.Patch");
            all.push(shared(make, PATCH_BODY));
        }
        Body::Object(_) => all.push(body(schemas, operation.body)),
    }
    all.extend(operation.parameters.iter().map(|parameter| parameter_value(make, parameter)));
    if all.is_empty() { Value::Null } else { make.list(all) }
}

fn body<'a>(schemas: &mut Schemas<'a>, body: Body) -> Value<'a> {
    let schema = body_definition(body).map_or(Value::Null, |name| schemas.reference(name));
    let required = !matches!(body, Body::DeleteOptions);
    schemas.make.map([
        ("name", Value::Str("body")),
        ("in", Value::Str("body")),
        ("required", if required { Value::Bool(true) } else { Value::Null }),
        ("schema", schema),
    ])
}

fn shared<'a>(make: Maker<'a>, name: &str) -> Value<'a> {
    make.map([("$ref", make.format(format_args!("#/parameters/{name}")))])
}

/// A parameter, or the reference to it where it is shared.
fn parameter_value<'a>(make: Maker<'a>, parameter: &Parameter) -> Value<'a> {
    if parameter.shared.is_empty() {
        return whole_parameter(make, parameter);
    }
    let name = make.text(format_args!("{}-{}", parameter.name, parameter.shared));
    shared(make, name)
}

fn whole_parameter<'a>(make: Maker<'a>, parameter: &Parameter) -> Value<'a> {
    make.map([
        ("uniqueItems", Value::Bool(true)),
        ("type", Value::Str(parameter.kind)),
        ("description", Value::str_in(&parameter.description, make.0)),
        ("name", Value::Str(parameter.name)),
        ("in", Value::Str(parameter.place)),
        ("required", if parameter.required { Value::Bool(true) } else { Value::Null }),
    ])
}

fn responses<'a>(schemas: &mut Schemas<'a>, operation: &Operation) -> Value<'a> {
    let make = schemas.make;
    let definition = match operation.answer {
        Content::Any | Content::Log | Content::Text(_) => None,
        Content::Json(name) | Content::Object(name) | Content::Stream(name) => Some(name),
    };
    let mut entries = Vec::with_capacity(4);
    for (code, text) in successes(operation) {
        let schema = match definition {
            Some(definition) => schemas.reference(definition),
            None => make.map([("type", Value::Str("string"))]),
        };
        entries.push((*code, make.map([("description", Value::Str(text)), ("schema", schema)])));
    }
    entries.push(("401", make.map([("description", Value::Str("Unauthorized"))])));
    make.map(entries)
}
