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

    fn items(&self, name: &str) -> &[Value<'a>] {
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
