//! DELETE of one object.

use super::create::delete_options;
use crate::api::Api;
use crate::api::answer::Answer;
use crate::api::call::{Call, read_body};
use crate::api::object;
use crate::api::status::{self, Details};
use crate::authz::{Action, Verdict};
use crate::http::RequestBody;
use crate::object::Arena;
use crate::registry::stored;
use crate::request::{Attributes, Fault, Operation, Result, Sent};

/// Deletes or marks, and answers the object or a Status.
///
/// # Errors
/// 400, 403, 404, 409, 422.
pub async fn serve(api: &Api, call: &Call<'_>, request: RequestBody) -> Result<Answer> {
    let bytes = read_body(request).await?;
    let options = delete_options(call, &bytes, api.unsafe_deletion)?;
    let attributes = call.attributes(Operation::Delete, options.dry_run);
    let attributes = Attributes { sent: Sent::Delete(&options), ..attributes };
    let resource = call.target.resource;
    if options.ignore_read_error {
        return delete_unreadable(api, call, &attributes).await;
    }
    let deleted = api.registry.delete(&attributes, &options).await?;
    if !deleted.removed || stored::storage(resource)?.returns_deleted {
        // 202 only for those who asked not to orphan and whose object is still there.
        let accepted = !deleted.removed && options.orphan_dependents == Some(false);
        let entry = api.registry.in_version(resource, &deleted.entry).await?;
        let body = object::encode(&call.target, &call.form, &entry)?;
        return Ok(Answer::object(if accepted { 202 } else { 200 }, &call.form, body));
    }
    let details = Details {
        name: deleted.entry.name().to_owned(),
        group: resource.group.to_owned(),
        kind: resource.name.to_owned(),
        uid: deleted.entry.uid().to_owned(),
        ..Details::default()
    };
    succeed(call, &details, None)
}

fn succeed(call: &Call<'_>, details: &Details, code: Option<u16>) -> Result<Answer> {
    let arena = Arena::new();
    let value = status::success(Some(details), code, &arena);
    let form = call.form.whole();
    let body = object::encode_value(&form, stored::status_type(), &value)?;
    Ok(Answer::object(200, &form, body))
}

/// Removes an object that cannot be read, as it is: no precondition, finalizer or admission plugin
/// is asked. The right to do that is one of its own (`authorizeUnsafeDelete`).
async fn delete_unreadable(
    api: &Api,
    call: &Call<'_>,
    attributes: &Attributes<'_>,
) -> Result<Answer> {
    const VERB: &str = "unsafe-delete-ignore-read-errors";
    call.context.annotate("apiserver.k8s.io/unsafe-delete-ignore-read-error", "");
    let resource = call.target.resource;
    let subject = stored::subject(resource, attributes.name);
    let forbid = |message| Fault::Forbidden { subject: subject.clone(), message, cause: None };
    if !attributes.subresource.is_empty() {
        return Err(forbid(
            "ignoreStoreReadErrorWithClusterBreakingPotential delete option is not allowed on a \
             subresource or non-resource request"
                .to_owned(),
        ));
    }
    let action = Action {
        verb: VERB,
        group: resource.group,
        version: resource.version,
        namespace: attributes.namespace,
        name: attributes.name,
        ..Action::resource(resource.name)
    };
    let decision = api.authorizer.decide(&attributes.context.user, &action, false).await;
    if decision.verdict != Verdict::Allow {
        let why = format!("not permitted to do {VERB:?}, reason: {}", decision.reason);
        return Err(forbid(why));
    }
    api.registry.delete_unreadable(attributes).await?;
    let details = Details {
        name: attributes.name.to_owned(),
        kind: resource.kind.to_owned(),
        ..Details::default()
    };
    succeed(call, &details, Some(200))
}
