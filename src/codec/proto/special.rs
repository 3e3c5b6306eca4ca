//! The message shapes of scalars that JSON shows as text or number.

use super::read::{Reader, WireError, bytes_field};
use super::wire;
use crate::codec::scalar::time::Instant;
use std::borrow::Cow;

/// `intstr.IntOrString`.
pub(crate) enum IntOrString<'b> {
    Int(i64),
    Str(&'b [u8]),
}

/// Seconds and nanoseconds of a `Timestamp`; none if the message is empty, which is Go's zero time.
pub(crate) fn instant(bytes: &[u8]) -> Result<Option<Instant>, WireError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(bytes);
    let mut instant = Instant { seconds: 0, nanos: 0 };
    while let Some(item) = reader.next()? {
        match item.number {
            1 => instant.seconds = item.varint()?.cast_signed(),
            2 => instant.nanos = u32::try_from(item.varint()?).unwrap_or(0),
            _ => {}
        }
    }
    Ok(Some(instant))
}

pub(crate) fn write_instant(number: u32, instant: Instant, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| {
        wire::int(1, instant.seconds, out);
        wire::int(2, i64::from(instant.nanos), out);
    });
}

pub(crate) fn int_or_string(bytes: &[u8]) -> Result<IntOrString<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    let (mut is_text, mut number, mut text): (bool, i64, &[u8]) = (false, 0, &[]);
    while let Some(item) = reader.next()? {
        match item.number {
            1 => is_text = item.varint()? == 1,
            2 => number = int32(item.varint()?),
            3 => text = item.bytes()?,
            _ => {}
        }
    }
    Ok(if is_text { IntOrString::Str(text) } else { IntOrString::Int(number) })
}

pub(crate) fn write_int(number: u32, value: i64, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| {
        wire::int(1, 0, out);
        wire::int(2, value, out);
        wire::bytes(3, b"", out);
    });
}

pub(crate) fn write_text(number: u32, value: &str, out: &mut Vec<u8>) {
    wire::nested(number, out, |out| {
        wire::int(1, 1, out);
        wire::int(2, 0, out);
        wire::bytes(3, value.as_bytes(), out);
    });
}

/// Nanoseconds of a `metav1.Duration`.
pub(crate) fn duration(bytes: &[u8]) -> Result<i64, WireError> {
    let mut reader = Reader::new(bytes);
    let mut nanos = 0;
    while let Some(item) = reader.next()? {
        if item.number == 1 {
            nanos = item.varint()?.cast_signed();
        }
    }
    Ok(nanos)
}

/// The one bytes field of `Quantity`, `FieldsV1`, `RawExtension` and `JSON`.
pub(crate) fn raw(bytes: &[u8]) -> Result<Option<&[u8]>, WireError> {
    bytes_field(bytes, 1)
}

/// An `int32` as the wire has it: the low 32 bits count.
pub(crate) fn int32(value: u64) -> i64 {
    let low = u32::try_from(value & 0xffff_ffff).unwrap_or(0);
    i64::from(low.cast_signed())
}

/// Text as Go shows it in JSON: what is not UTF-8 becomes U+FFFD.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
