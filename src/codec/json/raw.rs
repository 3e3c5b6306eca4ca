//! Objects that are kept as their text (`RawExtension`): what equals them byte by byte is the same,
//! white space and the order of keys included, and that is how they are stored. What looks inside
//! wants trees.

use super::encode::{encode_any, encode_sorted};
use super::untyped::parse_any;
use crate::object::Value;
use crate::object::schema::{Kind, Scalar, Type};
use bumpalo::Bump;

/// Makes trees of the texts in an object of type `ty`.
pub fn expand<'a>(value: &mut Value<'a>, ty: &Type, arena: &'a Bump) {
    each(value, ty, &mut |raw| {
        if let Value::Raw(text) = raw
            && let Ok(tree) = parse_any(text.as_bytes(), arena)
        {
            *raw = tree;
        }
    });
}

/// Writes the texts in an object of type `ty` anew, with keys in order, as Go does when they have
/// been maps.
pub fn sort<'a>(value: &mut Value<'a>, ty: &Type, arena: &'a Bump) {
    expand(value, ty, arena);
    each(value, ty, &mut |raw| {
        if raw.as_map().is_some() {
            *raw = text_of(raw, true, arena);
        }
    });
}

/// The text of a tree.
pub(super) fn text_of<'a>(tree: &Value<'_>, sorted: bool, arena: &'a Bump) -> Value<'a> {
    let mut out = Vec::with_capacity(256);
    if sorted {
        encode_sorted(tree, &mut out)
    } else {
        encode_any(tree, &mut out)
    }
    Value::Raw(arena.alloc_str(std::str::from_utf8(&out).unwrap_or("{}")))
}

fn each<'a>(value: &mut Value<'a>, ty: &Type, visit: &mut dyn FnMut(&mut Value<'a>)) {
    if !ty.holds_raw() {
        return;
    }
    for field in &ty.fields {
        let Some(member) = value.get_mut(field.name) else { continue };
        let mut one = |value: &mut Value<'a>| match field.kind {
            Kind::Scalar(Scalar::RawExtension) => visit(value),
            Kind::Scalar(_) => {}
            Kind::Message(_) => {
                if let Some(ty) = field.kind.message() {
                    each(value, ty, visit);
                }
            }
        };
        match member {
            Value::List(list) => list.iter_mut().for_each(one),
            Value::Map(map) if field.shape.is_many() => {
                map.iter_mut().for_each(|(_, value)| one(value));
            }
            other => one(other),
        }
    }
}
