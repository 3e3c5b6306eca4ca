//! An answer on its way to the client.

use super::form::Form;
use super::object::encode_value;
use super::status::Status;
use crate::codec::media::Format;
use crate::http::{Body, Uri};
use crate::registry::stored;
use crate::request::Fault;
use bumpalo::Bump;
use bytes::Bytes;

/// Status, headers and body.
#[derive(Debug)]
pub struct Answer {
    /// HTTP code.
    pub code: u16,
    /// Content-Type.
    pub content_type: &'static str,
    /// Seconds for Retry-After; 0 for none.
    pub retry_seconds: u32,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// The body never ends by itself: no compression, no deadline.
    pub streams: bool,
}

impl Answer {
    /// An encoded object.
    pub fn object(code: u16, form: &Form, body: Bytes) -> Self {
        Self::stream(code, form.content_type(), Body::full(body))
    }

    /// Any body.
    pub const fn stream(code: u16, content_type: &'static str, body: Body) -> Self {
        let headers = Vec::new();
        Self { code, content_type, retry_seconds: 0, headers, body, streams: false }
    }

    /// Plain text.
    pub fn text(code: u16, text: impl Into<Bytes>) -> Self {
        let mut answer = Self::stream(code, "text/plain; charset=utf-8", Body::full(text));
        answer.headers.push(("x-content-type-options", "nosniff".into()));
        answer
    }

    /// A failure of the server before any handler (`responsewriters.InternalError`).
    pub fn internal_error(uri: &Uri, why: &str) -> Self {
        let uri = uri.path_and_query().map_or("", |both| both.as_str());
        let text = format!("Internal Server Error: {uri:?}: {why}\n");
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        Self::text(500, text)
    }

    /// A failure as a Status in the client's form.
    pub fn fault(fault: Fault, form: &Form) -> Self {
        let status = Status::from(fault);
        let arena = Bump::new();
        let value = status.to_value(&arena);
        let encoded = encode_value(form, stored::status_type(), &value);
        let (form, body) = match encoded {
            Ok(body) => (*form, body),
            // A Status fits its type; should it not, JSON needs none.
            Err(_) => (Form { media: Format::Json, ..*form }, Bytes::from_static(b"{}\n")),
        };
        Self { retry_seconds: status.retry_seconds(), ..Self::object(status.code, &form, body) }
    }

    /// The path is not served by anything here.
    pub fn not_found() -> Self {
        Self::text(404, "404 page not found\n")
    }
}
