//! Short reads of object members, with Go's zero values for what is missing.

use crate::object::Value;

/// Reads of one member of a map; anything missing, null or of another kind reads as Go's zero.
pub(crate) trait Read<'a> {
    /// The member's string, or "".
    fn text(&self, name: &str) -> &'a str;
    /// The member's integer.
    fn int(&self, name: &str) -> Option<i64>;
    /// The member's boolean, or false.
    fn flag(&self, name: &str) -> bool;
    /// The member's elements, or none.
    fn items(&self, name: &str) -> &[Value<'a>];
    /// True if the member is there and not null.
    fn has(&self, name: &str) -> bool;
    /// The member's entries, or none.
    fn entries<'v>(&'v self, name: &str) -> Entries<'a, 'v>;
    /// The member's elements that are strings.
    fn texts<'v>(&'v self, name: &str) -> impl Iterator<Item = &'a str> + 'v
    where
        'a: 'v;
}

/// The entries of a map in order.
pub(crate) type Entries<'a, 'v> = Box<dyn Iterator<Item = (&'a str, &'v Value<'a>)> + 'v>;

impl<'a> Read<'a> for Value<'a> {
    fn text(&self, name: &str) -> &'a str {
        self.get(name).and_then(Value::as_str).unwrap_or("")
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn items(&self, name: &str) -> &[Self] {
        self.get(name).and_then(Value::as_list).map_or(&[], |list| list.as_slice())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn entries<'v>(&'v self, name: &str) -> Entries<'a, 'v> {
        match self.get(name).and_then(Value::as_map) {
            Some(map) => Box::new(map.iter()),
            None => Box::new(std::iter::empty()),
        }
    }

    fn texts<'v>(&'v self, name: &str) -> impl Iterator<Item = &'a str> + 'v
    where
        'a: 'v,
    {
        self.items(name).iter().filter_map(Value::as_str)
    }
}

/// Equality as upstream's `Semantic.DeepEqual` sees it: a missing member, null, `{}` and `[]` are
/// the same.
pub(crate) fn same(a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same_values(a, b),
        (Some(one), None) | (None, Some(one)) => is_bare(one),
        (None, None) => true,
    }
}

fn same_values(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Map(x), Value::Map(y)) => {
            x.iter().all(|(key, value)| same(Some(value), y.get(key)))
                && y.iter().all(|(key, value)| x.get(key).is_some() || is_bare(value))
        }
        (Value::List(x), Value::List(y)) => {
            x.len() == y.len() && x.iter().zip(y.iter()).all(|(x, y)| same_values(x, y))
        }
        _ => a == b || (is_bare(a) && is_bare(b)),
    }
}

/// Null, or a map or list that holds nothing but such.
fn is_bare(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.iter().all(|(_, value)| is_bare(value)),
        _ => false,
    }
}
