//! Short reads of object members, with Go's zero values for what is missing.

use crate::catalog::catalog;
use crate::object::quantity::Quantity;
use crate::object::schema::{Field, Kind, Scalar, Shape, Type};
use crate::object::{List, Map, Value};

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

/// `Semantic.DeepEqual` of two values of the type of this name, which knows what the other cannot:
/// an empty struct behind a pointer is there, one that is embedded is as good as none.
pub(crate) fn same_as(ty: &str, a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    match catalog().type_named(ty) {
        Some(ty) => same_messages(ty, a, b),
        None => same(a, b),
    }
}

/// As [`same_as`], of the member `name` of two objects of the type called `ty`.
pub(crate) fn same_member_of(ty: &str, name: &str, a: &Value<'_>, b: &Value<'_>) -> bool {
    match catalog().type_named(ty) {
        Some(ty) => same_member(ty, name, a, b),
        None => same(a.get(name), b.get(name)),
    }
}

/// As [`same_as`], of one member of two objects of type `ty`.
pub(crate) fn same_member(ty: &Type, name: &str, a: &Value<'_>, b: &Value<'_>) -> bool {
    match ty.field(name) {
        Some(field) => same_fields(field, a.get(name), b.get(name)),
        None => same(a.get(name), b.get(name)),
    }
}

fn same_messages(ty: &Type, a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    ty.fields.iter().all(|field| {
        let (a, b) = (a.and_then(|a| a.get(field.name)), b.and_then(|b| b.get(field.name)));
        (a.is_none() && b.is_none()) || same_fields(field, a, b)
    })
}

fn same_fields(field: &Field, a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    let [a, b] = [a, b].map(|value| value.filter(|value| !value.is_null()));
    let one = |a: Option<&Value<'_>>, b: Option<&Value<'_>>| match field.kind {
        Kind::Message(_) => match field.kind.message() {
            Some(ty) => same_messages(ty, a, b),
            None => same(a, b),
        },
        Kind::Scalar(Scalar::Quantity) => same_amounts(a, b),
        Kind::Scalar(_) => same(a, b) || (is_zero(a) && is_zero(b)),
    };
    match field.shape {
        Shape::One if field.pointer => a.is_some() == b.is_some() && one(a, b),
        Shape::One => one(a, b),
        Shape::List => {
            let items =
                |list| Option::and_then(list, Value::as_list).map_or(&[][..], List::as_slice);
            let (x, y) = (items(a), items(b));
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| one(Some(x), Some(y)))
        }
        Shape::Map => match (a.and_then(Value::as_map), b.and_then(Value::as_map)) {
            (Some(x), Some(y)) => {
                x.len() == y.len()
                    && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| one(Some(x), Some(y))))
            }
            (x, y) => x.map_or(0, Map::len) == y.map_or(0, Map::len),
        },
        Shape::MapOfLists | Shape::MapOrStrings | Shape::OneOrBool | Shape::OneOrList => {
            same(a, b) && a.is_some() == b.is_some()
        }
    }
}

fn same_amounts(a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    let amount = |value: Option<&Value<'_>>| {
        Quantity::parse(value.and_then(Value::as_str).unwrap_or("0")).ok()
    };
    same(a, b) || amount(a).zip(amount(b)).is_some_and(|(a, b)| a == b)
}

/// Absent, or Go's zero value of a scalar.
fn is_zero(value: Option<&Value<'_>>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false) | Value::Int(0)) => true,
        Some(Value::Str(text)) => text.is_empty(),
        Some(_) => false,
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

#[cfg(test)]
mod tests {
    use super::same_as;
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn an_empty_struct_counts_behind_a_pointer_only() {
        let arena = Bump::new();
        let same = |ty: &str, a: serde_json::Value, b: serde_json::Value| {
            same_as(ty, Some(&tree(&arena, &a)), Some(&tree(&arena, &b)))
        };
        let endpoint = "discovery.v1.Endpoint";
        assert!(!same(
            endpoint,
            json!({"addresses": ["a"]}),
            json!({"addresses": ["a"], "hints": {}})
        ));
        assert!(same(
            endpoint,
            json!({"addresses": ["a"]}),
            json!({"addresses": ["a"], "conditions": {}})
        ));
        assert!(!same(endpoint, json!({"zone": ""}), json!({})));
        let list = "core.v1.ResourceRequirements";
        assert!(same(list, json!({"limits": {"cpu": "1"}}), json!({"limits": {"cpu": "1000m"}})));
        assert!(same(list, json!({"limits": {}}), json!({})));
        assert!(!same(list, json!({"limits": {"cpu": "1"}}), json!({"limits": {"cpu": "2"}})));
    }
}
