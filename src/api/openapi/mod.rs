//! The OpenAPI documents that the server publishes, generated from the catalog.

pub mod docs;
pub(in crate::api) mod tree;
