//! Requests that act rather than store: bindings, component statuses, and the places of those that
//! are not built yet.

use super::Api;
use super::access_review;
use super::answer::Answer;
use super::call::Call;
use super::eviction;
use super::identity_review;
use super::object::encode_value;
use super::route::Target;
use super::status;
use super::token_request;
use super::verb::create::check_namespace;
use crate::base::{clock, timestamp};
use crate::catalog::catalog;
use crate::codec::json;
use crate::codec::media::Format;
use crate::object::{Arena, List, Map, Value};
use crate::registry::body::Expected;
use crate::registry::{Admit as _, failed_precondition, meta, stored};
use crate::request::{Attributes, Fault, Operation, Result, Subject, Verb, WriteOptions};
use bumpalo::Bump;

const COMPONENTS: [&str; 3] = ["controller-manager", "etcd-0", "scheduler"];

/// The answer to what kube-apiserver has and this server does not yet.
pub fn not_built(target: &Target) -> Fault {
    let (resource, subresource) = (target.resource.name, target.subresource_name());
    let what = if subresource.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}/{subresource}")
    };
    Fault::Unavailable(format!("{what} is not built yet in this version of kubering"))
}

/// The kind that a body must hold; evictions are also taken in their older version.
pub fn expected(call: &Call<'_>, bytes: &[u8], media: Format) -> Expected {
    let expected = call.expected();
    if media == Format::Json && call.target.subresource_name() == "eviction" {
        let arena = Bump::new();
        let old = json::peek_type_meta(bytes, &arena);
        if old.is_ok_and(|found| found.api_version == "policy/v1beta1") {
            return Expected { version: "v1beta1", ..expected };
        }
    }
    expected
}

/// POST of a subresource or of a resource that is not stored.
///
/// # Errors
/// Those of the action.
pub async fn create<'a>(
    api: &Api,
    call: &Call<'_>,
    options: &WriteOptions,
    object: Value<'a>,
    arena: &'a Bump,
) -> Result<Answer> {
    match (call.target.resource.name, call.target.subresource_name()) {
        ("pods", "binding") | ("bindings", "") => bind(api, call, options, &object, arena).await,
        ("pods", "eviction") => Box::pin(eviction::serve(api, call, options, &object, arena)).await,
        ("serviceaccounts", "token") => {
            token_request::serve(api, call, options, &object, arena).await
        }
        (resource, "") if identity_review::is_identity_review(resource) => {
            identity_review::serve(api, call, options, &object, arena).await
        }
        (resource, "") if access_review::is_access_review(resource) => {
            access_review::serve(api, call, options, &object, arena).await
        }
        _ => Err(not_built(&call.target)),
    }
}

/// GET and LIST of a resource that is not stored.
///
/// # Errors
/// 404 for an unknown component.
pub fn read(_: &Api, call: &Call<'_>) -> Result<Answer> {
    if call.target.resource.name != "componentstatuses" {
        return Err(not_built(&call.target));
    }
    let arena = Arena::new();
    let resource = call.target.resource;
    if call.target.verb == Verb::Get {
        let name = &*call.info.name;
        if !COMPONENTS.contains(&name) {
            let subject = Subject {
                resource: "componentstatus".into(),
                name: name.into(),
                ..Subject::default()
            };
            return Err(Fault::NotFound(subject));
        }
        let value = component(name, true, &arena);
        let body = super::object::encode_made(&call.target, &call.form, resource.ty, &value)?;
        return Ok(Answer::object(200, &call.form, body));
    }
    let mut map = Map::new_in(&arena);
    map.push_unique("kind", Value::Str(resource.list_kind));
    map.push_unique("apiVersion", Value::Str("v1"));
    map.push_unique("metadata", Value::map_in(&arena));
    let mut items = List::new_in(&arena);
    items.extend(COMPONENTS.iter().map(|name| component(name, false, &arena)));
    map.push_unique("items", Value::List(items));
    let ty = resource.list_ty.ok_or_else(|| not_built(&call.target))?;
    let body = encode_value(&call.form.whole(), ty, &Value::Map(map))?;
    Ok(Answer::object(200, &call.form.whole(), body))
}

/// The store is this process's own; the controllers run elsewhere and are not asked.
fn component<'a>(name: &str, typed: bool, arena: &'a Bump) -> Value<'a> {
    let mut map = Map::new_in(arena);
    if typed {
        map.push_unique("kind", Value::Str("ComponentStatus"));
        map.push_unique("apiVersion", Value::Str("v1"));
    }
    map.entry_map("metadata").push_unique("name", Value::str_in(name, arena));
    let known = name == "etcd-0";
    let mut condition = Map::new_in(arena);
    condition.push_unique("type", Value::Str("Healthy"));
    condition.push_unique("status", Value::Str(if known { "True" } else { "Unknown" }));
    let text = if known { "ok" } else { "not probed by this server" };
    condition.push_unique("message", Value::Str(text));
    let mut conditions = List::new_in(arena);
    conditions.push(Value::Map(condition));
    map.push_unique("conditions", Value::List(conditions));
    Value::Map(map)
}

/// Assigns a pod to a node (`BindingREST`, `assignPod`).
async fn bind(
    api: &Api,
    call: &Call<'_>,
    options: &WriteOptions,
    given: &Value<'_>,
    arena: &Bump,
) -> Result<Answer> {
    let name = match call.target.subresource {
        Some(_) => &*call.info.name,
        None => meta::name(given),
    };
    let pods = catalog().resource("", "v1", "pods").ok_or_else(|| not_built(&call.target))?;
    let attributes = call.attributes(Operation::Create, options.dry_run);
    let attributes = Attributes { resource: pods, name, subresource: "binding", ..attributes };
    let mut admitted = given.copy_in(arena);
    check_namespace(call, &mut admitted, arena)?;
    api.registry.admit.mutate(&attributes, &mut admitted, None, arena).await?;
    let binding = &admitted;
    let own = meta::name(binding);
    if own != name {
        return Err(Fault::BadRequest("name in URL does not match name in Binding object".into()));
    }
    let kind = binding.str_at(&["target", "kind"]);
    if !matches!(kind, "" | "Node") {
        return Err(Fault::Plain(format!(
            "target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""
        )));
    }
    let node = binding.str_at(&["target", "name"]);
    if node.is_empty() {
        return Err(Fault::Plain("target.name: Required value".into()));
    }
    api.registry.admit.validate(&attributes, binding, None).await?;
    let pinned = call.target.subresource.is_some();
    let key = stored::storage(pods)?.key(attributes.namespace, name);
    let now = timestamp::rfc3339(clock::unix_seconds());
    api.registry
        .change_stored(&attributes, |pod, arena| {
            if pinned {
                check_preconditions(&attributes, &key, binding, pod)?;
            }
            assign(pod, binding, node, arena)?;
            set_scheduled(pod, &now, arena);
            Ok(())
        })
        .await?;
    let value = status::success(None, Some(201), arena);
    let form = call.form.whole();
    let body = encode_value(&form, stored::status_type(), &value)?;
    Ok(Answer::object(201, &form, body))
}

/// The uid and revision of a binding are those that the pod must have; of what is posted to
/// `bindings` they do not count.
fn check_preconditions(
    at: &Attributes<'_>,
    key: &[u8],
    binding: &Value<'_>,
    pod: &Value<'_>,
) -> Result<()> {
    for (what, name) in [("UID", "uid"), ("ResourceVersion", "resourceVersion")] {
        let [asked, found] = [binding, pod].map(|object| object.str_at(&["metadata", name]));
        if !asked.is_empty() && asked != found {
            return Err(failed_precondition(at, key, (what, asked, found)));
        }
    }
    Ok(())
}

fn assign<'a>(pod: &mut Value<'a>, binding: &Value<'_>, node: &str, arena: &'a Bump) -> Result<()> {
    let name = meta::name(pod);
    let conflict = |message: String| {
        let subject =
            Subject { group: "".into(), resource: "pods/binding".into(), name: name.into() };
        Err(Fault::Conflict { subject, message })
    };
    if meta::is_deleting(pod) {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let assigned = pod.str_at(&["spec", "nodeName"]);
    if !assigned.is_empty() {
        return conflict(format!("pod {name} is already assigned to node {assigned:?}"));
    }
    if !pod.list_at(&["spec", "schedulingGates"]).is_empty() {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let Some(map) = pod.as_map_mut() else { return Ok(()) };
    map.entry_map("spec").insert("nodeName", Value::str_in(node, arena));
    map.entry_map("status").remove("nominatedNodeName");
    let metadata = map.entry_map("metadata");
    for field in ["annotations", "labels"] {
        let Some(entries) = binding.at(&["metadata", field]).and_then(Value::as_map) else {
            continue;
        };
        let target = metadata.entry_map(field);
        for (key, value) in entries.iter() {
            target.insert(arena.alloc_str(key), value.copy_in(arena));
        }
    }
    Ok(())
}

/// The condition PodScheduled=True.
fn set_scheduled<'a>(pod: &mut Value<'a>, now: &str, arena: &'a Bump) {
    let Some(map) = pod.as_map_mut() else { return };
    let status = map.entry_map("status");
    if status.get("conditions").and_then(Value::as_list).is_none() {
        status.insert("conditions", Value::list_in(arena));
    }
    let Some(list) = status.get_mut("conditions").and_then(Value::as_list_mut) else { return };
    list.retain(|condition| condition.str_at(&["type"]) != "PodScheduled");
    let mut condition = Map::new_in(arena);
    condition.push_unique("type", Value::Str("PodScheduled"));
    condition.push_unique("status", Value::Str("True"));
    condition.push_unique("lastTransitionTime", Value::str_in(now, arena));
    list.push(Value::Map(condition));
}
