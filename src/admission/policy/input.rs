//! What the expressions of admission see: the object, the request, the namespace, the authorizer
//! (`plugin/cel/activation.go`).

use super::matching::{Match, is_namespace, operation};
use crate::admission::{Authority, Question, Reader};
use crate::cel::authorizer::{self, Decision, Query};
use crate::cel::{Val, environment};
use crate::codec::json;
use crate::object::schema::omit;
use crate::object::{Map, Value};
use crate::request::{Attributes, Operation, Result, User};
use bumpalo::Bump;
use std::cell::RefCell;

/// The trees of one request.
#[derive(Debug)]
pub(super) struct Trees<'v> {
    pub(super) object: &'v Value<'v>,
    old: &'v Value<'v>,
    namespace: &'v Value<'v>,
    request: &'v Value<'v>,
    resource: Query,
}

impl<'v> Trees<'v> {
    /// The trees of a request; the namespace is read if `wants_namespace`.
    pub(super) async fn new(
        at: &Attributes<'_>,
        found: Match,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
        (reader, wants_namespace): (&Reader, bool),
        arena: &'v Bump,
    ) -> Result<Self> {
        let named = |object: &Value<'_>| &*arena.alloc(with_kind(at, found, object, arena));
        let null = &*arena.alloc(Value::Null);
        let gone = at.operation == Operation::Delete || object.is_null();
        let namespace = match () {
            () if !wants_namespace || at.namespace.is_empty() || is_namespace(at) => None,
            () => reader.get("", "namespaces", "", at.namespace, arena).await?,
        };
        let namespace = namespace.map(|namespace| &*arena.alloc(seen_namespace(namespace)));
        Ok(Self {
            object: if gone { null } else { named(object) },
            old: old.filter(|old| !old.is_null()).map_or(null, named),
            namespace: namespace.unwrap_or(null),
            request: arena.alloc(request(at, found, arena)),
            resource: request_query(at),
        })
    }

    /// The values of [`environment::admission`] in their order.
    pub(super) fn values(
        &self,
        params: Option<Option<&'v Value<'v>>>,
        authorizer: bool,
    ) -> Vec<Val<'v>> {
        let mut values = vec![
            Val::of(self.object),
            Val::of(self.old),
            Val::of(self.namespace),
            Val::of(self.request),
        ];
        if let Some(params) = params {
            values.push(params.map_or(Val::Null, Val::of));
        }
        if authorizer {
            values.push(environment::authorizer());
            values.push(environment::request_resource(self.resource.clone()));
        }
        values
    }
}

/// The object with the kind and version of the request.
fn with_kind<'v>(
    at: &Attributes<'_>,
    found: Match,
    object: &Value<'_>,
    arena: &'v Bump,
) -> Value<'v> {
    let mut object = object.copy_in(arena);
    // The policy sees the object as JSON has it.
    omit(&mut object, at.resource.ty);
    json::raw::expand(&mut object, at.resource.ty, arena);
    let (group, version, kind) = kind_of(at, found);
    if let Some(map) = object.as_map_mut() {
        let version =
            if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        map.insert("apiVersion", Value::str_in(&version, arena));
        map.insert("kind", Value::Str(kind));
    }
    object
}

fn kind_of(at: &Attributes<'_>, found: Match) -> (&'static str, &'static str, &'static str) {
    let subresource = at.resource.subresources.iter().find(|sub| sub.name == at.subresource);
    match subresource {
        Some(sub) => (sub.group, sub.version, sub.kind),
        None => (at.resource.group, found.version, at.resource.kind),
    }
}

/// The part of a Namespace that expressions see (`CreateNamespaceObject`).
fn seen_namespace(mut namespace: Value<'_>) -> Value<'_> {
    if let Some(metadata) = namespace.get_mut("metadata").and_then(Value::as_map_mut) {
        metadata
            .retain(|name, _| !matches!(name, "managedFields" | "ownerReferences" | "selfLink"));
    }
    if let Some(map) = namespace.as_map_mut() {
        map.retain(|name, _| matches!(name, "metadata" | "spec" | "status"));
    }
    namespace
}

fn request<'v>(at: &Attributes<'_>, found: Match, arena: &'v Bump) -> Value<'v> {
    let text = |text: &str| Value::str_in(text, arena);
    let names = |group: &str, version: &str, last: &'v str, name: &str| {
        let mut map = Map::new_in(arena);
        map.push_unique("group", text(group));
        map.push_unique("version", text(version));
        map.push_unique(last, text(name));
        Value::Map(map)
    };
    let (group, version, kind) = kind_of(at, found);
    let own = Match { version: at.resource.version };
    let (own_group, own_version, own_kind) = kind_of(at, own);
    let resource = at.resource;
    let mut map = Map::new_in(arena);
    map.push_unique("kind", names(group, version, "kind", kind));
    map.push_unique("resource", names(resource.group, found.version, "resource", resource.name));
    map.push_unique("requestKind", names(own_group, own_version, "kind", own_kind));
    let requested = names(resource.group, resource.version, "resource", resource.name);
    map.push_unique("requestResource", requested);
    for (key, value) in [
        ("subResource", at.subresource),
        ("requestSubResource", at.subresource),
        ("name", at.name),
        ("namespace", at.namespace),
    ] {
        if !value.is_empty() {
            map.push_unique(key, text(value));
        }
    }
    map.push_unique("operation", Value::Str(operation(at.operation)));
    map.push_unique("userInfo", user_info(&at.context.user, arena));
    map.push_unique("dryRun", Value::Bool(at.dry_run));
    let mut options = Vec::new();
    at.sent.write_options(at.operation, &mut options);
    let options = json::parse_any(&options, arena).unwrap_or(Value::Null);
    map.push_unique("options", options);
    Value::Map(map)
}

fn user_info<'v>(user: &User, arena: &'v Bump) -> Value<'v> {
    let texts = |texts: &[String]| {
        let mut list = crate::object::List::new_in(arena);
        list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
        Value::List(list)
    };
    let mut map = Map::new_in(arena);
    if !user.name.is_empty() {
        map.push_unique("username", Value::str_in(&user.name, arena));
    }
    if !user.uid.is_empty() {
        map.push_unique("uid", Value::str_in(&user.uid, arena));
    }
    if !user.groups.is_empty() {
        map.push_unique("groups", texts(&user.groups));
    }
    if !user.extra.is_empty() {
        let mut extra = Map::new_in(arena);
        for (key, values) in &user.extra {
            extra.push_unique(arena.alloc_str(key), texts(values));
        }
        map.push_unique("extra", Value::Map(extra));
    }
    Value::Map(map)
}

/// What `authorizer.requestResource` asks about.
fn request_query(at: &Attributes<'_>) -> Query {
    Query {
        group: at.resource.group.to_owned(),
        resource: at.resource.name.to_owned(),
        subresource: at.subresource.to_owned(),
        namespace: at.namespace.to_owned(),
        name: at.name.to_owned(),
        ..Query::default()
    }
}

/// The authorizers, as expressions ask them for the user of a request: an evaluation ends at a
/// question that has no answer yet, which is then asked, and begins anew.
#[derive(Debug)]
pub(super) struct Asker<'r> {
    authority: &'r dyn Authority,
    user: &'r User,
    known: RefCell<Vec<(Query, Decision)>>,
    open: RefCell<Option<Query>>,
}

impl authorizer::Authority for Asker<'_> {
    fn decide(&self, query: &Query) -> Option<Decision> {
        let known = self.known.borrow();
        if let Some((_, decision)) = known.iter().find(|(known, _)| known == query) {
            return Some(decision.clone());
        }
        if known.len() >= QUESTIONS_MAX {
            return Some(Decision {
                error: "too many questions".to_owned(),
                ..Decision::default()
            });
        }
        *self.open.borrow_mut() = Some(query.clone());
        None
    }
}

/// Different questions that the expressions of one policy may ask for one request.
const QUESTIONS_MAX: usize = 64;

impl<'r> Asker<'r> {
    pub(super) fn new(authority: &'r dyn Authority, user: &'r User) -> Self {
        Self { authority, user, known: RefCell::default(), open: RefCell::default() }
    }

    /// Gets the answer that the last evaluation lacked; false if it lacked none.
    pub(super) async fn learn(&self) -> bool {
        let Some(query) = self.open.take() else { return false };
        let question = Question {
            verb: &query.verb,
            group: &query.group,
            version: "*",
            resource: &query.resource,
            subresource: &query.subresource,
            namespace: &query.namespace,
            name: &query.name,
            path: query.path.as_deref().unwrap_or(""),
        };
        let other;
        let user = match &query.service_account {
            None => self.user,
            Some((namespace, name)) => {
                other = service_account(namespace, name);
                &other
            }
        };
        let allowed = self.authority.allows(user, question).await;
        let decision = Decision { allowed, ..Decision::default() };
        self.known.borrow_mut().push((query, decision));
        true
    }
}

fn service_account(namespace: &str, name: &str) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        ..User::default()
    }
}
