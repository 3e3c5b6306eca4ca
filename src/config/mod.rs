//! The command line: kube-apiserver's flags under their names, defaults and meanings, and a few of
//! this server's own.
//!
//! `flags` is the one table; `parse` takes arguments apart by it; `resolve` makes the typed
//! [`Config`] (`model`) that everything else reads.

mod audit;
mod authorization;
mod etcd;
pub mod flags;
mod help;
mod model;
mod oidc;
mod outgoing;
mod parse;
mod resolve;

pub use help::text as help;
pub use model::Admission;
pub use model::AuditWebhook;
pub use model::Authentication;
pub use model::Authorization;
pub use model::AuthorizationWebhook;
pub use model::Config;
pub use model::Oidc;
pub use model::Outgoing;
pub use model::Override;
pub use model::Reconciler;
pub use model::RequestHeader;
pub use model::Requests;
pub use model::ServiceAccounts;
pub use model::Services;
pub use model::Serving;
pub use model::Shutdown;
pub use model::Sni;
pub use model::Store;
pub use model::TokenWebhook;
pub use parse::FlagError;
pub use parse::Values;

#[cfg(test)]
mod tests;
