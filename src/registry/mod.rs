//! Verbs on resources, and what each kind adds to them.

mod admin_access;
mod apply;
pub mod body;
mod change;
pub mod conversion;
mod create;
pub mod defaulting;
pub mod definition;
mod delete;
mod deletion;
mod direct;
pub mod meta;
mod namespace;
pub mod network;
mod other_kind;
mod read;
#[cfg(test)]
mod sample;
pub mod scale;
mod store;
pub mod stored;
pub mod strategy;
mod update;
pub mod validation;
pub mod warning;

pub use apply::ApplyChange;
pub use change::{Change, Finalize, Patch, PatchKind, Replace, Scaled};
pub use delete::Deleted;
pub use store::{Admit, Options, Registry};
pub use update::{Updated, failed_precondition};
