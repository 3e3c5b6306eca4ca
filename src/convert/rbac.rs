//! Bindings of `rbac.authorization.k8s.io/v1alpha1`, whose subjects name a version instead of a
//! group (`pkg/apis/rbac/v1alpha1`, `Convert_v1alpha1_Subject_To_rbac_Subject`).

use crate::object::{Map, Value};

const GROUP: &str = "rbac.authorization.k8s.io";

/// In place.
pub(super) fn name_groups(binding: &mut Map<'_>) {
    let subjects = binding.get_mut("subjects").and_then(Value::as_list_mut);
    let subjects = subjects.into_iter().flat_map(|list| list.iter_mut());
    for subject in subjects.filter_map(Value::as_map_mut) {
        let version = subject.remove("apiVersion");
        let kind = subject.get("kind").and_then(Value::as_str).unwrap_or("");
        let group = match kind {
            "ServiceAccount" => "",
            "Group" | "User" => GROUP,
            _ => version
                .as_ref()
                .and_then(Value::as_str)
                .map_or("", |version| version.split_once('/').map_or("", |(group, _)| group)),
        };
        // A star stood for everybody who has said who he is.
        if kind == "User" && subject.get("name").and_then(Value::as_str) == Some("*") {
            subject.insert("kind", Value::Str("Group"));
            subject.insert("name", Value::Str("system:authenticated"));
        }
        if !group.is_empty() {
            subject.insert("apiGroup", Value::Str(group));
        }
    }
}
