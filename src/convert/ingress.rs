//! Ingresses of `networking.k8s.io/v1beta1` and `extensions/v1beta1`, whose backends are flat
//! (`pkg/apis/networking/v1beta1`, `Convert_v1beta1_IngressSpec_To_networking_IngressSpec`).

use crate::object::{Map, Value};

/// In place.
pub(super) fn to_v1(ingress: &mut Map<'_>) {
    let Some(spec) = ingress.get_mut("spec").and_then(Value::as_map_mut) else { return };
    if let Some(mut backend) = spec.remove("backend") {
        nest(&mut backend);
        spec.insert("defaultBackend", backend);
    }
    let rules = spec.get_mut("rules").and_then(Value::as_list_mut);
    for rule in rules.into_iter().flat_map(|rules| rules.iter_mut()) {
        let paths = rule.at_mut(&["http", "paths"]).and_then(Value::as_list_mut);
        for path in paths.into_iter().flat_map(|paths| paths.iter_mut()) {
            if let Some(backend) = path.get_mut("backend") {
                nest(backend);
            }
            // `SetDefaults_HTTPIngressPath` of the older version.
            if let Some(path) = path.as_map_mut().filter(|path| path.get("pathType").is_none()) {
                path.insert("pathType", Value::Str("ImplementationSpecific"));
            }
        }
    }
}

/// `serviceName` and `servicePort` become a `service`.
fn nest(backend: &mut Value<'_>) {
    let Some(backend) = backend.as_map_mut() else { return };
    let (name, port) = (backend.remove("serviceName"), backend.remove("servicePort"));
    let port = port.filter(|port| *port != Value::Int(0));
    if name.as_ref().is_none_or(Value::is_empty) && port.is_none() {
        return;
    }
    let service = backend.entry_map("service");
    if let Some(name) = name {
        service.insert("name", name);
    }
    let to = service.entry_map("port");
    match port {
        Some(Value::Int(number)) => drop(to.insert("number", Value::Int(number))),
        Some(name) if !name.is_empty() => drop(to.insert("name", name)),
        _ => {}
    }
}
