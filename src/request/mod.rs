//! A request as every later stage sees it: URL → verb, resource and options; faults as data.

mod fault;

pub use fault::{Fault, Result, Subject};
