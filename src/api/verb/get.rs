//! GET of one object, or of its Scale.

use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::api::{Api, object};
use crate::cache::{Entry, ReadAt};
use crate::metrics::Phase;
use crate::object::Arena;
use crate::registry::{scale, stored};
use crate::request::{Fault, Result, parse_revision};

/// Reads and encodes.
///
/// # Errors
/// 404, 406, and those of the cache.
pub async fn serve(api: &Api, call: &Call<'_>) -> Result<Answer> {
    if call.query.flag("export") == Some(true) {
        let text = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(Fault::BadRequest(text.into()));
    }
    let revision = call.query.text("resourceVersion");
    let at = match (&*revision, parse_revision(&revision)?) {
        ("", _) => ReadAt::Latest,
        ("0", _) => ReadAt::Any,
        (_, revision) => ReadAt::AtLeast(revision),
    };
    let attributes = call.attributes(crate::request::Operation::Connect, false);
    let storage = stored::storage(call.target.resource)?;
    let cache = &api.registry.cache;
    let found = cache.get(storage, attributes.namespace, &call.info.name, at).await;
    call.context.laps.lap(Phase::Cache);
    let entry = found
        .map_err(stored::read_fault)?
        .ok_or_else(|| stored::missing(call.target.resource, &call.info.name))?;
    let entry = api.registry.in_version(call.target.resource, &entry).await?;
    encode(call, &entry).map(|body| Answer::object(200, &call.form, body))
}

/// The object of the call's target, which for `scale` is made from the entry.
///
/// # Errors
/// As [`object::encode`].
pub fn encode(call: &Call<'_>, entry: &Entry) -> Result<bytes::Bytes> {
    if call.target.subresource_name() != "scale" {
        return object::encode(&call.target, &call.form, entry);
    }
    let arena = Arena::new();
    let parent = stored::decode_served(call.target.resource, entry, &arena)?;
    let scale = scale::of(call.target.resource, &parent, &arena)?;
    object::encode_made(&call.target, &call.form, call.expected().ty, &scale)
}
