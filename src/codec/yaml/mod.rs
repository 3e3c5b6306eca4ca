//! YAML, read and written as `sigs.k8s.io/yaml` does: reading is a conversion to the JSON tape,
//! writing a conversion from JSON text. So YAML has the rules of JSON, and of YAML 1.1 where a
//! plain scalar says what it is.

mod emit;
mod error;
mod parse;
mod resolve;
mod style;

pub use emit::from_json;
pub use error::YamlError;
pub use parse::parse;
