//! Field paths and field errors, with the texts that kube-apiserver gives them
//! (`k8s.io/apimachinery/pkg/util/validation/field`).

use std::fmt;
use std::fmt::Write as _;

/// A path to a field, made only when an error needs one: `spec.containers[0].name`, `data[key]`.
#[derive(Debug, Clone, Copy)]
pub struct Path<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Index(usize),
    Key(&'p str),
    Name(&'p str),
}

impl<'p> Path<'p> {
    /// A path of one field name.
    pub const fn root(name: &'p str) -> Self {
        Self { parent: None, step: Step::Name(name) }
    }

    /// `self.name`; `name` may hold several names joined by dots.
    pub const fn child<'c>(&'c self, name: &'c str) -> Path<'c> {
        Path { parent: Some(self), step: Step::Name(name) }
    }

    /// `self[index]`.
    pub const fn index(&self, index: usize) -> Path<'_> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// `self[key]`.
    pub const fn key<'c>(&'c self, key: &'c str) -> Path<'c> {
        Path { parent: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
            Step::Name(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Name(name) => f.write_str(name),
        }
    }
}

/// What is wrong with a field (`field.ErrorType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The value stands elsewhere already.
    Duplicate,
    /// The value may not be set here.
    Forbidden,
    /// The server failed while it looked.
    Internal,
    /// The value breaks a rule.
    Invalid,
    /// The value names something that is not there.
    NotFound,
    /// The value is none of those known.
    NotSupported,
    /// The value is missing.
    Required,
    /// The value has too many bytes.
    TooLong,
    /// The list has too many items.
    TooMany,
    /// The value has the wrong type.
    TypeInvalid,
}

impl ErrorKind {
    /// The text that leads the message (`field.ErrorType.String`).
    pub const fn text(self) -> &'static str {
        match self {
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::Internal => "Internal error",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotFound => "Not found",
            Self::NotSupported => "Unsupported value",
            Self::Required => "Required value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }

    /// The `reason` of a Status cause.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::Internal => "InternalError",
            Self::Invalid => "FieldValueInvalid",
            Self::NotFound => "FieldValueNotFound",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Required => "FieldValueRequired",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

/// One error of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where.
    pub field: String,
    /// The message without the field: `Invalid value: "x": detail`.
    pub body: String,
}

impl FieldError {
    /// `Required value[: detail]`.
    pub fn required(path: &Path<'_>, detail: &str) -> Self {
        Self::plain(ErrorKind::Required, path, detail)
    }

    /// `Forbidden[: detail]`.
    pub fn forbidden(path: &Path<'_>, detail: &str) -> Self {
        Self::plain(ErrorKind::Forbidden, path, detail)
    }

    /// `Invalid value: VALUE[: detail]`; strings are shown quoted, everything else as JSON.
    pub fn invalid(path: &Path<'_>, value: impl Shown, detail: &str) -> Self {
        Self::valued(ErrorKind::Invalid, path, value, detail)
    }

    /// `Invalid value: VALUE[: detail]` with the cause `FieldValueTypeInvalid`.
    pub fn type_invalid(path: &Path<'_>, value: impl Shown, detail: &str) -> Self {
        Self::valued(ErrorKind::TypeInvalid, path, value, detail)
    }

    /// `Duplicate value: VALUE`.
    pub fn duplicate(path: &Path<'_>, value: impl Shown) -> Self {
        Self::valued(ErrorKind::Duplicate, path, value, "")
    }

    /// `Not found: VALUE`.
    pub fn not_found(path: &Path<'_>, value: impl Shown) -> Self {
        Self::valued(ErrorKind::NotFound, path, value, "")
    }

    /// `Internal error: detail`.
    pub fn internal(path: &Path<'_>, detail: &str) -> Self {
        Self::plain(ErrorKind::Internal, path, detail)
    }

    /// `Unsupported value: VALUE: supported values: "A", "B"`, in the order given.
    pub fn not_supported(path: &Path<'_>, value: impl Shown, values: &[&str]) -> Self {
        let mut detail = String::new();
        if !values.is_empty() {
            detail.push_str("supported values: ");
            for (at, value) in values.iter().enumerate() {
                let _ = write!(detail, "{}\"{value}\"", if at == 0 { "" } else { ", " });
            }
        }
        Self::valued(ErrorKind::NotSupported, path, value, &detail)
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(path: &Path<'_>, bytes_max: usize) -> Self {
        let noun = if bytes_max == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {bytes_max} {noun}");
        Self::plain(ErrorKind::TooLong, path, &detail)
    }

    /// `Too many: N: must have at most M items`.
    pub fn too_many(path: &Path<'_>, actual: usize, items_max: usize) -> Self {
        let noun = if items_max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {items_max} {noun}");
        Self::valued(ErrorKind::TooMany, path, i64::try_from(actual).unwrap_or(i64::MAX), &detail)
    }

    fn plain(kind: ErrorKind, path: &Path<'_>, detail: &str) -> Self {
        let mut body = String::from(kind.text());
        if !detail.is_empty() {
            body.push_str(": ");
            body.push_str(detail);
        }
        Self { kind, field: path.to_string(), body }
    }

    #[expect(clippy::needless_pass_by_value, reason = "taken as the public constructors take it")]
    fn valued(kind: ErrorKind, path: &Path<'_>, value: impl Shown, detail: &str) -> Self {
        let mut body = String::from(kind.text());
        body.push_str(": ");
        value.show(&mut body);
        if !detail.is_empty() {
            body.push_str(": ");
            body.push_str(detail);
        }
        Self { kind, field: path.to_string(), body }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body)
    }
}

/// A bad value, as an error message shows it.
pub trait Shown {
    /// Appends the shown form.
    fn show(&self, out: &mut String);
}

impl Shown for &str {
    fn show(&self, out: &mut String) {
        push_quoted(out, self);
    }
}

/// A string as `strconv.Quote` writes it.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        let _ = match letter {
            '"' | '\\' => write!(out, "\\{letter}"),
            '\'' => write!(out, "'"),
            '\n' | '\r' | '\t' => write!(out, "{}", letter.escape_default()),
            '\x07' => write!(out, "\\a"),
            '\x08' => write!(out, "\\b"),
            '\x0b' => write!(out, "\\v"),
            '\x0c' => write!(out, "\\f"),
            '\0'..' ' | '\x7f' => write!(out, "\\x{:02x}", u32::from(letter)),
            // What cannot be printed is told by the same table that `Debug` has.
            _ if letter.escape_debug().len() > 1 => match u32::from(letter) {
                code @ 0..=0xffff => write!(out, "\\u{code:04x}"),
                code => write!(out, "\\U{code:08x}"),
            },
            _ => write!(out, "{letter}"),
        };
    }
    out.push('"');
}

impl Shown for &String {
    fn show(&self, out: &mut String) {
        self.as_str().show(out);
    }
}

impl Shown for i64 {
    fn show(&self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

impl Shown for bool {
    fn show(&self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

/// Any value as compact JSON with sorted keys, as Go prints structs, maps and slices.
impl Shown for &super::Value<'_> {
    fn show(&self, out: &mut String) {
        match self {
            super::Value::Null => out.push_str("null"),
            super::Value::Bool(b) => b.show(out),
            super::Value::Int(n) => n.show(out),
            super::Value::Float(n) => {
                let _ = write!(out, "{n}");
            }
            super::Value::Str(s) => s.show(out),
            super::Value::Raw(s) => out.push_str(s),
            super::Value::List(list) => {
                out.push('[');
                for (at, item) in list.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.show(out);
                }
                out.push(']');
            }
            super::Value::Map(map) => {
                out.push('{');
                for (at, (key, value)) in map.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    key.show(out);
                    out.push(':');
                    value.show(out);
                }
                out.push('}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldError, Path};

    #[test]
    fn paths_read_as_upstream_prints_them() {
        let spec = Path::root("spec");
        let containers = spec.child("containers");
        let first = containers.index(0);
        assert_eq!(first.child("name").to_string(), "spec.containers[0].name");
        assert_eq!(Path::root("data").key("a.b").to_string(), "data[a.b]");
    }

    #[test]
    fn strings_are_quoted_as_go_quotes_them() {
        let text = "a\u{1}\n\"\\'\u{7}\u{200b}é";
        let error = FieldError::invalid(&Path::root("f"), text, "");
        let expected = r#"Invalid value: "a\x01\n\"\\'\a\u200bé""#;
        assert_eq!(error.body.trim_end_matches(": "), expected);
    }

    #[test]
    fn messages_follow_upstream() {
        let path = Path::root("spec");
        let error = FieldError::not_supported(&path, "x", &["B", "A"]);
        assert_eq!(
            error.to_string(),
            r#"spec: Unsupported value: "x": supported values: "B", "A""#
        );
        assert_eq!(FieldError::required(&path, "").to_string(), "spec: Required value");
    }
}
