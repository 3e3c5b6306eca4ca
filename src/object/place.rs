//! A place in a tree, by schema: what a value at that place may be and what stands below it.

use crate::object::Value;
use crate::object::json_text;
use crate::object::schema::{Field, Kind, ListKind, Scalar, Shape, Type};
use bumpalo::Bump;

/// What the schema says of one place.
#[derive(Debug, Clone, Copy)]
pub enum Place<'t> {
    /// Any JSON, of which apply takes a whole object or array as one field: a field whose type says
    /// nothing of what it holds (`RawExtension`, `JSON`; `__untyped_atomic_`).
    Any,
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
            Self::Message(ty, _) => ty.field(key).map_or(Self::Unknown, Self::of_field),
            Self::Map(field) => Self::element(field),
            Self::Any => Self::Any,
            Self::List(_) | Self::Scalar(_) | Self::Unknown => Self::Unknown,
        }
    }

    /// What one element of a JSON array is.
    pub fn item(self) -> Self {
        if let Self::List(field) = self { Self::element(field) } else { Self::Unknown }
    }

    /// True if the schema names the member `key`.
    pub fn declares(self, key: &str) -> bool {
        matches!(self, Self::Message(ty, _) if ty.field(key).is_some())
    }

    /// True if a JSON object may stand here.
    pub fn holds_maps(self) -> bool {
        matches!(self, Self::Any | Self::Message(..) | Self::Map(_) | Self::Unknown)
    }

    /// True if a JSON array may stand here.
    pub fn holds_lists(self) -> bool {
        matches!(self, Self::Any | Self::List(_) | Self::Unknown)
    }

    /// How apply merges a JSON array at this place.
    pub fn list_kind(self) -> ListKind {
        if let Self::List(field) = self { field.list } else { ListKind::Atomic }
    }

    /// True if apply takes a JSON object at this place as one field.
    pub fn is_atomic_map(self) -> bool {
        match self {
            Self::Any => true,
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
