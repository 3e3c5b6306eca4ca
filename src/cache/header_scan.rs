//! Finds what a header needs in stored bytes, without decoding them into an object.
//!
//! Built-ins are `k8s\0` and an Unknown message around the object's own: one pass over the fields
//! of the object, of its metadata and of the messages on the way to selectable fields; all else is
//! skipped by length. What is stored as JSON is parsed.

use crate::cache::header::HeaderBuilder;
use crate::cache::rows::Unreadable;
use crate::catalog::{Fallback, Storage, catalog};
use crate::object::schema::{Scalar, Shape, Type};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::OnceLock;

const MAGIC: &[u8] = b"k8s\0";
/// `Unknown.raw`.
const UNKNOWN_RAW: u64 = 2;
/// `metadata` of every kind.
const METADATA: u64 = 1;
/// `ObjectMeta.uid`, `.deletionTimestamp`, `.labels`.
const UID: u64 = 5;
const DELETION_TIMESTAMP: u64 = 9;
const LABELS: u64 = 11;

/// Where the selectable fields of a kind are on the wire.
#[derive(Debug, Default)]
struct Plan {
    /// Message fields to look into or to take, at the top of the object.
    wants: Vec<Want>,
    /// How many values are taken: a selectable field has one, and one more if it falls back.
    values: usize,
}

#[derive(Debug)]
struct Want {
    number: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Message(Vec<Want>),
    /// The place of the value, and how it is written as text.
    Value(usize, Scalar),
}

impl Plan {
    fn of(storage: &Storage) -> Self {
        let mut plan = Self::default();
        for selectable in &storage.selectable {
            insert(&mut plan.wants, storage.ty, &selectable.path, plan.values);
            plan.values += 1;
            if let Fallback::Path(path) = &selectable.fallback {
                insert(&mut plan.wants, storage.ty, path, plan.values);
                plan.values += 1;
            }
        }
        plan
    }
}

/// Adds the way to one value. A path that protobuf does not carry is left out and reads as unset.
fn insert(wants: &mut Vec<Want>, ty: &'static Type, path: &[&str], value: usize) {
    let Some((name, rest)) = path.split_first() else { return };
    let Some(field) = ty.field(name) else { return };
    if !field.nested.is_empty() || field.number == 0 || field.shape != Shape::One {
        return;
    }
    let number = u64::from(field.number);
    if let Some(scalar) = field.kind.scalar() {
        wants.push(Want { number, what: What::Value(value, scalar) });
        return;
    }
    let Some(inner) = field.kind.message() else { return };
    let known = wants.iter_mut().find_map(|want| match &mut want.what {
        What::Message(wants) if want.number == number => Some(wants),
        What::Message(_) | What::Value(..) => None,
    });
    match known {
        Some(wants) => insert(wants, inner, rest, value),
        None => {
            let mut below = Vec::new();
            insert(&mut below, inner, rest, value);
            wants.push(Want { number, what: What::Message(below) });
        }
    }
}

/// The plan of a built-in storage.
fn plan(storage: &Storage) -> Option<&'static Plan> {
    static PLANS: OnceLock<Vec<Plan>> = OnceLock::new();
    let plans = PLANS.get_or_init(|| catalog().storages().iter().map(Plan::of).collect());
    plans.get(usize::from(storage.id))
}

/// Reports uid, labels, selectable fields and deletion of a stored object.
pub(super) fn scan(
    storage: &Storage,
    value: &Bytes,
    header: &mut HeaderBuilder<'_>,
) -> Result<(), Unreadable> {
    match value.strip_prefix(MAGIC) {
        Some(unknown) => scan_protobuf(storage, unknown, header),
        None => scan_json(storage, value, header),
    }
}

fn scan_protobuf(
    storage: &Storage,
    unknown: &[u8],
    header: &mut HeaderBuilder<'_>,
) -> Result<(), Unreadable> {
    let plan = plan(storage).ok_or_else(|| unreadable("protobuf of a custom resource"))?;
    let mut object = None;
    each(unknown, |number, field| {
        if let (UNKNOWN_RAW, Wire::Bytes(raw)) = (number, field) {
            object = Some(raw);
        }
        Ok(())
    })?;
    let object = object.ok_or_else(|| unreadable("no object in the envelope"))?;
    let mut values = vec![Cow::Borrowed(""); plan.values];
    let mut metadata = None;
    each(object, |number, field| {
        if let (METADATA, Wire::Bytes(bytes)) = (number, field) {
            metadata = Some(bytes);
        }
        take(&plan.wants, number, field, &mut values)
    })?;
    scan_metadata(metadata.unwrap_or_default(), header)?;
    let mut values = values.iter();
    for (at, selectable) in storage.selectable.iter().enumerate() {
        let value = values.next().map_or("", |v| v);
        let value = match &selectable.fallback {
            Fallback::Path(_) => {
                let other = values.next().map_or("", |v| v);
                if value.is_empty() { other } else { value }
            }
            Fallback::Text(text) if value.is_empty() => text,
            Fallback::Text(_) => value,
        };
        header.field(at, value);
    }
    Ok(())
}

fn take<'v>(
    wants: &[Want],
    number: u64,
    field: Wire<'v>,
    values: &mut [Cow<'v, str>],
) -> Result<(), Unreadable> {
    for want in wants.iter().filter(|want| want.number == number) {
        match (&want.what, field) {
            (What::Message(wants), Wire::Bytes(bytes)) => {
                // As deep as the catalog's paths, no deeper.
                each(bytes, |number, field| take(wants, number, field, values))?;
            }
            (What::Value(at, scalar), field) => {
                if let (Some(place), Some(text)) = (values.get_mut(*at), text(field, *scalar)) {
                    *place = text;
                }
            }
            (What::Message(_), Wire::Fixed | Wire::Varint(_)) => {}
        }
    }
    Ok(())
}

/// A scalar as Go's field sets print it.
fn text(field: Wire<'_>, scalar: Scalar) -> Option<Cow<'_, str>> {
    match (field, scalar) {
        (Wire::Bytes(bytes), Scalar::String) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        (Wire::Varint(flag), Scalar::Bool) => {
            Some(Cow::Borrowed(if flag == 0 { "false" } else { "true" }))
        }
        (Wire::Varint(number), Scalar::Int32 | Scalar::Int64) => {
            Some(Cow::Owned(number.cast_signed().to_string()))
        }
        _ => None,
    }
}

fn scan_metadata(metadata: &[u8], header: &mut HeaderBuilder<'_>) -> Result<(), Unreadable> {
    each(metadata, |number, field| {
        let Wire::Bytes(bytes) = field else { return Ok(()) };
        match number {
            UID => header.uid(utf8(bytes)?),
            DELETION_TIMESTAMP => header.deleting(),
            LABELS => {
                let (mut key, mut value) = ("", "");
                each(bytes, |number, field| {
                    match (number, field) {
                        (1, Wire::Bytes(text)) => key = utf8(text)?,
                        (2, Wire::Bytes(text)) => value = utf8(text)?,
                        _ => {}
                    }
                    Ok(())
                })?;
                header.label(key, value);
            }
            _ => {}
        }
        Ok(())
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|_| unreadable("text that is not UTF-8"))
}

fn unreadable(reason: &str) -> Unreadable {
    Unreadable { reason: reason.to_owned() }
}

/// A field's value on the wire.
#[derive(Clone, Copy)]
enum Wire<'v> {
    Bytes(&'v [u8]),
    Fixed,
    Varint(u64),
}

/// Calls `visit` with each field of a message.
fn each<'v>(
    mut message: &'v [u8],
    mut visit: impl FnMut(u64, Wire<'v>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let broken = || unreadable("broken protobuf");
    while !message.is_empty() {
        let tag = varint(&mut message).ok_or_else(broken)?;
        let field = match tag & 7 {
            0 => varint(&mut message).map(Wire::Varint),
            1 => message.split_off(..8).map(|_| Wire::Fixed),
            2 => {
                let length = varint(&mut message).and_then(|length| usize::try_from(length).ok());
                length.and_then(|length| message.split_off(..length)).map(Wire::Bytes)
            }
            5 => message.split_off(..4).map(|_| Wire::Fixed),
            _ => None,
        };
        visit(tag >> 3, field.ok_or_else(broken)?)?;
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..10 {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn scan_json(
    storage: &Storage,
    value: &Bytes,
    header: &mut HeaderBuilder<'_>,
) -> Result<(), Unreadable> {
    let object: serde_json::Value =
        serde_json::from_slice(value).map_err(|error| Unreadable { reason: error.to_string() })?;
    let metadata = object.get("metadata").and_then(serde_json::Value::as_object);
    let metadata = metadata.ok_or_else(|| unreadable("no metadata"))?;
    if let Some(uid) = metadata.get("uid").and_then(serde_json::Value::as_str) {
        header.uid(uid);
    }
    if metadata.get("deletionTimestamp").is_some_and(|time| !time.is_null()) {
        header.deleting();
    }
    let labels = metadata.get("labels").and_then(serde_json::Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        header.label(key, value.as_str().unwrap_or(""));
    }
    for (at, selectable) in storage.selectable.iter().enumerate() {
        let found = json_text(&object, &selectable.path).filter(|text| !text.is_empty());
        let text = match (&selectable.fallback, found) {
            (_, Some(text)) => text,
            (Fallback::Text(text), None) => (*text).to_owned(),
            (Fallback::Path(path), None) => json_text(&object, path).unwrap_or_default(),
        };
        header.field(at, &text);
    }
    Ok(())
}

fn json_text(object: &serde_json::Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(object, |value, name| value.get(name))?;
    match found {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Some(found.to_string()),
        _ => None,
    }
}
