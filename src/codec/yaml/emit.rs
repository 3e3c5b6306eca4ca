//! JSON text to YAML text, as go-yaml v2 writes it: keys in natural order, lists not indented under
//! their key, lines folded at 80 columns.

use super::style::{self, Analysis, Style};
use crate::codec::json::{DecodeError, parse_any};
use crate::object::{Map, Value};
use bumpalo::Bump;
use std::cmp::Ordering;

/// Lines are folded behind this column, where a string has a single blank.
const WIDTH: usize = 80;
/// Keys longer than this, in bytes, stand on a line of their own behind `? `.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

/// Appends JSON text as YAML, with a line end (`JSONToYAML`).
///
/// # Errors
/// If the text is no JSON.
pub fn from_json(source: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let arena = Bump::new();
    let value = parse_any(source, &arena)?;
    let mut emitter = Emitter { out, column: 0 };
    match &value {
        Value::Map(map) if !map.is_empty() => emitter.map(map, 0, true),
        Value::List(list) if !list.is_empty() => emitter.list(list, 0, true),
        scalar => emitter.scalar(scalar, 2),
    }
    emitter.out.push(b'\n');
    Ok(())
}

struct Emitter<'o> {
    out: &'o mut Vec<u8>,
    /// Characters on the line so far.
    column: usize,
}

impl Emitter<'_> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.column += text.chars().count();
    }

    fn char(&mut self, c: char) {
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.column += 1;
    }

    /// Begins a line.
    fn line(&mut self, indent: usize) {
        self.out.push(b'\n');
        self.out.extend(std::iter::repeat_n(b' ', indent));
        self.column = indent;
    }

    /// Writes the entries of a map; `inline` if the first one goes on the present line.
    fn map(&mut self, map: &Map<'_>, indent: usize, inline: bool) {
        let mut entries: Vec<(&str, &Value<'_>)> = map.iter().collect();
        entries.sort_by(|(a, _), (b, _)| natural_order(a, b));
        for (at, (key, value)) in entries.into_iter().enumerate() {
            if at > 0 || !inline {
                self.line(indent);
            }
            let analysis = style::analyze(key);
            let simple = key.len() <= SIMPLE_KEY_BYTES_MAX && !analysis.multiline;
            if simple {
                self.string(key, &analysis, indent + 2, true);
                self.text(":");
            } else {
                self.text("? ");
                self.string(key, &analysis, indent + 2, false);
                self.line(indent);
                self.text(":");
            }
            match value {
                Value::Map(map) if !map.is_empty() && simple => self.map(map, indent + 2, false),
                Value::List(list) if !list.is_empty() && simple => self.list(list, indent, false),
                value => {
                    self.text(" ");
                    self.value(value, indent + 2);
                }
            }
        }
    }

    fn list(&mut self, list: &[Value<'_>], indent: usize, inline: bool) {
        for (at, value) in list.iter().enumerate() {
            if at > 0 || !inline {
                self.line(indent);
            }
            self.text("- ");
            self.value(value, indent + 2);
        }
    }

    /// Writes a value on the present line.
    fn value(&mut self, value: &Value<'_>, indent: usize) {
        match value {
            Value::Map(map) if !map.is_empty() => self.map(map, indent, true),
            Value::List(list) if !list.is_empty() => self.list(list, indent, true),
            scalar => self.scalar(scalar, indent),
        }
    }

    fn scalar(&mut self, value: &Value<'_>, indent: usize) {
        match value {
            Value::Map(_) => self.text("{}"),
            Value::List(_) => self.text("[]"),
            Value::Bool(true) => self.text("true"),
            Value::Bool(false) => self.text("false"),
            Value::Int(n) => self.text(itoa::Buffer::new().format(*n)),
            Value::Float(n) => self.float(*n),
            Value::Str(text) => self.string(text, &style::analyze(text), indent, false),
            Value::Null | Value::Raw(_) => self.text("null"),
        }
    }

    /// Go's `%g` with the fewest digits: an exponent below -4 and from 6 on.
    fn float(&mut self, n: f64) {
        let text = format!("{n:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..6).contains(&exponent) {
            self.text(&format!("{n}"));
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            self.text(&format!("{digits}e{sign}{:02}", exponent.unsigned_abs()));
        }
    }

    fn string(&mut self, text: &str, analysis: &Analysis, indent: usize, simple_key: bool) {
        match style::choose(text, analysis, simple_key) {
            Style::Plain => self.folded(text, indent, !simple_key, false),
            Style::Single => {
                self.text("'");
                self.folded(text, indent, !simple_key, true);
                self.text("'");
            }
            Style::Double => self.double(text, indent, !simple_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// Writes a plain or single-quoted scalar.
    fn folded(&mut self, text: &str, indent: usize, may_fold: bool, quoted: bool) {
        let (mut spaces, mut breaks) = (false, false);
        let last = text.chars().count().saturating_sub(1);
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            if c == ' ' {
                let inside = !quoted || (at > 0 && at < last);
                let fold = may_fold && !spaces && self.column > WIDTH && inside;
                if fold && next != Some(' ') {
                    self.line(indent);
                } else {
                    self.char(c);
                }
                spaces = true;
            } else if style::is_break(c) {
                if !breaks && c == '\n' {
                    self.out.push(b'\n');
                }
                self.line_break(c);
                breaks = true;
            } else {
                if breaks {
                    self.out.extend(std::iter::repeat_n(b' ', indent));
                    self.column = indent;
                }
                if c == '\'' && quoted {
                    self.char(c);
                }
                self.char(c);
                (spaces, breaks) = (false, false);
            }
        }
    }

    fn line_break(&mut self, c: char) {
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.column = 0;
    }

    fn double(&mut self, text: &str, indent: usize, may_fold: bool) {
        self.text("\"");
        let mut spaces = false;
        let last = text.len().saturating_sub(1);
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if !style::is_printable(c) || style::is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
                spaces = false;
            } else if c == ' ' {
                if may_fold && !spaces && self.column > WIDTH && at > 0 && at < last {
                    self.line(indent);
                    if chars.peek().is_some_and(|(_, c)| *c == ' ') {
                        self.text("\\");
                    }
                } else {
                    self.char(c);
                }
                spaces = true;
            } else {
                self.char(c);
                spaces = false;
            }
        }
        self.text("\"");
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            c => {
                let code = u32::from(c);
                return self.text(&match code {
                    ..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                });
            }
        };
        self.char('\\');
        self.char(short);
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.text("|");
        if text.starts_with([' ', '\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            self.text("2");
        }
        let mut ends = text.chars().rev();
        match (ends.next().is_some_and(style::is_break), ends.next()) {
            (false, _) => self.text("-"),
            (true, None) => self.text("+"),
            (true, Some(before)) if style::is_break(before) => self.text("+"),
            (true, Some(_)) => {}
        }
        self.out.push(b'\n');
        let mut breaks = true;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if style::is_break(c) {
                // The last one is written as the end of the scalar's last line.
                if chars.peek().is_some() || c != '\n' {
                    self.line_break(c);
                }
                breaks = true;
            } else {
                if breaks {
                    self.out.extend(std::iter::repeat_n(b' ', indent));
                    self.column = indent;
                }
                self.char(c);
                breaks = false;
            }
        }
    }
}

/// The order of keys (`keyList.Less` of go-yaml v2): letters behind everything else, numbers by
/// value.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else {
        return a.len().cmp(&b.len());
    };
    let (Some(x), Some(y)) = (a.get(at), b.get(at)) else { return Ordering::Equal };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Zeros behind other digits are part of a number, not leading it.
    let inside = (*x == '0' || *y == '0')
        && a.iter().take(at).rev().take_while(|c| c.is_numeric()).any(|c| *c != '0');
    let number = |text: &[char]| {
        let digits = text.iter().skip(at).take_while(|c| c.is_numeric());
        digits.fold((i64::from(inside), at), |(value, end), c| {
            let digit = i64::from(u32::from(*c)) - i64::from(u32::from('0'));
            (value.wrapping_mul(10).wrapping_add(digit), end + 1)
        })
    };
    number(&a).cmp(&number(&b)).then(x.cmp(y))
}

#[cfg(test)]
mod tests {
    use super::from_json;

    fn yaml(json: &str) -> String {
        let mut out = Vec::new();
        from_json(json.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn objects_read_as_upstream_writes_them() {
        let json = r#"{"kind":"ConfigMap","data":{"e":"","multi":"l1\nl2\n","num":"1","q":"a: b",
            "t":"true","time":"2026-01-02T03:04:05Z"},"l":[1,{"b":[],"a":{"x":null}},["p","q"]],
            "empty":{},"f":1.5,"big":1e30}"#;
        let expected = "big: 1e+30\ndata:\n  e: \"\"\n  multi: |\n    l1\n    l2\n  num: \"1\"\n  \
             q: 'a: b'\n  t: \"true\"\n  time: \"2026-01-02T03:04:05Z\"\nempty: {}\nf: 1.5\n\
             kind: ConfigMap\nl:\n- 1\n- a:\n    x: null\n  b: []\n- - p\n  - q\n";
        assert_eq!(yaml(json), expected);
    }

    #[test]
    fn strings_take_the_style_that_libyaml_takes() {
        for (json, expected) in [
            (r#""plain""#, "plain\n"),
            (r#""grün 世界 😀""#, "\"grün 世界 \\U0001F600\"\n"),
            (
                r#""tab\tnew\nline \"q\" \\ <>&\u2028""#,
                "\"tab\\tnew\\nline \\\"q\\\" \\\\ <>&\\L\"\n",
            ),
            (r#""it's: x""#, "'it''s: x'\n"),
            (r#""- x""#, "'- x'\n"),
            (r#"" lead""#, "' lead'\n"),
            (r#""a\nb""#, "|-\n  a\n  b\n"),
            (r#""a\n\n""#, "|+\n  a\n\n"),
            (r#"" a\nb\n""#, "|2\n   a\n  b\n"),
            ("null", "null\n"),
            ("1234567.5", "1.2345675e+06\n"),
            ("0.00001", "1e-05\n"),
            ("100.25", "100.25\n"),
        ] {
            assert_eq!(yaml(json), expected, "{json}");
        }
    }

    #[test]
    fn long_lines_are_folded_at_a_blank() {
        let long = "word ".repeat(20);
        let text = yaml(&format!("{{\"a\":\"{}\"}}", long.trim()));
        let expected =
            format!("a: {}\n  {}\n", "word ".repeat(16).trim(), "word ".repeat(4).trim());
        assert_eq!(text, expected);
    }

    #[test]
    fn keys_are_in_natural_order() {
        let text = yaml(r#"{"a10":1,"a2":1,"b":1,".":1,"f:x":1,"A":1}"#);
        assert_eq!(text, ".: 1\nA: 1\na2: 1\na10: 1\nb: 1\nf:x: 1\n");
    }

    #[test]
    fn long_keys_stand_alone() {
        let key = "k".repeat(129);
        let text = yaml(&format!("{{\"{key}\":{{\"a\":[1]}}}}"));
        assert_eq!(text, format!("? {key}\n: a:\n  - 1\n"));
    }
}
