//! What a stored object lacks and readers are shown: upstream's decoders apply the defaults of the
//! version to what comes from etcd as well. That matters where a strategy takes a field away behind
//! the defaults of the request. Rows say where ([`FilledIn`]); no other kind is looked at.
//!
//! What a server with `--storage-media-type=application/json` has written is text: its readers are
//! shown the message that would have been written without the flag. What an older server has
//! written in another version of the kind is shown in the version that is stored today.

use crate::catalog::{FilledIn, Older, Storage, catalog, defaults};
use crate::codec::json;
use crate::codec::proto;
use crate::codec::proto::envelope;
use crate::codec::proto::envelope::Unknown;
use crate::codec::transcode;
use crate::codec::transcode::scan::{Found, Metadata, Paths};
use crate::convert;
use crate::object::{Map, Value};
use bumpalo::Bump;
use bytes::Bytes;
use std::sync::OnceLock;

/// Where upstream's decoders look for kinds.
const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

/// What stored bytes are to their readers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// What they are, readable or not.
    AsStored,
    /// This object.
    Made(Bytes),
    /// Nothing: they are an object of another kind, or of a version that is not known.
    Refused,
}

/// Reads stored bytes. What cannot be read stays as it is.
pub(super) fn read(storage: &'static Storage, value: &[u8]) -> Reading {
    if storage.json {
        return Reading::AsStored;
    }
    let made = if value.first() == Some(&b'{') {
        from_text(storage, value)
    } else if value.starts_with(head(storage)) {
        None
    } else {
        match envelope::unwrap(value) {
            Ok(Some(unknown)) if is_own(storage, unknown.api_version, unknown.kind) => None,
            Ok(Some(unknown)) => match from_older(storage, &unknown) {
                Some(message) => Some(message),
                None => return Reading::Refused,
            },
            Ok(None) | Err(_) => None,
        }
    };
    match (filled_in(storage, made.as_deref().unwrap_or(value)), made) {
        (Some(message), _) | (None, Some(message)) => Reading::Made(message),
        (None, None) => Reading::AsStored,
    }
}

/// Why bytes of another kind or version are refused, as upstream's decoders say it; `None` if that
/// is not what is wrong with them.
pub(super) fn refusal(storage: &Storage, value: &[u8]) -> Option<String> {
    let arena = Bump::new();
    let (api_version, kind) = if value.first() == Some(&b'{') {
        let said = json::peek_type_meta(value, &arena).ok()?;
        (said.api_version, said.kind)
    } else {
        let unknown = envelope::unwrap(value).ok()??;
        (unknown.api_version, unknown.kind)
    };
    if storage.json || is_own(storage, api_version, kind) {
        return None;
    }
    let (group, version) = group_and_version(api_version);
    Some(match catalog().kind(group, version, kind) {
        Some(_) => {
            let to = storage.kind;
            format!("converting ({version}.{kind}) to (core.{to}): unknown conversion")
        }
        None => format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}"
        ),
    })
}

fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// What the bytes of an object in the stored version begin with.
fn head(storage: &Storage) -> &'static [u8] {
    static HEADS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let heads = HEADS.get_or_init(|| {
        let head = |storage: &Storage| {
            let mut head = Vec::new();
            envelope::begin(&storage.api_version(), storage.kind, &mut head);
            head
        };
        catalog().storages().iter().map(head).collect()
    });
    heads.get(usize::from(storage.id)).map_or(&[], |head| head)
}

fn is_own(storage: &Storage, api_version: &str, kind: &str) -> bool {
    let (group, version) = group_and_version(api_version);
    // What says nothing of itself is taken for what its key says.
    (group, version, kind) == (storage.group, storage.version, storage.kind)
        || (api_version.is_empty() && kind.is_empty())
}

/// The message of an object in another version of the kind.
fn from_older(storage: &'static Storage, unknown: &Unknown<'_>) -> Option<Bytes> {
    let older = older(storage, unknown.api_version, unknown.kind)?;
    let arena = Bump::new();
    let ty = older.ty.unwrap_or(storage.ty);
    let object = proto::decode(arena.alloc_slice_copy(unknown.raw), ty, &arena).ok()?;
    converted(storage, older, object, &arena)
}

fn older(storage: &'static Storage, api_version: &str, kind: &str) -> Option<&'static Older> {
    let (group, version) = group_and_version(api_version);
    let mut versions = storage.older.iter();
    versions
        .find(|older| (older.group, older.version) == (group, version))
        .filter(|_| kind == storage.kind)
}

fn converted<'a>(
    storage: &'static Storage,
    older: &Older,
    mut object: Value<'a>,
    arena: &'a Bump,
) -> Option<Bytes> {
    object.as_map_mut()?.insert("kind", Value::Str(storage.kind));
    let (from, to) = ((older.group, older.version), (storage.group, storage.version));
    let mut object = convert::from_stored(object, from, to, arena).ok()?;
    // What the older version cannot say has the defaults of the newer one.
    if older.ty.is_some() {
        defaults::apply(&mut object, storage.ty, arena);
    }
    Some(wrapped(storage, &object))
}

/// The whole object, if the stored one lacks something.
fn filled_in(storage: &'static Storage, value: &[u8]) -> Option<Bytes> {
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
    envelope::wrap_with(&storage.api_version(), storage.kind, &mut out, |out| {
        proto::encode(object, storage.ty, out);
    });
    out.into()
}

/// The message of an object in the stored version that is JSON text.
fn from_text(storage: &'static Storage, text: &[u8]) -> Option<Bytes> {
    let arena = Bump::new();
    let document = json::Document::parse(text, &arena).ok()?;
    let said = document.type_meta().ok()?;
    if let Some(older) = older(storage, said.api_version, said.kind) {
        let ty = older.ty.unwrap_or(storage.ty);
        let object = document.decode(ty, &arena, json::Strictness::Ignore).ok()?.value;
        return converted(storage, older, object, &arena);
    }
    if said.api_version != storage.api_version() || said.kind != storage.kind {
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
    use crate::catalog::{Older, catalog};
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
        proto::envelope::wrap(&storage.api_version(), storage.kind, &message, &mut value);
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

    /// What an older server has stored in version `api_version`, whose type is `ty`.
    fn older(resource: &str, api_version: &str, object: &str) -> Entry {
        let storage = catalog().storage(resource).expect("a resource");
        let (group, version) = api_version.split_once('/').expect("a group");
        let known = |older: &&Older| (older.group, older.version) == (group, version);
        let older = storage.older.iter().find(known).expect("an older version");
        let ty = older.ty.unwrap_or(storage.ty);
        let arena = Bump::new();
        let object = json::decode(object.as_bytes(), ty, &arena, json::Strictness::Ignore);
        let (mut message, mut value) = (Vec::new(), Vec::new());
        proto::encode(&object.expect("an object").value, ty, &mut message);
        proto::envelope::wrap(api_version, storage.kind, &message, &mut value);
        Entry::new(storage.key("ns", "it"), 1, Bytes::from(value))
    }

    #[test]
    fn objects_of_older_versions_are_shown_in_the_stored_one() {
        let shown = |resource, api_version, object, parts: &[&str]| {
            let entry = older(resource, api_version, object);
            let shown = shown(&entry);
            assert!(!entry.unreadable() && entry.is_filled_in(), "{shown}");
            for part in parts {
                assert!(shown.contains(part), "{part} is not in {shown}");
            }
            entry
        };
        let metrics = r#""metrics":[{"type":"Resource","resource":{"name":"cpu","#;
        let (hpa, v1) = ("horizontalpodautoscalers", "autoscaling/v1");
        let object = r#"{"metadata":{"name":"it","labels":{"a":"b"}},
            "spec":{"maxReplicas":3,"targetCPUUtilizationPercentage":70}}"#;
        let entry = shown(hpa, v1, object, &["\"apiVersion\":\"autoscaling/v2\"", metrics]);
        assert_eq!(entry.label("a"), Some("b"));
        let job = r#"{"metadata":{"name":"it"},"spec":{"schedule":"* * * * *"}}"#;
        shown("cronjobs", "batch/v1beta1", job, &[r#""apiVersion":"batch/v1""#, "* * * * *"]);
        let event = r#"{"metadata":{"name":"it"},"regarding":{"kind":"Pod"},"note":"n"}"#;
        let entry = shown("events", "events.k8s.io/v1", event, &[r#""message":"n""#]);
        assert_eq!(entry.field(0), "Pod", "selectors see it too");
        let ingress = r#"{"metadata":{"name":"it"},"spec":{"backend":{"serviceName":"s",
            "servicePort":80},"rules":[{"http":{"paths":[{"path":"/","backend":{
            "serviceName":"t","servicePort":"web"}}]}}]}}"#;
        let parts = [
            r#""defaultBackend":{"service":{"name":"s","port":{"number":80}}}"#,
            r#""pathType":"ImplementationSpecific""#,
            r#""backend":{"service":{"name":"t","port":{"name":"web"}}}"#,
        ];
        shown("ingresses", "networking.k8s.io/v1beta1", ingress, &parts);
        shown("ingresses", "extensions/v1beta1", ingress, &parts);
        let slice = r#"{"metadata":{"name":"it"},"addressType":"IPv4","endpoints":[{
            "addresses":["10.0.0.1"],"nodeName":"n","topology":{"kubernetes.io/hostname":"n",
            "topology.kubernetes.io/zone":"z","other":"o"},
            "hints":{"forZones":[{"name":"z"}]}}]}"#;
        let parts = [
            r#""deprecatedTopology":{"other":"o"},"nodeName":"n","zone":"z""#,
            r#""hints":{"forZones":[{"name":"z"}]}"#,
        ];
        shown("endpointslices", "discovery.k8s.io/v1beta1", slice, &parts);
        let claim = r#"{"metadata":{"name":"it"},"spec":{"devices":{"requests":[{"name":"r",
            "deviceClassName":"c","allocationMode":"ExactCount","count":2}]}}}"#;
        let part = r#""exactly":{"deviceClassName":"c","allocationMode":"ExactCount","count":2"#;
        shown("resourceclaims", "resource.k8s.io/v1beta1", claim, &[part]);
        let slice = r#"{"metadata":{"name":"it"},"spec":{"driver":"d","devices":[{"name":"x",
            "basic":{"attributes":{"a":{"int":1}}}}]}}"#;
        let part = r#""devices":[{"name":"x","attributes":{"a":{"int":1}}}]"#;
        shown("resourceslices", "resource.k8s.io/v1beta1", slice, &[part]);
        let set = r#"{"metadata":{"name":"it"},"spec":{"templateGeneration":4}}"#;
        let part = r#""annotations":{"deprecated.daemonset.template.generation":"4"}"#;
        shown("daemonsets", "extensions/v1beta1", set, &[part]);
        let role = r#"{"metadata":{"name":"it"},"rules":[{"verbs":["get"],"apiGroups":[""],
            "resources":["pods"]}]}"#;
        let part = r#""rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]"#;
        shown("roles", "rbac.authorization.k8s.io/v1alpha1", role, &[part]);
        let binding = r#"{"metadata":{"name":"it"},"roleRef":{"kind":"Role","name":"r"},
            "subjects":[{"kind":"User","name":"*"},{"kind":"User","name":"u"}]}"#;
        let parts = [
            r#"{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"system:auth"#,
            r#"{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"u"}"#,
        ];
        shown("rolebindings", "rbac.authorization.k8s.io/v1alpha1", binding, &parts);
        let class = r#"{"metadata":{"name":"it"},"spec":{"runtimeHandler":"h"}}"#;
        shown("runtimeclasses", "node.k8s.io/v1alpha1", class, &[r#""handler":"h""#]);
    }

    #[test]
    fn other_kinds_and_unknown_versions_are_refused_by_name() {
        let storage = catalog().storage("configmaps").expect("a resource");
        let refusal = |api_version: &str, kind: &str| {
            let mut value = Vec::new();
            proto::envelope::wrap(api_version, kind, b"", &mut value);
            let entry = Entry::new(storage.key("ns", "it"), 1, Bytes::from(value));
            assert!(entry.unreadable() && entry.json().is_err() && entry.protobuf().is_err());
            entry.refusal().expect("a reason")
        };
        let unknown = "no kind \"ConfigMap\" is registered for version \"v9\" in scheme \
                       \"pkg/api/legacyscheme/scheme.go:30\"";
        assert_eq!(refusal("v9", "ConfigMap"), unknown);
        let other = "converting (v1.Secret) to (core.ConfigMap): unknown conversion";
        assert_eq!(refusal("v1", "Secret"), other);
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
