//! Scalars as keys: how list elements are found by the value that names them.

use crate::object::Value;

/// A scalar that can be compared, sorted and hashed. Numbers of another form are other keys, as
/// Go's `interface{}` equality has it: `1` is not `1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ScalarKey<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(u64),
    Str(&'a str),
}

impl<'a> ScalarKey<'a> {
    /// The key of a scalar; `None` for lists and maps, which name nothing.
    pub(crate) fn of(value: &Value<'a>) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(b) => Some(Self::Bool(*b)),
            Value::Int(n) => Some(Self::Int(*n)),
            Value::Float(n) => Some(Self::Float(n.to_bits())),
            Value::Str(s) => Some(Self::Str(s)),
            Value::Raw(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The key of a list's element: the element itself, or its member `name`.
    pub(crate) fn of_item(item: &Value<'a>, name: Option<&str>) -> Option<Self> {
        match name {
            None => Self::of(item),
            Some(name) => item.as_map()?.get(name).and_then(Self::of),
        }
    }
}

/// Where keys stand in a list.
#[derive(Debug)]
pub(crate) struct Ranks<'a> {
    /// Sorted by key; only the first place of each.
    places: Vec<(ScalarKey<'a>, usize)>,
}

impl<'a> Ranks<'a> {
    /// The places of the elements of `list`, named by themselves or by their member `name`.
    pub(crate) fn new(list: &[Value<'a>], name: Option<&str>) -> Self {
        let keyed = list.iter().enumerate();
        let mut places: Vec<_> =
            keyed.filter_map(|(at, item)| Some((ScalarKey::of_item(item, name)?, at))).collect();
        places.sort_unstable();
        places.dedup_by_key(|(key, _)| *key);
        Self { places }
    }

    /// The first place of `key`.
    pub(crate) fn get(&self, key: ScalarKey<'_>) -> Option<usize> {
        let at = self.places.binary_search_by(|(k, _)| (*k).cmp(&key)).ok()?;
        self.places.get(at).map(|(_, place)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ranks, ScalarKey};
    use crate::object::fixture::value;
    use bumpalo::Bump;

    #[test]
    fn the_first_place_of_a_key_counts() {
        let arena = Bump::new();
        let list = value(&arena, r#"[{"k":"b"},{"k":"a"},{"k":"b"},{"k":[]},{}]"#);
        let ranks = Ranks::new(list.list_at(&[]), Some("k"));
        assert_eq!(ranks.get(ScalarKey::Str("b")), Some(0));
        assert_eq!(ranks.get(ScalarKey::Str("a")), Some(1));
        assert_eq!(ranks.get(ScalarKey::Null), None);
    }
}
