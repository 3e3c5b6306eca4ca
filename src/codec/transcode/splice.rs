//! Stored protobuf with the revision put in, the rest copied as it is.

use super::TranscodeError;
use super::json::Names;
use crate::codec::proto::WireError;
use crate::codec::proto::envelope;
use crate::codec::proto::read::{Item, Reader};
use crate::codec::proto::wire;

const METADATA: u32 = 1;
const RESOURCE_VERSION: u32 = 6;

/// A message with a resourceVersion, not yet written: the parts of the stored one around it.
#[derive(Debug, Clone, Copy)]
pub struct Spliced<'b> {
    /// The message up to its metadata, the parts of the metadata, the rest.
    before: &'b [u8],
    metadata_head: &'b [u8],
    metadata_tail: &'b [u8],
    after: &'b [u8],
    revision: u64,
}

/// A field of a message and where it stands.
struct Found<'b> {
    before: &'b [u8],
    item: Item<'b>,
    after: &'b [u8],
}

/// The first field `number`; metadata is written once by every known writer.
fn find(raw: &[u8], number: u32) -> Result<Option<Found<'_>>, WireError> {
    let mut reader = Reader::new(raw);
    loop {
        let start = raw.len() - reader.rest().len();
        let Some(item) = reader.next()? else { return Ok(None) };
        if item.number == number {
            let before = raw.get(..start).unwrap_or(&[]);
            return Ok(Some(Found { before, item, after: reader.rest() }));
        }
    }
}

impl<'b> Spliced<'b> {
    /// Takes a message (not its envelope) apart.
    ///
    /// # Errors
    /// If the message is not whole up to its metadata.
    pub fn new(raw: &'b [u8], revision: u64) -> Result<Self, TranscodeError> {
        let (before, metadata, after): (_, &[u8], _) = match find(raw, METADATA)? {
            Some(Found { before, item, after }) => (before, item.bytes()?, after),
            None => (raw, &[], &[]),
        };
        let (metadata_head, metadata_tail): (_, &[u8]) = match find(metadata, RESOURCE_VERSION)? {
            Some(found) => (found.before, found.after),
            None => (metadata, &[]),
        };
        Ok(Self { before, metadata_head, metadata_tail, after, revision })
    }

    fn metadata_len(&self, revision: &str) -> usize {
        self.metadata_head.len() + 2 + revision.len() + self.metadata_tail.len()
    }

    /// The length of the message in bytes.
    #[expect(clippy::len_without_is_empty, reason = "it holds at least the revision")]
    pub fn len(&self) -> usize {
        let mut buffer = itoa::Buffer::new();
        let metadata = self.metadata_len(buffer.format(self.revision));
        let prefix = 1 + wire::varint_width(metadata as u64);
        self.before.len() + prefix + metadata + self.after.len()
    }

    /// Appends the message: an item of a list.
    pub fn write_message(&self, out: &mut Vec<u8>) {
        let mut buffer = itoa::Buffer::new();
        let revision = buffer.format(self.revision);
        out.extend_from_slice(self.before);
        wire::key(METADATA, wire::BYTES, out);
        wire::varint(self.metadata_len(revision) as u64, out);
        out.extend_from_slice(self.metadata_head);
        wire::bytes(RESOURCE_VERSION, revision.as_bytes(), out);
        out.extend_from_slice(self.metadata_tail);
        out.extend_from_slice(self.after);
    }

    /// Appends the message in an envelope.
    pub fn write_object(&self, names: Names<'_>, out: &mut Vec<u8>) {
        let len = self.len();
        out.reserve(len + 64);
        envelope::begin(names.api_version, names.kind, out);
        wire::key(2, wire::BYTES, out);
        wire::varint(len as u64, out);
        self.write_message(out);
        envelope::end(out);
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, Spliced};
    use crate::codec::proto::envelope;

    const NAMES: Names<'_> = Names { api_version: "v1", kind: "Thing" };

    #[test]
    fn the_revision_takes_the_place_of_the_empty_one() {
        // metadata {name: "a", resourceVersion: "", generation: 0}, spec {}.
        let raw = [0x0a, 7, 0x0a, 1, b'a', 0x32, 0, 0x38, 0, 0x12, 0];
        let spliced = Spliced::new(&raw, 1234).unwrap();
        let mut out = Vec::new();
        spliced.write_message(&mut out);
        assert_eq!(out, b"\x0a\x0b\x0a\x01a\x32\x041234\x38\0\x12\0");
        assert_eq!(spliced.len(), out.len());
        let mut whole = Vec::new();
        spliced.write_object(NAMES, &mut whole);
        let mut expected = Vec::new();
        envelope::wrap("v1", "Thing", &out, &mut expected);
        assert_eq!(whole, expected);
    }

    #[test]
    fn what_is_missing_is_added() {
        for (raw, expected) in
            [(&[0x12, 0][..], &b"\x12\0\x0a\x03\x32\x017"[..]), (&[0x0a, 0], b"\x0a\x03\x32\x017")]
        {
            let mut out = Vec::new();
            Spliced::new(raw, 7).unwrap().write_message(&mut out);
            assert_eq!(out, expected);
        }
        assert!(Spliced::new(&[0x0a, 9], 7).is_err());
    }
}
