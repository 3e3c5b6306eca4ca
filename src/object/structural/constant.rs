//! A JSON value that a schema holds: a default or one of an enumeration.

use crate::object::{List, Map, Value};
use bumpalo::Bump;

/// A JSON value that owns itself, so that a schema can be shared between threads.
#[derive(Debug, Clone)]
pub enum Constant {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Box<str>),
    /// An array.
    List(Box<[Self]>),
    /// An object.
    Map(Box<[(Box<str>, Self)]>),
}

impl Constant {
    /// A copy of `value`.
    pub fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Str(text) | Value::Raw(text) => Self::Text((*text).into()),
            Value::List(list) => Self::List(list.iter().map(Self::of).collect()),
            Value::Map(map) => {
                Self::Map(map.iter().map(|(key, value)| (key.into(), Self::of(value))).collect())
            }
        }
    }

    /// The value in an arena.
    pub fn value<'a>(&self, arena: &'a Bump) -> Value<'a> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => Value::Int(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Text(text) => Value::str_in(text, arena),
            Self::List(items) => {
                let mut list = List::with_capacity_in(items.len(), arena);
                list.extend(items.iter().map(|item| item.value(arena)));
                Value::List(list)
            }
            Self::Map(entries) => {
                let mut map = Map::with_capacity_in(entries.len(), arena);
                for (key, value) in entries {
                    map.push_unique(arena.alloc_str(key), value.value(arena));
                }
                Value::Map(map)
            }
        }
    }

    /// True if `value` is the same; numbers compare by value.
    pub fn equals(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Int(_) | Self::Float(_), Value::Int(_) | Value::Float(_)) => {
                self.value(&Bump::new()) == *value
            }
            (Self::Text(a), Value::Str(b)) => **a == **b,
            (Self::List(_), Value::List(_)) | (Self::Map(_), Value::Map(_)) => {
                self.value(&Bump::new()) == *value
            }
            _ => false,
        }
    }
}
