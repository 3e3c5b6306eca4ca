//! Go's duration text (`time.ParseDuration`, `time.Duration.String`), kept as nanoseconds.

use std::fmt;

/// Why a text is no duration; prints as Go's `time.ParseDuration` errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurationError {
    /// Not a duration, or beyond 292 years.
    Invalid(String),
    /// A number without unit.
    MissingUnit(String),
    /// A unit that is none.
    UnknownUnit(String, String),
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => write!(f, "time: invalid duration {text:?}"),
            Self::MissingUnit(text) => write!(f, "time: missing unit in duration {text:?}"),
            Self::UnknownUnit(unit, text) => {
                write!(f, "time: unknown unit {unit:?} in duration {text:?}")
            }
        }
    }
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Reads `1h15m30.918s` and the like; nanoseconds.
///
/// # Errors
/// Go's: not a duration, or beyond 292 years.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1, text.get(1..).unwrap_or("")),
        Some(b'+') => (1, text.get(1..).unwrap_or("")),
        _ => (1, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let whole_width = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(whole_width);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_width =
            after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_width);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let nanos = unit_nanos(unit)
            .ok_or_else(|| DurationError::UnknownUnit(unit.to_owned(), text.to_owned()))?;
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        total += i128::from(whole) * nanos;
        // More digits than 18 cannot change whole nanoseconds of any unit.
        let (mut value, mut scale) = (0i128, 1i128);
        for digit in fraction.bytes().take(18) {
            value = value * 10 + i128::from(digit - b'0');
            scale *= 10;
        }
        total += value * nanos / scale;
        if total > i128::from(i64::MAX) + i128::from(sign < 0) {
            return Err(invalid());
        }
        rest = after;
    }
    i64::try_from(total * sign).map_err(|_| invalid())
}

/// The text that `time.Duration.String` makes.
pub fn text(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    if magnitude == 0 {
        return "0s".to_owned();
    }
    if magnitude < 1_000_000_000 {
        let (unit, scale) = match magnitude {
            ..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{sign}{}{unit}", decimal(magnitude, scale));
    }
    let (minutes, rest) = (magnitude / 60_000_000_000, magnitude % 60_000_000_000);
    let seconds = decimal(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / scale` without trailing zeros; `scale` is a power of ten.
fn decimal(value: u64, scale: u64) -> String {
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    let fraction = format!("{fraction:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::{parse, text};

    #[test]
    fn durations_print_as_go_prints_them() {
        for (source, expected) in [
            ("0", "0s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1.5h", "1h30m0s"),
            ("-1.5s", "-1.5s"),
            ("100us", "100µs"),
            ("1500us", "1.5ms"),
            ("3ns", "3ns"),
            ("1m0.25s", "1m0.25s"),
            (".5s", "500ms"),
            ("1.s", "1s"),
            ("+2us", "2µs"),
            ("-0", "0s"),
            ("1h2m3.004s", "1h2m3.004s"),
        ] {
            assert_eq!(text(parse(source).unwrap()), expected, "{source}");
        }
        assert_eq!(text(i64::MIN), "-2562047h47m16.854775808s");
        assert_eq!(parse(&text(i64::MIN)), Ok(i64::MIN));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_go_s_text() {
        for (source, expected) in [
            ("", r#"time: invalid duration """#),
            ("1", r#"time: missing unit in duration "1""#),
            ("1x", r#"time: unknown unit "x" in duration "1x""#),
            ("s", r#"time: invalid duration "s""#),
            (".s", r#"time: invalid duration ".s""#),
            ("-", r#"time: invalid duration "-""#),
            ("abc", r#"time: invalid duration "abc""#),
            ("1s5", r#"time: missing unit in duration "1s5""#),
            ("1..5s", r#"time: missing unit in duration "1..5s""#),
            ("1s ", r#"time: unknown unit "s " in duration "1s ""#),
            ("300000h1000000000h", r#"time: invalid duration "300000h1000000000h""#),
            ("9999999h", r#"time: invalid duration "9999999h""#),
        ] {
            assert_eq!(parse(source).unwrap_err().to_string(), expected);
        }
    }
}
