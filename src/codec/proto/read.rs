//! Reading protobuf fields from borrowed bytes.

use super::wire::{BYTES, FIXED32, FIXED64, VARINT};
use std::fmt;

/// Why bytes are no protobuf; the texts are those of Go's generated code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// Nested too deep.
    Depth,
    /// A group ends that has not begun.
    EndGroup,
    /// The bytes end too early (`io.ErrUnexpectedEOF`).
    End,
    /// A varint beyond 64 bits.
    Overflow,
    /// A field number that is none.
    Tag,
    /// Not the wire type that the field has: the number, the wire type.
    WireType(u32, u8),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth => f.write_str("proto: nested too deep"),
            Self::EndGroup => f.write_str("proto: unexpected end of group"),
            Self::End => f.write_str("unexpected EOF"),
            Self::Overflow => f.write_str("proto: integer overflow"),
            Self::Tag => f.write_str("proto: illegal tag 0 (wire type 0)"),
            Self::WireType(number, wire_type) => {
                write!(f, "proto: wrong wireType = {wire_type} for field {number}")
            }
        }
    }
}

impl std::error::Error for WireError {}

/// Bytes still to be read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

/// A field's value as the wire has it.
#[derive(Clone, Copy)]
pub(crate) enum Wire<'b> {
    Bytes(&'b [u8]),
    Fixed32,
    Fixed64(u64),
    Varint(u64),
}

/// A field: number and value.
#[derive(Clone, Copy)]
pub(crate) struct Item<'b> {
    pub(crate) number: u32,
    pub(crate) value: Wire<'b>,
}

impl<'b> Item<'b> {
    fn wire_type(&self) -> u8 {
        match self.value {
            Wire::Bytes(_) => BYTES,
            Wire::Fixed32 => FIXED32,
            Wire::Fixed64(_) => FIXED64,
            Wire::Varint(_) => VARINT,
        }
    }

    fn wrong<T>(&self) -> Result<T, WireError> {
        Err(WireError::WireType(self.number, self.wire_type()))
    }

    /// The bytes of a length-delimited field.
    pub(crate) fn bytes(&self) -> Result<&'b [u8], WireError> {
        if let Wire::Bytes(bytes) = self.value { Ok(bytes) } else { self.wrong() }
    }

    /// The number of a varint field.
    pub(crate) fn varint(&self) -> Result<u64, WireError> {
        if let Wire::Varint(value) = self.value { Ok(value) } else { self.wrong() }
    }

    /// The number of a double field.
    pub(crate) fn double(&self) -> Result<f64, WireError> {
        match self.value {
            Wire::Fixed64(bits) => Ok(f64::from_bits(bits)),
            Wire::Bytes(_) | Wire::Fixed32 | Wire::Varint(_) => self.wrong(),
        }
    }
}

impl<'b> Reader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for (at, byte) in self.rest.iter().enumerate() {
            let shift = 7 * u32::try_from(at).unwrap_or(u32::MAX);
            if shift >= 64 {
                return Err(WireError::Overflow);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(at + 1..).unwrap_or(&[]);
                return Ok(value);
            }
        }
        Err(WireError::End)
    }

    #[inline]
    fn take(&mut self, len: u64) -> Result<&'b [u8], WireError> {
        let len = usize::try_from(len).map_err(|_| WireError::End)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::End)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next field; groups, which nobody writes, are skipped.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Item<'b>>, WireError> {
        // Nearly all fields have a number below 16 and a length or value below 128.
        match self.rest {
            [] => return Ok(None),
            [key @ 8..0x80, len @ ..0x80, rest @ ..] if key & 7 == 2 => {
                if let Some((bytes, rest)) = rest.split_at_checked(usize::from(*len)) {
                    self.rest = rest;
                    let value = Wire::Bytes(bytes);
                    return Ok(Some(Item { number: u32::from(*key >> 3), value }));
                }
            }
            [key @ 8..0x80, value @ ..0x80, rest @ ..] if key & 7 == 0 => {
                self.rest = rest;
                let value = Wire::Varint(u64::from(*value));
                return Ok(Some(Item { number: u32::from(*key >> 3), value }));
            }
            _ => {}
        }
        self.any_next()
    }

    /// As [`Self::next`], whatever comes.
    fn any_next(&mut self) -> Result<Option<Item<'b>>, WireError> {
        let mut groups = 0usize;
        loop {
            if self.rest.is_empty() {
                return if groups == 0 { Ok(None) } else { Err(WireError::End) };
            }
            let key = self.varint()?;
            let number = u32::try_from(key >> 3).map_err(|_| WireError::Tag)?;
            if number == 0 {
                return Err(WireError::Tag);
            }
            let value = match key & 7 {
                0 => Wire::Varint(self.varint()?),
                1 => {
                    let bytes = self.take(8)?.try_into().unwrap_or([0; 8]);
                    Wire::Fixed64(u64::from_le_bytes(bytes))
                }
                2 => {
                    let len = self.varint()?;
                    Wire::Bytes(self.take(len)?)
                }
                3 => {
                    groups += 1;
                    continue;
                }
                4 => {
                    groups = groups.checked_sub(1).ok_or(WireError::EndGroup)?;
                    continue;
                }
                5 => {
                    self.take(4)?;
                    Wire::Fixed32
                }
                other => {
                    return Err(WireError::WireType(number, u8::try_from(other).unwrap_or(7)));
                }
            };
            if groups == 0 {
                return Ok(Some(Item { number, value }));
            }
        }
    }
}

/// Key and value of a map entry; what is missing is `None`.
pub(crate) fn map_entry(bytes: &[u8]) -> Result<(&[u8], Option<Item<'_>>), WireError> {
    let mut reader = Reader::new(bytes);
    let (mut key, mut value): (&[u8], _) = (&[], None);
    while let Some(item) = reader.next()? {
        match item.number {
            1 => key = item.bytes()?,
            2 => value = Some(item),
            _ => {}
        }
    }
    Ok((key, value))
}

/// The last bytes field `number` of a message.
pub(crate) fn bytes_field(bytes: &[u8], number: u32) -> Result<Option<&[u8]>, WireError> {
    let mut reader = Reader::new(bytes);
    let mut found = None;
    while let Some(item) = reader.next()? {
        if item.number == number {
            found = Some(item.bytes()?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Reader, WireError};

    #[test]
    fn broken_bytes_are_refused() {
        for (bytes, error) in [
            (&[0x0a][..], WireError::End),
            (&[0x0a, 5, 1], WireError::End),
            (&[0x00, 1], WireError::Tag),
            (&[0x08, 0x80], WireError::End),
            (&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], WireError::Overflow),
            (&[0x0c], WireError::EndGroup),
            (&[0x0b], WireError::End),
            (&[0x0f], WireError::WireType(1, 7)),
            (&[0x09, 1, 2], WireError::End),
        ] {
            assert_eq!(Reader::new(bytes).next().err(), Some(error), "{bytes:?}");
        }
    }

    #[test]
    fn groups_are_skipped() {
        let bytes = [0x0b, 0x10, 1, 0x0c, 0x18, 7];
        let item = Reader::new(&bytes).next().unwrap().unwrap();
        assert_eq!((item.number, item.varint()), (3, Ok(7)));
    }
}
