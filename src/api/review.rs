//! Access reviews: what the authorizer would say, asked as an object
//! (`pkg/registry/authorization`).

use super::Api;
use super::answer::Answer;
use super::call::Call;
use super::object::encode_value;
use crate::authz::Action;
use crate::object::field::{FieldError, Path};
use crate::object::{Map, Value};
use crate::request::{Fault, RequestInfo, Result, Subject, User, Verb};
use bumpalo::Bump;
use std::borrow::Cow;

/// True for the resources that this module answers.
pub fn is_review(resource: &str) -> bool {
    matches!(
        resource,
        "localsubjectaccessreviews" | "selfsubjectaccessreviews" | "subjectaccessreviews"
    )
}

/// Fills in the status of the review and answers it.
///
/// # Errors
/// 422 for a review that asks for nothing or for two things.
pub fn serve(api: &Api, call: &Call<'_>, review: &Value<'_>, arena: &Bump) -> Result<Answer> {
    let mut review = review.copy_in(arena);
    let status = decide(api, call, &review, arena)?;
    if let Some(map) = review.as_map_mut() {
        map.insert("status", status);
    }
    let form = call.form.whole();
    let body = encode_value(&form, call.target.resource.ty, &review)?;
    Ok(Answer::object(201, &form, body))
}

fn decide<'a>(
    api: &Api,
    call: &Call<'_>,
    review: &Value<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    check(call, review)?;
    let own = call.target.resource.name == "selfsubjectaccessreviews";
    let asked = if own { User::clone(&call.context.user) } else { user_of(review) };
    let attributes = |name: &str| review.at(&["spec", "resourceAttributes", name]);
    let text = |name: &str| attributes(name).and_then(Value::as_str).unwrap_or("");
    let is_resource = review.at(&["spec", "resourceAttributes"]).is_some();
    let path = review.str_at(&["spec", "nonResourceAttributes", "path"]);
    let info = RequestInfo {
        path,
        is_resource,
        verb: Verb::None,
        group: text("group"),
        version: text("version"),
        namespace: text("namespace"),
        resource: text("resource"),
        subresource: text("subresource"),
        name: Cow::Borrowed(text("name")),
        named: !text("name").is_empty(),
        rest: "",
        watch_prefix: false,
    };
    let verb = match is_resource {
        true => text("verb"),
        false => review.str_at(&["spec", "nonResourceAttributes", "verb"]),
    };
    let allowed = api.authorizer.authorize(&asked, Action { info: &info, verb }).is_ok();
    let mut status = Map::new_in(arena);
    status.push_unique("allowed", Value::Bool(allowed));
    Ok(Value::Map(status))
}

/// Exactly one kind of attributes, and somebody to ask about.
fn check(call: &Call<'_>, review: &Value<'_>) -> Result<()> {
    let resource = call.target.resource;
    let spec = Path::root("spec");
    let mut errors = Vec::new();
    let attributes = review.at(&["spec", "resourceAttributes"]).is_some();
    let path = review.at(&["spec", "nonResourceAttributes"]).is_some();
    if attributes && path {
        let field = spec.child("nonResourceAttributes");
        let text = "cannot be specified in combination with resourceAttributes";
        errors.push(FieldError::invalid(&field, "", text));
    }
    if !attributes && !path {
        let field = spec.child("resourceAttributes");
        let text = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(FieldError::invalid(&field, &Value::Null, text));
    }
    let own = resource.name == "selfsubjectaccessreviews";
    let nobody = review.str_at(&["spec", "user"]).is_empty()
        && review.list_at(&["spec", "groups"]).is_empty();
    if !own && nobody {
        let field = spec.child("user");
        let text = "at least one of user or group must be specified";
        errors.push(FieldError::invalid(&field, "", text));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let subject = Subject {
        group: resource.group.into(),
        resource: resource.kind.into(),
        name: String::new(),
    };
    Err(Fault::Invalid { subject, errors })
}

/// The user that a review asks about.
fn user_of(review: &Value<'_>) -> User {
    let groups = review.list_at(&["spec", "groups"]).iter().filter_map(Value::as_str);
    User {
        name: review.str_at(&["spec", "user"]).to_owned(),
        uid: review.str_at(&["spec", "uid"]).to_owned(),
        groups: groups.map(str::to_owned).collect(),
        extra: Vec::new(),
    }
}
