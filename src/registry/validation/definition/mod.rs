//! What a CustomResourceDefinition defines: schemas, subresources, columns, selectable fields
//! (`apis/apiextensions/validation`).

pub(super) mod defaults;
mod expressions;
mod junctor;
mod schema;
mod shape;

use super::{Errors, Report as _};
use crate::object::Value;
use crate::object::field::Path;
use crate::object::structural::is_known_format;
use crate::registry::definition::{APPROVED, Approval, approval, is_protected};
use crate::registry::read::{Read as _, same_member_of};

/// Most selectable fields of one version.
const SELECTABLE_FIELDS_MAX: usize = 8;
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// What versions may have of their own. Upstream moves to the top of its internal form what all
/// versions have alike, and its errors name that place.
const MOVED: [&str; 4] = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"];

/// True for parts that all versions have alike.
fn is_moved(versions: &[Value<'_>], part: &str) -> bool {
    let Some(first) = versions.first() else { return true };
    let name =
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion";
    versions.iter().all(|version| same_member_of(name, part, version, first))
}

/// The parts that all versions have alike.
pub(super) fn moved<'v>(versions: &'v [Value<'_>]) -> impl Iterator<Item = &'static str> + 'v {
    MOVED.into_iter().filter(|part| is_moved(versions, part))
}

/// The parts of one version that are not alike in all.
pub(super) fn version(versions: &[Value<'_>], index: usize, path: &Path<'_>, errors: &mut Errors) {
    let Some(version) = versions.get(index) else { return };
    let own = |part: &str| !is_moved(versions, part);
    let status = version.at(&["subresources", "status"]).is_some();
    if own(MOVED[0]) {
        validation(version, status, &path.child("schema"), errors);
    }
    if own(MOVED[1]) {
        subresources(version.get("subresources"), &path.child("subresources"), errors);
    }
    if own(MOVED[2]) {
        columns(version, &path.child("additionalPrinterColumns"), errors);
    }
    if own(MOVED[3]) {
        selectable(version, &path.child("selectableFields"), errors);
    }
}

/// The parts that all versions have alike.
pub(super) fn shared(versions: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    let Some(first) = versions.first() else { return };
    let status = versions.iter().any(|version| version.at(&["subresources", "status"]).is_some());
    if is_moved(versions, MOVED[0]) {
        validation(first, status, &path.child("validation"), errors);
    }
    if is_moved(versions, MOVED[1]) {
        subresources(first.get("subresources"), &path.child("subresources"), errors);
    }
    if is_moved(versions, MOVED[2]) {
        columns(first, &path.child("additionalPrinterColumns"), errors);
    }
    if is_moved(versions, MOVED[3]) {
        selectable(first, &path.child("selectableFields"), errors);
    }
}

/// The annotation that groups of the community need; on update only if it changes what it says.
pub(super) fn approved(new: &Value<'_>, old: Option<&Value<'_>>, errors: &mut Errors) {
    if !is_protected(new.str_at(&["spec", "group"])) {
        return;
    }
    let read = |object: &Value<'_>| {
        approval(object.at(&["metadata", "annotations", APPROVED]).and_then(Value::as_str))
    };
    let (now, reason) = read(new);
    if old.is_some_and(|old| read(old).0 == now) {
        return;
    }
    let metadata = Path::root("metadata.annotations");
    let path = metadata.key(APPROVED);
    match now {
        Approval::Approved | Approval::Bypassed => {}
        Approval::Invalid => {
            let text = new.str_at(&["metadata", "annotations", APPROVED]);
            errors.invalid(&path, text, &reason);
        }
        Approval::Missing => errors.required(&path, &reason),
    }
}

/// Formats that are not checked, and sets of what is no scalar.
pub fn warn(new: &Value<'_>, old: Option<&Value<'_>>, _: &str, warnings: &mut Vec<String>) {
    let texts = |object: &Value<'_>| {
        let versions = object.list_at(&["spec", "versions"]);
        let schemas = versions.iter().filter_map(|v| v.at(&["schema", "openAPIV3Schema"]));
        let take = if is_moved(versions, "schema") { 1 } else { usize::MAX };
        let mut texts = Vec::new();
        schemas.take(take).for_each(|schema| unknown_formats(schema, &mut texts));
        texts
    };
    let known = old.map(texts).unwrap_or_default();
    warnings.extend(texts(new).into_iter().filter(|text| !known.contains(text)));
}

fn unknown_formats(schema: &Value<'_>, texts: &mut Vec<String>) {
    let format = schema.text("format");
    if !is_known_format(schema.text("type"), format) {
        let text = format!("unrecognized format {format:?}");
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let mut properties: Vec<_> = schema.entries("properties").collect();
    properties.sort_unstable_by_key(|(name, _)| *name);
    properties.into_iter().for_each(|(_, schema)| unknown_formats(schema, texts));
    for name in ["items", "additionalProperties", "not"] {
        if let Some(below) = schema.get(name) {
            unknown_formats(below, texts);
        }
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        schema.items(name).iter().for_each(|schema| unknown_formats(schema, texts));
    }
}

/// One schema, whose path upstream names `openAPIV3Schema`.
fn validation(version: &Value<'_>, status: bool, path: &Path<'_>, errors: &mut Errors) {
    const AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum \
        ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf \
        Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";
    const NOT_AT_ROOT: [&str; 22] = [
        "id",
        "$schema",
        "$ref",
        "default",
        "nullable",
        "enum",
        "maxProperties",
        "minProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "additionalProperties",
        "patternProperties",
        "dependencies",
        "additionalItems",
        "definitions",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
    ];
    let Some(schema) = version.at(&["schema", "openAPIV3Schema"]) else { return };
    let at = path.child("openAPIV3Schema");
    let before = errors.len();
    if status {
        if !matches!(schema.text("type"), "" | "object") {
            let detail = "only \"object\" is allowed as the type at the root of the schema if the \
                          status subresource is enabled";
            errors.invalid(&path.child("openAPIV3Schema.type"), schema.text("type"), detail);
        } else if NOT_AT_ROOT.iter().any(|name| schema.has(name)) {
            let detail = format!(
                "only {AT_ROOT} fields are allowed at the root of the schema if the status \
                 subresource is enabled"
            );
            let name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
            let shown = super::go_form::compact(Some(schema), name);
            errors.invalid(&at, super::Verbatim(&shown), &detail);
        }
    }
    if schema.flag("nullable") {
        let detail = "nullable cannot be true at the root";
        errors.forbidden(&path.child("openAPIV3Schema.nullable"), detail);
    }
    if shape::has_unsupported(schema) {
        // Told below.
    } else if shape::names_schema(schema) {
        errors.invalid(&at, "", "OpenAPIV3Schema 'schema' is not supported");
    } else {
        let mut found = Errors::new();
        shape::check(schema, &at, &mut found);
        if found.is_empty() {
            defaults::check(schema, &at, &mut found);
        }
        errors.append(&mut found);
    }
    schema::check(schema, &at, schema::Scope::default(), errors);
    expressions::check(schema, &at, errors);
    debug_assert!(errors.len() >= before, "errors are only added");
}

fn subresources(subresources: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(scale) = subresources.and_then(|all| all.get("scale")) else { return };
    let at = path.child("scale");
    let parts: [(&str, bool, &[&str], &str); 3] = [
        ("specReplicasPath", true, &[".spec."], "should be a json path under .spec"),
        ("statusReplicasPath", true, &[".status."], "should be a json path under .status"),
        (
            "labelSelectorPath",
            false,
            &[".spec.", ".status."],
            "should be a json path under either .spec or .status",
        ),
    ];
    for (name, required, roots, detail) in parts {
        let at = at.child(name);
        let text = scale.text(name);
        if text.is_empty() {
            if required {
                errors.required(&at, "");
            }
        } else if !text.starts_with('.') {
            errors.invalid(&at, text, "must be a simple json path starting with .");
        } else if !roots.iter().any(|root| text.starts_with(root)) {
            errors.invalid(&at, text, detail);
        }
    }
}

fn columns(version: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (index, column) in version.items("additionalPrinterColumns").iter().enumerate() {
        let at = path.index(index);
        if column.text("name").is_empty() {
            errors.required(&at.child("name"), "");
        }
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        match column.text("type") {
            "" => errors.required(&at.child("type"), &types),
            kind if !COLUMN_TYPES.contains(&kind) => {
                errors.invalid(&at.child("type"), kind, &types);
            }
            _ => {}
        }
        let format = column.text("format");
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
            errors.invalid(&at.child("format"), format, &detail);
        }
        match column.text("jsonPath") {
            "" => errors.required(&at.child("JSONPath"), ""),
            path if !path.starts_with('.') => {
                let detail = "must be a simple json path starting with .";
                errors.invalid(&at.child("JSONPath"), path, detail);
            }
            _ => {}
        }
    }
}

fn selectable(version: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let root = version.at(&["schema", "openAPIV3Schema"]).unwrap_or(&null);
    let mut seen: Vec<&str> = Vec::new();
    for (index, field) in version.items("selectableFields").iter().enumerate() {
        let item = path.index(index);
        let at = item.child("jsonPath");
        let text = field.text("jsonPath");
        if text.is_empty() {
            errors.required(&at, "");
            continue;
        }
        let found = match field_schema(root, text) {
            Ok(found) => found,
            Err(why) => {
                errors.invalid(&at, text, &format!("is an invalid path: {why}"));
                continue;
            }
        };
        if text == ".metadata" || text.starts_with(".metadata.") {
            errors.invalid(&at, text, "must not point to fields in metadata");
        }
        if !matches!(found.text("type"), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string \
                          fields and strings with formats are allowed.";
            errors.invalid(&at, text, detail);
        }
        if seen.contains(&text) {
            errors.duplicate(&at, text);
        } else {
            seen.push(text);
        }
    }
    if seen.len() > SELECTABLE_FIELDS_MAX {
        errors.too_many(path, seen.len(), SELECTABLE_FIELDS_MAX);
    }
}

/// The schema of the field at a path of names (`cel.ValidFieldPath` without array notation).
fn field_schema<'v, 'a>(root: &'v Value<'a>, path: &str) -> Result<&'v Value<'a>, String> {
    if path.contains('[') {
        return Err("array notation is not allowed".into());
    }
    if !path.starts_with('.') {
        let first = path.split(['.', ']']).next().filter(|first| !first.is_empty());
        return Err(format!("expected [ or . but got: {}", first.unwrap_or("]")));
    }
    let names = path.strip_prefix('.').unwrap_or(path);
    if names.is_empty() || names.ends_with('.') {
        return Err("unexpected end of JSON path".into());
    }
    let mut schema = root;
    for name in names.split('.') {
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        let found = property.or_else(|| schema.get("additionalProperties"));
        schema = found.ok_or_else(|| "does not refer to a valid field".to_owned())?;
    }
    Ok(schema)
}

/// True if a rule's `fieldPath` leads to a field below `schema`.
fn is_field_path(schema: &Value<'_>, path: &str) -> bool {
    let mut schema = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after) = if let Some(inside) = rest.strip_prefix("['") {
            let Some((name, after)) = inside.split_once("']") else { return false };
            (name, after)
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            after.split_at(end)
        } else {
            return false;
        };
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        let Some(found) = property.or_else(|| schema.get("additionalProperties")) else {
            return false;
        };
        schema = found;
        rest = after;
    }
    !path.is_empty()
}
