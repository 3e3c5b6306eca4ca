//! Base64 as Go's `StdEncoding` reads it: padding required, line ends skipped, stray bits ignored.

use super::ScalarError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

fn value_of(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Decodes `text` and appends the bytes.
///
/// # Errors
/// The offset that `base64.CorruptInputError` names.
pub fn decode_into(text: &[u8], out: &mut Vec<u8>) -> Result<(), ScalarError> {
    let mut quantum = 0u32;
    let mut filled = 0usize;
    let mut bytes = text.iter().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    while let Some((at, byte)) = bytes.next() {
        if let Some(value) = value_of(*byte) {
            quantum = quantum << 6 | value;
            filled += 1;
            if filled == 4 {
                out.extend_from_slice(quantum.to_be_bytes().get(1..).unwrap_or(&[]));
                (quantum, filled) = (0, 0);
            }
            continue;
        }
        if *byte != b'=' || filled < 2 {
            return Err(ScalarError::Base64(at));
        }
        if filled == 2 {
            match bytes.next() {
                Some((_, b'=')) => {}
                Some((at, _)) => return Err(ScalarError::Base64(at)),
                None => return Err(ScalarError::Base64(text.len())),
            }
        }
        if let Some((at, _)) = bytes.next() {
            return Err(ScalarError::Base64(at));
        }
        let whole = (quantum << (6 * (4 - filled))).to_be_bytes();
        out.extend_from_slice(whole.get(1..filled).unwrap_or(&[]));
        return Ok(());
    }
    match filled {
        0 => Ok(()),
        _ => Err(ScalarError::Base64(text.len() - filled)),
    }
}

/// The canonical text of the same bytes; borrows `text` if it is canonical already.
pub fn normalize(text: &str) -> Result<Cow<'_, str>, ScalarError> {
    if is_canonical(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    decode_into(text.as_bytes(), &mut bytes)?;
    Ok(Cow::Owned(STANDARD.encode(bytes)))
}

fn is_canonical(text: &[u8]) -> bool {
    if !text.len().is_multiple_of(4) {
        return false;
    }
    let body = match text {
        [body @ .., b'=', b'='] => body,
        [body @ .., b'='] => body,
        body => body,
    };
    let stray_bits = match text.len() - body.len() {
        0 => 0,
        1 => 0b11,
        _ => 0b1111,
    };
    body.iter().all(|byte| value_of(*byte).is_some())
        && body.last().and_then(|byte| value_of(*byte)).unwrap_or(0) & stray_bits == 0
        && (body.len() + 2 >= text.len())
        && !(text.len() - body.len() == 2 && body.len() % 4 != 2)
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn text_is_normalized_as_go_re_encodes_it() {
        for (text, expected) in
            [("dg==", "dg=="), ("", ""), ("dg==\n", "dg=="), ("dh==", "dg=="), ("ZG\nF0", "ZGF0")]
        {
            assert_eq!(normalize(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_the_byte_that_go_names() {
        for (text, at) in [("dg", 0), ("!!", 0), ("dGVzdA", 4), ("dg=", 3), ("dg=x", 3)] {
            let error = normalize(text).unwrap_err().to_string();
            assert_eq!(error, format!("illegal base64 data at input byte {at}"), "{text}");
        }
    }
}
