//! `metadata` of every kind (`apimachinery api/validation/objectmeta.go`).

use super::{Errors, IMMUTABLE, Messages, Report as _, Verbatim, format, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use std::fmt::Write as _;

/// Keys and values of all annotations together, bytes (`TotalAnnotationSizeLimitB`).
pub const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// Longest field manager, bytes.
pub const FIELD_MANAGER_BYTES_MAX: usize = 128;
const SUBRESOURCE_BYTES_MAX: usize = 256;

/// How the names of a kind are checked.
pub type NameRule = fn(&str) -> Messages;

/// A name as its rule sees it when five more characters will follow it (`maskTrailingDash`).
fn masked(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        // Upstream cuts two bytes: the dash and the one before it.
        Some(rest) if !rest.is_empty() => {
            let keep = rest.char_indices().next_back().map_or(0, |(at, _)| at);
            format!("{}a", rest.get(..keep).unwrap_or(""))
        }
        _ => prefix.to_owned(),
    }
}

/// `ValidateObjectMetaAccessor`: metadata of a new object at `metadata`.
pub fn create(
    object: &Value<'_>,
    namespaced: bool,
    rule: &dyn Fn(&str) -> Messages,
    errors: &mut Errors,
) {
    of_new(object, namespaced, (rule, &|prefix| rule(&masked(prefix))), errors);
}

/// [`create`] as every kind has it: a name must fit into a URL (`path.ValidatePathSegmentName`).
pub fn create_any(object: &Value<'_>, namespaced: bool, errors: &mut Errors) {
    let rules: Rules<'_> = (&format::path_segment, &format::path_segment_prefix);
    of_new(object, namespaced, rules, errors);
}

/// The rules of names, and of what names are made from.
type Rules<'r> = (&'r dyn Fn(&str) -> Messages, &'r dyn Fn(&str) -> Messages);

fn of_new(
    object: &Value<'_>,
    namespaced: bool,
    (rule, prefix_rule): Rules<'_>,
    errors: &mut Errors,
) {
    let root = Path::root("metadata");
    let Some(metadata) = object.get("metadata") else {
        errors.required(&root.child("name"), "name or generateName is required");
        return;
    };
    let generate = metadata.text("generateName");
    if !generate.is_empty() {
        for message in prefix_rule(generate) {
            errors.invalid(&root.child("generateName"), generate, &message);
        }
    }
    let name = metadata.text("name");
    if name.is_empty() {
        errors.required(&root.child("name"), "name or generateName is required");
    } else {
        errors.messages(&root.child("name"), name, rule(name));
    }
    let namespace = metadata.text("namespace");
    let at = root.child("namespace");
    if namespaced {
        errors.required_text(&at, namespace, format::dns_label);
    } else if !namespace.is_empty() {
        errors.forbidden(&at, "not allowed on this type");
    }
    beyond_names(metadata, &root, errors);
}

/// Metadata of a resource within a custom resource (`validateEmbeddedResource`): it needs no name.
pub fn embedded(metadata: &Value<'_>, root: &Path<'_>, errors: &mut Errors) {
    let generate = metadata.text("generateName");
    if !generate.is_empty() {
        for message in format::path_segment_prefix(generate) {
            errors.invalid(&root.child("generateName"), generate, &message);
        }
    }
    let name = metadata.text("name");
    if !name.is_empty() {
        errors.messages(&root.child("name"), name, format::path_segment(name));
    }
    let namespace = metadata.text("namespace");
    if !namespace.is_empty() {
        errors.messages(&root.child("namespace"), namespace, format::dns_label(namespace));
    }
    beyond_names(metadata, root, errors);
}

fn beyond_names(metadata: &Value<'_>, root: &Path<'_>, errors: &mut Errors) {
    errors.non_negative(&root.child("generation"), metadata.int("generation"));
    selector::labels(metadata.get("labels"), &root.child("labels"), errors);
    annotations(metadata.get("annotations"), &root.child("annotations"), errors);
    owner_references(metadata, &root.child("ownerReferences"), errors);
    finalizers(metadata, &root.child("finalizers"), errors);
    managed_fields(metadata, &root.child("managedFields"), errors);
}

/// `ValidateObjectMetaAccessorUpdate`.
pub fn update(object: &Value<'_>, old: &Value<'_>, errors: &mut Errors) {
    let root = Path::root("metadata");
    let (Some(new), Some(old)) = (object.get("metadata"), old.get("metadata")) else { return };
    if old.has("deletionTimestamp") {
        no_new_finalizers(new, old, &root.child("finalizers"), errors);
    }
    if new.text("resourceVersion").is_empty() {
        errors.invalid(&root.child("resourceVersion"), "", "must be specified for an update");
    }
    let generation = new.int("generation").unwrap_or(0);
    if generation < old.int("generation").unwrap_or(0) {
        errors.invalid(&root.child("generation"), generation, "must not be decremented");
    }
    for name in ["name", "namespace", "uid"] {
        if new.text(name) != old.text(name) {
            errors.invalid(&root.child(name), new.text(name), IMMUTABLE);
        }
    }
    for name in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if !same(new.get(name), old.get(name)) {
            errors.invalid(&root.child(name), new.get(name).unwrap_or(&Value::Null), IMMUTABLE);
        }
    }
    selector::labels(new.get("labels"), &root.child("labels"), errors);
    annotations(new.get("annotations"), &root.child("annotations"), errors);
    owner_references(new, &root.child("ownerReferences"), errors);
    managed_fields(new, &root.child("managedFields"), errors);
}

/// `ValidateAnnotations`.
pub fn annotations(annotations: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(annotations) = annotations.and_then(Value::as_map) else { return };
    let mut bytes = 0usize;
    for (key, value) in annotations.iter() {
        let found = format::label_key(&key.to_lowercase());
        errors.messages(path, key, found);
        bytes = bytes.saturating_add(key.len()).saturating_add(value.as_str().map_or(0, str::len));
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.too_long(path, ANNOTATIONS_BYTES_MAX);
    }
}

fn owner_references(metadata: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let references = metadata.items("ownerReferences");
    let mut controller: Option<String> = None;
    for reference in references {
        let api_version = reference.text("apiVersion");
        let (group, version) = match api_version.split_once('/') {
            // What has more parts is no group and version.
            Some((_, version)) if version.contains('/') => ("", ""),
            Some(parts) => parts,
            None => ("", api_version),
        };
        if version.is_empty() {
            let detail = "version must not be empty";
            errors.invalid(&path.child("apiVersion"), api_version, detail);
        }
        for name in ["kind", "name", "uid"] {
            if reference.text(name).is_empty() {
                errors.invalid(&path.child(name), "", "must not be empty");
            }
        }
        if (group, version, reference.text("kind")) == ("", "v1", "Event") {
            let shown = shown_owner(reference);
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.invalid(path, Verbatim(&shown), detail);
        }
        if reference.flag("controller") {
            let this = format!("{}/{}", reference.text("kind"), reference.text("name"));
            match &controller {
                None => controller = Some(this),
                Some(first) => {
                    let shown: Vec<String> = references.iter().map(shown_owner).collect();
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in \
                         references for {first} and {this}"
                    );
                    let shown = format!("[{}]", shown.join(","));
                    errors.invalid(path, Verbatim(&shown), &detail);
                }
            }
        }
    }
}

/// An owner reference as Go's JSON prints it.
fn shown_owner(reference: &Value<'_>) -> String {
    let mut out = String::from("{");
    for name in ["apiVersion", "kind", "name", "uid"] {
        let lead = if out.len() == 1 { "" } else { "," };
        let _ = write!(out, "{lead}\"{name}\":{:?}", reference.text(name));
    }
    for name in ["controller", "blockOwnerDeletion"] {
        if let Some(value) = reference.get(name).and_then(Value::as_bool) {
            let _ = write!(out, ",\"{name}\":{value}");
        }
    }
    out.push('}');
    out
}

/// `ValidateFinalizers`.
fn finalizers(metadata: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for finalizer in metadata.texts("finalizers") {
        errors.messages(path, finalizer, format::label_key(finalizer));
    }
    let has = |name| metadata.texts("finalizers").any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let list = metadata.get("finalizers").unwrap_or(&Value::Null);
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.invalid(path, list, detail);
    }
}

/// The further rule that core's `ValidateObjectMeta` puts on finalizers: a name with no prefix is
/// one of the standard ones.
pub fn standard_finalizers(object: &Value<'_>, errors: &mut Errors) {
    let Some(metadata) = object.get("metadata") else { return };
    let root = Path::root("metadata");
    let path = root.child("finalizers");
    for (index, finalizer) in metadata.texts("finalizers").enumerate() {
        standard_finalizer(finalizer, &path.index(index), errors);
    }
}

/// `validateKubeFinalizerName`.
pub fn standard_finalizer(finalizer: &str, path: &Path<'_>, errors: &mut Errors) {
    let standard = matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion");
    if !finalizer.contains('/') && !standard {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        errors.invalid(path, finalizer, detail);
    }
}

fn no_new_finalizers(new: &Value<'_>, old: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut extra: Vec<&str> = new
        .texts("finalizers")
        .filter(|finalizer| !old.texts("finalizers").any(|known| known == *finalizer))
        .collect();
    if extra.is_empty() {
        return;
    }
    extra.sort_unstable();
    extra.dedup();
    let quoted: Vec<String> = extra.iter().map(|name| format!("{name:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers \
         []string{{{}}}",
        quoted.join(", ")
    );
    errors.forbidden(path, &detail);
}

fn managed_fields(metadata: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (index, entry) in metadata.items("managedFields").iter().enumerate() {
        let path = path.index(index);
        let operation = entry.text("operation");
        if !matches!(operation, "Apply" | "Update") {
            errors.invalid(&path.child("operation"), operation, "must be `Apply` or `Update`");
        }
        let fields_type = entry.text("fieldsType");
        if !matches!(fields_type, "" | "FieldsV1") {
            errors.invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`");
        }
        field_manager(entry.text("manager"), &path.child("manager"), errors);
        if entry.text("subresource").len() > SUBRESOURCE_BYTES_MAX {
            errors.too_long(&path.child("subresource"), SUBRESOURCE_BYTES_MAX);
        }
    }
}

/// `ValidateFieldManager`.
pub fn field_manager(manager: &str, path: &Path<'_>, errors: &mut Errors) {
    if manager.len() > FIELD_MANAGER_BYTES_MAX {
        errors.too_long(path, FIELD_MANAGER_BYTES_MAX);
    }
    for (at, letter) in manager.char_indices().filter(|(_, letter)| letter.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(letter));
        errors.invalid(path, manager, &detail);
    }
}

/// `ValidateConditions` of `metav1.Condition` lists.
pub fn conditions(conditions: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        let kind = condition.text("type");
        if conditions.iter().take(index).any(|other| other.text("type") == kind) {
            errors.duplicate(&path.child("type"), kind);
        }
        errors.messages(&path.child("type"), kind, format::label_key(kind));
        let status = condition.text("status");
        if !matches!(status, "True" | "False" | "Unknown") {
            errors.unsupported(&path.child("status"), status, &["False", "True", "Unknown"]);
        }
        if let Some(seen) = condition.int("observedGeneration").filter(|seen| *seen < 0) {
            let detail = "must be greater than or equal to zero";
            errors.invalid(&path.child("observedGeneration"), seen, detail);
        }
        if condition.text("lastTransitionTime").is_empty() {
            errors.required(&path.child("lastTransitionTime"), "");
        }
        let reason = condition.text("reason");
        errors.required_text(&path.child("reason"), reason, format::condition_reason);
        if reason.len() > 1_024 {
            errors.too_long(&path.child("reason"), 1_024);
        }
        if condition.text("message").len() > 32_768 {
            errors.too_long(&path.child("message"), 32_768);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Errors, create, create_any, format};
    use crate::registry::sample::{lines, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn what_a_name_is_made_from_may_be_a_dot_where_any_segment_may() {
        let arena = Bump::new();
        let object = tree(
            &arena,
            &json!({"metadata": {"name": "x", "namespace": "n", "generateName": "."}}),
        );
        let mut errors = Errors::new();
        create_any(&object, true, &mut errors);
        assert_eq!(lines(&errors), Vec::<String>::new());
        create(&object, true, &format::dns_label, &mut errors);
        assert_eq!(errors.len(), 1);
    }

    #[test]
    fn an_owner_is_of_a_version() {
        let arena = Bump::new();
        for (version, known) in [("v1", true), ("a/v1", true), ("a/", false), ("a/b/c", false)] {
            let owner = json!({"apiVersion": version, "kind": "K", "name": "n", "uid": "u"});
            let metadata = json!({"name": "x", "namespace": "n", "ownerReferences": [owner]});
            let object = tree(&arena, &json!({ "metadata": metadata }));
            let mut errors = Errors::new();
            create_any(&object, true, &mut errors);
            let expected = format!(
                "metadata.ownerReferences.apiVersion: Invalid value: {version:?}: version must \
                 not be empty"
            );
            let expected = if known { vec![] } else { vec![expected] };
            assert_eq!(lines(&errors), expected);
        }
    }
}
