//! The envelope of protobuf bodies and stored objects: `k8s\0`, then `runtime.Unknown`.

use super::read::{Reader, WireError};
use super::wire;

/// What envelopes begin with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// An envelope's contents, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unknown<'b> {
    /// `typeMeta.apiVersion`.
    pub api_version: &'b str,
    /// `typeMeta.kind`.
    pub kind: &'b str,
    /// The message.
    pub raw: &'b [u8],
    /// Media type of `raw`; "" means protobuf.
    pub content_type: &'b str,
    /// Content encoding of `raw`; "" means none.
    pub content_encoding: &'b str,
}

/// Appends an envelope around `raw`, as upstream's protobuf serializer writes it.
pub fn wrap(api_version: &str, kind: &str, raw: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw.len() + api_version.len() + kind.len() + 32);
    begin(api_version, kind, out);
    wire::bytes(2, raw, out);
    end(out);
}

/// As [`wrap`], with the message written by `write`.
pub fn wrap_with(
    api_version: &str,
    kind: &str,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    begin(api_version, kind, out);
    wire::nested(2, out, write);
    end(out);
}

/// Appends what stands before field 2, `raw`.
pub(crate) fn begin(api_version: &str, kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    wire::nested(1, out, |out| {
        wire::bytes(1, api_version.as_bytes(), out);
        wire::bytes(2, kind.as_bytes(), out);
    });
}

/// Appends what stands behind `raw`: empty encoding and type.
pub(crate) fn end(out: &mut Vec<u8>) {
    wire::bytes(3, b"", out);
    wire::bytes(4, b"", out);
}

/// True if the bytes begin as an envelope.
pub fn is_wrapped(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Opens an envelope; none if the bytes do not begin as one.
///
/// # Errors
/// If what follows is no protobuf.
pub fn unwrap(bytes: &[u8]) -> Result<Option<Unknown<'_>>, WireError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Ok(None) };
    let mut unknown = Unknown::default();
    let mut reader = Reader::new(rest);
    while let Some(item) = reader.next()? {
        match item.number {
            1 => {
                let mut meta = Reader::new(item.bytes()?);
                while let Some(item) = meta.next()? {
                    match item.number {
                        1 => unknown.api_version = text(item.bytes()?),
                        2 => unknown.kind = text(item.bytes()?),
                        _ => {}
                    }
                }
            }
            2 => unknown.raw = item.bytes()?,
            3 => unknown.content_encoding = text(item.bytes()?),
            4 => unknown.content_type = text(item.bytes()?),
            _ => {}
        }
    }
    Ok(Some(unknown))
}

/// Names are ASCII; one that is not even UTF-8 names nothing.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::{Unknown, unwrap, wrap, wrap_with};

    #[test]
    fn envelopes_open_to_what_was_wrapped() {
        let mut out = Vec::new();
        wrap("apps/v1", "Deployment", &[1, 2, 3], &mut out);
        assert_eq!(out, b"k8s\0\n\x15\n\x07apps/v1\x12\nDeployment\x12\x03\x01\x02\x03\x1a\0\"\0");
        let expected = Unknown {
            api_version: "apps/v1",
            kind: "Deployment",
            raw: &[1, 2, 3],
            ..Unknown::default()
        };
        assert_eq!(unwrap(&out), Ok(Some(expected)));
        let mut other = Vec::new();
        wrap_with("apps/v1", "Deployment", &mut other, |out| out.extend([1, 2, 3]));
        assert_eq!(out, other);
        assert_eq!(unwrap(b"{}"), Ok(None));
        assert!(unwrap(b"k8s\0\n\x50").is_err());
    }
}
