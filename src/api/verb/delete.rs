//! DELETE of one object.

use super::create::delete_options;
use crate::api::Api;
use crate::api::answer::Answer;
use crate::api::call::{Call, read_body};
use crate::api::object;
use crate::api::status::{self, Details};
use crate::http::RequestBody;
use crate::object::Arena;
use crate::registry::stored;
use crate::request::{Attributes, Operation, Result, Sent};

/// Deletes or marks, and answers the object or a Status.
///
/// # Errors
/// 400, 403, 404, 409, 422.
pub async fn serve(api: &Api, call: &Call<'_>, request: RequestBody) -> Result<Answer> {
    let bytes = read_body(request).await?;
    let options = delete_options(call, &bytes)?;
    let attributes = call.attributes(Operation::Delete, options.dry_run);
    let attributes = Attributes { sent: Sent::Delete(&options), ..attributes };
    let resource = call.target.resource;
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
    let arena = Arena::new();
    let value = status::success(Some(&details), None, &arena);
    let form = call.form.whole();
    let body = object::encode_value(&form, stored::status_type(), &value)?;
    Ok(Answer::object(200, &form, body))
}
