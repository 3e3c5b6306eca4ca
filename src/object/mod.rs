//! The object model: one arena tree for every kind, the schema row that describes it, and what is
//! computed from the two. No I/O, no async, no knowledge of any one kind.

pub mod apply;
mod arena;
pub mod content;
pub mod field;
pub mod fieldset;
#[cfg(test)]
pub(crate) mod fixture;
pub mod go_text;
pub mod json_path;
pub mod json_text;
pub mod managed;
mod name_table;
pub mod patch;
pub mod place;
pub mod quantity;
mod scalar_key;
pub mod schema;
pub mod selector;
pub mod structural;
mod value;

pub use arena::Arena;
pub use value::{List, Map, Value};
