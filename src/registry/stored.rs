//! Between stored bytes and objects: decoding, encoding, versions, and the faults that name a
//! resource.

use super::body::api_version;
use super::strategy::{CUSTOM, CUSTOM_WITH_STATUS, Scope, Strategy, User, strategy};
use crate::cache::{Entry, ReadFault, Unreadable, decode_as_said, decode_json};
use crate::catalog::custom::written;
use crate::catalog::{LabelSource, Resource, Storage, catalog, defaults};
use crate::codec::{json, proto};
use crate::convert;
use crate::object::field::FieldError;
use crate::object::schema::Type;
use crate::object::structural;
use crate::object::{Map, Value};
use crate::request::{Attributes, Fault, Result, Subject};
use crate::store::Item as _;
use bumpalo::Bump;
use bytes::Bytes;

/// Where the resource's objects are stored.
///
/// # Errors
/// 405 for a resource whose objects are not.
pub fn storage(resource: &Resource) -> Result<&'static Storage> {
    resource.storage.ok_or_else(|| {
        let name = resource.name;
        Fault::MethodNotAllowed(format!("this verb is not supported on resources of kind {name:?}"))
    })
}

/// True if the version of the resource is the one that is stored: bytes can be passed on.
pub fn is_stored_form(resource: &Resource) -> bool {
    resource.storage.is_some_and(|storage| std::ptr::eq(storage.ty, resource.ty))
}

/// Decodes an entry in the stored version, with its resourceVersion.
///
/// # Errors
/// 500 for bytes that are no object.
pub fn decode<'a>(storage: &Storage, entry: &'a Entry, arena: &'a Bump) -> Result<Value<'a>> {
    let decoded = match entry.refusal() {
        Some(why) => Err(why),
        None => decode_bytes(storage, entry.value(), arena),
    };
    let mut object = decoded.map_err(|why| {
        let key = String::from_utf8_lossy(entry.key());
        Fault::Internal(format!("the stored object cannot be read: {key}: {why}"))
    })?;
    if let Some(map) = object.as_map_mut() {
        let revision = entry.revision();
        let metadata = map.entry_map("metadata");
        if revision > 0 {
            let text = arena.alloc_str(itoa::Buffer::new().format(revision));
            // Where upstream's encoder has it: texts of errors show the whole object.
            let before = ["name", "generateName", "namespace", "selfLink", "uid"];
            metadata.remove("resourceVersion");
            metadata.insert_behind(&before, "resourceVersion", Value::Str(text));
        }
    }
    Ok(object)
}

/// The object, or what is wrong with its bytes.
fn decode_bytes<'a>(
    storage: &Storage,
    value: &'a [u8],
    arena: &'a Bump,
) -> std::result::Result<Value<'a>, String> {
    let decoded = if let Some(custom) = storage.custom {
        decode_as_said(storage, custom, value, arena).map_err(|error| error.reason)?
    } else if storage.json {
        decode_json(storage, value, arena).map_err(|error| error.reason)?
    } else {
        let unknown = proto::envelope::unwrap(value)
            .map_err(|error| error.to_string())?
            .ok_or("it is no protobuf envelope")?;
        proto::decode(unknown.raw, storage.ty, arena).map_err(|error| error.to_string())?
    };
    let own = decoded.str_at(&["apiVersion"]);
    if storage.custom.is_some_and(|custom| custom.converts_by_webhook) && !own.is_empty() {
        // In the version in which it was written, or into which a webhook has converted it.
        return Ok(typed(decoded, storage.kind, own, arena));
    }
    Ok(typed(decoded, storage.kind, &api_version(storage.group, storage.version), arena))
}

/// The object with kind and apiVersion in front.
fn typed<'a>(
    object: Value<'a>,
    kind: &'static str,
    api_version: &str,
    arena: &'a Bump,
) -> Value<'a> {
    let Value::Map(map) = object else { return object };
    let mut typed = Map::with_capacity_in(map.len() + 2, arena);
    typed.push_unique("kind", Value::Str(kind));
    typed.push_unique("apiVersion", Value::str_in(api_version, arena));
    for (key, value) in map.into_entries() {
        if key != "kind" && key != "apiVersion" {
            typed.push_unique(key, value);
        }
    }
    Value::Map(typed)
}

/// Decodes an entry of whatever resource its key names, in the stored version.
///
/// # Errors
/// 500 for bytes that are no object.
pub fn decode_entry<'a>(entry: &'a Entry, arena: &'a Bump) -> Result<Value<'a>> {
    let storage = entry
        .storage()
        .ok_or_else(|| Fault::Internal("the key belongs to no known resource".into()))?;
    decode(storage, entry, arena)
}

/// Decodes an entry in the version of `resource`.
///
/// # Errors
/// 500 for bytes that are no object.
pub fn decode_served<'a>(
    resource: &Resource,
    entry: &'a Entry,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let object = decode(storage(resource)?, entry, arena)?;
    to_served(resource, object, arena)
}

/// The object in the version of `resource`.
///
/// # Errors
/// 500 if there is no conversion.
pub fn to_served<'a>(resource: &Resource, object: Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
    let storage = storage(resource)?;
    if is_stored_form(resource) {
        return Ok(object);
    }
    if resource.custom.is_some() {
        return convert_custom(resource, object, arena);
    }
    let from = (storage.group, storage.version);
    convert::convert(object, from, (resource.group, resource.version), arena)
        .map_err(Fault::Internal)
}

/// The object in the stored version.
///
/// # Errors
/// 500 if there is no conversion.
pub fn to_storage<'a>(
    resource: &Resource,
    object: Value<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let storage = storage(resource)?;
    // Custom resources are checked in the version of the request, and converted when they are
    // encoded.
    if is_stored_form(resource) {
        return Ok(object);
    }
    if resource.custom.is_some() {
        return Ok(object);
    }
    let to = (storage.group, storage.version);
    let mut object = convert::convert(object, (resource.group, resource.version), to, arena)
        .map_err(Fault::Internal)?;
    // What the other version cannot say is defaulted in the stored one.
    defaults::apply(&mut object, storage.ty, arena);
    Ok(object)
}

/// A custom resource in another version: what that does not know goes (`crConverter`, strategy
/// None).
fn convert_custom<'a>(
    resource: &Resource,
    mut object: Value<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let version = api_version(resource.group, resource.version);
    if object.str_at(&["apiVersion"]) == version {
        return Ok(object);
    }
    refuse_webhook(resource, object.str_at(&["apiVersion"]))?;
    if let (Some(map), Some(schema)) = (object.as_map_mut(), resource.ty.structural) {
        map.insert("apiVersion", Value::str_in(&version, arena));
        structural::prune(&mut object, schema);
    }
    Ok(object)
}

fn refuse_webhook(resource: &Resource, from: &str) -> Result<()> {
    let custom = resource.storage.and_then(|storage| storage.custom);
    if custom.is_some_and(|custom| custom.converts_by_webhook) {
        let text = "this kind of request is not converted yet in this version of kubering";
        let what = format!("{from}, Kind={}", resource.kind);
        return Err(Fault::Plain(format!("conversion webhook for {what} failed: {text}")));
    }
    Ok(())
}

/// Room for the bytes of a pod, which are copied into a record of their exact length later.
const ENCODED_BYTES_USUAL: usize = 4_096;

/// The bytes to store: without resourceVersion, in the stored version.
pub fn encode<'a>(storage: &Storage, object: &Value<'a>, arena: &'a Bump) -> Bytes {
    const NOT_STORED: [&str; 2] = ["resourceVersion", "selfLink"];
    let metadata = object.get("metadata").and_then(Value::as_map);
    let mut copy;
    let mut stored = object;
    let mut converted;
    if let Some(schema) = storage.ty.structural {
        let version = api_version(storage.group, storage.version);
        if object.str_at(&["apiVersion"]) != version {
            converted = object.share_in(arena);
            if let Some(map) = converted.as_map_mut() {
                map.insert("apiVersion", Value::str_in(&version, arena));
            }
            structural::prune(&mut converted, schema);
            stored = &converted;
        }
    }
    // A new object has neither.
    if metadata.is_some_and(|map| NOT_STORED.iter().any(|field| map.get(field).is_some())) {
        copy = stored.share_in(arena);
        if let Some(map) = copy.at_mut(&["metadata"]).and_then(Value::as_map_mut) {
            NOT_STORED.iter().for_each(|field| drop(map.remove(field)));
        }
        stored = &copy;
    }
    let mut out = Vec::with_capacity(ENCODED_BYTES_USUAL);
    if let Some(older) = storage.written {
        let written = written::to_written(stored, older.api_version, arena);
        json::encode(&written, older.ty, &mut out);
        out.push(b'\n');
    } else if storage.json {
        json::encode(stored, storage.ty, &mut out);
        out.push(b'\n');
    } else {
        let version = api_version(storage.group, storage.version);
        proto::envelope::wrap_with(&version, storage.kind, &mut out, |out| {
            proto::encode(stored, storage.ty, out);
        });
    }
    out.into()
}

/// Decodes an envelope of a kind that no resource serves.
///
/// # Errors
/// 500 for bytes that are none.
pub fn decode_kind<'a>(
    (group, version, kind): (&str, &str, &str),
    value: &'a [u8],
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let broken = || Fault::Internal(format!("a stored {kind} cannot be read"));
    let ty = catalog().kind(group, version, kind).ok_or_else(broken)?;
    let unknown = proto::envelope::unwrap(value).ok().flatten().ok_or_else(broken)?;
    proto::decode(unknown.raw, ty, arena).map_err(|_| broken())
}

/// An envelope of a kind that no resource serves.
///
/// # Errors
/// 500 if the kind is not known.
pub fn encode_kind(
    (group, version, kind): (&str, &str, &str),
    object: &Value<'_>,
) -> Result<Bytes> {
    let unknown = || Fault::Internal(format!("{kind} is not known"));
    let ty = catalog().kind(group, version, kind).ok_or_else(unknown)?;
    let mut out = Vec::with_capacity(512);
    proto::envelope::wrap_with(&api_version(group, version), kind, &mut out, |out| {
        proto::encode(object, ty, out);
    });
    Ok(out.into())
}

/// Fills in the defaults of the resource's version: constant ones, then those that depend on other
/// fields.
pub fn fill_defaults<'a>(resource: &Resource, object: &mut Value<'a>, arena: &'a Bump) {
    defaults::apply(object, resource.ty, arena);
    fill_dependent(resource, object, arena);
}

/// As [`fill_defaults`], of what server-side apply merged.
pub fn fill_merged<'a>(resource: &Resource, object: &mut Value<'a>, arena: &'a Bump) {
    defaults::apply_to_merged(object, resource.ty, arena);
    fill_dependent(resource, object, arena);
}

fn fill_dependent<'a>(resource: &Resource, object: &mut Value<'a>, arena: &'a Bump) {
    let mut warnings = Vec::new();
    let mut scope = bare_scope(resource, arena, &mut warnings);
    strategy_of(resource).apply_defaults(object, &mut scope);
}

/// What the resource's kind does around writes.
pub fn strategy_of(resource: &Resource) -> &'static Strategy {
    match resource.custom {
        Some(version) if version.has_status => &CUSTOM_WITH_STATUS,
        Some(_) => &CUSTOM,
        None => {
            let storage = resource.storage;
            let (group, name) = storage.map_or((resource.group, resource.name), |storage| {
                (storage.group, storage.resource)
            });
            strategy(group, name)
        }
    }
}

fn bare_scope<'a, 's>(
    resource: &Resource,
    arena: &'a Bump,
    warnings: &'s mut Vec<String>,
) -> Scope<'a, 's> {
    Scope {
        arena,
        group: resource.group,
        version: resource.version,
        served_group: resource.group,
        resource: resource.name,
        kind: resource.kind,
        namespaced: resource.namespaced,
        custom: resource.custom,
        subresource: "",
        namespace: "",
        user: User::default(),
        now: "",
        allow_privileged: true,
        warnings,
    }
}

/// What a strategy is told of a write.
pub fn scope<'a, 's>(
    at: &Attributes<'s>,
    storage: &Storage,
    arena: &'a Bump,
    now: &'s str,
    allow_privileged: bool,
    warnings: &'s mut Vec<String>,
) -> Scope<'a, 's> {
    let user = &at.context.user;
    Scope {
        arena,
        group: storage.group,
        version: storage.version,
        served_group: at.resource.group,
        resource: storage.resource,
        kind: storage.kind,
        namespaced: storage.namespaced,
        custom: at.resource.custom,
        subresource: at.subresource,
        namespace: at.namespace,
        user: User { name: &user.name, uid: &user.uid, groups: &user.groups, extra: &user.extra },
        now,
        allow_privileged,
        warnings,
    }
}

/// The name by which the cache knows a selectable field.
pub fn field_name(storage: &Storage, source: LabelSource) -> &'static str {
    match source {
        LabelSource::Name => "metadata.name",
        LabelSource::Namespace => "metadata.namespace",
        LabelSource::Selectable(at) => storage.selectable.get(at).map_or("", |field| field.label),
        // No object has this field: it reads as "".
        LabelSource::Unset => "(unset)",
    }
}

/// True unless something beside finalizers holds an object that is marked.
pub fn may_go(storage: &Storage, object: &Value<'_>) -> bool {
    storage.resource != "namespaces" || super::namespace::is_free(object)
}

/// The subject of a fault: resource and name.
pub fn subject(resource: &Resource, name: &str) -> Subject {
    Subject { group: resource.group.into(), resource: resource.name.into(), name: name.into() }
}

/// 404 for the object.
pub fn missing(resource: &Resource, name: &str) -> Fault {
    Fault::NotFound(subject(resource, name))
}

/// 409: the object is there.
pub fn exists(resource: &Resource, name: &str, terminating: bool) -> Fault {
    let subject = subject(resource, name);
    Fault::AlreadyExists { subject, generated: false, terminating }
}

/// 409: another writer was faster.
pub fn modified(resource: &Resource, name: &str) -> Fault {
    let text = "the object has been modified; please apply your changes to the latest version \
                and try again";
    Fault::Conflict { subject: subject(resource, name), message: text.into() }
}

/// 422 for the object, which the message names by its kind as stored.
pub fn invalid(resource: &Resource, name: &str, errors: Vec<FieldError>) -> Fault {
    let (group, kind) = match resource.storage {
        Some(storage) => (storage.group, storage.kind),
        None => (resource.group, resource.kind),
    };
    let subject = Subject { group: group.into(), resource: kind.into(), name: name.into() };
    Fault::Invalid { subject, errors }
}

/// A failed read as clients see it.
pub fn read_fault(fault: ReadFault) -> Fault {
    match fault {
        ReadFault::Expired { requested, oldest } => Fault::Expired {
            message: format!("too old resource version: {requested} ({oldest})"),
            continue_token: None,
        },
        ReadFault::Overloaded => Fault::TooManyRequests {
            message: "Too many requests, please try again later.".into(),
            retry_seconds: 1,
            cause: None,
        },
        ReadFault::Remote(text) => Fault::Plain(text),
        ReadFault::Timeout => Fault::Timeout {
            message: "request did not complete within the allotted timeout".into(),
            retry_seconds: 1,
            cause: None,
        },
        ReadFault::TooLarge { asked, current } => {
            let message = format!("Too large resource version: {asked}, current: {current}");
            let cause = ("ResourceVersionTooLarge", "Too large resource version".to_owned());
            Fault::Timeout { message, retry_seconds: 1, cause: Some(cause) }
        }
        ReadFault::Unavailable(why) => Fault::Internal(why),
    }
}

/// 500 for stored bytes that are no object.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err calls")]
pub fn unreadable(error: Unreadable) -> Fault {
    Fault::Internal(error.to_string())
}

/// The type of `metav1.Status`.
pub fn status_type() -> &'static Type {
    meta_type("Status")
}

/// The type of `metav1.PartialObjectMetadata`.
pub fn partial_type() -> &'static Type {
    meta_type("PartialObjectMetadata")
}

/// The type of `metav1.PartialObjectMetadataList`.
pub fn partial_list_type() -> &'static Type {
    meta_type("PartialObjectMetadataList")
}

fn meta_type(name: &str) -> &'static Type {
    let full = format!("meta.v1.{name}");
    catalog().type_named(&full).unwrap_or_else(|| unreachable!("the catalog has {full}"))
}
