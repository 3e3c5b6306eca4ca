//! AppArmor and seccomp profiles that annotations name beside the fields
//! (`ValidateAppArmorPodAnnotations`, `validateSeccompAnnotationsAndFields`).

use super::{Errors, Report as _, env};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

/// Prefix of the annotation for a container's AppArmor profile.
pub const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The annotations of a pod or template by themselves.
pub(super) fn annotations(
    annotations: &Value<'_>,
    spec: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let notes = || annotations.as_map().into_iter().flat_map(|map| map.iter());
    let text = |value: &Value<'_>| value.as_str().unwrap_or("").to_owned();
    if let Some(profile) = annotations.get(SECCOMP_POD) {
        seccomp(&text(profile), &path.child(SECCOMP_POD), errors);
    }
    for (key, profile) in notes().filter(|(key, _)| key.starts_with(SECCOMP_CONTAINER)) {
        seccomp(&text(profile), &path.child(key), errors);
    }
    for (key, profile) in notes() {
        let Some(name) = key.strip_prefix(APP_ARMOR) else { continue };
        let known = LISTS.iter().flat_map(|list| spec.items(list)).any(|c| c.text("name") == name);
        if !known {
            errors.invalid(&path.key(key), name, "container not found");
        }
        let profile = profile.as_str().unwrap_or("");
        let fine = matches!(profile, "" | "runtime/default" | "unconfined");
        if !fine && !profile.starts_with("localhost/") {
            let detail = format!("invalid AppArmor profile name: {profile:?}");
            errors.invalid(&path.key(key), profile, &detail);
        }
    }
}

/// `ValidateSeccompProfile`.
fn seccomp(profile: &str, path: &Path<'_>, errors: &mut Errors) {
    match profile.strip_prefix("localhost/") {
        Some(file) => env::local_path(file, path, errors),
        None if matches!(profile, "runtime/default" | "docker/default" | "unconfined") => {}
        None => errors.invalid(path, profile, "must be a valid seccomp profile"),
    }
}

/// Where an annotation and a field name a profile, they name the same.
pub(super) fn agree(
    annotations: &Value<'_>,
    spec: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let whole = spec.at(&["securityContext", "seccompProfile"]);
    if let (Some(field), Some(note)) = (whole, annotations.get(SECCOMP_POD)) {
        let at = path.child("securityContext.seccompProfile");
        same("seccomp", "profile", note, field, &at, errors);
    }
    for (kind, prefix, member) in [
        ("seccomp", SECCOMP_CONTAINER, "seccompProfile"),
        ("apparmor", APP_ARMOR, "appArmorProfile"),
    ] {
        for list in LISTS {
            let at = path.child(list);
            for (index, container) in spec.items(list).iter().enumerate() {
                let field = container.at(&["securityContext", member]);
                let whole = spec.at(&["securityContext", member]).filter(|_| kind == "apparmor");
                let Some(field) = field.or(whole) else { continue };
                let name = container.text("name");
                let mut notes = annotations.as_map().into_iter().flat_map(|map| map.iter());
                let note = notes.find(|(key, _)| key.strip_prefix(prefix) == Some(name));
                if let Some((_, note)) = note {
                    let at = at.index(index);
                    let at = at.child("securityContext");
                    same(kind, "profile", note, field, &at.child(member), errors);
                }
            }
        }
    }
}

fn same(
    kind: &str,
    what: &str,
    note: &Value<'_>,
    field: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let note = note.as_str().unwrap_or("");
    if kind == "apparmor" && note.is_empty() {
        return;
    }
    let fits = match field.text("type") {
        "Unconfined" => note == "unconfined",
        "RuntimeDefault" => {
            note == "runtime/default" || (kind == "seccomp" && note == "docker/default")
        }
        "Localhost" => note.starts_with("localhost/"),
        _ => true,
    };
    if !fits {
        let detail = format!("{kind} type in annotation and field must match");
        errors.forbidden(&path.child("type"), &detail);
    } else if field.text("type") == "Localhost"
        && note.strip_prefix("localhost/") != Some(field.text("localhostProfile"))
    {
        let detail = format!("{kind} {what} in annotation and field must match");
        errors.forbidden(&path.child("localhostProfile"), &detail);
    }
}

#[cfg(test)]
mod tests {
    use crate::object::field::Path;
    use crate::registry::sample::{lines, tree};
    use bumpalo::Bump;
    use serde_json::json;

    fn errors(annotations: &serde_json::Value, spec: &serde_json::Value) -> Vec<String> {
        let arena = Bump::new();
        let (notes, spec) = (tree(&arena, annotations), tree(&arena, spec));
        let mut errors = Vec::new();
        let root = Path::root("metadata");
        super::annotations(&notes, &spec, &root.child("annotations"), &mut errors);
        super::agree(&notes, &spec, &Path::root("spec"), &mut errors);
        lines(&errors)
    }

    #[test]
    fn annotations_name_containers_and_known_profiles() {
        let key = "container.apparmor.security.beta.kubernetes.io/x";
        let found = errors(&json!({key: "bad"}), &json!({"containers": [{"name": "c"}]}));
        assert_eq!(
            found,
            [
                format!("metadata.annotations[{key}]: Invalid value: \"x\": container not found"),
                format!(
                    "metadata.annotations[{key}]: Invalid value: \"bad\": invalid AppArmor \
                     profile name: \"bad\""
                ),
            ]
        );
        let found = errors(&json!({super::SECCOMP_POD: "x"}), &json!({}));
        assert_eq!(
            found,
            ["metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \
              \"x\": must be a valid seccomp profile"]
        );
    }

    #[test]
    fn annotations_and_fields_agree() {
        let profile = json!({"type": "Localhost", "localhostProfile": "a"});
        for (note, expected) in [
            ("localhost/a", None),
            (
                "localhost/b",
                Some(
                    "localhostProfile: Forbidden: seccomp profile in annotation and field must \
                      match",
                ),
            ),
            (
                "unconfined",
                Some("type: Forbidden: seccomp type in annotation and field must match"),
            ),
        ] {
            let spec = json!({"securityContext": {"seccompProfile": profile}});
            let found = errors(&json!({super::SECCOMP_POD: note}), &spec);
            let expected = expected.map(|e| format!("spec.securityContext.seccompProfile.{e}"));
            assert_eq!(found, Vec::from_iter(expected));
        }
    }
}
