//! Why a body was not decoded; the texts are Go's.

use super::scan::SyntaxError;
use crate::codec::scalar::ScalarError;
use crate::object::field::FieldError;
use std::fmt;

/// Why a body could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Metadata of a resource within a custom resource that is none.
    Field(FieldError),
    /// A scalar with a form of its own is malformed.
    Scalar(ScalarError),
    /// Not JSON.
    Syntax(SyntaxError),
    /// A value of another type than the field has (`json.UnmarshalTypeError`).
    Type {
        /// What stands there: `string`, `number 1.5`.
        value: String,
        /// The Go struct and the path of the field: `PodSpec`, `spec.nodeName`.
        field: Option<(&'static str, String)>,
        /// The Go type of the field.
        expected: String,
    },
    /// Neither a schema nor true or false where only these may stand.
    Union,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(error) => error.fmt(f),
            Self::Scalar(error) => error.fmt(f),
            Self::Syntax(error) => error.fmt(f),
            Self::Type { value, field: Some((owner, path)), expected } => write!(
                f,
                "json: cannot unmarshal {value} into Go struct field {owner}.{path} of type \
                 {expected}"
            ),
            Self::Type { value, field: None, expected } => {
                write!(f, "json: cannot unmarshal {value} into Go value of type {expected}")
            }
            Self::Union => f.write_str("boolean or JSON schema expected"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<SyntaxError> for DecodeError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

impl From<ScalarError> for DecodeError {
    fn from(error: ScalarError) -> Self {
        Self::Scalar(error)
    }
}
