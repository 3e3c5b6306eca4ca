//! The OpenAPI documents that the server publishes, generated from the catalog.

pub mod docs;
mod enums;
mod fixed;
mod parameter;
mod route;
mod schema;
pub(in crate::api) mod tree;
mod v2;
mod v3;

#[cfg(test)]
mod tests;
