//! Types of expressions, as they are declared, inferred and named in errors.

use std::fmt::Write as _;
use std::sync::Arc;

/// A type.
#[derive(Debug, Clone)]
pub enum Type {
    /// `bool`.
    Bool,
    /// `bytes`.
    Bytes,
    /// `double`.
    Double,
    /// `google.protobuf.Duration`.
    Duration,
    /// Anything; what it is shows at evaluation.
    Dyn,
    /// Stands where an error was found.
    Error,
    /// `int`.
    Int,
    /// A list.
    List(Arc<Self>),
    /// A map with its keys and values.
    Map(Arc<(Self, Self)>),
    /// `null_type`.
    Null,
    /// An object with declared fields.
    Object(Arc<Object>),
    /// A type that only functions look into.
    Opaque(&'static str),
    /// A value or none.
    Optional(Arc<Self>),
    /// A type that is not yet known.
    Param(u32),
    /// `string`.
    String,
    /// `google.protobuf.Timestamp`.
    Timestamp,
    /// A type as a value.
    Type(Option<Arc<Self>>),
    /// `uint`.
    Uint,
}

/// An object type (`apiservercel.DeclType` of kind object).
#[derive(Debug)]
pub struct Object {
    /// Its name, which makes it what it is.
    pub name: Box<str>,
    /// Its fields by name, sorted.
    pub fields: Vec<(Box<str>, Type)>,
    /// Any other field is there too, and dynamic.
    pub open: bool,
}

impl Object {
    /// An object type with these fields.
    pub fn typed(name: &str, mut fields: Vec<(Box<str>, Type)>) -> Type {
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Type::Object(Arc::new(Self { name: name.into(), fields, open: false }))
    }

    /// The type of the field `name`.
    pub fn field(&self, name: &str) -> Option<&Type> {
        let at = self.fields.binary_search_by(|(known, _)| (**known).cmp(name));
        match at {
            Ok(at) => self.fields.get(at).map(|(_, field)| field),
            Err(_) => self.open.then_some(&Type::Dyn),
        }
    }
}

impl Type {
    /// A list of `item`s.
    pub fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    /// A map.
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    /// A value or none.
    pub fn optional(inner: Self) -> Self {
        Self::Optional(Arc::new(inner))
    }

    /// True for dynamic values, and where an error was found already.
    pub fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// Equality by structure and name (`types.Type.IsExactType`).
    pub fn is_exact(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) | (Self::Optional(a), Self::Optional(b)) => {
                a.is_exact(b)
            }
            (Self::Map(a), Self::Map(b)) => a.0.is_exact(&b.0) && a.1.is_exact(&b.1),
            (Self::Object(a), Self::Object(b)) => a.name == b.name,
            (Self::Opaque(a), Self::Opaque(b)) => a == b,
            (Self::Param(a), Self::Param(b)) => a == b,
            (Self::Type(a), Self::Type(b)) => match (a, b) {
                (Some(a), Some(b)) => a.is_exact(b),
                (a, b) => a.is_none() == b.is_none(),
            },
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// The name without parameters (`types.Type.TypeName`), as `type(x)` shows it.
    pub fn name(&self) -> &str {
        match self {
            Self::Bool => "bool",
            Self::Bytes => "bytes",
            Self::Double => "double",
            Self::Duration => "google.protobuf.Duration",
            Self::Dyn => "dyn",
            Self::Error => "error",
            Self::Int => "int",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Null => "null_type",
            Self::Object(object) => &object.name,
            Self::Opaque(name) => name,
            Self::Optional(_) => "optional_type",
            Self::Param(_) => "_var",
            Self::String => "string",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Type(_) => "type",
            Self::Uint => "uint",
        }
    }

    /// The name in errors of the checker (`checker.FormatCELType`).
    pub fn shown(&self) -> String {
        let mut out = String::new();
        self.show(true, &mut out);
        out
    }

    /// The name with parameters (`types.Type.String`).
    pub fn declared(&self) -> String {
        let mut out = String::new();
        self.show(false, &mut out);
        out
    }

    fn show(&self, short: bool, out: &mut String) {
        match self {
            Self::Duration if short => out.push_str("duration"),
            Self::Error if short => out.push_str("!error!"),
            Self::List(inner) | Self::Optional(inner) | Self::Type(Some(inner)) => {
                let _ = write!(out, "{}(", self.name());
                inner.show(short, out);
                out.push(')');
            }
            Self::Map(map) => {
                out.push_str("map(");
                map.0.show(short, out);
                out.push_str(", ");
                map.1.show(short, out);
                out.push(')');
            }
            Self::Null if short => out.push_str("null"),
            Self::Param(number) => {
                let _ = write!(out, "_var{number}");
            }
            Self::Timestamp if short => out.push_str("timestamp"),
            _ => out.push_str(self.name()),
        }
    }
}
