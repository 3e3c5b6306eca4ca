//! TaintNodesByCondition: a new node starts with the taint `node.kubernetes.io/not-ready`.

use crate::object::{List, Map, Value};
use crate::request::{Attributes, Operation};
use bumpalo::Bump;

const TAINT: &str = "node.kubernetes.io/not-ready";

/// Adds the taint on create unless it is there.
pub(super) fn admit<'a>(at: &Attributes<'_>, object: &mut Value<'a>, arena: &'a Bump) {
    if at.operation != Operation::Create || !at.is("", "nodes") {
        return;
    }
    let is_it = |taint: &Value<'_>| {
        taint.str_at(&["key"]) == TAINT && taint.str_at(&["effect"]) == "NoSchedule"
    };
    if object.list_at(&["spec", "taints"]).iter().any(is_it) {
        return;
    }
    let Some(map) = object.as_map_mut() else { return };
    let mut taint = Map::new_in(arena);
    taint.push_unique("key", Value::Str(TAINT));
    taint.push_unique("effect", Value::Str("NoSchedule"));
    let spec = map.entry_map("spec");
    if spec.get("taints").and_then(Value::as_list).is_none() {
        spec.insert("taints", Value::List(List::new_in(arena)));
    }
    if let Some(taints) = spec.get_mut("taints").and_then(Value::as_list_mut) {
        taints.push(Value::Map(taint));
    }
}
