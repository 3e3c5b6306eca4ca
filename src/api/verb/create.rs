//! POST of a new object, and of the subresources that act on one.

use crate::api::answer::Answer;
use crate::api::call::{Call, WriterNames, read_body};
use crate::api::{Api, action};
use crate::base::{clock, timestamp};
use crate::catalog::custom;
use crate::codec::json;
use crate::http::RequestBody;
use crate::object::{Arena, Value};
use crate::registry::body::Expected;
use crate::registry::{body, meta, stored};
use crate::request::{
    Attributes, Fault, Operation, RawDeleteOptions, Result, WriteOptions, WriteVerb,
};
use bumpalo::Bump;

/// Reads the body, creates, answers 201 with what stands there now.
///
/// # Errors
/// 400, 403, 409, 413, 415, 422.
pub async fn serve(api: &Api, call: &Call<'_>, request: RequestBody) -> Result<Answer> {
    let options = WriteOptions::parse(call.query, WriteVerb::Create)?;
    let media = call.body_media()?;
    let bytes = read_body(request).await?;
    let arena = Arena::new();
    let expected = action::expected(call, &bytes, media);
    let validation = options.field_validation;
    let object = body::decode(call.context, &bytes, media, &expected, validation, &arena)?;
    show(call, &expected, &object, &arena);
    if call.target.subresource.is_some() || call.target.resource.storage.is_none() {
        return action::create(api, call, &options, object, &arena).await;
    }
    check_terminating(call, meta::name(&object))?;
    let object = prepare(call, object, &arena)?;
    let attributes = call.attributes(Operation::Create, options.dry_run);
    let attributes = Attributes { name: meta::name(&object), ..attributes };
    let now = timestamp::rfc3339(clock::unix_seconds());
    let mut names = WriterNames::default();
    let writer = call.writer(&options, &now, &mut names);
    let entry = api.registry.create(&attributes, &options, Some(&writer), object, &arena).await?;
    let entry = api.registry.in_version(call.target.resource, &entry).await?;
    let bytes = super::get::encode(call, &entry)?;
    Ok(Answer::object(201, &call.form, bytes))
}

/// Shows the object to the audit event as it was understood, with its defaults.
pub fn show(call: &Call<'_>, expected: &Expected, object: &Value<'_>, arena: &Bump) {
    call.context.show(|out| {
        if call.target.resource.custom.is_some() {
            return json::encode_any(object, out);
        }
        let mut shown = object.copy_in(arena);
        if call.target.subresource.is_none() && call.target.resource.storage.is_some() {
            stored::fill_defaults(call.target.resource, &mut shown, arena);
        }
        json::encode(&shown, expected.ty, out);
    });
}

/// Nothing new is made of a definition that is being deleted (`forbidCreateAdmission`).
///
/// # Errors
/// 403.
pub fn check_terminating(call: &Call<'_>, name: &str) -> Result<()> {
    let resource = call.target.resource;
    if resource.custom.is_some()
        && custom::served().definition(resource).is_some_and(|found| found.terminating)
    {
        let text = "create not allowed while custom resource definition is terminating";
        let subject = stored::subject(resource, name);
        return Err(Fault::Forbidden { subject, message: text.into(), cause: None });
    }
    Ok(())
}

/// Fills the namespace in, checks it, and fills the defaults.
fn prepare<'a>(call: &Call<'_>, mut object: Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
    check_namespace(call, &mut object, arena)?;
    stored::fill_defaults(call.target.resource, &mut object, arena);
    Ok(object)
}

/// The namespace of a body must be the URL's; an empty one is filled in, and what is not
/// namespaced has none (`EnsureObjectNamespaceMatchesRequestNamespace`).
///
/// # Errors
/// 400 for another namespace.
pub fn check_namespace<'a>(call: &Call<'_>, object: &mut Value<'a>, arena: &'a Bump) -> Result<()> {
    let wanted = call.attributes(Operation::Create, false).namespace;
    let own = meta::namespace(object);
    let metadata = meta::metadata_mut(object, arena);
    if wanted.is_empty() {
        metadata.remove("namespace");
    } else if own.is_empty() {
        metadata.insert("namespace", Value::str_in(wanted, arena));
    } else if own != wanted {
        let text = "the namespace of the provided object does not match the namespace sent on \
                    the request";
        return Err(Fault::BadRequest(text.into()));
    }
    Ok(())
}

/// `DeleteOptions` of a body, else of the query; warns of what they leave behind.
///
/// # Errors
/// 400 for a body that is none, 422 for values that do not go together.
pub fn delete_options(
    call: &Call<'_>,
    bytes: &[u8],
    unsafe_allowed: bool,
) -> Result<crate::request::DeleteOptions> {
    let mut options = read_delete_options(call, bytes)?;
    options.ignore_read_error &= unsafe_allowed;
    let options = options.check()?;
    let silent = options.propagation.is_none() && options.orphan_dependents.is_none();
    let resource = call.target.resource;
    if silent && (resource.group, resource.name) == ("batch", "jobs") {
        // `JobStorage.Delete` warns before it looks for the job.
        call.context.warn(
            "child pods are preserved by default when jobs are deleted; set \
             propagationPolicy=Background to remove them or set propagationPolicy=Orphan to \
             suppress this warning",
        );
    }
    Ok(options)
}

fn read_delete_options(call: &Call<'_>, bytes: &[u8]) -> Result<RawDeleteOptions> {
    if bytes.is_empty() {
        return RawDeleteOptions::from_query(call.query);
    }
    let media = call.body_media()?;
    let arena = Arena::new();
    let object = body::decode_delete_options(bytes, media, &arena)?;
    let texts = object.list_at(&["dryRun"]).iter().filter_map(Value::as_str);
    let text = |path: &[&str]| object.at(path).and_then(Value::as_str).map(str::to_owned);
    Ok(RawDeleteOptions {
        dry_run: texts.map(str::to_owned).collect(),
        grace_seconds: object.i64_at(&["gracePeriodSeconds"]),
        orphan_dependents: object.at(&["orphanDependents"]).and_then(Value::as_bool),
        propagation: text(&["propagationPolicy"]),
        uid: text(&["preconditions", "uid"]),
        resource_version: text(&["preconditions", "resourceVersion"]),
        ignore_read_error: object.bool_at(&["ignoreStoreReadErrorWithClusterBreakingPotential"]),
    })
}
