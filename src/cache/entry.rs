//! One revision of one object: made once by the store, shared by pointer between all shards.

use crate::base::limits::ENCODED_BYTES_MAX;
use crate::cache::definitions::{self, is_definition};
use crate::cache::encoding::{self, Json};
use crate::cache::fill_in::{self, Reading};
use crate::cache::header::{Header, HeaderBuilder};
use crate::cache::header_scan;
use crate::cache::partition::{self, Resource};
use crate::cache::rows::{Unreadable, storage_of};
use crate::catalog::Storage;
use crate::object::Value;
use crate::store::Item;
use bumpalo::Bump;
use bytes::Bytes;
use std::fmt;
#[expect(clippy::disallowed_types, reason = "only ever tried, never waited for: see `Kept`")]
use std::sync::Mutex;
use std::sync::TryLockError;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Bytes of kept encodings in the process.
static ENCODED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// An encoding was asked for since the last sweep: the next that is made is kept. The first is not:
/// most objects are written, answered, and never asked for again in that form.
const USED: u8 = 1;
/// A newer revision of the object is there: encodings are no longer kept.
const RETIRED: u8 = 2;

/// Encodings kept. Shards only try the lock: one that finds it taken makes its own encoding and
/// does not keep it. So none waits, and an entry without encodings costs nothing to drop (an atomic
/// pointer's drop asks every thread whether it is reading).
#[expect(clippy::disallowed_types, reason = "only ever tried, never waited for")]
#[derive(Default)]
struct Kept(Mutex<Option<Box<Encodings>>>);

#[derive(Default)]
struct Encodings {
    json: Option<Json>,
    protobuf: Option<Bytes>,
}

impl Kept {
    fn with<T>(&self, what: impl FnOnce(&mut Option<Box<Encodings>>) -> T) -> Option<T> {
        match self.0.try_lock() {
            Ok(mut kept) => Some(what(&mut kept)),
            Err(TryLockError::Poisoned(kept)) => Some(what(&mut kept.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Encodings {
    fn len(&self) -> usize {
        let json = self.json.as_ref().map_or(0, |json| json.bytes.len());
        json + self.protobuf.as_ref().map_or(0, Bytes::len)
    }
}

/// One revision of one object, or of another key. Immutable but for the kept encodings.
pub struct Entry {
    key: Bytes,
    value: Bytes,
    revision: u64,
    storage: Option<&'static Storage>,
    header: Header,
    kept: Kept,
    slot: u16,
    name_at: u16,
    marks: AtomicU8,
    is_filled_in: bool,
}

impl Item for Entry {
    fn new(key: Bytes, revision: u64, value: Bytes) -> Self {
        let storage = storage_of(&key);
        if let Some(row) = storage.filter(|row| revision > 0 && is_definition(Some(row))) {
            definitions::note(row, &value, revision);
        }
        let reading = storage.map_or(Reading::AsStored, |row| fill_in::read(row, &value));
        let is_refused = reading == Reading::Refused;
        let (value, is_filled_in) = match reading {
            Reading::Made(value) => (value, true),
            Reading::AsStored | Reading::Refused => (value, false),
        };
        let header = storage.map_or_else(Header::default, |storage| {
            if is_refused {
                return Header::unreadable();
            }
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
            kept: Kept::default(),
            slot: 0,
            name_at,
            marks: AtomicU8::new(0),
            is_filled_in,
        };
        let namespaced = storage.is_some_and(|storage| storage.namespaced);
        let spread_on = if namespaced { entry.namespace() } else { entry.name() };
        entry.slot = partition::slot(entry.resource(), spread_on);
        entry
    }

    fn resource(key: &[u8]) -> (&'static str, &'static str) {
        storage_of(key).map_or(("", ""), |storage| (storage.group, storage.resource))
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

    /// What is stored lacks something, or is of an older version: the value is not its bytes.
    pub fn is_filled_in(&self) -> bool {
        self.is_filled_in
    }

    /// The resource's place in a shard's tables.
    pub(super) fn resource(&self) -> Resource {
        Resource::of(self.storage)
    }

    /// The namespace, "" if it has none.
    pub fn namespace(&self) -> &str {
        text(self.namespace_bytes())
    }

    /// The name; of a key of no known resource all of it.
    pub fn name(&self) -> &str {
        text(self.name_bytes())
    }

    /// `metadata.uid`, "" if unreadable.
    pub fn uid(&self) -> &str {
        text(self.header.uid(&self.value, self.fields()))
    }

    /// `metadata.deletionTimestamp` is set.
    pub fn deleting(&self) -> bool {
        self.header.deleting
    }

    /// The stored bytes are not an object; encodings will fail.
    pub fn unreadable(&self) -> bool {
        self.header.unreadable
    }

    /// Why the stored bytes are refused although they may be whole: they are of another kind or of
    /// a version that is not known.
    pub fn refusal(&self) -> Option<String> {
        self.storage
            .filter(|_| self.unreadable())
            .and_then(|row| fill_in::refusal(row, &self.value))
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let mut labels = self.label_bytes();
        labels.find(|(k, _)| *k == key.as_bytes()).map(|(_, value)| text(value))
    }

    /// All labels, in stored order.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.label_bytes().map(|(key, value)| (text(key), text(value)))
    }

    /// The value of a selectable field by its place in `Storage::selectable`; "" if it is not set.
    pub fn field(&self, index: usize) -> &str {
        text(self.field_bytes(index))
    }

    /// [`Self::field`], not checked to be text.
    pub(super) fn field_bytes(&self, index: usize) -> &[u8] {
        self.header.field(&self.value, self.fields(), index)
    }

    /// [`Self::namespace`], not checked to be text.
    pub(super) fn namespace_bytes(&self) -> &[u8] {
        let end = usize::from(self.name_at).saturating_sub(1);
        self.key.get(self.prefix_len()..end).unwrap_or_default()
    }

    /// [`Self::name`], not checked to be text.
    pub(super) fn name_bytes(&self) -> &[u8] {
        self.key.get(usize::from(self.name_at)..).unwrap_or_default()
    }

    /// The partition slot of the key.
    pub(super) fn slot(&self) -> u16 {
        self.slot
    }

    /// The object as JSON with its resourceVersion; kept from the second time on while the budget
    /// lasts.
    ///
    /// # Errors
    /// The stored bytes are not an object.
    pub fn json(&self) -> Result<Json, Unreadable> {
        let kept = self.kept.with(|kept| kept.as_ref().and_then(|kept| kept.json.clone()));
        let again = self.mark_used();
        if let Some(json) = kept.flatten() {
            return Ok(json);
        }
        let json = encoding::json(self, self.revision).map_err(|fault| self.named(&fault))?;
        self.keep(again, json.bytes.len(), |kept| kept.json = Some(json.clone()));
        Ok(json)
    }

    /// The object as `k8s\0` and Unknown with its resourceVersion; kept from the second time on
    /// while the budget lasts.
    ///
    /// # Errors
    /// The stored bytes are not an object, or its kind has no protobuf form.
    pub fn protobuf(&self) -> Result<Bytes, Unreadable> {
        let kept = self.kept.with(|kept| kept.as_ref().and_then(|kept| kept.protobuf.clone()));
        let again = self.mark_used();
        if let Some(bytes) = kept.flatten() {
            return Ok(bytes);
        }
        let bytes = encoding::protobuf(self, self.revision).map_err(|fault| self.named(&fault))?;
        self.keep(again, bytes.len(), |kept| kept.protobuf = Some(bytes.clone()));
        Ok(bytes)
    }

    /// The object as a tree, in the stored version; decoded at each call.
    ///
    /// # Errors
    /// The stored bytes are not an object.
    pub fn object<'a>(&self, arena: &'a Bump) -> Result<Value<'a>, Unreadable> {
        encoding::tree(self, arena)
    }

    /// The fault with the key that it concerns, for whoever reads many objects at once.
    fn named(&self, fault: &Unreadable) -> Unreadable {
        let key = String::from_utf8_lossy(&self.key);
        Unreadable { reason: format!("{key}: {}", fault.reason) }
    }

    /// [`Self::json`] as of another revision, as an object that goes is shown; never kept.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub fn json_at(&self, revision: u64) -> Result<Json, Unreadable> {
        if revision == self.revision {
            return self.json();
        }
        encoding::json(self, revision).map_err(|fault| self.named(&fault))
    }

    /// [`Self::protobuf`] as of another revision; never kept.
    ///
    /// # Errors
    /// As [`Self::protobuf`].
    pub fn protobuf_at(&self, revision: u64) -> Result<Bytes, Unreadable> {
        if revision == self.revision {
            return self.protobuf();
        }
        encoding::protobuf(self, revision).map_err(|fault| self.named(&fault))
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
        let dropped = self.kept.with(Option::take).flatten();
        if let Some(dropped) = dropped {
            ENCODED_BYTES.fetch_sub(dropped.len(), Ordering::Relaxed);
        }
    }

    /// Keeps an encoding of this length, if it may; another shard may have kept the same one.
    fn keep(&self, again: bool, length: usize, put: impl FnOnce(&mut Encodings)) {
        let retired = self.marks.load(Ordering::Relaxed) & RETIRED != 0;
        if !again || retired || encoded_bytes().saturating_add(length) > ENCODED_BYTES_MAX {
            return;
        }
        self.kept.with(|kept| {
            let kept = kept.get_or_insert_default();
            let before = kept.len();
            put(kept);
            // The same bytes again if two shards made them at once.
            ENCODED_BYTES.fetch_add(kept.len().saturating_sub(before), Ordering::Relaxed);
        });
    }

    /// True if it was marked already.
    fn mark_used(&self) -> bool {
        // Read first: a write would take the cache line from the other shards each time.
        let again = self.marks.load(Ordering::Relaxed) & USED != 0;
        if !again {
            self.marks.fetch_or(USED, Ordering::Relaxed);
        }
        again
    }

    fn prefix_len(&self) -> usize {
        self.storage.map_or(0, |storage| storage.prefix.len())
    }

    /// How many selectable fields the header has.
    fn fields(&self) -> usize {
        self.storage.map_or(0, |storage| storage.selectable.len())
    }

    fn label_bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let fields = self.fields();
        (0..self.header.labels()).map(move |at| self.header.label(&self.value, fields, at))
    }
}

/// Bytes of kept encodings in the process, at most `limits::ENCODED_BYTES_MAX`.
pub fn encoded_bytes() -> usize {
    ENCODED_BYTES.load(Ordering::Relaxed)
}

/// Header and key were text when the entry was made.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
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
