//! The OpenAPI documents that the server publishes, generated from the catalog.
//!
//! `fixed` and `route` say which paths and operations there are, `parameter` and `enums` add the
//! facts that the catalog has not (under `data/`), `docs` the descriptions. `v2`, `v3` and `schema`
//! write them down in the two dialects, part by part, so that no whole tree ever stands in memory,
//! `custom` and `custom_schema` add what custom resources have of both;
//! `json` and `swagger` are the encodings of v2; `out` packs what is written. `document` has
//! the results, `keep` keeps them true, `serve` answers.

mod custom;
mod custom_schema;
pub mod docs;
mod document;
mod enums;
mod fixed;
mod json;
mod keep;
mod out;
mod parameter;
mod route;
mod schema;
mod serve;
mod swagger;
pub(in crate::api) mod tree;
mod v2;
mod v3;
mod v3_proto;

pub use self::serve::Answer;
pub use self::serve::Asked;
pub use self::serve::answer;
pub use self::serve::is_served;

#[cfg(test)]
mod tests;
