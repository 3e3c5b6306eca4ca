//! AppArmor profiles of new pods: the annotation of older clients and the field say the same
//! (`applyAppArmorVersionSkew`).

use super::Scope;
use crate::object::field::Path;
use crate::object::{Map, Value};
use crate::registry::read::Read as _;
use crate::registry::validation::profile::APP_ARMOR;

/// Fills the annotation from the field, or the field from the annotation.
pub(super) fn sync<'a>(pod: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let arena = scope.arena;
    let noted = has_notes(pod);
    let whole = pod.at(&["spec", "securityContext", "appArmorProfile"]).map(|p| p.copy_in(arena));
    if (!noted && !has_fields(pod)) || pod.str_at(&["spec", "os", "name"]) == "windows" {
        return;
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for index in 0..pod.list_at(&["spec", list]).len() {
            let Some(container) = pod.list_at(&["spec", list]).get(index) else { continue };
            let key = arena.alloc_str(&format!("{APP_ARMOR}{}", container.text("name")));
            let own = container.at(&["securityContext", "appArmorProfile"]);
            let note = pod.at(&["metadata", "annotations", key]).and_then(Value::as_str);
            match (note, own) {
                (None, own) => {
                    let text = own.or(whole.as_ref()).and_then(annotation);
                    if let (Some(text), Some(map)) = (text, pod.as_map_mut()) {
                        let notes = map.entry_map("metadata").entry_map("annotations");
                        notes.insert(key, Value::str_in(&text, arena));
                    }
                }
                (Some(note), None) => {
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
                (Some(_), Some(_)) => {}
            }
        }
    }
}

fn has_notes(pod: &Value<'_>) -> bool {
    let notes = pod.at(&["metadata", "annotations"]).and_then(Value::as_map);
    notes.is_some_and(|notes| notes.keys().any(|key| key.starts_with(APP_ARMOR)))
}

fn has_fields(pod: &Value<'_>) -> bool {
    let has = |owner: &Value<'_>| owner.at(&["securityContext", "appArmorProfile"]).is_some();
    pod.get("spec").is_some_and(|spec| {
        has(spec)
            || ["initContainers", "containers"].iter().flat_map(|list| spec.items(list)).any(has)
    })
}

/// The annotation for a field (`appArmorAnnotationForField`).
fn annotation(profile: &Value<'_>) -> Option<String> {
    match (profile.text("type"), profile.text("localhostProfile")) {
        ("Unconfined", _) => Some("unconfined".into()),
        ("RuntimeDefault", _) => Some("runtime/default".into()),
        ("Localhost", file) if !file.is_empty() => Some(format!("localhost/{file}")),
        _ => None,
    }
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
    fn the_annotation_and_the_field_of_a_container_say_the_same() {
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
        assert_eq!(pod.str_at(&["metadata", "annotations", key]), "localhost/x");
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
