//! Where a service is reached (`k8s.io/apiserver/pkg/util/proxy` `ResolveCluster`).

use crate::admission::Reader;
use crate::object::Value;

/// Host and port.
pub type Resolved = (String, u16);

/// What counts of a service.
struct Facts {
    kind: String,
    cluster_ip: String,
    external_name: String,
    ports: Vec<i64>,
}

/// The cluster IP of a service's port, or its external name.
///
/// # Errors
/// The texts of upstream's default resolver.
pub async fn resolve_service(
    reader: &Reader,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<Resolved, String> {
    let read = |service: &Value<'_>| Facts {
        kind: service.str_at(&["spec", "type"]).to_owned(),
        cluster_ip: service.str_at(&["spec", "clusterIP"]).to_owned(),
        external_name: service.str_at(&["spec", "externalName"]).to_owned(),
        ports: service
            .list_at(&["spec", "ports"])
            .iter()
            .filter_map(|port| port.i64_at(&["port"]))
            .collect(),
    };
    let found = reader.fact("services", namespace, name, read).await;
    let found = found.map_err(|_| format!("service {name:?} cannot be read"))?;
    let facts = found.ok_or_else(|| format!("service {name:?} not found"))?;
    match facts.kind.as_str() {
        "ClusterIP" if facts.cluster_ip == "None" => {
            Err("cannot route to service with ClusterIP \"None\"".to_owned())
        }
        "ClusterIP" | "NodePort" | "LoadBalancer" => match facts.ports.contains(&i64::from(port)) {
            true => Ok((facts.cluster_ip.clone(), port)),
            false => Err(format!("no service port {port} found for service {name:?}")),
        },
        "ExternalName" => Ok((facts.external_name.clone(), port)),
        other => Err(format!("unsupported service type {other:?}")),
    }
}
