//! JSON: decoding by schema with Go's strictness, texts and canonical scalars; decoding without
//! schema; encoding.
//!
//! Text → tape (`tape`, `scan`) → [`Value`](crate::object::Value) (`decode`, `scalar`, `untyped`)
//! → text (`encode`, `write`). YAML joins at the tape.

mod conform;
mod context;
mod custom;
mod decode;
mod document;
mod encode;
mod error;
mod peek;
pub(crate) mod positions;
pub mod raw;
mod scalars;
mod scan;
pub(crate) mod seen;
mod tape;
mod untyped;
pub mod write;

pub use conform::conform;
pub(crate) use context::is_resource_list;
pub use custom::coerce_embedded;
pub use decode::{Decoded, Strictness, decode};
pub(crate) use decode::{is_shown, zero};
pub use document::Document;
pub(crate) use encode::in_key_order;
pub use encode::{encode, encode_any, encode_sorted};
pub use error::DecodeError;
pub use peek::{TypeMeta, peek_type_meta};
pub use scan::SyntaxError;
pub(crate) use tape::is_json;
pub use untyped::{parse_any, parse_any_strict};
