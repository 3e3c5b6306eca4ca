//! Names of fields as CEL identifiers (`apiservercel.Escape`).

use super::parse::RESERVED;

/// What CEL has a meaning for: its reserved words and its literals.
fn is_reserved(word: &str) -> bool {
    matches!(word, "true" | "false" | "null") || RESERVED.contains(&word)
}

/// The identifier for the field `name`; `None` if it has none.
pub fn escape(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if is_reserved(name) {
        return Some(format!("__{name}__"));
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '_' if rest.starts_with("__") => {
                out.push_str("__underscores__");
                taken = 2;
            }
            '.' => out.push_str("__dot__"),
            '-' => out.push_str("__dash__"),
            '/' => out.push_str("__slash__"),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => out.push(c),
            _ => return None,
        }
        rest = rest.get(taken..)?;
    }
    Some(out)
}

/// The field that an identifier stands for; `None` if it has a wrong escape.
pub fn unescape(escaped: &str) -> Option<String> {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find("__") {
        let (plain, tail) = rest.split_at(at);
        let body = tail.get(2..)?;
        let word = body.find('_').filter(|end| *end > 0 && body[*end..].starts_with("__"));
        let Some(end) = word else {
            // Two underscores that begin no escape stand for themselves.
            out.push_str(plain);
            out.push('_');
            rest = tail.get(1..)?;
            continue;
        };
        out.push_str(plain);
        let word = body.get(..end)?;
        match word {
            "underscores" => out.push_str("__"),
            "dot" => out.push('.'),
            "dash" => out.push('-'),
            "slash" => out.push('/'),
            _ if is_reserved(word) && word.len() + 4 == escaped.len() => out.push_str(word),
            _ => return None,
        }
        rest = body.get(end + 2..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// True for what can be the name of a variable (`CEL identifier`).
pub fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && !is_reserved(name)
}

#[cfg(test)]
mod tests {
    use super::{escape, unescape};

    #[test]
    fn names_are_escaped_and_back() {
        let cases = [
            ("a.b-c/d", "a__dot__b__dash__c__slash__d"),
            ("a__b", "a__underscores__b"),
            ("namespace", "__namespace__"),
            ("namespaces", "namespaces"),
            ("_x_", "_x_"),
        ];
        for (name, escaped) in cases {
            assert_eq!(escape(name).as_deref(), Some(escaped));
            assert_eq!(unescape(escaped).as_deref(), Some(name));
        }
        assert_eq!(escape("a b"), None);
        assert_eq!(escape("1a"), None);
        assert_eq!(unescape("__nope__"), None);
    }
}
