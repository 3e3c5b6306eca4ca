//! Objects that the server itself keeps: system namespaces, priority classes, the `kubernetes`
//! Service and its ServiceCIDR (features.md section 13). One shard writes what is missing, before
//! the server says that it is ready.

mod rbac;

use crate::api::Api;
use crate::api::call::reset_fields;
use crate::cache::ReadAt;
use crate::catalog::{Resource, catalog};
use crate::codec::json;
use crate::object::managed::Writer;
use crate::registry::{body, stored};
use crate::request::{
    Attributes, Context, Fault, FieldValidation, Operation, Result, Sent, User, WriteOptions,
};
use crate::rt;
use crate::server::own::Own;
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

type Gvr = (&'static str, &'static str, &'static str);

fn resource((group, version, name): Gvr) -> Result<&'static Resource> {
    catalog()
        .resource(group, version, name)
        .ok_or_else(|| Fault::Internal(format!("{name} are not in the catalog")))
}

fn context() -> Context {
    let user = User {
        name: "system:apiserver".into(),
        groups: vec!["system:masters".into(), "system:authenticated".into()],
        ..User::default()
    };
    Context::new(user, "kube-apiserver".into())
}

fn attributes<'r>(
    resource: &'static Resource,
    namespace: &'r str,
    context: &'r Context,
) -> Attributes<'r> {
    Attributes {
        resource,
        subresource: "",
        namespace,
        name: "",
        title: "",
        operation: Operation::Create,
        by_update: false,
        sent: Sent::Nothing,
        dry_run: false,
        context,
    }
}

/// Creates the object unless it is there.
async fn ensure(api: &Api, of: Gvr, namespace: &str, text: &str) -> Result<()> {
    let resource = resource(of)?;
    let context = context();
    let arena = Bump::new();
    let expected = body::Expected {
        group: resource.group,
        version: resource.version,
        kind: resource.kind,
        ty: resource.ty,
    };
    let validation = FieldValidation::Strict;
    let media = crate::codec::media::Format::Json;
    let mut object = body::decode(&context, text.as_bytes(), media, &expected, validation, &arena)?;
    stored::fill_defaults(resource, &mut object, &arena);
    let options = WriteOptions {
        dry_run: false,
        field_manager: "kube-apiserver".into(),
        field_validation: validation,
        force: None,
    };
    let name = crate::registry::meta::name(&object);
    // Looked for first: creating what is there may fail for other reasons, as that a Service's
    // address is taken, namely by itself.
    if let Some(storage) = resource.storage
        && let Ok(Some(_)) = api.registry.cache.get(storage, namespace, name, ReadAt::Latest).await
    {
        return Ok(());
    }
    let at = Attributes { name, ..attributes(resource, namespace, &context) };
    // Looked for first: a second Service would be refused for its address before its name.
    if api.registry.read(stored::storage(resource)?, namespace, name).await?.is_some() {
        return Ok(());
    }
    let now = crate::base::timestamp::rfc3339(crate::base::clock::unix_seconds());
    let writer = Writer {
        manager: "kube-apiserver",
        api_version: &expected.api_version(),
        subresource: "",
        time: &now,
        reset: reset_fields(resource, ""),
        versions: &[],
        convert: None,
    };
    match api.registry.create(&at, &options, Some(&writer), object, &arena).await {
        Ok(_) | Err(Fault::AlreadyExists { .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Creates the object, or gives the one that is there these contents.
async fn replace(api: &Api, of: Gvr, namespace: &str, name: &str, text: &str) -> Result<()> {
    ensure(api, of, namespace, text).await?;
    let resource = resource(of)?;
    let context = context();
    let at = Attributes { name, ..attributes(resource, namespace, &context) };
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
