//! Durations as Go writes them.

use std::time::Duration;

/// Parses `1h2m3.5s`, `300ms`, `0` (Go's `time.ParseDuration`), but nothing negative.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end =
            behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        total = total.checked_add(term(number, nanoseconds(unit)?)?)?;
        rest = behind;
    }
    // Go's durations end at about 292 years.
    (total.as_nanos() <= i64::MAX as u128).then_some(total)
}

/// As Go's `time.ParseDuration`, for text of clients: `None` for what is not above zero.
///
/// # Errors
/// Go's words.
pub fn parse_go(text: &str) -> Result<Option<Duration>, String> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match parse(unsigned) {
        Some(_) if unsigned.len() < text.len() && !unsigned.starts_with('+') => Ok(None),
        Some(found) if unsigned.len() == text.len() => Ok(Some(found).filter(|d| !d.is_zero())),
        _ => Err(complaint(text, unsigned)),
    }
}

/// What Go says of a text that is no duration.
fn complaint(text: &str, unsigned: &str) -> String {
    let quoted = format!("{text:?}");
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = unsigned.strip_prefix('+').unwrap_or(unsigned);
    while rest.starts_with(is_number) {
        rest = rest.trim_start_matches(is_number);
        if rest.is_empty() {
            return format!("time: missing unit in duration {quoted}");
        }
        let (unit, behind) = rest.split_at(rest.find(is_number).unwrap_or(rest.len()));
        if nanoseconds(unit).is_none() {
            return format!("time: unknown unit {unit:?} in duration {quoted}");
        }
        rest = behind;
    }
    format!("time: invalid duration {quoted}")
}

fn nanoseconds(unit: &str) -> Option<u64> {
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

fn term(number: &str, unit_nanoseconds: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanoseconds = u128::from(whole) * u128::from(unit_nanoseconds);
    let mut scale = u128::from(unit_nanoseconds);
    for digit in fraction.bytes().take(18) {
        // Each digit is worth a tenth of the one before; computed on the digits' own place so
        // that nothing is rounded twice.
        nanoseconds += u128::from(digit - b'0') * scale / 10;
        scale /= 10;
    }
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanoseconds % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_in_gos_words() {
        assert_eq!(parse_go("1s"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(parse_go("0"), Ok(None));
        assert_eq!(parse_go("-5s"), Ok(None));
        for (text, message) in [
            ("abc", "time: invalid duration \"abc\""),
            ("10", "time: missing unit in duration \"10\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            ("1s5", "time: missing unit in duration \"1s5\""),
            ("-", "time: invalid duration \"-\""),
        ] {
            assert_eq!(parse_go(text), Err(message.to_owned()));
        }
    }

    #[test]
    fn durations_parse_as_go_does() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("1m0s", 60_000_000_000),
            ("1h0m0s", 3_600_000_000_000),
            ("300ms", 300_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+2us", 2_000),
            ("1h2m3.004s", 3_723_004_000_000),
        ] {
            let parsed = parse(text).map(|d| d.as_nanos());
            assert_eq!(parsed, Some(nanoseconds), "{text}");
        }
        for text in [
            "",
            "1",
            "s",
            "-1s",
            "1x",
            "1..5s",
            "1s ",
            ".s",
            "99999999999999999999h",
            "300000h1000000000h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
