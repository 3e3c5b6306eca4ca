//! The columns of custom resources: `additionalPrinterColumns`
//! (`registry/customresource/tableconvertor`).

use crate::api::table::column::{AGE, NAME};
use crate::api::table::row::Row;
use crate::api::table::since::Moment;
use crate::catalog::custom::{ColumnSource, CustomVersion};
use crate::codec::json::{encode_any, write};
use crate::object::Value;
use crate::object::json_path::JsonPath;
use std::rc::Rc;

/// A version's columns, with their paths read.
#[derive(Debug, Clone)]
pub struct CustomColumns {
    columns: Rc<[(&'static ColumnSource, Option<JsonPath>)]>,
}

impl CustomColumns {
    /// Reads the paths of a version's columns.
    pub fn new(version: &'static CustomVersion) -> Self {
        let columns = version.columns.iter();
        let columns = columns.map(|column| (column, JsonPath::parse(&column.path).ok()));
        Self { columns: columns.collect() }
    }

    /// Writes the definitions, without brackets.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        NAME.write(out);
        if self.columns.is_empty() {
            out.push(b',');
            AGE.of_kind_date().write(out);
        }
        for (column, _) in self.columns.iter() {
            let description = if column.description.is_empty() {
                let text = "Custom resource definition column (in JSONPath format):";
                format!("{text} {}", column.path)
            } else {
                column.description.to_string()
            };
            for (at, (name, text)) in [
                ("name", &*column.name),
                ("type", &*column.kind),
                ("format", &*column.format),
                ("description", &*description),
            ]
            .into_iter()
            .enumerate()
            {
                out.extend_from_slice(if at == 0 { b",{" } else { b"," });
                write::string(name, out);
                out.push(b':');
                write::string(text, out);
            }
            out.extend_from_slice(br#","priority":"#);
            out.extend_from_slice(itoa::Buffer::new().format(column.priority).as_bytes());
            out.push(b'}');
        }
    }

    /// Writes the cells of one object.
    pub(super) fn cells(&self, object: &Value<'_>, row: &mut Row<'_>) {
        row.name(object);
        if self.columns.is_empty() {
            row.age(object);
        }
        for (column, path) in self.columns.iter() {
            let found = path.as_ref().and_then(|path| path.first(object));
            match found {
                Some(value) => cell(&column.kind, value, row),
                None => row.null(),
            }
        }
    }
}

/// `cellForJSONValue`.
fn cell(kind: &str, value: &Value<'_>, row: &mut Row<'_>) {
    match (kind, value) {
        ("string", Value::Str(text)) => row.text(text),
        ("string", Value::Null) => row.text("<no value>"),
        ("string", other) => {
            let mut text = Vec::new();
            encode_any(other, &mut text);
            row.text(&String::from_utf8_lossy(&text));
        }
        ("integer" | "number", Value::Int(number)) => row.int(*number),
        #[expect(clippy::cast_possible_truncation, reason = "as Go converts it")]
        ("integer", Value::Float(number)) => row.int(*number as i64),
        ("number", Value::Float(number)) => row.float(*number),
        ("boolean", Value::Bool(flag)) => row.flag(*flag),
        // `Time.UnmarshalQueryParameter` takes both for no time.
        ("date", Value::Str("" | "null")) => row.text("<unknown>"),
        ("date", Value::Str(text)) => match Moment::parse(text) {
            Some(_) => row.since(text),
            None => row.text("<invalid>"),
        },
        _ => row.null(),
    }
}
