//! Objects that the server itself keeps: system namespaces, priority classes, the `kubernetes`
//! Service and its ServiceCIDR (features.md section 13). One shard writes what is missing, before
//! the server says that it is ready.

mod rbac;

use crate::api::Api;
use crate::codec::json;
use crate::registry::stored;
use crate::request::{Fault, Operation, Result};
use crate::rt;
use crate::server::own::{Gvr, Own, attributes, context, resource};
use bumpalo::Bump;
use std::net::IpAddr;
use std::pin::Pin;

/// What the objects say of this server.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'c> {
    /// The port it listens on.
    pub port: u16,
    /// `--service-cluster-ip-range`.
    pub service_cidrs: &'c [String],
    /// The first usable address of each range.
    pub service_addresses: &'c [IpAddr],
}

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Writes what is missing; what is there stays as it is.
///
/// # Errors
/// The first write that fails for another reason than that the object is there.
pub async fn run(api: &Api, facts: Facts<'_>) -> Result<()> {
    let classes = PRIORITY_CLASSES.map(|(name, value, description)| {
        let text = format!(
            r#"{{"metadata":{{"name":"{name}"}},"value":{value},"description":"{description}"}}"#
        );
        (("scheduling.k8s.io", "v1", "priorityclasses"), "", text)
    });
    let (namespaces, classes) = (namespaces(api), ensure_all(api, &classes));
    let cidr = service_cidr(api, facts);
    together(vec![Box::pin(namespaces), Box::pin(classes), Box::pin(cidr)]).await?;
    rbac::run(api).await?;
    service(api, facts).await
}

/// Runs all at once, so that the store makes what they write durable in one go.
async fn together(writes: Vec<Pin<Box<dyn Future<Output = Result<()>> + '_>>>) -> Result<()> {
    rt::all(writes).await.into_iter().collect()
}

/// Creates those of some objects that are not there, all at once: none may need another of them.
async fn ensure_all(api: &Api, objects: &[(Gvr, &str, String)]) -> Result<()> {
    let mut writes = Vec::with_capacity(objects.len());
    for (of, namespace, text) in objects {
        writes.push(ensure(api, *of, namespace, text));
    }
    let written = rt::all(writes).await;
    written.into_iter().collect()
}

/// Makes the system namespaces that are missing.
///
/// # Errors
/// As [`run`].
pub(in crate::server) async fn namespaces(api: &Api) -> Result<()> {
    let objects = NAMESPACES.map(|name| (("", "v1", "namespaces"), "", named(name, "")));
    ensure_all(api, &objects).await
}

const PRIORITY_CLASSES: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another \
         node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

fn named(name: &str, namespace: &str) -> String {
    format!(r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}"}}}}"#)
}

/// The ServiceCIDR `kubernetes`, ready from the start.
async fn service_cidr(api: &Api, facts: Facts<'_>) -> Result<()> {
    let of = ("networking.k8s.io", "v1", "servicecidrs");
    let cidrs: Vec<String> = facts.service_cidrs.iter().map(|cidr| format!("{cidr:?}")).collect();
    let cidrs = cidrs.join(",");
    let text = format!(r#"{{"metadata":{{"name":"kubernetes"}},"spec":{{"cidrs":[{cidrs}]}}}}"#);
    ensure(api, of, "", &text).await?;
    let Some(entry) = api.registry.read(stored::storage(resource(of)?)?, "", "kubernetes").await?
    else {
        return Ok(());
    };
    let arena = Bump::new();
    let cidr = stored::decode(stored::storage(resource(of)?)?, &entry, &arena)?;
    if !cidr.list_at(&["status", "conditions"]).is_empty() {
        return Ok(());
    }
    let now = crate::base::timestamp::rfc3339(crate::base::clock::unix_seconds());
    let text = format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR",
            "metadata":{{"name":"kubernetes"}},"status":{{"conditions":[{{"type":"Ready",
            "status":"True","lastTransitionTime":"{now}",
            "message":"Kubernetes default Service CIDR is ready"}}]}}}}"#
    );
    let own = Own { api, manager: "kubernetes-service-cidr-controller" };
    own.apply_status(of, ("", "kubernetes"), &text).await
}

/// `default/kubernetes`: the Service by which pods reach this server.
async fn service(api: &Api, facts: Facts<'_>) -> Result<()> {
    let Some(first) = facts.service_addresses.first() else { return Ok(()) };
    let port = facts.port;
    let labels = r#"{"component":"apiserver","provider":"kubernetes"}"#;
    let text = format!(
        r#"{{"metadata":{{"name":"kubernetes","namespace":"default","labels":{labels}}},
            "spec":{{"type":"ClusterIP","clusterIP":"{first}","ipFamilyPolicy":"SingleStack",
                "sessionAffinity":"None",
                "ports":[{{"name":"https","port":443,"protocol":"TCP","targetPort":{port}}}]}}}}"#
    );
    ensure(api, ("", "v1", "services"), "default", &text).await
}

/// The Endpoints and the slice of `default/kubernetes`, with these servers and no others.
///
/// # Errors
/// The first write that fails.
pub(in crate::server) async fn endpoints(api: &Api, port: u16, ips: &[IpAddr]) -> Result<()> {
    let skip = r#"{"endpointslice.kubernetes.io/skip-mirror":"true"}"#;
    let ports = format!(r#"[{{"name":"https","port":{port},"protocol":"TCP"}}]"#);
    let addresses: Vec<String> = ips.iter().map(|ip| format!(r#"{{"ip":"{ip}"}}"#)).collect();
    let addresses = addresses.join(",");
    let text = format!(
        r#"{{"metadata":{{"name":"kubernetes","namespace":"default","labels":{skip}}},
            "subsets":[{{"addresses":[{addresses}],"ports":{ports}}}]}}"#
    );
    let endpoints = replace(api, ("", "v1", "endpoints"), "default", "kubernetes", &text);
    let family = if ips.iter().any(IpAddr::is_ipv4) { "IPv4" } else { "IPv6" };
    let of = r#"{"kubernetes.io/service-name":"kubernetes"}"#;
    let of_family = ips.iter().filter(|ip| ip.is_ipv4() == (family == "IPv4"));
    let listed: Vec<String> = of_family
        .map(|ip| format!(r#"{{"addresses":["{ip}"],"conditions":{{"ready":true}}}}"#))
        .collect();
    let listed = listed.join(",");
    let slice = format!(
        r#"{{"metadata":{{"name":"kubernetes","namespace":"default","labels":{of}}},
            "addressType":"{family}","endpoints":[{listed}],"ports":{ports}}}"#
    );
    let slices = ("discovery.k8s.io", "v1", "endpointslices");
    let slices = replace(api, slices, "default", "kubernetes", &slice);
    together(vec![Box::pin(endpoints), Box::pin(slices)]).await
}

/// Creates the object unless it is there.
async fn ensure(api: &Api, of: Gvr, namespace: &str, text: &str) -> Result<()> {
    Own { api, manager: "kube-apiserver" }.ensure(of, namespace, text).await
}

/// Creates the object, or gives the one that is there these contents.
async fn replace(api: &Api, of: Gvr, namespace: &str, name: &str, text: &str) -> Result<()> {
    ensure(api, of, namespace, text).await?;
    let context = context();
    let at = attributes(resource(of)?, (namespace, name), Operation::Update, &context);
    let changed = api.registry.change_stored(&at, |object, arena| {
        let wanted = json::parse_any(text.as_bytes(), arena)
            .map_err(|error| Fault::Internal(error.to_string()))?;
        let (Some(map), Some(wanted)) = (object.as_map_mut(), wanted.as_map()) else {
            return Ok(());
        };
        for (key, value) in wanted.iter().filter(|(key, _)| *key != "metadata") {
            map.insert(key, value.copy_in(arena));
        }
        Ok(())
    });
    changed.await.map(drop)
}
