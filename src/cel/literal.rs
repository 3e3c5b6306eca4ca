//! Literals: numbers, and strings with their escapes (cel-go `parser.unescape`).

use super::ast::Literal;

type Read = Result<Literal, &'static str>;

pub(super) fn int(sign: &str, text: &str) -> Read {
    let (digits, base) = radix(text);
    let number = i64::from_str_radix(&format!("{sign}{digits}"), base);
    number.map(Literal::Int).map_err(|_| "invalid int literal")
}

pub(super) fn uint(text: &str) -> Read {
    let (digits, base) = radix(text.trim_end_matches(['u', 'U']));
    u64::from_str_radix(digits, base).map(Literal::Uint).map_err(|_| "invalid uint literal")
}

pub(super) fn float(sign: &str, text: &str) -> Read {
    match format!("{sign}{text}").parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Literal::Double(number)),
        _ => Err("invalid double literal"),
    }
}

fn radix(text: &str) -> (&str, u32) {
    text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16))
}

pub(super) fn string(text: &str) -> Result<Box<str>, &'static str> {
    let bytes = unescape(text, false)?;
    String::from_utf8(bytes).map(Into::into).map_err(|_| "invalid unicode code point")
}

pub(super) fn bytes(text: &str) -> Read {
    unescape(text, true).map(|bytes| Literal::Bytes(bytes.into()))
}

/// What stands between the quotes, with escapes resolved. In bytes `\x41` and `\101` are one byte,
/// in strings one code point.
fn unescape(text: &str, is_bytes: bool) -> Result<Vec<u8>, &'static str> {
    let bad = "unable to unescape string";
    let raw = text.starts_with(['r', 'R']);
    let text = if raw { text.get(1..).unwrap_or("") } else { text };
    let quote = if text.starts_with("\"\"\"") || text.starts_with("'''") { 3 } else { 1 };
    let inner = text.len().checked_sub(quote).and_then(|end| text.get(quote..end)).ok_or(bad)?;
    let inner = inner.replace("\r\n", "\n").replace('\r', "\n");
    if raw {
        return Ok(inner.into_bytes());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.as_str();
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let body = escaped.get(1..).ok_or(bad)?;
        let kind = body.chars().next().ok_or(bad)?;
        let behind = body.get(kind.len_utf8()..).ok_or(bad)?;
        let simple = match kind {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            '\\' | '\'' | '"' | '`' | '?' => u8::try_from(kind).ok(),
            _ => None,
        };
        if let Some(byte) = simple {
            out.push(byte);
            rest = behind;
            continue;
        }
        let (digits, base, count) = match kind {
            'x' | 'X' => (behind, 16, 2),
            'u' if !is_bytes => (behind, 16, 4),
            'U' if !is_bytes => (behind, 16, 8),
            '0'..='3' => (body, 8, 3),
            _ => return Err(bad),
        };
        let code = digits.get(..count).and_then(|digits| u32::from_str_radix(digits, base).ok());
        let code = code.ok_or(bad)?;
        rest = digits.get(count..).ok_or(bad)?;
        match u8::try_from(code) {
            Ok(byte) if is_bytes => out.push(byte),
            _ => {
                let c = char::from_u32(code).ok_or("invalid unicode code point")?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{bytes, int, string};
    use crate::cel::ast::Literal;

    #[test]
    fn escapes_resolve() {
        assert_eq!(string(r#""a\n\x41\u00e9\101""#).as_deref(), Ok("a\nA\u{e9}A"));
        assert_eq!(string(r"r'\d'").as_deref(), Ok("\\d"));
        assert_eq!(string("'''a'b'''").as_deref(), Ok("a'b"));
        assert_eq!(bytes(r"'\xff'"), Ok(Literal::Bytes([255].into())));
        assert_eq!(string(r"'\ud800'"), Err("invalid unicode code point"));
    }

    #[test]
    fn the_least_integer_can_be_written() {
        assert_eq!(int("-", "9223372036854775808"), Ok(Literal::Int(i64::MIN)));
        assert_eq!(int("", "0x10"), Ok(Literal::Int(16)));
        assert_eq!(int("", "9223372036854775808"), Err("invalid int literal"));
    }
}
