//! What a handler takes and gives.

use crate::http::Body;
use crate::http::HeaderMap;
use crate::http::HeaderName;
use crate::http::HeaderValue;
use crate::http::Method;
use crate::http::RequestBody;
use crate::http::StatusCode;
use crate::http::Upgrade;
use crate::http::Uri;
use crate::http::Version;
use crate::http::header;
use crate::metrics::Sent;
use bytes::Bytes;
use std::any::Any;
use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// A request; its body arrives as it is read.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query as sent, still percent-encoded; over HTTP/2 also the authority.
    pub uri: Uri,
    /// HTTP version.
    pub version: Version,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// Who is at the other end; one value for all requests of a connection.
    pub peer: Rc<Peer>,
}

impl Request {
    /// The path, percent-encoded; never empty.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// What stands after `?`, percent-encoded; empty if there is nothing.
    #[must_use]
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// A header's first value if it is there and ASCII.
    #[must_use]
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The host the client asked for, with its port if it gave one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.header(header::HOST),
        }
    }
}

/// A header's value as text, without copying the one that there mostly is.
#[derive(Debug, Clone, Default)]
pub enum HeaderText {
    /// There is no such header.
    #[default]
    None,
    /// It is there once.
    One(HeaderValue),
    /// Several, joined by commas as RFC 9110 (5.3) has it.
    Joined(String),
}

impl HeaderText {
    /// The values of `name` that are ASCII.
    #[must_use]
    pub fn of(headers: &HeaderMap, name: HeaderName) -> Self {
        let values = headers.get_all(name);
        let mut texts = values.iter().filter(|value| value.to_str().is_ok());
        let Some(first) = texts.next() else { return Self::None };
        let Some(second) = texts.next() else { return Self::One(first.clone()) };
        let all = [first, second].into_iter().chain(texts);
        let all: Vec<&str> = all.filter_map(|value| value.to_str().ok()).collect();
        Self::Joined(all.join(","))
    }
}

impl From<&'static str> for HeaderText {
    fn from(text: &'static str) -> Self {
        HeaderValue::try_from(text).map_or(Self::None, Self::One)
    }
}

impl std::ops::Deref for HeaderText {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::None => "",
            Self::One(value) => value.to_str().unwrap_or_default(),
            Self::Joined(text) => text,
        }
    }
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The certificates it showed in the TLS handshake, if any.
    pub certificates: Option<ClientCertificates>,
    /// What was found out about it; kept for its further requests.
    pub known: OnceCell<Rc<dyn Any>>,
}

impl Peer {
    /// A peer of which nothing is known yet.
    #[must_use]
    pub fn new(address: SocketAddr, certificates: Option<ClientCertificates>) -> Self {
        Self { address, certificates, known: OnceCell::new() }
    }
}

/// Client certificates. That the peer holds the private key of the first is proven.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// DER, the peer's own first; never empty.
    pub chain: Vec<Bytes>,
    /// Against `--client-ca-file`.
    pub client_ca: Verification,
    /// Against `--requestheader-client-ca-file`.
    pub front_proxy_ca: Verification,
}

/// Whether a certificate chain leads to a trusted root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// No roots were given to verify against.
    NotConfigured,
    /// It does, is in its time, and may be used by clients.
    Verified,
    /// It does not; why.
    Failed(String),
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Headers; `Date` and, where the length is known, `Content-Length` are added.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// Ask the client to leave: `Connection: close`, or GOAWAY over HTTP/2.
    pub close: bool,
    /// Kept until the body has been sent or the client has left.
    pub held: Option<Box<dyn Any>>,
    /// Dropped when the connection has taken the body.
    pub sent: Option<Sent>,
    /// With `101 Switching Protocols` over HTTP/1.1: what the connection does from then on. What is
    /// held is kept until that has ended.
    pub upgrade: Option<Upgrade>,
}

impl Response {
    /// An answer with a body and no headers.
    #[must_use]
    pub fn new(status: StatusCode, body: Body) -> Self {
        let headers = HeaderMap::new();
        Self { status, headers, body, close: false, held: None, sent: None, upgrade: None }
    }

    /// With one header more.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With this header in place of those of its name.
    #[must_use]
    pub fn instead(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Plain text as Go's `http.Error` sends it, but without its newline.
    #[must_use]
    pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self::new(status, Body::full(text.into()))
            .with(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))
            .with(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
    }

    /// A JSON document.
    #[must_use]
    pub fn json(status: StatusCode, document: impl Into<Bytes>) -> Self {
        Self::new(status, Body::full(document.into()))
            .with(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }
}
