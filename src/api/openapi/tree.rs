//! Builds documents as object trees.

use crate::object::Map;
use crate::object::Value;
use bumpalo::Bump;
use std::fmt;
use std::fmt::Write as _;

/// Makes values in one arena.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Maker<'a>(pub(in crate::api) &'a Bump);

impl<'a> Maker<'a> {
    /// An object with these members, in this order; members that are null are left out.
    pub(in crate::api) fn map(
        self,
        entries: impl IntoIterator<Item = (&'a str, Value<'a>)>,
    ) -> Value<'a> {
        let mut map = Map::new_in(self.0);
        for (key, value) in entries {
            if !value.is_null() {
                map.push_unique(key, value);
            }
        }
        Value::Map(map)
    }

    /// A list.
    pub(in crate::api) fn list(self, items: impl IntoIterator<Item = Value<'a>>) -> Value<'a> {
        let mut list = bumpalo::collections::Vec::new_in(self.0);
        list.extend(items);
        Value::List(list)
    }

    /// A list of strings.
    pub(in crate::api) fn texts(self, items: &[&'a str]) -> Value<'a> {
        self.list(items.iter().map(|text| Value::Str(text)))
    }

    /// A list of strings; null, and so left out, if there is none.
    pub(in crate::api) fn some_texts(self, items: &[&'a str]) -> Value<'a> {
        if items.is_empty() { Value::Null } else { self.texts(items) }
    }

    /// A copied string; null, and so left out, if it is empty.
    pub(in crate::api) fn some_text(self, text: &str) -> Value<'a> {
        if text.is_empty() { Value::Null } else { Value::str_in(text, self.0) }
    }

    /// A string from formatted parts.
    pub(in crate::api) fn format(self, parts: fmt::Arguments<'_>) -> Value<'a> {
        Value::Str(self.text(parts))
    }

    /// The text of formatted parts, for keys.
    pub(in crate::api) fn text(self, parts: fmt::Arguments<'_>) -> &'a str {
        match parts.as_str() {
            Some(text) => self.0.alloc_str(text),
            None => {
                let mut text = bumpalo::collections::String::new_in(self.0);
                let _ = text.write_fmt(parts);
                text.into_bump_str()
            }
        }
    }
}
