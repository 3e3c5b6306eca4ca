//! JSON text as Go's `encoding/json` prints it: `<`, `>`, `&`, U+2028 and U+2029 escaped, floats in
//! the shortest form.

/// Bytes that a string may hold unescaped and that stand for themselves.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        table[byte] = !matches!(byte as u8, b'"' | b'\\' | b'<' | b'>' | b'&');
        byte += 1;
    }
    table
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// True if all 16 bytes may stand in a string as they are. Written without branches, so that it
/// compiles to vector compares.
fn all_plain(chunk: &[u8; 16]) -> bool {
    chunk.iter().fold(true, |plain, byte| {
        plain
            & (*byte >= 0x20)
            & (*byte < 0x80)
            & (*byte != b'"')
            & (*byte != b'\\')
            & (*byte != b'<')
            & (*byte != b'>')
            & (*byte != b'&')
    })
}

/// True if any of eight bytes may not stand in a string as it is.
const fn has_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Marks the high bit of bytes below a bound, and of bytes that are zero.
    const fn below(word: u64, bound: u64) -> u64 {
        word.wrapping_sub(ONES * bound) & !word
    }
    const fn equal(word: u64, byte: u8) -> u64 {
        below(word ^ (ONES * byte as u64), 1)
    }
    let marks = word
        | below(word, 0x20)
        | equal(word, b'"')
        | equal(word, b'\\')
        | equal(word, b'<')
        | equal(word, b'>')
        | equal(word, b'&');
    marks & HIGH != 0
}

/// True if a text may stand in a string as it is. Reads the ends of short texts twice rather than
/// byte by byte.
fn is_plain(text: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let (chunks, _) = text.as_chunks::<16>();
        let middle = chunks.iter().all(all_plain);
        // What the chunks leave is at most fifteen bytes at the end.
        let tail = text.last_chunk::<16>().is_none_or(all_plain);
        let ends = text.len() >= 16
            || !(has_special(u64::from_le_bytes(*first)) | has_special(u64::from_le_bytes(*last)));
        return middle && tail && ends;
    }
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let [a, b, c, d] = *first;
            let [e, f, g, h] = *last;
            !has_special(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
        }
        _ => text.iter().all(|byte| PLAIN[usize::from(*byte)]),
    }
}

/// The number of leading bytes that may stand in a string as they are.
fn plain_width(text: &[u8]) -> usize {
    let (chunks, _) = text.as_chunks::<16>();
    let whole = chunks.iter().take_while(|chunk| all_plain(chunk)).count() * 16;
    let rest = text.get(whole..).unwrap_or(&[]);
    whole + rest.iter().take_while(|byte| PLAIN[usize::from(**byte)]).count()
}

/// Appends a string literal.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        escaped(text, out);
    }
    out.push(b'"');
}

/// Appends the inside of a string literal.
pub fn escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, tail) = rest.split_at(plain_width(rest));
        out.extend_from_slice(plain);
        let Some(byte) = tail.first() else { return };
        let width = special(*byte, tail, out);
        rest = tail.get(width..).unwrap_or(&[]);
    }
}

/// Appends what stands for the character at the beginning of `tail`; returns its width there.
fn special(byte: u8, tail: &[u8], out: &mut Vec<u8>) -> usize {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        0xe2 if matches!(tail, [0xe2, 0x80, 0xa8 | 0xa9, ..]) => {
            let last = if tail.get(2) == Some(&0xa8) { b'8' } else { b'9' };
            out.extend_from_slice(b"\\u202");
            out.push(last);
            return 3;
        }
        0x80.. => {
            // The text is UTF-8: copy up to the next ASCII byte or the next possible U+2028.
            let more = tail.iter().skip(1).take_while(|b| **b >= 0x80 && **b != 0xe2).count();
            out.extend_from_slice(tail.get(..=more).unwrap_or(tail));
            return more + 1;
        }
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return 1;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

/// Appends a string literal of bytes that should be UTF-8; what is not becomes U+FFFD.
pub fn string_of_bytes(text: &[u8], out: &mut Vec<u8>) {
    // Most strings are short and ASCII throughout: no need to look at them twice.
    if is_plain(text) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    string(&String::from_utf8_lossy(text), out);
}

/// Appends an integer.
pub fn int(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a float in Go's form; what JSON cannot say becomes `null`.
pub fn float(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        // Rust prints `1e-7` as Go does, and `1e21` where Go prints `1e+21`.
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                out.extend_from_slice(format!("{digits}e+{exponent}").as_bytes());
            }
            _ => out.extend_from_slice(text.as_bytes()),
        }
        return;
    }
    out.extend_from_slice(format!("{number}").as_bytes());
}

/// True if [`compact`] has nothing to do for JSON of these bytes, whatever they say: no blanks, no
/// characters to escape. Looks at sixteen bytes at a time.
pub fn is_tight(source: &[u8]) -> bool {
    let plain =
        |byte: u8| (byte > 0x20) & (byte < 0x7f) & (byte != b'<') & (byte != b'>') & (byte != b'&');
    let (chunks, rest) = source.as_chunks::<16>();
    chunks.iter().all(|chunk| chunk.iter().fold(true, |all, byte| all & plain(*byte)))
        && rest.iter().all(|byte| plain(*byte))
}

/// Appends `source`, which is JSON, without the blanks between its tokens and with the characters
/// escaped that [`string`] escapes. False if brackets or quotes do not pair, or control characters
/// or bytes that are not UTF-8 stand in it: then what was appended is of no use.
pub fn compact(source: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = source;
    let mut depth = 0usize;
    if !source.is_ascii() && std::str::from_utf8(source).is_err() {
        return false;
    }
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            b'"' => {
                out.push(b'"');
                match compact_string(tail, out) {
                    Some(behind) => rest = behind,
                    None => return false,
                }
                continue;
            }
            0..0x20 | 0x7f.. | b'<' | b'>' | b'&' | b'\\' => return false,
            _ => {}
        }
        out.push(*byte);
    }
    depth == 0
}

/// Appends what is left of a string literal, with its end; what comes behind it.
fn compact_string<'s>(source: &'s [u8], out: &mut Vec<u8>) -> Option<&'s [u8]> {
    let mut rest = source;
    loop {
        let (plain, tail) = rest.split_at(plain_width(rest));
        out.extend_from_slice(plain);
        rest = match tail {
            [b'"', behind @ ..] => {
                out.push(b'"');
                return Some(behind);
            }
            [b'\\', escaped @ 0x20..0x7f, behind @ ..] => {
                out.extend_from_slice(&[b'\\', *escaped]);
                behind
            }
            [] | [..0x20 | b'\\', ..] => return None,
            [byte, ..] => {
                let width = special(*byte, tail, out);
                tail.get(width..).unwrap_or(&[])
            }
        };
    }
}

/// Appends `source`, which is compact JSON, indented by two blanks a level (`json.Indent`).
pub fn indented(source: &[u8], out: &mut Vec<u8>) {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut bytes = source.iter().copied().peekable();
    let line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    while let Some(byte) = bytes.next() {
        match byte {
            _ if in_string => {
                out.push(byte);
                match byte {
                    b'"' => in_string = false,
                    b'\\' => out.extend(bytes.next()),
                    _ => {}
                }
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some(b'}' | b']') = bytes.peek() {
                    out.extend(bytes.next());
                } else {
                    depth += 1;
                    line(depth, out);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(depth, out);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(depth, out);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PLAIN, is_plain, plain_width};
    use super::{compact, float, indented, string, string_of_bytes};

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        for (source, expected) in [
            ("plain text of more than sixteen bytes", "plain text of more than sixteen bytes"),
            (
                "tab\tnew\nline \"q\" \\ <>&\u{2028}\u{2029}",
                r#"tab\tnew\nline \"q\" \\ \u003c\u003e\u0026\u2028\u2029"#,
            ),
            ("grün 世界 😀 â", "grün 世界 😀 â"),
            ("\u{8}\u{c}\u{0}\u{1f}\u{7f}", "\\b\\f\\u0000\\u001f\u{7f}"),
        ] {
            assert_eq!(text(|out| string(source, out)), format!("\"{expected}\""));
            assert_eq!(
                text(|out| string_of_bytes(source.as_bytes(), out)),
                format!("\"{expected}\"")
            );
        }
        assert_eq!(text(|out| string_of_bytes(b"a\xffb", out)), "\"a\u{fffd}b\"");
    }

    #[test]
    fn special_bytes_are_seen_wherever_they_stand() {
        for special in [0u8, 0x1f, b'"', b'\\', b'<', b'>', b'&', 0x80, 0xff] {
            for len in 1..40usize {
                for at in 0..len {
                    let mut text = vec![b'~'; len];
                    assert!(is_plain(&text));
                    text[at] = special;
                    assert!(!is_plain(&text), "{special} at {at} of {len}");
                    assert_eq!(plain_width(&text), at);
                }
            }
        }
        for byte in 0x20..0x7fu8 {
            assert_eq!(is_plain(&[byte; 9]), PLAIN[usize::from(byte)]);
        }
    }

    #[test]
    fn floats_print_as_go_prints_them() {
        for (number, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (0.0, "0"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(text(|out| float(number, out)), expected);
        }
    }

    #[test]
    fn raw_json_that_would_break_out_of_its_place_is_noticed() {
        for source in ["}{", "{", "\"a", "\"a\nb\"", "\"a\\", "a\\"] {
            assert!(!compact(source.as_bytes(), &mut Vec::new()), "{source}");
        }
        assert!(!compact(b"\"\xff\"", &mut Vec::new()));
    }

    #[test]
    fn raw_json_is_compacted_and_indented() {
        let source = "{ \"a b\" : [ 1 , \"\\\" <\" ] ,\n \"c\":{}, \"d\":[] }";
        let flat = text(|out| assert!(compact(source.as_bytes(), out)));
        assert_eq!(flat, r#"{"a b":[1,"\" \u003c"],"c":{},"d":[]}"#);
        let tall = text(|out| indented(flat.as_bytes(), out));
        assert_eq!(
            tall,
            "{\n  \"a b\": [\n    1,\n    \"\\\" \\u003c\"\n  ],\n  \"c\": {},\n  \"d\": []\n}"
        );
    }
}
