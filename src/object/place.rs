//! A place in a tree, by schema: what a value at that place may be and what stands below it.

use crate::object::schema::{Absent, Field, Kind, ListKind, Scalar, Shape, Type};
use crate::object::{Map, Value};
use bumpalo::Bump;

/// What the schema says of one place.
#[derive(Debug, Clone, Copy)]
pub enum Place<'t> {
    /// Elements of a list field.
    List(&'t Field),
    /// Values by key of a map field.
    Map(&'t Field),
    /// Fields of a message, and whether apply takes them as one.
    Message(&'t Type, bool),
    /// A scalar, or a type with a JSON form of its own.
    Scalar(Scalar),
    /// Nothing: any JSON may stand there.
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
            Shape::MapOfLists | Shape::MapOrStrings | Shape::OneOrBool | Shape::OneOrList => {
                Self::Unknown
            }
        }
    }

    /// What one element of `field` holds.
    fn element(field: &'t Field) -> Self {
        match field.kind {
            Kind::Scalar(Scalar::Json | Scalar::RawExtension) => Self::Unknown,
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
            Self::List(_) | Self::Scalar(_) | Self::Unknown => Self::Unknown,
        }
    }

    /// What one element of a JSON array is.
    pub fn item(self) -> Self {
        if let Self::List(field) = self { Self::element(field) } else { Self::Unknown }
    }

    /// How apply merges a JSON array at this place.
    pub fn list_kind(self) -> ListKind {
        if let Self::List(field) = self { field.list } else { ListKind::Atomic }
    }

    /// True if apply takes a JSON object at this place as one field.
    pub fn is_atomic_map(self) -> bool {
        match self {
            Self::Message(_, atomic) => atomic,
            Self::Map(field) => field.atomic.unwrap_or(false),
            Self::List(_) | Self::Scalar(_) | Self::Unknown => false,
        }
    }

    /// What JSON shows under `key` where the canonical tree has nothing: the zero value of a field
    /// that is always shown.
    pub fn shown<'a>(self, key: &str, arena: &'a Bump) -> Option<Value<'a>> {
        let Self::Message(ty, _) = self else { return None };
        match ty.field(key)?.absent {
            Absent::Omitted => None,
            Absent::Shown(text) => zero(text, arena),
        }
    }
}

/// Reads the text of a zero value: `null`, `""`, `0`, `false`, `[]`, or objects of those.
fn zero<'a>(text: &'static str, arena: &'a Bump) -> Option<Value<'a>> {
    Some(match text {
        "null" => Value::Null,
        "\"\"" => Value::Str(""),
        "0" => Value::Int(0),
        "false" => Value::Bool(false),
        "[]" => Value::list_in(arena),
        "{}" => Value::map_in(arena),
        _ => {
            // One level of nesting at a time: {"loadBalancer":{}}; the keys have no escapes.
            let inner = text.strip_prefix("{\"")?.strip_suffix('}')?;
            let (key, value) = inner.split_once("\":")?;
            let mut map = Map::with_capacity_in(1, arena);
            map.push_unique(key, zero(value, arena)?);
            Value::Map(map)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Place, zero};
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
        let nested = r#"{"loadBalancer":{}}"#;
        assert_eq!(zero(nested, &arena), Some(value(&arena, nested)));
    }
}
