//! DefaultTolerationSeconds: pods tolerate not-ready and unreachable nodes for five minutes unless
//! they say otherwise.

use crate::object::{List, Map, Value};
use crate::request::{Attributes, Operation};
use bumpalo::Bump;

const KEYS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// For how long pods stay (`--default-not-ready-toleration-seconds` and
/// `--default-unreachable-toleration-seconds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds {
    /// On a node that is not ready.
    pub not_ready: i64,
    /// On a node that cannot be reached.
    pub unreachable: i64,
}

/// Adds the tolerations that the pod has no match for.
pub(super) fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    seconds: Seconds,
    arena: &'a Bump,
) {
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    if !written || !at.is("", "pods") {
        return;
    }
    let missing = KEYS.map(|key| !tolerates(object.list_at(&["spec", "tolerations"]), key));
    if missing == [false, false] {
        return;
    }
    let Some(map) = object.as_map_mut() else { return };
    let spec = map.entry_map("spec");
    if spec.get("tolerations").and_then(Value::as_list).is_none() {
        spec.insert("tolerations", Value::List(List::new_in(arena)));
    }
    let Some(list) = spec.get_mut("tolerations").and_then(Value::as_list_mut) else { return };
    let seconds = [seconds.not_ready, seconds.unreachable];
    for ((key, missing), seconds) in KEYS.into_iter().zip(missing).zip(seconds) {
        if missing {
            let mut toleration = Map::with_capacity_in(4, arena);
            toleration.push_unique("key", Value::Str(key));
            toleration.push_unique("operator", Value::Str("Exists"));
            toleration.push_unique("effect", Value::Str("NoExecute"));
            toleration.push_unique("tolerationSeconds", Value::Int(seconds));
            list.push(Value::Map(toleration));
        }
    }
}

/// A toleration counts if its key is `key` or empty and its effect NoExecute or empty.
fn tolerates(tolerations: &[Value<'_>], key: &str) -> bool {
    tolerations.iter().any(|toleration| {
        let (own, effect) = (toleration.str_at(&["key"]), toleration.str_at(&["effect"]));
        (own == key || own.is_empty()) && (effect == "NoExecute" || effect.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_of_every_key_or_effect_counts() {
        let arena = Bump::new();
        let mut any = Map::new_in(&arena);
        any.insert("operator", Value::Str("Exists"));
        assert!(tolerates(&[Value::Map(any)], KEYS[0]));
        let mut other = Map::new_in(&arena);
        other.insert("key", Value::Str(KEYS[0]));
        other.insert("effect", Value::Str("NoSchedule"));
        assert!(!tolerates(&[Value::Map(other)], KEYS[0]));
    }
}
