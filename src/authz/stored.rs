//! Stored objects as trees.

use crate::cache::Entry;
use crate::codec::{json, proto};
use crate::object::Value;
use crate::store::Item as _;
use bumpalo::Bump;

/// The object in its stored version; `None` if the bytes are none, which grants nothing.
pub(super) fn decode<'a>(entry: &'a Entry, arena: &'a Bump) -> Option<Value<'a>> {
    let storage = entry.storage()?;
    if storage.json {
        let decoded = json::decode(entry.value(), storage.ty, arena, json::Strictness::Ignore);
        return decoded.ok().map(|decoded| decoded.value);
    }
    let unknown = proto::envelope::unwrap(entry.value()).ok()??;
    proto::decode(unknown.raw, storage.ty, arena).ok()
}
