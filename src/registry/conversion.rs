//! Custom resources in other versions where a webhook converts them (`webhookConverter` of
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/conversion`).
//!
//! What the webhook makes of a stored object becomes an entry of its own, with the key and the
//! revision of the stored one, so that everything that reads entries reads it. Watches convert on
//! their way out, for the frames that watchers share are encoded where nobody can wait.

use super::store::{Admit, Registry};
use super::stored;
use crate::base::ids;
use crate::cache::{Entry, ReadAt};
use crate::catalog::custom::{ConversionPlace, ConversionWebhook};
use crate::catalog::{Resource, Storage, catalog};
use crate::client::{Client, Roots, Target, Trust, service_address};
use crate::codec::json::{self, Document, write};
use crate::codec::yaml;
use crate::object::Value;
use crate::registry::body::api_version;
use crate::request::{Fault, Result};
use crate::store::Item as _;
use bumpalo::Bump;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a webhook may take (`webhookConverter`'s timeout).
const TIMEOUT: Duration = Duration::from_secs(30);

/// How webhooks are reached; clones share it.
#[derive(Debug, Clone)]
pub struct Conversion {
    client: Client,
    /// By CA bundle, so that connections are shared.
    trusts: Rc<RefCell<BTreeMap<&'static str, Arc<Trust>>>>,
}

impl Conversion {
    /// Through this client.
    pub fn new(client: Client) -> Self {
        Self { client, trusts: Rc::default() }
    }

    fn trust(&self, webhook: &'static ConversionWebhook) -> Arc<Trust> {
        let make = || {
            Trust::new(
                match webhook.ca_bundle.is_empty() {
                    true => Roots::System,
                    false => Roots::Pem(webhook.ca_bundle.clone().into_bytes()),
                },
                None,
            )
        };
        let mut trusts = self.trusts.borrow_mut();
        Arc::clone(trusts.entry(&webhook.ca_bundle).or_insert_with(make))
    }
}

/// The webhook that converts objects of a resource.
fn webhook_of(storage: Option<&'static Storage>) -> Option<&'static ConversionWebhook> {
    storage?.custom?.conversion.as_ref()
}

/// What stored bytes say that they are.
fn said(value: &[u8]) -> String {
    let arena = Bump::new();
    json::peek_type_meta(value, &arena).map_or_else(|_| String::new(), |m| m.api_version.to_owned())
}

impl<A: Admit> Registry<A> {
    /// True if a webhook may have to convert the objects of a resource.
    pub fn converts(&self, resource: &Resource) -> bool {
        webhook_of(resource.storage).is_some()
    }

    /// The entry in the version of `resource`: the same one unless a webhook must convert it.
    ///
    /// # Errors
    /// 500 in the words of upstream's converter.
    pub async fn in_version(&self, resource: &Resource, entry: &Arc<Entry>) -> Result<Arc<Entry>> {
        if webhook_of(resource.storage).is_none() {
            return Ok(Arc::clone(entry));
        }
        let mut entries = vec![Arc::clone(entry)];
        self.all_in_version(resource, &mut entries).await?;
        Ok(entries.swap_remove(0))
    }

    /// [`Registry::in_version`] of all of a page, with one call.
    ///
    /// # Errors
    /// 500 in the words of upstream's converter.
    pub async fn all_in_version(
        &self,
        resource: &Resource,
        entries: &mut [Arc<Entry>],
    ) -> Result<()> {
        let Some(webhook) = webhook_of(resource.storage) else { return Ok(()) };
        let wanted = api_version(resource.group, resource.version);
        let others: Vec<&mut Arc<Entry>> =
            entries.iter_mut().filter(|entry| said(entry.value()) != wanted).collect();
        if others.is_empty() {
            return Ok(());
        }
        let texts: Vec<&[u8]> = others.iter().map(|entry| entry.value().as_ref()).collect();
        let what = format!(
            "{}, Kind={}",
            texts.first().map_or_else(String::new, |t| said(t)),
            resource.kind
        );
        let converted = self.convert(webhook, &wanted, &texts, &what).await?;
        for (entry, value) in others.into_iter().zip(converted) {
            *entry = Arc::new(Entry::new(entry.key().clone(), entry.revision(), value));
        }
        Ok(())
    }

    /// The bytes to store of an object in the version of the request.
    ///
    /// # Errors
    /// As [`Registry::in_version`].
    pub(super) async fn encode_stored<'a>(
        &self,
        storage: &'static Storage,
        object: &Value<'a>,
        arena: &'a Bump,
    ) -> Result<Bytes> {
        let own = object.str_at(&["apiVersion"]);
        let wanted = api_version(storage.group, storage.version);
        let Some(webhook) = webhook_of(Some(storage)).filter(|_| own != wanted) else {
            return Ok(stored::encode(storage, object, arena));
        };
        let mut copy = object.share_in(arena);
        if let Some(metadata) = copy.at_mut(&["metadata"]).and_then(Value::as_map_mut) {
            metadata.remove("resourceVersion");
        }
        let mut text = Vec::with_capacity(1_024);
        json::encode_any(&copy, &mut text);
        let what = format!("{own}, Kind={}", storage.kind);
        let converted = self.convert(webhook, &wanted, &[&text], &what).await?;
        let value = converted.into_iter().next().unwrap_or_default();
        let entry = Entry::new(storage.key("", ""), 0, value);
        let inner = Bump::new();
        let object = stored::decode(storage, &entry, &inner)?;
        Ok(stored::encode(storage, &object, &inner))
    }

    /// Asks the webhook for objects in the version `wanted`; as many come back, in the same order.
    async fn convert(
        &self,
        webhook: &'static ConversionWebhook,
        wanted: &str,
        objects: &[&[u8]],
        what: &str,
    ) -> Result<Vec<Bytes>> {
        let failed =
            |why: String| Fault::Plain(format!("conversion webhook for {what} failed: {why}"));
        let uid = ids::uuid();
        let answer = self.ask(webhook, request(webhook, &uid, wanted, objects)).await;
        let answer = answer.map_err(failed)?;
        let arena = Bump::new();
        let review = read(&answer, &arena).map_err(failed)?;
        let converted = check(webhook, &uid, &review).map_err(failed)?;
        if converted.len() != objects.len() {
            return Err(Fault::Plain(format!(
                "conversion webhook for {what} returned {} objects, expected {}",
                converted.len(),
                objects.len()
            )));
        }
        let pairs = converted.iter().zip(objects).enumerate();
        let restored = pairs.map(|(at, (converted, original))| {
            restore(converted, original, wanted, &arena).map_err(|why| {
                Fault::Plain(format!(
                    "conversion webhook for {what} returned invalid converted object at index \
                     {at}: {why}"
                ))
            })
        });
        restored.collect()
    }

    async fn ask(
        &self,
        webhook: &'static ConversionWebhook,
        body: Vec<u8>,
    ) -> std::result::Result<Bytes, String> {
        let conversion = &self.conversion;
        let mut target = Target::of_url(conversion.trust(webhook));
        let timeout = TIMEOUT.as_secs();
        let url = match &webhook.place {
            ConversionPlace::Url(url) => format!("{url}?timeout={timeout}s"),
            ConversionPlace::Service { namespace, name, path, port } => {
                let host = format!("{name}.{namespace}.svc");
                let slash = if path.starts_with('/') { "" } else { "/" };
                let url = format!("https://{host}:{port}{slash}{path}?timeout={timeout}s");
                let found = self.service(namespace, name, *port).await;
                target.address = Some(found.map_err(|why| format!("Post {url:?}: {why}"))?);
                target.server_name = Some(host);
                url
            }
        };
        conversion.client.post(&target, &url, body, TIMEOUT).await.map_err(|error| error.text)
    }

    async fn service(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> std::result::Result<(String, u16), String> {
        let missing = || format!("service {name:?} not found");
        let storage = catalog().storage("services").ok_or_else(missing)?;
        let found = self.cache.get(storage, namespace, name, ReadAt::Latest).await;
        let entry = found.map_err(|_| format!("service {name:?} cannot be read"))?;
        let entry = entry.ok_or_else(missing)?;
        let arena = Bump::new();
        let service = entry.object(&arena).map_err(|error| error.to_string())?;
        service_address(&service, name, port)
    }
}

/// ConversionReview with its request.
fn request(webhook: &ConversionWebhook, uid: &str, wanted: &str, objects: &[&[u8]]) -> Vec<u8> {
    let size = objects.iter().map(|object| object.len() + 1).sum::<usize>();
    let mut out = Vec::with_capacity(256 + size);
    out.extend_from_slice(b"{\"kind\":\"ConversionReview\",\"apiVersion\":");
    write::string(webhook.review_version(), &mut out);
    out.extend_from_slice(b",\"request\":{\"uid\":");
    write::string(uid, &mut out);
    out.extend_from_slice(b",\"desiredAPIVersion\":");
    write::string(wanted, &mut out);
    out.extend_from_slice(b",\"objects\":[");
    for (number, object) in objects.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(object.trim_ascii_end());
    }
    out.extend_from_slice(b"]}}\n");
    out
}

fn read<'a>(body: &[u8], arena: &'a Bump) -> std::result::Result<Value<'a>, String> {
    let no_kind = |why: String| format!("couldn't get version/kind; json parse error: {why}");
    let is_json = body.trim_ascii_start().starts_with(b"{");
    let document = if is_json {
        Document::parse(body, arena).map_err(|error| no_kind(error.to_string()))?
    } else {
        yaml::parse(body, arena).map_err(|error| error.to_string())?
    };
    document.type_meta().map_err(|error| no_kind(error.to_string()))?;
    document.any(arena).map_err(|error| error.to_string())
}

/// The converted objects (`getConvertedObjectsFromResponse`).
fn check<'r, 'a>(
    webhook: &ConversionWebhook,
    uid: &str,
    review: &'r Value<'a>,
) -> std::result::Result<&'r [Value<'a>], String> {
    let (version, kind) = (review.str_at(&["apiVersion"]), review.str_at(&["kind"]));
    let wanted = webhook.review_version();
    if kind != "ConversionReview" || version != wanted {
        let shown = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
        return Err(format!(
            "expected webhook response of {wanted}, Kind=ConversionReview, got {shown}, Kind={kind}"
        ));
    }
    let response = review.get("response").filter(|response| !response.is_null());
    let response = response.ok_or("no response provided")?;
    let own = response.str_at(&["uid"]);
    if own != uid {
        return Err(format!("expected response.uid={uid:?}, got {own:?}"));
    }
    let (status, message) =
        (response.str_at(&["result", "status"]), response.str_at(&["result", "message"]));
    match (status, message) {
        ("Success", _) => Ok(response.list_at(&["convertedObjects"])),
        (status, "") => Err(format!("response.result.status was '{status}', not 'Success'")),
        (_, message) => Err(message.to_owned()),
    }
}

/// The converted object with the metadata of the original; only labels and annotations may differ
/// (`validateConvertedObject`, `restoreObjectMeta`).
fn restore<'a>(
    converted: &Value<'a>,
    original: &[u8],
    wanted: &str,
    arena: &'a Bump,
) -> std::result::Result<Bytes, String> {
    let own = converted.str_at(&["apiVersion"]);
    if own != wanted {
        return Err(format!("invalid groupVersion (expected {wanted}, received {own})"));
    }
    let original = json::parse_any(original, arena).map_err(|error| error.to_string())?;
    let (expected, kind) = (original.str_at(&["kind"]), converted.str_at(&["kind"]));
    if kind != expected {
        return Err(format!("invalid kind (expected {expected}, received {kind})"));
    }
    for (field, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let at = ["metadata", field];
        let (before, after) = (original.str_at(&at), converted.str_at(&at));
        if before != after {
            return Err(format!("must have the same {name}: {before} != {after}"));
        }
    }
    let mut metadata = match original.get("metadata") {
        Some(metadata) => metadata.share_in(arena),
        None => Value::map_in(arena),
    };
    if let Some(map) = metadata.as_map_mut() {
        for field in ["labels", "annotations"] {
            map.remove(field);
            if let Some(value) = converted.at(&["metadata", field]).filter(|v| !v.is_empty()) {
                map.insert(field, value.share_in(arena));
            }
        }
    }
    let mut whole = converted.share_in(arena);
    if let Some(map) = whole.as_map_mut() {
        map.insert("metadata", metadata);
    }
    let mut text = Vec::with_capacity(1_024);
    json::encode_any(&whole, &mut text);
    text.push(b'\n');
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOK: fn() -> ConversionWebhook = || ConversionWebhook {
        place: ConversionPlace::Url("https://h/c".to_owned()),
        ca_bundle: String::new(),
        v1: true,
    };

    fn checked(text: &str) -> std::result::Result<usize, String> {
        let arena = Bump::new();
        let review = read(text.as_bytes(), &arena)?;
        check(&HOOK(), "u", &review).map(<[Value<'_>]>::len)
    }

    #[test]
    fn answers_are_verified_as_upstream_verifies_them() {
        let head = r#"{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1""#;
        let answer = |response: &str| checked(&format!(r#"{head},"response":{response}}}"#));
        assert_eq!(answer("null"), Err("no response provided".to_owned()));
        let uid = "expected response.uid=\"u\", got \"\"".to_owned();
        assert_eq!(answer(r#"{"result":{"status":"Success"}}"#), Err(uid));
        let told = answer(r#"{"uid":"u","result":{"status":"Failure","message":"no"}}"#);
        assert_eq!(told, Err("no".to_owned()));
        let bare = "response.result.status was '', not 'Success'".to_owned();
        assert_eq!(answer(r#"{"uid":"u"}"#), Err(bare));
        let done = answer(r#"{"uid":"u","result":{"status":"Success"},"convertedObjects":[{}]}"#);
        assert_eq!(done, Ok(1));
        assert!(checked("{}").is_err_and(|why| why.ends_with("got /, Kind=")));
    }

    #[test]
    fn a_webhook_changes_no_metadata_but_labels_and_annotations() {
        let arena = Bump::new();
        let original = br#"{"apiVersion":"g/v1","kind":"K","metadata":{"name":"n","uid":"u",
            "generation":3,"labels":{"a":"1"}},"spec":{"x":1}}"#;
        let converted = |text: &str| {
            let value = json::parse_any(text.as_bytes(), &arena).expect("JSON");
            restore(&value, original, "g/v2", &arena)
        };
        let text = converted(
            r#"{"apiVersion":"g/v2","kind":"K","metadata":{"name":"n","uid":"u","generation":9,
                "labels":{"b":"2"}},"spec":{"y":1}}"#,
        );
        let text = text.expect("an object");
        let value = json::parse_any(&text, &arena).expect("JSON");
        assert_eq!(value.i64_at(&["metadata", "generation"]), Some(3));
        assert_eq!(value.str_at(&["metadata", "labels", "b"]), "2");
        assert_eq!(value.i64_at(&["spec", "y"]), Some(1));
        let renamed = converted(r#"{"apiVersion":"g/v2","kind":"K","metadata":{"name":"m"}}"#);
        assert_eq!(renamed, Err("must have the same name: n != m".to_owned()));
        let other = converted(r#"{"apiVersion":"g/v3","kind":"K"}"#);
        assert_eq!(other, Err("invalid groupVersion (expected g/v2, received g/v3)".to_owned()));
    }
}
