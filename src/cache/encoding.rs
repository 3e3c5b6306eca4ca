//! Encodings of an entry: the whole object as clients see it, with its resourceVersion.

use crate::cache::entry::Entry;
use crate::cache::rows::Unreadable;
use crate::catalog::{Storage, catalog};
use crate::codec;
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

/// The object as JSON.
pub(super) fn json(entry: &Entry) -> Result<Json, Unreadable> {
    let storage = storage(entry)?;
    let arena = Bump::new();
    let object = object(entry, storage, &arena)?;
    let mut out = Vec::with_capacity(entry.value().len() * 2);
    codec::json::encode(&object, storage.ty, &mut out);
    let type_meta =
        [r#"{"kind":"","apiVersion":"","#, storage.kind, storage.group, storage.version];
    let slash = usize::from(!storage.group.is_empty());
    let item_at = type_meta.into_iter().map(str::len).sum::<usize>() + slash;
    out.shrink_to_fit();
    Ok(Json { bytes: Bytes::from(out), item_at })
}

/// The object as `k8s\0` and Unknown.
pub(super) fn protobuf(entry: &Entry) -> Result<Bytes, Unreadable> {
    let storage = storage(entry)?;
    if usize::from(storage.id) >= catalog().storages().len() {
        return Err(Unreadable { reason: "custom resources have no protobuf form".to_owned() });
    }
    let arena = Bump::new();
    let object = object(entry, storage, &arena)?;
    let mut message = Vec::with_capacity(entry.value().len() + 32);
    codec::proto::encode(&object, storage.ty, &mut message);
    let mut out = Vec::with_capacity(message.len() + 64);
    codec::proto::envelope::wrap(api_version(storage, &arena), storage.kind, &message, &mut out);
    Ok(Bytes::from(out))
}

fn storage(entry: &Entry) -> Result<&'static Storage, Unreadable> {
    entry.storage().ok_or_else(|| Unreadable { reason: "its resource is not known".to_owned() })
}

/// The object with kind, apiVersion and resourceVersion.
fn object<'a>(
    entry: &Entry,
    storage: &'static Storage,
    arena: &'a Bump,
) -> Result<Value<'a>, Unreadable> {
    let unreadable = |reason: String| Unreadable { reason };
    let envelope = codec::proto::envelope::unwrap(entry.value());
    let mut object = match envelope.map_err(|error| unreadable(error.to_string()))? {
        Some(unknown) => {
            // The value must outlive the borrow of the entry.
            let raw = arena.alloc_slice_copy(unknown.raw);
            let decoded = codec::proto::decode(raw, storage.ty, arena);
            decoded.map_err(|error| unreadable(error.to_string()))?
        }
        None => {
            let strictness = codec::json::Strictness::Ignore;
            let decoded = codec::json::decode(entry.value(), storage.ty, arena, strictness);
            decoded.map_err(|error| unreadable(error.to_string()))?.value
        }
    };
    let map = object.as_map_mut().ok_or_else(|| unreadable("it is no object".to_owned()))?;
    map.insert("kind", Value::Str(storage.kind));
    map.insert("apiVersion", Value::Str(api_version(storage, arena)));
    let revision = Value::str_in(itoa::Buffer::new().format(entry.revision()), arena);
    map.entry_map("metadata").insert("resourceVersion", revision);
    Ok(object)
}

fn api_version<'a>(storage: &Storage, arena: &'a Bump) -> &'a str {
    match storage.group {
        "" => storage.version,
        group => arena.alloc_str(&[group, storage.version].join("/")),
    }
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
    fn encodings_are_kept_until_a_newer_revision_is_there() {
        let map = entry("/registry/apiregistration.k8s.io/apiservices/v1.", r#"{"metadata":{}}"#);
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
