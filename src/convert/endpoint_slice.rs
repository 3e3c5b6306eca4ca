//! EndpointSlices of `discovery.k8s.io/v1beta1`, which kept the zone in a map
//! (`pkg/apis/discovery/v1beta1`, `Convert_v1beta1_Endpoint_To_discovery_Endpoint`).

use crate::object::{Map, Value};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// What `topology` says goes into fields of its own; the rest is kept.
pub(super) fn take_topology(slice: &mut Map<'_>) {
    let endpoints = slice.get_mut("endpoints").and_then(Value::as_list_mut);
    let endpoints = endpoints.into_iter().flat_map(|list| list.iter_mut());
    for endpoint in endpoints.filter_map(Value::as_map_mut) {
        let Some(Value::Map(mut topology)) = endpoint.remove("topology") else { continue };
        if let Some(zone) = topology.remove(ZONE) {
            endpoint.insert("zone", zone);
        }
        // A host that is not the node is told apart from it.
        if topology.get(HOSTNAME).is_some_and(|host| endpoint.get("nodeName") == Some(host)) {
            topology.remove(HOSTNAME);
        }
        if !topology.is_empty() {
            endpoint.insert("deprecatedTopology", Value::Map(topology));
        }
    }
}
