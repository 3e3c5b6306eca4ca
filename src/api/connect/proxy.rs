//! `pods/proxy`, `services/proxy`, `nodes/proxy`: any request to a port of theirs
//! (`ProxyREST.Connect`, `ResourceLocation`).

use super::location::{self, Id};
use crate::api::forward::{Forward, add_forwarded, forward};
use crate::api::upgrade::{self, Wanted};
use crate::api::{Api, Head};
use crate::base::limits::{CLIENT_FORWARD_SECONDS_MAX, REQUEST_BODY_BYTES_MAX};
use crate::client::{Target, Trust};
use crate::http::{Body, BodyError, HeaderValue, Request, Response, StatusCode, header};
use crate::object::Value;
use crate::request::{Fault, RequestInfo, Result};
use bumpalo::Bump;
use std::sync::Arc;
use std::time::Duration;

/// Where a request is proxied to.
struct Location {
    scheme: String,
    /// Host, with its port if one is known.
    host: String,
    trust: Arc<Trust>,
}

impl Api {
    pub(super) async fn proxy(
        &self,
        info: &RequestInfo<'_>,
        head: Head<'_>,
        request: Request,
    ) -> Result<Response> {
        let location = match info.resource {
            "pods" => self.pod_location(info).await?,
            "services" => self.service_location(info).await?,
            _ => self.node_location(info).await?,
        };
        let leaves = upgrade::is_upgrade(&request.headers);
        let redirect = redirect_to_root(info, head.method, &request).filter(|_| !leaves);
        if let Some(redirect) = redirect {
            return Ok(redirect);
        }
        let mut headers = request.headers.clone();
        let own = request.host().unwrap_or_default().to_owned();
        let path = proxied_path(request.path(), !info.namespace.is_empty());
        let query = match request.query() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        let Location { scheme, host, trust } = location;
        let url = format!("{scheme}://{host}/{path}{query}");
        let method = request.method.clone();
        let target = Target::of_url(trust);
        if leaves {
            upgrade::append_forwarded_for(&mut headers, request.peer.address.ip());
            let wanted = Wanted { target: &target, url, method, headers };
            let passed = upgrade::pass(&self.connector.client, wanted).await;
            return passed.map_err(Fault::Plain);
        }
        add_forwarded(&mut headers, request.peer.address.ip(), &own, request.path());
        let body =
            request.body.read(REQUEST_BODY_BYTES_MAX).await.map_err(|error| match error {
                BodyError::TooLarge => {
                    let limit = REQUEST_BODY_BYTES_MAX;
                    Fault::TooLarge(format!("Request entity too large: limit is {limit}"))
                }
                BodyError::Aborted => Fault::BadRequest("unexpected EOF".into()),
            })?;
        let timeout = Duration::from_secs(CLIENT_FORWARD_SECONDS_MAX);
        let sent = Forward { target: &target, url, method, headers, body, timeout };
        let answered = forward(&self.connector.client, sent).await;
        answered
            .map_err(|error| Fault::Unavailable(format!("error trying to reach service: {error}")))
    }

    /// The pod's address, and the port named or its first.
    async fn pod_location(&self, info: &RequestInfo<'_>) -> Result<Location> {
        let id = parse(info, "pod")?;
        let arena = Bump::new();
        let pod = self.find("pods", info.namespace, id.name, &arena).await?;
        let mut port = id.port.to_owned();
        if port.is_empty() {
            let first = pod.list_at(&["spec", "containers"]).iter().find_map(|container| {
                container.list_at(&["ports"]).first()?.i64_at(&["containerPort"])
            });
            port = first.map(|port| port.to_string()).unwrap_or_default();
        }
        let ips = pod.list_at(&["status", "podIPs"]);
        let address = match ips.first().map_or("", |first| first.str_at(&["ip"])) {
            "" => pod.str_at(&["status", "podIP"]),
            first => first,
        };
        location::check_address(address)?;
        let host = match port.as_str() {
            "" if address.contains(':') => format!("[{address}]"),
            "" => address.to_owned(),
            port => location::with_port(address, port),
        };
        Ok(self.anyone(id.scheme, host))
    }

    /// An address of the service's endpoints that is ready.
    async fn service_location(&self, info: &RequestInfo<'_>) -> Result<Location> {
        let id = parse(info, "service")?;
        let arena = Bump::new();
        let mut port_name = id.port.to_owned();
        if let Ok(number) = id.port.parse::<i64>() {
            let service = self.find("services", info.namespace, id.name, &arena).await?;
            let mut ports = service.list_at(&["spec", "ports"]).iter();
            let Some(port) = ports.find(|port| port.i64_at(&["port"]) == Some(number)) else {
                let text = format!("no service port {number} found for service {:?}", id.name);
                return Err(Fault::Unavailable(text));
            };
            port_name = port.str_at(&["name"]).to_owned();
        }
        let endpoints = self.find("endpoints", info.namespace, id.name, &arena).await?;
        let subsets = endpoints.list_at(&["subsets"]);
        let none =
            |what: &str| Fault::Unavailable(format!("no endpoints available for service {what:?}"));
        if subsets.is_empty() {
            return Err(none(id.name));
        }
        let reached = subsets.iter().find_map(|subset| {
            let mut ports = subset.list_at(&["ports"]).iter();
            let port = ports.find(|port| port.str_at(&["name"]) == port_name)?;
            let addresses: Vec<&Value<'_>> = subset.list_at(&["addresses"]).iter().collect();
            let [seed] = crate::base::ids::random::<1>();
            let chosen = usize::from(seed).checked_rem(addresses.len())?;
            let address = addresses.get(chosen)?.str_at(&["ip"]);
            Some((address.to_owned(), port.i64_at(&["port"])?))
        });
        let (address, port) = reached.ok_or_else(|| none(&info.name))?;
        location::check_address(&address)?;
        Ok(self.anyone(id.scheme, location::with_port(&address, &port.to_string())))
    }

    /// The node's kubelet, or another port of the node.
    async fn node_location(&self, info: &RequestInfo<'_>) -> Result<Location> {
        let id = parse(info, "node")?;
        let location::Kubelet { host, port, .. } = self.kubelet(id.name).await?;
        location::check_host(&host)?;
        if id.port.is_empty() || id.port == port {
            return Ok(Location {
                scheme: "https".to_owned(),
                host: location::with_port(&host, &port),
                trust: Arc::clone(&self.connector.kubelet),
            });
        }
        Ok(self.anyone(id.scheme, location::with_port(&host, id.port)))
    }

    fn anyone(&self, scheme: &str, host: String) -> Location {
        let scheme = if scheme.is_empty() { "http" } else { scheme }.to_owned();
        Location { scheme, host, trust: Arc::clone(&self.connector.anyone) }
    }
}

fn parse<'r>(info: &'r RequestInfo<'_>, what: &str) -> Result<Id<'r>> {
    let invalid = || Fault::BadRequest(format!("invalid {what} request {:?}", info.name));
    Id::parse(&info.name).ok_or_else(invalid)
}

/// What follows `/proxy/` in the path as the client sent it.
fn proxied_path(path: &str, namespaced: bool) -> &str {
    let before =
        if namespaced { "/api/v1/namespaces/n/pods/p/proxy" } else { "/api/v1/nodes/n/proxy" };
    path.splitn(before.matches('/').count() + 2, '/')
        .nth(before.matches('/').count() + 1)
        .unwrap_or("")
}

/// Relative links work only below the root: whoever asks for `…/proxy` is sent to `…/proxy/`
/// (`proxyRedirectsforRootPath`).
fn redirect_to_root(info: &RequestInfo<'_>, method: &str, request: &Request) -> Option<Response> {
    let bare = info.rest.is_empty() && !request.path().ends_with('/');
    if !bare || !matches!(method, "GET" | "HEAD") {
        return None;
    }
    let query = match request.query() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let place = HeaderValue::from_str(&format!("{}/{query}", request.path())).ok()?;
    let response = Response::new(StatusCode::MOVED_PERMANENTLY, Body::empty());
    Some(response.with(header::LOCATION, place))
}

#[cfg(test)]
mod tests {
    use super::proxied_path;

    #[test]
    fn the_path_behind_proxy_is_kept_as_it_was_sent() {
        let path = |path| proxied_path(path, true);
        assert_eq!(path("/api/v1/namespaces/n/pods/p/proxy"), "");
        assert_eq!(path("/api/v1/namespaces/n/pods/p/proxy/"), "");
        assert_eq!(path("/api/v1/namespaces/n/pods/proxy/proxy/a%20b/c/"), "a%20b/c/");
        assert_eq!(proxied_path("/api/v1/nodes/proxy/proxy/metrics", false), "metrics");
    }
}
