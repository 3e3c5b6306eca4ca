//! The header of a table: its columns and where their descriptions come from.

use crate::api::openapi::docs;
use crate::codec::json::write;

/// One column of a table (`metav1.TableColumnDefinition`).
#[derive(Debug, Clone, Copy)]
pub struct Column {
    name: &'static str,
    kind: &'static str,
    format: &'static str,
    doc: Doc,
    priority: u8,
}

/// Where a column's description comes from.
#[derive(Debug, Clone, Copy)]
enum Doc {
    /// A field of a type: the definition name without `io.k8s.api.` for API types.
    Field(&'static str, &'static str),
    /// This text.
    Text(&'static str),
}

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// `Name`, as nearly every kind has it.
pub(super) const NAME: Column = text("Name").of(META, "name").formatted("name");
/// `Age`, as nearly every kind has it.
pub(super) const AGE: Column = text("Age").of(META, "creationTimestamp");
/// The second column of kinds that upstream gives no printer.
pub(super) const CREATED_AT: Column = of_kind("Created At", "date").of(META, "creationTimestamp");
/// A string column.
pub(super) const fn text(name: &'static str) -> Column {
    of_kind(name, "string")
}

/// A number column.
pub(super) const fn int(name: &'static str) -> Column {
    of_kind(name, "integer")
}

/// A boolean column.
pub(super) const fn flag(name: &'static str) -> Column {
    of_kind(name, "boolean")
}

const fn of_kind(name: &'static str, kind: &'static str) -> Column {
    Column { name, kind, format: "", doc: Doc::Text(""), priority: 0 }
}

impl Column {
    /// Described as this field of this type.
    pub(super) const fn of(self, definition: &'static str, field: &'static str) -> Self {
        Self { doc: Doc::Field(definition, field), ..self }
    }

    /// Described by this text.
    pub(super) const fn says(self, description: &'static str) -> Self {
        Self { doc: Doc::Text(description), ..self }
    }

    /// With the type of a date.
    pub(super) const fn of_kind_date(self) -> Self {
        Self { kind: "date", ..self }
    }

    /// Shown by clients in wide output only.
    pub(super) const fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }

    /// With a format.
    pub(super) const fn formatted(self, format: &'static str) -> Self {
        Self { format, ..self }
    }

    fn description(&self) -> &'static str {
        match self.doc {
            Doc::Text(text) => text,
            Doc::Field(definition, field) if definition.starts_with("io.k8s.") => {
                docs::of_field(definition, field)
            }
            Doc::Field(definition, field) => {
                docs::of_field(&format!("io.k8s.api.{definition}"), field)
            }
        }
    }

    /// Writes the definition as JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"name":"#);
        write::string(self.name, out);
        out.extend_from_slice(br#","type":"#);
        write::string(self.kind, out);
        out.extend_from_slice(br#","format":"#);
        write::string(self.format, out);
        out.extend_from_slice(br#","description":"#);
        write::string(self.description(), out);
        out.extend_from_slice(if self.priority == 0 {
            br#","priority":0}"#
        } else {
            br#","priority":1}"#
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{AGE, NAME};

    #[test]
    fn definitions_are_written_with_their_field_description() {
        let mut out = Vec::new();
        NAME.write(&mut out);
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        assert!(text.starts_with(
            r#"{"name":"Name","type":"string","format":"name","description":"Name must be unique"#
        ));
        assert!(text.ends_with(r#","priority":0}"#));
        assert!(AGE.description().contains("\n\nPopulated by the system."));
    }
}
