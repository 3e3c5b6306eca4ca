//! One file a verb; each has a function that serves a [`Call`](super::call::Call).

pub mod create;
pub mod delete;
pub mod deletecollection;
pub mod get;
pub mod list;
pub mod patch;
pub mod update;
pub mod watch;
