//! JSON text inside the object model: the texts that objects carry as strings (`FieldsV1`, zero
//! values of the schema, last-applied annotations). Bodies are the codec's work, not this module's.

use crate::base::limits::OBJECT_DEPTH_MAX;
use crate::object::{List, Map, Value};
use bumpalo::Bump;
use std::fmt::Write as _;

/// The text is not JSON, or nests too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadJson;

/// Reads one JSON value; keys keep their order, of repeated ones the last counts.
pub fn parse<'a>(text: &'a str, arena: &'a Bump) -> Result<Value<'a>, BadJson> {
    let mut reader = Reader::new(text, arena);
    let value = reader.value(0)?;
    reader.end()?;
    Ok(value)
}

/// Reads JSON text piece by piece. Strings without escapes are borrowed, others go to the arena.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a str,
    arena: &'a Bump,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, arena: &'a Bump) -> Self {
        Self { rest: text, arena }
    }

    fn skip_space(&mut self) {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        if self.rest.as_bytes().first().is_some_and(blank) {
            let length = self.rest.bytes().take_while(|b| blank(b)).count();
            self.rest = self.rest.get(length..).unwrap_or("");
        }
    }

    /// Takes `byte` if it is next after white space.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest.as_bytes() {
            [first, ..] if *first == byte && byte.is_ascii() => {
                self.rest = self.rest.get(1..).unwrap_or("");
                true
            }
            _ => false,
        }
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), BadJson> {
        if self.eat(byte) { Ok(()) } else { Err(BadJson) }
    }

    /// Takes `word` if it is next.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Fails if anything but white space is left.
    pub(crate) fn end(&self) -> Result<(), BadJson> {
        let blank = self.rest.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        if blank { Ok(()) } else { Err(BadJson) }
    }

    /// The text that is left, to cut out what a following read takes.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, BadJson> {
        self.expect(b'"')?;
        let stop = plain_bytes(self.rest);
        let (head, tail) = self.rest.split_at_checked(stop).ok_or(BadJson)?;
        if let Some(rest) = tail.strip_prefix('"') {
            self.rest = rest;
            return Ok(head);
        }
        let mut text = String::with_capacity(head.len() + 16);
        text.push_str(head);
        self.rest = tail;
        loop {
            let stop = plain_bytes(self.rest);
            let (head, tail) = self.rest.split_at_checked(stop).ok_or(BadJson)?;
            text.push_str(head);
            match tail.as_bytes() {
                [b'"', ..] => {
                    self.rest = tail.get(1..).unwrap_or("");
                    return Ok(self.arena.alloc_str(&text));
                }
                [b'\\', ..] => {
                    self.rest = tail.get(1..).unwrap_or("");
                    let c = self.escape()?;
                    text.push(c);
                }
                _ => return Err(BadJson),
            }
        }
    }

    /// What a backslash that was just taken stands for; lone surrogates become U+FFFD, as in Go.
    fn escape(&mut self) -> Result<char, BadJson> {
        let mut chars = self.rest.chars();
        let c = chars.next().ok_or(BadJson)?;
        self.rest = chars.as_str();
        Ok(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.hex()?;
                if let Some(c) = char::from_u32(first) {
                    return Ok(c);
                }
                let pair = self.rest.strip_prefix("\\u").filter(|_| first < 0xdc00);
                let Some(pair) = pair else { return Ok(char::REPLACEMENT_CHARACTER) };
                let second = pair.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                match second {
                    Some(second @ 0xdc00..=0xdfff) => {
                        self.rest = pair.get(4..).unwrap_or("");
                        let code = 0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    _ => char::REPLACEMENT_CHARACTER,
                }
            }
            _ => return Err(BadJson),
        })
    }

    fn hex(&mut self) -> Result<u32, BadJson> {
        let digits = self.rest.get(..4).ok_or(BadJson)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadJson);
        }
        self.rest = self.rest.get(4..).unwrap_or("");
        u32::from_str_radix(digits, 16).map_err(|_| BadJson)
    }

    fn number(&mut self) -> Result<Value<'a>, BadJson> {
        let other = |c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        let length = self.rest.find(other).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(length).ok_or(BadJson)?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        if !digits.starts_with(|c: char| c.is_ascii_digit()) || padded && !digits.starts_with("0e")
        {
            return Err(BadJson);
        }
        self.rest = rest;
        if let Ok(n) = text.parse() {
            return Ok(Value::Int(n));
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Value::Float(n)),
            _ => Err(BadJson),
        }
    }

    /// One value at `depth` levels below the root.
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value<'a>, BadJson> {
        if depth > OBJECT_DEPTH_MAX {
            return Err(BadJson);
        }
        if self.eat(b'{') {
            let mut map = Map::new_in(self.arena);
            if self.eat(b'}') {
                return Ok(Value::Map(map));
            }
            loop {
                let key = self.string_after_space()?;
                self.expect(b':')?;
                map.insert(key, self.value(depth + 1)?);
                if !self.eat(b',') {
                    self.expect(b'}')?;
                    return Ok(Value::Map(map));
                }
            }
        }
        if self.eat(b'[') {
            let mut list = List::new_in(self.arena);
            if self.eat(b']') {
                return Ok(Value::List(list));
            }
            loop {
                list.push(self.value(depth + 1)?);
                if !self.eat(b',') {
                    self.expect(b']')?;
                    return Ok(Value::List(list));
                }
            }
        }
        match self.rest.as_bytes().first() {
            Some(b'"') => Ok(Value::Str(self.string()?)),
            Some(b'n') if self.word("null") => Ok(Value::Null),
            Some(b't') if self.word("true") => Ok(Value::Bool(true)),
            Some(b'f') if self.word("false") => Ok(Value::Bool(false)),
            _ => self.number(),
        }
    }

    /// A string after optional white space.
    pub(crate) fn string_after_space(&mut self) -> Result<&'a str, BadJson> {
        self.skip_space();
        self.string()
    }
}

/// How many bytes of a string stand for themselves.
fn plain_bytes(text: &str) -> usize {
    let special = |b: &u8| *b < 0x20 || matches!(b, b'"' | b'\\');
    text.as_bytes().iter().position(special).unwrap_or(text.len())
}

/// Appends `text` as a JSON string with Go's escapes; `html` also escapes `<`, `>`, `&`, U+2028 and
/// U+2029, as `encoding/json` does by default.
pub fn push_string(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' if html => out.push_str("\\b"),
            '\u{c}' if html => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if html => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a value as compact JSON with sorted keys, as Go writes `map[string]interface{}`.
pub fn push_sorted(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Float(n) => push_float(out, *n),
        Value::Str(text) => push_string(out, text, true),
        Value::Raw(text) => out.push_str(text),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_sorted(out, item);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_string(out, key, true);
                out.push(':');
                push_sorted(out, value);
            }
            out.push('}');
        }
    }
}

/// A float as `encoding/json` writes it: an exponent below 1e-6 and from 1e21 on.
pub fn push_float(out: &mut String, n: f64) {
    let plain = n == 0.0 || (1e-6..1e21).contains(&n.abs());
    if plain {
        let _ = write!(out, "{n}");
        return;
    }
    let text = format!("{n:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            let _ = write!(out, "{mantissa}e+{exponent}");
        }
        _ => out.push_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::{BadJson, parse, push_sorted, push_string};
    use crate::object::Value;
    use bumpalo::Bump;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn sorted(text: &str) -> Result<String, BadJson> {
        let arena = Bump::new();
        let mut out = String::new();
        push_sorted(&mut out, &parse(text, &arena)?);
        Ok(out)
    }

    #[test]
    fn values_read_and_write_as_in_go() {
        let text = r#" {"b":[1,-2.5,1e3,true,null,"a\u003cé\ud83d\ude00"],"a":{ } , "c":[]} "#;
        let expected = "{\"a\":{},\"b\":[1,-2.5,1000,true,null,\"a\\u003cé😀\"],\"c\":[]}";
        assert_eq!(sorted(text).as_deref(), Ok(expected));
        assert_eq!(sorted("1e21").as_deref(), Ok("1e+21"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            ["", "{", "[1,]", "{\"a\"}", "01", "-", "tru", "\"\\x\"", "\"\n\"", "1 2", "nan"]
        {
            assert_eq!(sorted(text), Err(BadJson), "{text}");
        }
        assert_eq!(sorted(&"[".repeat(100_000)), Err(BadJson));
    }

    proptest! {
        #[test]
        fn strings_survive_writing_and_reading(text in any::<String>(), html in any::<bool>()) {
            let arena = Bump::new();
            let mut out = String::new();
            push_string(&mut out, &text, html);
            let out = arena.alloc_str(&out);
            prop_assert_eq!(parse(out, &arena), Ok(Value::str_in(&text, &arena)));
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = sorted(&text);
        }
    }
}
