//! What a stored object lacks and readers are shown: upstream's decoders apply the defaults of the
//! version to what comes from etcd as well. That matters where a strategy takes a field away behind
//! the defaults of the request. Rows say where ([`FilledIn`]); no other kind is looked at.
//!
//! What a server with `--storage-media-type=application/json` has written is text: its readers are
//! shown the message that would have been written without the flag.

use crate::catalog::{FilledIn, Storage};
use crate::codec::json;
use crate::codec::proto;
use crate::codec::transcode;
use crate::codec::transcode::scan::{Found, Metadata, Paths};
use crate::object::{Map, Value};
use bumpalo::Bump;
use bytes::Bytes;

/// The whole object, if the stored one lacks something. What cannot be read stays as it is.
pub(super) fn filled_in(storage: &'static Storage, value: &[u8]) -> Option<Bytes> {
    if !storage.json && value.first() == Some(&b'{') {
        let message = from_text(storage, value)?;
        return Some(filled_in(storage, &message).unwrap_or(message));
    }
    if storage.filled_in == FilledIn::Nothing {
        return None;
    }
    let message = transcode::message(value).ok()?;
    if has_all(storage, message) {
        return None;
    }
    let arena = Bump::new();
    let mut object = proto::decode(message, storage.ty, &arena).ok()?;
    let map = object.as_map_mut()?;
    match storage.filled_in {
        FilledIn::ClaimPhase => {
            map.entry_map("status").insert("phase", Value::Str("Pending"));
        }
        FilledIn::JobLabels => take_labels(map, &arena)?,
        FilledIn::Nothing => {}
    }
    Some(wrapped(storage, &object))
}

/// As it is stored.
fn wrapped(storage: &'static Storage, object: &Value<'_>) -> Bytes {
    let mut out = Vec::new();
    proto::envelope::wrap_with(&api_version(storage), storage.kind, &mut out, |out| {
        proto::encode(object, storage.ty, out);
    });
    out.into()
}

fn api_version(storage: &Storage) -> String {
    match storage.group {
        "" => storage.version.to_owned(),
        group => [group, storage.version].join("/"),
    }
}

/// The message of an object in the stored version that is JSON text.
fn from_text(storage: &'static Storage, text: &[u8]) -> Option<Bytes> {
    let arena = Bump::new();
    let document = json::Document::parse(text, &arena).ok()?;
    let said = document.type_meta().ok()?;
    if said.api_version != api_version(storage) || said.kind != storage.kind {
        return None;
    }
    let object = document.decode(storage.ty, &arena, json::Strictness::Ignore).ok()?.value;
    Some(wrapped(storage, &object))
}

fn has_all(storage: &'static Storage, message: &[u8]) -> bool {
    match storage.filled_in {
        FilledIn::ClaimPhase => {
            let mut has_phase = false;
            let paths = Paths::new(storage.ty, &[&["status", "phase"]]);
            let visit = |_, found: Found<'_>| {
                has_phase |= matches!(found, Found::Str(phase) if !phase.is_empty());
            };
            paths.scan(message, visit).is_err() || has_phase
        }
        FilledIn::JobLabels => {
            Metadata::read(message).map_or(true, |metadata| metadata.labels().next().is_some())
        }
        FilledIn::Nothing => true,
    }
}

/// `None` if the template has none either.
fn take_labels<'a>(job: &mut Map<'a>, arena: &'a Bump) -> Option<()> {
    let template = job.get("spec")?.at(&["template", "metadata", "labels"])?;
    let labels = template.as_map().filter(|labels| !labels.is_empty())?;
    let labels = labels.copy_in(arena);
    job.entry_map("metadata").insert("labels", Value::Map(labels));
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::cache::Entry;
    use crate::catalog::catalog;
    use crate::codec::{json, proto};
    use crate::store::Item;
    use bumpalo::Bump;
    use bytes::Bytes;

    fn entry(resource: &str, object: &str) -> Entry {
        let storage = catalog().storage(resource).expect("a resource");
        let arena = Bump::new();
        let object = json::decode(object.as_bytes(), storage.ty, &arena, json::Strictness::Ignore);
        let (mut message, mut value) = (Vec::new(), Vec::new());
        proto::encode(&object.expect("an object").value, storage.ty, &mut message);
        proto::envelope::wrap(storage.version, storage.kind, &message, &mut value);
        Entry::new(storage.key("ns", "it"), 1, Bytes::from(value))
    }

    fn shown(entry: &Entry) -> String {
        String::from_utf8(entry.json().expect("readable").bytes.to_vec()).expect("text")
    }

    #[test]
    fn a_claim_without_a_phase_is_pending() {
        let fresh = entry("persistentvolumeclaims", r#"{"metadata":{"name":"it"},"status":{}}"#);
        assert!(shown(&fresh).contains(r#""status":{"phase":"Pending"}"#), "{}", shown(&fresh));
        assert!(fresh.is_filled_in());
        let bound = r#"{"metadata":{"name":"it"},"status":{"phase":"Bound"}}"#;
        let bound = entry("persistentvolumeclaims", bound);
        assert!(shown(&bound).contains(r#""status":{"phase":"Bound"}"#));
        assert!(!bound.is_filled_in());
    }

    #[test]
    fn what_is_stored_as_text_reads_as_the_message_would() {
        let storage = catalog().storage("configmaps").expect("a resource");
        let stored = |text: &'static str| {
            Entry::new(storage.key("ns", "it"), 7, Bytes::from_static(text.as_bytes()))
        };
        let text = "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"it\",\
                    \"namespace\":\"ns\",\"labels\":{\"a\":\"b\"}},\"data\":{\"c\":\"d\"}}\n";
        let read = stored(text);
        assert!(!read.unreadable() && read.is_filled_in(), "the next write stores a message");
        assert_eq!(read.label("a"), Some("b"));
        assert!(shown(&read).contains(r#""data":{"c":"d"}"#), "{}", shown(&read));
        assert!(read.value().starts_with(b"k8s\0"));
        for other in ["{}", "{\"kind\":\"Secret\",\"apiVersion\":\"v1\"}", "{\"kind\":"] {
            assert!(stored(other).unreadable(), "{other}");
        }
    }

    #[test]
    fn a_job_without_labels_has_those_of_its_template() {
        let template = r#""template":{"metadata":{"labels":{"job-name":"it"}},"spec":{}}"#;
        let bare = format!(r#"{{"metadata":{{"name":"it"}},"spec":{{{template}}}}}"#);
        assert_eq!(entry("jobs", &bare).label("job-name"), Some("it"), "selectors see them too");
        let labelled =
            format!(r#"{{"metadata":{{"name":"it","labels":{{"a":"b"}}}},"spec":{{{template}}}}}"#);
        assert_eq!(entry("jobs", &labelled).label("job-name"), None);
    }
}
