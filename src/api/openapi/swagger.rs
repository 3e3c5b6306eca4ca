//! The OpenAPI v2 document in protobuf: `openapi.v2.Document` of gnostic, as client-go reads it.
//!
//! Each part comes as a tree and goes out field by field, by tables of JSON name and number. Vendor
//! extensions and enumerations travel as YAML text there; JSON is YAML.

use crate::api::openapi::out::Out;
use crate::api::openapi::v2::Part;
use crate::api::openapi::v2::Sink;
use crate::codec::json::encode_any;
use crate::codec::proto::wire;
use crate::object::Map;
use crate::object::Value;

/// How a member of a JSON object stands in a message.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A repeated `Any`: values as YAML text.
    Anys,
    /// A message.
    Message(&'static Message),
    /// A string, or each of a list of strings.
    Text,
    /// A boolean.
    True,
    /// A floating-point number.
    Double,
    /// A whole number.
    Int,
    /// An `Any`: a value as YAML text.
    Any,
    /// Written by a function of its own.
    With(fn(u32, &Value<'_>, &mut Vec<u8>)),
}

/// A message: its members by JSON name, and the number of `vendor_extension`; 0 if it has none.
pub(super) struct Message {
    pub(super) fields: &'static [(&'static str, u32, Form)],
    pub(super) extensions: u32,
}

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Form::Text),
        ("format", 2, Form::Text),
        ("title", 3, Form::Text),
        ("description", 4, Form::Text),
        ("multipleOf", 6, Form::Double),
        ("maximum", 7, Form::Double),
        ("exclusiveMaximum", 8, Form::True),
        ("minimum", 9, Form::Double),
        ("exclusiveMinimum", 10, Form::True),
        ("maxLength", 11, Form::Int),
        ("minLength", 12, Form::Int),
        ("pattern", 13, Form::Text),
        ("maxItems", 14, Form::Int),
        ("minItems", 15, Form::Int),
        ("uniqueItems", 16, Form::True),
        ("maxProperties", 17, Form::Int),
        ("minProperties", 18, Form::Int),
        ("required", 19, Form::Text),
        ("enum", 20, Form::Anys),
        ("additionalProperties", 21, Form::With(wrapped_schema)),
        ("type", 22, Form::With(type_item)),
        ("items", 23, Form::With(wrapped_schema)),
        ("properties", 25, Form::With(properties)),
        ("externalDocs", 29, Form::Message(&EXTERNAL_DOCS)),
        ("example", 30, Form::Any),
    ],
    extensions: 31,
};

static EXTERNAL_DOCS: Message =
    Message { fields: &[("description", 1, Form::Text), ("url", 2, Form::Text)], extensions: 0 };

static PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Form::True),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("name", 4, Form::Text),
    ],
    extensions: 0,
};

static BODY_PARAMETER: Message = Message {
    fields: &[
        ("description", 1, Form::Text),
        ("name", 2, Form::Text),
        ("in", 3, Form::Text),
        ("required", 4, Form::True),
        ("schema", 5, Form::Message(&SCHEMA)),
    ],
    extensions: 6,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Form::Text),
        ("description", 3, Form::Text),
        ("operationId", 5, Form::Text),
        ("produces", 6, Form::Text),
        ("consumes", 7, Form::Text),
        ("parameters", 8, Form::With(parameters)),
        ("responses", 9, Form::With(responses)),
        ("schemes", 10, Form::Text),
    ],
    extensions: 13,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 2, Form::Message(&OPERATION)),
        ("put", 3, Form::Message(&OPERATION)),
        ("post", 4, Form::Message(&OPERATION)),
        ("delete", 5, Form::Message(&OPERATION)),
        ("options", 6, Form::Message(&OPERATION)),
        ("head", 7, Form::Message(&OPERATION)),
        ("patch", 8, Form::Message(&OPERATION)),
        ("parameters", 9, Form::With(parameters)),
    ],
    extensions: 10,
};

impl Message {
    pub(super) fn write(&self, map: &Map<'_>, out: &mut Vec<u8>) {
        for (name, number, form) in self.fields {
            let Some(value) = map.get(name) else { continue };
            match form {
                Form::Anys => {
                    for item in value.as_list().into_iter().flatten() {
                        wire::nested(*number, out, |out| any(item, out));
                    }
                }
                Form::Any => wire::nested(*number, out, |out| any(value, out)),
                Form::Double => {
                    wire::key(*number, 1, out);
                    out.extend_from_slice(&number_of(value).to_le_bytes());
                }
                Form::Int => wire::int(*number, value.as_i64().unwrap_or(0), out),
                Form::Message(message) => message.write_field(*number, value, out),
                Form::Text => texts(*number, value, out),
                Form::True => wire::int(*number, i64::from(value.as_bool() == Some(true)), out),
                Form::With(write) => write(*number, value, out),
            }
        }
        let extensions = map.iter().filter(|(name, _)| name.starts_with("x-"));
        for (name, value) in extensions.filter(|_| self.extensions != 0) {
            named(self.extensions, name, out, |out| any(value, out));
        }
    }

    pub(super) fn write_field(&self, number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
        if let Some(map) = value.as_map() {
            wire::nested(number, out, |out| self.write(map, out));
        }
    }
}

/// An entry of a map: name and value.
pub(super) fn named(number: u32, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    wire::nested(number, out, |out| {
        wire::bytes(1, name.as_bytes(), out);
        wire::nested(2, out, write);
    });
}

/// The inside of an `Any`.
fn any(value: &Value<'_>, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    encode_any(value, &mut text);
    text.push(b'\n');
    wire::bytes(2, &text, out);
}

fn texts(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    let one = value.as_str().into_iter();
    let many = value.as_list().into_iter().flatten().filter_map(Value::as_str);
    for text in one.chain(many) {
        wire::bytes(number, text.as_bytes(), out);
    }
}

fn type_item(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| texts(1, value, out));
}

/// `ItemsItem` and `AdditionalPropertiesItem`: a schema as field 1, or a boolean as field 2.
fn wrapped_schema(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| match value.as_bool() {
        Some(allowed) => wire::int(2, i64::from(allowed), out),
        None => SCHEMA.write_field(1, value, out),
    });
}

#[expect(clippy::cast_precision_loss, reason = "the message has floating-point numbers alone")]
pub(super) fn number_of(value: &Value<'_>) -> f64 {
    match value {
        Value::Float(number) => *number,
        other => other.as_i64().unwrap_or(0) as f64,
    }
}

fn properties(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    let Some(map) = value.as_map() else { return };
    wire::nested(number, out, |out| {
        for (name, schema) in map.iter() {
            let Some(schema) = schema.as_map() else { continue };
            named(1, name, out, |out| SCHEMA.write(schema, out));
        }
    });
}

/// A list of `ParametersItem`: each a parameter or a reference to one.
fn parameters(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    for parameter in value.as_list().into_iter().flatten() {
        wire::nested(number, out, |out| match parameter.str_at(&["$ref"]) {
            "" => wire::nested(1, out, |out| parameter_value(parameter, out)),
            reference => wire::nested(2, out, |out| wire::bytes(1, reference.as_bytes(), out)),
        });
    }
}

/// The inside of a `Parameter`.
fn parameter_value(parameter: &Value<'_>, out: &mut Vec<u8>) {
    let Some(map) = parameter.as_map() else { return };
    let place = parameter.str_at(&["in"]);
    if place == "body" {
        return BODY_PARAMETER.write_field(1, parameter, out);
    }
    // Query and path parameters differ in two numbers: the former may be empty, which stands
    // before the type.
    let query = place == "query";
    let (kind, unique) = if query { (6, 20) } else { (5, 19) };
    wire::nested(2, out, |out| {
        wire::nested(if query { 3 } else { 4 }, out, |out| {
            PARAMETER.write(map, out);
            texts(kind, map.get("type").unwrap_or(&Value::Null), out);
            wire::int(unique, i64::from(parameter.bool_at(&["uniqueItems"])), out);
        });
    });
}

fn responses(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    let Some(map) = value.as_map() else { return };
    wire::nested(number, out, |out| {
        for (code, response) in map.iter() {
            named(1, code, out, |out| {
                wire::nested(1, out, |out| {
                    wire::bytes(1, response.str_at(&["description"]).as_bytes(), out);
                    if let Some(schema) = response.get("schema") {
                        wire::nested(2, out, |out| SCHEMA.write_field(1, schema, out));
                    }
                });
            });
        }
    });
}

/// Writes the parts of the document as they come. Each member of a part travels as a message of its
/// own in the part's field: readers join them.
#[derive(Debug)]
pub(super) struct Swagger<O> {
    out: O,
    piece: Vec<u8>,
}

impl<O: Out> Sink for Swagger<O> {
    fn entry(&mut self, part: Part, name: &str, value: &Value<'_>) {
        let Some(map) = value.as_map() else { return };
        self.piece.clear();
        let (field, entry) = match part {
            Part::Definitions => (9, 1),
            Part::Parameters => (10, 1),
            Part::Paths => (8, 2),
        };
        wire::nested(field, &mut self.piece, |out| {
            named(entry, name, out, |out| match part {
                Part::Definitions => SCHEMA.write(map, out),
                Part::Parameters => parameter_value(value, out),
                Part::Paths => PATH_ITEM.write(map, out),
            });
        });
        self.out.put(&self.piece);
    }
}

impl<O: Out> Swagger<O> {
    /// Begins the document.
    pub(super) fn new(mut out: O) -> Self {
        let mut piece = Vec::with_capacity(16 * 1024);
        wire::bytes(1, b"2.0", &mut piece);
        wire::nested(2, &mut piece, |out| {
            wire::bytes(1, b"Kubernetes", out);
            wire::bytes(2, b"1.36", out);
        });
        out.put(&piece);
        Self { out, piece }
    }

    /// Ends the document.
    pub(super) fn finish(mut self) -> O {
        self.piece.clear();
        wire::nested(12, &mut self.piece, |out| named(1, "BearerToken", out, |_| {}));
        wire::nested(13, &mut self.piece, |out| {
            named(1, "BearerToken", out, |out| {
                wire::nested(2, out, |out| {
                    let fields =
                        ["apiKey", "authorization", "header", "Bearer Token authentication"];
                    for (number, text) in (1..).zip(fields) {
                        wire::bytes(number, text.as_bytes(), out);
                    }
                });
            });
        });
        self.out.put(&self.piece);
        self.out
    }
}
