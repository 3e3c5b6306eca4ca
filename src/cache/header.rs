//! What selectors ask of an object, packed: places in the stored bytes, and a copy only of what
//! the stored bytes do not spell out.
//!
//! One box holds four-byte spans (uid, then a key and a value for each label, then one for each
//! selectable field) and after them the copied text. A span counts its offset through the stored
//! value first and the copied text after it.

use bytes::Bytes;

const OFFSET_BITS: u32 = 22;
const OFFSET_MAX: usize = (1 << OFFSET_BITS) - 1;
/// A length that stands for "too long for a span": the span then leads to a [`WIDE`]-byte record.
const LONG: usize = (1 << (32 - OFFSET_BITS)) - 1;
const WIDE: usize = 8;
const SPAN: usize = 4;
/// Room for the keys and values of so many labels at first.
const LABELS_USUAL: usize = 16;

/// Collects the header of one object.
#[derive(Debug)]
pub(super) struct HeaderBuilder<'v> {
    value: &'v [u8],
    uid: u32,
    labels: Vec<u32>,
    fields: Vec<u32>,
    copied: Vec<u8>,
    deleting: bool,
}

/// A packed header.
#[derive(Debug, Default)]
pub(super) struct Header {
    packed: Box<[u8]>,
    labels: u16,
    /// `metadata.deletionTimestamp` is set.
    pub(super) deleting: bool,
    /// The stored bytes are not an object.
    pub(super) unreadable: bool,
}

impl<'v> HeaderBuilder<'v> {
    /// Starts a header of an object stored as `value` whose resource has `fields` fields.
    pub(super) fn new(value: &'v Bytes, fields: usize) -> Self {
        Self {
            value,
            uid: 0,
            labels: Vec::with_capacity(LABELS_USUAL),
            fields: vec![0; fields],
            copied: Vec::new(),
            deleting: false,
        }
    }

    /// `metadata.uid`.
    pub(super) fn uid(&mut self, uid: &str) {
        self.uid = self.span(uid);
    }

    /// One of `metadata.labels`.
    pub(super) fn label(&mut self, key: &str, value: &str) {
        let spans = [self.span(key), self.span(value)];
        self.labels.extend(spans);
    }

    /// The value of a selectable field, by its place in the storage row.
    pub(super) fn field(&mut self, index: usize, value: &str) {
        if index >= self.fields.len() {
            return;
        }
        let span = self.span(value);
        self.fields[index] = span;
    }

    /// True if the field has a value that is not "".
    pub(super) fn has_field(&self, index: usize) -> bool {
        self.fields.get(index).is_some_and(|span| *span != 0)
    }

    /// `metadata.deletionTimestamp` is set.
    pub(super) fn deleting(&mut self) {
        self.deleting = true;
    }

    fn span(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = match self.place(text) {
            Some(at) => at,
            None => self.copy(text.as_bytes()),
        };
        if text.len() < LONG && at <= OFFSET_MAX {
            return pack(at, text.len());
        }
        let mut record = [0; WIDE];
        record[..SPAN].copy_from_slice(&narrow(at).to_le_bytes());
        record[SPAN..].copy_from_slice(&narrow(text.len()).to_le_bytes());
        // A header whose copied text exceeds the offsets is refused in `finish`.
        let at = self.copy(&record);
        pack(at.min(OFFSET_MAX), LONG)
    }

    /// Where in the stored bytes this very text lies.
    fn place(&self, text: &str) -> Option<usize> {
        let at = (text.as_ptr() as usize).checked_sub(self.value.as_ptr() as usize)?;
        (at.checked_add(text.len())? <= self.value.len()).then_some(at)
    }

    fn copy(&mut self, text: &[u8]) -> usize {
        let at = self.value.len() + self.copied.len();
        self.copied.extend_from_slice(text);
        at
    }

    pub(super) fn finish(self) -> Header {
        let fits = self.value.len() + self.copied.len() <= OFFSET_MAX;
        let Some(labels) = u16::try_from(self.labels.len() / 2).ok().filter(|_| fits) else {
            return Header::unreadable();
        };
        let count = 1 + self.labels.len() + self.fields.len();
        let spans = [self.uid].into_iter().chain(self.labels).chain(self.fields);
        let mut packed = Vec::with_capacity(SPAN * count + self.copied.len());
        spans.for_each(|span| packed.extend_from_slice(&span.to_le_bytes()));
        packed.extend_from_slice(&self.copied);
        Header {
            packed: packed.into_boxed_slice(),
            labels,
            deleting: self.deleting,
            unreadable: false,
        }
    }
}

impl Header {
    /// The header of what is not an object.
    pub(super) fn unreadable() -> Self {
        Self { unreadable: true, ..Self::default() }
    }

    /// `metadata.uid`, "" if there is none.
    pub(super) fn uid<'h>(&'h self, value: &'h [u8], fields: usize) -> &'h [u8] {
        self.text(value, fields, 0)
    }

    pub(super) fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    /// A label by its place.
    pub(super) fn label<'h>(
        &'h self,
        value: &'h [u8],
        fields: usize,
        index: usize,
    ) -> (&'h [u8], &'h [u8]) {
        let at = 1 + 2 * index;
        (self.text(value, fields, at), self.text(value, fields, at + 1))
    }

    /// A selectable field by its place, "" if it is not set.
    pub(super) fn field<'h>(&'h self, value: &'h [u8], fields: usize, index: usize) -> &'h [u8] {
        self.text(value, fields, 1 + 2 * self.labels() + index)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.packed.len()
    }

    fn text<'h>(&'h self, value: &'h [u8], fields: usize, index: usize) -> &'h [u8] {
        let copied_at = SPAN * (1 + 2 * self.labels() + fields);
        self.find(value, copied_at, index).unwrap_or_default()
    }

    fn find<'h>(&'h self, value: &'h [u8], copied_at: usize, index: usize) -> Option<&'h [u8]> {
        let copied = self.packed.get(copied_at..)?;
        let (at, length) = unpack(read_u32(&self.packed, SPAN * index)?);
        if length != LONG {
            return slice(value, copied, at, length);
        }
        let record = slice(value, copied, at, WIDE)?;
        let at = usize::try_from(read_u32(record, 0)?).ok()?;
        let length = usize::try_from(read_u32(record, SPAN)?).ok()?;
        slice(value, copied, at, length)
    }
}

fn slice<'h>(value: &'h [u8], copied: &'h [u8], at: usize, length: usize) -> Option<&'h [u8]> {
    match at.checked_sub(value.len()) {
        Some(at) => copied.get(at..at + length),
        None => value.get(at..at + length),
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk::<SPAN>()?))
}

/// Lengths of values and headers stay far below four gigabytes.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn pack(at: usize, length: usize) -> u32 {
    (narrow(length) << OFFSET_BITS) | narrow(at)
}

fn unpack(span: u32) -> (usize, usize) {
    let at = span & ((1 << OFFSET_BITS) - 1);
    let length = span >> OFFSET_BITS;
    (at as usize, length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_stored_bytes_is_not_copied_and_other_text_is() {
        let long = "x".repeat(5_000);
        let value = Bytes::from(format!("uid-1 app web node {long}"));
        let text = std::str::from_utf8(&value).expect("text");
        let mut builder = HeaderBuilder::new(&value, 4);
        builder.uid(&text[..5]);
        builder.label(&text[6..9], &text[10..13]);
        builder.label("made", "up");
        builder.field(0, &text[14..18]);
        builder.field(1, "true");
        builder.field(2, &text[19..]);
        builder.field(9, "no such field");
        let header = builder.finish();
        assert_eq!(header.uid(&value, 4), b"uid-1");
        assert_eq!(header.labels(), 2);
        assert_eq!(header.label(&value, 4, 0), (&b"app"[..], &b"web"[..]));
        assert_eq!(header.label(&value, 4, 1), (&b"made"[..], &b"up"[..]));
        let fields: Vec<_> = (0..5).map(|at| header.field(&value, 4, at)).collect();
        assert_eq!(fields, [b"node", &b"true"[..], long.as_bytes(), b"", b""]);
        assert_eq!(header.heap_bytes(), 4 * 9 + "madeup".len() + "true".len() + WIDE);
    }

    #[test]
    fn header_beyond_its_offsets_is_unreadable() {
        let value = Bytes::from(vec![b'x'; OFFSET_MAX]);
        let mut builder = HeaderBuilder::new(&value, 1);
        builder.field(0, "copied");
        assert!(builder.finish().unreadable);
    }

    #[test]
    fn header_of_nothing_answers_nothing() {
        let header = Header::default();
        assert_eq!((header.uid(b"", 0), header.field(b"", 3, 2)), (&b""[..], &b""[..]));
    }
}
