//! TLS for the server's side of connections: rustls with ring over `rt` streams.
//!
//! [`Config`] is built from PEM bytes on any thread and is immutable; a reload builds a new one and
//! the shards use it for the connections that come. Client certificates are asked for, never
//! demanded: one that cannot be verified does not end the handshake but is told to the layers above
//! (`http::ClientCertificates`), as kube-apiserver does with `tls.RequestClientCert`.

mod buffer;
mod certificates;
mod config;
mod stream;
mod suites;

pub use certificates::ClientVerifier;
pub use certificates::ServerKey;
pub use config::Config;
pub use config::ConfigError;
pub use config::Material;
pub use config::SniKey;
pub use config::Tickets;
pub use stream::AcceptError;
pub use stream::Stream;
pub use suites::MinVersion;
pub use suites::cipher_suite_names;
