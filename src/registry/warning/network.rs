//! Warnings of Services, Endpoints, EndpointSlices, Ingresses and NetworkPolicies.

use super::{address, range};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

/// `GetWarningsForService`; for `/status` those of the load balancer's addresses.
pub fn service(
    service: &Value<'_>,
    _: Option<&Value<'_>>,
    subresource: &str,
    out: &mut Vec<String>,
) {
    if subresource == "status" {
        return load_balancer(service, out);
    }
    let hints = "service.kubernetes.io/topology-aware-hints";
    if service.at(&["metadata", "annotations", hints]).is_some() {
        let mode = "service.kubernetes.io/topology-mode";
        out.push(format!("annotation {hints} is deprecated, please use {mode} instead"));
    }
    let null = Value::Null;
    let spec = service.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let kind = spec.text("type");
    let headless = kind == "ClusterIP" && spec.text("clusterIP") == "None";
    if !matches!(spec.text("clusterIP"), "" | "None") {
        addresses(spec, &path, "clusterIPs", out);
    }
    let external = !spec.items("externalIPs").is_empty();
    if headless {
        if !spec.text("loadBalancerIP").is_empty() {
            out.push("spec.loadBalancerIP is ignored for headless services".into());
        }
        if external {
            out.push("spec.externalIPs is ignored for headless services".into());
        }
        if spec.text("sessionAffinity") != "None" {
            out.push("spec.SessionAffinity is ignored for headless services".into());
        }
    }
    addresses(spec, &path, "externalIPs", out);
    if external && !headless && kind != "ExternalName" {
        let text = "spec.externalIPs is deprecated and may no longer be implemented in some \
                    clusters";
        out.push(text.into());
    }
    if !spec.text("loadBalancerIP").is_empty() {
        address(&path.child("loadBalancerIP"), spec.text("loadBalancerIP"), out);
    }
    let at = path.child("loadBalancerSourceRanges");
    for (index, text) in spec.texts("loadBalancerSourceRanges").enumerate() {
        range(&at.index(index), text, out);
    }
    if kind == "ExternalName" && external {
        out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if kind != "ExternalName" && !spec.text("externalName").is_empty() {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if spec.text("trafficDistribution") == "PreferClose" {
        let text = "spec.trafficDistribution: \"PreferClose\" is deprecated; use \
                    \"PreferSameZone\"";
        out.push(text.into());
    }
}

fn addresses(spec: &Value<'_>, path: &Path<'_>, name: &str, out: &mut Vec<String>) {
    let at = path.child(name);
    for (index, text) in spec.texts(name).enumerate() {
        address(&at.index(index), text, out);
    }
}

fn load_balancer(object: &Value<'_>, out: &mut Vec<String>) {
    let root = Path::root("status");
    let path = root.child("loadBalancer.ingress");
    for (index, entry) in object.list_at(&["status", "loadBalancer", "ingress"]).iter().enumerate()
    {
        if !entry.text("ip").is_empty() {
            address(&path.index(index), entry.text("ip"), out);
        }
    }
}

/// Addresses of endpoints, unless the controller that cleans them wrote them.
pub fn endpoints(object: &Value<'_>, _: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let manager = "endpoints.kubernetes.io/managed-by";
    if object.str_at(&["metadata", "labels", manager]) == "endpoint-controller" {
        return;
    }
    let path = Path::root("subsets");
    for (index, subset) in object.items("subsets").iter().enumerate() {
        for list in ["addresses", "notReadyAddresses"] {
            let at = path.index(index);
            let at = at.child(list);
            for (index, entry) in subset.items(list).iter().enumerate() {
                address(&at.index(index).child("ip"), entry.text("ip"), out);
            }
        }
    }
}

/// Addresses of a slice, unless a controller that cleans them wrote them.
pub fn slice(object: &Value<'_>, old: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let manager = "endpointslice.kubernetes.io/managed-by";
    let clean = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];
    if old.is_none() && object.text("addressType") == "FQDN" {
        out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    if clean.contains(&object.str_at(&["metadata", "labels", manager])) {
        return;
    }
    let path = Path::root("endpoints");
    for (index, endpoint) in object.items("endpoints").iter().enumerate() {
        let at = path.index(index);
        addresses(endpoint, &at, "addresses", out);
    }
}

/// The class as an annotation; for `/status` the load balancer's addresses.
pub fn ingress(
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    subresource: &str,
    out: &mut Vec<String>,
) {
    if subresource == "status" {
        return load_balancer(object, out);
    }
    let class = "kubernetes.io/ingress.class";
    let named = object.at(&["spec", "ingressClassName"]).is_some();
    if old.is_none() && !named && object.at(&["metadata", "annotations", class]).is_some() {
        out.push(format!(
            "annotation {class:?} is deprecated, please use 'spec.ingressClassName' instead"
        ));
    }
}

/// Ranges of a policy's peers.
pub fn policy(object: &Value<'_>, _: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let path = Path::root("spec");
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        let at = path.child(rules);
        for (index, rule) in object.list_at(&["spec", rules]).iter().enumerate() {
            let at = at.index(index);
            let at = at.child(peers);
            for (index, peer) in rule.items(peers).iter().enumerate() {
                let Some(block) = peer.get("ipBlock") else { continue };
                let at = at.index(index);
                let at = at.child("ipBlock");
                range(&at.child("cidr"), block.text("cidr"), out);
                let at = at.child("except");
                for (index, text) in block.texts("except").enumerate() {
                    range(&at.index(index), text, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn services_are_told_what_does_nothing_for_them() {
        for (spec, warnings) in [
            (json!({"type": "ClusterIP", "sessionAffinity": "None"}), &[][..]),
            (
                json!({"type": "ClusterIP", "clusterIP": "None", "sessionAffinity": "ClientIP",
                    "externalIPs": ["1.2.3.4"], "loadBalancerIP": "1.2.3.4"}),
                &[
                    "spec.loadBalancerIP is ignored for headless services",
                    "spec.externalIPs is ignored for headless services",
                    "spec.SessionAffinity is ignored for headless services",
                ],
            ),
            (
                json!({"type": "ExternalName", "externalIPs": ["1.2.3.4"], "externalName": "a.b"}),
                &["spec.externalIPs is ignored when spec.type is \"ExternalName\""],
            ),
            (
                json!({"type": "ClusterIP", "externalName": "a.b",
                    "trafficDistribution": "PreferClose"}),
                &[
                    "spec.externalName is ignored when spec.type is not \"ExternalName\"",
                    "spec.trafficDistribution: \"PreferClose\" is deprecated; use \
                     \"PreferSameZone\"",
                ],
            ),
        ] {
            let arena = Bump::new();
            let object = tree(&arena, &json!({"metadata": {}, "spec": spec}));
            let mut out = Vec::new();
            super::service(&object, None, "", &mut out);
            assert_eq!(out, warnings);
        }
    }

    #[test]
    fn an_ingress_class_belongs_into_the_spec() {
        let arena = Bump::new();
        let annotations = json!({"kubernetes.io/ingress.class": "x"});
        let object = tree(&arena, &json!({"metadata": {"annotations": annotations}, "spec": {}}));
        let mut out = Vec::new();
        super::ingress(&object, None, "", &mut out);
        assert_eq!(
            out,
            ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use \
             'spec.ingressClassName' instead"]
        );
    }
}
