//! Why a tree that a strategic merge patch made is no object of its kind, as upstream words it:
//! its converter from maps to structs (`runtime.unstructuredConverter.FromUnstructured`) does not
//! go through text as the other patches do, and so has words of its own.

use crate::object::Value;
use crate::object::place::Place;
use crate::object::schema::Scalar;

/// The first value of a wrong type, fields in Go's order; `None` if only a type that reads its own
/// JSON can refuse what it is given.
pub fn refusal(place: Place<'_>, value: &Value<'_>) -> Option<String> {
    match (place, value) {
        (_, Value::Null) | (Place::Any | Place::Unknown, _) => None,
        (Place::Message(ty, _), Value::Map(map)) => ty.fields.iter().find_map(|field| {
            let value = map.get(field.name)?;
            refusal(Place::of_field(field), value)
        }),
        (Place::Message(..), other) => Some(format!("cannot restore struct from: {}", noun(other))),
        (Place::Map(_), Value::Map(map)) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            entries.into_iter().find_map(|(key, value)| refusal(place.member(key), value))
        }
        (Place::Map(_), other) => Some(format!("cannot restore map from {}", noun(other))),
        (Place::List(_), Value::List(list)) => {
            list.iter().find_map(|value| refusal(place.item(), value))
        }
        (Place::List(_), other) => Some(format!("cannot restore slice from {}", noun(other))),
        // Custom resources are not patched strategically.
        (Place::Custom(_), _) => None,
        (Place::Scalar(scalar), value) => scalar_refusal(scalar, value),
    }
}

fn scalar_refusal(scalar: Scalar, value: &Value<'_>) -> Option<String> {
    let into = match scalar {
        Scalar::Bool => "bool",
        Scalar::Bytes => {
            let text = matches!(value, Value::Str(_));
            return (!text).then(|| format!("cannot restore slice from {}", noun(value)));
        }
        Scalar::Float64 => "float64",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::String => "string",
        Scalar::Duration
        | Scalar::FieldsV1
        | Scalar::IntOrString
        | Scalar::Json
        | Scalar::MicroTime
        | Scalar::Quantity
        | Scalar::RawExtension
        | Scalar::Time => return None,
    };
    match (value, into) {
        (Value::Bool(_), "bool") | (Value::Str(_), "string") => None,
        (Value::Int(_), "float64" | "int32" | "int64") | (Value::Float(_), "float64") => None,
        (Value::Float(n), "int32" | "int64") if n.trunc() == *n => None,
        // Go converts numbers among each other, and whole ones to strings of one character.
        (Value::Float(_), "int32" | "int64") | (Value::Int(_), "string") => {
            Some(format!("cannot convert {} to {into}", noun(value)))
        }
        _ => Some(format!("unrecognized type: {into}")),
    }
}

/// `reflect.Kind` of a value of a decoded tree.
fn noun(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::Str(_) | Value::Raw(_) => "string",
        Value::List(_) => "slice",
        Value::Map(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;
    use crate::object::fixture::{deployment, value};
    use crate::object::place::Place;
    use bumpalo::Bump;

    #[test]
    fn wrong_types_are_told_as_go_s_reflection_tells_them() {
        let cases = [
            (r#"{"spec":{"replicas":"x"}}"#, "unrecognized type: int32"),
            (r#"{"spec":{"replicas":1.5}}"#, "cannot convert float64 to int32"),
            (r#"{"spec":{"replicas":2.0}}"#, ""),
            (r#"{"spec":"x"}"#, "cannot restore struct from: string"),
            (r#"{"metadata":{"labels":[1]}}"#, "cannot restore map from slice"),
            (r#"{"metadata":{"labels":{"a":1}}}"#, "cannot convert int64 to string"),
            (r#"{"metadata":{"labels":{"a":true}}}"#, "unrecognized type: string"),
            (r#"{"metadata":{"finalizers":{}}}"#, "cannot restore slice from map"),
            (r#"{"metadata":{"name":null},"bogus":1}"#, ""),
        ];
        for (tree, text) in cases {
            let arena = Bump::new();
            let found = refusal(Place::root(Some(deployment())), &value(&arena, tree));
            assert_eq!(found.unwrap_or_default(), text, "{tree}");
        }
    }
}
