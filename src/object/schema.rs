//! The schema row: what every part of the object machinery knows of a type.
//!
//! `catalog` fills these rows for built-in types; a custom resource compiles its structural schema
//! into the same rows. Rows are made once and live as long as the process, hence `&'static`.

use std::fmt;

/// One message type: its fields, by JSON name and by protobuf number.
#[derive(Debug)]
pub struct Type {
    /// OpenAPI definition name, as `io.k8s.api.core.v1.Pod`.
    pub name: &'static str,
    /// Fields in the order in which JSON output lists them (wire-number order of the Go struct).
    pub fields: Vec<Field>,
    /// Server-side apply treats the whole value as one field (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// The `kind` for Go-style messages: last segment of `name`.
    pub go_name: &'static str,
    /// Indexes into `fields`, sorted by name, for lookup.
    pub by_name: Vec<u16>,
    /// Index into `fields` by protobuf number; `u16::MAX` where there is none.
    pub by_number: Vec<u16>,
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    /// JSON name.
    pub name: &'static str,
    /// Protobuf field number; 0 if the field is not in the message (`apiVersion`, `kind`).
    pub number: u32,
    /// Number inside the message that protobuf nests where JSON shows the field inline.
    pub nested: Option<u32>,
    /// What one element is.
    pub kind: Kind,
    /// How many there are.
    pub shape: Shape,
    /// What OpenAPI calls required.
    pub required: bool,
    /// The Go field is a pointer: an explicit zero is kept, absence means nil.
    pub pointer: bool,
    /// What the JSON form shows when the field is not set.
    pub absent: Absent,
    /// How server-side apply and validation see a list.
    pub list: ListKind,
    /// Server-side apply treats this map as one field.
    pub atomic_map: bool,
    /// How strategic merge patch treats the field.
    pub patch: Patch,
    /// The OpenAPI default, as JSON text.
    pub default: Option<&'static str>,
    /// The allowed values, where the schema lists them.
    pub values: &'static [&'static str],
    /// Message that carries the field in protobuf where JSON shows another shape.
    pub wire: Option<&'static str>,
}

/// What one element of a field is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A scalar, or a type with a JSON form of its own.
    Scalar(Scalar),
    /// A message.
    Message(&'static TypeCell),
}

/// A slot that is filled once all types are known, so that types may refer to each other.
pub type TypeCell = std::sync::OnceLock<&'static Type>;

impl Kind {
    /// The message type, if it is one.
    pub fn message(self) -> Option<&'static Type> {
        match self {
            Self::Message(cell) => cell.get().copied(),
            Self::Scalar(_) => None,
        }
    }

    /// The scalar, if it is one.
    pub fn scalar(self) -> Option<Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::Message(_) => None,
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => scalar.fmt(f),
            Self::Message(cell) => f.write_str(cell.get().map_or("(unset)", |ty| ty.name)),
        }
    }
}

/// Scalars and the types whose JSON form is their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `bool`.
    Bool,
    /// `bytes`: base64 text in JSON.
    Bytes,
    /// `metav1.Duration`: Go duration text in JSON, int64 nanoseconds in protobuf.
    Duration,
    /// `metav1.FieldsV1`: raw JSON in protobuf field 1.
    FieldsV1,
    /// `double`.
    Float64,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `apiextensions JSON`: any JSON value, raw bytes in protobuf field 1.
    Json,
    /// `metav1.MicroTime`: RFC 3339 with six fraction digits.
    MicroTime,
    /// `resource.Quantity`: canonical text, in protobuf `{string = 1}`.
    Quantity,
    /// `runtime.RawExtension`: any JSON object, raw bytes in protobuf field 1.
    RawExtension,
    /// `string`.
    String,
    /// `metav1.Time`: RFC 3339 seconds.
    Time,
}

/// How many values a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Exactly one or none.
    One,
    /// A JSON array.
    List,
    /// A JSON object with string keys.
    Map,
}

/// What JSON shows for a field that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing (`omitempty`, nil pointer).
    Omitted,
    /// This JSON text: the Go zero value of a field without `omitempty` (`""`, `0`, `null`), or the
    /// zero struct of an embedded one (`{}`, `{"loadBalancer":{}}`).
    Shown(&'static str),
}

/// How lists merge under server-side apply (`x-kubernetes-list-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// One field as a whole; also the default where the schema names nothing.
    Atomic,
    /// Elements are named by these fields.
    Map(&'static [&'static str]),
    /// Elements are scalars, each at most once.
    Set,
}

/// Strategic merge (`x-kubernetes-patch-strategy`, `x-kubernetes-patch-merge-key`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Lists merge instead of being replaced.
    pub merge: bool,
    /// `retainKeys`: fields that the patch does not name are dropped.
    pub retain_keys: bool,
    /// `replace` was given explicitly.
    pub replace: bool,
    /// The field by which elements of a merged list of objects are named.
    pub key: Option<&'static str>,
}

impl Type {
    /// The field with this JSON name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.by_name.binary_search_by(|i| self.name_at(*i).cmp(name)).ok()?;
        self.fields.get(usize::from(*self.by_name.get(at)?))
    }

    /// The field with this protobuf number.
    pub fn field_by_number(&self, number: u32) -> Option<&Field> {
        let at = *self.by_number.get(usize::try_from(number).ok()?)?;
        self.fields.get(usize::from(at))
    }

    fn name_at(&self, index: u16) -> &'static str {
        self.fields.get(usize::from(index)).map_or("", |field| field.name)
    }

    /// Builds the lookup tables from `fields`.
    pub fn new(name: &'static str, fields: Vec<Field>, atomic: bool) -> Self {
        let count = u16::try_from(fields.len()).expect("a type has fewer than 65,536 fields");
        let mut by_name: Vec<u16> = (0..count).collect();
        by_name.sort_by_key(|i| fields[usize::from(*i)].name);
        let widest = fields.iter().map(|f| f.number).max().unwrap_or(0) as usize;
        let mut by_number = vec![u16::MAX; widest + 1];
        for (index, field) in (0..count).zip(&fields) {
            if field.number != 0 && field.nested.is_none() {
                by_number[field.number as usize] = index;
            }
        }
        let go_name = name.rsplit('.').next().unwrap_or(name);
        Self { name, fields, atomic, go_name, by_name, by_number }
    }
}
