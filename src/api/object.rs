//! One object as a client asked to see it.

use super::form::{Form, Transform};
use super::route::Target;
use super::table;
use crate::cache::Entry;
use crate::codec::media::Format;
use crate::codec::{json, proto};
use crate::object::schema::Type;
use crate::object::{Arena, Map, Value};
use crate::registry::stored;
use crate::request::{Fault, Result};
use crate::store::Item as _;
use bumpalo::Bump;
use bytes::Bytes;

/// The object of `entry` in the form asked for.
///
/// # Errors
/// 406 for a form that no single object has, 500 for stored bytes that cannot be read.
pub fn encode(target: &Target, form: &Form, entry: &Entry) -> Result<Bytes> {
    match form.transform {
        Transform::None => encode_full(target, form, entry),
        Transform::Partial(version) => encode_partial(form, entry, version),
        Transform::PartialList(_) if target.resource.custom.is_some() => {
            Err(Fault::Plain("content is not a list".into()))
        }
        Transform::PartialList(_) => {
            let shown = go_type(target, target.resource.kind);
            Err(Fault::NotAcceptable(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list \
                 ({shown})"
            )))
        }
        Transform::Table(version, include) => {
            let revision = entry.revision().to_string();
            let meta = table::ListMeta { resource_version: &revision, ..Default::default() };
            let mut rows = TableWriter::begin(target, version, include, meta, true);
            rows.push(entry)?;
            Ok(rows.finish(form))
        }
    }
}

/// The Go type of an object as upstream has it inside: `*apps.Deployment`.
pub fn go_type(target: &Target, kind: &str) -> String {
    let resource = target.resource;
    if resource.custom.is_some() {
        let list = if kind == resource.list_kind { "List" } else { "" };
        return format!("*unstructured.Unstructured{list}");
    }
    let package = match resource.group {
        "" | "events.k8s.io" => "core",
        group => group.split('.').next().unwrap_or(group),
    };
    format!("*{package}.{kind}")
}

fn encode_full(target: &Target, form: &Form, entry: &Entry) -> Result<Bytes> {
    let same = stored::is_stored_form(target.resource);
    match form.media {
        Format::Json if same && !form.pretty => {
            let json = entry.json().map_err(stored::unreadable)?;
            let mut out = Vec::with_capacity(json.bytes.len() + 1);
            out.extend_from_slice(&json.bytes);
            out.push(b'\n');
            Ok(out.into())
        }
        Format::Protobuf if same => entry.protobuf().map_err(stored::unreadable),
        _ => {
            let arena = Arena::new();
            let object = stored::decode_served(target.resource, entry, &arena)?;
            encode_value(form, target.resource.ty, &object)
        }
    }
}

/// Any object in the media type of the form.
///
/// # Errors
/// None today; the form may grow ones that not every object has.
pub fn encode_value(form: &Form, ty: &'static Type, object: &Value<'_>) -> Result<Bytes> {
    let mut out = Vec::with_capacity(1024);
    match form.media {
        Format::Json => {
            json::encode(object, ty, &mut out);
            if form.pretty {
                return Ok(super::form::reprint(&out, form));
            }
            out.push(b'\n');
        }
        Format::Yaml => {
            json::encode(object, ty, &mut out);
            return Ok(super::form::reprint(&out, form));
        }
        Format::Protobuf => encode_typed(object, ty, &mut out),
    }
    Ok(out.into())
}

/// The envelope of an object that says its kind and apiVersion.
pub fn encode_typed(object: &Value<'_>, ty: &'static Type, out: &mut Vec<u8>) {
    let (kind, api_version) = (object.str_at(&["kind"]), object.str_at(&["apiVersion"]));
    proto::envelope::wrap_with(api_version, kind, out, |out| proto::encode(object, ty, out));
}

/// An object that is not stored, in the form asked for: a Scale, a component status.
///
/// # Errors
/// As [`encode`].
pub fn encode_made(
    target: &Target,
    form: &Form,
    ty: &'static Type,
    object: &Value<'_>,
) -> Result<Bytes> {
    match form.transform {
        Transform::None | Transform::Partial(_) | Transform::PartialList(_) => {
            encode_value(form, ty, object)
        }
        Transform::Table(version, include) => {
            let revision = object.str_at(&["metadata", "resourceVersion"]);
            let meta = table::ListMeta { resource_version: revision, ..Default::default() };
            let mut rows = TableWriter::begin(target, version, include, meta, true);
            rows.push_value(object, ty);
            Ok(rows.finish(form))
        }
    }
}

fn encode_partial(form: &Form, entry: &Entry, version: table::MetaVersion) -> Result<Bytes> {
    if form.media == Format::Json && !form.pretty {
        let mut out = Vec::with_capacity(512);
        write_partial(entry, version, &mut out)?;
        out.push(b'\n');
        return Ok(out.into());
    }
    let arena = Arena::new();
    let object = partial_value(entry, version, &arena)?;
    encode_value(form, stored::partial_type(), &object)
}

/// The PartialObjectMetadata of an entry as a value.
///
/// # Errors
/// 500 for stored bytes that cannot be read.
pub fn partial_value<'a>(
    entry: &Entry,
    version: table::MetaVersion,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let mut object = stored::decode_entry(entry, arena)?;
    hide_spec_annotations(entry, &mut object);
    let mut map = Map::new_in(arena);
    map.push_unique("kind", Value::Str("PartialObjectMetadata"));
    map.push_unique("apiVersion", Value::Str(version.api_version()));
    if let Some(metadata) = object.get("metadata") {
        map.push_unique("metadata", metadata.copy_in(arena));
    }
    Ok(Value::Map(map))
}

/// Writes `{"kind":"PartialObjectMetadata",…}` cut from the entry's JSON.
///
/// # Errors
/// 500 for stored bytes that cannot be read.
pub fn write_partial(entry: &Entry, version: table::MetaVersion, out: &mut Vec<u8>) -> Result<()> {
    if spec_annotation(entry).is_some() {
        let arena = Bump::new();
        json::encode(&partial_value(entry, version, &arena)?, stored::partial_type(), out);
        return Ok(());
    }
    let metadata = entry_metadata(entry)?;
    out.extend_from_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":""#);
    out.extend_from_slice(version.api_version().as_bytes());
    out.extend_from_slice(br#"","metadata":"#);
    out.extend_from_slice(&metadata);
    out.push(b'}');
    Ok(())
}

/// The annotation in which the served version keeps what upstream's internal one has as a field of
/// its spec. What shows metadata alone is made of the internal version, and lacks it
/// (`Convert_v1_DaemonSet_To_apps_DaemonSet`).
fn spec_annotation(entry: &Entry) -> Option<&'static str> {
    let storage = entry.storage()?;
    let daemon_set = storage.group == "apps" && storage.resource == "daemonsets";
    daemon_set.then_some("deprecated.daemonset.template.generation")
}

fn hide_spec_annotations(entry: &Entry, object: &mut Value<'_>) {
    let Some(name) = spec_annotation(entry) else { return };
    let Some(metadata) = object.at_mut(&["metadata"]).and_then(Value::as_map_mut) else { return };
    let annotations = metadata.get_mut("annotations").and_then(Value::as_map_mut);
    if annotations.is_some_and(|map| map.remove(name).is_some() && map.is_empty()) {
        metadata.remove("annotations");
    }
}

/// The metadata of an object that is not stored, or is not shown as it is stored, as JSON.
fn metadata_text(object: &Value<'_>) -> Vec<u8> {
    let arena = Bump::new();
    let mut map = Map::new_in(&arena);
    if let Some(metadata) = object.get("metadata") {
        map.push_unique("metadata", metadata.copy_in(&arena));
    }
    let mut text = Vec::with_capacity(512);
    json::encode(&Value::Map(map), stored::partial_type(), &mut text);
    text.strip_prefix(b"{").map_or_else(|| b"{}".to_vec(), |item| metadata_of(item).to_vec())
}

/// The metadata of an entry as JSON: cut from its text, or for a custom resource, whose members
/// stand in any order, encoded.
fn entry_metadata(entry: &Entry) -> Result<Bytes> {
    if entry.storage().is_none_or(|storage| storage.custom.is_none()) {
        let item = entry.json().map_err(stored::unreadable)?.item();
        let length = metadata_of(&item).len();
        let start = br#""metadata":"#.len();
        return Ok(item.slice(start.min(item.len())..(start + length).min(item.len())));
    }
    let arena = Bump::new();
    let object = stored::decode_entry(entry, &arena)?;
    let mut text = Vec::with_capacity(512);
    json::encode_sorted(object.get("metadata").unwrap_or(&Value::Null), &mut text);
    Ok(text.into())
}

/// The text of the member `metadata`, with which every item starts.
pub fn metadata_of(item: &[u8]) -> &[u8] {
    let Some(rest) = item.strip_prefix(br#""metadata":"#) else { return b"{}" };
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return rest.get(..=at).unwrap_or(b"{}");
                }
            }
            _ => {}
        }
    }
    b"{}"
}

/// Writes the rows of a Table.
#[derive(Debug)]
pub struct TableWriter {
    table: table::Table,
    target: Target,
    include: table::Include,
}

impl TableWriter {
    /// Starts a table; `header` as [`table::Table::begin`].
    pub fn begin(
        target: &Target,
        version: table::MetaVersion,
        include: table::Include,
        meta: table::ListMeta<'_>,
        header: bool,
    ) -> Self {
        let source = table::source(target.resource, target.subresource_name());
        let now = table::Moment::now();
        let table =
            table::Table::begin(Vec::with_capacity(4096), source, version, meta, header, now);
        Self { table, target: *target, include }
    }

    /// Adds an entry's row.
    ///
    /// # Errors
    /// 500 for stored bytes that cannot be read.
    pub fn push(&mut self, entry: &Entry) -> Result<()> {
        let arena = Arena::new();
        let object = match self.target.resource.custom {
            Some(_) => stored::decode_served(self.target.resource, entry, &arena)?,
            None => stored::decode_entry(entry, &arena)?,
        };
        match self.include {
            table::Include::None => self.table.row(&object, table::RowObject::None),
            table::Include::Metadata if spec_annotation(entry).is_some() => {
                let mut shown = object.copy_in(&arena);
                hide_spec_annotations(entry, &mut shown);
                self.table.row(&object, table::RowObject::Metadata(&metadata_text(&shown)));
            }
            table::Include::Metadata => {
                let metadata = entry_metadata(entry)?;
                self.table.row(&object, table::RowObject::Metadata(&metadata));
            }
            table::Include::Object => {
                let served = stored::decode_served(self.target.resource, entry, &arena)?;
                let mut text = Vec::with_capacity(1024);
                json::encode(&served, self.target.resource.ty, &mut text);
                self.table.row(&object, table::RowObject::Object(&text));
            }
        }
        Ok(())
    }

    /// Adds the row of an object that is not stored.
    pub fn push_value(&mut self, object: &Value<'_>, ty: &'static Type) {
        let mut text = Vec::with_capacity(512);
        match self.include {
            table::Include::None => self.table.row(object, table::RowObject::None),
            table::Include::Metadata => {
                self.table.row(object, table::RowObject::Metadata(&metadata_text(object)));
            }
            table::Include::Object => {
                json::encode(object, ty, &mut text);
                self.table.row(object, table::RowObject::Object(&text));
            }
        }
    }

    /// The document in the media type of the form.
    pub fn finish(self, form: &Form) -> Bytes {
        let json = self.table.finish();
        if form.media == Format::Yaml || form.pretty {
            return super::form::reprint(&json, form);
        }
        json.into()
    }
}

#[cfg(test)]
mod tests {
    use super::metadata_of;

    #[test]
    fn metadata_is_cut_out_whole() {
        let item = br#""metadata":{"name":"a}\"{","labels":{"x":"y"}},"spec":{}}"#;
        assert_eq!(metadata_of(item), br#"{"name":"a}\"{","labels":{"x":"y"}}"#);
        assert_eq!(metadata_of(b""), b"{}");
    }
}
