//! Defaults and nulls (`structural-schema/defaulting`).

use super::{Additional, Constant, Schema};
use crate::object::Value;
use bumpalo::Bump;

/// Removes nulls that the schema neither allows nor has a default for
/// (`PruneNonNullableNullsWithoutDefaults`).
pub fn drop_nulls(value: &mut Value<'_>, schema: Option<&Schema>) {
    match value {
        Value::Map(map) => map.retain(|key, value| {
            let below = schema.and_then(|schema| schema.member(key));
            if value.is_null() && below.is_some_and(|s| !s.nullable && s.default.is_none()) {
                return false;
            }
            drop_nulls(value, below);
            true
        }),
        Value::List(list) => {
            let below = schema.and_then(|schema| schema.items.as_deref());
            list.iter_mut().for_each(|item| drop_nulls(item, below));
        }
        _ => {}
    }
}

/// Sets what is missing, or null where null is not allowed, to its default.
pub fn fill<'a>(value: &mut Value<'a>, schema: &Schema, arena: &'a Bump) {
    match value {
        Value::Map(map) => {
            for (name, property) in &schema.properties {
                let Some(default) = filled(property) else { continue };
                let wanted = match map.get(name) {
                    None => true,
                    Some(value) => value.is_null() && !property.nullable,
                };
                if wanted {
                    map.insert(arena.alloc_str(name), default.value(arena));
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(property) = schema.property(key) {
                    fill(value, property, arena);
                } else if let Additional::Schema(below) = &schema.additional {
                    fill_element(value, below, arena);
                }
            }
        }
        Value::List(list) => {
            let Some(below) = schema.items.as_deref() else { return };
            list.iter_mut().for_each(|item| fill_element(item, below, arena));
        }
        _ => {}
    }
}

fn fill_element<'a>(value: &mut Value<'a>, schema: &Schema, arena: &'a Bump) {
    if value.is_null()
        && !schema.nullable
        && let Some(default) = filled(schema)
    {
        *value = default.value(arena);
    }
    fill(value, schema, arena);
}

/// A default of null is none.
fn filled(schema: &Schema) -> Option<&Constant> {
    schema.default.as_ref().filter(|default| !matches!(default, Constant::Null))
}
