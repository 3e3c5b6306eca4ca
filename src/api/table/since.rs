//! Elapsed times as kubectl shows them (`duration.HumanDuration` upstream).

use crate::base::clock;
use std::fmt;

/// A moment: milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub(super) i64);

impl Moment {
    /// The present, by the wall clock.
    pub fn now() -> Self {
        Self(i64::try_from(clock::unix_time().as_millis()).unwrap_or(i64::MAX))
    }

    /// Reads RFC 3339 text with or without a fraction; `None` if it is not such text.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', 't', ' '])?;
        let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9999).contains(&year) {
            return None;
        }
        let (clock, offset) = split_offset(rest)?;
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut clock = clock.splitn(3, ':').map(|part| part.parse::<u32>().ok());
        let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
        if hours > 23 || minutes > 59 || seconds > 60 {
            return None;
        }
        let of_day = i64::from(hours * 3600 + minutes * 60 + seconds) - offset;
        let unix = days_from_civil(year, month, day) * 86_400 + of_day;
        Some(Self(unix * 1000 + milliseconds(fraction)?))
    }
}

/// Splits the zone off a time of day; the offset is in seconds east of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let (clock, zone) = text.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some((clock, sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60)))
}

fn milliseconds(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(*b"000").take(3);
    Some(digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// Days since the epoch of a date of the proleptic Gregorian calendar, years 0 to 9999.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A length of time in milliseconds, shown with the two units that matter.
#[derive(Debug, Clone, Copy)]
pub struct Human(pub i64);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        if seconds < -1 {
            return f.write_str("<invalid>");
        }
        if self.0 < 0 {
            return f.write_str("0s");
        }
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        if seconds < 120 {
            write!(f, "{seconds}s")
        } else if minutes < 10 {
            pair(f, (minutes, 'm'), (seconds % 60, 's'))
        } else if minutes < 180 {
            write!(f, "{minutes}m")
        } else if hours < 8 {
            pair(f, (hours, 'h'), (minutes % 60, 'm'))
        } else if hours < 48 {
            write!(f, "{hours}h")
        } else if hours < 24 * 8 {
            pair(f, (hours / 24, 'd'), (hours % 24, 'h'))
        } else if hours < 24 * 365 * 2 {
            write!(f, "{}d", hours / 24)
        } else if hours < 24 * 365 * 8 {
            pair(f, (hours / 24 / 365, 'y'), (hours / 24 % 365, 'd'))
        } else {
            write!(f, "{}y", hours / 24 / 365)
        }
    }
}

fn pair(f: &mut fmt::Formatter<'_>, large: (i64, char), small: (i64, char)) -> fmt::Result {
    write!(f, "{}{}", large.0, large.1)?;
    if small.0 == 0 { Ok(()) } else { write!(f, "{}{}", small.0, small.1) }
}

#[cfg(test)]
mod tests {
    use super::{Human, Moment};

    #[test]
    fn rfc3339_is_read_with_fraction_and_zone() {
        assert_eq!(Moment::parse("1970-01-01T00:00:00Z"), Some(Moment(0)));
        assert_eq!(Moment::parse("2024-02-29T12:00:01Z"), Some(Moment(1_709_208_001_000)));
        assert_eq!(Moment::parse("2024-02-29T12:00:01.5Z"), Some(Moment(1_709_208_001_500)));
        assert_eq!(
            Moment::parse("2024-02-29T13:00:01.123456+01:00"),
            Some(Moment(1_709_208_001_123))
        );
        for bad in ["", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00Z", "é-1-1T0:0:0é"] {
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_show_the_two_units_that_matter() {
        let cases = [
            (-2_000, "<invalid>"),
            (-1_000, "0s"),
            (-1, "0s"),
            (0, "0s"),
            (119_999, "119s"),
            (120_000, "2m"),
            (125_000, "2m5s"),
            (600_000, "10m"),
            (3 * 3600 * 1000, "3h"),
            (3 * 3600 * 1000 + 60_000, "3h1m"),
            (8 * 3600 * 1000, "8h"),
            (48 * 3600 * 1000, "2d"),
            (49 * 3600 * 1000, "2d1h"),
            (8 * 86_400_000, "8d"),
            (730 * 86_400_000, "2y"),
            (731 * 86_400_000, "2y1d"),
            (8 * 365 * 86_400_000, "8y"),
        ];
        for (ms, want) in cases {
            assert_eq!(Human(ms).to_string(), want);
        }
    }
}
