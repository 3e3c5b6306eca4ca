//! The three patch forms that clients send: JSON patch, merge patch, strategic merge patch.
//!
//! Each changes a decoded object in its arena. What comes out is not checked against the schema:
//! it may hold unknown fields and values of the wrong type, so the caller decodes it again.
//! Nothing recurses deeper than the trees it is given or than `limits::OBJECT_DEPTH_MAX`.

pub mod json;
pub mod merge;
mod refusal;
pub mod restore;
pub mod strategic;
mod strategic_list;

use std::fmt;

/// Why a patch does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatchError {
    /// 400 with this message.
    BadRequest(String),
    /// 500 with this message and no reason: upstream's untyped errors.
    Plain(String),
    /// 422 with a fixed message; the text says why, and does not go to the client.
    Rejected(String),
    /// 413 with this message.
    TooLarge(String),
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::BadRequest(text)
        | Self::Plain(text)
        | Self::Rejected(text)
        | Self::TooLarge(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for PatchError {}
