//! Patterns as Go's RE2 reads them.

use regex::Regex;
use regex_syntax::ast::{ErrorKind, parse::Parser};

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    /// As the definition has it.
    pub text: Box<str>,
    regex: Option<Regex>,
}

impl Pattern {
    /// Compiles a pattern; one that cannot be compiled matches nothing.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), regex: compile(text).ok() }
    }

    /// True if the pattern is found anywhere in `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// Compiles a Go pattern.
///
/// # Errors
/// What Go says is wrong: `missing closing ): ` and so on.
pub fn compile(text: &str) -> Result<Regex, String> {
    if let Ok(regex) = Regex::new(&as_rust(text)) {
        return Ok(regex);
    }
    let Err(error) = Parser::new().parse(text) else {
        return Err(format!("invalid or unsupported Perl syntax: `{text}`"));
    };
    let span = error.span();
    let from = |at: usize| text.get(at..).unwrap_or("");
    let part = text.get(span.start.offset..span.end.offset).unwrap_or("");
    Err(match error.kind() {
        ErrorKind::GroupUnclosed => format!("missing closing ): `{text}`"),
        ErrorKind::GroupUnopened => format!("unexpected ): `{text}`"),
        ErrorKind::ClassUnclosed => format!("missing closing ]: `{}`", from(span.start.offset)),
        ErrorKind::ClassRangeInvalid => format!("invalid character class range: `{part}`"),
        ErrorKind::RepetitionMissing => {
            let operator = from(span.start.offset);
            let end = if operator.starts_with('{') { operator.find('}') } else { Some(0) };
            let operator = end.and_then(|end| operator.get(..=end)).unwrap_or(operator);
            format!("missing argument to repetition operator: `{operator}`")
        }
        ErrorKind::RepetitionCountInvalid => format!("invalid repeat count: `{part}`"),
        ErrorKind::EscapeUnexpectedEof => "trailing backslash at end of expression: ``".into(),
        ErrorKind::EscapeUnrecognized => format!("invalid escape sequence: `{part}`"),
        _ => format!("invalid or unsupported Perl syntax: `{part}`"),
    })
}

/// The pattern in the syntax of the `regex` crate: Go's `\d`, `\s`, `\w` and `\b` know ASCII alone,
/// and its classes neither nest nor have operators.
fn as_rust(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars();
    let (mut class, mut last) = (0, '\0');
    while let Some(c) = chars.next() {
        let in_class = class > 0;
        class += usize::from(in_class);
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
                Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('b') if !in_class => out.push_str("(?-u:\\b)"),
                Some('Q') if !in_class => {
                    let rest = chars.as_str();
                    let (literal, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                    out.push_str(&regex_syntax::escape(literal));
                    chars = after.chars();
                }
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if in_class && chars.as_str().starts_with(':') => {
                let rest = chars.as_str();
                let (name, after) = rest.split_once(']').unwrap_or((rest, ""));
                out.push('[');
                out.push_str(name);
                out.push(']');
                chars = after.chars();
            }
            '[' if in_class => out.push_str("\\["),
            '[' => {
                class = 1;
                out.push(c);
                if chars.as_str().starts_with('^') {
                    chars.next();
                    out.push('^');
                }
                if chars.as_str().starts_with(']') {
                    chars.next();
                    out.push_str("\\]");
                }
            }
            ']' if in_class => {
                class = 0;
                out.push(c);
            }
            '&' | '~' | '-' if in_class && last == c => out.extend(['\\', c]),
            _ => out.push(c),
        }
        last = c;
    }
    out
}
