//! Value to protobuf, by schema.

use super::special;
use super::wire;
use crate::base::duration;
use crate::codec::json::positions::{NONE, Positions};
use crate::codec::json::{encode_any, in_key_order};
use crate::codec::scalar::base64_decode_into;
use crate::codec::scalar::time::{self, Instant, Layout};
use crate::object::quantity;
use crate::object::schema::{Field, Kind, Scalar, Shape, Slot, Type, Wire};
use crate::object::{Map, Value};
use bumpalo::Bump;

/// Appends the message of `value`, which is canonical and of type `ty`. Scalars that cannot be
/// read (they were checked on decoding) are written as zero; values of a wrong type likewise.
pub fn encode(value: &Value<'_>, ty: &'static Type, out: &mut Vec<u8>) {
    // Absent structs that are not pointers are written as empty ones.
    let arena = Bump::new();
    let empty = Map::new_in(&arena);
    Encoder { empty: &empty }.message(value.as_map().unwrap_or(&empty), ty, out);
}

struct Encoder<'e> {
    empty: &'e Map<'e>,
}

impl Encoder<'_> {
    fn message(&self, map: &Map<'_>, ty: &'static Type, out: &mut Vec<u8>) {
        let mut positions = Positions::new();
        let positions = positions.fill(map, ty);
        self.level((map, positions), ty, &ty.wire, 0, out);
    }

    fn level(
        &self,
        (map, positions): (&Map<'_>, &[u16]),
        ty: &'static Type,
        level: &'static Wire,
        depth: usize,
        out: &mut Vec<u8>,
    ) {
        for slot in &level.slots {
            match slot {
                Slot::Group(number, inner) => {
                    wire::nested(*number, out, |out| {
                        self.level((map, positions), ty, inner, depth + 1, out);
                    });
                }
                Slot::Field(index) => {
                    let Some(field) = ty.fields.get(usize::from(*index)) else { continue };
                    let number = match depth.checked_sub(1) {
                        None => field.number,
                        Some(at) => field.nested.get(at).copied().unwrap_or(field.number),
                    };
                    let at = positions.get(usize::from(*index)).filter(|at| **at != NONE);
                    match at.and_then(|at| map.entry_at(usize::from(*at))) {
                        Some((_, value)) => self.field(number, value, field, out),
                        None => self.absent(number, field, out),
                    }
                }
            }
        }
    }

    fn absent(&self, number: u32, field: &'static Field, out: &mut Vec<u8>) {
        if field.pointer || field.shape != Shape::One {
            return;
        }
        match (field.kind, field.kind.message()) {
            (_, Some(ty)) => {
                wire::nested(number, out, |out| self.message(self.empty_map(), ty, out));
            }
            (Kind::Scalar(scalar), _) => zero(number, scalar, out),
            (Kind::Message(_), None) => {}
        }
    }

    fn empty_map(&self) -> &Map<'_> {
        self.empty
    }

    fn field(&self, number: u32, value: &Value<'_>, field: &'static Field, out: &mut Vec<u8>) {
        match (field.shape, value) {
            (Shape::One, _) => self.element(number, value, field.kind, out),
            (Shape::List, Value::List(list)) if field.wrapped => {
                wire::nested(number, out, |out| {
                    list.iter().for_each(|item| self.element(1, item, field.kind, out));
                });
            }
            (Shape::List, Value::List(list)) => {
                list.iter().for_each(|item| self.element(number, item, field.kind, out));
            }
            (Shape::Map | Shape::MapOfLists | Shape::MapOrStrings, Value::Map(map)) => {
                for (key, value) in in_key_order(map) {
                    wire::nested(number, out, |out| {
                        wire::bytes(1, key.as_bytes(), out);
                        match (field.shape, value) {
                            (Shape::MapOfLists, _) => strings(2, 1, value, out),
                            (Shape::MapOrStrings, Value::List(_)) => strings(2, 2, value, out),
                            (Shape::MapOrStrings, _) => wire::nested(2, out, |out| {
                                self.element(1, value, field.kind, out);
                            }),
                            _ => self.element(2, value, field.kind, out),
                        }
                    });
                }
            }
            (Shape::OneOrBool, _) => wire::nested(number, out, |out| {
                // The schema form implies that what it allows is allowed.
                wire::int(1, i64::from(!matches!(value, Value::Bool(false))), out);
                if let Value::Map(_) = value {
                    self.element(2, value, field.kind, out);
                }
            }),
            (Shape::OneOrList, _) => wire::nested(number, out, |out| match value {
                Value::List(list) => {
                    list.iter().for_each(|item| self.element(2, item, field.kind, out));
                }
                _ => self.element(1, value, field.kind, out),
            }),
            _ => {}
        }
    }

    fn element(&self, number: u32, value: &Value<'_>, kind: Kind, out: &mut Vec<u8>) {
        match (kind, kind.message()) {
            (_, Some(ty)) => wire::nested(number, out, |out| {
                self.message(value.as_map().unwrap_or(self.empty_map()), ty, out);
            }),
            (Kind::Scalar(scalar), _) => scalar_field(number, value, scalar, out),
            (Kind::Message(_), None) => {}
        }
    }
}

/// A message at `number` whose field `inner` is each of the strings.
fn strings(number: u32, inner: u32, value: &Value<'_>, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| {
        for item in value.as_list().into_iter().flatten() {
            wire::bytes(inner, item.as_str().unwrap_or("").as_bytes(), out);
        }
    });
}

/// What Go writes for a scalar that is not set and not a pointer.
fn zero(number: u32, scalar: Scalar, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Bool | Scalar::Int32 | Scalar::Int64 => wire::int(number, 0, out),
        Scalar::Bytes => {}
        Scalar::Duration => wire::nested(number, out, |out| wire::int(1, 0, out)),
        Scalar::Float64 => double(number, 0.0, out),
        Scalar::IntOrString => special::write_int(number, 0, out),
        Scalar::Quantity => wire::nested(number, out, |out| wire::bytes(1, b"0", out)),
        Scalar::String
        | Scalar::FieldsV1
        | Scalar::Json
        | Scalar::MicroTime
        | Scalar::RawExtension
        | Scalar::Time => wire::bytes(number, b"", out),
    }
}

fn double(number: u32, value: f64, out: &mut Vec<u8>) {
    wire::key(number, wire::FIXED64, out);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

#[expect(clippy::cast_precision_loss, reason = "an integer in a float field is a float")]
fn scalar_field(number: u32, value: &Value<'_>, scalar: Scalar, out: &mut Vec<u8>) {
    match (scalar, value) {
        (Scalar::Bool, Value::Bool(value)) => wire::int(number, i64::from(*value), out),
        (Scalar::Int32 | Scalar::Int64, Value::Int(n)) => wire::int(number, *n, out),
        (Scalar::Float64, Value::Float(n)) => double(number, *n, out),
        (Scalar::Float64, Value::Int(n)) => double(number, *n as f64, out),
        (Scalar::String, Value::Str(text)) => wire::bytes(number, text.as_bytes(), out),
        (Scalar::Bytes, Value::Str(text)) => {
            let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
            if base64_decode_into(text.as_bytes(), &mut bytes).is_err() {
                bytes.clear();
            }
            wire::bytes(number, &bytes, out);
        }
        (Scalar::Duration, Value::Str(text)) => {
            let nanos = duration::parse(text).unwrap_or(0);
            wire::nested(number, out, |out| wire::int(1, nanos, out));
        }
        (Scalar::IntOrString, Value::Int(n)) => special::write_int(number, *n, out),
        (Scalar::IntOrString, Value::Str(text)) => special::write_text(number, text, out),
        (Scalar::MicroTime, Value::Str(text)) => instant(number, text, Layout::Micro, out),
        (Scalar::Time, Value::Str(text)) => instant(number, text, Layout::Seconds, out),
        (Scalar::Quantity, Value::Str(text)) => {
            let text = quantity::printed(text);
            wire::nested(number, out, |out| wire::bytes(1, text.as_bytes(), out));
        }
        (Scalar::FieldsV1 | Scalar::Json | Scalar::RawExtension, Value::Raw(text)) => {
            wire::nested(number, out, |out| wire::bytes(1, text.as_bytes(), out));
        }
        (Scalar::FieldsV1 | Scalar::Json | Scalar::RawExtension, _) if !value.is_null() => {
            wire::nested(number, out, |out| {
                wire::nested(1, out, |out| encode_any(value, out));
            });
        }
        _ => zero(number, scalar, out),
    }
}

fn instant(number: u32, text: &str, layout: Layout, out: &mut Vec<u8>) {
    match time::parse(text, layout) {
        Ok(Instant { seconds, nanos }) => {
            let nanos = if layout == Layout::Seconds { 0 } else { nanos };
            special::write_instant(number, Instant { seconds, nanos }, out);
        }
        Err(_) => wire::bytes(number, b"", out),
    }
}
