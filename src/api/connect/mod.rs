//! Subresources that others answer: logs and the like from the node's kubelet, proxied requests
//! from pods, services and nodes (`pkg/registry/core/{pod,service,node}/rest`).

mod location;
mod log;
mod proxy;
mod stream;
mod translate;
mod tunnel;
mod websocket;

use super::route::{Route, Target as Routed, route};
use super::{Api, Head};
use crate::client::{Client, Identity, Roots, Trust};
use crate::http::{Request, Response};
use crate::object::{Map, Value};
use crate::registry::stored;
use crate::request::{
    Attributes, Context, Fault, Operation, Query, RequestInfo, Result, RouterFault, Sent, Subject,
};
use bumpalo::Bump;
use std::sync::Arc;

/// How others are reached; of one shard.
#[derive(Debug)]
pub struct Connector {
    client: Client,
    /// For kubelets.
    kubelet: Arc<Trust>,
    /// For kubelets whose certificate the client of the request does not want verified.
    unverified_kubelet: Arc<Trust>,
    /// For pods, services, and other ports of nodes: nothing is shown and nothing verified.
    anyone: Arc<Trust>,
    port: u16,
    address_types: Vec<String>,
}

/// What flags say of kubelets.
#[derive(Debug, Clone)]
pub struct Kubelets {
    /// CAs of their certificates, PEM; not verified without.
    pub ca: Option<Vec<u8>>,
    /// What is shown to them.
    pub identity: Option<Identity>,
    /// Where those listen whose node does not say.
    pub port: u16,
    /// Types of node addresses, the best first.
    pub address_types: Vec<String>,
}

impl Connector {
    /// As the flags say.
    pub fn new(client: Client, kubelets: Kubelets) -> Self {
        let Kubelets { ca, identity, port, address_types } = kubelets;
        let roots = ca.map_or(Roots::Unverified, Roots::Pem);
        Self {
            client,
            kubelet: Trust::new(roots, identity.clone()),
            unverified_kubelet: Trust::new(Roots::Unverified, identity),
            anyone: Trust::new(Roots::Unverified, None),
            port,
            address_types,
        }
    }
}

/// True for what this module serves.
pub fn is_connection(info: &RequestInfo<'_>) -> bool {
    info.is_resource
        && info.group.is_empty()
        && matches!(info.subresource, "attach" | "exec" | "log" | "portforward" | "proxy")
        && matches!(info.resource, "nodes" | "pods" | "services")
}

impl Api {
    /// Serves a request that [`is_connection`].
    ///
    /// # Errors
    /// What is wrong with the request, or why the other end cannot be reached.
    pub async fn connect(
        &self,
        context: &Context,
        info: &RequestInfo<'_>,
        head: Head<'_>,
        request: Request,
    ) -> Result<Response> {
        let Route::Resource(target) = route(head.method, info).map_err(Fault::Router)? else {
            return Err(Fault::Router(RouterFault::NotFound));
        };
        if target.subresource_name() != "log" && head.query.all("dryRun").next().is_some() {
            return Err(Fault::BadRequest("dryRun is not supported".to_owned()));
        }
        let answered = self.join(context, info, (head, target), request).await;
        answered.map_err(|fault| of_the_request(fault, info))
    }

    async fn join(
        &self,
        context: &Context,
        info: &RequestInfo<'_>,
        (head, target): (Head<'_>, Routed),
        request: Request,
    ) -> Result<Response> {
        match target.subresource_name() {
            "log" => self.log(info, head.query).await,
            "proxy" => {
                self.ask_webhooks(context, info, target, head.query).await?;
                self.proxy(info, head, request).await
            }
            name => {
                if name == "portforward" {
                    stream::ports(head.query)?;
                }
                self.ask_webhooks(context, info, target, head.query).await?;
                self.stream(context, info, head, request).await
            }
        }
    }

    /// Admission of a connect: of the plugins only webhooks look at them.
    async fn ask_webhooks(
        &self,
        context: &Context,
        info: &RequestInfo<'_>,
        target: Routed,
        query: Query<'_>,
    ) -> Result<()> {
        let Some(sub) = target.subresource else { return Ok(()) };
        let at = Attributes {
            resource: target.resource,
            subresource: sub.name,
            namespace: info.namespace,
            name: &info.name,
            title: &info.name,
            operation: Operation::Connect,
            by_update: false,
            dry_run: false,
            sent: Sent::Nothing,
            context,
        };
        let arena = Bump::new();
        let mut options = options(sub.kind, info, query, &arena);
        let chain = &self.registry.admit.chain;
        chain.admit_connect(&at, &mut options, &arena).await
    }

    /// The pod of the request.
    async fn pod<'a>(&self, info: &RequestInfo<'_>, arena: &'a Bump) -> Result<Value<'a>> {
        self.find("pods", info.namespace, &info.name, arena).await
    }

    /// An object of a core resource.
    async fn find<'a>(
        &self,
        resource: &'static str,
        namespace: &str,
        name: &str,
        arena: &'a Bump,
    ) -> Result<Value<'a>> {
        let resource = crate::catalog::catalog()
            .resource("", "v1", resource)
            .ok_or(Fault::Router(RouterFault::NotFound))?;
        let storage = stored::storage(resource)?;
        let entry = self.registry.read(storage, namespace, name).await?;
        let entry = entry.ok_or_else(|| stored::missing(resource, name))?;
        entry.object(arena).map_err(stored::unreadable)
    }
}

/// Whatever is missing on the way, a node or endpoints, clients are told that it is one of the
/// request's resource (`qualifiedResourceFromContext`).
fn of_the_request(fault: Fault, info: &RequestInfo<'_>) -> Fault {
    match fault {
        Fault::NotFound(subject) => {
            Fault::NotFound(Subject { resource: info.resource.to_owned(), ..subject })
        }
        other => other,
    }
}

/// The path behind the proxy: nothing, or what follows it with a slash at its front, and one at its
/// end if the request's has one (`getRequestOptions`).
fn subpath(info: &RequestInfo<'_>) -> String {
    let mut path = match info.rest {
        "" => String::new(),
        rest => format!("/{rest}"),
    };
    if info.path.ends_with('/') && !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// The options of a connect as admission sees them: `PodExecOptions` and its like.
fn options<'a>(
    kind: &'static str,
    info: &RequestInfo<'_>,
    query: Query<'_>,
    arena: &'a Bump,
) -> Value<'a> {
    let mut map = Map::new_in(arena);
    map.push_unique("kind", Value::Str(kind));
    map.push_unique("apiVersion", Value::Str("v1"));
    if info.subresource == "proxy" {
        let path = subpath(info);
        if !path.is_empty() {
            map.push_unique("path", Value::str_in(&path, arena));
        }
        return Value::Map(map);
    }
    for name in ["stdin", "stdout", "stderr", "tty"] {
        if query.flag(name) == Some(true) {
            map.push_unique(name, Value::Bool(true));
        }
    }
    let container = query.text("container");
    if !container.is_empty() {
        map.push_unique("container", Value::str_in(&container, arena));
    }
    let list = |name: &str| {
        let mut list = crate::object::List::new_in(arena);
        list.extend(query.all(name).map(|text| match text.parse::<i64>() {
            Ok(number) if name == "ports" => Value::Int(number),
            _ => Value::str_in(&text, arena),
        }));
        list
    };
    for name in ["command", "ports"] {
        let list = list(name);
        if !list.is_empty() {
            map.push_unique(name, Value::List(list));
        }
    }
    Value::Map(map)
}
