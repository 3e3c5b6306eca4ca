//! ExtendedResourceToleration: pods that ask for extended resources tolerate the nodes kept for
//! them.

use super::resources::{is_extended, read};
use crate::object::{Map, Value};
use crate::request::{Attributes, Operation};
use bumpalo::Bump;
use std::collections::BTreeSet;

/// Adds a toleration for each extended resource.
pub(super) fn admit<'a>(at: &Attributes<'_>, object: &mut Value<'a>, arena: &'a Bump) {
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    if !written || !at.is("", "pods") {
        return;
    }
    let mut names = BTreeSet::new();
    for kind in ["containers", "initContainers"] {
        for container in object.list_at(&["spec", kind]) {
            let asked = read(container.at(&["resources", "requests"])).into_keys();
            names.extend(asked.filter(|name| is_extended(name)));
        }
    }
    if names.is_empty() {
        return;
    }
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return };
    if spec.get("tolerations").and_then(Value::as_list).is_none() {
        spec.insert("tolerations", Value::list_in(arena));
    }
    let Some(list) = spec.get_mut("tolerations").and_then(Value::as_list_mut) else { return };
    for name in names {
        let tolerated = list.iter().any(|one| {
            one.str_at(&["key"]) == name
                && one.str_at(&["operator"]) == "Exists"
                && one.str_at(&["effect"]).is_empty()
        });
        if !tolerated {
            let mut toleration = Map::new_in(arena);
            toleration.push_unique("key", Value::str_in(&name, arena));
            toleration.push_unique("operator", Value::Str("Exists"));
            list.push(Value::Map(toleration));
        }
    }
}
