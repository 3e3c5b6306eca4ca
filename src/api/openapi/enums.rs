//! The allowed values of fields, read from `data/enums.txt`.

use crate::base::hash::HashMap;
use std::borrow::Cow;
use std::sync::OnceLock;

const FILE: &str = include_str!("data/enums.txt");

/// An allowed value and what it means; the meaning is "" where upstream says nothing.
#[derive(Debug)]
pub(super) struct Allowed {
    /// The value.
    pub(super) value: &'static str,
    /// Its meaning.
    pub(super) meaning: Cow<'static, str>,
}

/// The allowed values of a field; none if any value is.
pub(super) fn of_field(definition: &str, field: &str) -> &'static [Allowed] {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let definition = definition.strip_prefix("io.k8s.api.").unwrap_or(definition);
    let table = TABLE.get_or_init(Table::read);
    let at = table.fields.get(format!("{definition}/{field}").as_str());
    at.and_then(|at| table.sets.get(*at)).map_or(&[], Vec::as_slice)
}

/// Sets of values, and which field has which.
#[derive(Default)]
struct Table {
    sets: Vec<Vec<Allowed>>,
    fields: HashMap<&'static str, usize>,
}

impl Table {
    fn read() -> Self {
        let mut table = Self::default();
        for line in FILE.lines().filter(|line| !line.starts_with('#')) {
            if let Some(fields) = line.strip_prefix("fields ") {
                let at = table.sets.len();
                table.fields.extend(fields.split(' ').map(|field| (field, at)));
                table.sets.push(Vec::new());
            } else if let Some((value, meaning)) =
                line.strip_prefix("  \"").and_then(|rest| rest.split_once('"'))
                && let Some(set) = table.sets.last_mut()
            {
                set.push(Allowed { value, meaning: unescape(meaning.trim_start()) });
            }
        }
        table
    }
}

/// Reads `\n`, `\t` and `\\`.
pub(super) fn unescape(text: &'static str) -> Cow<'static, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    Cow::Owned(out)
}
