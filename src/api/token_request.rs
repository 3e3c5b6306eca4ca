//! `serviceaccounts/token`: a token for an account, bound to the account and, if asked, to a pod,
//! secret or node (`serviceaccount/storage.TokenREST`).

use super::Api;
use super::answer::Answer;
use super::call::{Call, WriterNames};
use super::object::encode_value;
use super::verb::create::check_namespace;
use crate::authn::{Order, Reference};
use crate::base::{clock, timestamp};
use crate::cache::Entry;
use crate::catalog::{catalog, defaults};
use crate::object::field::{FieldError, Path};
use crate::object::managed::Writer;
use crate::object::{List, Map, Value, managed};
use crate::registry::{Admit as _, meta, stored};
use crate::request::{Attributes, Fault, Operation, Result, Subject, WriteOptions};
use bumpalo::Bump;
use std::sync::Arc;

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;

/// Makes the token and answers the request with it.
///
/// # Errors
/// 400, 403, 404, 409 and 422 as the rules of the request say.
pub async fn serve<'a>(
    api: &Api,
    call: &Call<'_>,
    options: &WriteOptions,
    request: &Value<'a>,
    arena: &'a Bump,
) -> Result<Answer> {
    let mut request = request.copy_in(arena);
    check_namespace(call, &mut request, arena)?;
    let ty = call.expected().ty;
    defaults::apply(&mut request, ty, arena);
    let now = clock::unix_seconds();
    let now_text = timestamp::rfc3339(now);
    let mut names = WriterNames::default();
    let writer = call.writer(options, &now_text, &mut names);
    let writer = Writer { api_version: "authentication.k8s.io/v1", ..writer };
    meta::metadata_mut(&mut request, arena);
    managed::update(arena, Some(ty), None, &mut request, &writer);
    let at = call.attributes(Operation::Create, options.dry_run);
    api.registry.admit.mutate(&at, &mut request, None, arena).await?;

    let (namespace, name) = (at.namespace, at.name);
    check_name(&request, name)?;
    let account = read(api, "serviceaccounts", namespace, name).await?;
    check_uid(&request, name, account.uid())?;
    fill(api, &mut request, &at, (account.uid(), &now_text), arena);
    check_expiration(&request)?;
    api.registry.admit.validate(&at, &request, None).await?;

    let bound = Bound::find(api, &request, namespace, name).await?;
    let seconds = shorten(api, call, &mut request);
    let asked = request.list_at(&["spec", "audiences"]);
    let audiences: Vec<&str> = asked.iter().filter_map(Value::as_str).collect();
    let order = Order {
        namespace,
        account: Reference { name, uid: account.uid() },
        pod: bound.pod.as_deref().map(reference),
        node: bound.node_reference(),
        secret: bound.secret.as_deref().map(reference),
        audiences: &audiences,
        seconds,
        now,
    };
    let failed = || Fault::Internal("failed to generate token: no random bytes".into());
    let issued = api.token_issuer.issue(&order).ok_or_else(failed)?;
    let id = format!("JTI={}", issued.id);
    call.context.annotate("authentication.kubernetes.io/issued-credential-id", id);

    let mut status = Map::new_in(arena);
    let end = timestamp::rfc3339(now.saturating_add(seconds));
    status.push_unique("token", Value::str_in(&issued.token, arena));
    status.push_unique("expirationTimestamp", Value::str_in(&end, arena));
    if let Some(map) = request.as_map_mut() {
        map.insert("status", Value::Map(status));
    }
    let form = call.form.whole();
    let body = encode_value(&form, ty, &request)?;
    Ok(Answer::object(201, &form, body))
}

/// The objects that a token is bound to beside its account.
#[derive(Debug, Default)]
struct Bound {
    pod: Option<Arc<Entry>>,
    secret: Option<Arc<Entry>>,
    node: Option<Arc<Entry>>,
    /// Where the pod runs.
    node_name: String,
}

impl Bound {
    async fn find(api: &Api, request: &Value<'_>, namespace: &str, account: &str) -> Result<Self> {
        let Some(wanted) = request.at(&["spec", "boundObjectRef"]) else {
            return Ok(Self::default());
        };
        let (kind, name) = (wanted.str_at(&["kind"]), wanted.str_at(&["name"]));
        let api_version = wanted.str_at(&["apiVersion"]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut bound = Self::default();
        if name.is_empty() && group.is_empty() && matches!(kind, "Pod" | "Node" | "Secret") {
            return Err(Fault::BadRequest("Name parameter required.".into()));
        }
        let entry = match (group, kind) {
            ("", "Pod") => {
                let pod = read(api, "pods", namespace, name).await?;
                bound.find_node(api, &pod, account).await?;
                bound.pod.insert(pod)
            }
            ("", "Node") => bound.node.insert(read(api, "nodes", "", name).await?),
            ("", "Secret") => bound.secret.insert(read(api, "secrets", namespace, name).await?),
            _ => {
                return Err(Fault::BadRequest(format!(
                    "cannot bind token to object of type {group}/{version}, Kind={kind}"
                )));
            }
        };
        let uid = wanted.str_at(&["uid"]);
        if !uid.is_empty() && uid != entry.uid() {
            return Err(conflict(
                ("", kind),
                name,
                format!(
                    "the UID in the bound object reference ({uid}) does not match the UID in \
                     record. The object might have been deleted and then recreated"
                ),
            ));
        }
        Ok(bound)
    }

    /// The pod must run as the account; where it runs is told too.
    async fn find_node(&mut self, api: &Api, pod: &Entry, account: &str) -> Result<()> {
        let arena = Bump::new();
        let object = stored::decode_entry(pod, &arena)?;
        if object.str_at(&["spec", "serviceAccountName"]) != account {
            return Err(Fault::BadRequest(format!(
                "cannot bind token for serviceaccount {account:?} to pod running with different \
                 serviceaccount name."
            )));
        }
        self.node_name = object.str_at(&["spec", "nodeName"]).to_owned();
        if !self.node_name.is_empty() {
            self.node = match read(api, "nodes", "", &self.node_name).await {
                Ok(node) => Some(node),
                Err(Fault::NotFound(_)) => None,
                Err(other) => return Err(other),
            };
        }
        Ok(())
    }

    /// A pod may name a node that has not registered: then only its name is known.
    fn node_reference(&self) -> Option<Reference<'_>> {
        let unknown = Reference { name: &self.node_name, uid: "" };
        let node = self.node.as_deref().map(reference);
        node.or_else(|| (!self.node_name.is_empty()).then_some(unknown))
    }
}

fn reference(entry: &Entry) -> Reference<'_> {
    Reference { name: entry.name(), uid: entry.uid() }
}

async fn read(api: &Api, resource: &str, namespace: &str, name: &str) -> Result<Arc<Entry>> {
    let unknown = || Fault::Internal(format!("{resource} are not stored"));
    let storage = catalog().storage(resource).ok_or_else(unknown)?;
    let subject =
        Subject { group: String::new(), resource: resource.to_owned(), name: name.to_owned() };
    let found = api.registry.read(storage, namespace, name).await?;
    found.ok_or(Fault::NotFound(subject))
}

/// A name in the body must be the account's.
fn check_name(request: &Value<'_>, name: &str) -> Result<()> {
    let own = meta::name(request);
    if own.is_empty() || own == name {
        return Ok(());
    }
    let root = Path::root("metadata");
    let text = "must match the service account name if specified";
    Err(invalid(name, FieldError::invalid(&root.child("name"), own, text)))
}

fn check_expiration(request: &Value<'_>) -> Result<()> {
    let seconds = request.i64_at(&["spec", "expirationSeconds"]).unwrap_or(0);
    let text = match seconds {
        _ if seconds < SECONDS_MIN => "may not specify a duration less than 10 minutes",
        _ if seconds > SECONDS_MAX => "may not specify a duration larger than 2^32 seconds",
        _ => return Ok(()),
    };
    let root = Path::root("spec");
    Err(invalid("", FieldError::invalid(&root.child("expirationSeconds"), seconds, text)))
}

fn check_uid(request: &Value<'_>, name: &str, uid: &str) -> Result<()> {
    let own = meta::uid(request);
    if own.is_empty() || own == uid {
        return Ok(());
    }
    Err(conflict(
        (GROUP, KIND),
        name,
        format!(
            "the UID in the token request ({own}) does not match the UID of the service account \
             ({uid})"
        ),
    ))
}

fn invalid(name: &str, error: FieldError) -> Fault {
    let subject = Subject { group: GROUP.into(), resource: KIND.into(), name: name.into() };
    Fault::Invalid { subject, errors: vec![error] }
}

fn conflict((group, resource): (&str, &str), name: &str, message: String) -> Fault {
    let subject = Subject { group: group.into(), resource: resource.into(), name: name.into() };
    Fault::Conflict { subject, message }
}

/// What the request leaves open: whom the token is for, and what the answer names.
fn fill<'a>(
    api: &Api,
    request: &mut Value<'a>,
    at: &Attributes<'_>,
    (uid, now): (&str, &str),
    arena: &'a Bump,
) {
    if request.list_at(&["spec", "audiences"]).is_empty()
        && let Some(map) = request.as_map_mut()
    {
        let mut list = List::new_in(arena);
        let own = api.token_issuer.audiences.iter();
        list.extend(own.map(|audience| Value::str_in(audience, arena)));
        map.entry_map("spec").insert("audiences", Value::List(list));
    }
    let metadata = meta::metadata_mut(request, arena);
    metadata.insert("name", Value::str_in(at.name, arena));
    metadata.insert("namespace", Value::str_in(at.namespace, arena));
    metadata.insert("uid", Value::str_in(uid, arena));
    metadata.insert("creationTimestamp", Value::str_in(now, arena));
}

/// How long the token holds: what is asked for, up to the operator's limit.
fn shorten(api: &Api, call: &Call<'_>, request: &mut Value<'_>) -> i64 {
    let asked = request.i64_at(&["spec", "expirationSeconds"]).unwrap_or(0);
    let max = api.token_issuer.max_seconds;
    if max <= 0 || asked <= max {
        return asked;
    }
    call.context
        .warn(format!("requested expiration of {asked} seconds shortened to {max} seconds"));
    if let Some(map) = request.as_map_mut() {
        map.entry_map("spec").insert("expirationSeconds", Value::Int(max));
    }
    max
}
