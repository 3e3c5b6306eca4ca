//! The schema row: what every part of the object machinery knows of a type.
//!
//! `catalog` fills these rows for built-in types; a custom resource compiles its structural schema
//! into the same rows. Rows are made once and live as long as the process, hence `&'static`.

use super::name_table::NameTable;
use super::structural::Schema;
use super::value::{Map, Value};
use std::fmt;
use std::sync::OnceLock;

/// One message type: its fields, by JSON name and by protobuf number.
#[derive(Debug)]
pub struct Type {
    /// OpenAPI definition name, as `io.k8s.api.core.v1.Pod`.
    pub name: &'static str,
    /// Fields in the order in which JSON output lists them: that of the Go struct, with `kind` and
    /// `apiVersion` first.
    pub fields: Vec<Field>,
    /// Dense index among the built-in types, for tables beside this one; `u32::MAX` for others.
    pub id: u32,
    /// Server-side apply treats the whole value as one field (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// The `kind` for Go-style messages: last segment of `name`.
    pub go_name: &'static str,
    /// The place of each field among their names in order, by index.
    pub ranks: Vec<u16>,
    /// The same fields as protobuf orders and nests them.
    pub wire: Wire,
    /// What stands before a field's value in JSON behind another one, by index: `,"name":`.
    pub keys: Vec<Box<str>>,
    /// Indexes of the fields that JSON shows even if they are not set.
    pub shown: Vec<u16>,
    /// What a custom resource has beside these fields.
    pub structural: Option<&'static Schema>,
    /// Set if somewhere inside stands a `RawExtension`; once all types are known.
    pub raw: OnceLock<()>,
    names: NameTable,
}

/// One level of a message on the wire. JSON shows embedded Go structs inline; protobuf carries them
/// as messages, so a level may hold further levels.
#[derive(Debug, Default)]
pub struct Wire {
    /// What stands on this level, by ascending field number: the order in which to write.
    pub slots: Vec<Slot>,
    by_number: Vec<u16>,
}

/// What a protobuf field number means on one level of a message.
#[derive(Debug)]
pub enum Slot {
    /// Index into `Type::fields`.
    Field(u16),
    /// An embedded struct: its field number on this level, and what is inside. Upstream writes it
    /// always, even if empty.
    Group(u32, Wire),
}

/// One field of a message.
#[derive(Debug, Clone)]
pub struct Field {
    /// JSON name.
    pub name: &'static str,
    /// Protobuf field number; 0 if the field is not in the message (`apiVersion`, `kind`).
    pub number: u32,
    /// Numbers inside the messages that protobuf nests where JSON shows the field inline, outermost
    /// first (`Type::wire` has the same as a tree); mostly empty.
    pub nested: &'static [u32],
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
    /// Server-side apply treats this map or message as one field; says so for the field what
    /// `Type::atomic` says for its type, and goes before it.
    pub atomic: Option<bool>,
    /// How strategic merge patch treats the field.
    pub patch: Patch,
    /// The OpenAPI default, as JSON text.
    pub default: Option<&'static str>,
    /// The allowed values, where the schema lists them.
    pub values: &'static [&'static str],
    /// Protobuf carries the list in a message of its own, as its field 1 (`metav1.Verbs`).
    pub wrapped: bool,
    /// What error texts call the field's type.
    pub go: GoNames,
}

/// Go's names for a field where they do not follow from its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GoNames {
    /// The type of the value, or of one element: `v1.Protocol`.
    pub element: Option<&'static str>,
    /// The type of the list as a whole: `v1.ValidationRules`.
    pub whole: Option<&'static str>,
    /// The embedded structs that the field stands in, joined by dots.
    pub embedded: Option<&'static str>,
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
pub type TypeCell = OnceLock<&'static Type>;

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
    /// A JSON object whose values are arrays of strings; in protobuf each value is a message with
    /// the strings as its field 1 (`ExtraValue`).
    MapOfLists,
    /// A JSON object whose values are either the message or an array of strings; in protobuf
    /// `{message = 1, strings = 2}` (`JSONSchemaPropsOrStringArray`).
    MapOrStrings,
    /// The message, or `true` / `false`; in protobuf `{bool = 1, message = 2}`
    /// (`JSONSchemaPropsOrBool`).
    OneOrBool,
    /// The message, or an array of them; in protobuf `{message = 1, list = 2}`
    /// (`JSONSchemaPropsOrArray`).
    OneOrList,
}

impl Shape {
    /// True for the shapes that Go has as a slice or a map.
    pub fn is_many(self) -> bool {
        match self {
            Self::List | Self::Map | Self::MapOfLists | Self::MapOrStrings => true,
            Self::One | Self::OneOrBool | Self::OneOrList => false,
        }
    }
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

impl Absent {
    /// The text that is shown, if any is.
    pub fn shown(self) -> Option<&'static str> {
        if let Self::Shown(text) = self { Some(text) } else { None }
    }
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

impl Field {
    /// A copy, for a type of its own.
    pub fn copied(&self) -> Self {
        Self { ..*self }
    }

    /// True if JSON leaves the field out at this value, which a request may have sent all the same:
    /// an empty list or map (`omitempty`). Upstream keeps those until the object is stored.
    pub fn omits(&self, value: &Value<'_>) -> bool {
        let is_bare = match value {
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            _ => false,
        };
        is_bare && !self.pointer && self.absent == Absent::Omitted && self.shape.is_many()
    }

    /// True if server-side apply treats the field's map or message as one field.
    pub fn is_atomic(&self) -> bool {
        self.atomic.unwrap_or_else(|| self.kind.message().is_some_and(|ty| ty.atomic))
    }
}

impl Type {
    /// The field with this JSON name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(usize::from(self.index_of(name)?))
    }

    /// The index in `fields` of the field with this JSON name. Cost: a hash and a comparison, which
    /// looks at the bytes only if the name is not the schema's own; keys of decoded objects are.
    pub fn index_of(&self, name: &str) -> Option<u16> {
        self.names.find(name, |index| {
            let known = self.name_at(index);
            std::ptr::eq(known, name) || known == name
        })
    }

    /// Somewhere inside stands a `RawExtension`.
    pub fn holds_raw(&self) -> bool {
        self.raw.get().is_some()
    }

    /// The field with this protobuf number on the outermost level.
    pub fn field_by_number(&self, number: u32) -> Option<&Field> {
        match self.wire.slot(number)? {
            Slot::Field(at) => self.fields.get(usize::from(*at)),
            Slot::Group(..) => None,
        }
    }

    fn name_at(&self, index: u16) -> &'static str {
        self.fields.get(usize::from(index)).map_or("", |field| field.name)
    }

    /// Builds the lookup tables from `fields`.
    pub fn new(name: &'static str, fields: Vec<Field>, atomic: bool) -> Self {
        let count = u16::try_from(fields.len()).expect("a type has fewer than 65,536 fields");
        let mut by_name: Vec<u16> = (0..count).collect();
        by_name.sort_by_key(|i| fields[usize::from(*i)].name);
        let mut ranks = vec![0; fields.len()];
        for (rank, index) in (0..count).zip(by_name) {
            ranks[usize::from(index)] = rank;
        }
        let mut wire = Wire::default();
        for (index, field) in (0..count).zip(&fields) {
            if field.number != 0 {
                wire.insert(field.number, field.nested, index);
            }
        }
        wire.finish(&fields, 0);
        let keys = fields.iter().map(|field| format!(",\"{}\":", field.name).into()).collect();
        let is_shown = |i: &u16| fields[usize::from(*i)].absent != Absent::Omitted;
        let shown = (0..count).filter(is_shown).collect();
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        let names = NameTable::new(&names);
        let go_name = name.rsplit('.').next().unwrap_or(name);
        let structural = None;
        let id = u32::MAX;
        let raw = OnceLock::new();
        Self { name, fields, id, atomic, go_name, ranks, wire, keys, shown, structural, raw, names }
    }
}

/// Takes out of a message of type `ty` what JSON leaves out ([`Field::omits`]).
pub fn omit(value: &mut Value<'_>, ty: &Type) {
    let Value::Map(map) = value else { return };
    map.retain(|key, value| {
        let Some(field) = ty.field(key) else { return true };
        if let Some(ty) = field.kind.message() {
            match value {
                Value::List(items) => items.iter_mut().for_each(|item| omit(item, ty)),
                Value::Map(items) if field.shape.is_many() => {
                    items.iter_mut().for_each(|(_, item)| omit(item, ty));
                }
                _ => omit(value, ty),
            }
        }
        // A struct that is no pointer and holds nothing is as good as none.
        let one = field.shape == Shape::One && !field.pointer && field.kind.scalar().is_none();
        !(field.omits(value) || (one && value.as_map().is_some_and(Map::is_empty)))
    });
}

impl Wire {
    /// What `number` means on this level.
    pub fn slot(&self, number: u32) -> Option<&Slot> {
        let at = *self.by_number.get(usize::try_from(number).ok()?)?;
        self.slots.get(usize::from(at))
    }

    fn insert(&mut self, number: u32, nested: &[u32], index: u16) {
        let Some((inner, rest)) = nested.split_first() else {
            self.slots.push(Slot::Field(index));
            return;
        };
        let known = self.slots.iter_mut().find_map(|slot| match slot {
            Slot::Group(n, wire) if *n == number => Some(wire),
            _ => None,
        });
        match known {
            Some(wire) => wire.insert(*inner, rest, index),
            None => {
                let mut wire = Self::default();
                wire.insert(*inner, rest, index);
                self.slots.push(Slot::Group(number, wire));
            }
        }
    }

    /// Sorts the slots and makes the lookup table; `depth` is how many levels stand above this one.
    fn finish(&mut self, fields: &[Field], depth: usize) {
        let number = |slot: &Slot| match slot {
            Slot::Field(at) => {
                let field = &fields[usize::from(*at)];
                if depth == 0 { field.number } else { field.nested[depth - 1] }
            }
            Slot::Group(number, _) => *number,
        };
        self.slots.sort_by_key(number);
        let widest = self.slots.last().map_or(0, number);
        self.by_number = vec![u16::MAX; widest as usize + 1];
        for (at, slot) in (0..u16::MAX).zip(&self.slots) {
            self.by_number[number(slot) as usize] = at;
        }
        for slot in &mut self.slots {
            if let Slot::Group(_, wire) = slot {
                wire.finish(fields, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Absent, Field, GoNames, Kind, ListKind, Patch, Scalar, Shape, Slot, Type};

    fn field(name: &'static str, number: u32, nested: &'static [u32]) -> Field {
        Field {
            name,
            number,
            nested,
            kind: Kind::Scalar(Scalar::String),
            shape: Shape::One,
            required: false,
            pointer: false,
            absent: Absent::Omitted,
            list: ListKind::Atomic,
            atomic: None,
            patch: Patch { merge: false, retain_keys: false, replace: false, key: None },
            default: None,
            values: &[],
            wrapped: false,
            go: GoNames::default(),
        }
    }

    #[test]
    fn embedded_structs_are_inline_by_name_and_nested_by_number() {
        let fields = vec![
            field("kind", 0, &[]),
            field("last", 3, &[]),
            field("scope", 2, &[2, 4]),
            field("operations", 2, &[1]),
            field("groups", 2, &[2, 1]),
            field("names", 1, &[]),
        ];
        let ty = Type::new("x.Rule", fields, false);
        assert_eq!(ty.field("scope").map(|f| f.number), Some(2));
        assert_eq!(ty.field_by_number(3).map(|f| f.name), Some("last"));
        assert!(ty.field_by_number(2).is_none());
        assert!(ty.field_by_number(0).is_none());
        let Some(Slot::Group(2, outer)) = ty.wire.slot(2) else { panic!("no group") };
        assert!(matches!(outer.slot(1), Some(Slot::Field(3))));
        let Some(Slot::Group(2, inner)) = outer.slot(2) else { panic!("no group") };
        assert!(matches!(inner.slots.as_slice(), [Slot::Field(4), Slot::Field(2)]));
        assert!(outer.slot(9).is_none());
    }
}
