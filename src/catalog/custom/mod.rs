//! Custom resources: the rows of what CustomResourceDefinitions define, and which of them are
//! served.
//!
//! A definition compiles into rows of the same types as the built-in ones. Rows live as long as the
//! process: a change of the definition makes new ones, and what was compiled once is found again by
//! its content, so that definitions that go back and forth cost nothing more. What is served is one
//! immutable snapshot for the process, swapped when a definition changes; requests on built-in
//! resources never look at it.

mod rows;
mod served;
pub mod written;

pub use rows::{ColumnSource, ConversionPlace, ConversionWebhook, CustomStorage, CustomVersion};
pub use rows::{Definition, ScalePaths};
pub use served::{Served, ServedDefinition, forget, observe, served};

#[cfg(test)]
mod tests;
