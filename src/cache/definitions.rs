//! CustomResourceDefinitions as the store knows them decide which further keys are resources.
//!
//! Entries are made in the order of revisions by the store's one writer. That is where a definition
//! takes effect: what is written after it finds its rows.

use crate::cache::entry::Entry;
use crate::cache::rows::{Unreadable, install, unreadable};
use crate::catalog::Storage;
use crate::catalog::custom::{self, CustomStorage};
use crate::codec::json;
use crate::object::Value;
use crate::object::structural;
use bumpalo::Bump;

/// Where definitions are stored.
pub(super) fn is_definition(storage: Option<&Storage>) -> bool {
    storage.is_some_and(|row| row.resource == "customresourcedefinitions" && row.custom.is_none())
}

/// Takes note of a definition's entry.
pub(super) fn note(storage: &Storage, value: &[u8], revision: u64) {
    let arena = Bump::new();
    let Ok(definition) = decode_json(storage, value, &arena) else { return };
    if let Some(row) = custom::observe(&definition, revision) {
        install(&[row]);
    }
}

/// A stored built-in object that is JSON text, in its stored version, whatever older version the
/// text is of.
///
/// # Errors
/// Bytes that are no object.
pub fn decode_json<'a>(
    storage: &Storage,
    value: &[u8],
    arena: &'a Bump,
) -> Result<Value<'a>, Unreadable> {
    let document = json::Document::parse(value, arena).map_err(unreadable)?;
    let older = match storage.written {
        Some(older) => {
            let said = document.type_meta().map_err(unreadable)?.api_version;
            (said == older.api_version).then_some(older)
        }
        None => None,
    };
    let ty = older.map_or(storage.ty, |older| older.ty);
    let decoded = document.decode(ty, arena, json::Strictness::Ignore).map_err(unreadable)?.value;
    Ok(match older {
        Some(_) => {
            let api_version = [storage.group, storage.version].join("/");
            custom::written::from_written(decoded, &api_version, arena)
        }
        None => decoded,
    })
}

/// Takes note that the definition of `entry` is gone.
pub(super) fn forget(entry: &Entry, revision: u64) {
    custom::forget(entry.name(), revision);
}

/// The row of what a definition defines, or did last: `<plural>.<group>`.
pub(super) fn row_of(definition: &str) -> Option<&'static Storage> {
    let (plural, group) = definition.split_once('.')?;
    let key = format!("/registry/{group}/{plural}/");
    crate::cache::rows::storage_of(key.as_bytes()).filter(|row| row.custom.is_some())
}

/// A stored custom resource in the version that is stored now: pruned and defaulted by the version
/// it says, then converted.
///
/// # Errors
/// Bytes that are no object, and versions that only a webhook could convert.
pub fn decode_custom<'a>(
    storage: &Storage,
    custom: &CustomStorage,
    value: &[u8],
    arena: &'a Bump,
) -> Result<Value<'a>, Unreadable> {
    decode(storage, custom, value, arena, true)
}

/// As [`decode_custom`], but what only a webhook could convert stays in the version it says.
///
/// # Errors
/// Bytes that are no object.
pub fn decode_as_said<'a>(
    storage: &Storage,
    custom: &CustomStorage,
    value: &[u8],
    arena: &'a Bump,
) -> Result<Value<'a>, Unreadable> {
    decode(storage, custom, value, arena, false)
}

fn decode<'a>(
    storage: &Storage,
    custom: &CustomStorage,
    value: &[u8],
    arena: &'a Bump,
    converted: bool,
) -> Result<Value<'a>, Unreadable> {
    let document = json::Document::parse(value, arena).map_err(unreadable)?;
    let said = document.type_meta().map_err(unreadable)?.api_version;
    let said = said.rsplit('/').next().unwrap_or("");
    let versions = &custom.versions;
    let version = versions.iter().find(|version| version.name == said);
    let version = version.or_else(|| versions.iter().find(|version| version.stored));
    let version = version.ok_or_else(|| unreadable("no version of it is stored"))?;
    let decoded = document.decode(version.ty, arena, json::Strictness::Ignore);
    let mut object = decoded.map_err(unreadable)?.value;
    crate::catalog::defaults::apply(&mut object, version.ty, arena);
    if !version.stored && (!custom.converts_by_webhook || converted) {
        if custom.converts_by_webhook {
            let (group, kind) = (storage.group, storage.kind);
            let text = "this kind of request is not converted yet in this version of kubering";
            let what = format!("{group}/{said}, Kind={kind}");
            return Err(unreadable(format!("conversion webhook for {what} failed: {text}")));
        }
        if let Some(schema) = storage.ty.structural {
            structural::prune(&mut object, schema);
        }
    }
    Ok(object)
}
