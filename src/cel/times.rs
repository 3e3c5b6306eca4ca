//! Points in time and durations, as Go reads and shows them.

use crate::base::timestamp;
use time::{OffsetDateTime, UtcOffset};

/// A point in time, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

/// Years 1 to 9999, as the specification has it.
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;
const SECOND: i64 = 1_000_000_000;

impl Time {
    /// Reads RFC 3339.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (seconds, nanos) = timestamp::parse(text)?;
        Self::new(seconds, nanos)
    }

    /// A point within the years that there are.
    pub(super) fn new(seconds: i64, nanos: u32) -> Option<Self> {
        (SECONDS_MIN..=SECONDS_MAX).contains(&seconds).then_some(Self { seconds, nanos })
    }

    pub(super) fn is_zero(&self) -> bool {
        self.seconds == 0 && self.nanos == 0
    }

    /// RFC 3339 with the digits that are needed (`time.RFC3339Nano`).
    pub(super) fn text(&self) -> String {
        let mut text = timestamp::rfc3339(self.seconds);
        if self.nanos != 0 {
            text.pop();
            let digits = format!("{:09}", self.nanos);
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
            text.push('Z');
        }
        text
    }

    /// The point `nanos` later.
    pub(super) fn plus(&self, nanos: i64) -> Option<Self> {
        let total = i64::from(self.nanos).checked_add(nanos.rem_euclid(SECOND))?;
        let seconds = self.seconds.checked_add(nanos.div_euclid(SECOND))?;
        let seconds = seconds.checked_add(total.div_euclid(SECOND))?;
        Self::new(seconds, u32::try_from(total.rem_euclid(SECOND)).ok()?)
    }

    /// Nanoseconds since `earlier`.
    pub(super) fn minus(&self, earlier: &Self) -> Option<i64> {
        let seconds = self.seconds.checked_sub(earlier.seconds)?.checked_mul(SECOND)?;
        seconds.checked_add(i64::from(self.nanos) - i64::from(earlier.nanos))
    }

    /// A part of the date or clock: what `getFullYear` and its like give.
    pub(super) fn part(&self, function: &str, zone: &str) -> Option<i64> {
        let offset = offset(zone)?;
        let at = OffsetDateTime::from_unix_timestamp(self.seconds).ok()?.to_offset(offset);
        Some(match function {
            "getFullYear" => i64::from(at.year()),
            "getMonth" => i64::from(u8::from(at.month())) - 1,
            "getDayOfYear" => i64::from(at.ordinal()) - 1,
            "getDayOfMonth" => i64::from(at.day()) - 1,
            "getDate" => i64::from(at.day()),
            "getDayOfWeek" => i64::from(at.weekday().number_days_from_sunday()),
            "getHours" => i64::from(at.hour()),
            "getMinutes" => i64::from(at.minute()),
            "getSeconds" => i64::from(at.second()),
            _ => i64::from(self.nanos / 1_000_000),
        })
    }
}

/// An offset as `+02:00`; names of zones other than UTC are not known.
fn offset(zone: &str) -> Option<UtcOffset> {
    if matches!(zone, "" | "UTC" | "Z") {
        return Some(UtcOffset::UTC);
    }
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes) = (hours.parse::<i8>().ok()?, minutes.parse::<i8>().ok()?);
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// A duration in seconds, as CEL shows it: `5400s`.
pub(super) fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let digits = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::{Time, duration_text};

    #[test]
    fn durations_are_shown_in_seconds() {
        assert_eq!(duration_text(-1_500_000_000), "-1.5s");
        assert_eq!(duration_text(5_400_000_000_000), "5400s");
    }

    #[test]
    fn times_have_parts_and_move() {
        let time = Time::parse("2026-02-03T04:05:06.5Z").expect("it is a time");
        assert_eq!(time.part("getMonth", ""), Some(1));
        assert_eq!(time.part("getHours", "-05:00"), Some(23));
        assert_eq!(time.part("getDate", "-05:00"), Some(2));
        let later = time.plus(600_000_000).expect("it is within bounds");
        assert_eq!(later.text(), "2026-02-03T04:05:07.1Z");
        assert_eq!(later.minus(&time), Some(600_000_000));
    }
}
