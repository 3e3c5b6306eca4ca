//! Files that tell a server how to behave (`apiserver.config.k8s.io` and the like), decoded as
//! strictly as upstream's codecs do: a field that nobody knows is a mistake, not a wish.

use super::json::Strictness;
use super::yaml;
use crate::object::Value;
use bumpalo::Bump;

/// What a part of such a file may be.
#[derive(Debug)]
pub enum Shape {
    /// Anything.
    Any,
    /// `true` or `false`.
    Bool,
    /// A list of these.
    List(&'static Self),
    /// Names of one's own, each with this.
    Map(&'static Self),
    /// A whole number.
    Number,
    /// These fields.
    Object(&'static [(&'static str, Self)]),
    /// A text.
    Text,
}

/// The file that is expected.
#[derive(Debug)]
pub struct Kind {
    /// API group.
    pub group: &'static str,
    /// Versions that are read.
    pub versions: &'static [&'static str],
    /// Kind.
    pub kind: &'static str,
    /// Fields beside `apiVersion` and `kind`.
    pub fields: &'static [(&'static str, Shape)],
}

/// Reads YAML or JSON as this kind.
///
/// # Errors
/// In the words of upstream's decoder: the syntax, another kind, or every field that is not known
/// or has another type.
pub fn decode<'a>(source: &[u8], wanted: &Kind, arena: &'a Bump) -> Result<Value<'a>, String> {
    let document = yaml::parse(source, arena).map_err(|error| error.to_string())?;
    let decoded = document.decode_any(arena, Strictness::Report).map_err(|e| e.to_string())?;
    let file = decoded.value;
    let (version, kind) = (file.str_at(&["apiVersion"]), file.str_at(&["kind"]));
    let shown = || String::from_utf8_lossy(source);
    if kind.is_empty() {
        return Err(format!("Object 'Kind' is missing in '{}'", shown()));
    }
    if version.is_empty() {
        return Err(format!("Object 'apiVersion' is missing in '{}'", shown()));
    }
    let (group, short) = version.split_once('/').unwrap_or(("", version));
    if kind != wanted.kind || group != wanted.group || !wanted.versions.contains(&short) {
        return Err(format!("no kind {kind:?} is registered for version {version:?}"));
    }
    let mut unknown = decoded.strict_errors;
    let mut path = String::new();
    for (name, value) in file.as_map().into_iter().flat_map(|map| map.iter()) {
        if name != "apiVersion" && name != "kind" {
            field(wanted.fields, name, value, &mut path, &mut unknown)?;
        }
    }
    if unknown.is_empty() {
        return Ok(file);
    }
    Err(format!("strict decoding error: {}", unknown.join(", ")))
}

fn field(
    known: &'static [(&'static str, Shape)],
    name: &str,
    value: &Value<'_>,
    path: &mut String,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    let length = path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
    let checked = match known.iter().find(|(own, _)| *own == name) {
        Some((_, shape)) => check(shape, value, path, unknown),
        None => {
            unknown.push(format!("unknown field {path:?}"));
            Ok(())
        }
    };
    path.truncate(length);
    checked
}

/// A value that has another type than the field ends the reading, as upstream.
fn check(
    shape: &'static Shape,
    value: &Value<'_>,
    path: &mut String,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    let (found, fits) = match value {
        Value::Null => return Ok(()),
        Value::Bool(_) => ("bool", matches!(shape, Shape::Bool)),
        Value::Int(_) => ("number", matches!(shape, Shape::Number)),
        Value::Float(_) => ("number", false),
        Value::Str(_) | Value::Raw(_) => ("string", matches!(shape, Shape::Text)),
        Value::List(_) => ("array", matches!(shape, Shape::List(_))),
        Value::Map(_) => ("object", matches!(shape, Shape::Map(_) | Shape::Object(_))),
    };
    let wanted = match shape {
        Shape::Any => return Ok(()),
        Shape::Bool => "bool",
        Shape::List(_) => "slice",
        Shape::Map(_) => "map",
        Shape::Number => "int32",
        Shape::Object(_) => "struct",
        Shape::Text => "string",
    };
    if !fits {
        return Err(format!(
            "json: cannot unmarshal {found} into Go struct field {path} of type {wanted}"
        ));
    }
    match (shape, value) {
        (Shape::List(shape), Value::List(list)) => {
            for (at, value) in list.iter().enumerate() {
                let length = path.len();
                path.push_str(&format!("[{at}]"));
                let checked = check(shape, value, path, unknown);
                path.truncate(length);
                checked?;
            }
        }
        (Shape::Map(shape), Value::Map(map)) => {
            for (name, value) in map.iter() {
                let length = path.len();
                path.push('.');
                path.push_str(name);
                let checked = check(shape, value, path, unknown);
                path.truncate(length);
                checked?;
            }
        }
        (Shape::Object(known), Value::Map(map)) => {
            for (name, value) in map.iter() {
                field(known, name, value, path, unknown)?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        group: "g",
        versions: &["v1", "v1beta1"],
        kind: "K",
        fields: &[
            ("list", Shape::List(&Shape::Object(&[("flag", Shape::Bool), ("text", Shape::Text)]))),
            ("free", Shape::Any),
        ],
    };

    fn read(text: &str) -> Result<String, String> {
        let arena = Bump::new();
        let file = decode(text.as_bytes(), &KIND, &arena)?;
        Ok(file.list_at(&["list"]).iter().map(|one| one.str_at(&["text"])).collect())
    }

    #[test]
    fn every_field_that_nobody_knows_is_told() {
        let head = "apiVersion: g/v1beta1\nkind: K\n";
        assert_eq!(
            read(&format!("{head}list: [{{text: a}}, {{flag: true}}]\nfree: 1")),
            Ok("a".into())
        );
        assert_eq!(
            read(&format!("{head}list: [{{tex: a}}]\nmore: 1")).unwrap_err(),
            r#"strict decoding error: unknown field "list[0].tex", unknown field "more""#
        );
        assert_eq!(
            read(&format!("{head}list: [{{flag: x}}]")).unwrap_err(),
            "json: cannot unmarshal string into Go struct field list[0].flag of type bool"
        );
    }

    #[test]
    fn another_kind_is_told() {
        assert_eq!(read("kind: K").unwrap_err(), "Object 'apiVersion' is missing in 'kind: K'");
        assert_eq!(read("a: b").unwrap_err(), "Object 'Kind' is missing in 'a: b'");
        let text = r#"no kind "K" is registered for version "g/v2""#;
        assert_eq!(read("apiVersion: g/v2\nkind: K").unwrap_err(), text);
    }
}
