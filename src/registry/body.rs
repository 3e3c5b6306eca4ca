//! Request bodies: bytes of a media type → an object of the expected kind, with upstream's words
//! for everything that can be wrong (`endpoints/handlers`, `transformDecodeError`).

use super::change::PatchKind;
use super::other_kind::{other_kind, wrong_kind};
use crate::catalog::catalog;
use crate::codec::json::{self, DecodeError, Decoded, Document, Strictness, TypeMeta};
use crate::codec::media::Format;
use crate::codec::proto::envelope::Unknown;
use crate::codec::scalar::ScalarError;
use crate::codec::{proto, yaml};
use crate::object::Value;
use crate::object::field::{ErrorKind, FieldError};
use crate::object::go_text::GoText;
use crate::object::patch as object_patch;
use crate::object::patch::{PatchError, merge, strategic};
use crate::object::place::Place;
use crate::object::schema::Type;
use crate::request::{Context, Fault, FieldValidation, Result, Subject};
use bumpalo::Bump;

/// What upstream calls its table of types in messages.
pub const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";
/// The table that `DeleteOptions` are looked up in.
pub const META_SCHEME: &str =
    "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";
/// The table of the server for definitions.
pub const EXTENSIONS_SCHEME: &str = "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55";

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
    let custom = expected.ty.structural.is_some();
    let parsed = Parsed::read(bytes, media, arena).and_then(|parsed| {
        let type_meta = parsed.type_meta()?;
        // Only the kinds of the server itself may be left out (`UnstructuredJSONScheme`).
        if custom && type_meta.kind.is_empty() && !bytes.is_empty() {
            let text = String::from_utf8_lossy(bytes);
            return Err(format!("Object 'Kind' is missing in '{text}'"));
        }
        Ok((parsed, type_meta))
    });
    let (parsed, type_meta) = parsed.map_err(|why| {
        Fault::BadRequest(format!(
            "the object provided is unrecognized (must be of type {}): {why} ({})",
            expected.kind,
            summary(bytes)
        ))
    })?;
    let own_version = expected.api_version();
    let shown_kind = if type_meta.kind.is_empty() { expected.kind } else { type_meta.kind };
    let filled = type_meta.api_version.is_empty() && !custom;
    let shown_version = if filled { &own_version } else { type_meta.api_version };
    let fail = |why: &str| {
        let version = shown_version.rsplit('/').next().unwrap_or("");
        Fault::BadRequest(format!(
            "{shown_kind} in version {version:?} cannot be handled as a {}: {why}",
            expected.kind
        ))
    };
    if !custom && (shown_kind != expected.kind || shown_version != own_version) {
        return Err(wrong_kind(expected, shown_version, shown_kind, &fail));
    }
    let strictness = match validation {
        FieldValidation::Ignore => Strictness::Ignore,
        FieldValidation::Strict | FieldValidation::Warn => Strictness::Report,
    };
    let decoded = parsed.decode(expected.ty, arena, strictness).map_err(|error| fail(&error))?;
    let warns = shown_version == own_version || validation == FieldValidation::Strict;
    let validation = if warns { validation } else { FieldValidation::Ignore };
    strict(context, validation, &decoded.strict_errors, |why| {
        fail(&format!("strict decoding error: {why}"))
    })?;
    let mut value = decoded.value;
    // Upstream decodes a custom resource of any type, and looks at it later.
    if shown_version != own_version {
        return Err(Fault::BadRequest(format!(
            "the API version in the data ({shown_version}) does not match the expected API version \
             ({own_version})"
        )));
    }
    if shown_kind != expected.kind {
        return Err(other_kind(&value, shown_kind, expected.kind));
    }
    if let Some(map) = value.as_map_mut() {
        map.insert("kind", Value::Str(expected.kind));
        map.insert("apiVersion", Value::str_in(&own_version, arena));
    }
    Ok(value)
}

/// A body, taken apart but not decoded.
enum Parsed<'a, 's> {
    Text(Document<'a, 's>),
    Envelope(Unknown<'a>),
}

impl<'a, 's> Parsed<'a, 's> {
    fn read(bytes: &'s [u8], media: Format, arena: &'a Bump) -> std::result::Result<Self, String> {
        match media {
            Format::Json => Document::parse(bytes, arena)
                .map(Self::Text)
                .map_err(|error| format!("couldn't get version/kind; json parse error: {error}")),
            Format::Yaml => {
                yaml::parse(bytes, arena).map(Self::Text).map_err(|error| error.to_string())
            }
            Format::Protobuf => match proto::envelope::unwrap(arena.alloc_slice_copy(bytes)) {
                Ok(Some(unknown)) => Ok(Self::Envelope(unknown)),
                Ok(None) if bytes.is_empty() => Err("empty data".to_owned()),
                Ok(None) => Err(NO_ENVELOPE.to_owned()),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    fn type_meta(&self) -> std::result::Result<TypeMeta<'a>, String> {
        match self {
            Self::Text(document) => {
                let found = document.type_meta().map_err(|error| {
                    format!("couldn't get version/kind; json parse error: {error}")
                })?;
                let api_version = group_version(found.api_version)?;
                Ok(TypeMeta { api_version, ..found })
            }
            Self::Envelope(unknown) => {
                Ok(TypeMeta { api_version: unknown.api_version, kind: unknown.kind })
            }
        }
    }

    fn decode(
        &self,
        ty: &'static Type,
        arena: &'a Bump,
        strictness: Strictness,
    ) -> std::result::Result<Decoded<'a>, String> {
        match self {
            Self::Text(document) => {
                document.decode(ty, arena, strictness).map_err(|error| error.to_string())
            }
            Self::Envelope(unknown) => proto::decode(unknown.raw, ty, arena)
                .map(|value| Decoded { value, strict_errors: Vec::new() })
                .map_err(|error| error.to_string()),
        }
    }
}

/// The group and version as upstream prints what it parsed (`schema.ParseGroupVersion`).
fn group_version(text: &str) -> std::result::Result<&str, String> {
    match text.split_once('/') {
        Some((_, version)) if version.contains('/') => {
            Err(format!("unexpected GroupVersion string: {text}"))
        }
        Some(("", version)) => Ok(version),
        _ => Ok(text),
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

/// Applies a JSON, merge or strategic merge patch to `object`; gives the duplicate and unknown
/// fields of the patch itself. The keys of what was patched are sorted, as upstream's texts show
/// them.
///
/// # Errors
/// 400, 413, 422, 500 as `endpoints/handlers/patch.go` gives them.
pub fn patch<'a>(
    kind: PatchKind,
    validation: FieldValidation,
    text: &[u8],
    ty: &'static Type,
    object: &mut Value<'a>,
    arena: &'a Bump,
) -> Result<Vec<String>> {
    // Unless fields are to be looked at, the patch goes straight to the library that applies it.
    let looked_at = validation != FieldValidation::Ignore;
    let prefix = match kind {
        PatchKind::Json | PatchKind::Merge if looked_at => "error decoding patch: ",
        _ => "",
    };
    let decoded = json::parse_any_strict(text, arena).map_err(|error| match kind {
        PatchKind::Merge if !looked_at => Fault::BadRequest("Invalid JSON Patch".into()),
        _ => Fault::BadRequest(format!("{prefix}{error}")),
    })?;
    let document = decoded.value;
    let mut strict_errors = decoded.strict_errors;
    let wants_map = kind == PatchKind::Strategic || (kind == PatchKind::Merge && looked_at);
    if wants_map && !matches!(document, Value::Map(_) | Value::Null) {
        let found = object_patch::json::noun(&document);
        return Err(Fault::BadRequest(format!(
            "{prefix}json: cannot unmarshal {found} into Go value of type \
             map[string]interface {{}}"
        )));
    }
    let applied = match kind {
        PatchKind::Json => json_patch(&document, looked_at, ty, object, arena).map(|unknown| {
            let twice = strict_errors.iter().map(|text| format!("json patch {text}"));
            strict_errors = twice.chain(unknown).collect();
        }),
        PatchKind::Merge => merge::apply(arena, object, &document)
            .map(|()| merge::order_as_patched(object, &document)),
        PatchKind::Strategic => strategic::apply(arena, ty, object, &document),
        PatchKind::Apply => Err(PatchError::Plain("apply is not a patch of this kind".into())),
    };
    applied.map_err(|error| match error {
        PatchError::BadRequest(text) => Fault::BadRequest(text),
        PatchError::Plain(text) => Fault::Plain(text),
        PatchError::Rejected(_) => Fault::Rejected,
        PatchError::TooLarge(text) => Fault::TooLarge(text),
    })?;
    Ok(strict_errors)
}

/// Applies a JSON patch; gives the members that its operations do not have.
fn json_patch<'a>(
    document: &Value<'a>,
    typed: bool,
    ty: &'static Type,
    object: &mut Value<'a>,
    arena: &'a Bump,
) -> std::result::Result<Vec<String>, PatchError> {
    let patch = object_patch::json::Patch::read(document, typed)?;
    patch.apply(arena, Some(ty), object)?;
    patch.order_as_patched(object);
    Ok(patch.unknown_fields)
}

/// A patched object may hold anything: it is decoded again, as upstream does. `twice` are the
/// duplicate fields that the patch had.
///
/// # Errors
/// 422 for values of a wrong type, and under `Strict` for unknown and duplicate fields.
pub fn conform<'a>(
    ty: &'static Type,
    validation: FieldValidation,
    context: &Context,
    twice: Vec<String>,
    object: &Value<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let refuse = |why: &str| {
        if ty.structural.is_none() {
            return invalid_patch(object, why);
        }
        let mut text = Vec::with_capacity(2048);
        json::encode_sorted(object, &mut text);
        refused_patch(&String::from_utf8_lossy(&text), why)
    };
    let decoded = json::conform(object, ty, arena, Strictness::Report)
        .map_err(|error| refuse(&error.to_string()))?;
    let mut errors = twice;
    errors.extend(decoded.strict_errors);
    strict(context, validation, &errors, |why| refuse(&format!("strict decoding error: {why}")))?;
    Ok(decoded.value)
}

/// [`conform`] for what a strategic merge patch made: upstream converts the tree without going
/// through text, and its errors show the patch, not the object (`applyPatchToObject`).
///
/// # Errors
/// As [`conform`].
pub fn restore<'a>(
    ty: &'static Type,
    validation: FieldValidation,
    context: &Context,
    patch: (&[u8], Vec<String>),
    object: &Value<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let (text, mut errors) = patch;
    let refuse = |why: &str| {
        let shown = json::parse_any(text, arena).unwrap_or(Value::Null);
        refused_patch(&GoText(&shown).to_string(), why)
    };
    let decoded = json::conform(object, ty, arena, Strictness::Report).map_err(|error| {
        let place = Place::root(Some(ty));
        let why = object_patch::restore::refusal(place, object);
        // Bytes alone go through text, for which there is a step of its own.
        let of_text = || match &error {
            DecodeError::Scalar(ScalarError::Base64(_)) => {
                format!("error decoding from json: {error}")
            }
            error => error.to_string(),
        };
        refuse(&why.unwrap_or_else(of_text))
    })?;
    let mut unknown = decoded.strict_errors;
    unknown.sort_unstable();
    errors.append(&mut unknown);
    strict(context, validation, &errors, |why| refuse(&format!("strict decoding error: {why}")))?;
    Ok(decoded.value)
}

/// 422: the patched object cannot be used.
pub fn invalid_patch(object: &Value<'_>, why: &str) -> Fault {
    let mut text = Vec::with_capacity(2048);
    json::encode_any(object, &mut text);
    refused_patch(&String::from_utf8_lossy(&text), why)
}

fn refused_patch(shown: &str, why: &str) -> Fault {
    let error = FieldError {
        kind: ErrorKind::Invalid,
        field: "patch".into(),
        body: format!("Invalid value: {shown:?}: {why}"),
    };
    Fault::Invalid { subject: Subject::default(), errors: vec![error] }
}

/// Unknown and duplicate fields: dropped, warned of, or refused.
fn strict(
    context: &Context,
    validation: FieldValidation,
    errors: &[String],
    refuse: impl Fn(&str) -> Fault,
) -> Result<()> {
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Strict if errors.is_empty() => {}
        FieldValidation::Strict => return Err(refuse(&errors.join(", "))),
        FieldValidation::Warn => errors.iter().for_each(|text| warn(context, text)),
    }
    Ok(())
}

/// A warning for each line of what YAML's strict reader says (`parseYAMLWarnings`).
fn warn(context: &Context, text: &str) {
    const HEAD: &str = "yaml: unmarshal errors:\n";
    let bare = text.strip_prefix("error converting YAML to JSON: ").unwrap_or(text);
    match bare.strip_prefix(HEAD) {
        Some(lines) => lines.split('\n').for_each(|line| context.warn(line.trim())),
        None => context.warn(text),
    }
}

/// Keys that stand twice in an applied configuration are looked for once it has been merged.
///
/// # Errors
/// 400 under `Strict`.
pub fn check_twice(
    validation: FieldValidation,
    context: &Context,
    twice: Option<&str>,
) -> Result<()> {
    match (validation, twice) {
        (FieldValidation::Strict, Some(text)) => {
            Err(Fault::BadRequest(format!("error strict decoding YAML: {text}")))
        }
        (FieldValidation::Warn, Some(text)) => {
            warn(context, text);
            Ok(())
        }
        _ => Ok(()),
    }
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
    let parsed = Parsed::read(bytes, media, arena).map_err(Fault::BadRequest)?;
    let TypeMeta { api_version, kind } = parsed.type_meta().map_err(Fault::BadRequest)?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if !kind.is_empty() && kind != "DeleteOptions" {
        let api_version = if api_version.is_empty() { "meta.k8s.io/v1" } else { api_version };
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
    let decoded = parsed.decode(ty, arena, Strictness::Ignore);
    decoded.map(|decoded| decoded.value).map_err(Fault::BadRequest)
}

/// What upstream says of protobuf bodies without the magic number.
const NO_ENVELOPE: &str =
    "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";

/// The body of an apply, decoded without schema: YAML, or JSON, which is YAML too. With it what
/// strict decoding says of keys that stand twice.
///
/// # Errors
/// 400 for a body that is neither, or names no kind.
pub fn decode_apply<'a>(bytes: &[u8], arena: &'a Bump) -> Result<(Value<'a>, Option<String>)> {
    let fail = |why: String| {
        Fault::BadRequest(format!("error decoding YAML: error converting YAML to JSON: {why}"))
    };
    let document = yaml::parse(bytes, arena).map_err(|error| fail(error.to_string()))?;
    let config = document.any(arena).map_err(|error| fail(error.to_string()))?;
    if !matches!(config, Value::Map(_) | Value::Null) {
        let found = object_patch::json::noun(&config);
        return Err(Fault::BadRequest(format!(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot \
             unmarshal {found} into Go value of type map[string]interface {{}}"
        )));
    }
    let twice = document.yaml_duplicates();
    Ok((config, twice.map(|text| format!("error converting YAML to JSON: {text}"))))
}

#[cfg(test)]
mod tests {
    use super::{Context, Expected, Fault, FieldValidation, decode, group_version, restore};
    use super::{decode_apply, decode_delete_options};
    use crate::catalog::{catalog, custom};
    use crate::codec::json::{self, Strictness};
    use crate::codec::media::Format;
    use bumpalo::Bump;

    #[test]
    fn what_a_strategic_patch_leaves_of_base64_is_told_as_text() {
        let arena = Bump::new();
        let secret = catalog().type_named("core.v1.Secret").expect("a type");
        let text: &[u8] = br#"{"data":{"k":"a-b"}}"#;
        let object = json::parse_any(text, &arena).expect("JSON");
        let (context, patch) = (Context::default(), (text, Vec::new()));
        let refused = restore(secret, FieldValidation::Strict, &context, patch, &object, &arena);
        let Err(Fault::Invalid { errors, .. }) = refused else { panic!("taken") };
        assert_eq!(
            errors[0].body,
            "Invalid value: \"map[data:map[k:a-b]]\": error decoding from json: illegal base64 \
             data at input byte 1"
        );
    }

    #[test]
    fn bodies_that_say_what_cannot_be_are_refused_in_upstreams_words() {
        let arena = Bump::new();
        let ty = catalog().kind("", "v1", "ConfigMap").expect("a type");
        let expected = Expected { group: "", version: "v1", kind: "ConfigMap", ty };
        let refused = |text: &[u8], media: Format| {
            let context = Context::default();
            match decode(&context, text, media, &expected, FieldValidation::Ignore, &arena) {
                Err(Fault::BadRequest(text)) => text,
                other => panic!("{other:?}"),
            }
        };
        let slashes = refused(br#"{"apiVersion":"a/b/c"}"#, Format::Json);
        assert!(slashes.contains("ConfigMap): unexpected GroupVersion string: a/b/c ({"));
        assert!(refused(b"", Format::Protobuf).ends_with("empty data (<empty>)"));
        let Err(Fault::BadRequest(text)) = decode_apply(b"- a\n", &arena) else { panic!("taken") };
        assert!(text.ends_with("unmarshal array into Go value of type map[string]interface {}"));
        let options = decode_delete_options(br#"{"kind":"Pod"}"#, Format::Json, &arena);
        let Err(Fault::BadRequest(text)) = options else { panic!("taken") };
        assert!(text.starts_with("no kind \"Pod\" is registered for version \"meta.k8s.io/v1\""));
    }

    #[test]
    fn a_wrong_type_is_told_with_the_names_that_go_has() {
        let arena = Bump::new();
        let told = |ty: &str, text: &str| {
            let ty = catalog().type_named(ty).expect("a type");
            json::decode(text.as_bytes(), ty, &arena, Strictness::Report)
                .err()
                .map(|e| e.to_string())
        };
        for (ty, text, end) in [
            (
                "networking.v1.NetworkPolicy",
                r#"{"spec":{"policyTypes":[7]}}"#,
                "NetworkPolicySpec.spec.policyTypes of type v1.PolicyType",
            ),
            (
                "networking.v1.NetworkPolicy",
                r#"{"spec":{"policyTypes":"x"}}"#,
                "NetworkPolicySpec.spec.policyTypes of type []v1.PolicyType",
            ),
            (
                "networking.v1.Ingress",
                r#"{"spec":{"rules":[{"http":"x"}]}}"#,
                "IngressRule.spec.rules.IngressRuleValue.http of type v1.HTTPIngressRuleValue",
            ),
            (
                "authorization.v1.SubjectAccessReview",
                r#"{"spec":{"extra":{"k":"v"}}}"#,
                "SubjectAccessReviewSpec.spec.extra of type v1.ExtraValue",
            ),
        ] {
            let found = told(ty, text).unwrap_or_default();
            assert!(found.ends_with(end), "{found}");
        }
    }

    #[test]
    fn a_group_and_version_have_two_parts_at_most() {
        assert_eq!(group_version("v1"), Ok("v1"));
        assert_eq!(group_version("/v1"), Ok("v1"));
        assert_eq!(group_version("apps/v1"), Ok("apps/v1"));
        assert_eq!(group_version("a/b/c"), Err("unexpected GroupVersion string: a/b/c".into()));
    }

    #[test]
    fn a_custom_resource_says_what_it_is_and_its_metadata_is_decoded_on_its_own() {
        let arena = Bump::new();
        let names = r#"{"plural":"as","singular":"a","kind":"A","listKind":"AList"}"#;
        let text = format!(
            r#"{{"metadata":{{"name":"as.body.example.com"}},"spec":{{"group":"body.example.com",
                "scope":"Cluster","names":{names},"versions":[{{"name":"v1","served":true,
                "storage":true,"schema":{{"openAPIV3Schema":{{"type":"object"}}}}}}]}},
                "status":{{"acceptedNames":{names},"conditions":[
                {{"type":"Established","status":"True"}},
                {{"type":"NamesAccepted","status":"True"}}]}}}}"#
        );
        let definition = json::parse_any(text.as_bytes(), &arena).expect("JSON");
        custom::observe(&definition, 1).expect("a row");
        let group = "body.example.com";
        let ty = custom::served().resource(group, "v1", "as").expect("served").ty;
        let expected = Expected { group: "body.example.com", version: "v1", kind: "A", ty };
        let refused = |text: &str| {
            let context = Context::default();
            let validation = FieldValidation::Ignore;
            match decode(&context, text.as_bytes(), Format::Json, &expected, validation, &arena) {
                Err(Fault::BadRequest(text)) => text,
                other => panic!("{other:?}"),
            }
        };
        let bare = r#"{"apiVersion":"body.example.com/v1"}"#;
        assert!(refused(bare).contains(&format!(
            "(must be of type A): Object 'Kind' is missing in \
            '{bare}' ("
        )));
        assert_eq!(
            refused(r#"{"kind":"A"}"#),
            "the API version in the data () does not match the expected API version \
             (body.example.com/v1)"
        );
        let head = r#""apiVersion":"body.example.com/v1","kind":"A""#;
        let labels = refused(&format!(r#"{{{head},"metadata":{{"labels":{{"a":5}}}}}}"#));
        assert!(labels.ends_with("number into Go struct field ObjectMeta.labels of type string"));
        let metadata = refused(&format!(r#"{{{head},"metadata":"x"}}"#));
        assert!(metadata.ends_with("unmarshal string into Go value of type v1.ObjectMeta"));
    }
}
