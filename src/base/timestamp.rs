//! RFC 3339 text of points in time, as `metav1.Time` and `metav1.MicroTime` show them: UTC, whole
//! seconds or six digits of a second.

use std::fmt::Write as _;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// `2026-01-02T03:04:05Z` for seconds since the epoch.
pub fn rfc3339(seconds: i64) -> String {
    let mut text = String::with_capacity(20);
    write_seconds(seconds, &mut text);
    text.push('Z');
    text
}

/// `2026-01-02T03:04:05.000006Z` for microseconds since the epoch.
pub fn rfc3339_micros(micros: i64) -> String {
    let mut text = String::with_capacity(27);
    write_seconds(micros.div_euclid(1_000_000), &mut text);
    let _ = write!(text, ".{:06}Z", micros.rem_euclid(1_000_000));
    text
}

/// Seconds since the epoch of an RFC 3339 text, any offset; `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    parse(text).map(|(seconds, _)| seconds)
}

/// Seconds and nanoseconds since the epoch of an RFC 3339 text.
pub fn parse(text: &str) -> Option<(i64, u32)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let is = |at: usize, expected: u8| bytes.get(at).is_some_and(|b| *b == expected);
    let marks = is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':');
    if !marks {
        return None;
    }
    let month = Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
    let year = i32::try_from(number(0, 4)?).ok()?;
    let day = u8::try_from(number(8, 10)?).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let unit = |from: usize, to: usize| number(from, to).and_then(|n| u8::try_from(n).ok());
    let clock = Time::from_hms(unit(11, 13)?, unit(14, 16)?, unit(17, 19)?).ok()?;
    let mut at = 19;
    let mut nanos = 0;
    if is(at, b'.') {
        let digits = bytes.get(at + 1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let shown = text.get(at + 1..at + 1 + digits.min(9))?;
        nanos = shown.parse::<u32>().ok()?.checked_mul(10_u32.pow(9 - shown.len() as u32))?;
        at += 1 + digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' if bytes.len() == at + 1 => UtcOffset::UTC,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b':') => {
            let hours = i8::try_from(number(at + 1, at + 3)?).ok()?;
            let minutes = i8::try_from(number(at + 4, at + 6)?).ok()?;
            let factor = if *sign == b'-' { -1 } else { 1 };
            UtcOffset::from_hms(factor * hours, factor * minutes, 0).ok()?
        }
        _ => return None,
    };
    Some((date.with_time(clock).assume_offset(offset).unix_timestamp(), nanos))
}

fn write_seconds(seconds: i64, out: &mut String) {
    // Years 0 to 9999 are all that RFC 3339 can show.
    let clamped = seconds.clamp(-62_167_219_200, 253_402_300_799);
    let Ok(at) = OffsetDateTime::from_unix_timestamp(clamped) else { return };
    let (hour, minute, second) = at.to_hms();
    // Each write has one of these: no formatting machinery.
    let century = u8::try_from(at.year() / 100).unwrap_or(0);
    let year = u8::try_from(at.year() % 100).unwrap_or(0);
    push_two(century, out);
    let parts =
        [(year, '-'), (u8::from(at.month()), '-'), (at.day(), 'T'), (hour, ':'), (minute, ':')];
    for (number, mark) in parts {
        push_two(number, out);
        out.push(mark);
    }
    push_two(second, out);
}

fn push_two(number: u8, out: &mut String) {
    out.push(char::from(b'0' + number / 10 % 10));
    out.push(char::from(b'0' + number % 10));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_trip() {
        for seconds in [0, 951_782_399, 1_767_225_600, 4_102_444_799] {
            assert_eq!(parse_rfc3339(&rfc3339(seconds)), Some(seconds));
        }
        assert_eq!(rfc3339(1_767_225_600), "2026-01-01T00:00:00Z");
        assert_eq!(rfc3339_micros(1_500_000), "1970-01-01T00:00:01.500000Z");
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        assert_eq!(parse("1970-01-01T01:00:00.25+01:00"), Some((0, 250_000_000)));
        for bad in ["", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00", "x"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
