//! What is wrong with an expression, told as cel-go tells it (`common.Error.ToDisplayString`).

use std::fmt::Write as _;

/// One error: where, in code points, and what. `None` stands for no place.
pub(super) type Issue = (Option<u32>, String);

/// The longest line that is shown (`maxSnippetLength`).
const LINE_MAX: usize = 16_384;

/// All errors in the order of their places.
pub(super) fn shown(text: &str, mut issues: Vec<Issue>) -> String {
    issues.sort_by_key(|(at, _)| at.map_or(-1, i64::from));
    let mut out = String::new();
    for (at, message) in issues {
        if !out.is_empty() {
            out.push('\n');
        }
        show(text, at, &message, &mut out);
    }
    out
}

fn show(text: &str, at: Option<u32>, message: &str, out: &mut String) {
    let Some(at) = at else {
        let _ = write!(out, "ERROR: <input>:-1:0: {message}");
        return;
    };
    if text.is_empty() {
        // No text has no places: neither a column nor a line to show.
        let _ = write!(out, "ERROR: <input>:1:0: {message}");
        return;
    }
    let (mut line, mut column) = (1_usize, 0_usize);
    for c in text.chars().take(at as usize) {
        if c == '\n' {
            line += 1;
            column = 0;
        } else {
            column += 1;
        }
    }
    let _ = write!(out, "ERROR: <input>:{line}:{}: {message}", column + 1);
    let snippet = text.split('\n').nth(line - 1).unwrap_or_default().replace('\t', " ");
    if snippet.len() > LINE_MAX {
        return;
    }
    let _ = write!(out, "\n | {snippet}\n | ");
    let mut chars = snippet.chars();
    for c in chars.by_ref().take(column) {
        out.push(if c.len_utf8() > 1 { '\u{ff0e}' } else { '.' });
    }
    out.push(if chars.next().is_some_and(|c| c.len_utf8() > 1) { '\u{ff3e}' } else { '^' });
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn an_error_shows_its_line_and_marks_its_place() {
        let text = "a &&\n\tb.c";
        assert_eq!(
            shown(text, vec![(Some(6), "bad".to_owned())]),
            "ERROR: <input>:2:2: bad\n |  b.c\n | .^"
        );
    }
}
