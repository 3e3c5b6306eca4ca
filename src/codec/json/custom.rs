//! What decoding does to a custom resource beyond its metadata: the metadata of embedded resources
//! gets its form, and what the schema does not know goes.

use super::conform;
use super::decode::Strictness;
use super::error::DecodeError;
use crate::object::Value;
use crate::object::field::{FieldError, Path};
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
    let mut unknown = structural::prune(object, schema);
    if schema.has_embedded() {
        let mut inner = Vec::new();
        coerce_embedded(object, schema, None, arena, &mut inner).map_err(DecodeError::Field)?;
        inner.sort_unstable();
        unknown.append(&mut inner);
    }
    strict_errors.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
    Ok(())
}

/// Gives the metadata of embedded resources at and below `value` its form; paths of what it does
/// not know go to `unknown` (`schemaobjectmeta.CoerceWithOptions`).
///
/// # Errors
/// The first member of a resource that is of another type.
pub fn coerce_embedded<'a>(
    value: &mut Value<'a>,
    schema: &Schema,
    at: Option<&Path<'_>>,
    arena: &'a Bump,
    unknown: &mut Vec<String>,
) -> Result<(), FieldError> {
    let nowhere = Path::root("");
    match value {
        Value::Map(map) => {
            for (key, value) in map.iter_mut() {
                let child = at.map_or_else(|| Path::root(key), |path| path.child(key));
                let below = schema.property(key);
                // Such a null goes away later.
                let goes = value.is_null()
                    && below.is_some_and(|below| !below.nullable && below.default.is_none());
                if schema.embedded.is_some() && !goes {
                    member(key, value, schema, &child, arena, unknown)?;
                }
                if let Some(below) = below {
                    coerce_embedded(value, below, Some(&child), arena, unknown)?;
                } else if let Some(below) = schema.member(key) {
                    let child = at.unwrap_or(&nowhere).key(key);
                    coerce_embedded(value, below, Some(&child), arena, unknown)?;
                }
            }
            Ok(())
        }
        Value::List(list) => {
            let Some(below) = &schema.items else { return Ok(()) };
            for (index, item) in list.iter_mut().enumerate() {
                let child = at.unwrap_or(&nowhere).index(index);
                coerce_embedded(item, below, Some(&child), arena, unknown)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// One member of an embedded resource.
fn member<'a>(
    key: &str,
    value: &mut Value<'a>,
    schema: &Schema,
    path: &Path<'_>,
    arena: &'a Bump,
    unknown: &mut Vec<String>,
) -> Result<(), FieldError> {
    match (key, schema.embedded) {
        ("apiVersion" | "kind", _) if value.as_str().is_none() => {
            Err(FieldError::invalid(path, &*value, "must be a string"))
        }
        ("metadata", Some(ty)) => {
            let decoded = conform(value, ty, arena, Strictness::Report)
                .map_err(|error| FieldError::invalid(path, &*value, &error.to_string()))?;
            let named = decoded.strict_errors.iter().filter_map(|error| {
                let name = error.strip_prefix("unknown field \"")?.strip_suffix('"')?;
                Some(format!("{path}.{name}"))
            });
            unknown.extend(named);
            *value = decoded.value;
            Ok(())
        }
        _ => Ok(()),
    }
}
