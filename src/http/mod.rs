//! HTTP/1.1 and HTTP/2 on one connection. The only module that names hyper.
//!
//! [`serve`] runs a connection over any [`Transport`], calls the handler once for each request and
//! sends what it answers. Nothing here is `Send`: a connection stays on its shard. The module knows
//! neither TLS nor the executor; the caller brings both ([`Transport`], [`Spawn`]) and calls
//! [`Connections::tick`] about once a second, which is what enforces the time limits.

mod body;
mod connections;
mod message;
mod serve;
mod transport;
mod upgrade;

pub use body::Body;
pub use body::BodyError;
pub use body::RequestBody;
pub use connections::Connections;
pub use connections::Slot;
pub use message::ClientCertificates;
pub use message::HeaderText;
pub use message::Peer;
pub use message::Request;
pub use message::Response;
pub use message::Verification;
pub use serve::Accepted;
pub use serve::Options;
pub use serve::Protocol;
pub use serve::Spawn;
pub use serve::serve;
pub use transport::Transport;
pub use upgrade::Upgrade;
pub use upgrade::Upgraded;
pub use upgrade::UpgradedReader;
pub use upgrade::UpgradedWriter;

pub use ::http::HeaderMap;
pub use ::http::HeaderName;
pub use ::http::HeaderValue;
pub use ::http::Method;
pub use ::http::StatusCode;
pub use ::http::Uri;
pub use ::http::Version;
pub use ::http::header;
