//! Where pods, their containers' kubelets, services and nodes are reached
//! (`pkg/registry/core/pod/strategy.go`, `pkg/kubelet/client`).

use crate::api::Api;
use crate::object::Value;
use crate::request::{Fault, Result};
use bumpalo::Bump;
use std::net::IpAddr;

/// `[scheme:]name[:port]` of a proxied request (`utilnet.SplitSchemeNamePort`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id<'i> {
    pub(super) scheme: &'i str,
    pub(super) name: &'i str,
    pub(super) port: &'i str,
}

impl<'i> Id<'i> {
    /// `None` if it is nothing of the kind.
    pub(super) fn parse(text: &'i str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        let valid = !name.is_empty() && matches!(scheme, "" | "http" | "https");
        valid.then_some(Self { scheme, name, port })
    }
}

/// Every name of a list of containers.
fn names<'a>(pod: &Value<'a>, list: &str) -> Vec<&'a str> {
    pod.list_at(&["spec", list]).iter().map(|container| container.str_at(&["name"])).collect()
}

/// The container that is meant: the one named, or the only one (`validateContainer`).
///
/// # Errors
/// 400 if there is none, or several.
pub(super) fn container<'n>(pod: &Value<'n>, wanted: &str) -> Result<&'n str> {
    let name = pod.str_at(&["metadata", "name"]);
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    if !wanted.is_empty() {
        let found = lists.iter().flat_map(|list| names(pod, list)).find(|name| *name == wanted);
        return found.ok_or_else(|| {
            Fault::BadRequest(format!("container {wanted} is not valid for pod {name}"))
        });
    }
    let own = names(pod, "containers");
    let must = format!("a container name must be specified for pod {name}");
    match own[..] {
        [only] => Ok(only),
        [] => Err(Fault::BadRequest(must)),
        _ => {
            let all = ["initContainers", "containers", "ephemeralContainers"];
            let all: Vec<&str> = all.iter().flat_map(|list| names(pod, list)).collect();
            let text = format!("{must}, choose one of: [{}]", all.join(" "));
            Err(Fault::BadRequest(text))
        }
    }
}

/// The node of a pod.
///
/// # Errors
/// 400 if it has none yet.
pub(super) fn host_of<'n>(pod: &Value<'n>) -> Result<&'n str> {
    match pod.str_at(&["spec", "nodeName"]) {
        "" => {
            let name = pod.str_at(&["metadata", "name"]);
            Err(Fault::BadRequest(format!("pod {name} does not have a host assigned")))
        }
        node => Ok(node),
    }
}

/// Only addresses of one machine elsewhere are proxied to (`IsGlobalUnicast`).
///
/// # Errors
/// 400.
pub(super) fn check_address(text: &str) -> Result<()> {
    let elsewhere = text.parse::<IpAddr>().is_ok_and(|address| {
        let here = address.is_loopback() || address.is_unspecified() || address.is_multicast();
        let near = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
        };
        !here && !near
    });
    if elsewhere { Ok(()) } else { Err(Fault::BadRequest("address not allowed".to_owned())) }
}

/// As [`check_address`], where a name may stand, which is looked up later.
///
/// # Errors
/// 400.
pub(super) fn check_host(text: &str) -> Result<()> {
    if text.parse::<IpAddr>().is_ok() { check_address(text) } else { Ok(()) }
}

/// `net.JoinHostPort`.
pub(super) fn with_port(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A node's kubelet (`ConnectionInfo`).
#[derive(Debug, Clone)]
pub(super) struct Kubelet {
    pub(super) host: String,
    pub(super) port: String,
    /// It takes WebSockets itself (`ExtendWebSocketsToKubelet` is declared).
    pub(super) websockets: bool,
}

impl Api {
    /// Where a node's kubelet is (`NodeConnectionInfoGetter.GetConnectionInfo`).
    ///
    /// # Errors
    /// 404 for the node, 500 if it tells no address of a wanted type.
    pub(super) async fn kubelet(&self, node: &str) -> Result<Kubelet> {
        let arena = Bump::new();
        let node = self.find("nodes", "", node, &arena).await?;
        let addresses = node.list_at(&["status", "addresses"]);
        let port = node.i64_at(&["status", "daemonEndpoints", "kubeletEndpoint", "Port"]);
        let port = port.filter(|port| *port > 0).unwrap_or(i64::from(self.connector.port));
        let of_type = |wanted: &String| {
            addresses.iter().find(|found| found.str_at(&["type"]) == wanted.as_str())
        };
        let Some(found) = self.connector.address_types.iter().find_map(of_type) else {
            let known = addresses.iter().map(|found| {
                format!("{{{} {}}}", found.str_at(&["type"]), found.str_at(&["address"]))
            });
            let known: Vec<String> = known.collect();
            let text =
                format!("no preferred addresses found; known addresses: [{}]", known.join(" "));
            return Err(Fault::Plain(text));
        };
        let mut declared = node.list_at(&["status", "declaredFeatures"]).iter();
        let websockets =
            declared.any(|name| matches!(name, Value::Str("ExtendWebSocketsToKubelet")));
        let host = found.str_at(&["address"]).to_owned();
        Ok(Kubelet { host, port: port.to_string(), websockets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    fn refused<T: std::fmt::Debug>(result: Result<T>) -> String {
        match result {
            Err(Fault::BadRequest(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_container_is_the_named_one_or_the_only_one() {
        let arena = Bump::new();
        let pod = |text: &str| json::parse_any(text.as_bytes(), &arena).expect("JSON");
        let one = pod(r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}]}}"#);
        assert_eq!(container(&one, ""), Ok("a"));
        assert_eq!(refused(container(&one, "x")), "container x is not valid for pod p");
        let two =
            pod(r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"},{"name":"b"}],
                "initContainers":[{"name":"i"}]}}"#);
        assert_eq!(container(&two, "i"), Ok("i"));
        assert_eq!(
            refused(container(&two, "")),
            "a container name must be specified for pod p, choose one of: [i a b]"
        );
        assert_eq!(refused(host_of(&two)), "pod p does not have a host assigned");
    }

    #[test]
    fn ids_are_scheme_name_and_port() {
        let id = |text| Id::parse(text).map(|id| (id.scheme, id.name, id.port));
        assert_eq!(id("a"), Some(("", "a", "")));
        assert_eq!(id("a:80"), Some(("", "a", "80")));
        assert_eq!(id("https:a:80"), Some(("https", "a", "80")));
        assert_eq!(id("ftp:a:80"), None);
        assert_eq!(id(":80"), None);
        assert_eq!(id("a:b:c:d"), None);
    }

    #[test]
    fn nobody_is_led_to_the_server_itself() {
        for address in
            ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "230.0.0.1", "0.0.0.0", ""]
        {
            assert_eq!(refused(check_address(address)), "address not allowed");
        }
        assert_eq!(check_address("10.0.0.1"), Ok(()));
        assert_eq!(check_host("node.example"), Ok(()));
    }
}
