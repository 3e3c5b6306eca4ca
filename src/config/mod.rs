//! The command line: kube-apiserver's flags under their names, defaults and meanings, and a few of
//! this server's own.
//!
//! `flags` is the one table; `parse` takes arguments apart by it; `resolve` makes the typed
//! [`Config`] that everything else reads.

pub mod duration;
pub mod flags;
mod help;
mod parse;
mod resolve;

pub use help::text as help;
pub use parse::FlagError;
pub use parse::Values;
pub use resolve::Admission;
pub use resolve::Authentication;
pub use resolve::Authorization;
pub use resolve::Config;
pub use resolve::RequestHeader;
pub use resolve::Requests;
pub use resolve::ServiceAccounts;
pub use resolve::Services;
pub use resolve::Serving;
pub use resolve::Shutdown;
pub use resolve::Sni;
pub use resolve::Store;

#[cfg(test)]
mod tests;
