//! DELETE of a collection: lists, deletes each, answers what was listed.

use super::create::delete_options;
use super::list::{self, Scope};
use crate::api::Api;
use crate::api::answer::Answer;
use crate::api::call::{Call, read_body};
use crate::http::RequestBody;
use crate::request::{
    Attributes, Fault, ListOptions, Operation, Result, Sent, Subject, bad_read_error_option,
};

/// Deletes every object that the options select.
///
/// # Errors
/// Those of list, and the first of delete that is not 404.
pub async fn serve(api: &Api, call: &Call<'_>, request: RequestBody) -> Result<Answer> {
    let bytes = read_body(request).await?;
    let list_options = ListOptions::parse(call.query, false)?;
    let options = delete_options(call, &bytes, api.unsafe_deletion)?;
    if options.ignore_read_error {
        let of = ("meta.k8s.io", "DeleteOptions");
        let subject = Subject { group: of.0.into(), resource: of.1.into(), name: String::new() };
        let why = "is not allowed with DELETECOLLECTION, try again after removing the option";
        return Err(bad_read_error_option(subject, why));
    }
    let scope = Scope { namespace: call.info.namespace, name: "" };
    let cache = &api.registry.cache;
    let page = list::read_page(cache, &call.target, scope, &list_options).await?;
    let attributes = call.attributes(Operation::Delete, options.dry_run);
    let attributes = Attributes { sent: Sent::Delete(&options), ..attributes };
    for entry in &page.entries {
        let at = Attributes { name: entry.name(), ..attributes };
        match api.registry.delete(&at, &options).await {
            Ok(_) | Err(Fault::NotFound(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    let body = list::encode(&call.target, &call.form, scope, page)?;
    Ok(Answer::stream(200, call.form.content_type(), body))
}
