//! Secrets: `stringData` is written over `data` and never kept (`Convert_v1_Secret_To_core_Secret`).

use super::Scope;
use crate::object::{Map, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Moves `stringData` into `data`.
pub(super) fn default<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let Some(map) = object.as_map_mut() else { return };
    let Some(Value::Map(texts)) = map.remove("stringData") else { return };
    if texts.is_empty() {
        return;
    }
    let data: &mut Map<'a> = map.entry_map("data");
    for (key, value) in texts.into_entries() {
        let text = STANDARD.encode(value.as_str().unwrap_or(""));
        data.insert(key, Value::str_in(&text, scope.arena));
    }
}

/// An update that names no type keeps it.
pub(super) fn update<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &mut Scope<'a, '_>) {
    if object.str_at(&["type"]).is_empty() {
        super::generic::copy_member(object, old, "type", scope);
    }
}
