//! Encodings of an entry: the whole object as clients see it, with its resourceVersion.

use crate::cache::definitions::{decode_custom, decode_json};
use crate::cache::entry::Entry;
use crate::cache::rows::{Unreadable, unreadable};
use crate::catalog::{Storage, catalog};
use crate::codec;
use crate::codec::transcode::{self, Names, Spliced};
use crate::object::Value;
use crate::store::Item;
use bumpalo::Bump;
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

/// The object as JSON, shown at a revision.
pub(super) fn json(entry: &Entry, revision: u64) -> Result<Json, Unreadable> {
    let storage = storage(entry)?;
    let api_version = storage.api_version();
    let mut out = Vec::with_capacity(entry.value().len() * 2 + 256);
    if !is_plain(entry, storage) {
        let arena = Bump::new();
        let object = object((entry, revision), storage, &api_version, &arena)?;
        codec::json::encode(&object, storage.ty, &mut out);
    } else {
        let names = Some(Names { api_version: &api_version, kind: storage.kind });
        transcode::to_json(entry.value(), storage.ty, names, revision, &mut out)
            .map_err(unreadable)?;
    }
    let around = r#"{"kind":"","apiVersion":"","#;
    let item_at = match storage.custom {
        // Items of lists of custom resources show kind and apiVersion.
        Some(_) => 1,
        None => around.len() + storage.kind.len() + api_version.len(),
    };
    out.shrink_to_fit();
    Ok(Json { bytes: Bytes::from(out), item_at })
}

/// The object as `k8s\0` and Unknown, shown at a revision.
pub(super) fn protobuf(entry: &Entry, revision: u64) -> Result<Bytes, Unreadable> {
    let storage = storage(entry)?;
    let api_version = storage.api_version();
    let names = Names { api_version: &api_version, kind: storage.kind };
    let mut out = Vec::new();
    if is_plain(entry, storage) {
        let message = transcode::message(entry.value()).map_err(unreadable)?;
        let spliced = Spliced::new(message, revision).map_err(unreadable)?;
        spliced.write_object(names, &mut out);
    } else if usize::from(storage.id) < catalog().storages().len() {
        let arena = Bump::new();
        let object = object((entry, revision), storage, &api_version, &arena)?;
        codec::proto::envelope::wrap_with(&api_version, storage.kind, &mut out, |out| {
            codec::proto::encode(&object, storage.ty, out);
        });
    } else {
        return Err(unreadable("custom resources have no protobuf form"));
    }
    Ok(Bytes::from(out))
}

fn storage(entry: &Entry) -> Result<&'static Storage, Unreadable> {
    if let Some(reason) = entry.refusal() {
        return Err(unreadable(reason));
    }
    entry.storage().ok_or_else(|| unreadable("its resource is not known"))
}

/// Stored as protobuf, at a revision of its own: the bytes can be passed on without an object. What
/// a dry run would have stored has no revision.
fn is_plain(entry: &Entry, storage: &Storage) -> bool {
    !storage.json && entry.revision() > 0
}

/// The object as a tree, in the stored version.
pub(super) fn tree<'a>(entry: &Entry, arena: &'a Bump) -> Result<Value<'a>, Unreadable> {
    let storage = storage(entry)?;
    object((entry, entry.revision()), storage, &storage.api_version(), arena)
}

/// The object with kind, apiVersion and, if it has one, resourceVersion.
fn object<'a>(
    (entry, revision): (&Entry, u64),
    storage: &'static Storage,
    api_version: &str,
    arena: &'a Bump,
) -> Result<Value<'a>, Unreadable> {
    let mut object = if let Some(custom) = storage.custom {
        decode_custom(storage, custom, entry.value(), arena)?
    } else if storage.json {
        decode_json(storage, entry.value(), arena)?
    } else {
        // The value must outlive the borrow of the entry.
        let raw = arena.alloc_slice_copy(transcode::message(entry.value()).map_err(unreadable)?);
        codec::proto::decode(raw, storage.ty, arena).map_err(unreadable)?
    };
    let map = object.as_map_mut().ok_or_else(|| unreadable("it is no object"))?;
    map.insert("kind", Value::Str(storage.kind));
    map.insert("apiVersion", Value::str_in(api_version, arena));
    if revision > 0 {
        let revision = Value::str_in(itoa::Buffer::new().format(revision), arena);
        map.entry_map("metadata").insert("resourceVersion", revision);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use crate::cache::Entry;
    use crate::store::Item;
    use bytes::Bytes;

    fn entry(key: &str, json: &str) -> Entry {
        let key = Bytes::copy_from_slice(key.as_bytes());
        Entry::new(key, 7, Bytes::copy_from_slice(json.as_bytes()))
    }

    #[test]
    fn list_item_is_the_object_without_kind_and_api_version() {
        let service = entry(
            "/registry/apiregistration.k8s.io/apiservices/v1.apps",
            r#"{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1",
                "metadata":{"name":"v1.apps","uid":"u-1","labels":{"a":"b"}},
                "spec":{"version":"v1"}}"#,
        );
        assert_eq!(
            (service.name(), service.uid(), service.label("a")),
            ("v1.apps", "u-1", Some("b"))
        );
        let json = service.json().expect("readable");
        let text = std::str::from_utf8(&json.bytes).expect("text");
        let head = r#"{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","#;
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains(r#""resourceVersion":"7""#), "{text}");
        assert!(json.item().starts_with(br#""metadata":{"name":"v1.apps""#), "{text}");
    }

    #[test]
    fn encodings_are_kept_from_the_second_on_until_a_newer_revision_is_there() {
        let map = entry("/registry/apiregistration.k8s.io/apiservices/v1.", r#"{"metadata":{}}"#);
        let once = map.json().expect("json");
        assert_ne!(once.bytes.as_ptr(), map.json().expect("json").bytes.as_ptr());
        let (first, second) = (map.json().expect("json"), map.json().expect("json"));
        assert_eq!(first.bytes.as_ptr(), second.bytes.as_ptr());
        map.cool();
        assert_eq!(map.json().expect("used since").bytes.as_ptr(), first.bytes.as_ptr());
        map.cool();
        map.cool();
        let third = map.json().expect("made anew");
        assert_ne!(third.bytes.as_ptr(), first.bytes.as_ptr());
        map.retire();
        assert_ne!(map.json().expect("json").bytes.as_ptr(), third.bytes.as_ptr());
        assert_eq!(map.json().expect("json"), third);
    }

    #[test]
    fn what_is_not_an_object_has_no_encoding() {
        for value in ["", "k8s\0\u{1}", "{", "[]", "7", r#"{"metadata":7}"#] {
            let broken = entry("/registry/pods/a/web", value);
            assert!(broken.json().is_err() && broken.protobuf().is_err(), "{value}");
        }
    }
}
