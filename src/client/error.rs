//! Why an exchange failed, in the words of Go's `net`, `crypto/tls` and `net/http`.

use std::fmt;
use std::io;

/// Why there is no answer. `Display` gives the text as Go's `http.Client` has it after
/// `Post "url": `; [`go_url_error`] gives the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientError {
    /// Too many exchanges wait or are under way.
    Busy,
    /// The time was up.
    Deadline,
    /// The name or address cannot be connected to; Go's text, `dial tcp …`.
    Dial(String),
    /// The answer is larger than may be.
    TooLarge,
    /// The TLS handshake failed; Go's text.
    Tls(String),
    /// The roots, the client certificate or the URL cannot be used.
    Unusable(String),
    /// The exchange broke off, or was no HTTP; Go's text where there is one.
    Broken(String),
    /// The server stops.
    Stopped,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too many requests to other servers are under way",
            Self::Deadline => "context deadline exceeded",
            Self::TooLarge => "the response is too large",
            Self::Stopped => "the server is shutting down",
            Self::Dial(text) | Self::Tls(text) | Self::Unusable(text) | Self::Broken(text) => text,
        })
    }
}

impl std::error::Error for ClientError {}

/// `Post "https://…": context deadline exceeded`, as `url.Error` prints it.
#[must_use]
pub fn go_url_error(method: &http::Method, url: &str, error: &ClientError) -> String {
    let method = method.as_str();
    let (first, rest) = method.split_at(method.len().min(1));
    format!("{first}{} {url:?}: {error}", rest.to_ascii_lowercase())
}

/// The words of an error of the system, as `syscall.Errno` has them.
pub(in crate::client) fn errno_text(error: &io::Error) -> String {
    let known = match error.raw_os_error() {
        Some(101) => "network is unreachable",
        Some(104) => "connection reset by peer",
        Some(110) => "connection timed out",
        Some(111) => "connection refused",
        Some(113) => "no route to host",
        Some(13) => "permission denied",
        Some(22) => "invalid argument",
        Some(32) => "broken pipe",
        Some(99) => "cannot assign requested address",
        _ => return error.to_string(),
    };
    known.to_owned()
}

/// What hyper says of a broken exchange, in Go's words where it has some.
pub(in crate::client) fn broken(error: &hyper::Error) -> ClientError {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return ClientError::Broken(match io.kind() {
                io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
                _ => errno_text(io),
            });
        }
        source = inner.source();
    }
    ClientError::Broken(match error {
        error if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
            "EOF".to_owned()
        }
        error if error.is_parse() => {
            format!("net/http: HTTP/1.x transport connection broken: {error}")
        }
        error => error.to_string(),
    })
}
