//! Stored objects for tests.

use crate::catalog::{Storage, catalog};
use crate::store::{Expected, Txn, Write};
use bytes::Bytes;

pub(super) fn storage(resource: &str) -> &'static Storage {
    catalog().storage(resource).expect("a built-in resource")
}

/// One length-delimited protobuf field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(number << 3) | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push((length as u8 & 0x7f) | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// What a sample object holds beside its name.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample<'s> {
    pub(super) uid: &'s str,
    pub(super) labels: &'s [(&'s str, &'s str)],
    /// `spec.nodeName` of a Pod.
    pub(super) node: &'s str,
    /// Bytes of an annotation, to give it a size.
    pub(super) padding: usize,
}

impl Sample<'_> {
    /// The stored bytes, as a Pod's; other kinds have the same metadata.
    pub(super) fn stored(&self, name: &str) -> Bytes {
        let mut metadata = field(1, name.as_bytes());
        metadata.extend(field(5, self.uid.as_bytes()));
        for (key, value) in self.labels {
            let entry = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
            metadata.extend(field(11, &entry));
        }
        if self.padding > 0 {
            let entry = [field(1, b"padding"), field(2, &vec![b'x'; self.padding])].concat();
            metadata.extend(field(12, &entry));
        }
        let spec = field(10, self.node.as_bytes());
        let object = [field(1, &metadata), field(2, &spec)].concat();
        Bytes::from([&b"k8s\0"[..], &field(2, &object)].concat())
    }
}

/// A write of a value under a key.
pub(super) fn put(key: Bytes, value: Bytes, expected: Expected) -> Txn {
    Txn { key, expected, write: Write::Put { value, ttl_seconds: None } }
}

pub(super) fn delete(key: Bytes, expected: u64) -> Txn {
    Txn { key, expected: Expected::Revision(expected), write: Write::Delete }
}
