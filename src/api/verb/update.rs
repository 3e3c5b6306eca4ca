//! PUT of an object, of its status, its scale or another subresource that is a view of it.

use super::create::check_namespace;
use crate::api::Api;
use crate::api::answer::Answer;
use crate::api::call::{Call, WriterNames, read_body};
use crate::base::{clock, timestamp};
use crate::http::RequestBody;
use crate::object::Value;
use crate::registry::{Replace, Scaled, body, meta, stored};
use crate::request::{Fault, Operation, Result, WriteOptions, WriteVerb};
use bumpalo::Bump;

/// Reads the body, replaces, answers 200, or 201 if the object was made.
///
/// # Errors
/// 400, 403, 404, 409, 413, 415, 422.
pub async fn serve(api: &Api, call: &Call<'_>, request: RequestBody) -> Result<Answer> {
    let options = WriteOptions::parse(call.query, WriteVerb::Update)?;
    let media = call.body_media()?;
    let bytes = read_body(request).await?;
    let arena = Bump::new();
    let expected = call.expected();
    let validation = options.field_validation;
    let mut object = body::decode(call.context, &bytes, media, &expected, validation, &arena)?;
    super::create::show(call, &expected, &object, &arena);
    check_namespace(call, &mut object, &arena)?;
    check_name(call, &object)?;
    let attributes = call.attributes(Operation::Update, options.dry_run);
    let now = timestamp::rfc3339(clock::unix_seconds());
    let mut names = WriterNames::default();
    let writer = call.writer(&options, &now, &mut names);
    let resource = call.target.resource;
    let updated = if call.target.subresource_name() == "scale" {
        let (change, ty) = (Replace { object, creates: false }, expected.ty);
        let change = Scaled { change, resource, ty, writer: &writer };
        api.registry.update(&attributes, &options, &writer, &change).await?
    } else {
        stored::fill_defaults(resource, &mut object, &arena);
        let main = call.target.subresource.is_none();
        let creates = main && stored::storage(resource)?.create_on_update;
        let change = Replace { object, creates };
        api.registry.update(&attributes, &options, &writer, &change).await?
    };
    let entry = api.registry.in_version(resource, &updated.entry).await?;
    let bytes = super::get::encode(call, &entry)?;
    Ok(Answer::object(if updated.created { 201 } else { 200 }, &call.form, bytes))
}

/// The name of a body must be the URL's.
fn check_name(call: &Call<'_>, object: &Value<'_>) -> Result<()> {
    let (own, wanted) = (meta::name(object), &*call.info.name);
    if own.is_empty() {
        return Err(Fault::BadRequest(format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be \
             provided"
        )));
    }
    if own != wanted {
        return Err(Fault::BadRequest(format!(
            "the name of the object ({own}) does not match the name on the URL ({wanted})"
        )));
    }
    Ok(())
}
