//! Protobuf by schema: the form in which built-in objects are stored and sent.
//!
//! Written bytes are those that upstream's generated code writes: fields by ascending number,
//! scalars that are not pointers even if zero, structs that are not pointers even if empty, map
//! entries by key. Read bytes may be of any writer.

mod decode;
mod encode;
pub mod envelope;
mod list;
pub(crate) mod read;
pub(crate) mod special;
pub(crate) mod wire;

pub use decode::decode;
pub use encode::encode;
pub use list::{ListMeta, ListWriter};
pub use read::WireError;
