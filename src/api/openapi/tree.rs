//! Builds documents as object trees and writes them as plain JSON, without a schema.

use crate::api::table::quote;
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

/// Writes a tree that the program itself has built as compact JSON.
pub(in crate::api) fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::Float(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Str(text) => quote(text, out),
        Value::Raw(json) => out.extend_from_slice(json.as_bytes()),
        Value::List(list) => {
            out.push(b'[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (at, (key, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                quote(key, out);
                out.push(b':');
                write(item, out);
            }
            out.push(b'}');
        }
    }
}
