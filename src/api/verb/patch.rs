//! PATCH in its four forms.

use crate::api::Api;
use crate::api::answer::Answer;
use crate::api::call::{Call, ManagerNames, read_body};
use crate::base::{clock, timestamp};
use crate::http::RequestBody;
use crate::registry::ManagerOperation;
use crate::registry::{Patch, PatchKind, Scaled, stored};
use crate::request::{Operation, Result, RouterFault, WriteOptions, WriteVerb};

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

/// Reads the patch, changes the object, answers 200, or 201 if apply made it.
///
/// # Errors
/// 400, 403, 404, 409, 413, 415, 422.
pub async fn serve(api: &Api, call: &Call<'_>, request: RequestBody) -> Result<Answer> {
    let kind = kind(call.content_type).map_err(crate::request::Fault::Router)?;
    let verb = if kind == PatchKind::Apply { WriteVerb::Apply } else { WriteVerb::Patch };
    let options = WriteOptions::parse(call.query, verb)?;
    let text = read_body(request).await?;
    let attributes = call.attributes(Operation::Update, options.dry_run);
    let now = timestamp::rfc3339(clock::unix_seconds());
    let mut names = ManagerNames::default();
    let operation = match kind {
        PatchKind::Apply => ManagerOperation::Apply,
        _ => ManagerOperation::Update,
    };
    let manager = call.manager(&options, operation, &now, &mut names);
    let resource = call.target.resource;
    let expected = call.expected();
    let scaled = call.target.subresource_name() == "scale";
    let updated = if kind == PatchKind::Apply {
        return Err(crate::api::action::apply_not_built());
    } else {
        let patch = Patch {
            kind,
            text: &text,
            ty: expected.ty,
            defaults: (!scaled).then_some(resource),
            validation: options.field_validation,
            context: call.context,
            type_meta: (expected.kind, expected.api_version()),
        };
        if scaled {
            let change = Scaled { change: patch, resource };
            api.registry.update(&attributes, &options, manager, &change).await?
        } else {
            stored::storage(resource)?;
            api.registry.update(&attributes, &options, manager, &patch).await?
        }
    };
    let bytes = super::get::encode(call, &updated.entry)?;
    Ok(Answer::object(if updated.created { 201 } else { 200 }, &call.form, bytes))
}
