//! What decoding does to a custom resource beyond its metadata: the metadata of embedded resources
//! gets its form, and what the schema does not know goes.

use super::conform;
use super::decode::Strictness;
use super::error::DecodeError;
use crate::object::Value;
use crate::object::structural::{self, Schema};
use bumpalo::Bump;

/// Brings a custom resource into its schema's form. Unknown fields are told in `strict_errors`.
///
/// # Errors
/// Metadata of an embedded resource that is none.
pub(super) fn coerce<'a>(
    object: &mut Value<'a>,
    schema: &Schema,
    arena: &'a Bump,
    strict_errors: &mut Vec<String>,
) -> Result<(), DecodeError> {
    if schema.has_embedded() {
        embedded(object, schema, arena)?;
    }
    let unknown = structural::prune(object, schema);
    strict_errors.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
    Ok(())
}

fn embedded<'a>(
    value: &mut Value<'a>,
    schema: &Schema,
    arena: &'a Bump,
) -> Result<(), DecodeError> {
    match value {
        Value::Map(map) => {
            for (key, value) in map.iter_mut() {
                if let (Some(ty), "metadata") = (schema.embedded, key) {
                    *value = conform(value, ty, arena, Strictness::Ignore)?.value;
                } else if let Some(below) = schema.member(key) {
                    embedded(value, below, arena)?;
                }
            }
            Ok(())
        }
        Value::List(list) => match &schema.items {
            Some(below) => list.iter_mut().try_for_each(|item| embedded(item, below, arena)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
