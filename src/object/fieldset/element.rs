//! One step of a path in a field set (`fieldpath.PathElement`), with its order and its texts.

use crate::object::Value;
use crate::object::json_text;
use std::cmp::Ordering;
use std::fmt;
use std::fmt::Write as _;

/// Where a step goes. The order is that in which field sets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element<'a> {
    /// A field of a struct or an entry of a map: `f:name`.
    Field(&'a str),
    /// The list element with these key fields, sorted by name: `k:{"name":"x"}`.
    Key(&'a [(&'a str, Atom<'a>)]),
    /// The element of a set: `v:"x"`.
    Value(Atom<'a>),
    /// The element of an atomic list: `i:0`.
    Index(i64),
}

/// A value by which list elements are named; numbers compare by value (`value.Compare`).
#[derive(Debug, Clone, Copy)]
pub enum Atom<'a> {
    /// An integer.
    Int(i64),
    /// A number that is no integer.
    Float(f64),
    /// A string.
    Str(&'a str),
    /// A boolean.
    Bool(bool),
    /// Any other JSON text: nothing that upstream writes.
    Json(&'a str),
    /// `null`.
    Null,
}

impl Atom<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::Int(_) | Self::Float(_) => 0,
            Self::Str(_) => 1,
            Self::Bool(_) => 2,
            Self::Json(_) => 3,
            Self::Null => 4,
        }
    }
}

impl<'a> Atom<'a> {
    /// The atom of a scalar; `None` for lists and maps.
    pub fn of(value: &Value<'a>) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(n) => Self::Int(*n),
            Value::Float(n) => Self::number(*n),
            Value::Str(text) => Self::Str(text),
            Value::Raw(_) | Value::List(_) | Value::Map(_) => return None,
        })
    }

    /// A number, as integer if it is one that a float holds exactly.
    fn number(n: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "integral and within 53 bits")]
        if n.fract() == 0.0 && n.abs() <= EXACT { Self::Int(n as i64) } else { Self::Float(n) }
    }

    pub(super) fn push_json(self, out: &mut String) {
        match self {
            Self::Int(n) => {
                let _ = write!(out, "{n}");
            }
            Self::Float(n) => json_text::push_float(out, n),
            Self::Str(text) => json_text::push_string(out, text, true),
            Self::Bool(b) => out.push_str(if b { "true" } else { "false" }),
            Self::Json(text) => out.push_str(text),
            Self::Null => out.push_str("null"),
        }
    }
}

impl Ord for Atom<'_> {
    #[expect(clippy::cast_precision_loss, reason = "upstream compares mixed numbers as floats")]
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
            (Self::Int(a), Self::Float(b)) => (a as f64).total_cmp(&b),
            (Self::Float(a), Self::Int(b)) => a.total_cmp(&(b as f64)),
            (Self::Str(a), Self::Str(b)) | (Self::Json(a), Self::Json(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(&b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Atom<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Atom<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Atom<'_> {}

/// As conflict messages show values (`value.ToString`).
impl fmt::Display for Atom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(n) => write!(f, "{}", crate::object::go_text::GoText(&Value::Float(*n))),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Json(text) => f.write_str(text),
            Self::Null => f.write_str("null"),
        }
    }
}

/// As conflict messages show a step: `.name`, `[name="c"]`, `[="v"]`, `[0]`.
impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}={value}", if at == 0 { "[" } else { "," })?;
                }
                f.write_str(if fields.is_empty() { "[]" } else { "]" })
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

/// A step of a path being walked, linked to the steps above it.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'p, 'a> {
    /// The steps above; `None` at the first.
    pub above: Option<&'p Self>,
    /// This step.
    pub element: Element<'a>,
}

impl fmt::Display for Steps<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        self.element.fmt(f)
    }
}
