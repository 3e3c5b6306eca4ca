//! `metav1.Time` and `metav1.MicroTime`: RFC 3339 text, kept in UTC.

use std::fmt;

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

/// Which text form is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Exactly six fraction digits (`metav1.RFC3339Micro`).
    Micro,
    /// Whole seconds; a fraction is accepted and dropped (`time.RFC3339`).
    Seconds,
}

/// Why a text is no time; prints as Go's `time.ParseError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeError {
    text: String,
    layout: Layout,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// The rest of the text does not match this element of the layout.
    Element(String, &'static str),
    /// Something is left.
    Extra(String),
    /// A number is out of range.
    Range(&'static str),
}

impl Layout {
    const fn text(self) -> &'static str {
        match self {
            Self::Micro => "2006-01-02T15:04:05.000000Z07:00",
            Self::Seconds => "2006-01-02T15:04:05Z07:00",
        }
    }
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, layout, problem } = self;
        match problem {
            Problem::Element(rest, element) => write!(
                f,
                "parsing time {text:?} as {:?}: cannot parse {rest:?} as {element:?}",
                layout.text()
            ),
            Problem::Extra(rest) => write!(f, "parsing time {text:?}: extra text: {rest:?}"),
            Problem::Range(what) => write!(f, "parsing time {text:?}: {what} out of range"),
        }
    }
}

struct Parser<'s> {
    rest: &'s str,
}

impl Parser<'_> {
    fn literal(&mut self, text: &'static str) -> Result<(), Problem> {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(Problem::Element(self.rest.to_owned(), text)),
        }
    }

    /// Takes `width` digits.
    fn number(&mut self, width: usize, element: &'static str) -> Result<u32, Problem> {
        let digits = self.rest.get(..width).filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(number) => {
                self.rest = self.rest.get(width..).unwrap_or("");
                Ok(number)
            }
            None => Err(Problem::Element(self.rest.to_owned(), element)),
        }
    }

    fn ranged(
        &mut self,
        element: &'static str,
        what: &'static str,
        max: u32,
    ) -> Result<u32, Problem> {
        // Go takes an hour of one digit too.
        let one = self.rest.as_bytes().get(1).is_none_or(|byte| !byte.is_ascii_digit());
        let width = if element == "15" && one { 1 } else { 2 };
        let number = self.number(width, element)?;
        if number > max { Err(Problem::Range(what)) } else { Ok(number) }
    }

    /// Takes a fraction that begins at a point or comma; nanoseconds.
    fn fraction(&mut self, width: usize, element: &'static str) -> Result<u32, Problem> {
        let bad = || Problem::Element(self.rest.to_owned(), element);
        let text = self.rest.get(..=width).filter(|text| text.starts_with(['.', ',']));
        let digits = text.and_then(|text| text.get(1..)).ok_or_else(bad)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let nanos = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = nanos.fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        self.rest = self.rest.get(width + 1..).unwrap_or("");
        Ok(nanos)
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, Problem> {
        const ELEMENT: &str = "Z07:00";
        let whole = self.rest;
        if let Some(rest) = whole.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bad = || Problem::Element(whole.to_owned(), ELEMENT);
        let text = whole.get(..6).ok_or_else(bad)?;
        let sign = match text.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(bad()),
        };
        let pair = |from: usize| {
            let digits = text.get(from..from + 2)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
        };
        let (Some(hours), Some(minutes), Some(":")) = (pair(1), pair(4), text.get(3..4)) else {
            return Err(bad());
        };
        if hours > 24 {
            return Err(Problem::Range("time zone offset hour"));
        }
        if minutes > 60 {
            return Err(Problem::Range("time zone offset minute"));
        }
        self.rest = whole.get(6..).unwrap_or("");
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

/// Reads a time as `time.Parse` with `layout` does.
pub fn parse(text: &str, layout: Layout) -> Result<Instant, TimeError> {
    parse_parts(text, layout).map_err(|problem| TimeError {
        text: text.to_owned(),
        layout,
        problem,
    })
}

fn parse_parts(text: &str, layout: Layout) -> Result<Instant, Problem> {
    let mut parser = Parser { rest: text };
    let year = parser.number(4, "2006")?;
    parser.literal("-")?;
    let month = parser.ranged("01", "month", 12)?;
    if month == 0 {
        return Err(Problem::Range("month"));
    }
    parser.literal("-")?;
    let day = parser.number(2, "02")?;
    parser.literal("T")?;
    let hour = parser.ranged("15", "hour", 23)?;
    parser.literal(":")?;
    let minute = parser.ranged("04", "minute", 59)?;
    parser.literal(":")?;
    let second = parser.ranged("05", "second", 59)?;
    let mut nanos = 0;
    match layout {
        Layout::Micro => nanos = parser.fraction(6, ".000000")?,
        Layout::Seconds => {
            let mut bytes = parser.rest.bytes();
            if matches!(bytes.next(), Some(b'.' | b',')) {
                let width = bytes.take_while(u8::is_ascii_digit).count();
                if width > 0 {
                    nanos = parser.fraction(width, "")?;
                }
            }
        }
    }
    let offset = parser.zone()?;
    if !parser.rest.is_empty() {
        return Err(Problem::Extra(parser.rest.to_owned()));
    }
    if day < 1 || day > days_in(month, year) {
        return Err(Problem::Range("day"));
    }
    let days = days_from_civil(i64::from(year), i64::from(month), i64::from(day));
    let of_day = i64::from(hour * 3600 + minute * 60 + second);
    Ok(Instant { seconds: days * 86_400 + of_day - offset, nanos })
}

fn days_in(month: u32, year: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch of a date in the proleptic Gregorian calendar, counted in eras of 400 years
/// that begin on 1 March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month, day of a number of days since the epoch.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// True if a plain YAML scalar counts as a timestamp (`parseTimestamp` of go-yaml v2).
pub fn is_yaml_timestamp(text: &str) -> bool {
    let number = |text: &mut &str, most: usize| {
        let width = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = text.split_at(width);
        *text = rest;
        digits.parse::<u32>().ok()
    };
    let literal = |text: &mut &str, literal: &[char]| match text.strip_prefix(literal) {
        Some(rest) => {
            *text = rest;
            true
        }
        None => false,
    };
    let parts = |mut rest: &str| -> Option<bool> {
        let bytes = rest.as_bytes();
        if bytes.iter().take_while(|byte| byte.is_ascii_digit()).count() != 4 {
            return None;
        }
        let year = number(&mut rest, 4)?;
        literal(&mut rest, &['-']).then_some(())?;
        let month = number(&mut rest, 2)?;
        literal(&mut rest, &['-']).then_some(())?;
        let day = number(&mut rest, 2)?;
        if !(1..=12).contains(&month) || day < 1 || day > days_in(month, year) {
            return None;
        }
        if rest.is_empty() {
            return Some(true);
        }
        let zoned = !rest.starts_with(' ');
        literal(&mut rest, &['T', 't', ' ']).then_some(())?;
        let hour = number(&mut rest, 2)?;
        literal(&mut rest, &[':']).then_some(())?;
        let minute = number(&mut rest, 2)?;
        literal(&mut rest, &[':']).then_some(())?;
        let second = number(&mut rest, 2)?;
        if literal(&mut rest, &['.', ',']) {
            number(&mut rest, 9)?;
        }
        let zone_ends = match zoned {
            true => {
                let mut parser = Parser { rest };
                parser.zone().is_ok() && parser.rest.is_empty()
            }
            false => rest.is_empty(),
        };
        Some(hour < 24 && minute < 60 && second < 60 && zone_ends)
    };
    parts(text).unwrap_or(false)
}

/// True if a text that [`parse`] takes is the one that [`write`] makes of it.
pub fn is_canonical(text: &str, layout: Layout) -> bool {
    let len = match layout {
        Layout::Micro => 27,
        Layout::Seconds => 20,
    };
    text.len() == len && text.ends_with('Z') && !text.contains(',')
}

/// The UTC text of an instant, made without allocation.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    bytes: [u8; 27],
    len: usize,
}

impl Text {
    /// The text; seconds beyond the year 9999 or before the year 0 are clamped.
    pub fn new(instant: Instant, layout: Layout) -> Self {
        const MIN: i64 = -62_167_219_200;
        const MAX: i64 = 253_402_300_799;
        let seconds = instant.seconds.clamp(MIN, MAX);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let of_day = u32::try_from(of_day).unwrap_or(0);
        let year = u32::try_from(year).unwrap_or(0);
        let mut text = Self { bytes: *b"0000-00-00T00:00:00Z000000Z", len: 20 };
        text.put(0, year / 100);
        text.put(2, year % 100);
        text.put(5, month);
        text.put(8, day);
        text.put(11, of_day / 3600);
        text.put(14, of_day / 60 % 60);
        text.put(17, of_day % 60);
        if layout == Layout::Micro {
            let micros = instant.nanos.min(999_999_999) / 1_000;
            text.bytes[19] = b'.';
            text.put(20, micros / 10_000);
            text.put(22, micros / 100 % 100);
            text.put(24, micros % 100);
            text.len = 27;
        }
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("")
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Writes two digits.
    fn put(&mut self, at: usize, number: u32) {
        if let Some([tens, ones]) = self.bytes.get_mut(at..at + 2) {
            *tens = b'0' + u8::try_from(number / 10 % 10).unwrap_or(0);
            *ones = b'0' + u8::try_from(number % 10).unwrap_or(0);
        }
    }
}

/// Appends the text of an instant.
pub fn write(instant: Instant, layout: Layout, out: &mut Vec<u8>) {
    out.extend_from_slice(Text::new(instant, layout).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{Instant, Layout, parse, write};

    fn canonical(text: &str, layout: Layout) -> Result<String, String> {
        let instant = parse(text, layout).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        write(instant, layout, &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn times_become_utc() {
        let seconds = |text| canonical(text, Layout::Seconds).unwrap();
        assert_eq!(seconds("2024-01-02T03:04:05Z"), "2024-01-02T03:04:05Z");
        assert_eq!(seconds("2024-01-02T03:04:05+02:00"), "2024-01-02T01:04:05Z");
        assert_eq!(seconds("2024-02-29T23:59:59.987-01:30"), "2024-03-01T01:29:59Z");
        assert_eq!(seconds("1969-12-31T23:59:59Z"), "1969-12-31T23:59:59Z");
        let micro = canonical("2024-01-02T03:04:05.123456+01:00", Layout::Micro).unwrap();
        assert_eq!(micro, "2024-01-02T02:04:05.123456Z");
    }

    #[test]
    fn errors_read_as_go_s() {
        let seconds = |text| canonical(text, Layout::Seconds).unwrap_err();
        let micro = |text| canonical(text, Layout::Micro).unwrap_err();
        assert_eq!(
            micro("2024-01-02T03:04:05Z"),
            concat!(
                r#"parsing time "2024-01-02T03:04:05Z" as "2006-01-02T15:04:05.000000Z07:00": "#,
                r#"cannot parse "Z" as ".000000""#
            )
        );
        assert_eq!(
            seconds("2024-01-02"),
            r#"parsing time "2024-01-02" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#
        );
        assert_eq!(
            seconds("not a time"),
            concat!(
                r#"parsing time "not a time" as "2006-01-02T15:04:05Z07:00": "#,
                r#"cannot parse "not a time" as "2006""#
            )
        );
        assert_eq!(
            seconds("2024-02-30T00:00:00Z"),
            r#"parsing time "2024-02-30T00:00:00Z": day out of range"#
        );
        assert_eq!(
            seconds("2024-13-01T00:00:00Z"),
            r#"parsing time "2024-13-01T00:00:00Z": month out of range"#
        );
        assert_eq!(
            seconds("2024-01-01T00:00:00Zx"),
            r#"parsing time "2024-01-01T00:00:00Zx": extra text: "x""#
        );
    }

    #[test]
    fn yaml_timestamps_have_short_forms_too() {
        for text in ["2026-01-02", "2026-1-2", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05.1"] {
            assert!(super::is_yaml_timestamp(text), "{text}");
        }
        for text in ["2026-13-02", "2026-01", "2026-01-02x", "20260102", "2026-01-02T03:04:05"] {
            assert!(!super::is_yaml_timestamp(text), "{text}");
        }
    }

    #[test]
    fn absurd_instants_still_print() {
        let mut out = Vec::new();
        write(Instant { seconds: i64::MAX, nanos: u32::MAX }, Layout::Micro, &mut out);
        write(Instant { seconds: i64::MIN, nanos: 0 }, Layout::Seconds, &mut out);
        assert_eq!(out, b"9999-12-31T23:59:59.999999Z0000-01-01T00:00:00Z");
    }
}
