//! PATCH in its four forms.

use crate::api::Api;
use crate::api::answer::Answer;
use crate::api::call::{Call, WriterNames, read_body};
use crate::api::route::Target;
use crate::base::{clock, timestamp};
use crate::http::RequestBody;
use crate::object::Arena;
use crate::object::managed::Writer;
use crate::registry::{ApplyChange, Patch, PatchKind, Scaled, body, stored};
use crate::request::{Fault, Operation, Result, RouterFault, WriteOptions, WriteVerb};

/// The patch that a Content-Type names.
///
/// # Errors
/// 415 from the router for any other type.
pub fn kind(content_type: &str) -> std::result::Result<PatchKind, RouterFault> {
    match content_type.split(';').next().unwrap_or("").trim() {
        "application/apply-patch+yaml" => Ok(PatchKind::Apply),
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        _ => Err(RouterFault::UnsupportedMediaType),
    }
}

/// Refuses a Content-Type that the target cannot be patched with.
///
/// # Errors
/// 415, from the router or for a custom resource from the handler.
pub fn accepted(target: &Target, content_type: &str) -> Result<()> {
    const CUSTOM: &str =
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    match (kind(content_type), target.resource.custom) {
        (Ok(PatchKind::Strategic) | Err(_), Some(_)) => Err(Fault::UnsupportedMediaType(format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {CUSTOM}"
        ))),
        (Ok(_), _) => Ok(()),
        (Err(fault), None) => Err(Fault::Router(fault)),
    }
}

/// Reads the patch, changes the object, answers 200, or 201 if apply made it.
///
/// # Errors
/// 400, 403, 404, 409, 413, 415, 422.
pub async fn serve(api: &Api, call: &Call<'_>, request: RequestBody) -> Result<Answer> {
    let kind = kind(call.content_type).map_err(Fault::Router)?;
    let verb = if kind == PatchKind::Apply { WriteVerb::Apply } else { WriteVerb::Patch };
    let options = WriteOptions::parse(call.query, verb)?;
    let text = read_body(request).await?;
    let attributes = call.attributes(Operation::Update, options.dry_run);
    let now = timestamp::rfc3339(clock::unix_seconds());
    let mut names = WriterNames::default();
    let writer = call.writer(&options, &now, &mut names);
    let resource = call.target.resource;
    let expected = call.expected();
    let scaled = call.target.subresource_name() == "scale";
    let defaults = (!scaled).then_some(resource);
    let updated = if kind == PatchKind::Apply {
        let arena = Arena::new();
        let (config, twice) = body::decode_apply(&text, &arena)?;
        let ty = expected.ty;
        // Who applies a Scale owns fields of the Scale.
        let own_version = expected.api_version();
        let api_version = if scaled { own_version.as_str() } else { writer.api_version };
        let of_scale = Writer { api_version, ..writer };
        let change = ApplyChange {
            config,
            twice,
            expected,
            resource,
            defaults,
            writer: &of_scale,
            force: options.force.unwrap_or(false),
            creates: call.target.subresource.is_none(),
            validation: options.field_validation,
            context: call.context,
            name: &call.info.name,
            namespace: attributes.namespace,
        };
        if scaled {
            let change = Scaled { change, resource, ty, writer: &writer };
            api.registry.update(&attributes, &options, &writer, &change).await?
        } else {
            api.registry.update(&attributes, &options, &writer, &change).await?
        }
    } else {
        let patch = Patch {
            kind,
            text: &text,
            ty: expected.ty,
            defaults,
            validation: options.field_validation,
            context: call.context,
            type_meta: (expected.kind, expected.api_version()),
        };
        if scaled {
            let change = Scaled { change: patch, resource, ty: expected.ty, writer: &writer };
            api.registry.update(&attributes, &options, &writer, &change).await?
        } else {
            stored::storage(resource)?;
            api.registry.update(&attributes, &options, &writer, &patch).await?
        }
    };
    let entry = api.registry.in_version(resource, &updated.entry).await?;
    let bytes = super::get::encode(call, &entry)?;
    Ok(Answer::object(if updated.created { 201 } else { 200 }, &call.form, bytes))
}
