//! LIST: a page of a resource at one revision, streamed in chunks so that the answer costs the
//! memory of a chunk, however long the list is (features.md section 3.2).

use crate::api::Api;
use crate::api::call::Call;
use crate::api::form::{self, Form, Transform};
use crate::api::object::{TableWriter, encode_value, go_type, write_partial};
use crate::api::route::Target;
use crate::api::table;
use crate::base::limits::{LIST_CHUNK_BYTES, LIST_PAGE_MAX};
use crate::cache::{Cache, Entry, ListPage, ListQuery, ReadAt, ReadFault};
use crate::catalog::Storage;
use crate::codec::media::Format;
use crate::codec::{json, proto};
use crate::http::Body;
use crate::object::selector::FieldSelector;
use crate::registry::body::api_version;
use crate::registry::stored;
use crate::request::{Fault, ListOptions, Result, RevisionMatch, parse_revision};
use crate::store::Item as _;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};
use bumpalo::Bump;
use bytes::Bytes;
use std::sync::Arc;

/// For a page whose revision is compacted (`inconsistentContinue`).
const INCONSISTENT_CONTINUE: &str = "The provided continue parameter is too old to display a \
     consistent list result. You can start a new list without the continue parameter, or use the \
     continue token in this response to retrieve the remainder of the results. Continuing with \
     the provided token results in an inconsistent list - objects that were created, modified, \
     or deleted between the time the first chunk was returned and now may show up in the list.";

/// How many unreadable objects an error names, and how many warnings do.
const UNREADABLE_NAMED_MAX: usize = 100;
const UNREADABLE_WARNED_MAX: usize = 10;

/// For a revision that is compacted (`expired`).
const TOO_OLD: &str = "The resourceVersion for the provided list is too old.";

/// What is listed.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'r> {
    /// The namespace; "" for all.
    pub namespace: &'r str,
    /// The one name wanted, from the path of a watch; "" for all.
    pub name: &'r str,
}

/// Reads the page that `options` ask for.
///
/// # Errors
/// 400 for a bad token or selector, 410 for a revision that is gone, 504 for one that is not there.
pub async fn read_page(
    cache: &Cache,
    target: &Target,
    scope: Scope<'_>,
    options: &ListOptions,
) -> Result<ListPage> {
    let storage = stored::storage(target.resource)?;
    let token = ContinueToken::decode(&options.continue_token)?;
    if token.is_some() && !matches!(options.revision.as_str(), "" | "0") {
        let text = "specifying resource version is not allowed when using continue";
        return Err(Fault::BadRequest(text.into()));
    }
    let revision = parse_revision(&options.revision).map_err(|fault| match fault {
        Fault::Plain(text) => Fault::BadRequest(format!("invalid resource version: {text}")),
        other => other,
    })?;
    let cached = options.revision == "0";
    // What any state will do for comes whole.
    let limit = if cached { 0 } else { options.limit };
    let at = match (&token, options.revision_match) {
        (Some(token), _) if token.revision > 0 => ReadAt::Exact(token.revision.unsigned_abs()),
        (Some(_), _) => ReadAt::Latest,
        (None, Some(RevisionMatch::Exact)) => ReadAt::Exact(revision),
        (None, Some(RevisionMatch::NotOlderThan)) if cached => ReadAt::Any,
        (None, Some(RevisionMatch::NotOlderThan)) => ReadAt::AtLeast(revision),
        (None, None) if cached => ReadAt::Any,
        (None, None) if revision > 0 && limit > 0 => ReadAt::Exact(revision),
        (None, None) if revision > 0 => ReadAt::AtLeast(revision),
        (None, None) => ReadAt::Latest,
    };
    let start = match &token {
        Some(token) => Some(token.start_key(storage, scope.namespace)?),
        None => None,
    };
    let query = ListQuery {
        storage,
        namespace: (!scope.namespace.is_empty()).then(|| scope.namespace.into()),
        name: (!scope.name.is_empty()).then(|| scope.name.into()),
        labels: options.labels.clone(),
        fields: translate_fields(target, storage, &options.fields)?,
        limit: usize::try_from(limit).unwrap_or(0).min(LIST_PAGE_MAX),
        start,
        at,
    };
    match (cache.list(query).await, token) {
        // The rest can still be had, if not of the same moment.
        (Err(ReadFault::Expired { .. }), Some(token)) => Err(Fault::Expired {
            message: INCONSISTENT_CONTINUE.into(),
            continue_token: Some(encode_token(-1, &token.start)),
        }),
        (Err(ReadFault::Expired { .. }), None) => {
            Err(Fault::Expired { message: TOO_OLD.into(), continue_token: None })
        }
        (answer, _) => answer.map_err(stored::read_fault),
    }
}

/// Takes what cannot be read out of a page, so that it does not take its kind down: it is named in
/// warnings. Where such objects may be deleted, a list of what is stored fails and names them all,
/// so that it can be done (`corruptObjErrAggregator`).
///
/// # Errors
/// 500 with the keys and what is wrong.
pub fn leave_out_unreadable(
    api: &Api,
    call: &Call<'_>,
    options: &ListOptions,
    page: &mut ListPage,
) -> Result<()> {
    let mut causes = Vec::new();
    page.entries.retain(|entry| {
        if !entry.unreadable() {
            return true;
        }
        let key = String::from_utf8_lossy(entry.key()).into_owned();
        let why = entry.json().err().map_or_else(String::new, |error| error.reason);
        let why = why.strip_prefix(&format!("{key}: ")).unwrap_or(&why).to_owned();
        causes.push((key, entry.revision(), why));
        false
    });
    if api.unsafe_deletion && options.revision != "0" && !causes.is_empty() {
        let subject = stored::subject(call.target.resource, "");
        let causes = causes.into_iter().take(UNREADABLE_NAMED_MAX);
        let causes = causes.map(|(key, revision, why)| {
            let text = format!(
                "StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, \
                 AdditionalErrorMsg: object not decodable revision={revision}: {why}"
            );
            (key, text)
        });
        return Err(Fault::StoreRead { subject, causes: causes.collect() });
    }
    for (key, _, _) in causes.iter().take(UNREADABLE_WARNED_MAX) {
        call.context.warn(format!("the stored object cannot be read and is left out: {key}"));
    }
    Ok(())
}

/// Field labels of the request's version as those of the stored one.
///
/// # Errors
/// 400 for a label that the kind does not have.
pub fn translate_fields(
    target: &Target,
    storage: &Storage,
    fields: &FieldSelector,
) -> Result<FieldSelector> {
    let (group, version) = (target.resource.group, target.resource.version);
    let hidden = |label: &str| {
        let custom = target.resource.custom;
        custom
            .is_some_and(|own| !label.starts_with("metadata.") && !own.selectable.contains(&label))
    };
    fields.clone().without("").rename(|label| match storage.field_label(group, label) {
        _ if hidden(label) => Err(Fault::BadRequest(storage.unsupported_label(version, label))),
        Some(source) => Ok(Some(stored::field_name(storage, source))),
        None => Err(Fault::BadRequest(storage.unsupported_label(version, label))),
    })
}

/// The token that continues after `page`; "" at the end.
pub fn continue_token(storage: &Storage, namespace: &str, page: &ListPage) -> String {
    let Some(next) = &page.next else { return String::new() };
    let prefix = storage.namespace_prefix(namespace);
    let start = next.strip_prefix(prefix.as_ref()).unwrap_or(next);
    let start = String::from_utf8_lossy(start);
    encode_token(i64::try_from(page.revision).unwrap_or(i64::MAX), &start)
}

fn encode_token(revision: i64, start: &str) -> String {
    let start = serde_json::Value::from(start);
    let text = format!(r#"{{"v":"meta.k8s.io/v1","rv":{revision},"start":{start}}}"#);
    URL_SAFE_NO_PAD.encode(text)
}

/// Where a list goes on (`storage.DecodeContinue`).
#[derive(Debug, PartialEq, Eq)]
struct ContinueToken {
    /// The revision of the list; -1 for the latest.
    revision: i64,
    /// The first key, relative to the list's prefix.
    start: String,
}

impl ContinueToken {
    fn decode(token: &str) -> Result<Option<Self>> {
        if token.is_empty() {
            return Ok(None);
        }
        let bad = |why: &str| {
            Fault::BadRequest(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let bytes = LENIENT
            .decode(token)
            .map_err(|_| bad(&format!("illegal base64 data at input byte {}", bad_byte(token))))?;
        let json: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| bad(&json_fault(&bytes, &error)))?;
        if let Some(kind) = other_than_object(&json) {
            return Err(bad(&format!(
                "json: cannot unmarshal {kind} into Go value of type storage.continueToken"
            )));
        }
        let text = |key: &str| json.get(key).and_then(serde_json::Value::as_str).unwrap_or("");
        if text("v") != "meta.k8s.io/v1" {
            let why = format!("server does not recognize this encoded version {}", text("v"));
            return Err(bad(&why));
        }
        let revision = json.get("rv").and_then(serde_json::Value::as_i64).unwrap_or(0);
        if revision == 0 {
            return Err(bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        let start = text("start").to_owned();
        if start.is_empty() {
            return Err(bad("encoded start key empty (version meta.k8s.io/v1)"));
        }
        Ok(Some(Self { revision, start }))
    }

    fn start_key(&self, storage: &Storage, namespace: &str) -> Result<Bytes> {
        // Nothing but a clean path, with or without a slash before it, stays below the prefix.
        let start = self.start.strip_prefix('/').unwrap_or(&self.start);
        if !start.is_empty() && start.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(Fault::BadRequest(format!(
                "invalid continue token: continue key is not valid: {}",
                self.start
            )));
        }
        let mut key = storage.namespace_prefix(namespace).to_vec();
        key.extend_from_slice(start.as_bytes());
        Ok(key.into())
    }
}

/// Base64 as Go reads it: bits that no byte needs may be set.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// What Go calls a value that no struct is read from; null leaves one as it is.
const fn other_than_object(json: &serde_json::Value) -> Option<&'static str> {
    match json {
        serde_json::Value::Array(_) => Some("array"),
        serde_json::Value::Bool(_) => Some("bool"),
        serde_json::Value::Number(_) => Some("number"),
        serde_json::Value::String(_) => Some("string"),
        serde_json::Value::Null | serde_json::Value::Object(_) => None,
    }
}

/// What Go says of text that is no JSON.
fn json_fault(bytes: &[u8], error: &serde_json::Error) -> String {
    match json::parse_any(bytes, &Bump::new()) {
        Err(fault) => fault.to_string(),
        Ok(_) => error.to_string(),
    }
}

/// Where Go's decoder says that base64 text breaks: the first byte that is no digit, or for a
/// text of impossible length the start of its last group.
fn bad_byte(token: &str) -> usize {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match token.bytes().position(|byte| !digit(byte)) {
        Some(at) => at,
        None => token.len() - token.len() % 4,
    }
}

/// The answer for a page.
///
/// # Errors
/// 406 for a form that lists do not have, 500 for stored bytes that cannot be read.
pub fn encode(target: &Target, form: &Form, scope: Scope<'_>, page: ListPage) -> Result<Body> {
    let storage = stored::storage(target.resource)?;
    let token = continue_token(storage, scope.namespace, &page);
    let revision = page.revision.to_string();
    let meta = table::ListMeta {
        resource_version: &revision,
        continue_token: &token,
        remaining_item_count: page.remaining,
    };
    match form.transform {
        Transform::Partial(_) => {
            let shown = go_type(target, target.resource.list_kind);
            Err(Fault::NotAcceptable(format!(
                "you requested PartialObjectMetadata, but the requested object is a list \
                 ({shown})"
            )))
        }
        Transform::Table(version, include) => {
            let mut rows = TableWriter::begin(target, version, include, meta, true);
            for entry in sorted(target, page.entries) {
                rows.push(&entry)?;
            }
            Ok(Body::full(rows.finish(form)))
        }
        Transform::PartialList(version) => partial_list(form, version, meta, &page.entries),
        Transform::None => {
            let same = stored::is_stored_form(target.resource);
            match form.media {
                Format::Json if same && !form.pretty => Ok(stream_json(target, meta, page.entries)),
                Format::Protobuf if same => protobuf_list(target, meta, &page.entries),
                _ => value_list(target, form, meta, &page.entries),
            }
        }
    }
}

/// Rows of some kinds stand in an order of their own.
fn sorted(target: &Target, mut entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    let printer =
        table::printer(target.resource.group, target.resource.name, target.subresource_name());
    if let Some(order) = printer.order {
        entries.sort_by(|a, b| {
            let arena = Bump::new();
            match (stored::decode_entry(a, &arena), stored::decode_entry(b, &arena)) {
                (Ok(a), Ok(b)) => order(&a, &b),
                _ => std::cmp::Ordering::Equal,
            }
        });
    }
    entries
}

/// `{"kind":"PodList","apiVersion":"v1","metadata":{…},"items":[`.
fn json_head(kind: &str, api_version: &str, meta: table::ListMeta<'_>, custom: bool) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    let mut put = |text: &str| head.extend_from_slice(text.as_bytes());
    put(r#"{"kind":""#);
    put(kind);
    put(r#"","apiVersion":""#);
    put(api_version);
    put(r#"","metadata":{"resourceVersion":""#);
    put(meta.resource_version);
    put("\"");
    if !meta.continue_token.is_empty() || custom {
        put(r#","continue":""#);
        put(meta.continue_token);
        put("\"");
    }
    if let Some(count) = meta.remaining_item_count.filter(|count| *count > 0) {
        put(r#","remainingItemCount":"#);
        put(itoa::Buffer::new().format(count));
    }
    put(r#"},"items":["#);
    head
}

/// The whole list as JSON, made chunk by chunk while the client reads.
fn stream_json(target: &Target, meta: table::ListMeta<'_>, entries: Vec<Arc<Entry>>) -> Body {
    let head = json_head(
        target.resource.list_kind,
        &api_version(target.resource.group, target.resource.version),
        meta,
        target.resource.custom.is_some(),
    );
    let mut chunk = head;
    let mut entries = entries.into_iter().enumerate();
    let mut ended = false;
    // Small lists are one piece, so that their length is known.
    while chunk.len() < LIST_CHUNK_BYTES && !ended {
        ended = !push_item(&mut chunk, &mut entries);
    }
    if ended {
        return Body::full(chunk);
    }
    let mut first = Some(Bytes::from(chunk));
    let rest = std::iter::from_fn(move || {
        if let Some(first) = first.take() {
            return Some(first);
        }
        if ended {
            return None;
        }
        let mut chunk = Vec::with_capacity(LIST_CHUNK_BYTES + LIST_CHUNK_BYTES / 4);
        while chunk.len() < LIST_CHUNK_BYTES && !ended {
            ended = !push_item(&mut chunk, &mut entries);
        }
        Some(Bytes::from(chunk))
    });
    Body::stream(futures_lite::stream::iter(rest))
}

/// Appends the next item, or the end of the list (then false).
fn push_item(chunk: &mut Vec<u8>, entries: &mut impl Iterator<Item = (usize, Arc<Entry>)>) -> bool {
    let Some((at, entry)) = entries.next() else {
        chunk.extend_from_slice(b"]}\n");
        return false;
    };
    // What the look at the page could not see is left out here; a GET of it says what is wrong.
    if let Ok(json) = entry.json() {
        let is_first = at == 0 || chunk.ends_with(b"[");
        chunk.extend_from_slice(if is_first { b"{" } else { b",{" });
        chunk.extend_from_slice(&json.item());
    }
    true
}

fn protobuf_list(
    target: &Target,
    meta: table::ListMeta<'_>,
    entries: &[Arc<Entry>],
) -> Result<Body> {
    let broken = |_| Fault::Internal("an item is no protobuf envelope".into());
    let mut envelopes = Vec::with_capacity(entries.len());
    for entry in entries {
        envelopes.push(entry.protobuf().map_err(stored::unreadable)?);
    }
    let mut raws = Vec::with_capacity(envelopes.len());
    for envelope in &envelopes {
        let unknown = proto::envelope::unwrap(envelope).map_err(broken)?;
        raws.push(unknown.map_or(&[][..], |unknown| unknown.raw));
    }
    let meta = proto::ListMeta {
        resource_version: meta.resource_version,
        continue_token: meta.continue_token,
        remaining_item_count: meta.remaining_item_count.and_then(|n| i64::try_from(n).ok()),
    };
    let api_version = api_version(target.resource.group, target.resource.version);
    let sizes = raws.iter().map(|raw| raw.len());
    let list = proto::ListWriter::new(&api_version, target.resource.list_kind, &meta, sizes);
    let mut out = Vec::new();
    list.begin(&mut out);
    raws.iter().for_each(|raw| proto::ListWriter::item(raw, &mut out));
    proto::ListWriter::end(&mut out);
    Ok(Body::full(out))
}

fn partial_list(
    form: &Form,
    version: table::MetaVersion,
    meta: table::ListMeta<'_>,
    entries: &[Arc<Entry>],
) -> Result<Body> {
    let mut text = json_head("PartialObjectMetadataList", version.api_version(), meta, false);
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        write_partial(entry, version, &mut text)?;
    }
    text.extend_from_slice(b"]}\n");
    if form.media == Format::Json && !form.pretty {
        return Ok(Body::full(text));
    }
    let arena = Bump::new();
    let value =
        json::parse_any(&text, &arena).map_err(|error| Fault::Internal(error.to_string()))?;
    encode_value(form, stored::partial_list_type(), &value).map(Body::full)
}

/// The slow way, for forms and versions that are not stored: every item is decoded.
fn value_list(
    target: &Target,
    form: &Form,
    meta: table::ListMeta<'_>,
    entries: &[Arc<Entry>],
) -> Result<Body> {
    let mut text = json_head(
        target.resource.list_kind,
        &api_version(target.resource.group, target.resource.version),
        meta,
        target.resource.custom.is_some(),
    );
    for (at, entry) in entries.iter().enumerate() {
        let arena = Bump::new();
        let mut object = stored::decode_served(target.resource, entry, &arena)?;
        if let (Some(map), None) = (object.as_map_mut(), target.resource.custom) {
            map.remove("kind");
            map.remove("apiVersion");
        }
        if at > 0 {
            text.push(b',');
        }
        json::encode(&object, target.resource.ty, &mut text);
    }
    text.extend_from_slice(b"]}\n");
    if form.media == Format::Json && !form.pretty {
        return Ok(Body::full(text));
    }
    if form.media == Format::Json || form.media == Format::Yaml {
        return Ok(Body::full(form::reprint(&text, form)));
    }
    let arena = Bump::new();
    let ty = target.resource.list_ty.ok_or_else(|| Fault::Internal("no list type".into()))?;
    let value =
        json::parse_any(&text, &arena).map_err(|error| Fault::Internal(error.to_string()))?;
    encode_value(form, ty, &value).map(Body::full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(token: &str) -> String {
        match ContinueToken::decode(token) {
            Err(Fault::BadRequest(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_version_of_a_token_is_told_bare() {
        let expected = "invalid continue token: continue key is not valid: server does not \
                        recognize this encoded version ";
        assert_eq!(message(&URL_SAFE_NO_PAD.encode("{}")), expected);
    }

    #[test]
    fn tokens_are_read_as_upstream_writes_them() {
        let token = URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":7,"start":"ns/x\u0000"}"#);
        let read = ContinueToken::decode(&token).unwrap().unwrap();
        assert_eq!(read, ContinueToken { revision: 7, start: "ns/x\0".into() });
        let read = ContinueToken::decode(&encode_token(-1, "ns/x\0")).unwrap().unwrap();
        assert_eq!(read, ContinueToken { revision: -1, start: "ns/x\0".into() });
        assert_eq!(ContinueToken::decode(""), Ok(None));
    }

    #[test]
    fn a_token_starts_at_a_clean_path_below_the_prefix() {
        let resource = crate::catalog::catalog().resource("", "v1", "configmaps").unwrap();
        let storage = stored::storage(resource).unwrap();
        let key = |start: &str| {
            let token = ContinueToken { revision: 1, start: start.into() };
            token.start_key(storage, "ns").map(|key| String::from_utf8_lossy(&key).into_owned())
        };
        let at = "/registry/configmaps/ns/a\0".to_owned();
        assert_eq!(key("a\0"), Ok(at.clone()));
        assert_eq!(key("/a\0"), Ok(at));
        for unclean in ["../a", "a/../b", "a//b", "./a", "a/"] {
            let text = format!("invalid continue token: continue key is not valid: {unclean}");
            assert_eq!(key(unclean), Err(Fault::BadRequest(text)));
        }
        let list = message(&URL_SAFE_NO_PAD.encode("[1]"));
        assert!(
            list.ends_with("cannot unmarshal array into Go value of type storage.continueToken")
        );
    }

    #[test]
    fn bad_tokens_name_the_byte() {
        let prefix = "invalid continue token: continue key is not valid: illegal base64 data at";
        assert_eq!(message("x"), format!("{prefix} input byte 0"));
        assert_eq!(message("abc!"), format!("{prefix} input byte 3"));
        assert_eq!(message("e30="), format!("{prefix} input byte 3"));
        let prefix = "invalid continue token: continue key is not valid: invalid character";
        assert_eq!(message("bad"), format!("{prefix} 'm' looking for beginning of value"));
    }
}
