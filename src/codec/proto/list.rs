//! Lists in protobuf: `{metadata = 1, items = 2}` in an envelope, made of items that are messages
//! already.

use super::envelope;
use super::wire;

/// `metav1.ListMeta` of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListMeta<'m> {
    /// Revision of the list; "" for none.
    pub resource_version: &'m str,
    /// Token of the next page; "" for none.
    pub continue_token: &'m str,
    /// How many items come after this page, where it is known.
    pub remaining_item_count: Option<i64>,
}

impl ListMeta<'_> {
    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        wire::bytes(1, b"", out);
        wire::bytes(2, self.resource_version.as_bytes(), out);
        wire::bytes(3, self.continue_token.as_bytes(), out);
        if let Some(count) = self.remaining_item_count {
            wire::int(4, count, out);
        }
    }
}

/// Writes a list whose length is known before its items are at hand, so that items can be streamed.
///
/// Sizes of the items come first ([`ListWriter::new`]), then [`ListWriter::begin`],
/// [`ListWriter::item`] for each, [`ListWriter::end`].
#[derive(Debug)]
pub struct ListWriter {
    head: Vec<u8>,
}

impl ListWriter {
    /// Prepares a list of `kind` (`PodList`) whose items' messages have these sizes in bytes.
    pub fn new(
        api_version: &str,
        kind: &str,
        meta: &ListMeta<'_>,
        sizes: impl Iterator<Item = usize>,
    ) -> Self {
        let items: usize = sizes.map(|size| 1 + wire::varint_width(size as u64) + size).sum();
        let mut metadata = Vec::with_capacity(64);
        wire::nested(1, &mut metadata, |out| meta.encode(out));
        let mut head = Vec::with_capacity(128);
        envelope::begin(api_version, kind, &mut head);
        wire::key(2, wire::BYTES, &mut head);
        wire::varint((metadata.len() + items) as u64, &mut head);
        head.extend_from_slice(&metadata);
        Self { head }
    }

    /// What comes before the first item.
    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
    }

    /// Appends an item: its message without envelope.
    pub fn item(raw: &[u8], out: &mut Vec<u8>) {
        wire::bytes(2, raw, out);
    }

    /// What comes after the last item.
    pub fn end(out: &mut Vec<u8>) {
        envelope::end(out);
    }
}

#[cfg(test)]
mod tests {
    use super::{ListMeta, ListWriter};
    use crate::codec::proto::envelope;

    #[test]
    fn the_list_s_length_is_that_of_its_parts() {
        let items: [&[u8]; 3] = [&[8, 1], &[0; 200], &[]];
        let meta = ListMeta { resource_version: "7", ..ListMeta::default() };
        let sizes = items.iter().map(|item| item.len());
        let writer = ListWriter::new("v1", "PodList", &meta, sizes);
        let mut out = Vec::new();
        writer.begin(&mut out);
        for item in items {
            ListWriter::item(item, &mut out);
        }
        ListWriter::end(&mut out);
        let unknown = envelope::unwrap(&out).unwrap().unwrap();
        assert_eq!((unknown.kind, unknown.content_type), ("PodList", ""));
        assert_eq!(unknown.raw.len(), 2 + 7 + 4 + 203 + 2);
    }
}
