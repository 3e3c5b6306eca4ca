//! Why a text is no YAML, in the words of go-yaml v2.

use saphyr_parser::ScanError;
use std::fmt;

/// Why a text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YamlError {
    /// An alias to a node that it stands in.
    Cycle(String),
    /// A character that YAML has no place for.
    Control,
    /// Nested too deep.
    Depth,
    /// Aliases multiply the document beyond reason.
    Expansion,
    /// A key that JSON cannot have: the Go type.
    Key(&'static str),
    /// Merging something that is no map.
    Merge,
    /// A tag and text that do not go together: type found, text, tag.
    Tag(&'static str, String, String),
    /// The text breaks the grammar; the line counts from 1, 0 if go-yaml does not tell.
    Syntax {
        /// Where.
        line: usize,
        /// What.
        problem: String,
    },
    /// An alias to nothing.
    UnknownAnchor(String),
    /// Not UTF-8.
    Utf8,
    /// A number that JSON cannot have.
    Value(&'static str),
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle(name) => write!(f, "yaml: anchor '{name}' value contains itself"),
            Self::Control => f.write_str("yaml: control characters are not allowed"),
            Self::Depth => f.write_str("yaml: exceeded max depth of 10000"),
            Self::Expansion => f.write_str("yaml: document contains excessive aliasing"),
            Self::Key("nil") => {
                f.write_str("unsupported map key of type: %!s(<nil>), key: <nil>, value: <nil>")
            }
            Self::Key(go_type) => write!(f, "yaml: invalid map key: {go_type}"),
            Self::Merge => {
                f.write_str("yaml: map merge requires map or sequence of maps as the value")
            }
            Self::Tag(found, text, tag) => {
                write!(f, "yaml: cannot decode {found} `{text}` as a {tag}")
            }
            Self::Syntax { line: 0, problem } => write!(f, "yaml: {problem}"),
            Self::Syntax { line, problem } => write!(f, "yaml: line {line}: {problem}"),
            Self::UnknownAnchor(name) => write!(f, "yaml: unknown anchor '{name}' referenced"),
            Self::Utf8 => f.write_str("yaml: invalid leading UTF-8 octet"),
            Self::Value(text) => write!(f, "json: unsupported value: {text}"),
        }
    }
}

impl std::error::Error for YamlError {}

/// Puts an error of the parser into go-yaml's words. go-yaml numbers lines by its own rules: those
/// of scanner errors count from one, those of parser errors from zero, and line zero is not told.
pub(super) fn of_scan(error: &ScanError, source: &str) -> YamlError {
    let info = error.info();
    let mark = error.marker();
    let above = match info.contains("unexpected end of stream") {
        // go-yaml tells where the text ends, not where the scalar begins.
        true => source.matches('\n').count(),
        false => mark.line().saturating_sub(1),
    };
    if info.contains("unknown anchor") {
        return YamlError::UnknownAnchor(alias_name(source, mark.index()));
    }
    if info.contains("recursion limit") {
        return YamlError::Depth;
    }
    let parser = [
        "did not find expected node content",
        "did not find expected key",
        "did not find expected ',' or '}'",
        "expected ',' or ']'",
        "did not find expected '-' indicator",
        "did not find expected <document",
        "unexpected eof",
    ];
    let is_parser = parser.iter().any(|text| info.contains(text));
    // At the end go-yaml counts a line end that is not there.
    let rest = source.chars().skip(mark.index()).all(char::is_whitespace);
    let line = match (is_parser, above) {
        (true, above) => above + usize::from(rest && mark.col() > 0),
        (false, 0) => 0,
        (false, above) => above + 1,
    };
    YamlError::Syntax { line, problem: problem(info).to_owned() }
}

/// The name of the alias at this character.
pub(super) fn alias_name(source: &str, index: usize) -> String {
    let name = source.chars().skip(index).skip_while(|c| *c == '*');
    name.take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn problem(info: &str) -> &str {
    let plain = match info.split_once(", ") {
        Some((context, problem)) if context.starts_with("while ") => problem,
        _ => info,
    };
    match plain {
        "expected ',' or ']'" => "did not find expected ',' or ']'",
        "did not find expected <document start>" => "did not find expected <document start>",
        "simple key expected" | "simple key expect ':'" => "could not find expected ':'",
        "unexpected eof" => "did not find expected node content",
        text if text.starts_with("tab") || text.starts_with("unexpected character") => {
            "found character that cannot start any token"
        }
        text if text.contains("a tab") => "found a tab character that violates indentation",
        text => text,
    }
}
