//! The rows that say which resource a key belongs to and how its stored bytes are read.
//!
//! Rows live as long as the process. They are installed once at start, and again whenever a
//! resource is added; whoever builds an [`Entry`](crate::cache::Entry), on any thread, finds its
//! row by the key alone.

use crate::base::hash::HashMap;
use crate::cache::entry::Entry;
use crate::cache::header::HeaderBuilder;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Where one resource's objects are stored, and how to read them.
#[derive(Debug)]
pub struct Storage {
    /// Dense, unique in the process; 0 is [`OTHER`].
    pub id: u16,
    /// Keys start with this: `/registry/pods/`, with the last slash.
    pub prefix: &'static str,
    /// Keys are prefix, namespace, `/`, name; else prefix and name.
    pub namespaced: bool,
    /// The fields that a field selector may name beside `metadata.name` and `metadata.namespace`.
    pub fields: &'static [&'static str],
    /// Reads the stored bytes.
    pub format: &'static dyn Format,
}

/// How the stored bytes of a resource are read. The implementation belongs to the codecs.
pub trait Format: fmt::Debug + Send + Sync {
    /// Reports uid, labels, the values of `storage.fields` and whether deletion has begun.
    ///
    /// # Errors
    /// The bytes are not an object.
    fn header(
        &self,
        storage: &Storage,
        value: &Bytes,
        header: &mut HeaderBuilder<'_>,
    ) -> Result<(), Unreadable>;

    /// The whole object as JSON, with `metadata.resourceVersion`.
    ///
    /// # Errors
    /// The bytes are not an object.
    fn json(&self, entry: &Entry) -> Result<Json, Unreadable>;

    /// The whole object as `k8s\0` and Unknown, with `metadata.resourceVersion`.
    ///
    /// # Errors
    /// The bytes are not an object, or the kind has no protobuf form.
    fn protobuf(&self, entry: &Entry) -> Result<Bytes, Unreadable>;
}

/// The stored bytes cannot be read as an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong with them.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored object cannot be read: {}", self.reason)
    }
}

impl std::error::Error for Unreadable {}

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

/// The row of keys that belong to no installed resource; the whole key is the name.
pub static OTHER: Storage =
    Storage { id: 0, prefix: "", namespaced: false, fields: &[], format: &Opaque };

/// Reads nothing.
#[derive(Debug)]
struct Opaque;

impl Format for Opaque {
    fn header(&self, _: &Storage, _: &Bytes, _: &mut HeaderBuilder<'_>) -> Result<(), Unreadable> {
        Ok(())
    }

    fn json(&self, _: &Entry) -> Result<Json, Unreadable> {
        Err(Unreadable { reason: "its resource is not known".to_owned() })
    }

    fn protobuf(&self, _: &Entry) -> Result<Bytes, Unreadable> {
        Err(Unreadable { reason: "its resource is not known".to_owned() })
    }
}

impl Storage {
    /// The key of an object; for a cluster-scoped resource the namespace is left out.
    pub fn key(&self, namespace: &str, name: &str) -> Bytes {
        let mut key = Vec::with_capacity(self.prefix.len() + namespace.len() + name.len() + 1);
        key.extend_from_slice(self.prefix.as_bytes());
        if self.namespaced {
            key.extend_from_slice(namespace.as_bytes());
            key.push(b'/');
        }
        key.extend_from_slice(name.as_bytes());
        Bytes::from(key)
    }

    /// What all keys of a namespace (of the whole resource for `None`) start with.
    pub fn scope_prefix(&self, namespace: Option<&str>) -> Bytes {
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => self.key(namespace, ""),
            None => Bytes::from_static(self.prefix.as_bytes()),
        }
    }

    /// The slot of a key by what it is spread on: the namespace, or the name where there is none.
    pub fn slot(&self, spread_on: &str) -> u16 {
        crate::cache::partition::slot(self.id, spread_on)
    }
}

/// The installed rows, by prefix.
static ROWS: ArcSwapOption<HashMap<&'static str, &'static Storage>> = ArcSwapOption::const_empty();

/// Makes resources known, beside those known already; a row of the same prefix replaces the old.
/// Entries made before keep the row they were made with, so install before the store is opened.
pub fn install(rows: &[&'static Storage]) {
    ROWS.rcu(|known| {
        let mut next = known.as_deref().cloned().unwrap_or_default();
        next.extend(rows.iter().map(|row| (row.prefix, *row)));
        Some(Arc::new(next))
    });
}

/// The row of a key; [`OTHER`] if it belongs to no installed resource.
pub fn storage_of(key: &[u8]) -> &'static Storage {
    let rows = ROWS.load();
    let (Some(rows), Ok(key)) = (rows.as_deref(), std::str::from_utf8(key)) else {
        return &OTHER;
    };
    // `/registry/pods/…`, then `/registry/services/specs/…` and `/registry/group/resource/…`.
    let slashes = key.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(at, _)| at);
    let mut known = slashes.skip(2).filter_map(|at| rows.get(key.get(..=at)?).copied());
    known.next().unwrap_or(&OTHER)
}
