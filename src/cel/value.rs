//! Values while an expression is evaluated. Objects stay the trees that they are: lists and maps
//! of a tree are looked at where they stand, with the schema that says what is in them.

use super::opaque::Opaque;
use super::times::Time;
use super::types::Type;
use crate::base::duration;
use crate::base::hash::HashMap;
use crate::object;
use crate::object::Value as Tree;
use crate::object::structural::{ListType, Schema};
use std::rc::Rc;

/// A value.
#[derive(Debug, Clone)]
pub enum Val<'v> {
    /// `bool`.
    Bool(bool),
    /// `bytes`.
    Bytes(Rc<[u8]>),
    /// `double`.
    Double(f64),
    /// A duration in nanoseconds.
    Duration(i64),
    /// Stands for a value that could not be computed, until it is looked at.
    Failed(Rc<str>),
    /// `int`.
    Int(i64),
    /// A list.
    List(List<'v>),
    /// A map, or an object with fields.
    Map(Map<'v>),
    /// `null`.
    Null,
    /// What only functions look into.
    Opaque(Rc<Opaque>),
    /// A value or none.
    Optional(Option<Rc<Self>>),
    /// `string`.
    Str(Text<'v>),
    /// A point in time.
    Timestamp(Time),
    /// A type.
    Type(Type),
    /// `uint`.
    Uint(u64),
}

/// A string.
#[derive(Debug, Clone)]
pub enum Text<'v> {
    /// Made by the expression.
    Made(Rc<str>),
    /// Of the object or the expression.
    Seen(&'v str),
}

/// A list.
#[derive(Debug, Clone)]
pub enum List<'v> {
    /// Made by the expression.
    Made(Rc<Vec<Val<'v>>>),
    /// A list of a tree, and its schema.
    Seen(&'v [Tree<'v>], Option<&'v Schema>),
}

/// A map.
#[derive(Debug, Clone)]
pub enum Map<'v> {
    /// Made by the expression.
    Made(Rc<Entries<'v>>),
    /// A map of a tree, and its schema.
    Seen(&'v object::Map<'v>, Option<&'v Schema>),
}

/// The entries of a map that an expression made, in order.
#[derive(Debug, Clone, Default)]
pub struct Entries<'v> {
    pub(super) entries: Vec<(Val<'v>, Val<'v>)>,
    index: HashMap<Key, usize>,
    /// The name of the message, if it is one.
    pub(super) message: Option<Rc<str>>,
}

/// A key of a map: numbers of all types with the same value are one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Bool(bool),
    Number(i128),
    Str(Rc<str>),
}

/// Why an evaluation ended without a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The cost limit is used up.
    Cost,
    /// An error of the expression, which `||` and `&&` may pass over.
    Error(Rc<str>),
    /// The authorizer must be asked first; then the evaluation begins anew.
    Pending(Box<super::authorizer::Query>),
}

impl Fault {
    /// An error of the expression.
    pub(super) fn error(message: impl Into<Rc<str>>) -> Self {
        Self::Error(message.into())
    }

    /// No overload takes these values.
    pub(super) fn no_overload() -> Self {
        Self::error("no such overload")
    }
}

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Made(text) => text,
            Self::Seen(text) => text,
        }
    }
}

impl<'v> List<'v> {
    /// The number of items.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Made(items) => items.len(),
            Self::Seen(items, _) => items.len(),
        }
    }

    /// The item at `at`.
    pub(super) fn get(&self, at: usize) -> Option<Result<Val<'v>, Fault>> {
        match self {
            Self::Made(items) => items.get(at).cloned().map(Ok),
            Self::Seen(items, schema) => {
                let schema = schema.and_then(|schema| schema.items.as_deref());
                items.get(at).map(|item| seen(item, schema))
            }
        }
    }

    /// The items, each as a value.
    pub(super) fn items(&self) -> Result<Vec<Val<'v>>, Fault> {
        (0..self.len()).filter_map(|at| self.get(at)).collect()
    }

    /// How the list is compared and joined, and the names that keys have.
    pub(super) fn kind(&self) -> Option<&'v ListType> {
        match self {
            Self::Made(_) | Self::Seen(_, None) => None,
            Self::Seen(_, Some(schema)) => Some(&schema.list),
        }
    }
}

impl<'v> Map<'v> {
    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Made(made) => made.entries.len(),
            Self::Seen(map, _) => map.len(),
        }
    }

    /// The value under `key`.
    pub(super) fn get(&self, key: &Val<'v>) -> Option<Result<Val<'v>, Fault>> {
        match self {
            Self::Made(made) => made.get(key).cloned().map(Ok),
            Self::Seen(..) => match key {
                Val::Str(text) => self.find(text.as_str(), false),
                _ => None,
            },
        }
    }

    /// The value of the field or key `name`; names of fields are escaped as `__dot__`.
    pub(super) fn field(&self, name: &str) -> Option<Result<Val<'v>, Fault>> {
        match self {
            Self::Made(made) => match made.get(&Val::Str(Text::Made(name.into())))? {
                Val::Failed(message) => Some(Err(Fault::Error(message.clone()))),
                value => Some(Ok(value.clone())),
            },
            Self::Seen(..) => self.find(name, true),
        }
    }

    fn find(&self, name: &str, is_field: bool) -> Option<Result<Val<'v>, Fault>> {
        let Self::Seen(map, schema) = self else { return None };
        let Some(schema) = schema else {
            return map.get(name).map(|value| seen(value, None));
        };
        let names_fields = !schema.properties.is_empty() || schema.embedded.is_some();
        let unescaped;
        let name = if is_field && names_fields && name.contains("__") {
            unescaped = super::escape::unescape(name)?;
            unescaped.as_str()
        } else {
            name
        };
        let value = map.get(name)?;
        Some(match schema.member(name) {
            Some(member) => seen(value, Some(member)),
            None => seen(value, None),
        })
    }

    /// The key of the entry at `at`.
    pub(super) fn key_at(&self, at: usize) -> Option<Val<'v>> {
        match self {
            Self::Made(made) => made.entries.get(at).map(|(key, _)| key.clone()),
            Self::Seen(map, _) => map.entry_at(at).map(|(key, _)| Val::Str(Text::Seen(key))),
        }
    }

    /// The value of the entry at `at`.
    pub(super) fn value_at(&self, at: usize) -> Option<Result<Val<'v>, Fault>> {
        match self {
            Self::Made(made) => made.entries.get(at).map(|(_, value)| Ok(value.clone())),
            Self::Seen(map, schema) => {
                let (key, value) = map.entry_at(at)?;
                Some(seen(value, schema.and_then(|schema| schema.member(key))))
            }
        }
    }
}

impl<'v> Entries<'v> {
    /// A message without fields.
    pub(super) fn of_message(name: &str) -> Self {
        Self { message: Some(name.into()), ..Self::default() }
    }

    /// The value under `key`.
    pub(super) fn get(&self, key: &Val<'v>) -> Option<&Val<'v>> {
        let at = self.index.get(&Key::of(key)?)?;
        self.entries.get(*at).map(|(_, value)| value)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// If the key is there already, or is of a type that cannot be one.
    pub(super) fn insert(&mut self, key: Val<'v>, value: Val<'v>) -> Result<(), Fault> {
        let Some(hashed) = Key::of(&key) else {
            return Err(Fault::error(format!("unsupported key type: {}", key.type_name())));
        };
        if self.index.contains_key(&hashed) {
            let shown = super::text::shown(&key);
            return Err(Fault::error(format!("Failed with repeated key: {shown}")));
        }
        self.index.insert(hashed, self.entries.len());
        self.entries.push((key, value));
        Ok(())
    }
}

impl Key {
    fn of(value: &Val<'_>) -> Option<Self> {
        Some(match value {
            Val::Bool(b) => Self::Bool(*b),
            Val::Int(n) => Self::Number(i128::from(*n)),
            Val::Uint(n) => Self::Number(i128::from(*n)),
            #[expect(clippy::cast_possible_truncation, reason = "the number is whole")]
            Val::Double(n) if n.fract() == 0.0 && n.abs() < 1e30 => Self::Number(*n as i128),
            Val::Str(text) => Self::Str(text.as_str().into()),
            _ => return None,
        })
    }
}

impl<'v> Val<'v> {
    /// The string `text`, made.
    pub(super) fn string(text: impl Into<Rc<str>>) -> Self {
        Val::Str(Text::Made(text.into()))
    }

    /// A list that the expression made.
    pub(super) fn list(items: Vec<Self>) -> Self {
        Val::List(List::Made(Rc::new(items)))
    }

    /// A value or none.
    pub(super) fn optional(inner: Option<Self>) -> Self {
        Val::Optional(inner.map(Rc::new))
    }

    /// An optional value: `inner`, if there is one.
    pub fn some_or_none(inner: Option<Self>) -> Self {
        Self::optional(inner)
    }

    /// A value that only functions look into.
    pub(super) fn opaque(inner: Opaque) -> Self {
        Val::Opaque(Rc::new(inner))
    }

    /// A tree as a value whose parts have no declared types.
    ///
    /// # Errors
    /// Never for trees without a schema.
    pub fn of(tree: &'v Tree<'v>) -> Self {
        seen(tree, None).unwrap_or(Val::Null)
    }

    /// A tree as a value, with the types that `schema` says.
    ///
    /// # Errors
    /// If the tree is not what the schema says.
    pub fn typed(tree: &'v Tree<'v>, schema: &'v Schema) -> Result<Self, Fault> {
        seen(tree, Some(schema))
    }

    /// The type, with parameters dynamic.
    pub(super) fn type_of(&self) -> Type {
        match self {
            Val::Bool(_) => Type::Bool,
            Val::Bytes(_) => Type::Bytes,
            Val::Double(_) => Type::Double,
            Val::Duration(_) => Type::Duration,
            Val::Failed(_) => Type::Error,
            Val::Int(_) => Type::Int,
            Val::List(_) => Type::list(Type::Dyn),
            Val::Map(Map::Made(made)) if made.message.is_some() => {
                super::types::Object::typed(made.message.as_deref().unwrap_or(""), Vec::new())
            }
            Val::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Val::Null => Type::Null,
            Val::Opaque(inner) => Type::Opaque(inner.type_name()),
            Val::Optional(_) => Type::optional(Type::Dyn),
            Val::Str(_) => Type::String,
            Val::Timestamp(_) => Type::Timestamp,
            Val::Type(_) => Type::Type(None),
            Val::Uint(_) => Type::Uint,
        }
    }

    /// The name of the type.
    pub(super) fn type_name(&self) -> String {
        self.type_of().name().to_owned()
    }

    /// True for what stands for nothing: null, false, 0, "", empty lists and maps, no value.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Val::Bool(b) => !b,
            Val::Bytes(bytes) => bytes.is_empty(),
            Val::Double(n) => *n == 0.0,
            Val::Duration(n) | Val::Int(n) => *n == 0,
            Val::List(list) => list.len() == 0,
            Val::Map(map) => map.len() == 0,
            Val::Null => true,
            Val::Failed(_) | Val::Opaque(_) | Val::Type(_) => false,
            Val::Optional(inner) => inner.is_none(),
            Val::Str(text) => text.as_str().is_empty(),
            Val::Timestamp(time) => time.is_zero(),
            Val::Uint(n) => *n == 0,
        }
    }
}

/// A part of a tree as a value (`common.UnstructuredToVal`).
fn seen<'v>(tree: &'v Tree<'v>, schema: Option<&'v Schema>) -> Result<Val<'v>, Fault> {
    if let Some(schema) = schema.filter(|schema| !schema.kind.is_empty() || schema.int_or_string) {
        return declared(tree, schema);
    }
    Ok(match tree {
        Tree::Null => Val::Null,
        Tree::Bool(b) => Val::Bool(*b),
        Tree::Int(n) => Val::Int(*n),
        Tree::Float(n) => Val::Double(*n),
        Tree::Str(text) | Tree::Raw(text) => Val::Str(Text::Seen(text)),
        Tree::List(items) => Val::List(List::Seen(items.as_slice(), None)),
        Tree::Map(map) => Val::Map(Map::Seen(map, None)),
    })
}

fn declared<'v>(tree: &'v Tree<'v>, schema: &'v Schema) -> Result<Val<'v>, Fault> {
    let wrong = |wanted: &str| Err(Fault::error(format!("invalid data, expected {wanted}")));
    Ok(match (schema.kind, tree) {
        (_, Tree::Null) if schema.nullable => Val::Null,
        (_, Tree::Null) => {
            return Err(Fault::error("invalid data, got null for schema with nullable=false"));
        }
        (_, Tree::Int(n)) if schema.int_or_string => Val::Int(*n),
        (_, Tree::Str(text)) if schema.int_or_string => Val::Str(Text::Seen(text)),
        _ if schema.int_or_string => {
            return wrong("XIntOrString value to be either a string or integer");
        }
        ("object", Tree::Map(map)) => Val::Map(Map::Seen(map, Some(schema))),
        ("object", _) => return wrong("a map for the provided schema with type=object"),
        ("array", Tree::List(items)) => Val::List(List::Seen(items.as_slice(), Some(schema))),
        ("array", _) => return wrong("an array for the provided schema with type=array"),
        ("string", Tree::Str(text)) => return formatted(text, &schema.format),
        ("number", Tree::Float(n)) => Val::Double(*n),
        #[expect(clippy::cast_precision_loss, reason = "the schema says that it is a float")]
        ("number", Tree::Int(n)) => Val::Double(*n as f64),
        ("number", _) => return wrong("float"),
        ("integer", Tree::Int(n)) => Val::Int(*n),
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and small")]
        ("integer", Tree::Float(n)) if n.fract() == 0.0 && n.abs() < 9e15 => Val::Int(*n as i64),
        ("integer", _) => return wrong("int"),
        ("boolean", Tree::Bool(b)) => Val::Bool(*b),
        ("boolean", _) => return wrong("bool"),
        _ => return wrong("string"),
    })
}

/// A string whose format gives it another type.
fn formatted<'v>(text: &'v str, format: &str) -> Result<Val<'v>, Fault> {
    let bad = |what: &str| Fault::error(format!("Invalid {what} {text}"));
    Ok(match format {
        "duration" => Val::Duration(duration::parse(text).map_err(|_| bad("duration"))?),
        "date" => {
            let midnight = format!("{text}T00:00:00Z");
            Val::Timestamp(Time::parse(&midnight).ok_or_else(|| bad("date formatted string"))?)
        }
        "date-time" | "datetime" => {
            Val::Timestamp(Time::parse(text).ok_or_else(|| bad("date-time formatted string"))?)
        }
        "byte" => {
            use base64::Engine as _;
            let decoded = base64::engine::general_purpose::STANDARD.decode(text);
            Val::Bytes(decoded.map_err(|_| bad("byte formatted string"))?.into())
        }
        _ => Val::Str(Text::Seen(text)),
    })
}
