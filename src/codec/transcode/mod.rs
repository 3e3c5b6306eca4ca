//! The hot path: from stored bytes to what a client reads, without building an object.
//!
//! Stored objects are protobuf in an envelope, without resourceVersion. [`to_json`] walks the
//! message once and writes JSON as it goes; [`Spliced`] puts the revision into the bytes and copies
//! the rest. What [`to_json`] writes is what [`json::encode`](super::json::encode) writes of the
//! decoded object, but for the order of fields, which is that of the wire.

mod json;
pub mod scan;
mod splice;

pub use json::{Names, to_json};
pub use splice::Spliced;

use super::proto::WireError;
use std::fmt;

/// Why stored bytes cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranscodeError {
    /// The bytes have no envelope.
    Envelope,
    /// The message is not whole.
    Wire(WireError),
}

impl fmt::Display for TranscodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope => f.write_str("provided data does not appear to be a protobuf message"),
            Self::Wire(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TranscodeError {}

impl From<WireError> for TranscodeError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The message inside stored bytes.
///
/// # Errors
/// If the bytes have no envelope.
pub fn message(stored: &[u8]) -> Result<&[u8], TranscodeError> {
    match super::proto::envelope::unwrap(stored)? {
        Some(unknown) => Ok(unknown.raw),
        None => Err(TranscodeError::Envelope),
    }
}
