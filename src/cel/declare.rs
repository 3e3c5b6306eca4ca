//! The declared types of custom resources: what a structural schema shows to expressions
//! (`common.SchemaDeclType`).

use super::escape::escape;
use super::types::{Object, Type};
use crate::object::structural::{Additional, Schema};

/// The type of what follows `schema`; `None` if expressions do not see it. `root` says that it is
/// the root of a resource, whose kind and name are always there. Object types are named by where
/// they stand, from `name` on.
pub fn declared(schema: &Schema, root: bool, name: &str) -> Option<Type> {
    if schema.int_or_string {
        return Some(Type::Dyn);
    }
    match schema.kind {
        "array" => {
            let items = schema.items.as_deref()?;
            let item = declared(items, items.embedded.is_some(), &format!("{name}.@idx"))?;
            Some(Type::list(item))
        }
        "object" => object(schema, root, name),
        "string" => Some(match &*schema.format {
            "byte" => Type::Bytes,
            "duration" => Type::Duration,
            "date" | "date-time" | "datetime" => Type::Timestamp,
            _ => Type::String,
        }),
        "boolean" => Some(Type::Bool),
        "number" => Some(Type::Double),
        "integer" => Some(Type::Int),
        _ => None,
    }
}

fn object(schema: &Schema, root: bool, name: &str) -> Option<Type> {
    if let (Additional::Schema(value), false) = (&schema.additional, root) {
        let value = declared(value, value.embedded.is_some(), &format!("{name}.@elem"))?;
        return Some(Type::map(Type::String, value));
    }
    let mut fields = Vec::new();
    for (property, below) in &schema.properties {
        if root && matches!(&**property, "apiVersion" | "kind" | "metadata") {
            continue;
        }
        let inner = format!("{name}.{property}");
        if let (Some(field), Some(escaped)) =
            (declared(below, below.embedded.is_some(), &inner), escape(property))
        {
            fields.push((escaped.into(), field));
        }
    }
    if root {
        let names = vec![("generateName".into(), Type::String), ("name".into(), Type::String)];
        let metadata = Object::typed(&format!("{name}.metadata"), names);
        fields.extend([
            ("apiVersion".into(), Type::String),
            ("kind".into(), Type::String),
            ("metadata".into(), metadata),
        ]);
    }
    Some(Object::typed(name, fields))
}
