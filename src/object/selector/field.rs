//! Field selectors (`k8s.io/apimachinery/pkg/fields`).

use crate::object::selector::SelectorError;
use std::fmt;
use std::fmt::Write as _;

/// One condition on one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldRequirement {
    /// The field's name, as `metadata.name`.
    pub field: String,
    /// `!=` instead of `=`.
    pub negated: bool,
    /// What the field is compared with; a missing field reads as "".
    pub value: String,
}

/// A set of conditions of which all must hold. The default selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldSelector {
    /// Sorted, each once.
    requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// All of these requirements.
    pub fn new(mut requirements: Vec<FieldRequirement>) -> Self {
        requirements.sort_unstable();
        requirements.dedup();
        Self { requirements }
    }

    /// The selector `field=value` (`fields.OneTermEqualSelector`).
    pub fn equals(field: &str, value: &str) -> Self {
        let (field, value) = (field.to_owned(), value.to_owned());
        Self { requirements: vec![FieldRequirement { field, negated: false, value }] }
    }

    /// Reads the text of a `fieldSelector` query parameter (`fields.ParseSelector`). Which fields
    /// are known depends on the resource: see [`Self::rename`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let mut requirements = Vec::with_capacity(terms.len());
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let Some((field, negated, value)) = split_term(term) else {
                let message = format!("invalid selector: '{text}'; can't understand '{term}'");
                return Err(SelectorError(message));
            };
            let (field, value) = (field.to_owned(), unescape(value)?);
            requirements.push(FieldRequirement { field, negated, value });
        }
        Ok(Self::new(requirements))
    }

    /// Gives each field the name by which the resource knows it; `known` fails with the resource's
    /// error for a field that it cannot select by.
    pub fn rename<E>(
        self,
        mut known: impl FnMut(&str) -> Result<Option<&'static str>, E>,
    ) -> Result<Self, E> {
        let mut requirements = self.requirements;
        for requirement in &mut requirements {
            if let Some(name) = known(&requirement.field)? {
                name.clone_into(&mut requirement.field);
            }
        }
        Ok(Self::new(requirements))
    }

    /// Both this selector's and `other`'s requirements.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.requirements.extend(other.requirements);
        Self::new(self.requirements)
    }

    /// This selector without its requirements on `field`.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.requirements.retain(|r| r.field != field);
        self
    }

    /// True if every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements, sorted by field.
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// True if the fields that `lookup` gives meet every requirement; a missing field reads as "".
    pub fn matches<'l>(&self, lookup: impl Fn(&str) -> Option<&'l str>) -> bool {
        let requirements = self.requirements.iter();
        requirements.into_iter().all(|r| (lookup(&r.field).unwrap_or("") == r.value) != r.negated)
    }

    /// The value that `field` must have, where a requirement says so.
    pub fn requires_exact(&self, field: &str) -> Option<&str> {
        let found = self.requirements.iter().find(|r| !r.negated && r.field == field);
        found.map(|r| r.value.as_str())
    }
}

/// The canonical text, which `parse` reads back.
impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            f.write_str(&requirement.field)?;
            f.write_str(if requirement.negated { "!=" } else { "=" })?;
            for c in requirement.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_char('\\')?;
                }
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Splits at commas that no backslash stands before.
fn split_terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    let terms = text.split(|c: char| {
        let ends = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    terms.collect()
}

/// The field, whether the operator is `!=`, and the value; `None` if there is no operator.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.bytes().enumerate().position(|(at, b)| {
        b == b'=' || (b == b'!' && term.as_bytes().get(at + 1) == Some(&b'='))
    })?;
    let (field, rest) = term.split_at_checked(at)?;
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((field, true, value));
    }
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
    Some((field, false, value))
}

/// The value without its backslashes (`fields.UnescapeValue`).
fn unescape(text: &str) -> Result<String, SelectorError> {
    const PREFIX: &str = "invalid field selector:";
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => value.push(c),
                other => {
                    let mut text = format!("{PREFIX} invalid escape sequence: \\");
                    text.extend(other);
                    return Err(SelectorError(text));
                }
            },
            ',' | '=' => {
                // Go prints the rune as a number.
                let text = format!("{PREFIX} unescaped character in value: {}", u32::from(c));
                return Err(SelectorError(text));
            }
            c => value.push(c),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::FieldSelector;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn operators_and_escapes_are_read_as_upstream_reads_them() {
        let selector = FieldSelector::parse(r"b!=x,metadata.name==a\,b\=c,,c=").expect("selector");
        assert_eq!(selector.requires_exact("metadata.name"), Some("a,b=c"));
        assert_eq!(selector.requires_exact("b"), None);
        assert_eq!(selector.to_string(), r"b!=x,c=,metadata.name=a\,b\=c");
        let fields = |field: &str| (field == "metadata.name").then_some("a,b=c");
        assert!(selector.matches(fields));
        assert!(!FieldSelector::parse("c!=").expect("c").matches(fields));
    }

    #[test]
    fn parse_errors_read_as_upstream_words_them() {
        let cases = [
            (
                "metadata.name",
                "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
            ),
            ("a=b=c", "invalid field selector: unescaped character in value: 61"),
            (r"a=b\c", r"invalid field selector: invalid escape sequence: \c"),
            (r"a=b\", r"invalid field selector: invalid escape sequence: \"),
        ];
        for (text, message) in cases {
            assert_eq!(FieldSelector::parse(text).expect_err(text).0, message);
        }
    }

    #[test]
    fn renaming_keeps_the_selector_canonical() {
        let selector = FieldSelector::parse("spec.host=n,metadata.name=a").expect("selector");
        let renamed = selector.rename(|field| match field {
            "spec.host" => Ok(Some("a.nodeName")),
            "metadata.name" => Ok(None),
            _ => Err(()),
        });
        assert_eq!(renamed.map(|s| s.to_string()), Ok("a.nodeName=n,metadata.name=a".to_owned()));
        assert!(FieldSelector::equals("x", "").rename(|_| Err::<Option<_>, _>(())).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_prints_what_reads_back(text in any::<String>()) {
            if let Ok(selector) = FieldSelector::parse(&text) {
                prop_assert_eq!(FieldSelector::parse(&selector.to_string()), Ok(selector));
            }
        }

        #[test]
        fn operators_in_any_order_do_not_panic(text in r"[ab=!,\\]{0,16}") {
            if let Ok(selector) = FieldSelector::parse(&text) {
                prop_assert_eq!(FieldSelector::parse(&selector.to_string()), Ok(selector));
            }
        }
    }
}
