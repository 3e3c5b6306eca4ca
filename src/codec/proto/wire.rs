//! Writing protobuf fields.

/// Wire types.
pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const FIXED32: u8 = 5;

/// Appends a varint.
pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low7(value) | 0x80);
        value >>= 7;
    }
    out.push(low7(value));
}

fn low7(value: u64) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or(0)
}

/// The number of bytes that [`varint`] appends.
pub(crate) fn varint_width(value: u64) -> usize {
    let bits = 64 - value.max(1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Appends a field's key.
pub(crate) fn key(number: u32, wire_type: u8, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | u64::from(wire_type), out);
}

/// Appends a field of bytes.
pub(crate) fn bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    key(number, BYTES, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Appends an integer field; negative ones take ten bytes, as in Go.
pub(crate) fn int(number: u32, value: i64, out: &mut Vec<u8>) {
    key(number, VARINT, out);
    varint(value.cast_unsigned(), out);
}

/// Appends a field of bytes whose length is known only once `write` has written them.
pub(crate) fn nested(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    key(number, BYTES, out);
    let start = out.len();
    out.push(0);
    write(out);
    let len = out.len() - start - 1;
    match out.get_mut(start) {
        Some(slot) if len < 0x80 => *slot = low7(len as u64),
        _ => {
            // The length takes more than the one byte kept for it: move the bytes behind it.
            let more = varint_width(len as u64) - 1;
            out.resize(out.len() + more, 0);
            out.copy_within(start + 1..start + 1 + len, start + 1 + more);
            let mut rest = len as u64;
            for slot in out.get_mut(start..=start + more).unwrap_or(&mut []) {
                let last = rest < 0x80;
                *slot = low7(rest) | if last { 0 } else { 0x80 };
                rest >>= 7;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{nested, varint, varint_width};

    #[test]
    fn lengths_of_any_width_are_put_in_front() {
        for len in [0usize, 1, 127, 128, 16_383, 16_384, 300_000] {
            let mut out = Vec::new();
            nested(1, &mut out, |out| out.extend((0..len).map(|at| (at % 251) as u8)));
            let mut expected = vec![0x0a];
            varint(len as u64, &mut expected);
            assert_eq!(varint_width(len as u64), expected.len() - 1);
            expected.extend((0..len).map(|at| (at % 251) as u8));
            assert_eq!(out, expected);
        }
    }
}
