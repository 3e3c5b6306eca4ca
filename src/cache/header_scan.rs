//! Finds what a header needs in stored bytes; of built-ins without decoding them into an object.

use crate::cache::header::HeaderBuilder;
use crate::cache::rows::{Unreadable, unreadable};
use crate::catalog::{Fallback, Storage, catalog};
use crate::codec::json;
use crate::codec::transcode;
use crate::codec::transcode::scan::{Found, Metadata, Paths};
use crate::object::Value;
use bumpalo::Bump;
use bytes::Bytes;
use std::sync::OnceLock;

/// The selectable fields of a kind as paths on the wire.
#[derive(Debug, Default)]
struct Plan {
    paths: Paths,
    /// For each path, the fields that take its value.
    takers: Vec<Vec<Taker>>,
}

#[derive(Debug)]
struct Taker {
    field: usize,
    /// Takes the value only if it has none of its own.
    falls_back: bool,
}

impl Plan {
    fn of(storage: &Storage) -> Self {
        let (mut paths, mut takers) = (Vec::<&[&str]>::new(), Vec::<Vec<Taker>>::new());
        let mut add = |path: &'static [&'static str], taker| {
            // Two fields may read the same path, which is then visited once.
            match paths.iter().position(|known| *known == path) {
                Some(at) => takers[at].push(taker),
                None => {
                    paths.push(path);
                    takers.push(vec![taker]);
                }
            }
        };
        let selectable: &'static [_] = built_in(storage).map_or(&[], |row| &row.selectable);
        for (field, selectable) in selectable.iter().enumerate() {
            add(&selectable.path, Taker { field, falls_back: false });
            if let Fallback::Path(path) = &selectable.fallback {
                add(path, Taker { field, falls_back: true });
            }
        }
        Self { paths: Paths::new(storage.ty, &paths), takers }
    }

    fn built_in(storage: &Storage) -> Option<&'static Self> {
        static PLANS: OnceLock<Vec<Plan>> = OnceLock::new();
        let plans = PLANS.get_or_init(|| catalog().storages().iter().map(Self::of).collect());
        plans.get(usize::from(storage.id))
    }
}

fn built_in(storage: &Storage) -> Option<&'static Storage> {
    catalog().storages().get(usize::from(storage.id))
}

/// Reports uid, labels, selectable fields and deletion of a stored object.
pub(super) fn scan(
    storage: &Storage,
    value: &Bytes,
    header: &mut HeaderBuilder<'_>,
) -> Result<(), Unreadable> {
    if storage.json { scan_json(storage, value, header) } else { scan_wire(storage, value, header) }
}

fn scan_wire(
    storage: &Storage,
    value: &Bytes,
    header: &mut HeaderBuilder<'_>,
) -> Result<(), Unreadable> {
    let plan = Plan::built_in(storage).ok_or_else(|| unreadable("not a built-in kind"))?;
    let message = transcode::message(value).map_err(unreadable)?;
    let metadata = Metadata::read(message).map_err(unreadable)?;
    header.uid(metadata.uid);
    if metadata.deleted.is_some() {
        header.deleting();
    }
    for (key, value) in metadata.labels() {
        header.label(key, value);
    }
    let mut number = itoa::Buffer::new();
    let take = |path: usize, found: Found<'_>| {
        let text = match found {
            Found::Bool(true) => "true",
            Found::Bool(false) => "false",
            Found::Int(int) => number.format(int),
            Found::Str(text) => text,
        };
        for taker in plan.takers.get(path).into_iter().flatten() {
            let has_own = taker.falls_back && header.has_field(taker.field);
            if !text.is_empty() && !has_own {
                header.field(taker.field, text);
            }
        }
    };
    plan.paths.scan(message, take).map_err(unreadable)?;
    for (at, selectable) in storage.selectable.iter().enumerate() {
        if let Fallback::Text(text) = selectable.fallback
            && !header.has_field(at)
        {
            header.field(at, text);
        }
    }
    Ok(())
}

fn scan_json(
    storage: &Storage,
    value: &Bytes,
    header: &mut HeaderBuilder<'_>,
) -> Result<(), Unreadable> {
    let arena = Bump::new();
    let object = json::parse_any(value, &arena).map_err(unreadable)?;
    let metadata = object.get("metadata").filter(|metadata| metadata.as_map().is_some());
    let metadata = metadata.ok_or_else(|| unreadable("no metadata"))?;
    header.uid(metadata.str_at(&["uid"]));
    if metadata.get("deletionTimestamp").is_some_and(|time| !time.is_null()) {
        header.deleting();
    }
    let labels = metadata.get("labels").and_then(Value::as_map);
    for (key, value) in labels.iter().flat_map(|labels| labels.iter()) {
        header.label(key, value.as_str().unwrap_or(""));
    }
    for (at, selectable) in storage.selectable.iter().enumerate() {
        header.field(at, &selectable.value(&object));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::cache::Entry;
    use crate::catalog::{Storage, catalog};
    use crate::codec::{json, proto};
    use crate::store::Item;
    use bumpalo::Bump;
    use bytes::Bytes;

    fn entry(resource: &str, object: &str) -> Entry {
        let storage: &'static Storage = catalog().storage(resource).expect("a resource");
        let arena = Bump::new();
        let strictness = json::Strictness::Ignore;
        let object = json::decode(object.as_bytes(), storage.ty, &arena, strictness);
        let (mut message, mut value) = (Vec::new(), Vec::new());
        proto::encode(&object.expect("an object").value, storage.ty, &mut message);
        proto::envelope::wrap(&storage.api_version(), storage.kind, &message, &mut value);
        Entry::new(storage.key("ns", "it"), 1, Bytes::from(value))
    }

    fn fields(entry: &Entry) -> Vec<(&'static str, &str)> {
        let selectable = entry.storage().expect("known").selectable.iter().enumerate();
        selectable.map(|(at, field)| (field.label, entry.field(at))).collect()
    }

    #[test]
    fn pod_shows_labels_fields_and_deletion() {
        let pod = entry(
            "pods",
            r#"{"metadata":{"uid":"u-1","deletionTimestamp":"2025-05-01T10:00:00Z",
                "labels":{"app":"web","tier":""}},
                "spec":{"nodeName":"n1","hostNetwork":true,"serviceAccountName":"robot"},
                "status":{"phase":"Running"}}"#,
        );
        assert!(pod.deleting() && !pod.unreadable());
        assert_eq!((pod.uid(), pod.namespace(), pod.name()), ("u-1", "ns", "it"));
        assert_eq!(pod.labels().collect::<Vec<_>>(), [("app", "web"), ("tier", "")]);
        assert_eq!((pod.label("tier"), pod.label("none")), (Some(""), None));
        let expected = [
            ("spec.nodeName", "n1"),
            ("spec.restartPolicy", ""),
            ("spec.schedulerName", ""),
            ("spec.serviceAccountName", "robot"),
            ("spec.hostNetwork", "true"),
            ("status.phase", "Running"),
            ("status.podIP", ""),
            ("status.nominatedNodeName", ""),
        ];
        assert_eq!(fields(&pod), expected);
    }

    #[test]
    fn unset_fields_read_as_their_kind_says() {
        assert_eq!(fields(&entry("nodes", "{}")), [("spec.unschedulable", "false")]);
        assert_eq!(fields(&entry("replicationcontrollers", "{}")), [("status.replicas", "0")]);
        let job = entry("jobs", r#"{"status":{"succeeded":3}}"#);
        assert_eq!(fields(&job), [("status.successful", "3")]);
    }

    #[test]
    fn source_of_an_event_falls_back_to_the_reporting_component() {
        let source = |object| {
            let event = entry("events", object);
            let fields = fields(&event).into_iter();
            let wanted =
                fields.filter(|(label, _)| ["source", "reportingComponent"].contains(label));
            wanted.map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        let both = source(r#"{"reportingComponent":"kubelet","source":{"component":"old"}}"#);
        assert_eq!(both, ["kubelet", "old"]);
        assert_eq!(source(r#"{"reportingComponent":"kubelet"}"#), ["kubelet", "kubelet"]);
        assert_eq!(source(r#"{"source":{"component":"old"}}"#), ["", "old"]);
    }
}
