//! The object model: one arena tree for every kind, the schema row that describes it, and what is
//! computed from the two. No I/O, no async, no knowledge of any one kind.

pub mod content;
pub mod field;
pub mod quantity;
pub mod schema;
pub mod selector;
mod value;

pub use value::{List, Map, Value};
