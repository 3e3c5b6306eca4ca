//! Verbs on resources, and what each kind adds to them.

pub mod convert;
pub mod defaulting;
mod read;
#[cfg(test)]
mod sample;
pub mod strategy;
pub mod validation;
