//! One revision of one object: made once by the store, shared by pointer between all shards.

use crate::base::limits::ENCODED_BYTES_MAX;
use crate::cache::encoding::{self, Json};
use crate::cache::header::{Header, HeaderBuilder};
use crate::cache::header_scan;
use crate::cache::partition::{self, Resource};
use crate::cache::rows::{Unreadable, storage_of};
use crate::catalog::Storage;
use crate::store::Item;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Bytes of kept encodings in the process.
static ENCODED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// An encoding was asked for since the last sweep.
const USED: u8 = 1;
/// A newer revision of the object is there: encodings are no longer kept.
const RETIRED: u8 = 2;

/// One revision of one object, or of another key. Immutable but for the kept encodings.
pub struct Entry {
    key: Bytes,
    value: Bytes,
    revision: u64,
    storage: Option<&'static Storage>,
    header: Header,
    json: ArcSwapOption<Json>,
    protobuf: ArcSwapOption<Bytes>,
    slot: u16,
    name_at: u16,
    marks: AtomicU8,
}

impl Item for Entry {
    fn new(key: Bytes, revision: u64, value: Bytes) -> Self {
        let storage = storage_of(&key);
        let header = storage.map_or_else(Header::default, |storage| {
            let mut builder = HeaderBuilder::new(&value, storage.selectable.len());
            match header_scan::scan(storage, &value, &mut builder) {
                Ok(()) => builder.finish(),
                Err(_) => Header::unreadable(),
            }
        });
        let name_at = name_at(storage, &key);
        let mut entry = Self {
            key,
            value,
            revision,
            storage,
            header,
            json: ArcSwapOption::const_empty(),
            protobuf: ArcSwapOption::const_empty(),
            slot: 0,
            name_at,
            marks: AtomicU8::new(0),
        };
        let namespaced = storage.is_some_and(|storage| storage.namespaced);
        let spread_on = if namespaced { entry.namespace() } else { entry.name() };
        entry.slot = partition::slot(entry.resource(), spread_on);
        entry
    }

    fn key(&self) -> &Bytes {
        &self.key
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn value(&self) -> &Bytes {
        &self.value
    }
}

impl Entry {
    /// The row of the resource it belongs to; `None` for a key of no known resource.
    pub fn storage(&self) -> Option<&'static Storage> {
        self.storage
    }

    /// The resource's place in a shard's tables.
    pub(super) fn resource(&self) -> Resource {
        Resource::of(self.storage)
    }

    /// The namespace, "" if it has none.
    pub fn namespace(&self) -> &str {
        let start = self.prefix_len();
        self.key_text(start, usize::from(self.name_at).saturating_sub(1))
    }

    /// The name; of a key of no known resource all of it.
    pub fn name(&self) -> &str {
        self.key_text(usize::from(self.name_at), self.key.len())
    }

    /// `metadata.uid`, "" if unreadable.
    pub fn uid(&self) -> &str {
        self.header.uid(&self.value, self.fields())
    }

    /// `metadata.deletionTimestamp` is set.
    pub fn deleting(&self) -> bool {
        self.header.deleting
    }

    /// The stored bytes are not an object; encodings will fail.
    pub fn unreadable(&self) -> bool {
        self.header.unreadable
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// All labels, in stored order.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields();
        (0..self.header.labels()).map(move |at| self.header.label(&self.value, fields, at))
    }

    /// The value of a selectable field by its place in `Storage::selectable`; "" if it is not set.
    pub fn field(&self, index: usize) -> &str {
        self.header.field(&self.value, self.fields(), index)
    }

    /// The partition slot of the key.
    pub(super) fn slot(&self) -> u16 {
        self.slot
    }

    /// The object as JSON with its resourceVersion; made at most once while the budget lasts.
    ///
    /// # Errors
    /// The stored bytes are not an object.
    pub fn json(&self) -> Result<Json, Unreadable> {
        if let Some(json) = self.json.load().as_deref() {
            self.mark_used();
            return Ok(json.clone());
        }
        let json = encoding::json(self)?;
        if self.may_keep(json.bytes.len()) {
            let kept = Some(Arc::new(json.clone()));
            let before = self.json.compare_and_swap(&None::<Arc<Json>>, kept);
            self.account(json.bytes.len(), before.is_none());
        }
        Ok(json)
    }

    /// The object as `k8s\0` and Unknown with its resourceVersion; made at most once while the
    /// budget lasts.
    ///
    /// # Errors
    /// The stored bytes are not an object, or its kind has no protobuf form.
    pub fn protobuf(&self) -> Result<Bytes, Unreadable> {
        if let Some(bytes) = self.protobuf.load().as_deref() {
            self.mark_used();
            return Ok(bytes.clone());
        }
        let bytes = encoding::protobuf(self)?;
        if self.may_keep(bytes.len()) {
            let kept = Some(Arc::new(bytes.clone()));
            let before = self.protobuf.compare_and_swap(&None::<Arc<Bytes>>, kept);
            self.account(bytes.len(), before.is_none());
        }
        Ok(bytes)
    }

    /// A newer revision is there: drops the encodings and keeps none from now on.
    pub(super) fn retire(&self) {
        self.marks.fetch_or(RETIRED, Ordering::Relaxed);
        self.drop_encodings();
    }

    /// Drops the encodings if none was asked for since the last call.
    pub(super) fn cool(&self) {
        if self.marks.fetch_and(!USED, Ordering::Relaxed) & USED == 0 {
            self.drop_encodings();
        }
    }

    /// Bytes the entry takes beside its key and stored value: itself, its counts and its header.
    pub fn overhead_bytes(&self) -> usize {
        size_of::<Self>() + 2 * size_of::<usize>() + self.header.heap_bytes()
    }

    fn drop_encodings(&self) {
        let json = self.json.swap(None).map_or(0, |json| json.bytes.len());
        let protobuf = self.protobuf.swap(None).map_or(0, |bytes| bytes.len());
        if json + protobuf > 0 {
            ENCODED_BYTES.fetch_sub(json + protobuf, Ordering::Relaxed);
        }
    }

    fn may_keep(&self, length: usize) -> bool {
        self.mark_used();
        let retired = self.marks.load(Ordering::Relaxed) & RETIRED != 0;
        !retired && encoded_bytes().saturating_add(length) <= ENCODED_BYTES_MAX
    }

    /// Counts a kept encoding. Two shards may have made it at once: only one was kept.
    fn account(&self, length: usize, kept: bool) {
        if kept {
            ENCODED_BYTES.fetch_add(length, Ordering::Relaxed);
        }
    }

    fn mark_used(&self) {
        // Read first: a write would take the cache line from the other shards each time.
        if self.marks.load(Ordering::Relaxed) & USED == 0 {
            self.marks.fetch_or(USED, Ordering::Relaxed);
        }
    }

    fn prefix_len(&self) -> usize {
        self.storage.map_or(0, |storage| storage.prefix.len())
    }

    /// How many selectable fields the header has.
    fn fields(&self) -> usize {
        self.storage.map_or(0, |storage| storage.selectable.len())
    }

    fn key_text(&self, start: usize, end: usize) -> &str {
        self.key.get(start..end).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("")
    }
}

/// Bytes of kept encodings in the process, at most `limits::ENCODED_BYTES_MAX`.
pub fn encoded_bytes() -> usize {
    ENCODED_BYTES.load(Ordering::Relaxed)
}

fn name_at(storage: Option<&Storage>, key: &[u8]) -> u16 {
    let Some(storage) = storage else { return 0 };
    let start = storage.prefix.len();
    let tail = key.get(start..).unwrap_or_default();
    let slash = if storage.namespaced { tail.iter().position(|b| *b == b'/') } else { None };
    // Keys are far shorter; the name of an absurd one reads as "".
    u16::try_from(start + slash.map_or(0, |at| at + 1)).unwrap_or(u16::MAX)
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.drop_encodings();
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", String::from_utf8_lossy(&self.key), self.revision)
    }
}
