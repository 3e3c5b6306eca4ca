//! RuntimeClasses of `node.k8s.io/v1alpha1`, which have a `spec` (`pkg/apis/node/v1alpha1`,
//! `Convert_v1alpha1_RuntimeClass_To_node_RuntimeClass`).

use crate::object::{Map, Value};

/// In place.
pub(super) fn to_v1(class: &mut Map<'_>) {
    let Some(Value::Map(mut spec)) = class.remove("spec") else { return };
    for (from, to) in
        [("runtimeHandler", "handler"), ("overhead", "overhead"), ("scheduling", "scheduling")]
    {
        if let Some(value) = spec.remove(from) {
            class.insert(to, value);
        }
    }
}
