//! CertificateSigningRequests: who asked is what the server saw, not what the body says
//! (`csrStrategy`).

use super::Scope;
use crate::object::{List, Map, Value};

/// Writes the requester into the spec of a new request.
pub(super) fn create<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let arena = scope.arena;
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return };
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    let texts = |texts: &[String]| {
        let mut list = List::with_capacity_in(texts.len(), arena);
        list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
        Value::List(list)
    };
    let user = scope.user;
    spec.insert("username", Value::str_in(user.name, arena));
    if !user.uid.is_empty() {
        spec.insert("uid", Value::str_in(user.uid, arena));
    }
    if !user.groups.is_empty() {
        spec.insert("groups", texts(user.groups));
    }
    if !user.extra.is_empty() {
        let mut extra = Map::new_in(arena);
        for (key, values) in user.extra {
            extra.insert(arena.alloc_str(key), texts(values));
        }
        spec.insert("extra", Value::Map(extra));
    }
}

/// The spec never changes; main updates change metadata only.
pub(super) fn update<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    super::generic::copy_member(object, old, "spec", scope);
}
