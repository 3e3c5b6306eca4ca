//! What is stored: one `Storage` per key prefix, read from `data/storages.txt`.
//!
//! ```text
//! storage <plural> [<group>/]<version> <Kind> <key prefix> [flags…]
//!   select <label> [path=<fields>] [or=<fields>] [unset=<text>]
//!   labels [group=<group>] <label>[=<selected label>]…
//!   unsupported <text>
//!   older <group>/<version>[=<type>]…
//! ```
//!
//! Flags: `namespaced`; `json` (stored as JSON text); `create-on-update` and `conditional-update`
//! (`AllowCreateOnUpdate`, no `AllowUnconditionalUpdate`); `returns-deleted`
//! (`ReturnDeletedObject`); `propagation=orphan|none`; `written=<version>` (the JSON text is of an
//! older version, which nothing serves); `filled-in=claim|job`
//! (what is stored lacks something that readers are shown).
//! `older` names versions in which other servers may have stored objects of the kind, with the type
//! if its fields are not those of the stored version.
//! `select` names a field whose value every entry keeps at hand for field selectors, `labels` the
//! labels that one served group accepts: `metadata.name`, `metadata.namespace`, or a selected
//! label, under another name if `=` follows; `=-` is accepted and never set.

use super::custom::CustomStorage;
use super::types::{Types, bad};
use crate::object::Value;
use crate::object::schema::Type;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;

const FILE: &str = include_str!("data/storages.txt");
/// What a type without a row of its own answers to an unknown field label.
const UNSUPPORTED: &str = "\"{label}\" is not a known field selector: \
                           only \"metadata.name\", \"metadata.namespace\"";

/// One stored thing: all resources that show it, in whatever version, share its keys and bytes.
#[derive(Debug)]
pub struct Storage {
    /// Dense index, from 0 in the order of `Catalog::storages`.
    pub id: u16,
    /// Plural name, unique among storages: "pods".
    pub resource: &'static str,
    /// Group in which it is stored; "" for core.
    pub group: &'static str,
    /// Version in which it is stored.
    pub version: &'static str,
    /// Kind under which it is stored.
    pub kind: &'static str,
    /// The type of what is stored.
    pub ty: &'static Type,
    /// What its keys begin with, as "/registry/services/specs/".
    pub prefix: &'static str,
    /// Keys have a namespace before the name.
    pub namespaced: bool,
    /// Stored as JSON text, not as a protobuf envelope.
    pub json: bool,
    /// The older version in whose form the text is written; what is read may have either form.
    pub written: Option<Written>,
    /// Other versions of the kind that stored objects may have.
    pub older: Vec<Older>,
    /// What stored objects may lack.
    pub filled_in: FilledIn,
    /// PUT of a missing object creates it (`AllowCreateOnUpdate`).
    pub create_on_update: bool,
    /// PUT needs no resourceVersion (`AllowUnconditionalUpdate`).
    pub unconditional_update: bool,
    /// DELETE answers the object, not a Status (`ReturnDeletedObject`).
    pub returns_deleted: bool,
    /// What DELETE does with dependents when its options name nothing.
    pub propagation: Propagation,
    /// Fields that entries keep at hand for field selectors, besides name and namespace.
    pub selectable: Vec<Selectable>,
    /// What a custom resource has more; `None` for a built-in one.
    pub custom: Option<&'static CustomStorage>,
    labels: Vec<Labels>,
    unsupported: &'static str,
}

/// What decoders fill in that strategies have taken away behind the defaults of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilledIn {
    /// The phase of a claim (`SetDefaults_PersistentVolumeClaim`).
    ClaimPhase,
    /// The labels of a job, from its template (`SetDefaults_Job`).
    JobLabels,
    /// Nothing.
    Nothing,
}

/// A version that only the store's text has.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// `<group>/<version>`.
    pub api_version: &'static str,
    /// The type of that form.
    pub ty: &'static Type,
}

/// A version in which other servers have stored objects of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Older {
    /// Its group; "" for core.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The type, if its fields are not those of the stored version.
    pub ty: Option<&'static Type>,
}

/// The default garbage collection policy (`DefaultGarbageCollectionPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents are deleted in the background.
    Background,
    /// Dependents are orphaned.
    Orphan,
    /// The options are ignored (events).
    Unsupported,
}

/// A field that field selectors may name.
#[derive(Debug)]
pub struct Selectable {
    /// Its label in the storage version, as "spec.nodeName".
    pub label: &'static str,
    /// Where the value stands in the stored object.
    pub path: Vec<&'static str>,
    /// What to take when nothing stands there.
    pub fallback: Fallback,
}

/// What an unset selectable field reads as.
#[derive(Debug, PartialEq, Eq)]
pub enum Fallback {
    /// What stands at another place, else "".
    Path(Vec<&'static str>),
    /// This text: "" for strings, the Go zero value for others.
    Text(&'static str),
}

/// What a field label stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelSource {
    /// `metadata.name`.
    Name,
    /// `metadata.namespace`.
    Namespace,
    /// Index into `Storage::selectable`.
    Selectable(usize),
    /// Always "".
    Unset,
}

#[derive(Debug)]
struct Labels {
    /// `None` for every group.
    group: Option<&'static str>,
    labels: Vec<(&'static str, LabelSource)>,
}

/// What a custom resource answers to an unknown field label.
const UNSUPPORTED_CUSTOM: &str = "field label not supported: {label}";

impl Storage {
    /// The row of a custom resource, given as (plural, group, stored version, kind).
    pub(super) fn custom(
        id: u16,
        (resource, group, version, kind): (&'static str, &'static str, &'static str, &'static str),
        ty: &'static Type,
        namespaced: bool,
        selectable: Vec<Selectable>,
        custom: &'static CustomStorage,
    ) -> Self {
        let mut labels = labels("metadata.name metadata.namespace", &[]);
        for (at, field) in selectable.iter().enumerate() {
            labels.labels.push((field.label, LabelSource::Selectable(at)));
        }
        Self {
            id,
            resource,
            group,
            version,
            kind,
            ty,
            prefix: format!("/registry/{group}/{resource}/").leak(),
            namespaced,
            json: true,
            written: None,
            older: Vec::new(),
            filled_in: FilledIn::Nothing,
            create_on_update: false,
            unconditional_update: false,
            returns_deleted: false,
            propagation: Propagation::Background,
            selectable,
            custom: Some(custom),
            labels: vec![labels],
            unsupported: UNSUPPORTED_CUSTOM,
        }
    }

    /// `v1` or `apps/v1`: how stored objects name their version.
    pub fn api_version(&self) -> Cow<'static, str> {
        match self.group {
            "" => Cow::Borrowed(self.version),
            group => Cow::Owned([group, self.version].join("/")),
        }
    }

    /// The key of one object; `namespace` is ignored for what is not namespaced.
    pub fn key(&self, namespace: &str, name: &str) -> Bytes {
        let mut key = self.prefix_of(namespace, name.len());
        key.extend_from_slice(name.as_bytes());
        key.freeze()
    }

    /// What the keys of one namespace begin with; `prefix` for what is not namespaced or for "".
    pub fn namespace_prefix(&self, namespace: &str) -> Bytes {
        self.prefix_of(namespace, 0).freeze()
    }

    /// Namespace ("" if there is none) and name of a key, if it is one of this storage.
    pub fn split_key<'k>(&self, key: &'k [u8]) -> Option<(&'k str, &'k str)> {
        let rest = std::str::from_utf8(key.strip_prefix(self.prefix.as_bytes())?).ok()?;
        let (namespace, name) = match rest.split_once('/') {
            Some(split) if self.namespaced => split,
            None if !self.namespaced => ("", rest),
            _ => return None,
        };
        (!name.is_empty() && !name.contains('/')).then_some((namespace, name))
    }

    /// What field label `label` stands for in `group`'s API; `None` if it is not supported.
    pub fn field_label(&self, group: &str, label: &str) -> Option<LabelSource> {
        let mut matching = self.labels.iter().filter(|l| l.group.is_none_or(|g| g == group));
        let labels = &matching.next()?.labels;
        labels.iter().find(|(known, _)| *known == label).map(|(_, source)| *source)
    }

    /// The message about a label that `field_label` does not know, for a request in `version`.
    pub fn unsupported_label(&self, version: &str, label: &str) -> String {
        self.unsupported
            .replace("{group}", self.group)
            .replace("{version}", version)
            .replace("{label}", label)
    }

    fn prefix_of(&self, namespace: &str, extra: usize) -> BytesMut {
        let mut key = BytesMut::with_capacity(self.prefix.len() + namespace.len() + 1 + extra);
        key.extend_from_slice(self.prefix.as_bytes());
        if self.namespaced && !namespace.is_empty() {
            key.extend_from_slice(namespace.as_bytes());
            key.extend_from_slice(b"/");
        }
        key
    }
}

impl Selectable {
    /// The field of a custom resource at the path that `label` spells.
    pub(super) fn custom(label: &'static str) -> Self {
        Self { label, path: label.split('.').collect(), fallback: Fallback::Text("") }
    }

    /// The value by which field selectors match `object`, which is in the storage version.
    pub fn value<'a>(&self, object: &Value<'a>) -> Cow<'a, str> {
        let found = text_at(object, &self.path).filter(|text| !text.is_empty());
        match (&self.fallback, found) {
            (_, Some(text)) => text,
            (Fallback::Text(text), None) => Cow::Borrowed(text),
            (Fallback::Path(path), None) => text_at(object, path).unwrap_or_default(),
        }
    }
}

/// Scalars as Go's field sets print them.
fn text_at<'a>(object: &Value<'a>, path: &[&str]) -> Option<Cow<'a, str>> {
    match object.at(path)? {
        Value::Str(text) => Some(Cow::Borrowed(text)),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        Value::Null | Value::Float(_) | Value::Raw(_) | Value::List(_) | Value::Map(_) => None,
    }
}

/// Reads the data file.
///
/// # Panics
/// If it is malformed: it is part of the program.
pub(super) fn load(types: &Types) -> &'static [Storage] {
    let mut storages: Vec<Storage> = Vec::with_capacity(80);
    for line in FILE.lines().filter(|line| !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix("storage ") {
            let id = u16::try_from(storages.len()).unwrap_or_else(|_| bad(line));
            storages.push(storage(id, heading, types));
            continue;
        }
        let storage = storages.last_mut().unwrap_or_else(|| bad(line));
        match line.trim_start().split_once(' ') {
            Some(("select", text)) => storage.selectable.push(selectable(text)),
            Some(("labels", text)) => {
                let labels = labels(text, &storage.selectable);
                storage.labels.push(labels);
            }
            Some(("unsupported", text)) => storage.unsupported = text,
            Some(("older", text)) => {
                storage.older = text.split(' ').map(|w| older(w, types)).collect()
            }
            _ => bad(line),
        }
    }
    for storage in &mut storages {
        if storage.labels.is_empty() {
            storage.labels.push(labels("metadata.name metadata.namespace", &[]));
        }
    }
    storages.leak()
}

fn storage(id: u16, heading: &'static str, types: &Types) -> Storage {
    let mut words = heading.split(' ');
    let mut next = || words.next().unwrap_or_else(|| bad(heading));
    let (resource, version, kind, prefix) = (next(), next(), next(), next());
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let mut storage = Storage {
        id,
        resource,
        group,
        version,
        kind,
        ty: types.kind(group, version, kind).unwrap_or_else(|| bad(heading)),
        prefix,
        namespaced: false,
        json: false,
        written: None,
        older: Vec::new(),
        filled_in: FilledIn::Nothing,
        create_on_update: false,
        unconditional_update: true,
        returns_deleted: false,
        propagation: Propagation::Background,
        selectable: Vec::new(),
        custom: None,
        labels: Vec::new(),
        unsupported: UNSUPPORTED,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("namespaced", "") => storage.namespaced = true,
            ("json", "") => storage.json = true,
            ("filled-in", "claim") => storage.filled_in = FilledIn::ClaimPhase,
            ("filled-in", "job") => storage.filled_in = FilledIn::JobLabels,
            ("written", older) => {
                let name = storage.ty.name.replace(&format!(".{version}."), &format!(".{older}."));
                storage.written = Some(Written {
                    api_version: format!("{group}/{older}").leak(),
                    ty: types.named(&name).unwrap_or_else(|| bad(heading)),
                });
            }
            ("create-on-update", "") => storage.create_on_update = true,
            ("conditional-update", "") => storage.unconditional_update = false,
            ("returns-deleted", "") => storage.returns_deleted = true,
            ("propagation", "orphan") => storage.propagation = Propagation::Orphan,
            ("propagation", "none") => storage.propagation = Propagation::Unsupported,
            _ => bad(heading),
        }
    }
    storage
}

fn older(text: &'static str, types: &Types) -> Older {
    let (version, name) = text.split_once('=').map_or((text, None), |(v, name)| (v, Some(name)));
    let (group, version) = version.split_once('/').unwrap_or_else(|| bad(text));
    let ty = name.map(|name| types.named(name).unwrap_or_else(|| bad(text)));
    Older { group, version, ty }
}

fn selectable(text: &'static str) -> Selectable {
    let mut words = text.split(' ');
    let label = words.next().unwrap_or_else(|| bad(text));
    let mut selectable =
        Selectable { label, path: label.split('.').collect(), fallback: Fallback::Text("") };
    for word in words {
        match word.split_once('=') {
            Some(("path", path)) => selectable.path = path.split('.').collect(),
            Some(("or", path)) => selectable.fallback = Fallback::Path(path.split('.').collect()),
            Some(("unset", text)) => selectable.fallback = Fallback::Text(text),
            _ => bad(text),
        }
    }
    selectable
}

fn labels(text: &'static str, selectable: &[Selectable]) -> Labels {
    let mut labels = Labels { group: None, labels: Vec::new() };
    for word in text.split(' ') {
        let (label, target) = word.split_once('=').unwrap_or((word, word));
        let source = match target {
            "metadata.name" => LabelSource::Name,
            "metadata.namespace" => LabelSource::Namespace,
            "-" => LabelSource::Unset,
            _ if label == "group" => {
                labels.group = Some(if target == "core" { "" } else { target });
                continue;
            }
            _ => {
                let at = selectable.iter().position(|s| s.label == target);
                LabelSource::Selectable(at.unwrap_or_else(|| bad(text)))
            }
        };
        labels.labels.push((label, source));
    }
    labels
}
