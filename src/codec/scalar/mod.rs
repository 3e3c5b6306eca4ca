//! Scalars whose text form is their own: quantities, times, durations, base64. Each parses what Go
//! accepts, with Go's error texts, and prints the one canonical form that JSON answers show.

mod base64_text;
pub mod time;

pub use crate::object::quantity::{Quantity, QuantityError};
pub use base64_text::{decode_into as base64_decode_into, normalize as base64_normalize};

use crate::base::duration::DurationError;
use std::fmt;

/// Why a scalar's text was refused; `Display` gives Go's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalarError {
    /// Not base64: the offset of the first bad byte.
    Base64(usize),
    /// Not a Go duration.
    Duration(DurationError),
    /// Not a quantity.
    Quantity(QuantityError),
    /// Not a time.
    Time(time::TimeError),
}

impl fmt::Display for ScalarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64(at) => write!(f, "illegal base64 data at input byte {at}"),
            Self::Duration(error) => error.fmt(f),
            Self::Quantity(error) => error.fmt(f),
            Self::Time(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ScalarError {}
