//! AppArmor profiles of new pods: what the annotation of older clients says, the field says too
//! (`applyAppArmorVersionSkew`).

use super::Scope;
use crate::object::field::Path;
use crate::object::{Map, Value};
use crate::registry::read::Read as _;
use crate::registry::validation::profile::APP_ARMOR;

/// Fills the field from the annotation.
pub(super) fn sync<'a>(pod: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let arena = scope.arena;
    let whole = pod.at(&["spec", "securityContext", "appArmorProfile"]).map(|p| p.copy_in(arena));
    if !has_notes(pod) || pod.str_at(&["spec", "os", "name"]) == "windows" {
        return;
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for index in 0..pod.list_at(&["spec", list]).len() {
            let Some(container) = pod.list_at(&["spec", list]).get(index) else { continue };
            let key = arena.alloc_str(&format!("{APP_ARMOR}{}", container.text("name")));
            let own = container.at(&["securityContext", "appArmorProfile"]);
            let note = pod.at(&["metadata", "annotations", key]).and_then(Value::as_str);
            let (Some(note), None) = (note, own) else { continue };
            let profile = profile(note, scope);
            let differs = profile.is_some() && profile != whole;
            if differs || profile.is_none() {
                let root = Path::root("metadata");
                scope.warnings.push(format!(
                    "{}: deprecated since v1.30; use the \"appArmorProfile\" field instead",
                    root.child("annotations").key(key)
                ));
            }
            let containers = pod.list_at_mut(&["spec", list]);
            let container = containers.get_mut(index).and_then(Value::as_map_mut);
            if let (true, Some(map), Some(profile)) = (differs, container, profile) {
                map.entry_map("securityContext").insert("appArmorProfile", profile);
            }
        }
    }
}

fn has_notes(pod: &Value<'_>) -> bool {
    let notes = pod.at(&["metadata", "annotations"]).and_then(Value::as_map);
    notes.is_some_and(|notes| notes.keys().any(|key| key.starts_with(APP_ARMOR)))
}

/// The field for an annotation, if there is one (`apparmorFieldForAnnotation`).
fn profile<'a>(note: &str, scope: &Scope<'a, '_>) -> Option<Value<'a>> {
    let mut map = Map::new_in(scope.arena);
    match note {
        "unconfined" => map.push_unique("type", Value::Str("Unconfined")),
        "runtime/default" => map.push_unique("type", Value::Str("RuntimeDefault")),
        _ => {
            let file = note.strip_prefix("localhost/")?;
            if file.is_empty() || file.trim() != file || file.len() > 4_095 {
                return None;
            }
            map.push_unique("type", Value::Str("Localhost"));
            map.push_unique("localhostProfile", Value::str_in(file, scope.arena));
        }
    }
    Some(Value::Map(map))
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn a_field_says_what_the_annotation_does_and_no_annotation_is_made_of_a_field() {
        let key = "container.apparmor.security.beta.kubernetes.io/c";
        let arena = Bump::new();
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "", "pods", &mut warnings);
        let mut pod = tree(
            &arena,
            &json!({"metadata": {}, "spec": {"containers": [{"name": "c", "securityContext":
                {"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}}]}}),
        );
        super::sync(&mut pod, &mut scope);
        assert!(pod.at(&["metadata", "annotations"]).is_none());
        let mut pod = tree(
            &arena,
            &json!({"metadata": {"annotations": {key: "runtime/default"}},
                "spec": {"containers": [{"name": "c"}]}}),
        );
        super::sync(&mut pod, &mut scope);
        let container = &pod.list_at(&["spec", "containers"])[0];
        let kind = container.str_at(&["securityContext", "appArmorProfile", "type"]);
        assert_eq!(kind, "RuntimeDefault");
        assert_eq!(
            warnings,
            [format!(
                "metadata.annotations[{key}]: deprecated since v1.30; use the \
                 \"appArmorProfile\" field instead"
            )]
        );
    }
}
