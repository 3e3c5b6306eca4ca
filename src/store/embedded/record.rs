//! One change as bytes: what the log keeps under a revision.
//!
//! Layout, integers big-endian: operation (1 byte: 1 put, 2 delete), previous revision (8),
//! compacted revision when written (8), expiry in Unix seconds (8), key length (4), key, value.
//! The newest record tells the store's revision and its compacted revision, so nothing else has to
//! be kept. Checksums are the storage engine's.

use crate::store::disk::Stamp;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const HEADER_BYTES: usize = 1 + 8 + 8 + 8 + 4;

/// A record as read back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) stamp: Stamp,
    pub(super) key: Bytes,
    /// `None` for a removal.
    pub(super) value: Option<Bytes>,
}

/// The log's key of a revision: they sort as the revisions do.
pub(super) fn log_key(revision: u64) -> [u8; 8] {
    revision.to_be_bytes()
}

/// The record, and the key and value as parts of it.
pub(super) fn encode_put(stamp: Stamp, key: &[u8], value: &[u8]) -> (Bytes, Bytes, Bytes) {
    let mut record = BytesMut::with_capacity(HEADER_BYTES + key.len() + value.len());
    header(&mut record, PUT, stamp, key);
    record.put_slice(value);
    let record = record.freeze();
    let value_start = HEADER_BYTES + key.len();
    let (key, value) = (record.slice(HEADER_BYTES..value_start), record.slice(value_start..));
    (record, key, value)
}

pub(super) fn encode_delete(stamp: Stamp, key: &[u8]) -> Bytes {
    let mut record = BytesMut::with_capacity(HEADER_BYTES + key.len());
    header(&mut record, DELETE, stamp, key);
    record.freeze()
}

fn header(record: &mut BytesMut, operation: u8, stamp: Stamp, key: &[u8]) {
    record.put_u8(operation);
    record.put_u64(stamp.previous);
    record.put_u64(stamp.compacted);
    record.put_u64(stamp.expiry);
    // Keys are bounded far below this by STORED_KEY_BYTES_MAX.
    record.put_u32(u32::try_from(key.len()).unwrap_or(u32::MAX));
    record.put_slice(key);
}

/// Reads a record; its bytes are copied, so that a small one does not hold the block it came in.
/// `None` if it is none.
pub(super) fn decode(log_key: &[u8], bytes: &[u8]) -> Option<Record> {
    let revision = u64::from_be_bytes(log_key.try_into().ok()?);
    let (operation, rest) = bytes.split_first()?;
    let (previous, rest) = number(rest)?;
    let (compacted, rest) = number(rest)?;
    let (expiry, rest) = number(rest)?;
    let (key_length, rest) = rest.split_first_chunk::<4>()?;
    let key_length = usize::try_from(u32::from_be_bytes(*key_length)).ok()?;
    let stamp = Stamp { revision, previous, compacted, expiry };
    if rest.len() < key_length {
        return None;
    }
    let copy = Bytes::copy_from_slice(rest);
    let key = copy.slice(..key_length);
    match *operation {
        PUT => Some(Record { stamp, key, value: Some(copy.slice(key_length..)) }),
        DELETE if copy.len() == key_length => Some(Record { stamp, key, value: None }),
        _ => None,
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { revision: 9, previous: 7, compacted: 5, expiry: 3 };

    #[test]
    fn what_is_written_is_read_back() {
        let (record, key, value) = encode_put(STAMP, b"/a", b"value");
        assert_eq!((&key[..], &value[..]), (&b"/a"[..], &b"value"[..]));
        let found = decode(&log_key(9), &record).expect("a record");
        assert_eq!(found, Record { stamp: STAMP, key, value: Some(value) });
        let found = decode(&log_key(9), &encode_delete(STAMP, b"/a")).expect("a record");
        assert_eq!(found.stamp, STAMP);
        assert_eq!((&found.key[..], found.value), (&b"/a"[..], None));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let (record, ..) = encode_put(STAMP, b"/a", b"");
        for length in 0..record.len() {
            assert!(decode(&log_key(9), &record[..length]).is_none(), "{length} bytes");
        }
        assert!(decode(&[1, 2, 3], &record).is_none());
        let mut other = record.to_vec();
        other[0] = 3;
        assert!(decode(&log_key(9), &other).is_none());
        let mut longer = encode_delete(STAMP, b"/a").to_vec();
        longer.push(0);
        assert!(decode(&log_key(9), &longer).is_none());
    }
}
