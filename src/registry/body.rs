//! Request bodies: bytes of a media type → an object of the expected kind, with upstream's words
//! for everything that can be wrong (`endpoints/handlers`, `transformDecodeError`).

use super::change::PatchKind;
use crate::catalog::catalog;
use crate::codec::media::Format;
use crate::codec::{json, proto};
use crate::object::Value;
use crate::object::field::{ErrorKind, FieldError, Path};
use crate::object::patch as object_patch;
use crate::object::patch::{PatchError, merge, strategic};
use crate::object::schema::Type;
use crate::request::{Context, Fault, FieldValidation, Result, Subject};
use bumpalo::Bump;

/// What upstream calls its table of types in messages.
pub const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";
/// The table that `DeleteOptions` are looked up in.
pub const META_SCHEME: &str =
    "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";
/// Bytes of a body that an error message shows.
const SHOWN_BYTES_MAX: usize = 30;

/// What kind of object a body must hold.
#[derive(Debug, Clone)]
pub struct Expected {
    /// API group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Its type.
    pub ty: &'static Type,
}

impl Expected {
    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        api_version(self.group, self.version)
    }
}

/// `v1` or `apps/v1`.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Decodes a body. Unknown and duplicate fields become warnings or an error, as `validation` says.
///
/// # Errors
/// 400 in upstream's words.
pub fn decode<'a>(
    context: &Context,
    bytes: &[u8],
    media: Format,
    expected: &Expected,
    validation: FieldValidation,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let (api_version, kind) = match peek(bytes, media, arena) {
        Ok(type_meta) => type_meta,
        Err(why) => {
            return Err(Fault::BadRequest(format!(
                "the object provided is unrecognized (must be of type {}): {why} ({})",
                expected.kind,
                summary(bytes)
            )));
        }
    };
    let own_version = expected.api_version();
    let shown_kind = if kind.is_empty() { expected.kind } else { &kind };
    let shown_version = if api_version.is_empty() { &own_version } else { &api_version };
    let fail = |why: &str| {
        let version = shown_version.rsplit('/').next().unwrap_or("");
        Fault::BadRequest(format!(
            "{shown_kind} in version {version:?} cannot be handled as a {}: {why}",
            expected.kind
        ))
    };
    if shown_kind != expected.kind || *shown_version != own_version {
        return Err(wrong_kind(expected, shown_version, shown_kind, &fail));
    }
    let strictness = match validation {
        FieldValidation::Ignore => json::Strictness::Ignore,
        FieldValidation::Strict | FieldValidation::Warn => json::Strictness::Report,
    };
    let decoded = decode_media(bytes, media, expected.ty, strictness, arena);
    let decoded = decoded.map_err(|error| fail(&error))?;
    strict(context, validation, decoded.strict_errors, |why| {
        fail(&format!("strict decoding error: {why}"))
    })?;
    let mut value = decoded.value;
    if let Some(map) = value.as_map_mut() {
        map.insert("kind", Value::Str(expected.kind));
        map.insert("apiVersion", Value::str_in(&own_version, arena));
    }
    Ok(value)
}

/// A kind that is known elsewhere cannot be converted; any other is not registered.
fn wrong_kind(
    expected: &Expected,
    api_version: &str,
    kind: &str,
    fail: &impl Fn(&str) -> Fault,
) -> Fault {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    // `List` is known to every version without being a kind of any.
    if kind != "List" && catalog().kind(group, version, kind).is_none() {
        return fail(&format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}"
        ));
    }
    if group == expected.group && kind == expected.kind {
        return Fault::BadRequest(format!(
            "the API version in the data ({api_version}) does not match the expected API version \
             ({})",
            expected.api_version()
        ));
    }
    let internal = if expected.group.is_empty() {
        "core"
    } else {
        expected.group.split('.').next().unwrap_or("")
    };
    fail(&format!(
        "converting ({version}.{kind}) to ({internal}.{}): unknown conversion",
        expected.kind
    ))
}

/// `apiVersion` and `kind` of a body.
fn peek(
    bytes: &[u8],
    media: Format,
    arena: &Bump,
) -> std::result::Result<(String, String), String> {
    match media {
        Format::Json | Format::Yaml => json::peek_type_meta(bytes, arena)
            .map(|meta| (meta.api_version.to_owned(), meta.kind.to_owned()))
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}")),
        Format::Protobuf => match proto::envelope::unwrap(bytes) {
            Ok(Some(unknown)) => Ok((unknown.api_version.to_owned(), unknown.kind.to_owned())),
            Ok(None) => Err(NO_ENVELOPE.to_owned()),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// The start of a body as messages show it (`summarizeData`).
fn summary(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    let more = if bytes.len() > SHOWN_BYTES_MAX { " ..." } else { "" };
    match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => {
            use std::fmt::Write as _;
            let mut text = String::new();
            for byte in shown {
                let _ = write!(text, "{byte:02x}");
            }
            text + more
        }
    }
}

/// Applies a JSON, merge or strategic merge patch to `object`.
///
/// # Errors
/// 400, 413, 422, 500 as `endpoints/handlers/patch.go` gives them.
pub fn patch<'a>(
    kind: PatchKind,
    text: &[u8],
    ty: &'static Type,
    object: &mut Value<'a>,
    arena: &'a Bump,
) -> Result<()> {
    let document = json::parse_any(text, arena)
        .map_err(|error| Fault::BadRequest(format!("error decoding patch: {error}")))?;
    let applied = match kind {
        PatchKind::Json => json_patch(&document, ty, object, arena),
        PatchKind::Merge => merge::apply(arena, object, &document),
        PatchKind::Strategic => strategic::apply(arena, ty, object, &document),
        PatchKind::Apply => Err(PatchError::Plain("apply is not a patch of this kind".into())),
    };
    applied.map_err(|error| match error {
        PatchError::BadRequest(text) => Fault::BadRequest(text),
        PatchError::Plain(text) => Fault::Plain(text),
        PatchError::Rejected(_) => Fault::Rejected,
        PatchError::TooLarge(text) => Fault::TooLarge(text),
    })
}

fn json_patch<'a>(
    document: &Value<'a>,
    ty: &'static Type,
    object: &mut Value<'a>,
    arena: &'a Bump,
) -> std::result::Result<(), PatchError> {
    object_patch::json::Patch::read(document, true)?.apply(arena, Some(ty), object)
}

/// A patched object may hold anything: it is decoded again, as upstream does.
///
/// # Errors
/// 400 for unknown fields under `Strict`, 422 for values of a wrong type.
pub fn conform<'a>(
    ty: &'static Type,
    validation: FieldValidation,
    context: &Context,
    object: Value<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let mut text = Vec::with_capacity(2048);
    json::encode_any(&object, &mut text);
    let report = json::Strictness::Report;
    let decoded = json::decode(&text, ty, arena, report).map_err(|error| {
        let path = Path::root("patch");
        let shown = String::from_utf8_lossy(&text);
        let field = FieldError {
            kind: ErrorKind::Invalid,
            field: path.to_string(),
            body: format!("Invalid value: {shown:?}: {error}"),
        };
        let subject = Subject::default();
        Fault::Invalid { subject, errors: vec![field] }
    })?;
    strict(context, validation, decoded.strict_errors, |why| {
        Fault::BadRequest(format!("strict decoding error: {why}"))
    })?;
    Ok(decoded.value)
}

/// Unknown and duplicate fields: dropped, warned of, or refused.
fn strict(
    context: &Context,
    validation: FieldValidation,
    errors: Vec<String>,
    refuse: impl Fn(&str) -> Fault,
) -> Result<()> {
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Strict if errors.is_empty() => {}
        FieldValidation::Strict => return Err(refuse(&errors.join(", "))),
        FieldValidation::Warn => errors.into_iter().for_each(|text| context.warn(text)),
    }
    Ok(())
}

/// The body of a delete.
///
/// # Errors
/// 400 for a body that holds no `DeleteOptions`.
pub fn decode_delete_options<'a>(
    bytes: &[u8],
    media: Format,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let (api_version, kind) = peek(bytes, media, arena).map_err(Fault::BadRequest)?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    if !kind.is_empty() && kind != "DeleteOptions" {
        return Err(Fault::BadRequest(format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme {META_SCHEME:?}"
        )));
    }
    let version = if version.is_empty() { "v1" } else { version };
    let ty = catalog().kind(group, version, "DeleteOptions").ok_or_else(|| {
        Fault::BadRequest(format!(
            "no kind \"DeleteOptions\" is registered for version {api_version:?} in scheme \
             {META_SCHEME:?}"
        ))
    })?;
    let decoded = decode_media(bytes, media, ty, json::Strictness::Ignore, arena);
    decoded.map(|decoded| decoded.value).map_err(Fault::BadRequest)
}

fn decode_media<'a>(
    bytes: &[u8],
    media: Format,
    ty: &'static Type,
    strictness: json::Strictness,
    arena: &'a Bump,
) -> std::result::Result<json::Decoded<'a>, String> {
    match media {
        Format::Json => json::decode(bytes, ty, arena, strictness).map_err(|e| e.to_string()),
        Format::Yaml => Err("no yaml".into()),
        Format::Protobuf => {
            let bytes = arena.alloc_slice_copy(bytes);
            let unknown = proto::envelope::unwrap(bytes)
                .map_err(|error| error.to_string())?
                .ok_or_else(|| NO_ENVELOPE.to_owned())?;
            let value = proto::decode(unknown.raw, ty, arena).map_err(|e| e.to_string())?;
            Ok(json::Decoded { value, strict_errors: Vec::new() })
        }
    }
}

/// What upstream says of protobuf bodies without the magic number.
const NO_ENVELOPE: &str =
    "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";

/// The body of an apply, decoded without schema: YAML, or JSON, which is YAML too.
///
/// # Errors
/// 400 for a body that is neither, or names no kind.
pub fn decode_apply<'a>(bytes: &[u8], arena: &'a Bump) -> Result<Value<'a>> {
    let config = json::parse_any(bytes, arena)
        .map_err(|error| Fault::BadRequest(format!("error decoding YAML: {error}")))?;
    for field in ["kind", "apiVersion"] {
        if config.str_at(&[field]).is_empty() {
            let text = String::from_utf8_lossy(bytes);
            let name = if field == "kind" { "Kind" } else { "apiVersion" };
            return Err(Fault::BadRequest(format!(
                "Object '{name}' is missing in '{}'",
                text.trim_end()
            )));
        }
    }
    Ok(config)
}
