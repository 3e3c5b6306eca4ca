//! Encodings of an entry: the whole object as clients see it, with its resourceVersion.

use crate::cache::entry::Entry;
use crate::cache::rows::Unreadable;
use bytes::Bytes;

/// An object as JSON: `{"kind":…,"apiVersion":…,"metadata":…}`, with no line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json {
    /// The whole object.
    pub bytes: Bytes,
    /// Where the text after `"kind":…,"apiVersion":…,` starts: a list item is `{` and the rest.
    pub item_at: usize,
}

impl Json {
    /// What follows the `{` of a list item, which shows neither kind nor apiVersion; no copy.
    pub fn item(&self) -> Bytes {
        self.bytes.slice(self.item_at.min(self.bytes.len())..)
    }
}

/// The object as JSON.
pub(super) fn json(_entry: &Entry) -> Result<Json, Unreadable> {
    Err(Unreadable { reason: "no transcoder yet".to_owned() })
}

/// The object as `k8s\0` and Unknown.
pub(super) fn protobuf(_entry: &Entry) -> Result<Bytes, Unreadable> {
    Err(Unreadable { reason: "no transcoder yet".to_owned() })
}
