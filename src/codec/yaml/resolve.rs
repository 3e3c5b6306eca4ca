//! What a plain scalar is, by the rules of go-yaml v2 (YAML 1.1 with its own limits).

use super::error::YamlError;
use crate::codec::scalar::time::is_yaml_timestamp;

/// A scalar's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'s> {
    Bool(bool),
    Float(f64),
    Int(i64),
    /// `<<`.
    Merge,
    Null,
    Str(&'s str),
    Uint(u64),
}

impl Scalar<'_> {
    fn tag(&self) -> &'static str {
        match self {
            Self::Bool(_) => "!!bool",
            Self::Float(_) => "!!float",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Merge => "!!merge",
            Self::Null => "!!null",
            Self::Str(_) => "!!str",
        }
    }
}

/// Resolves a plain scalar (`resolve` with an empty tag).
pub(super) fn plain(text: &str) -> Scalar<'_> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        "<<" => return Scalar::Merge,
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => float(text).map_or(Scalar::Str(text), Scalar::Float),
        Some(b'+' | b'-' | b'0'..=b'9') if !is_yaml_timestamp(text) => number(text),
        _ => Scalar::Str(text),
    }
}

/// True if the text, written plain, would be read as the same string.
pub(super) fn is_plain_string(text: &str) -> bool {
    // A timestamp is read as a string here, but elsewhere it is not.
    matches!(plain(text), Scalar::Str(_)) && !is_yaml_timestamp(text) && !is_base_60(text)
}

/// Resolves a scalar with a tag of the core schema (`!!int` …).
pub(super) fn tagged<'s>(tag: &str, text: &'s str) -> Result<Scalar<'s>, YamlError> {
    if !matches!(tag, "bool" | "float" | "int" | "null" | "str" | "timestamp") {
        return Ok(Scalar::Str(text));
    }
    if tag == "str" {
        return Ok(Scalar::Str(text));
    }
    let scalar = plain(text);
    match (tag, scalar) {
        ("timestamp", Scalar::Str(_)) if is_yaml_timestamp(text) => Ok(scalar),
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
        ("float", Scalar::Int(n)) => Ok(Scalar::Float(n as f64)),
        _ if scalar.tag().get(2..) == Some(tag) => Ok(scalar),
        _ => Err(YamlError::Tag(scalar.tag(), text.to_owned(), format!("!!{tag}"))),
    }
}

fn number(text: &str) -> Scalar<'_> {
    let digits = text.replace('_', "");
    let (negative, magnitude) = match digits.as_bytes().first() {
        Some(b'-') => (true, digits.get(1..).unwrap_or("")),
        Some(b'+') => (false, digits.get(1..).unwrap_or("")),
        _ => (false, digits.as_str()),
    };
    let (radix, body) = match magnitude.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, magnitude.get(2..).unwrap_or("")),
        [b'0', b'o' | b'O', ..] => (8, magnitude.get(2..).unwrap_or("")),
        [b'0', b'b' | b'B', ..] => (2, magnitude.get(2..).unwrap_or("")),
        [b'0', _, ..] => (8, magnitude.get(1..).unwrap_or("")),
        _ => (10, magnitude),
    };
    let is_sign = |c: char| c == '+' || c == '-';
    if !body.starts_with(is_sign)
        && let Ok(n) = u64::from_str_radix(body, radix)
    {
        let signed = if negative { 0i64.checked_sub_unsigned(n) } else { i64::try_from(n).ok() };
        match signed {
            Some(n) => return Scalar::Int(n),
            // Go reads no sign before an unsigned integer.
            None if !negative && !digits.starts_with('+') => return Scalar::Uint(n),
            None => {}
        }
    }
    if is_yaml_float(magnitude)
        && let Some(n) = float(&digits)
    {
        return Scalar::Float(n);
    }
    Scalar::Str(text)
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the sign taken off.
fn is_yaml_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at).unwrap_or(""), text.get(at + 1..)),
        None => (text, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let is_exponent = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && all_digits(text)
    });
    is_mantissa && is_exponent
}

/// A finite float; Go refuses what is out of range.
fn float(text: &str) -> Option<f64> {
    let starts_well =
        text.starts_with(['+', '-', '.']) || text.starts_with(|c: char| c.is_ascii_digit());
    text.parse::<f64>().ok().filter(|n| n.is_finite() && starts_well)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: a number to base 60 for older parsers.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (sixties, fraction) = text.split_once('.').unwrap_or((text, ""));
    let loose = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut parts = sixties.split(':');
    let first = parts.next().unwrap_or("");
    let mut count = 0;
    first.starts_with(|c: char| c.is_ascii_digit())
        && loose(first)
        && loose(fraction)
        && parts.all(|part| {
            count += 1;
            matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
        })
        && count > 0
}

#[cfg(test)]
mod tests {
    use super::{Scalar, is_plain_string, plain, tagged};

    #[test]
    fn plain_scalars_are_what_yaml_1_1_says() {
        for (text, expected) in [
            ("yes", Scalar::Bool(true)),
            ("off", Scalar::Bool(false)),
            ("~", Scalar::Null),
            ("1", Scalar::Int(1)),
            ("0x1F", Scalar::Int(31)),
            ("0o17", Scalar::Int(15)),
            ("017", Scalar::Int(15)),
            ("-0b101", Scalar::Int(-5)),
            ("1_000", Scalar::Int(1000)),
            ("+7", Scalar::Int(7)),
            ("08", Scalar::Float(8.0)),
            ("1e3", Scalar::Float(1000.0)),
            (".5", Scalar::Float(0.5)),
            ("18446744073709551615", Scalar::Uint(u64::MAX)),
            ("-9223372036854775808", Scalar::Int(i64::MIN)),
            ("2026-01-02", Scalar::Str("2026-01-02")),
            ("1.2.3", Scalar::Str("1.2.3")),
            ("0x", Scalar::Str("0x")),
            ("-", Scalar::Str("-")),
            ("nginx", Scalar::Str("nginx")),
            (".nothing", Scalar::Str(".nothing")),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn tags_force_the_type() {
        assert_eq!(tagged("str", "1"), Ok(Scalar::Str("1")));
        assert_eq!(tagged("float", "1"), Ok(Scalar::Float(1.0)));
        let error = tagged("int", "x").unwrap_err().to_string();
        assert_eq!(error, "yaml: cannot decode !!str `x` as a !!int");
    }

    #[test]
    fn strings_that_read_otherwise_are_quoted() {
        for text in ["", "true", "1", "1:30", "2026-01-02T03:04:05Z", "~", "1e3"] {
            assert!(!is_plain_string(text), "{text}");
        }
        for text in ["nginx:1.29", "10.0.0.1", "a1", "1Gi", "500m"] {
            assert!(is_plain_string(text), "{text}");
        }
    }
}
