//! The query string, read by name without building a map.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A raw query string.
#[derive(Debug, Clone, Copy)]
pub struct Query<'r> {
    raw: &'r str,
}

impl<'r> Query<'r> {
    /// Wraps the text after `?`.
    pub const fn new(raw: &'r str) -> Self {
        Self { raw }
    }

    /// All decoded values of `name`, in order. A pair with a broken escape or a `;` is skipped, as
    /// `url.ParseQuery` drops it.
    pub fn all(self, name: &str) -> impl Iterator<Item = Cow<'r, str>> {
        let is_it = move |key: &str| match key.contains(['%', '+']) {
            true => decode(key).is_some_and(|key| key == name),
            false => key == name,
        };
        self.raw_pairs().filter(move |(key, _)| is_it(key)).filter_map(|(_, value)| decode(value))
    }

    /// The first value of `name`.
    pub fn first(self, name: &str) -> Option<Cow<'r, str>> {
        self.all(name).next()
    }

    /// The first value of `name`, "" if there is none.
    pub fn text(self, name: &str) -> Cow<'r, str> {
        self.first(name).unwrap_or(Cow::Borrowed(""))
    }

    /// A boolean as `Convert_Slice_string_To_bool` reads it: `false` and `0` are false, anything
    /// else that is present is true.
    pub fn flag(self, name: &str) -> Option<bool> {
        self.first(name).map(|v| !(v.eq_ignore_ascii_case("false") || v == "0"))
    }

    /// An integer; the error is Go's text for it.
    pub fn int(self, name: &str) -> Result<Option<i64>, String> {
        let Some(text) = self.first(name) else { return Ok(None) };
        parse_go_int(&text).map(Some)
    }

    /// Every decoded pair.
    pub fn pairs(self) -> impl Iterator<Item = (Cow<'r, str>, Cow<'r, str>)> {
        self.raw_pairs().filter_map(|(key, value)| Some((decode(key)?, decode(value)?)))
    }

    fn raw_pairs(self) -> impl Iterator<Item = (&'r str, &'r str)> {
        let pairs = self.raw.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';'));
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

/// `strconv.ParseInt(text, 10, 64)` with its error text.
///
/// # Errors
/// The text Go gives for a number that is none or is out of range.
pub fn parse_go_int(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let syntax = digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit());
    if syntax {
        return Err(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    }
    text.parse().map_err(|_| format!("strconv.ParseInt: parsing {text:?}: value out of range"))
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let broken = bytes.iter().enumerate().any(|(at, b)| {
        let hex = |i: usize| bytes.get(at + i).is_some_and(u8::is_ascii_hexdigit);
        *b == b'%' && !(hex(1) && hex(2))
    });
    if broken {
        return None;
    }
    let spaced = text.replace('+', " ");
    Some(Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn values_are_decoded_and_broken_escapes_dropped() {
        let query = Query::new("a=x%20y+z&b=%zz&a=2&c");
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["x y z", "2"]);
        assert_eq!(query.first("b"), None);
        assert_eq!(Query::new("%61=1&b=%zz").text("a"), "1");
        assert_eq!(query.flag("c"), Some(true));
        assert_eq!(query.flag("d"), None);
    }

    #[test]
    fn integers_fail_with_the_text_of_go() {
        let error = Query::new("limit=abc").int("limit").unwrap_err();
        assert_eq!(error, r#"strconv.ParseInt: parsing "abc": invalid syntax"#);
        assert_eq!(Query::new("limit=-3").int("limit"), Ok(Some(-3)));
        assert!(Query::new("limit=99999999999999999999").int("limit").is_err());
    }
}
