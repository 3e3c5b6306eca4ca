//! Formats of strings (`kube-openapi/pkg/validation/strfmt`, and which of them a definition may
//! use).

use super::pattern::Pattern;
use crate::base::duration;
use crate::object::content;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

const TEXT_FORMATS: [&str; 26] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "datetime",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8slongname",
    "k8sshortname",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
];

/// True if a value of this `kind` is checked against `format`; other formats say nothing
/// (`StripUnsupportedFormatsPostProcess`).
pub(super) fn is_checked(kind: &str, int_or_string: bool, format: &str) -> bool {
    match kind {
        _ if int_or_string => false,
        "" | "string" => TEXT_FORMATS.contains(&normal(format).as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "double" | "float"),
        _ => false,
    }
}

/// True if a definition that names `format` for a value of this `kind` gets no warning.
pub fn is_known(kind: &str, format: &str) -> bool {
    format.is_empty() || is_checked(kind, false, format)
}

fn normal(format: &str) -> String {
    format.replace('-', "")
}

/// True if `text` is of `format`; formats that are not known accept everything.
pub(super) fn accepts(format: &str, text: &str) -> bool {
    match normal(format).as_str() {
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "byte" => !text.is_empty() && is_base64(text),
        "cidr" => is_cidr(text),
        "creditcard" => is_credit_card(text),
        "date" => is_date(text),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "email" => is_email(text),
        "hexcolor" => matches(&HEX_COLOR, "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$", text),
        "hostname" => is_hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "k8slongname" => content::dns_subdomain_errors(text).is_empty(),
        "k8sshortname" => content::dns_label_errors(text).is_empty(),
        "mac" => is_mac(text),
        "rgbcolor" => matches(&RGB_COLOR, RGB_PATTERN, text),
        "ssn" => matches(&SSN, r"^\d{3}[- ]?\d{2}[- ]?\d{4}$", text),
        "uri" => is_request_uri(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        _ => true,
    }
}

static CARD: OnceLock<Pattern> = OnceLock::new();
static HEX_COLOR: OnceLock<Pattern> = OnceLock::new();
static HOSTNAME: OnceLock<Pattern> = OnceLock::new();
static RGB_COLOR: OnceLock<Pattern> = OnceLock::new();
static SSN: OnceLock<Pattern> = OnceLock::new();

const CARD_PATTERN: &str = concat!(
    r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}",
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$"
);
/// Names of one label, or of several whose last is of letters.
const HOSTNAME_PATTERN: &str = concat!(
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)",
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}",
    r"([a-zA-Z\p{L}]){2,63})$"
);
const RGB_PATTERN: &str = concat!(
    r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*",
    r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$"
);

fn matches(cell: &'static OnceLock<Pattern>, pattern: &str, text: &str) -> bool {
    cell.get_or_init(|| Pattern::new(pattern)).matches(text)
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(alphabet)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let digits = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    let (Ok(bits), true) = (bits.parse::<u8>(), digits) else { return false };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32)
        || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double >= 10 => double % 10 + 1,
            (_, double) => double,
        })
        .sum();
    matches(&CARD, CARD_PATTERN, &digits) && sum.is_multiple_of(10)
}

fn number(text: &str, digits: usize) -> Option<u32> {
    let valid = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next = |digits| parts.next().and_then(|part| number(part, digits));
    let (Some(year), Some(month), Some(day)) = (next(4), next(2), next(2)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    parts.next().is_none() && (1..=days).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    if !is_date(date) || !time.is_ascii() {
        return false;
    }
    let (clock, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => return false,
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = whole.split(':');
    let mut next = || parts.next().and_then(|part| number(part, 2));
    let (Some(hour), Some(minute), Some(second)) = (next(), next(), next()) else { return false };
    let zone = match zone.split_at(1) {
        ("Z" | "z", rest) => rest.is_empty(),
        (_, rest) => rest.split_once(':').is_some_and(|(hours, minutes)| {
            number(hours, 2).is_some_and(|h| h < 24) && number(minutes, 2).is_some_and(|m| m < 60)
        }),
    };
    let fraction = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    parts.next().is_none() && hour < 24 && minute < 60 && second < 60 && fraction && zone
}

/// Go's durations, or a number and the name of a unit.
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 36] = [
        "ns",
        "nano",
        "nanos",
        "nanosecond",
        "nanoseconds",
        "us",
        "µs",
        "micro",
        "micros",
        "microsecond",
        "microseconds",
        "ms",
        "milli",
        "millis",
        "millisecond",
        "milliseconds",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "m",
        "min",
        "mins",
        "minute",
        "minutes",
        "h",
        "hr",
        "hour",
        "hours",
        "d",
        "day",
        "days",
        "w",
        "week",
        "weeks",
    ];
    if duration::parse(text).is_ok() {
        return true;
    }
    // As upstream, a number and a unit anywhere in the text.
    text.char_indices().any(|(at, c)| {
        let rest = text.get(at..).unwrap_or("");
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = rest.get(digits..).unwrap_or("").trim_start();
        let unit: String = after.chars().take_while(|c| c.is_alphabetic()).collect();
        c.is_ascii_digit() && UNITS.contains(&unit.as_str())
    })
}

/// What `net/mail.ParseAddress` takes without a display name.
fn is_email(text: &str) -> bool {
    let bare = text.strip_suffix('>').and_then(|text| text.split_once('<'));
    let address = bare.map_or(text, |(_, address)| address);
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let atom = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| {
                c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c)
            })
    };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    (quoted || local.split('.').all(atom)) && domain.split('.').all(atom)
}

fn is_hostname(text: &str) -> bool {
    if !matches(&HOSTNAME, HOSTNAME_PATTERN, text) {
        return false;
    }
    // Each label is at most 63 octets long, all together 255.
    text.len() <= 255 && text.split('.').all(|label| label.len() <= 63)
}

fn is_isbn10(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let digit = |(at, c): (usize, char)| match c {
        'X' if at == 9 => Some(10),
        c => c.to_digit(10),
    };
    let digits: Vec<u32> = text.chars().enumerate().filter_map(digit).collect();
    let sum: u32 = (1..).zip(&digits).map(|(weight, digit): (u32, &u32)| weight * digit).sum();
    text.len() == 10 && digits.len() == 10 && sum.is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let weight = |at: usize| if at.is_multiple_of(2) { 1 } else { 3 };
    let sum: u32 = digits.iter().enumerate().map(|(at, digit)| weight(at) * digit).sum();
    text.len() == 13 && digits.len() == 13 && sum.is_multiple_of(10)
}

fn is_mac(text: &str) -> bool {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let separated = [':', '-'].iter().any(|separator| {
        let parts: Vec<&str> = text.split(*separator).collect();
        matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|part| hex(part, 2))
    });
    let dotted: Vec<&str> = text.split('.').collect();
    separated || (matches!(dotted.len(), 3 | 4 | 10) && dotted.iter().all(|part| hex(part, 4)))
}

/// What `net/url.ParseRequestURI` takes: an absolute URI or an absolute path.
fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.chars().any(|c| c.is_ascii_control()) {
        return false;
    }
    let escapes = |text: &str| {
        let mut parts = text.split('%');
        parts.next();
        parts.all(|part| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
    };
    let scheme_end = text.find(':').filter(|at| {
        let scheme = text.get(..*at).unwrap_or("");
        let first = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        first && scheme.bytes().all(rest)
    });
    match scheme_end {
        Some(at) => {
            let rest = text.get(at + 1..).unwrap_or("");
            let host = rest
                .strip_prefix("//")
                .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(""));
            let port = host.and_then(|host| host.rsplit_once(':')).map(|(_, port)| port);
            let bracket = host.is_some_and(|host| host.contains('['));
            let port_is_one = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()));
            let space = host.is_some_and(|host| host.contains(' '));
            escapes(rest) && (bracket || port_is_one) && !space
        }
        None => text.starts_with('/') && escapes(text),
    }
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let mut rest = text;
    for (at, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        let rest_part = if at == 0 { rest } else { rest.strip_prefix('-').unwrap_or(rest) };
        let Some((part, after)) = rest_part.split_at_checked(length) else { return false };
        let first = part.chars().next().map(|c| c.to_ascii_lowercase());
        let versioned = version.is_none_or(|version| match at {
            2 => first == Some(version),
            3 if version != '3' => matches!(first, Some('8' | '9' | 'a' | 'b')),
            _ => true,
        });
        if !part.bytes().all(|b| b.is_ascii_hexdigit()) || !versioned {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
