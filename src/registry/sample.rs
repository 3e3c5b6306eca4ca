//! Objects and requests for this module's tests.

use crate::object::Value;
use crate::registry::strategy::{Scope, User};
use crate::registry::validation::Errors;
use bumpalo::Bump;

/// The tree of some JSON.
pub(crate) fn tree<'a>(arena: &'a Bump, json: &serde_json::Value) -> Value<'a> {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => {
            n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap()), Value::Int)
        }
        serde_json::Value::String(s) => Value::str_in(s, arena),
        serde_json::Value::Array(items) => {
            let mut list = Value::list_in(arena);
            list.as_list_mut().unwrap().extend(items.iter().map(|item| tree(arena, item)));
            list
        }
        serde_json::Value::Object(members) => {
            let mut map = Value::map_in(arena);
            for (key, value) in members {
                let key = arena.alloc_str(key);
                map.as_map_mut().unwrap().insert(key, tree(arena, value));
            }
            map
        }
    }
}

/// A request of `user` for `resource` of `group`, at noon.
pub(crate) fn scope<'a, 's>(
    arena: &'a Bump,
    group: &'s str,
    resource: &'s str,
    warnings: &'s mut Vec<String>,
) -> Scope<'a, 's> {
    Scope {
        arena,
        group,
        version: "v1",
        served_group: group,
        resource,
        kind: "",
        namespaced: true,
        custom: None,
        subresource: "",
        namespace: "ns",
        user: User { name: "user", uid: "", groups: &[], extra: &[] },
        now: "2026-01-01T12:00:00Z",
        allow_privileged: true,
        warnings,
    }
}

/// Errors as `field: body` lines.
pub(crate) fn lines(errors: &Errors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
