//! AdmissionReview: what a webhook is asked and what it may answer (`webhook/request`).

use super::hook::{Form, Hook};
use super::matching::{Invocation, kind_of, namespace_of};
use super::rule::operation_name;
use crate::catalog::Resource;
use crate::codec::json::{self, Document, write};
use crate::codec::yaml;
use crate::object::Value;
use crate::request::{Attributes, Denial, DenialDetails};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;

/// What a webhook answers, as far as it is in order.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// The decoded `patch`; empty if there is none.
    pub(super) patch: Vec<u8>,
    /// "" if there is none.
    pub(super) patch_type: String,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: Vec<(String, String)>,
    /// Of a refusal.
    pub(super) denial: Denial,
}

/// Why an answer is none, behind `failed calling webhook "NAME": `.
pub(super) type Broken = String;

/// The objects of a review as JSON in the version of the invocation; `null` for what is not there.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) object: Vec<u8>,
    pub(super) old: Vec<u8>,
}

impl Objects {
    /// `None` becomes `null`.
    pub(super) fn new(
        resource: &'static Resource,
        subresource: &str,
        object: Option<&Value<'_>>,
        old: Option<&Value<'_>>,
    ) -> Self {
        let sub = resource.subresource(subresource);
        let encoded = |object: Option<&Value<'_>>| {
            let Some(object) = object else { return b"null".to_vec() };
            let mut out = Vec::with_capacity(2_048);
            let kind = object.str_at(&["kind"]);
            match sub {
                Some(sub) if sub.kind == kind => json::encode(object, sub.ty, &mut out),
                _ if resource.kind == kind => json::encode(object, resource.ty, &mut out),
                _ => json::encode_any(object, &mut out),
            }
            out
        };
        Self { object: encoded(object), old: encoded(old) }
    }
}

/// The body of the call (`CreateV1AdmissionReview`).
pub(super) fn request(
    uid: &str,
    form: Form,
    at: &Attributes<'_>,
    invocation: Invocation,
    objects: &Objects,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024 + objects.object.len() + objects.old.len());
    out.extend_from_slice(b"{\"kind\":\"AdmissionReview\"");
    member(&mut out, "apiVersion", form.api_version());
    out.extend_from_slice(b",\"request\":{\"uid\":");
    write::string(uid, &mut out);
    let to = invocation.resource;
    kind(&mut out, "kind", kind_of(to, at.subresource));
    triple(&mut out, "resource", "resource", [to.group, to.version, to.name]);
    optional(&mut out, "subResource", at.subresource);
    kind(&mut out, "requestKind", kind_of(at.resource, at.subresource));
    let from = at.resource;
    triple(&mut out, "requestResource", "resource", [from.group, from.version, from.name]);
    optional(&mut out, "requestSubResource", at.subresource);
    optional(&mut out, "name", at.name);
    optional(&mut out, "namespace", namespace_of(at));
    member(&mut out, "operation", operation_name(at.operation));
    out.extend_from_slice(b",\"userInfo\":");
    user(&mut out, at);
    out.extend_from_slice(b",\"object\":");
    out.extend_from_slice(&objects.object);
    out.extend_from_slice(b",\"oldObject\":");
    out.extend_from_slice(&objects.old);
    out.extend_from_slice(if at.dry_run { b",\"dryRun\":true" } else { b",\"dryRun\":false" });
    out.extend_from_slice(b",\"options\":");
    at.sent.write_options(at.operation, &mut out);
    out.extend_from_slice(b"}}\n");
    out
}

fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b',');
    write::string(name, out);
    out.push(b':');
    write::string(text, out);
}

fn optional(out: &mut Vec<u8>, name: &str, text: &str) {
    if !text.is_empty() {
        member(out, name, text);
    }
}

fn kind(out: &mut Vec<u8>, name: &str, kind: [&str; 3]) {
    triple(out, name, "kind", kind);
}

/// A group, a version and a third thing.
fn triple(out: &mut Vec<u8>, name: &str, third: &str, [group, version, what]: [&str; 3]) {
    out.push(b',');
    write::string(name, out);
    out.extend_from_slice(b":{\"group\":");
    write::string(group, out);
    member(out, "version", version);
    member(out, third, what);
    out.push(b'}');
}

/// `authentication.k8s.io/v1` UserInfo.
fn user(out: &mut Vec<u8>, at: &Attributes<'_>) {
    let user = &at.context.user;
    let start = out.len();
    optional(out, "username", &user.name);
    optional(out, "uid", &user.uid);
    let texts = |out: &mut Vec<u8>, texts: &[String]| {
        for (number, text) in texts.iter().enumerate() {
            out.push(if number == 0 { b'[' } else { b',' });
            write::string(text, out);
        }
        out.extend_from_slice(if texts.is_empty() { b"[]" } else { b"]" });
    };
    if !user.groups.is_empty() {
        out.extend_from_slice(b",\"groups\":");
        texts(out, &user.groups);
    }
    for (number, (key, values)) in user.extra.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b",\"extra\":{" } else { b"," });
        write::string(key, out);
        out.push(b':');
        texts(out, values);
    }
    if !user.extra.is_empty() {
        out.push(b'}');
    }
    // The first member begins the object in place of its comma.
    match out.get_mut(start) {
        Some(first) => *first = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Reads the body of an answer (`client-go`'s decoding, then `VerifyAdmissionResponse`).
pub(super) fn read(
    hook: &Hook,
    form: Form,
    uid: &str,
    mutating: bool,
    body: &[u8],
) -> Result<Verdict, Broken> {
    let failed = |why: String| format!("failed to call webhook: {why}");
    let arena = Bump::new();
    let no_kind =
        |why: String| failed(format!("couldn't get version/kind; json parse error: {why}"));
    // What does not begin like an object is read as YAML (`recognizer.decoder`).
    let is_json = body.trim_ascii_start().starts_with(b"{");
    let document = if is_json {
        Document::parse(body, &arena).map_err(|error| no_kind(error.to_string()))?
    } else {
        yaml::parse(body, &arena).map_err(|error| failed(error.to_string()))?
    };
    let meta = document.type_meta().map_err(|error| no_kind(error.to_string()))?;
    let review = document.any(&arena).map_err(|error| failed(error.to_string()))?;
    let response = review.get("response").filter(|response| !response.is_null());
    let refused = |why: String| format!("received invalid webhook response: {why}");
    let Some(response) = response else {
        return Err(refused("webhook response was absent".to_owned()));
    };
    check_types(response).map_err(&failed)?;
    let verdict = Verdict {
        allowed: response.bool_at(&["allowed"]),
        patch: patch(response).map_err(failed)?,
        patch_type: response.str_at(&["patchType"]).to_owned(),
        warnings: texts(response.list_at(&["warnings"])),
        annotations: annotations(hook, response),
        denial: denial(hook, response.get("status")),
    };
    let own = response.str_at(&["uid"]);
    if form == Form::V1Beta1 {
        let patch_type = if verdict.patch.is_empty() { "" } else { "JSONPatch" };
        return Ok(Verdict { patch_type: patch_type.to_owned(), ..verdict });
    }
    if own != uid {
        return Err(refused(format!("expected response.uid={uid:?}, got {own:?}")));
    }
    if meta.api_version != form.api_version() || meta.kind != "AdmissionReview" {
        let (version, kind) = (meta.api_version, meta.kind);
        let shown = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
        let wanted = form.api_version();
        return Err(refused(format!(
            "expected webhook response of {wanted}, Kind=AdmissionReview, got {shown}, Kind={kind}"
        )));
    }
    let has_type = response.get("patchType").is_some_and(|value| !value.is_null());
    let wrong = match (mutating, verdict.patch.is_empty(), has_type) {
        (true, false, false) => "webhook returned response.patch but not response.patchType",
        (true, true, true) => "webhook returned response.patchType but not response.patch",
        (true, false, true) if verdict.patch_type.is_empty() => {
            "webhook returned invalid response.patchType of \"\""
        }
        (false, false, _) => "validating webhook may not return response.patch",
        (false, true, true) => "validating webhook may not return response.patchType",
        _ => return Ok(verdict),
    };
    Err(refused(wrong.to_owned()))
}

/// What Go's decoder refuses of the fields that count.
fn check_types(response: &Value<'_>) -> Result<(), String> {
    let fits = |field: &str, fits: fn(&Value<'_>) -> bool, wanted: &str| match response.get(field) {
        Some(value) if !value.is_null() && !fits(value) => Err(format!(
            "json: cannot unmarshal {} into Go struct field AdmissionReview.response.{field} of \
             type {wanted}",
            crate::object::patch::json::noun(value)
        )),
        _ => Ok(()),
    };
    fits("uid", |v| v.as_str().is_some(), "types.UID")?;
    fits("allowed", |v| v.as_bool().is_some(), "bool")?;
    fits("status", |v| v.as_map().is_some(), "v1.Status")?;
    fits("patch", |v| v.as_str().is_some(), "[]uint8")?;
    fits("patchType", |v| v.as_str().is_some(), "v1.PatchType")?;
    fits("auditAnnotations", |v| v.as_map().is_some(), "map[string]string")?;
    fits("warnings", |v| v.as_list().is_some(), "[]string")
}

fn patch(response: &Value<'_>) -> Result<Vec<u8>, String> {
    let text = response.str_at(&["patch"]);
    STANDARD.decode(text).map_err(|error| match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => {
            format!("illegal base64 data at input byte {at}")
        }
        _ => format!("illegal base64 data at input byte {}", text.len()),
    })
}

fn texts(list: &[Value<'_>]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Keys are the hook's name, a slash and its own key.
fn annotations(hook: &Hook, response: &Value<'_>) -> Vec<(String, String)> {
    let map = response.get("auditAnnotations").and_then(Value::as_map);
    let pairs = map.into_iter().flat_map(|map| map.iter());
    let named = |(key, value): (&str, &Value<'_>)| {
        (format!("{}/{key}", hook.name), value.as_str().unwrap_or("").to_owned())
    };
    pairs.map(named).collect()
}

/// What the client is told of a refusal (`webhookerrors.ToStatusErr`).
fn denial(hook: &Hook, status: Option<&Value<'_>>) -> Denial {
    let null = Value::Null;
    let status = status.unwrap_or(&null);
    let denied = format!("admission webhook {:?} denied the request", hook.name);
    let (message, reason) = (status.str_at(&["message"]), status.str_at(&["reason"]));
    let message = match (message, reason) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let code = status.i64_at(&["code"]).and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
    let details = status.get("details").filter(|details| !details.is_null());
    let text = |value: &Value<'_>, field: &str| value.str_at(&[field]).to_owned();
    let cause =
        |cause: &Value<'_>| (text(cause, "reason"), text(cause, "message"), text(cause, "field"));
    let details = details.map(|details| DenialDetails {
        name: text(details, "name"),
        group: text(details, "group"),
        kind: text(details, "kind"),
        uid: text(details, "uid"),
        causes: details.list_at(&["causes"]).iter().map(cause).collect(),
        retry_seconds: details
            .i64_at(&["retryAfterSeconds"])
            .and_then(|seconds| u32::try_from(seconds).ok())
            .unwrap_or(0),
    });
    Denial { code: code.max(400), reason: reason.to_owned(), message, details }
}
