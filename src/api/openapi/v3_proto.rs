//! An OpenAPI v3 document in protobuf: `openapi.v3.Document` of gnostic, made of the JSON form when
//! it is asked for, which few clients do.

use crate::api::openapi::swagger::{Form, Message, named, number_of};
use crate::codec::json::parse_any;
use crate::codec::proto::wire;
use crate::object::Value;
use bumpalo::Bump;

static DOCUMENT: Message = Message {
    fields: &[
        ("openapi", 1, Form::Text),
        ("info", 2, Form::Message(&INFO)),
        ("paths", 4, Form::With(paths)),
        ("components", 5, Form::Message(&COMPONENTS)),
    ],
    extensions: 9,
};

static INFO: Message = Message {
    fields: &[("title", 1, Form::Text), ("description", 2, Form::Text), ("version", 6, Form::Text)],
    extensions: 7,
};

static COMPONENTS: Message = Message {
    fields: &[
        ("schemas", 1, Form::With(properties)),
        ("securitySchemes", 7, Form::With(security_schemes)),
    ],
    extensions: 10,
};

static SECURITY_SCHEME: Message = Message {
    fields: &[
        ("type", 1, Form::Text),
        ("description", 2, Form::Text),
        ("name", 3, Form::Text),
        ("in", 4, Form::Text),
    ],
    extensions: 9,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("description", 3, Form::Text),
        ("get", 4, Form::Message(&OPERATION)),
        ("put", 5, Form::Message(&OPERATION)),
        ("post", 6, Form::Message(&OPERATION)),
        ("delete", 7, Form::Message(&OPERATION)),
        ("options", 8, Form::Message(&OPERATION)),
        ("head", 9, Form::Message(&OPERATION)),
        ("patch", 10, Form::Message(&OPERATION)),
        ("parameters", 13, Form::With(parameters)),
    ],
    extensions: 14,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Form::Text),
        ("description", 3, Form::Text),
        ("operationId", 5, Form::Text),
        ("parameters", 6, Form::With(parameters)),
        ("requestBody", 7, Form::With(request_body)),
        ("responses", 8, Form::With(responses)),
        ("deprecated", 10, Form::True),
    ],
    extensions: 13,
};

static PARAMETER: Message = Message {
    fields: &[
        ("name", 1, Form::Text),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("required", 4, Form::True),
        ("schema", 10, Form::With(schema)),
    ],
    extensions: 14,
};

static REQUEST_BODY: Message = Message {
    fields: &[
        ("description", 1, Form::Text),
        ("content", 2, Form::With(content)),
        ("required", 3, Form::True),
    ],
    extensions: 4,
};

static RESPONSE: Message = Message {
    fields: &[("description", 1, Form::Text), ("content", 3, Form::With(content))],
    extensions: 5,
};

static MEDIA_TYPE: Message =
    Message { fields: &[("schema", 1, Form::With(schema))], extensions: 5 };

static SCHEMA: Message = Message {
    fields: &[
        ("nullable", 1, Form::True),
        ("readOnly", 3, Form::True),
        ("externalDocs", 6, Form::Message(&EXTERNAL_DOCS)),
        ("example", 7, Form::Any),
        ("deprecated", 8, Form::True),
        ("title", 9, Form::Text),
        ("multipleOf", 10, Form::Double),
        ("maximum", 11, Form::Double),
        ("exclusiveMaximum", 12, Form::True),
        ("minimum", 13, Form::Double),
        ("exclusiveMinimum", 14, Form::True),
        ("maxLength", 15, Form::Int),
        ("minLength", 16, Form::Int),
        ("pattern", 17, Form::Text),
        ("maxItems", 18, Form::Int),
        ("minItems", 19, Form::Int),
        ("uniqueItems", 20, Form::True),
        ("maxProperties", 21, Form::Int),
        ("minProperties", 22, Form::Int),
        ("required", 23, Form::Text),
        ("enum", 24, Form::Anys),
        ("type", 25, Form::Text),
        ("allOf", 26, Form::With(schemas)),
        ("oneOf", 27, Form::With(schemas)),
        ("anyOf", 28, Form::With(schemas)),
        ("not", 29, Form::Message(&SCHEMA)),
        ("items", 30, Form::With(items)),
        ("properties", 31, Form::With(properties)),
        ("additionalProperties", 32, Form::With(additional)),
        ("default", 33, Form::With(default_value)),
        ("description", 34, Form::Text),
        ("format", 35, Form::Text),
    ],
    extensions: 36,
};

static EXTERNAL_DOCS: Message =
    Message { fields: &[("description", 1, Form::Text), ("url", 2, Form::Text)], extensions: 3 };

/// The protobuf form of a document's JSON text; empty if it is none.
pub(super) fn of_json(text: &[u8]) -> Vec<u8> {
    let arena = Bump::new();
    let mut out = Vec::with_capacity(text.len());
    if let Ok(Value::Map(map)) = parse_any(text, &arena) {
        DOCUMENT.write(&map, &mut out);
    }
    out
}

/// Each member of an object as a named entry of a map, in field 1 of a message.
fn entries(
    number: u32,
    value: &Value<'_>,
    out: &mut Vec<u8>,
    write: impl Fn(&Value<'_>, &mut Vec<u8>),
) {
    let Some(map) = value.as_map() else { return };
    wire::nested(number, out, |out| {
        for (name, value) in map.iter() {
            named(1, name, out, |out| write(value, out));
        }
    });
}

fn paths(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    entries(number, value, out, |item, out| {
        if let Some(item) = item.as_map() {
            PATH_ITEM.write(item, out);
        }
    });
}

/// `OrReference` of gnostic: the thing itself as field 1, or a reference as field 2.
fn or_reference(message: &'static Message, value: &Value<'_>, out: &mut Vec<u8>) {
    match value.str_at(&["$ref"]) {
        "" => message.write_field(1, value, out),
        reference => wire::nested(2, out, |out| wire::bytes(1, reference.as_bytes(), out)),
    }
}

fn security_schemes(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    entries(number, value, out, |scheme, out| or_reference(&SECURITY_SCHEME, scheme, out));
}

fn parameters(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    for parameter in value.as_list().into_iter().flatten() {
        wire::nested(number, out, |out| or_reference(&PARAMETER, parameter, out));
    }
}

fn request_body(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| or_reference(&REQUEST_BODY, value, out));
}

/// `Responses`: the one for every other code stands apart.
fn responses(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    let Some(map) = value.as_map() else { return };
    wire::nested(number, out, |out| {
        for (code, response) in map.iter() {
            match code {
                "default" => wire::nested(1, out, |out| or_reference(&RESPONSE, response, out)),
                _ => named(2, code, out, |out| or_reference(&RESPONSE, response, out)),
            }
        }
    });
}

fn content(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    entries(number, value, out, |media, out| {
        if let Some(media) = media.as_map() {
            MEDIA_TYPE.write(media, out);
        }
    });
}

fn schema(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| or_reference(&SCHEMA, value, out));
}

fn schemas(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    value.as_list().into_iter().flatten().for_each(|one| schema(number, one, out));
}

fn items(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| schema(1, value, out));
}

fn properties(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    entries(number, value, out, |one, out| or_reference(&SCHEMA, one, out));
}

fn additional(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| match value.as_bool() {
        Some(allowed) => wire::int(2, i64::from(allowed), out),
        None => schema(1, value, out),
    });
}

/// `DefaultType`, which has no form for objects and lists: theirs is empty.
fn default_value(number: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Int(_) | Value::Float(_) => wire::nested(number, out, |out| {
            wire::key(1, 1, out);
            out.extend_from_slice(&number_of(value).to_le_bytes());
        }),
        Value::Bool(set) => wire::nested(number, out, |out| wire::int(2, i64::from(*set), out)),
        Value::Str(text) => wire::nested(number, out, |out| wire::bytes(3, text.as_bytes(), out)),
        Value::Null | Value::Raw(_) | Value::List(_) | Value::Map(_) => {
            wire::nested(number, out, |_| {});
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of_json;

    #[test]
    fn a_document_is_written_as_gnostic_numbers_it() {
        let text = br##"{"openapi":"3.0.0","info":{"title":"K","version":"1"},"paths":{"/a":{"get":
            {"operationId":"o","responses":{"200":{"description":"OK","content":{"x/y":{"schema":
            {"$ref":"#/r"}}}}}}}},"components":{"schemas":{"S":{"type":"object","default":{},
            "properties":{"p":{"type":"string","default":""}},"x-a":"b"}}}}"##;
        let found = of_json(&text[..]);
        assert!(found.starts_with(b"\x0a\x053.0.0\x12\x06\x0a\x01K\x32\x011"), "{found:?}");
        // content { "x/y" { schema { reference } } }
        let reference = b"\x0a\x03x/y\x12\x09\x0a\x07\x12\x05\x0a\x03#/r";
        assert!(found.windows(reference.len()).any(|part| part == reference), "{found:?}");
        // schemas { "S" { schema { type, properties { "p" { schema { type, default "" } } } } } }
        let property =
            b"\xfa\x01\x17\x0a\x15\x0a\x01p\x12\x10\x0a\x0e\xca\x01\x06string\x8a\x02\x02";
        assert!(found.windows(property.len()).any(|part| part == property), "{found:?}");
        let empty = b"\x8a\x02\x00";
        assert!(found.windows(empty.len()).any(|part| part == empty), "{found:?}");
        let extension = b"\xa2\x02\x0d\x0a\x03x-a\x12\x06\x12\x04\"b\"\n";
        assert!(found.windows(extension.len()).any(|part| part == extension), "{found:?}");
        assert!(of_json(b"[").is_empty());
    }
}
