//! Access reviews: what the authorizers would say, asked as an object
//! (`pkg/registry/authorization`).

use super::Api;
use super::answer::Answer;
use super::call::{Call, WriterNames};
use super::object::encode_value;
use super::verb::create::check_namespace;
use crate::authz::rbac::aggregate;
use crate::authz::{Action, Decision, Rule, Verdict};
use crate::base::{clock, timestamp};
use crate::object::field::{FieldError, Path};
use crate::object::selector::{
    FieldRequirement, FieldSelector, LabelOperator, LabelRequirement, LabelSelector,
};
use crate::object::{List, Map, Value, managed};
use crate::registry::meta;
use crate::registry::validation::selector;
use crate::request::{Fault, Result, Subject, User, WriteOptions};
use bumpalo::Bump;

const LOCAL: &str = "localsubjectaccessreviews";
const OWN: &str = "selfsubjectaccessreviews";
const RULES: &str = "selfsubjectrulesreviews";

/// True for the resources that this module answers.
pub fn is_access_review(resource: &str) -> bool {
    matches!(resource, LOCAL | OWN | RULES | "subjectaccessreviews")
}

/// Fills in the status of the review and answers it.
///
/// # Errors
/// 400 for a namespace that is missing or another one, 422 for a review that asks for nothing or
/// for two things.
pub async fn serve<'a>(
    api: &Api,
    call: &Call<'_>,
    options: &WriteOptions,
    review: &Value<'a>,
    arena: &'a Bump,
) -> Result<Answer> {
    let resource = call.target.resource;
    let mut review = review.copy_in(arena);
    let now = timestamp::rfc3339(clock::unix_seconds());
    let mut names = WriterNames::default();
    let writer = call.writer(options, &now, &mut names);
    meta::wipe_system_fields(&mut review, arena);
    managed::update(arena, Some(resource.ty), None, &mut review, &writer);
    if resource.namespaced {
        check_namespace(call, &mut review, arena)?;
    }
    let status = if resource.name == RULES {
        let status = rules(api, call, &review, arena)?;
        // Upstream answers a new object, which says nothing but its status.
        if let Some(map) = review.as_map_mut() {
            map.insert("metadata", Value::map_in(arena));
            map.insert("spec", Value::map_in(arena));
        }
        status
    } else {
        check(call, &review)?;
        access(api, call, &review, arena).await
    };
    if let Some(map) = review.as_map_mut() {
        map.insert("status", status);
    }
    let form = call.form.whole();
    let body = encode_value(&form, resource.ty, &review)?;
    Ok(Answer::object(201, &form, body))
}

/// `SubjectAccessReviewStatus`.
async fn access<'a>(api: &Api, call: &Call<'_>, review: &Value<'_>, arena: &'a Bump) -> Value<'a> {
    let own = call.target.resource.name == OWN;
    let asked = if own { (*call.context.user).clone() } else { user_of(review) };
    let (decision, ignored) = match review.at(&["spec", "resourceAttributes"]) {
        Some(attributes) => {
            let (fields, labels, ignored) = selectors(attributes);
            let text = |name: &str| attributes.str_at(&[name]);
            let version = text("version");
            let action = Action {
                verb: text("verb"),
                is_resource: true,
                group: text("group"),
                version: if version.is_empty() { "*" } else { version },
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                path: "",
                fields: &fields,
                labels: &labels,
            };
            (api.authorizer.decide(&asked, &action, true).await, ignored)
        }
        None => {
            let path = review.str_at(&["spec", "nonResourceAttributes", "path"]);
            let verb = review.str_at(&["spec", "nonResourceAttributes", "verb"]);
            let action = Action { verb, ..Action::path(path) };
            (api.authorizer.decide(&asked, &action, true).await, Vec::new())
        }
    };
    let Decision { verdict, reason, error } = decision;
    let mut status = Map::new_in(arena);
    status.push_unique("allowed", Value::Bool(verdict == Verdict::Allow));
    if verdict == Verdict::Deny {
        status.push_unique("denied", Value::Bool(true));
    }
    if !reason.is_empty() {
        status.push_unique("reason", Value::str_in(&reason, arena));
    }
    let errors: Vec<String> = error.into_iter().chain(ignored).collect();
    if !errors.is_empty() {
        status.push_unique("evaluationError", Value::str_in(&errors.join("; "), arena));
    }
    Value::Map(status)
}

/// What the field selector of a review requires, and what of its selectors is passed over
/// (`ResourceAttributesFrom`, `BuildEvaluationError`).
fn selectors(
    attributes: &Value<'_>,
) -> (Vec<FieldRequirement>, Vec<LabelRequirement>, Vec<String>) {
    let mut ignored = Vec::new();
    let mut ignore = |selector: &str, partially: bool| {
        let how = if partially { "partially ignored" } else { "ignored" };
        let of = format!("spec.resourceAttributes.{selector}");
        ignored.push(format!("{of} {how} due to parse error"));
    };
    let (mut fields, mut labels) = (Vec::new(), Vec::new());
    if let Some(selector) = attributes.get("fieldSelector") {
        let raw = selector.str_at(&["rawSelector"]);
        let requirements = selector.list_at(&["requirements"]);
        match FieldSelector::parse(raw) {
            Ok(parsed) => fields.extend_from_slice(parsed.requirements()),
            Err(_) => ignore("fieldSelector", false),
        }
        if !requirements.is_empty() {
            fields = requirements.iter().filter_map(field_requirement).collect();
            if fields.len() < requirements.len() {
                ignore("fieldSelector", !fields.is_empty());
            }
        }
    }
    if let Some(selector) = attributes.get("labelSelector") {
        let raw = selector.str_at(&["rawSelector"]);
        let requirements = selector.list_at(&["requirements"]);
        labels = requirements.iter().filter_map(label_requirement).collect();
        if labels.len() < requirements.len() {
            ignore("labelSelector", !labels.is_empty());
        } else if requirements.is_empty() {
            match LabelSelector::parse(raw) {
                Ok(parsed) => labels.extend_from_slice(parsed.requirements()),
                Err(_) => ignore("labelSelector", false),
            }
        }
    }
    (fields, labels, ignored)
}

/// Field selectors know one value and two operators (`fieldSelectorAsSelector`).
fn field_requirement(requirement: &Value<'_>) -> Option<FieldRequirement> {
    let [value] = requirement.list_at(&["values"]) else { return None };
    let negated = match requirement.str_at(&["operator"]) {
        "In" => false,
        "NotIn" => true,
        _ => return None,
    };
    let (field, value) = (requirement.str_at(&["key"]).to_owned(), value.as_str()?.to_owned());
    Some(FieldRequirement { field, negated, value })
}

/// `labelSelectorAsSelector`; a requirement that cannot be one is left out.
fn label_requirement(requirement: &Value<'_>) -> Option<LabelRequirement> {
    let values = requirement.list_at(&["values"]).iter().filter_map(Value::as_str);
    let values: Vec<String> = values.map(str::to_owned).collect();
    let operator = match requirement.str_at(&["operator"]) {
        "In" => LabelOperator::In,
        "NotIn" => LabelOperator::NotIn,
        "Exists" => LabelOperator::Exists,
        "DoesNotExist" => LabelOperator::DoesNotExist,
        _ => return None,
    };
    let lists = matches!(operator, LabelOperator::In | LabelOperator::NotIn);
    if lists == values.is_empty() {
        return None;
    }
    LabelRequirement::new(requirement.str_at(&["key"]).to_owned(), operator, values).ok()
}

/// `SubjectRulesReviewStatus`.
fn rules<'a>(api: &Api, call: &Call<'_>, review: &Value<'_>, arena: &'a Bump) -> Result<Value<'a>> {
    let namespace = review.str_at(&["spec", "namespace"]);
    if namespace.is_empty() {
        return Err(Fault::BadRequest("no namespace on request".into()));
    }
    let found = api.authorizer.rules_for(&call.context.user, namespace);
    let (mut resources, mut urls) = (List::new_in(arena), List::new_in(arena));
    for rule in &found.rules {
        let Rule { verbs, groups, names, .. } = rule;
        let of_urls = [("verbs", &**verbs), ("nonResourceURLs", &*rule.urls)];
        let of_resources = [
            ("verbs", &**verbs),
            ("apiGroups", &**groups),
            ("resources", &*rule.resources),
            ("resourceNames", &**names),
        ];
        if !rule.resources.is_empty() {
            resources.push(texts(&of_resources, arena));
        }
        if !rule.urls.is_empty() {
            urls.push(texts(&of_urls, arena));
        }
    }
    let mut status = Map::new_in(arena);
    status.push_unique("resourceRules", Value::List(resources));
    status.push_unique("nonResourceRules", Value::List(urls));
    status.push_unique("incomplete", Value::Bool(found.incomplete));
    if !found.errors.is_empty() {
        let error = aggregate(&found.errors);
        status.push_unique("evaluationError", Value::str_in(&error, arena));
    }
    Ok(Value::Map(status))
}

fn texts<'a>(lists: &[(&'static str, &[Box<str>])], arena: &'a Bump) -> Value<'a> {
    let mut map = Map::new_in(arena);
    for (name, texts) in lists.iter().filter(|(_, texts)| !texts.is_empty()) {
        let mut list = List::with_capacity_in(texts.len(), arena);
        list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
        map.push_unique(name, Value::List(list));
    }
    Value::Map(map)
}

/// Exactly one kind of attributes, and somebody to ask about
/// (`ValidateSubjectAccessReview` and its siblings).
fn check(call: &Call<'_>, review: &Value<'_>) -> Result<()> {
    let resource = call.target.resource;
    let spec = Path::root("spec");
    let mut errors = Vec::new();
    let attributes = review.at(&["spec", "resourceAttributes"]);
    let path = review.at(&["spec", "nonResourceAttributes"]);
    match (attributes, path) {
        (Some(_), Some(path)) => {
            let text = "cannot be specified in combination with resourceAttributes";
            errors.push(bad_path(path, text));
        }
        (None, None) => {
            let field = spec.child("resourceAttributes");
            let text =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(FieldError::invalid(&field, &Value::Null, text));
        }
        _ => {}
    }
    let nobody = review.str_at(&["spec", "user"]).is_empty()
        && review.list_at(&["spec", "groups"]).is_empty();
    if resource.name != OWN && nobody {
        let text = "at least one of user or group must be specified";
        errors.push(FieldError::invalid(&spec.child("user"), "", text));
    }
    if let Some(attributes) = attributes {
        check_selectors(attributes, &spec.child("resourceAttributes"), &mut errors);
    }
    check_metadata(review, resource.name == LOCAL, &mut errors);
    if resource.name == LOCAL {
        let own = review.str_at(&["metadata", "namespace"]);
        let asked = attributes.map_or(own, |attributes| attributes.str_at(&["namespace"]));
        if asked != own {
            let field = Path::root("spec.resourceAttributes.namespace");
            errors.push(FieldError::invalid(&field, asked, "must match metadata.namespace"));
        }
        if let Some(path) = path {
            errors.push(bad_path(path, "disallowed on this kind of request"));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    // Upstream takes the kind from the decoded object, where it is not set.
    let subject = Subject { group: resource.group.into(), ..Subject::default() };
    Err(Fault::Invalid { subject, errors })
}

/// An error that shows the attributes as upstream's internal type.
fn bad_path(attributes: &Value<'_>, text: &str) -> FieldError {
    let (path, verb) = (attributes.str_at(&["path"]), attributes.str_at(&["verb"]));
    let shown = format!("{{\"Path\":{path:?},\"Verb\":{verb:?}}}");
    let field = Path::root("spec.nonResourceAttributes");
    FieldError::invalid(&field, &Value::Raw(&shown), text)
}

fn check_metadata(review: &Value<'_>, local: bool, errors: &mut Vec<FieldError>) {
    let Some(metadata) = review.get("metadata").and_then(Value::as_map) else { return };
    let counts = |(key, value): (&str, &Value<'_>)| {
        // A namespace was taken from what has none before this is looked at.
        !matches!(key, "managedFields" | "namespace") && !value.is_empty()
    };
    if !metadata.iter().any(counts) {
        return;
    }
    let text = if local { "must be empty except for namespace" } else { "must be empty" };
    let shown = review.get("metadata").unwrap_or(&Value::Null);
    errors.push(FieldError::invalid(&Path::root("metadata"), shown, text));
}

fn check_selectors(attributes: &Value<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for name in ["fieldSelector", "labelSelector"] {
        let Some(selector) = attributes.get(name) else { continue };
        let path = path.child(name);
        let raw = selector.str_at(&["rawSelector"]);
        let requirements = selector.list_at(&["requirements"]);
        if !raw.is_empty() && !requirements.is_empty() {
            let text = "may not specified at the same time as requirements";
            errors.push(FieldError::invalid(&path.child("rawSelector"), raw, text));
        }
        if raw.is_empty() && requirements.is_empty() {
            let text = format!("when {path} is specified, requirements or rawSelector is required");
            errors.push(FieldError::required(&path.child("requirements"), &text));
        }
        let list = path.child("requirements");
        for (at, requirement) in requirements.iter().enumerate() {
            let at = list.index(at);
            if name == "labelSelector" {
                selector::requirement(requirement, true, &at, errors);
            } else {
                check_requirement(requirement, &at, errors);
            }
        }
    }
}

/// Operators that are not known here may be known to others, and are let pass.
fn check_requirement(requirement: &Value<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if requirement.str_at(&["key"]).is_empty() {
        errors.push(FieldError::required(&path.child("key"), "must be specified"));
    }
    let values = requirement.list_at(&["values"]);
    match requirement.str_at(&["operator"]) {
        "In" | "NotIn" if values.is_empty() => {
            let text = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(&path.child("values"), text));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&path.child("values"), text));
        }
        _ => {}
    }
}

/// The user that a review asks about.
fn user_of(review: &Value<'_>) -> User {
    let texts = |list: &[Value<'_>]| -> Vec<String> {
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let extra = review.at(&["spec", "extra"]).and_then(Value::as_map);
    let mut extra: Vec<(String, Vec<String>)> = extra
        .into_iter()
        .flat_map(Map::iter)
        .map(|(key, values)| {
            (key.to_owned(), texts(values.as_list().map_or(&[], |list| list.as_slice())))
        })
        .collect();
    extra.sort_unstable();
    User {
        name: review.str_at(&["spec", "user"]).to_owned(),
        uid: review.str_at(&["spec", "uid"]).to_owned(),
        groups: texts(review.list_at(&["spec", "groups"])),
        extra,
    }
}
