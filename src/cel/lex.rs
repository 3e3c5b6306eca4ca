//! Text → tokens, by the lexer rules of the CEL grammar.

/// One token: what it is, its text, and where it starts in code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) at: u32,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bytes,
    End,
    EscapedName,
    Float,
    Int,
    Name,
    /// An operator, bracket or other sign, and the words `in`, `true`, `false` and `null`.
    Sign,
    String,
    Uint,
}

impl Token<'_> {
    /// True for the sign or word `text`.
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind == Kind::Sign && self.text == text
    }

    /// How error messages name it.
    pub(super) fn shown(&self) -> &str {
        if self.kind == Kind::End { "<EOF>" } else { self.text }
    }
}

const SIGNS: [&str; 26] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%", "\u{0}", "\u{0}",
];

/// A text that is no token: where it starts, and what it is.
pub(super) type Stray = (u32, String);

/// Splits `text`; the last token is the end. What is no token is told apart and left out.
pub(super) fn lex(text: &str) -> (Vec<Token<'_>>, Vec<Stray>) {
    let mut tokens = Vec::new();
    let mut strays: Vec<Stray> = Vec::new();
    let (mut rest, mut at) = (text, 0_u32);
    while !rest.is_empty() {
        let (length, kind) = first(rest);
        let (token, behind) = rest.split_at(length);
        match kind {
            Some(Some(kind)) => tokens.push(Token { kind, text: token, at }),
            Some(None) => {}
            None => strays.push((at, token.to_owned())),
        }
        at = at.saturating_add(count(token));
        rest = behind;
    }
    tokens.push(Token { kind: Kind::End, text: "", at });
    (tokens, strays)
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

/// The length of the first token of `text` and its kind: `Some(None)` for space and comments,
/// `None` for what is no token.
fn first(text: &str) -> (usize, Option<Option<Kind>>) {
    let bytes = text.as_bytes();
    let head = bytes.first().copied().unwrap_or(0);
    if matches!(head, b' ' | b'\t' | b'\r' | b'\n' | 0x0c) {
        return (1, Some(None));
    }
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), Some(None));
    }
    if let Some(length) = string(text) {
        return (length, Some(Some(Kind::String)));
    }
    if matches!(head, b'b' | b'B')
        && let Some(length) = text.get(1..).and_then(string)
    {
        return (length + 1, Some(Some(Kind::Bytes)));
    }
    if let Some((length, kind)) = number(bytes) {
        return (length, Some(Some(kind)));
    }
    if head.is_ascii_alphabetic() || head == b'_' {
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let length = bytes.iter().take_while(|b| is_part(b)).count();
        let word = matches!(text.get(..length), Some("in" | "true" | "false" | "null"));
        return (length, Some(Some(if word { Kind::Sign } else { Kind::Name })));
    }
    if head == b'`'
        && let Some(length) = escaped(bytes)
    {
        return (length, Some(Some(Kind::EscapedName)));
    }
    match SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        Some(sign) => (sign.len(), Some(Some(Kind::Sign))),
        None => (stray(text), None),
    }
}

/// The length of what is no token: upstream's lexer takes the character behind an unfinished
/// `&`, `|` or `=` with it.
fn stray(text: &str) -> usize {
    let mut chars = text.chars();
    let first = chars.next().map_or(0, char::len_utf8);
    match text.as_bytes().first() {
        Some(b'&' | b'|' | b'=') => first + chars.next().map_or(0, char::len_utf8),
        Some(b'"' | b'\'') => text.find('\n').unwrap_or(text.len()),
        _ => first,
    }
}

/// The length of a name between back quotes.
fn escaped(bytes: &[u8]) -> Option<usize> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"_.-/ ".contains(b);
    let inner = bytes.iter().skip(1).take_while(|b| is_part(b)).count();
    (inner > 0 && bytes.get(inner + 1) == Some(&b'`')).then_some(inner + 2)
}

/// The length of the string literal at the start of `text`.
fn string(text: &str) -> Option<usize> {
    let raw = usize::from(matches!(text.as_bytes().first(), Some(b'r' | b'R')));
    let body = text.get(raw..)?;
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| body.starts_with(quote))?;
    let long = quote.len() == 3;
    let bytes = body.as_bytes();
    let mut at = quote.len();
    loop {
        if bytes.get(at..)?.starts_with(quote.as_bytes()) {
            return Some(raw + at + quote.len());
        }
        match bytes.get(at)? {
            b'\n' | b'\r' if !long => return None,
            b'\\' if raw == 0 => at += 1 + escape(bytes.get(at + 1..)?)?,
            _ => at += 1,
        }
    }
}

/// The length of an escape behind its backslash.
fn escape(bytes: &[u8]) -> Option<usize> {
    let hex = |count: usize| {
        let digits = bytes.get(1..=count)?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(count + 1)
    };
    match bytes.first()? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => {
            Some(1)
        }
        b'x' | b'X' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        b'0'..=b'3' => {
            let digits = bytes.get(1..3)?;
            digits.iter().all(|b| (b'0'..=b'7').contains(b)).then_some(3)
        }
        _ => None,
    }
}

/// The length and kind of the number at the start.
fn number(bytes: &[u8]) -> Option<(usize, Kind)> {
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let unsigned = |length: usize| match bytes.get(length) {
        Some(b'u' | b'U') => (length + 1, Kind::Uint),
        _ => (length, Kind::Int),
    };
    if bytes.starts_with(b"0x") {
        let hex = bytes.iter().skip(2).take_while(|b| b.is_ascii_hexdigit()).count();
        if hex > 0 {
            return Some(unsigned(2 + hex));
        }
    }
    let whole = digits(0);
    let mut length = whole;
    if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    Some(if length == whole { unsigned(whole) } else { (length, Kind::Float) })
}

#[cfg(test)]
mod tests {
    use super::{Kind, lex};

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        let (tokens, _) = lex(text);
        tokens.into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn literals_are_told_apart() {
        let found = kinds("1 2u 0x1F 1.5 .5e3 'a\\n' b\"x\" r'\\d' true x `a-b` // end");
        let expected = [
            Kind::Int,
            Kind::Uint,
            Kind::Int,
            Kind::Float,
            Kind::Float,
            Kind::String,
            Kind::Bytes,
            Kind::String,
            Kind::Sign,
            Kind::Name,
            Kind::EscapedName,
            Kind::End,
        ];
        assert_eq!(found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_no_token_is_told_with_its_place() {
        let (tokens, strays) = lex("a | b");
        assert_eq!(tokens.len(), 3);
        assert_eq!(strays, [(2, "| ".to_owned())]);
    }
}
