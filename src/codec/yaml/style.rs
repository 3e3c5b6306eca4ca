//! How a string is written: libyaml's choice of style, as go-yaml v2 has it.

use super::resolve::is_plain_string;

/// A scalar's style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Double,
    Literal,
    Plain,
    Single,
}

/// What the characters of a string allow (`yaml_emitter_analyze_scalar`).
pub(super) struct Analysis {
    pub(super) multiline: bool,
    plain: bool,
    single: bool,
    literal: bool,
}

/// A line break to libyaml.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Printable to libyaml; it knows nothing beyond the basic plane.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

pub(super) fn analyze(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis { multiline: false, plain: true, single: true, literal: false };
    }
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut line_breaks, mut special) = (false, false);
    let (mut leading, mut trailing_space, mut trailing_break) = (false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut preceded = true;
    let mut chars = text.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, c)| *c);
        let followed = next.is_none_or(is_blank);
        indicators |= match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`'
                if at == 0 =>
            {
                true
            }
            '?' | '-' => at == 0 && followed,
            ':' => followed,
            '#' => preceded,
            _ => false,
        };
        special |= !is_printable(c);
        if c == ' ' {
            leading |= at == 0;
            trailing_space |= next.is_none();
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(c) {
            line_breaks = true;
            leading |= at == 0;
            trailing_break |= next.is_none();
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        preceded = is_blank(c) || is_break(c) || c == '\0';
    }
    let odd = space_break || special;
    let edges = leading || trailing_space || trailing_break;
    Analysis {
        multiline: line_breaks,
        plain: !(edges || break_space || odd || line_breaks || indicators),
        single: !(break_space || odd),
        literal: !(trailing_space || odd),
    }
}

/// The style of a string (`encoder.stringv`, `yaml_emitter_select_scalar_style`); `simple_key` if
/// it is a key that stands on the line of its value.
pub(super) fn choose(text: &str, analysis: &Analysis, simple_key: bool) -> Style {
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if is_plain_string(text) {
        Style::Plain
    } else {
        Style::Double
    };
    if simple_key && analysis.multiline {
        return Style::Double;
    }
    match wanted {
        Style::Plain if analysis.plain => Style::Plain,
        Style::Plain if analysis.single => Style::Single,
        Style::Literal if analysis.literal && !simple_key => Style::Literal,
        _ => Style::Double,
    }
}
