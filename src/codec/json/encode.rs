//! Value to JSON text.

use super::positions::{NONE, Positions};
use super::write;
use crate::object::quantity;
use crate::object::schema::{Absent, Field, Kind, Scalar, Shape, Type};
use crate::object::{Map, Value};

/// Appends `value` as compact JSON of type `ty`: fields in the order of the Go struct, those that
/// are always shown added, string maps sorted by key.
pub fn encode(value: &Value<'_>, ty: &'static Type, out: &mut Vec<u8>) {
    match value {
        _ if ty.structural.is_some() => encode_sorted(value, out),
        Value::Map(map) => message(map, ty, out),
        _ => encode_any(value, out),
    }
}

/// Appends `value` as compact JSON with all keys sorted, as Go writes maps.
pub fn encode_sorted(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::List(list) => {
            out.push(b'[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                encode_sorted(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (at, (key, value)) in in_key_order(map).enumerate() {
                begin_member(at == 0, key, out);
                encode_sorted(value, out);
            }
            out.push(b'}');
        }
        _ => encode_any(value, out),
    }
}

/// Appends `value` as compact JSON, keys in the order of the value.
pub fn encode_any(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => write::int(*n, out),
        Value::Float(n) => write::float(*n, out),
        Value::Str(text) => write::string(text, out),
        Value::Raw(text) => {
            let start = out.len();
            if !write::compact(text.as_bytes(), out) {
                // Decoders keep no such text; should one come by another way, it must not spoil
                // the text around it.
                out.truncate(start);
                out.extend_from_slice(b"{}");
            }
        }
        Value::List(list) => {
            out.push(b'[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                encode_any(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (at, (key, value)) in map.iter().enumerate() {
                begin_member(at == 0, key, out);
                encode_any(value, out);
            }
            out.push(b'}');
        }
    }
}

fn begin_member(first: bool, key: &str, out: &mut Vec<u8>) {
    if !first {
        out.push(b',');
    }
    write::string(key, out);
    out.push(b':');
}

fn message(map: &Map<'_>, ty: &'static Type, out: &mut Vec<u8>) {
    let mut positions = Positions::new();
    let positions = positions.fill(map, ty);
    let start = out.len();
    for ((field, key), at) in ty.fields.iter().zip(&ty.keys).zip(positions) {
        let value = map.entry_at(usize::from(*at)).filter(|_| *at != NONE);
        match (value, field.absent) {
            (Some((_, value)), _) if field.omits(value) => {}
            (Some((_, value)), _) => {
                out.extend_from_slice(key.as_bytes());
                member(value, field, out);
            }
            (None, Absent::Shown(text)) => {
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            (None, Absent::Omitted) => {}
        }
    }
    // Each key begins with a comma: the first one becomes the brace.
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

fn member(value: &Value<'_>, field: &Field, out: &mut Vec<u8>) {
    match (field.shape, value) {
        (Shape::Map | Shape::MapOfLists | Shape::MapOrStrings, Value::Map(map)) => {
            sorted_map(map, field.kind, out);
        }
        _ => element(value, field.kind, out),
    }
}

/// A value of this kind or a list of them.
fn element(value: &Value<'_>, kind: Kind, out: &mut Vec<u8>) {
    let Some(ty) = kind.message() else {
        return match (kind, value) {
            (Kind::Scalar(Scalar::Quantity), Value::Str(text)) => {
                write::string(&quantity::printed(text), out);
            }
            _ => encode_any(value, out),
        };
    };
    match value {
        Value::Map(map) => message(map, ty, out),
        Value::List(list) => {
            out.push(b'[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                element(item, kind, out);
            }
            out.push(b']');
        }
        _ => encode_any(value, out),
    }
}

fn sorted_map(map: &Map<'_>, kind: Kind, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, value)) in in_key_order(map).enumerate() {
        begin_member(at == 0, key, out);
        element(value, kind, out);
    }
    out.push(b'}');
}

/// The entries of a map by key.
pub(crate) fn in_key_order<'m, 'a>(
    map: &'m Map<'a>,
) -> impl Iterator<Item = (&'a str, &'m Value<'a>)> {
    let sorted = map.keys().is_sorted();
    let mut entries: Vec<(&'a str, &'m Value<'a>)> = Vec::new();
    if !sorted {
        entries.extend(map.iter());
        entries.sort_unstable_by_key(|(key, _)| *key);
    }
    let direct = map.iter().take(if sorted { usize::MAX } else { 0 });
    direct.chain(entries)
}
