//! Selectors: which objects a list, a watch or a controller means, by labels or by fields.
//!
//! Both kinds keep their requirements sorted and without repeats, so that equal selectors compare,
//! hash and print equal: watchers that ask the same share one match per event.

mod field;
mod label;
mod label_parse;

pub use field::{FieldRequirement, FieldSelector};
pub use label::{LabelOperator, LabelRequirement, LabelSelector};

use std::fmt;

/// Why a text or an object is no selector: the message as kube-apiserver gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError(pub String);

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SelectorError {}
