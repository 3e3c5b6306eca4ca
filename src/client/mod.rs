//! Requests of this server to others: webhooks, aggregated API servers, kubelets, identity
//! providers.
//!
//! One thread of its own runs tokio with hyper and rustls for all shards; a shard sees nothing of
//! it but a bounded queue and the futures that wait for answers. Connections are kept and shared:
//! HTTP/2 where the other end has it (ALPN), else HTTP/1.1.
//!
//! A full queue, and more exchanges than `CLIENT_EXCHANGES_MAX` at once, fail the request with
//! [`ClientError::Busy`] at once. Answers are limited in size and time. Errors read as Go's
//! `net/http` writes them, because kube-apiserver shows them to clients.
//!
//! Left out on purpose: proxies named by the environment, and redirects.

mod body;
mod connect;
mod endpoint;
mod error;
mod exchange;
pub mod kubeconfig;
mod pool;
mod rest;
mod target;
#[cfg(test)]
mod tests;
mod trust;
mod verify;

pub use body::Payload;
pub use endpoint::{Endpoint, PostError};
pub use error::ClientError;
pub use error::go_url_error;
pub use exchange::Chunks;
pub use exchange::Client;
pub use exchange::Duplex;
pub use exchange::Streamed;
pub use rest::{RestError, service_address};
pub use target::Target;
pub use trust::Identity;
pub use trust::Roots;
pub use trust::Trust;
