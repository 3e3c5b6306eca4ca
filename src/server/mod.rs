//! The server as a whole: what starts, in which order, and how it ends.
//!
//! [`boot`] runs on the process's first thread, which then waits for signals; [`shard`] is what
//! runs on each shard; [`pipeline`] is what every request goes through.

mod admitting;
mod auditing;
mod authentication;
mod authorization;
pub mod boot;
pub mod bootstrap;
pub mod credentials;
mod debug;
mod definitions;
mod files;
mod filters;
mod gather;
pub mod health;
mod keep;
pub mod lifecycle;
pub mod listener;
pub mod logging;
mod own;
pub mod pipeline;
pub mod pki;
pub mod preflight;
pub mod reloads;
pub mod scrape;
mod sealing;
pub mod shard;
pub mod tune;
mod turn;
mod zpages;
