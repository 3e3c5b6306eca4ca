//! Dropping what the schema does not know (`structural-schema/pruning`).

use super::{Additional, Schema};
use crate::object::Value;
use std::fmt::Write as _;

/// Drops unknown members of a whole object; their paths, sorted, for strict decoding.
/// `apiVersion`, `kind` and `metadata` of the object itself stay.
pub fn prune(object: &mut Value<'_>, schema: &Schema) -> Vec<String> {
    let mut walk = Walk { path: String::new(), unknown: Vec::new() };
    walk.members(object, schema, true, schema.preserve_unknown);
    walk.unknown.sort_unstable();
    walk.unknown
}

/// Drops unknown members of a part of an object; true if there were any.
pub fn prune_part(value: &mut Value<'_>, schema: &Schema) -> bool {
    let mut walk = Walk { path: String::new(), unknown: Vec::new() };
    walk.value(value, Some(schema));
    !walk.unknown.is_empty()
}

const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

struct Walk {
    path: String,
    unknown: Vec<String>,
}

impl Walk {
    fn value(&mut self, value: &mut Value<'_>, schema: Option<&Schema>) {
        match schema {
            Some(schema) => {
                self.members(value, schema, schema.embedded.is_some(), schema.preserve_unknown);
            }
            None => self.all(value),
        }
    }

    /// `keeps`: unknown members stay, and what is known is pruned below.
    fn members(&mut self, value: &mut Value<'_>, schema: &Schema, resource: bool, keeps: bool) {
        let length = self.path.len();
        match value {
            Value::Map(map) => {
                let mut unknown = Vec::new();
                let path = std::mem::take(&mut self.path);
                let mut inner = Self { path, unknown: Vec::new() };
                map.retain(|key, value| {
                    if resource && META.contains(&key) {
                        return true;
                    }
                    if let Some(below) = schema.member(key) {
                        inner.push_key(key);
                        inner.value(value, Some(below));
                        inner.path.truncate(length);
                        return true;
                    }
                    if let Additional::Allowed(_) = schema.additional {
                        // The key may stand there; nothing is known of what it holds.
                        inner.push_key(key);
                        inner.all(value);
                        inner.path.truncate(length);
                        return true;
                    }
                    if !keeps {
                        unknown.push(inner.joined(key));
                    }
                    keeps
                });
                self.path = inner.path;
                self.unknown.append(&mut inner.unknown);
                self.unknown.append(&mut unknown);
            }
            Value::List(list) => {
                for (at, item) in list.iter_mut().enumerate() {
                    let _ = write!(self.path, "[{at}]");
                    match schema.items.as_deref() {
                        // Below a list whose unknown fields are kept, those of its items are too.
                        Some(items) if keeps => {
                            self.members(item, items, items.embedded.is_some(), true);
                        }
                        Some(items) => self.value(item, Some(items)),
                        None if keeps => {}
                        None => self.all(item),
                    }
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    /// Nothing is known below: every member goes.
    fn all(&mut self, value: &mut Value<'_>) {
        let length = self.path.len();
        match value {
            Value::Map(map) => {
                let unknown = map.keys().map(|key| self.joined(key));
                self.unknown.extend(unknown.collect::<Vec<_>>());
                map.retain(|_, _| false);
            }
            Value::List(list) => {
                for (at, item) in list.iter_mut().enumerate() {
                    let _ = write!(self.path, "[{at}]");
                    self.all(item);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn push_key(&mut self, key: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(key);
    }

    fn joined(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
