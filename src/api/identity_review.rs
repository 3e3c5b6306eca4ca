//! Who somebody is, asked as an object: TokenReview and SelfSubjectReview
//! (`pkg/registry/authentication`).

use super::Api;
use super::answer::Answer;
use super::call::{Call, WriterNames};
use super::object::encode_value;
use super::verb::create::check_namespace;
use crate::authn::Identity;
use crate::base::{clock, timestamp};
use crate::object::{List, Map, Value, managed};
use crate::registry::{Admit as _, meta};
use crate::request::{Attributes, Fault, Operation, Result, User, WriteOptions};
use bumpalo::Bump;

/// True for the resources that this module answers.
pub fn is_identity_review(resource: &str) -> bool {
    matches!(resource, "selfsubjectreviews" | "tokenreviews")
}

/// Answers the review.
///
/// # Errors
/// 400 for a review of no token, 403 of admission.
pub async fn serve<'a>(
    api: &Api,
    call: &Call<'_>,
    options: &WriteOptions,
    review: &Value<'a>,
    arena: &'a Bump,
) -> Result<Answer> {
    let mut review = review.copy_in(arena);
    meta::wipe_system_fields(&mut review, arena);
    check_namespace(call, &mut review, arena)?;
    let now = timestamp::rfc3339(clock::unix_seconds());
    let ty = call.target.resource.ty;
    let mut names = WriterNames::default();
    let writer = call.writer(options, &now, &mut names);
    managed::update(arena, Some(ty), None, &mut review, &writer);
    let at = call.attributes(Operation::Create, options.dry_run);
    let at = Attributes { name: meta::name(&review), ..at };
    api.registry.admit.mutate(&at, &mut review, None, arena).await?;
    let made = if call.target.resource.name == "tokenreviews" {
        review_token(api, call, &at, review, arena).await?
    } else {
        api.registry.admit.validate(&at, &review, None).await?;
        let mut made = Value::map_in(arena);
        meta::metadata_mut(&mut made, arena).insert("creationTimestamp", Value::Str(&now));
        set_status(&mut made, |status| {
            status.push_unique("userInfo", user_info(&call.context.user, arena));
        });
        typed(call, made, arena)
    };
    let form = call.form.whole();
    let body = encode_value(&form, ty, &made)?;
    Ok(Answer::object(201, &form, body))
}

/// Shows the token to the real authenticators (`tokenreview.REST.Create`).
async fn review_token<'a>(
    api: &Api,
    call: &Call<'_>,
    at: &Attributes<'_>,
    mut review: Value<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let token = review.str_at(&["spec", "token"]);
    if token.is_empty() {
        let text = "token is required for TokenReview in authentication";
        return Err(Fault::BadRequest(text.into()));
    }
    api.registry.admit.validate(at, &review, None).await?;
    let asked = review.list_at(&["spec", "audiences"]).iter().filter_map(Value::as_str);
    let mut audiences: Vec<String> = asked.map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences = api.authenticator.audiences().to_vec();
    }
    let found = api.authenticator.review(token, &audiences, call.context).await;
    if let Ok(identity) = &found
        && !audiences.is_empty()
        && !identity.audiences.iter().any(|audience| audiences.contains(audience))
    {
        return Err(Fault::Internal("error validating audience".into()));
    }
    // What nobody is asked about stays as it was sent.
    let Some(status) = review.as_map_mut().map(|review| review.entry_map("status")) else {
        return Ok(review);
    };
    match &found {
        Ok(Identity { user, audiences, .. }) => {
            status.insert("authenticated", Value::Bool(true));
            status.insert("user", user_info(user, arena));
            status.remove("audiences");
            if !audiences.is_empty() {
                status.insert("audiences", texts(audiences, arena));
            }
        }
        Err(failure) => {
            status.remove("authenticated");
            status.entry_map("user");
            status.insert("error", Value::str_in(&failure.to_string(), arena));
        }
    }
    Ok(review)
}

fn set_status<'a>(review: &mut Value<'a>, fill: impl FnOnce(&mut Map<'a>)) {
    let Some(map) = review.as_map_mut() else { return };
    map.remove("status");
    fill(map.entry_map("status"));
}

/// With kind and apiVersion.
fn typed<'a>(call: &Call<'_>, mut object: Value<'a>, arena: &'a Bump) -> Value<'a> {
    let expected = call.expected();
    if let Some(map) = object.as_map_mut() {
        map.insert("kind", Value::str_in(expected.kind, arena));
        let version = format!("{}/{}", expected.group, expected.version);
        map.insert("apiVersion", Value::str_in(&version, arena));
    }
    object
}

/// `authentication.v1.UserInfo`.
fn user_info<'a>(user: &User, arena: &'a Bump) -> Value<'a> {
    let mut info = Map::new_in(arena);
    info.push_unique("username", Value::str_in(&user.name, arena));
    if !user.uid.is_empty() {
        info.push_unique("uid", Value::str_in(&user.uid, arena));
    }
    if !user.groups.is_empty() {
        info.push_unique("groups", texts(&user.groups, arena));
    }
    if !user.extra.is_empty() {
        let extra = info.entry_map("extra");
        for (key, values) in &user.extra {
            extra.push_unique(arena.alloc_str(key), texts(values, arena));
        }
    }
    Value::Map(info)
}

fn texts<'a>(texts: &[String], arena: &'a Bump) -> Value<'a> {
    let mut list = List::with_capacity_in(texts.len(), arena);
    list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
    Value::List(list)
}
