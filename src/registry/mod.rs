//! Verbs on resources, and what each kind adds to them.

pub mod convert;
pub mod defaulting;
mod read;
pub mod strategy;
pub mod validation;
