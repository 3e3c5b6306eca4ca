//! A place in a tree, by schema: what a value at that place may be and what stands below it.

use crate::object::Value;
use crate::object::json_text;
use crate::object::schema::{Field, Kind, ListKind, Scalar, Shape, Type};
use crate::object::structural::{Additional, Schema};
use bumpalo::Bump;

/// What the schema says of one place.
#[derive(Debug, Clone, Copy)]
pub enum Place<'t> {
    /// Any JSON, of which apply takes a whole object or array as one field: a field whose type says
    /// nothing of what it holds (`RawExtension`, `JSON`; `__untyped_atomic_`).
    Any,
    /// An object or array of a custom resource.
    Custom(&'static Schema),
    /// Elements of a list field.
    List(&'t Field),
    /// Values by key of a map field.
    Map(&'t Field),
    /// Fields of a message, and whether apply takes them as one.
    Message(&'t Type, bool),
    /// A scalar, or a type with a JSON form of its own.
    Scalar(Scalar),
    /// Nothing: any JSON may stand there, and what the values are says how they merge
    /// (`__untyped_deduced_`).
    Unknown,
}

impl<'t> Place<'t> {
    /// The root of an object; `None` for an object without schema.
    pub fn root(ty: Option<&'t Type>) -> Self {
        ty.map_or(Self::Unknown, |ty| Self::Message(ty, ty.atomic))
    }

    /// What a structural schema says; its scalars are those of built-in types.
    pub fn custom(schema: &'static Schema) -> Self {
        let named = !schema.properties.is_empty() || schema.embedded.is_some();
        match schema.kind {
            // Published without a type, which stands for any value.
            _ if schema.int_or_string => Self::Unknown,
            "boolean" => Self::Scalar(Scalar::Bool),
            "integer" => Self::Scalar(Scalar::Int64),
            "number" => Self::Scalar(Scalar::Float64),
            "string" if schema.any_scalar => Self::Scalar(Scalar::IntOrString),
            "string" => Self::Scalar(Scalar::String),
            "" if !named => Self::Unknown,
            _ => Self::Custom(schema),
        }
    }

    /// True for an array whose items the schema describes.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List(_)) || matches!(self, Self::Custom(s) if s.kind == "array")
    }

    /// True for an object whose members the schema describes.
    pub fn is_map(self) -> bool {
        matches!(self, Self::Message(..) | Self::Map(_))
            || matches!(self, Self::Custom(s) if s.kind != "array")
    }

    /// True if the schema has no place for the member `key`.
    pub fn refuses(self, key: &str) -> bool {
        let knows = |schema: &Schema| {
            schema.member(key).is_some()
                || match schema.additional {
                    Additional::Allowed(allowed) => allowed,
                    Additional::Schema(_) => true,
                    Additional::Unset => schema.lenient,
                }
        };
        // An object that declares nothing is taken for one that holds anything.
        let bare = |schema: &Schema| {
            matches!(schema.additional, Additional::Unset)
                && schema.properties.is_empty()
                && schema.embedded.is_none()
        };
        match self {
            Self::Custom(schema) => !self.declares(key) && !knows(schema) && !bare(schema),
            Self::Message(ty, _) => ty.field(key).is_none() && !ty.structural.is_some_and(knows),
            Self::Any | Self::List(_) | Self::Map(_) | Self::Scalar(_) | Self::Unknown => false,
        }
    }

    /// What the whole of `field` holds.
    pub fn of_field(field: &'t Field) -> Self {
        match field.shape {
            Shape::One => Self::element(field),
            Shape::List => Self::List(field),
            Shape::Map => Self::Map(field),
            Shape::MapOfLists | Shape::MapOrStrings => Self::Unknown,
            Shape::OneOrBool | Shape::OneOrList => Self::Any,
        }
    }

    /// What one element of `field` holds.
    fn element(field: &'t Field) -> Self {
        match field.kind {
            Kind::Scalar(Scalar::Json | Scalar::RawExtension) => Self::Any,
            Kind::Scalar(scalar) => Self::Scalar(scalar),
            Kind::Message(cell) => match cell.get() {
                Some(ty) if field.shape == Shape::One => Self::Message(ty, field.is_atomic()),
                Some(ty) => Self::Message(ty, ty.atomic),
                None => Self::Unknown,
            },
        }
    }

    /// What stands below under `key` of a JSON object.
    pub fn member(self, key: &str) -> Self {
        match self {
            Self::Message(ty, _) => match (ty.field(key), ty.structural) {
                (Some(field), _) => Self::of_field(field),
                (None, Some(schema)) => schema.member(key).map_or(Self::Unknown, Self::custom),
                (None, None) => Self::Unknown,
            },
            Self::Custom(schema) => match (schema.embedded, key) {
                (Some(metadata), "metadata") => Self::Message(metadata, metadata.atomic),
                (Some(_), "apiVersion" | "kind") => Self::Scalar(Scalar::String),
                _ => schema.member(key).map_or(Self::Unknown, Self::custom),
            },
            Self::Map(field) => Self::element(field),
            Self::Any => Self::Any,
            Self::List(_) | Self::Scalar(_) | Self::Unknown => Self::Unknown,
        }
    }

    /// What one element of a JSON array is.
    pub fn item(self) -> Self {
        match self {
            Self::List(field) => Self::element(field),
            Self::Custom(schema) => schema.items.as_deref().map_or(Self::Unknown, Self::custom),
            Self::Any | Self::Map(_) | Self::Message(..) | Self::Scalar(_) | Self::Unknown => {
                Self::Unknown
            }
        }
    }

    /// True if the schema names the member `key`.
    pub fn declares(self, key: &str) -> bool {
        let head = matches!(key, "apiVersion" | "kind" | "metadata");
        match self {
            Self::Message(ty, _) => {
                let custom = ty.structural.is_some_and(|schema| schema.property(key).is_some());
                ty.field(key).is_some() || custom
            }
            Self::Custom(schema) => {
                schema.property(key).is_some() || (head && schema.embedded.is_some())
            }
            Self::Any | Self::List(_) | Self::Map(_) | Self::Scalar(_) | Self::Unknown => false,
        }
    }

    /// True if a JSON object may stand here.
    pub fn holds_maps(self) -> bool {
        self.is_map() || matches!(self, Self::Any | Self::Unknown)
    }

    /// True if a JSON array may stand here.
    pub fn holds_lists(self) -> bool {
        self.is_list() || matches!(self, Self::Any | Self::Unknown)
    }

    /// How apply merges a JSON array at this place.
    pub fn list_kind(self) -> ListKind {
        match self {
            Self::List(field) => field.list,
            Self::Custom(schema) => schema.list_kind(),
            Self::Any | Self::Map(_) | Self::Message(..) | Self::Scalar(_) | Self::Unknown => {
                ListKind::Atomic
            }
        }
    }

    /// True if apply takes a JSON object at this place as one field.
    pub fn is_atomic_map(self) -> bool {
        match self {
            Self::Any => true,
            Self::Custom(schema) => schema.atomic,
            Self::Message(_, atomic) => atomic,
            Self::Map(field) => field.atomic.unwrap_or(false),
            Self::List(_) | Self::Scalar(_) | Self::Unknown => false,
        }
    }

    /// What JSON shows under `key` where the canonical tree has nothing: the zero value of a field
    /// that is always shown.
    pub fn shown<'a>(self, key: &str, arena: &'a Bump) -> Option<Value<'a>> {
        let Self::Message(ty, _) = self else { return None };
        json_text::parse(ty.field(key)?.absent.shown()?, arena).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::object::fixture::{deployment, value};
    use bumpalo::Bump;

    #[test]
    fn places_follow_the_schema_down_to_list_elements() {
        let root = Place::root(Some(deployment()));
        let spec = root.member("spec").member("template").member("spec");
        let env = spec.member("containers").item().member("env").item();
        assert!(matches!(env, Place::Message(ty, false) if ty.go_name == "EnvVar"));
        assert!(spec.member("nodeSelector").is_atomic_map());
        assert!(root.member("metadata").member("ownerReferences").item().is_atomic_map());
        assert!(matches!(root.member("bogus").member("x"), Place::Unknown));
    }

    #[test]
    fn always_shown_fields_read_as_their_zero_value() {
        let arena = Bump::new();
        let root = Place::root(Some(deployment()));
        assert_eq!(root.shown("status", &arena), Some(value(&arena, "{}")));
        assert_eq!(root.shown("spec", &arena), None);
    }
}
