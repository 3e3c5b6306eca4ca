//! Values as trees: what mutating policies make, to be put into objects.

use super::times;
use super::value::{List, Map, Val};
use crate::object::{self, Value};
use base64::Engine as _;
use bumpalo::Bump;

/// The patch that `[JSONPatch{…}]` stands for.
///
/// # Errors
/// If a value cannot be JSON.
pub fn of_patch<'a>(made: &Val<'_>, arena: &'a Bump) -> Result<Value<'a>, String> {
    let Val::List(list) = made else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
    };
    let mut operations = object::List::new_in(arena);
    for item in list.items().map_err(|fault| format!("{fault:?}"))? {
        let Val::Map(Map::Made(operation)) = &item else {
            let text = "type mismatch: JSONPatchType.expression should evaluate to array of \
                        JSONPatch";
            return Err(text.to_owned());
        };
        let mut map = object::Map::new_in(arena);
        for (key, value) in &operation.entries {
            let Val::Str(key) = key else { continue };
            let value = tree(value, &mut Place::Value, arena).map_err(|error| {
                if error.starts_with("unexpected type name") {
                    format!("type mismatch: {error}")
                } else {
                    format!(
                        "JSONPath valueExpression evaluated to a type that could not marshal to \
                         JSON: {error}"
                    )
                }
            })?;
            map.push_unique(arena.alloc_str(key.as_str()), value);
        }
        operations.push(Value::Map(map));
    }
    Ok(Value::List(operations))
}

/// The object that `Object{…}` stands for; the names of messages must follow the fields.
///
/// # Errors
/// If a name does not, or a value cannot be JSON.
pub fn of_object<'a>(made: &Val<'_>, arena: &'a Bump) -> Result<Value<'a>, String> {
    tree(made, &mut Place::Object("Object".to_owned()), arena)
}

/// Where a value stands: what its message must be named.
enum Place {
    /// This name.
    Object(String),
    /// In a patch: the first message says.
    Value,
}

fn tree<'a>(made: &Val<'_>, place: &mut Place, arena: &'a Bump) -> Result<Value<'a>, String> {
    let text = |text: &str| Value::str_in(text, arena);
    Ok(match made {
        Val::Null => Value::Null,
        Val::Bool(b) => Value::Bool(*b),
        Val::Int(n) => Value::Int(*n),
        Val::Uint(n) => i64::try_from(*n).map_or(Value::Null, Value::Int),
        Val::Double(n) => Value::Float(*n),
        Val::Str(value) => text(value.as_str()),
        Val::Bytes(bytes) => text(&base64::engine::general_purpose::STANDARD.encode(bytes)),
        Val::Duration(nanos) => text(&times::duration_text(*nanos)),
        Val::Timestamp(time) => text(&time.text()),
        Val::List(list) => items(list, place, arena)?,
        Val::Map(map) => members(map, place, arena)?,
        Val::Optional(Some(inner)) => tree(inner, place, arena)?,
        Val::Failed(message) => return Err(message.to_string()),
        Val::Opaque(_) | Val::Optional(None) | Val::Type(_) => {
            let name = made.type_name();
            return Err(format!("unsupported type conversion of {name} to JSON"));
        }
    })
}

fn items<'a>(list: &List<'_>, place: &mut Place, arena: &'a Bump) -> Result<Value<'a>, String> {
    let mut made = object::List::with_capacity_in(list.len(), arena);
    for at in 0..list.len() {
        let Some(item) = list.get(at) else { break };
        let item = item.map_err(|fault| format!("{fault:?}"))?;
        made.push(tree(&item, place, arena)?);
    }
    Ok(Value::List(made))
}

fn members<'a>(map: &Map<'_>, place: &mut Place, arena: &'a Bump) -> Result<Value<'a>, String> {
    let message = match map {
        Map::Made(made) => made.message.clone(),
        Map::Seen(..) => None,
    };
    let name = match (&*place, &message) {
        (Place::Object(expected), Some(name)) if **expected != **name => {
            return Err(format!(
                "unexpected type name {:?}, expected {expected:?}, which matches field name path \
                 from root Object type",
                &**name
            ));
        }
        (_, Some(name)) => Some(name.to_string()),
        (Place::Object(expected), None) => Some(expected.clone()),
        (Place::Value, None) => None,
    };
    let mut made = object::Map::with_capacity_in(map.len(), arena);
    for at in 0..map.len() {
        let (Some(key), Some(value)) = (map.key_at(at), map.value_at(at)) else { break };
        let Val::Str(key) = key else { return Err("map key is not a string".to_owned()) };
        let value = value.map_err(|fault| format!("{fault:?}"))?;
        let mut below = match &name {
            Some(name) => Place::Object(format!("{name}.{}", key.as_str())),
            None => Place::Value,
        };
        let value = tree(&value, &mut below, arena)?;
        made.push_unique(arena.alloc_str(key.as_str()), value);
    }
    Ok(Value::Map(made))
}

#[cfg(test)]
mod tests {
    use super::{of_object, of_patch};
    use crate::cel::authorizer::NoAuthority;
    use crate::cel::{Budget, Env, Program};
    use crate::object::json_text::push_sorted;
    use bumpalo::Bump;

    fn made(expression: &str, patch: bool) -> Result<String, String> {
        let program = Program::compile(&Env::new().with_patches(), expression);
        let program = program.expect("it compiles");
        let value = program.eval(&[], &NoAuthority, &mut Budget::rules()).expect("it has a value");
        let arena = Bump::new();
        let tree = if patch { of_patch(&value, &arena) } else { of_object(&value, &arena) };
        let mut out = String::new();
        push_sorted(&mut out, &tree?);
        Ok(out)
    }

    #[test]
    fn messages_become_objects_if_their_names_follow_the_fields() {
        let object =
            "Object{spec: Object.spec{list: [Object.spec.list{n: 1}], ?a: optional.none()}}";
        assert_eq!(made(object, false).as_deref(), Ok(r#"{"spec":{"list":[{"n":1}]}}"#));
        let wrong = made("Object{spec: Object.status{n: 1}}", false);
        assert!(wrong.is_err_and(|error| error.contains("unexpected type name \"Object.status\"")));
    }

    #[test]
    fn operations_become_a_patch() {
        let patch =
            "[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('b/c'), value: {'d': 1}}]";
        let expected = r#"[{"op":"add","path":"/a/b~1c","value":{"d":1}}]"#;
        assert_eq!(made(patch, true).as_deref(), Ok(expected));
    }
}
