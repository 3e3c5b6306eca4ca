//! Lists that are sets or maps hold nothing twice (`structural-schema/listtype`).

use super::{ListType, Schema};
use crate::object::field::{FieldError, Path};
use crate::object::{Map, Value};
use bumpalo::Bump;
use std::collections::BTreeMap;

/// Appends an error for every item that stands in a set or map a second time.
pub fn check_lists(object: &Value<'_>, schema: &Schema, errors: &mut Vec<FieldError>) {
    members(None, object, schema, errors);
}

fn members(
    path: Option<&Path<'_>>,
    value: &Value<'_>,
    schema: &Schema,
    errors: &mut Vec<FieldError>,
) {
    let Some(map) = value.as_map() else { return };
    for (key, value) in map.iter() {
        let known = schema.property(key).is_some();
        let Some(below) = schema.member(key) else { continue };
        let at = match path {
            None => Path::root(key),
            Some(path) if known => path.child(key),
            Some(path) => path.key(key),
        };
        any(&at, value, below, errors);
    }
}

fn any(path: &Path<'_>, value: &Value<'_>, schema: &Schema, errors: &mut Vec<FieldError>) {
    match value {
        Value::Map(_) => members(Some(path), value, schema, errors),
        Value::List(list) => {
            match &schema.list {
                ListType::Atomic => {}
                ListType::Set => {
                    for at in repeated(list.iter().map(key_text)) {
                        if let Some(item) = list.get(at) {
                            errors.push(FieldError::duplicate(&path.index(at), item));
                        }
                    }
                }
                ListType::Map(keys) => map_items(path, list, keys, errors),
            }
            if let Some(below) = &schema.items {
                for (at, item) in list.iter().enumerate() {
                    any(&path.index(at), item, below, errors);
                }
            }
        }
        _ => {}
    }
}

fn map_items(
    path: &Path<'_>,
    list: &[Value<'_>],
    keys: &[&'static str],
    errors: &mut Vec<FieldError>,
) {
    for (at, item) in list.iter().enumerate() {
        if !matches!(item, Value::Map(_) | Value::Null) {
            let detail = "must be an object for an array of list-type map";
            errors.push(FieldError::invalid(&path.index(at), item, detail));
            return;
        }
    }
    let arena = Bump::new();
    let mut sorted: Vec<&'static str> = keys.to_vec();
    sorted.sort_unstable();
    let named: Vec<Value<'_>> = list
        .iter()
        .map(|item| {
            let mut key = Map::new_in(&arena);
            for name in &sorted {
                if let Some(value) = item.as_map().and_then(|item| item.get(name)) {
                    key.push_unique(name, value.copy_in(&arena));
                }
            }
            Value::Map(key)
        })
        .collect();
    for at in repeated(named.iter().map(key_text)) {
        if let Some(key) = named.get(at) {
            errors.push(FieldError::duplicate(&path.index(at), key));
        }
    }
}

/// The places at which something stands for the second time.
fn repeated(keys: impl Iterator<Item = String>) -> Vec<usize> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut twice = Vec::new();
    for (at, key) in keys.enumerate() {
        let times = seen.entry(key).or_default();
        *times += 1;
        if *times == 2 {
            twice.push(at);
        }
    }
    twice
}

/// A text that differs for values that differ.
fn key_text(value: &Value<'_>) -> String {
    use crate::object::field::Shown as _;
    let mut text = String::new();
    value.show(&mut text);
    text
}
