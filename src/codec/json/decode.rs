//! Tape to value, guided by the schema row, in one pass.
//!
//! Follows `sigs.k8s.io/json` (case-sensitive, integers kept): unknown and duplicate fields are
//! collected and decoding goes on; so is the first value of a wrong type; a malformed scalar with
//! a decoder of its own ends it at once. What the canonical form does not show is left out here,
//! but for empty lists and maps.

use super::context::{Place, go_type, is_resource_list, message_type};
use super::custom;
use super::document::Document;
use super::error::DecodeError;
use super::seen::Seen;
use super::tape::{Numbers, behind};
use super::untyped;
use crate::object::schema::{Absent, Field, Kind, Scalar, Shape, Type};
use crate::object::{List, Map, Value};
use bumpalo::Bump;
use simd_json::{Node, StaticNode};

/// Whether unknown and duplicate fields are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Not looked for (`fieldValidation=Ignore`).
    Ignore,
    /// Collected as texts; the caller makes them warnings or an error.
    Report,
}

/// A decoded object.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The object in canonical form.
    pub value: Value<'a>,
    /// `unknown field "spec.foo"`, `duplicate field "spec.replicas"`: at most 100, each once.
    pub strict_errors: Vec<String>,
}

/// Upstream reports no more strict errors than this.
const STRICT_ERRORS_MAX: usize = 100;

/// Decodes a JSON object of type `ty`. The value borrows from `arena` and from the schema.
///
/// # Errors
/// As `sigs.k8s.io/json` reports them; see [`DecodeError`].
pub fn decode<'a>(
    source: &[u8],
    ty: &'static Type,
    arena: &'a Bump,
    strictness: Strictness,
) -> Result<Decoded<'a>, DecodeError> {
    Document::parse(source, arena)?.decode(ty, arena, strictness)
}

/// Decodes an object of type `ty` from a tape.
///
/// # Errors
/// As [`decode`], but for syntax.
pub(super) fn decode_nodes<'a>(
    nodes: &[Node<'a>],
    numbers: Numbers<'_>,
    ty: &'static Type,
    arena: &'a Bump,
    strictness: Strictness,
) -> Result<Decoded<'a>, DecodeError> {
    let mut decoder = Decoder::new(nodes, numbers, arena, strictness);
    decoder.keeps_bare = ty.structural.is_none();
    let value = match nodes.first() {
        Some(Node::Object { .. }) => decoder.message(ty, &Place::ROOT)?,
        Some(Node::Static(StaticNode::Null)) | None => None,
        Some(_) => {
            decoder.mismatch(&Place::ROOT, message_type(ty));
            None
        }
    };
    if let Some(mut error) = decoder.mismatch {
        // Metadata of a custom resource is decoded on its own.
        if let (Some(_), DecodeError::Type { field, .. }) = (ty.structural, &mut error)
            && let Some((_, path)) = field
        {
            match path.strip_prefix("metadata.") {
                Some(below) => *path = below.to_owned(),
                None if path == "metadata" => *field = None,
                None => {}
            }
        }
        return Err(error);
    }
    let mut value = value.unwrap_or_else(|| Value::map_in(arena));
    let mut strict_errors = decoder.strict_errors;
    if let Some(schema) = ty.structural {
        custom::coerce(&mut value, schema, arena, &mut strict_errors)?;
        strict_errors.truncate(STRICT_ERRORS_MAX);
    }
    Ok(Decoded { value, strict_errors })
}

/// The state of one decoding.
pub(super) struct Decoder<'a, 't> {
    pub(super) nodes: &'t [Node<'a>],
    pub(super) at: usize,
    pub(super) arena: &'a Bump,
    pub(super) numbers: Numbers<'t>,
    strictness: Strictness,
    /// Empty lists and maps of fields that JSON would not show are kept: not of custom resources,
    /// whose metadata upstream takes through JSON.
    keeps_bare: bool,
    pub(super) strict_errors: Vec<String>,
    /// The first value of a wrong type.
    pub(super) mismatch: Option<DecodeError>,
}

/// A value, or none if it is null or of the wrong type.
pub(super) type Decoding<T> = Result<Option<T>, DecodeError>;

impl<'a, 't> Decoder<'a, 't> {
    pub(super) fn new(
        nodes: &'t [Node<'a>],
        numbers: Numbers<'t>,
        arena: &'a Bump,
        strictness: Strictness,
    ) -> Self {
        let strict_errors = Vec::new();
        let (at, keeps_bare, mismatch) = (0, false, None);
        Self { nodes, at, arena, numbers, strictness, keeps_bare, strict_errors, mismatch }
    }

    pub(super) fn node(&self) -> Node<'a> {
        self.nodes.get(self.at).copied().unwrap_or(Node::Static(StaticNode::Null))
    }

    pub(super) fn skip(&mut self) {
        self.at = behind(self.nodes, self.at);
    }

    /// Takes a key.
    pub(super) fn key(&mut self) -> &'a str {
        let key = if let Node::String(key) = self.node() { key } else { "" };
        self.at += 1;
        key
    }

    /// True, and one step on, if a null stands here.
    pub(super) fn null(&mut self) -> bool {
        let null = matches!(self.node(), Node::Static(StaticNode::Null));
        if null {
            self.at += 1;
        }
        null
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strictness == Strictness::Report
    }

    /// Notes an unknown or duplicate field.
    pub(super) fn strict(&mut self, what: &str, place: &Place<'_>, member: &str) {
        if !self.is_strict() || self.strict_errors.len() >= STRICT_ERRORS_MAX {
            return;
        }
        let text = format!("{what} field {:?}", place.path_of(member));
        if !self.strict_errors.contains(&text) {
            self.strict_errors.push(text);
        }
    }

    /// Notes that what stands here is not of type `expected`, and skips it.
    pub(super) fn mismatch(&mut self, place: &Place<'_>, expected: String) {
        if self.mismatch.is_none() {
            let whole = matches!(expected.as_str(), "int32" | "int64" | "float64");
            self.mismatch = Some(self.type_error(place, expected, whole));
        }
        self.skip();
    }

    /// The error of a value of a wrong type; `numeric` if numbers of other forms may stand there.
    pub(super) fn type_error(
        &self,
        place: &Place<'_>,
        expected: String,
        numeric: bool,
    ) -> DecodeError {
        let value = match self.node() {
            Node::Array { .. } => "array".to_owned(),
            Node::Object { .. } => "object".to_owned(),
            Node::String(_) => "string".to_owned(),
            Node::Static(StaticNode::Bool(_)) => "bool".to_owned(),
            Node::Static(StaticNode::Null) => "null".to_owned(),
            Node::Static(_) if numeric => {
                format!("number {}", self.numbers.text(self.nodes, self.at))
            }
            Node::Static(_) => "number".to_owned(),
        };
        DecodeError::Type { value, field: place.go_field(), expected }
    }

    /// Reads the object that stands here.
    pub(super) fn message(&mut self, ty: &'static Type, place: &Place<'_>) -> Decoding<Value<'a>> {
        let Node::Object { len, .. } = self.node() else {
            return Ok(None);
        };
        self.at += 1;
        let mut map = Map::with_capacity_in(len.min(ty.fields.len()), self.arena);
        let mut seen = Seen::default();
        let mut others = ty.structural.map(|_| untyped::Entries::new(len, self.arena));
        for _ in 0..len {
            let key = self.key();
            let Some(index) = ty.index_of(key) else {
                match &mut others {
                    Some(others) => {
                        let value = self.any_at(&place.key(key));
                        if others.insert(key, value) {
                            self.strict("duplicate", place, key);
                        }
                    }
                    None => {
                        self.strict("unknown", place, key);
                        self.skip();
                    }
                }
                continue;
            };
            let Some(field) = ty.fields.get(usize::from(index)) else { continue };
            let again = seen.again(index);
            if again {
                self.strict("duplicate", place, key);
            }
            let value = self.field(ty, field, &place.field(ty, field.name))?;
            match value.filter(|value| self.keeps(field, value)) {
                Some(value) if again => {
                    map.insert(field.name, value);
                }
                Some(value) => map.push_unique(field.name, value),
                None if again => {
                    map.remove(field.name);
                }
                None => {}
            }
        }
        for (key, value) in others.into_iter().flat_map(|others| others.finish().into_entries()) {
            map.push_unique(key, value);
        }
        Ok(Some(Value::Map(map)))
    }

    /// True if the tree holds this value of the field. Empty lists and maps are told from none
    /// until the object is stored, as Go does: error texts show which it was.
    fn keeps(&self, field: &Field, value: &Value<'a>) -> bool {
        let is_many = || field.shape.is_many() && matches!(value, Value::List(_) | Value::Map(_));
        is_shown(field, value) || (self.keeps_bare && is_many())
    }

    /// Reads a field's value, whatever its shape.
    fn field(
        &mut self,
        owner: &'static Type,
        field: &'static Field,
        place: &Place<'_>,
    ) -> Decoding<Value<'a>> {
        if field.shape == Shape::One {
            return self.element(field.kind, place);
        }
        if self.null() {
            return Ok(None);
        }
        match (field.shape, self.node()) {
            (Shape::List, Node::Array { len, .. }) => self.list(field.kind, len, place).map(Some),
            (Shape::Map, Node::Object { len, .. }) => {
                let rounded = is_resource_list(owner, field);
                self.map(len, place, |decoder, place| match rounded {
                    true => decoder.resource_quantity(),
                    false => decoder.present(field.kind, place),
                })
                .map(Some)
            }
            (Shape::MapOfLists, Node::Object { len, .. }) => {
                self.map(len, place, |decoder, place| decoder.strings(field.kind, place)).map(Some)
            }
            (Shape::MapOrStrings, Node::Object { len, .. }) => {
                let strings = Kind::Scalar(Scalar::String);
                self.map(len, place, |decoder, place| match decoder.node() {
                    Node::Array { len, .. } => decoder.list(strings, len, place),
                    _ => decoder.present(field.kind, place),
                })
                .map(Some)
            }
            (Shape::OneOrBool, Node::Static(StaticNode::Bool(value))) => {
                self.at += 1;
                Ok(Some(Value::Bool(value)))
            }
            (Shape::OneOrBool | Shape::OneOrList, Node::Object { .. }) => {
                self.element(field.kind, place)
            }
            (Shape::OneOrBool, _) => Err(DecodeError::Union),
            (Shape::OneOrList, Node::Array { len, .. }) => {
                self.list(field.kind, len, place).map(Some)
            }
            (Shape::OneOrList, _) => {
                self.skip();
                Ok(None)
            }
            (
                Shape::List | Shape::Map | Shape::MapOfLists | Shape::MapOrStrings | Shape::One,
                _,
            ) => {
                self.mismatch(place, go_type(owner, field));
                Ok(None)
            }
        }
    }

    fn list(
        &mut self,
        kind: Kind,
        len: usize,
        place: &Place<'_>,
    ) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let mut list = List::with_capacity_in(len, self.arena);
        for index in 0..len {
            list.push(self.present(kind, &place.index(index))?);
        }
        Ok(Value::List(list))
    }

    /// One value of a map of lists.
    fn strings(&mut self, kind: Kind, place: &Place<'_>) -> Result<Value<'a>, DecodeError> {
        match self.node() {
            Node::Array { len, .. } => self.list(kind, len, place),
            _ => {
                if !self.null() {
                    self.mismatch(place, place.list_type(kind));
                }
                Ok(Value::list_in(self.arena))
            }
        }
    }

    fn map(
        &mut self,
        len: usize,
        place: &Place<'_>,
        mut value: impl FnMut(&mut Self, &Place<'_>) -> Result<Value<'a>, DecodeError>,
    ) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let mut entries = untyped::Entries::new(len, self.arena);
        for _ in 0..len {
            let key = self.key();
            let value = value(self, &place.key(key))?;
            if entries.insert(key, value) {
                self.strict("duplicate", place, key);
            }
        }
        Ok(Value::Map(entries.finish()))
    }

    /// An element of a list or map: null is the Go zero value there.
    fn present(&mut self, kind: Kind, place: &Place<'_>) -> Result<Value<'a>, DecodeError> {
        Ok(self.element(kind, place)?.unwrap_or_else(|| zero(kind, self.arena)))
    }

    fn element(&mut self, kind: Kind, place: &Place<'_>) -> Decoding<Value<'a>> {
        match kind {
            Kind::Scalar(scalar) => self.scalar(scalar, place),
            Kind::Message(_) => {
                if self.null() {
                    return Ok(None);
                }
                let Some(ty) = kind.message() else {
                    self.skip();
                    return Ok(None);
                };
                if matches!(self.node(), Node::Object { .. }) {
                    return self.message(ty, place);
                }
                self.mismatch(place, message_type(ty));
                Ok(None)
            }
        }
    }
}

/// True if the canonical form holds this value of the field: anything of a pointer, else what is
/// not the Go zero value.
pub(crate) fn is_shown(field: &Field, value: &Value<'_>) -> bool {
    if field.pointer {
        return !value.is_null();
    }
    match (value, field.kind) {
        // Quantities and times are structs: their zero is shown, unless the encoder adds it.
        (Value::Str("0"), Kind::Scalar(Scalar::Quantity)) => field.absent != Absent::Shown("\"0\""),
        (Value::Int(0), Kind::Scalar(Scalar::IntOrString)) => field.absent != Absent::Shown("0"),
        (Value::Str(""), Kind::Scalar(Scalar::IntOrString)) => true,
        (Value::Str("0s"), Kind::Scalar(Scalar::Duration)) => {
            field.absent != Absent::Shown("\"0s\"")
        }
        (Value::Map(_) | Value::List(_), Kind::Scalar(Scalar::RawExtension | Scalar::Json))
            if field.shape == Shape::One =>
        {
            true
        }
        // A list that is shown as null when it is nil is not nil here; managed fields tell the two
        // apart, and only a store in protobuf makes one of them.
        (Value::List(list), _) if list.is_empty() => {
            // No managed fields are a request to forget them all.
            field.shape == Shape::List
                && (field.absent == Absent::Shown("null") || field.name == "managedFields")
        }
        _ => !value.is_empty(),
    }
}

/// The Go zero value of an element, as JSON shows it.
pub(crate) fn zero(kind: Kind, arena: &Bump) -> Value<'_> {
    match kind {
        Kind::Message(_) => Value::map_in(arena),
        Kind::Scalar(scalar) => match scalar {
            Scalar::Bool => Value::Bool(false),
            Scalar::Bytes | Scalar::String => Value::Str(""),
            Scalar::Duration => Value::Str("0s"),
            Scalar::Float64 | Scalar::Int32 | Scalar::Int64 | Scalar::IntOrString => Value::Int(0),
            Scalar::FieldsV1
            | Scalar::Json
            | Scalar::MicroTime
            | Scalar::RawExtension
            | Scalar::Time => Value::Null,
            Scalar::Quantity => Value::Str("0"),
        },
    }
}
