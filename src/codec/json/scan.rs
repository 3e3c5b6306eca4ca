//! A scanner with exactly Go's grammar and error texts (`encoding/json` scanner), for what
//! simd-json refuses: texts that are wrong, and the few that Go takes all the same (lone
//! surrogates, bytes that are not UTF-8, numbers beyond 64 bits). Slow and rarely run. Makes the
//! same tape.

use crate::base::limits::OBJECT_DEPTH_MAX;
use bumpalo::Bump;
use simd_json::{Node, StaticNode};
use std::fmt;
use std::ops::Range;

/// Why a text is no JSON; prints as Go's `SyntaxError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyntaxError {
    /// Nested too deep, at this bracket.
    Depth(u8),
    /// The text ends too early.
    End,
    /// This byte may not stand there; the context as Go names it.
    Unexpected(u8, &'static str),
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth(bracket) => {
                write!(f, "invalid character '{}' exceeded max depth", char::from(*bracket))
            }
            Self::End => f.write_str("unexpected end of JSON input"),
            Self::Unexpected(b'\'', context) => write!(f, r"invalid character '\'' {context}"),
            Self::Unexpected(b'"', context) => write!(f, "invalid character '\"' {context}"),
            Self::Unexpected(byte @ (0..0x20 | 0x7f), context) => {
                let name = match byte {
                    7 => r"\a",
                    8 => r"\b",
                    9 => r"\t",
                    10 => r"\n",
                    11 => r"\v",
                    12 => r"\f",
                    13 => r"\r",
                    _ => return write!(f, r"invalid character '\x{byte:02x}' {context}"),
                };
                write!(f, "invalid character '{name}' {context}")
            }
            Self::Unexpected(byte @ (0x80..=0xa0 | 0xad), context) => {
                write!(f, r"invalid character '\u{byte:04x}' {context}")
            }
            Self::Unexpected(b'\\', context) => write!(f, r"invalid character '\\' {context}"),
            Self::Unexpected(byte, context) => {
                write!(f, "invalid character '{}' {context}", char::from(*byte))
            }
        }
    }
}

impl std::error::Error for SyntaxError {}

const VALUE: &str = "looking for beginning of value";
const KEY: &str = "looking for beginning of object key string";

/// Go's `maxNestingDepth`. Deeper texts than we decode are still read to their end, so that what
/// is wrong with them otherwise is told.
const DEPTH_MAX: usize = 10_000;

/// An open array or object: where it stands on the tape, how many elements it has.
struct Open {
    node: usize,
    len: usize,
    object: bool,
}

struct Scanner<'a, 's> {
    source: &'s [u8],
    at: usize,
    arena: &'a Bump,
    tape: Vec<Node<'a>>,
    open: Vec<Open>,
    deepest: usize,
    /// The node whose source is asked for, and where it stands.
    wanted: usize,
    found: Option<Range<usize>>,
}

/// Makes the tape of `source`; true if it is nested deeper than what is decoded.
pub(super) fn tape<'a>(
    source: &[u8],
    arena: &'a Bump,
) -> Result<(Vec<Node<'a>>, bool), SyntaxError> {
    let mut scanner = Scanner::new(source, arena, usize::MAX);
    scanner.run()?;
    Ok((scanner.tape, scanner.deepest > OBJECT_DEPTH_MAX))
}

/// The source text of the number that is node `node` of the tape of `source`, or of an object.
pub(super) fn number_text(source: &[u8], node: usize) -> Option<&str> {
    let arena = Bump::new();
    let mut scanner = Scanner::new(source, &arena, node);
    scanner.run().ok()?;
    std::str::from_utf8(source.get(scanner.found?)?).ok()
}

/// The source text of the object that is node `node` of the tape of `source`.
pub(super) fn object_text(source: &[u8], node: usize) -> Option<&str> {
    number_text(source, node).filter(|text| text.starts_with('{'))
}

impl<'a, 's> Scanner<'a, 's> {
    fn new(source: &'s [u8], arena: &'a Bump, wanted: usize) -> Self {
        let (tape, open) = (Vec::new(), Vec::new());
        Self { source, at: 0, arena, tape, open, deepest: 0, wanted, found: None }
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    /// The next byte that is not blank.
    fn skip_blanks(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn bad<T>(&self, context: &'static str) -> Result<T, SyntaxError> {
        match self.peek() {
            Some(byte) => Err(SyntaxError::Unexpected(byte, context)),
            None => Err(SyntaxError::End),
        }
    }

    fn run(&mut self) -> Result<(), SyntaxError> {
        loop {
            // A value is due here.
            if self.value()? {
                continue;
            }
            // A value has just ended: close what ends with it.
            loop {
                let next = self.skip_blanks();
                let Some(open) = self.open.last_mut() else {
                    return match next {
                        None => Ok(()),
                        Some(_) => self.bad("after top-level value"),
                    };
                };
                open.len += 1;
                match (next, open.object) {
                    (Some(b','), object) => {
                        self.at += 1;
                        if object {
                            self.key(false)?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                    (_, true) => return self.bad("after object key:value pair"),
                    (_, false) => return self.bad("after array element"),
                }
            }
        }
    }

    /// Reads a value's beginning; true if another value is due inside it.
    fn value(&mut self) -> Result<bool, SyntaxError> {
        match self.skip_blanks() {
            Some(b'{') => {
                self.begin(true)?;
                self.key(true)
            }
            Some(b'[') => {
                self.begin(false)?;
                if self.skip_blanks() == Some(b']') {
                    self.close();
                    return Ok(false);
                }
                Ok(true)
            }
            Some(b'"') => {
                let text = self.string()?;
                self.tape.push(Node::String(text));
                Ok(false)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word(b"true", StaticNode::Bool(true)),
            Some(b'f') => self.word(b"false", StaticNode::Bool(false)),
            Some(b'n') => self.word(b"null", StaticNode::Null),
            _ => self.bad(VALUE),
        }
    }

    fn begin(&mut self, object: bool) -> Result<(), SyntaxError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(SyntaxError::Depth(if object { b'{' } else { b'[' }));
        }
        self.deepest = self.deepest.max(self.open.len() + 1);
        if object && self.tape.len() == self.wanted {
            self.found = Some(self.at..self.at);
        }
        self.at += 1;
        self.open.push(Open { node: self.tape.len(), len: 0, object });
        self.tape.push(Node::Static(StaticNode::Null));
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        if let Some(Open { node, len, object }) = self.open.pop() {
            if object && node == self.wanted {
                self.found = self.found.take().map(|found| found.start..self.at);
            }
            let count = self.tape.len() - node - 1;
            let closed =
                if object { Node::Object { len, count } } else { Node::Array { len, count } };
            if let Some(slot) = self.tape.get_mut(node) {
                *slot = closed;
            }
        }
    }

    /// Reads a key and its colon, or with `first` the end of the object; true if a value is due.
    fn key(&mut self, first: bool) -> Result<bool, SyntaxError> {
        match self.skip_blanks() {
            Some(b'"') => {}
            Some(b'}') if first => {
                self.close();
                return Ok(false);
            }
            _ => return self.bad(KEY),
        }
        let key = self.string()?;
        self.tape.push(Node::String(key));
        if self.skip_blanks() != Some(b':') {
            return self.bad("after object key");
        }
        self.at += 1;
        Ok(true)
    }

    fn word(&mut self, word: &'static [u8], node: StaticNode) -> Result<bool, SyntaxError> {
        for (at, expected) in word.iter().enumerate() {
            if self.peek() != Some(*expected) {
                return self.bad(match (word, at) {
                    (b"true", 1) => "in literal true (expecting 'r')",
                    (b"true", 2) => "in literal true (expecting 'u')",
                    (b"true", _) => "in literal true (expecting 'e')",
                    (b"false", 1) => "in literal false (expecting 'a')",
                    (b"false", 2) => "in literal false (expecting 'l')",
                    (b"false", 3) => "in literal false (expecting 's')",
                    (b"false", _) => "in literal false (expecting 'e')",
                    (_, 1) => "in literal null (expecting 'u')",
                    (_, _) => "in literal null (expecting 'l')",
                });
            }
            self.at += 1;
        }
        self.tape.push(Node::Static(node));
        Ok(false)
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !self.digits() {
            return self.bad("in numeric literal");
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            if !self.digits() {
                return self.bad("after decimal point in numeric literal");
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            whole = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if !self.digits() {
                return self.bad("in exponent of numeric literal");
            }
        }
        if self.tape.len() == self.wanted {
            self.found = Some(start..self.at);
        }
        let text = self.source.get(start..self.at).unwrap_or(&[]);
        let text = std::str::from_utf8(text).unwrap_or("0");
        let integer = if whole { text.parse().ok() } else { None };
        self.tape.push(Node::Static(match integer {
            Some(integer) => StaticNode::I64(integer),
            None => StaticNode::from(text.parse::<f64>().unwrap_or(f64::INFINITY)),
        }));
        Ok(())
    }

    /// Reads a string literal; what is not Unicode becomes U+FFFD.
    fn string(&mut self) -> Result<&'a str, SyntaxError> {
        self.at += 1;
        let mut text: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.arena.alloc_str(&String::from_utf8_lossy(&text)));
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                Some(byte @ 0x20..) => {
                    self.at += 1;
                    text.push(byte);
                }
                _ => return self.bad("in string literal"),
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let byte = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.code_point(text),
            _ => return self.bad("in string escape code"),
        };
        self.at += 1;
        text.push(byte);
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, SyntaxError> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.bad("in \\u hexadecimal character escape");
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn code_point(&mut self, text: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let mut unit = self.hex()?;
        if (0xd800..0xdc00).contains(&unit) && self.source.get(self.at..self.at + 2) == Some(b"\\u")
        {
            let back = self.at;
            self.at += 1;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                unit = 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
            } else {
                self.at = back;
            }
        }
        let c = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{number_text, object_text, tape};
    use bumpalo::Bump;
    use simd_json::{Node, StaticNode};

    #[test]
    fn errors_read_as_go_s() {
        let arena = Bump::new();
        for (source, expected) in [
            ("", "unexpected end of JSON input"),
            ("{\"apiVersion\": ", "unexpected end of JSON input"),
            ("x", "invalid character 'x' looking for beginning of value"),
            ("{x", "invalid character 'x' looking for beginning of object key string"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"", "invalid character '\"' after object key:value pair"),
            ("[1 2", "invalid character '2' after array element"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\\u12g\"", "invalid character 'g' in \\u hexadecimal character escape"),
            ("-a", "invalid character 'a' in numeric literal"),
            ("1.a", "invalid character 'a' after decimal point in numeric literal"),
            ("1ea", "invalid character 'a' in exponent of numeric literal"),
            ("nul1", "invalid character '1' in literal null (expecting 'l')"),
            ("01", "invalid character '1' after top-level value"),
            ("\u{1}", "invalid character '\\x01' looking for beginning of value"),
        ] {
            assert_eq!(tape(source.as_bytes(), &arena).unwrap_err().to_string(), expected);
        }
        let deep = "[".repeat(100_000);
        let error = tape(deep.as_bytes(), &arena).unwrap_err().to_string();
        assert_eq!(error, "invalid character '[' exceeded max depth");
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        assert!(tape(deep.as_bytes(), &arena).unwrap().1);
    }

    #[test]
    fn the_tape_is_that_of_simd_json() {
        let arena = Bump::new();
        let source = br#" {"a":[1,-2,3.5,{"b":{}},[]],"c":"x\u00e9\n","d":null,"e":true} "#;
        let (ours, _) = tape(source, &arena).unwrap();
        let mut copy = source.to_vec();
        let theirs = simd_json::to_tape(&mut copy).unwrap();
        // simd-json tells signed from unsigned; we do not.
        let unsigned = |node: &Node<'_>| format!("{node:?}").replace("U64", "I64");
        let ours: Vec<_> = ours.iter().map(unsigned).collect();
        let theirs: Vec<_> = theirs.0.iter().map(unsigned).collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn what_is_not_unicode_becomes_the_replacement_character() {
        let arena = Bump::new();
        for source in [&b"\"\xff\""[..], br#""\ud800""#] {
            assert_eq!(tape(source, &arena).unwrap().0, [Node::String("\u{fffd}")]);
        }
        let pair = tape(br#""\ud83d\ude00""#, &arena).unwrap();
        assert_eq!(pair.0, [Node::String("😀")]);
        let huge = tape(b"10000000000000000000000", &arena).unwrap();
        assert_eq!(huge.0, [Node::Static(StaticNode::from(1e22))]);
    }

    #[test]
    fn numbers_are_found_again_in_the_source() {
        let source = br#"{"a":[1.0,{"b":2e3}]}"#;
        assert_eq!(number_text(source, 3), Some("1.0"));
        assert_eq!(number_text(source, 6), Some("2e3"));
        assert_eq!(number_text(source, 2), None, "a list");
    }

    #[test]
    fn objects_are_found_again_in_the_source() {
        let source = br#"{"a": [1.0, { "b" : {"c":"}"}, "d":1 } ], "e": {"b":2}}"#;
        assert_eq!(object_text(source, 4), Some(r#"{ "b" : {"c":"}"}, "d":1 }"#));
        assert_eq!(object_text(source, 3), None);
    }
}
