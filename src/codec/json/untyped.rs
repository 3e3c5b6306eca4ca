//! Tape to value without schema: patches, free-form fields, custom resources.

use super::context::Place;
use super::decode::{Decoded, Decoder, Strictness};
use super::document::Document;
use super::error::DecodeError;
use crate::base::hash::HashMap;
use crate::object::{List, Map, Value};
use bumpalo::Bump;
use simd_json::{Node, StaticNode};

/// Parses any JSON; of duplicate keys the last counts.
///
/// # Errors
/// With Go's text.
pub fn parse_any<'a>(source: &[u8], arena: &'a Bump) -> Result<Value<'a>, DecodeError> {
    Document::parse(source, arena)?.any(arena)
}

/// Parses any JSON and reports duplicate keys (`duplicate field "spec.size"`).
///
/// # Errors
/// With Go's text.
pub fn parse_any_strict<'a>(source: &[u8], arena: &'a Bump) -> Result<Decoded<'a>, DecodeError> {
    Document::parse(source, arena)?.decode_any(arena, Strictness::Report)
}

impl<'a> Decoder<'a, '_> {
    /// Reads whatever stands here. The tape bounds the depth of the recursion.
    pub(super) fn any(&mut self) -> Value<'a> {
        let node = self.node();
        self.at += 1;
        match node {
            Node::String(text) => Value::Str(text),
            Node::Static(node) => number(node),
            Node::Array { len, .. } => {
                let mut list = List::with_capacity_in(len, self.arena);
                for _ in 0..len {
                    list.push(self.any());
                }
                Value::List(list)
            }
            Node::Object { len, .. } => {
                let mut entries = Entries::new(len, self.arena);
                for _ in 0..len {
                    let key = self.key();
                    entries.insert(key, self.any());
                }
                Value::Map(entries.finish())
            }
        }
    }

    /// As [`Self::any`], with duplicate keys noted.
    pub(super) fn any_at(&mut self, place: &Place<'_>) -> Value<'a> {
        let node = self.node();
        self.at += 1;
        match node {
            Node::String(text) => Value::Str(text),
            Node::Static(node) => number(node),
            Node::Array { len, .. } => {
                let mut list = List::with_capacity_in(len, self.arena);
                for index in 0..len {
                    list.push(self.any_at(&place.index(index)));
                }
                Value::List(list)
            }
            Node::Object { len, .. } => {
                let mut entries = Entries::new(len, self.arena);
                for _ in 0..len {
                    let key = self.key();
                    let value = self.any_at(&place.key(key));
                    if entries.insert(key, value) {
                        self.strict("duplicate", place, key);
                    }
                }
                Value::Map(entries.finish())
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "integers beyond i64 are floats upstream too")]
fn number(node: StaticNode) -> Value<'static> {
    match node {
        StaticNode::Bool(value) => Value::Bool(value),
        StaticNode::F64(n) => Value::Float(n),
        StaticNode::I64(n) => Value::Int(n),
        StaticNode::Null => Value::Null,
        StaticNode::U64(n) => i64::try_from(n).map_or(Value::Float(n as f64), Value::Int),
    }
}

/// The entries of a map with free keys. Large maps are indexed, so that a peer's keys cost no more
/// than their number.
pub(super) struct Entries<'a> {
    entries: Vec<(&'a str, Value<'a>)>,
    index: Option<HashMap<&'a str, usize>>,
    map: Map<'a>,
}

const INDEXED_MIN: usize = 24;

impl<'a> Entries<'a> {
    pub(super) fn new(len: usize, arena: &'a Bump) -> Self {
        if len < INDEXED_MIN {
            let map = Map::with_capacity_in(len, arena);
            return Self { entries: Vec::new(), index: None, map };
        }
        let entries = Vec::with_capacity(len);
        let index = HashMap::with_capacity_and_hasher(len, foldhash::fast::RandomState::default());
        Self { entries, index: Some(index), map: Map::new_in(arena) }
    }

    /// Sets an entry; true if the key stood there already.
    pub(super) fn insert(&mut self, key: &'a str, value: Value<'a>) -> bool {
        let Some(index) = &mut self.index else {
            return self.map.insert(key, value).is_some();
        };
        if let Some(slot) = index.get(key).and_then(|at| self.entries.get_mut(*at)) {
            slot.1 = value;
            return true;
        }
        index.insert(key, self.entries.len());
        self.entries.push((key, value));
        false
    }

    pub(super) fn finish(self) -> Map<'a> {
        let mut map = self.map;
        if self.index.is_some() {
            map = Map::with_capacity_in(self.entries.len(), map.arena());
            for (key, value) in self.entries {
                map.push_unique(key, value);
            }
        }
        map
    }
}
