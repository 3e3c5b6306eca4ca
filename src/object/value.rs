//! The one tree for every kind of object: arena-allocated, strings borrowed from the arena or the
//! schema.
//!
//! A `Value` never frees: everything in it lives in one `bumpalo::Bump` that its request owns.
//! Maps keep insertion order; the encoders sort where Kubernetes' wire form asks for it
//! (string maps), not here.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use std::mem::ManuallyDrop;

/// A JSON value in an arena.
#[derive(Debug)]
pub enum Value<'a> {
    /// JSON `null`.
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A number with no fraction that fits an `i64`.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Str(&'a str),
    /// JSON text kept as it came (`FieldsV1`): written out verbatim, parsed only on demand.
    Raw(&'a str),
    /// An array.
    List(List<'a>),
    /// An object.
    Map(Map<'a>),
}

/// An array in the arena.
pub type List<'a> = BumpVec<'a, Value<'a>>;

/// An object in the arena: entries in insertion order, keys unique.
#[derive(Debug)]
pub struct Map<'a> {
    /// Not dropped: the arena frees all at once, so a tree need not be walked when it goes.
    entries: ManuallyDrop<BumpVec<'a, (&'a str, Value<'a>)>>,
}

impl<'a> Map<'a> {
    /// An empty map in `arena`.
    pub fn new_in(arena: &'a Bump) -> Self {
        Self { entries: ManuallyDrop::new(BumpVec::new_in(arena)) }
    }

    /// An empty map with room for `capacity` entries.
    pub fn with_capacity_in(capacity: usize, arena: &'a Bump) -> Self {
        Self { entries: ManuallyDrop::new(BumpVec::with_capacity_in(capacity, arena)) }
    }

    /// The arena this map lives in.
    pub fn arena(&self) -> &'a Bump {
        self.entries.bump()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entries.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// The value under `key`, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        self.entries.iter_mut().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Sets `key` to `value`; returns what stood there.
    pub fn insert(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        match self.get_mut(key) {
            Some(slot) => Some(std::mem::replace(slot, value)),
            None => {
                self.entries.push((key, value));
                None
            }
        }
    }

    /// Appends without looking for `key`: the caller knows that it is not there.
    pub fn push_unique(&mut self, key: &'a str, value: Value<'a>) {
        self.entries.push((key, value));
    }

    /// Puts `key`, which is not there, behind the last of `others` that is; else in front.
    pub fn insert_behind(&mut self, others: &[&str], key: &'a str, value: Value<'a>) {
        let at = self.entries.iter().rposition(|(k, _)| others.contains(k)).map_or(0, |at| at + 1);
        self.entries.insert(at, (key, value));
    }

    /// Removes `key`; keeps the order of the others.
    pub fn remove(&mut self, key: &str) -> Option<Value<'a>> {
        let at = self.entries.iter().position(|(k, _)| *k == key)?;
        Some(self.entries.remove(at).1)
    }

    /// Keeps the entries for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value<'a>) -> bool) {
        self.entries.retain_mut(|(k, v)| keep(k, v));
    }

    /// The map under `key`, made if it is missing or not a map.
    pub fn entry_map(&mut self, key: &'a str) -> &mut Self {
        let arena = self.arena();
        let at = match self.entries.iter().position(|(k, _)| *k == key) {
            Some(at) => at,
            None => {
                self.entries.push((key, Value::Null));
                self.entries.len() - 1
            }
        };
        let slot = &mut self.entries[at].1;
        if !matches!(slot, Value::Map(_)) {
            *slot = Value::Map(Self::new_in(arena));
        }
        match slot {
            Value::Map(map) => map,
            _ => unreachable!("the slot was just made a map"),
        }
    }

    /// The entries in order.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&'a str, &Value<'a>)> + ExactSizeIterator {
        self.entries.iter().map(|(k, v)| (*k, v))
    }

    /// The entries in order, values to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&'a str, &mut Value<'a>)> {
        self.entries.iter_mut().map(|(k, v)| (*k, v))
    }

    /// The entries, taken out.
    pub fn into_entries(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        ManuallyDrop::into_inner(self.entries).into_iter()
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.iter().map(|(k, _)| *k)
    }

    /// The entry at position `at`.
    pub fn entry_at(&self, at: usize) -> Option<(&'a str, &Value<'a>)> {
        self.entries.get(at).map(|(k, v)| (*k, v))
    }

    /// Sorts the entries bytewise by key.
    pub fn sort_keys(&mut self) {
        self.entries.sort_unstable_by_key(|(key, _)| *key);
    }

    /// A deep copy in `arena`.
    pub fn copy_in<'b>(&self, arena: &'b Bump) -> Map<'b> {
        let mut copy = Map::with_capacity_in(self.len(), arena);
        for (key, value) in self.iter() {
            copy.push_unique(arena.alloc_str(key), value.copy_in(arena));
        }
        copy
    }
}

/// Equality of maps does not look at the order of keys.
impl PartialEq for Map<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().enumerate().all(|(at, (key, value))| {
                // Objects of one schema mostly agree in order: try the same place first.
                match other.entry_at(at) {
                    Some((k, v)) if k == key => v == value,
                    _ => other.get(key) == Some(value),
                }
            })
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            #[expect(clippy::cast_precision_loss, reason = "JSON compares numbers by value")]
            (Self::Int(a), Self::Float(b)) | (Self::Float(b), Self::Int(a)) => *a as f64 == *b,
            (Self::Str(a), Self::Str(b)) | (Self::Raw(a), Self::Raw(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl<'a> Value<'a> {
    /// An empty map.
    pub fn map_in(arena: &'a Bump) -> Self {
        Self::Map(Map::new_in(arena))
    }

    /// An empty list.
    pub fn list_in(arena: &'a Bump) -> Self {
        Self::List(BumpVec::new_in(arena))
    }

    /// A string copied into the arena.
    pub fn str_in(text: &str, arena: &'a Bump) -> Self {
        Self::Str(arena.alloc_str(text))
    }

    /// A deep copy in `arena`.
    pub fn copy_in<'b>(&self, arena: &'b Bump) -> Value<'b> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::Int(*n),
            Self::Float(n) => Value::Float(*n),
            Self::Str(s) => Value::Str(arena.alloc_str(s)),
            Self::Raw(s) => Value::Raw(arena.alloc_str(s)),
            Self::List(list) => {
                let mut copy = BumpVec::with_capacity_in(list.len(), arena);
                copy.extend(list.iter().map(|v| v.copy_in(arena)));
                Value::List(copy)
            }
            Self::Map(map) => Value::Map(map.copy_in(arena)),
        }
    }

    /// A copy of the tree that shares its strings.
    pub fn share_in(&self, arena: &'a Bump) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Bool(b) => Self::Bool(*b),
            Self::Int(n) => Self::Int(*n),
            Self::Float(n) => Self::Float(*n),
            Self::Str(s) => Self::Str(s),
            Self::Raw(s) => Self::Raw(s),
            Self::List(list) => {
                let mut copy = BumpVec::with_capacity_in(list.len(), arena);
                copy.extend(list.iter().map(|v| v.share_in(arena)));
                Self::List(copy)
            }
            Self::Map(map) => {
                let mut copy = Map::with_capacity_in(map.len(), arena);
                for (key, value) in map.iter() {
                    copy.push_unique(key, value.share_in(arena));
                }
                Self::Map(copy)
            }
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map<'a>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The map, to change.
    pub fn as_map_mut(&mut self) -> Option<&mut Map<'a>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&List<'a>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The list, to change.
    pub fn as_list_mut(&mut self) -> Option<&mut List<'a>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&'a str> {
        if let Self::Str(s) = self { Some(s) } else { None }
    }

    /// The integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Int(n) = self { Some(*n) } else { None }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(b) = self { Some(*b) } else { None }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// True for what Go's `omitempty` leaves out: null, false, 0, "", [] and {}.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(b) => !b,
            Self::Int(n) => *n == 0,
            Self::Float(n) => *n == 0.0,
            Self::Str(s) => s.is_empty(),
            Self::Raw(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
        }
    }

    /// The member `key` of a map; `None` for a missing member, a null, or a value of another kind.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key).filter(|v| !v.is_null())
    }

    /// The member `key` of a map, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_map_mut()?.get_mut(key).filter(|v| !v.is_null())
    }

    /// Follows member names from here.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Follows member names from here, to change what stands there.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter().try_fold(self, |value, key| value.get_mut(key))
    }

    /// The string at `path`; "" if there is none, as Go's zero value.
    pub fn str_at(&self, path: &[&str]) -> &'a str {
        self.at(path).and_then(Self::as_str).unwrap_or("")
    }

    /// The integer at `path`.
    pub fn i64_at(&self, path: &[&str]) -> Option<i64> {
        self.at(path).and_then(Self::as_i64)
    }

    /// The boolean at `path`; false if there is none, as Go's zero value.
    pub fn bool_at(&self, path: &[&str]) -> bool {
        self.at(path).and_then(Self::as_bool).unwrap_or(false)
    }

    /// The elements at `path`; none if there is no list.
    pub fn list_at(&self, path: &[&str]) -> &[Self] {
        self.at(path).and_then(Self::as_list).map_or(&[], |list| list.as_slice())
    }

    /// The elements at `path`, to change; none if there is no list.
    pub fn list_at_mut(&mut self, path: &[&str]) -> &mut [Self] {
        self.at_mut(path).and_then(Self::as_list_mut).map_or(&mut [], |list| list.as_mut_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::{Map, Value};
    use bumpalo::Bump;

    #[test]
    fn maps_are_equal_whatever_the_order_of_their_keys() {
        let arena = Bump::new();
        let mut a = Map::new_in(&arena);
        a.insert("x", Value::Int(1));
        a.insert("y", Value::Bool(true));
        let mut b = Map::new_in(&arena);
        b.insert("y", Value::Bool(true));
        b.insert("x", Value::Float(1.0));
        assert_eq!(a, b);
        b.insert("x", Value::Int(2));
        assert_ne!(a, b);
    }

    #[test]
    fn null_members_read_as_missing() {
        let arena = Bump::new();
        let mut map = Map::new_in(&arena);
        map.insert("spec", Value::Null);
        let value = Value::Map(map);
        assert!(value.get("spec").is_none());
        assert_eq!(value.str_at(&["spec", "nodeName"]), "");
    }
}
