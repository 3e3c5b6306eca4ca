//! networking.k8s.io and discovery.k8s.io.

use super::service::host_name;
use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, ip, selector};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// NetworkPolicy.
pub fn policy(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    policy_against(object, &[], errors);
}

/// A policy; ranges that stand in `known` may be in any form.
fn policy_against(object: &Value<'_>, known: &[&str], errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    selector::label_selector(spec.get("podSelector"), &path.child("podSelector"), errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let at = path.child(direction);
        for (index, rule) in spec.items(direction).iter().enumerate() {
            let at = at.index(index);
            let below = at.child("ports");
            for (index, port) in rule.items("ports").iter().enumerate() {
                policy_port(port, &below.index(index), errors);
            }
            let below = at.child(peers);
            for (index, peer) in rule.items(peers).iter().enumerate() {
                policy_peer(peer, known, &below.index(index), errors);
            }
        }
    }
    let at = path.child("policyTypes");
    let types = spec.items("policyTypes");
    if types.len() > 2 {
        let shown = go_form::plain(spec.get("policyTypes"));
        errors.invalid(&at, Verbatim(&shown), "may not specify more than two policyTypes");
        return;
    }
    for (index, kind) in types.iter().filter_map(Value::as_str).enumerate() {
        if !matches!(kind, "Ingress" | "Egress") {
            errors.unsupported(&at.index(index), kind, &["Ingress", "Egress"]);
        }
    }
}

fn policy_port(port: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(protocol) = port.get("protocol").and_then(Value::as_str)
        && !matches!(protocol, "TCP" | "UDP" | "SCTP")
    {
        errors.unsupported(&path.child("protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let at = path.child("endPort");
    let end = port.int("endPort");
    match port.get("port") {
        Some(Value::Str(name)) => {
            if let Some(end) = end {
                let detail = "may not be specified when `port` is non-numeric";
                errors.invalid(&at, end, detail);
            }
            errors.messages(&path.child("port"), name, format::port_name(name));
        }
        Some(number) => {
            let number = number.as_i64().unwrap_or(0);
            for message in format::port(number) {
                errors.invalid(&path.child("port"), number, &message);
            }
            if let Some(end) = end {
                if end < number {
                    errors.invalid(&at, number, "must be greater than or equal to `port`");
                }
                for message in format::port(end) {
                    errors.invalid(&at, end, &message);
                }
            }
        }
        None => {
            if let Some(end) = end {
                let detail = "may not be specified when `port` is not specified";
                errors.invalid(&at, end, detail);
            }
        }
    }
}

fn policy_peer(peer: &Value<'_>, known: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let mut count = 0;
    for name in ["podSelector", "namespaceSelector"] {
        if peer.has(name) {
            count += 1;
            selector::label_selector(peer.get(name), &path.child(name), errors);
        }
    }
    if let Some(block) = peer.get("ipBlock") {
        count += 1;
        ip_block(block, known, &path.child("ipBlock"), errors);
    }
    if count == 0 {
        errors.required(path, "must specify a peer");
    } else if count > 1 && peer.has("ipBlock") {
        errors.forbidden(path, "may not specify both ipBlock and another peer");
    }
}

fn ip_block(block: &Value<'_>, known: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let form = |text: &str, path: &Path<'_>, errors: &mut Errors| {
        if !known.contains(&text) {
            ip::legacy_cidr(text, path, errors);
        }
    };
    let text = block.text("cidr");
    if text.is_empty() {
        errors.required(&path.child("cidr"), "");
        return;
    }
    form(text, &path.child("cidr"), errors);
    let Some(whole) = ip::parse_cidr(text) else { return };
    let at = path.child("except");
    for (index, except) in block.texts("except").enumerate() {
        let at = at.index(index);
        form(except, &at, errors);
        if let Some(part) = ip::parse_cidr(except)
            && (!whole.contains(part.network()) || part.bits <= whole.bits)
        {
            errors.invalid(&at, except, "must be a strict subset of `cidr`");
        }
    }
}

/// NetworkPolicy, updated: a range that was stored may stay.
pub fn policy_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let mut known = Vec::new();
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in old.list_at(&["spec", direction]) {
            for block in rule.items(peers).iter().filter_map(|peer| peer.get("ipBlock")) {
                known.push(block.text("cidr"));
                known.extend(block.texts("except"));
            }
        }
    }
    policy_against(new, &known, errors);
}

/// Ingress.
pub fn ingress(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    ingress_spec(object, None, errors);
    let old = object.at(&["metadata", "annotations", CLASS_ANNOTATION]).and_then(Value::as_str);
    let class = object.at(&["spec", "ingressClassName"]).and_then(Value::as_str);
    if let (Some(old), Some(class)) = (old, class)
        && old != class
    {
        let path = Path::root("annotations");
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid(&path.child(CLASS_ANNOTATION), old, detail);
    }
}

/// The spec; what was wrong in the one before may stay wrong.
fn ingress_spec(object: &Value<'_>, old: Option<&Value<'_>>, errors: &mut Errors) {
    let bad_secret = |tls: &Value<'_>| {
        let name = tls.text("secretName");
        !name.is_empty() && !format::dns_subdomain(name).is_empty()
    };
    let any_secret = old.is_some_and(|old| old.list_at(&["spec", "tls"]).iter().any(bad_secret));
    let bad_wildcard = |rule: &Value<'_>| {
        let mut found = Errors::new();
        ingress_rule(rule, &Path::root("http"), &mut found);
        rule.text("host").contains('*') && !found.is_empty()
    };
    let any_wildcard =
        old.is_some_and(|old| old.list_at(&["spec", "rules"]).iter().any(bad_wildcard));
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let rules = spec.items("rules");
    if rules.is_empty() && !spec.has("defaultBackend") {
        let shown = go_form::plain(spec.get("rules"));
        errors.invalid(
            &path,
            Verbatim(&shown),
            "either `defaultBackend` or `rules` must be specified",
        );
    }
    if let Some(backend) = spec.get("defaultBackend") {
        ingress_backend(backend, &path.child("defaultBackend"), errors);
    }
    let at = path.child("rules");
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        ingress_host(rule.text("host"), &at.child("host"), errors);
        if !(any_wildcard && rule.text("host").contains('*')) {
            ingress_rule(rule, &at.child("http"), errors);
        }
    }
    let at = path.child("tls");
    for (index, tls) in spec.items("tls").iter().enumerate() {
        let at = at.index(index);
        let below = at.child("hosts");
        for (index, host) in tls.texts("hosts").enumerate() {
            let rule =
                if host.contains('*') { format::wildcard_subdomain } else { format::dns_subdomain };
            errors.messages(&below.index(index), host, rule(host));
        }
        let secret = tls.text("secretName");
        if !any_secret && !secret.is_empty() {
            errors.messages(&at.child("secretName"), secret, format::dns_subdomain(secret));
        }
    }
    if let Some(class) = spec.get("ingressClassName").and_then(Value::as_str) {
        errors.messages(&path.child("ingressClassName"), class, format::dns_subdomain(class));
    }
}

fn ingress_rule(rule: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(http) = rule.get("http") else { return };
    let at = path.child("paths");
    let paths = http.items("paths");
    if paths.is_empty() {
        errors.required(&at, "");
    }
    for (index, path) in paths.iter().enumerate() {
        ingress_path(path, &at.index(index), errors);
    }
}

fn ingress_host(host: &str, path: &Path<'_>, errors: &mut Errors) {
    if host.is_empty() {
        return;
    }
    if ip::parse(host).is_some() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
    let rule = if host.contains('*') { format::wildcard_subdomain } else { format::dns_subdomain };
    errors.messages(path, host, rule(host));
}

fn ingress_path(path: &Value<'_>, at: &Path<'_>, errors: &mut Errors) {
    const PARTS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
    let text = path.text("path");
    let below = at.child("path");
    match path.get("pathType").and_then(Value::as_str) {
        None => {
            errors.required(&at.child("pathType"), "pathType must be specified");
            return;
        }
        Some("Exact" | "Prefix") => {
            if !text.starts_with('/') {
                errors.invalid(&below, text, "must be an absolute path");
            }
            if !text.is_empty() {
                for part in PARTS.iter().filter(|part| text.contains(**part)) {
                    errors.invalid(&below, text, &format!("must not contain '{part}'"));
                }
                for end in ["/..", "/."].iter().filter(|end| text.ends_with(**end)) {
                    errors.invalid(&below, text, &format!("cannot end with '{end}'"));
                }
            }
        }
        Some("ImplementationSpecific") => {
            if !text.is_empty() && !text.starts_with('/') {
                errors.invalid(&below, text, "must be an absolute path");
            }
        }
        Some(other) => {
            let types = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.unsupported(&at.child("pathType"), other, &types);
        }
    }
    let null = Value::Null;
    let backend = path.get("backend").unwrap_or(&null);
    ingress_backend(backend, &at.child("backend"), errors);
}

fn ingress_backend(backend: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    match (backend.get("resource"), backend.get("service")) {
        (Some(_), Some(_)) => {
            errors.invalid(path, "", "cannot set both resource and service backends");
        }
        (Some(resource), None) => {
            let at = path.child("resource");
            if let Some(group) = resource.get("apiGroup").and_then(Value::as_str) {
                errors.messages(&at.child("apiGroup"), group, format::dns_subdomain(group));
            }
            for name in ["kind", "name"] {
                errors.required_text(&at.child(name), resource.text(name), format::path_segment);
            }
        }
        (None, Some(service)) => {
            let at = path.child("service");
            errors.required_text(&at.child("name"), service.text("name"), format::dns_label);
            let (name, number) =
                (service.str_at(&["port", "name"]), service.i64_at(&["port", "number"]));
            let number = number.filter(|number| *number != 0);
            let at = at.child("port");
            match (name.is_empty(), number) {
                (false, Some(_)) => {
                    errors.invalid(path, "", "cannot set both port name & port number");
                }
                (false, None) => {
                    errors.messages(&at.child("name"), name, format::port_name(name));
                }
                (true, Some(number)) => {
                    for message in format::port(number) {
                        errors.invalid(&at.child("number"), number, &message);
                    }
                }
                (true, None) => errors.required(path, "port name or number is required"),
            }
        }
        (None, None) => errors.invalid(path, "", "resource or service backend is required"),
    }
}

/// Ingress, updated.
pub fn ingress_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    ingress_spec(new, Some(old), errors);
}

/// Status of an ingress.
pub fn ingress_status(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let known = old.list_at(&["status", "loadBalancer", "ingress"]);
    let path = Path::root("status.loadBalancer.ingress");
    for (index, entry) in new.list_at(&["status", "loadBalancer", "ingress"]).iter().enumerate() {
        let at = path.index(index);
        let address = entry.text("ip");
        if !address.is_empty() && !known.iter().any(|old| old.text("ip") == address) {
            ip::legacy_ip(address, &at.child("ip"), errors);
        }
        host_name(entry.text("hostname"), &at.child("hostname"), errors);
    }
}

/// IngressClass.
pub fn class(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("spec");
    let controller = object.str_at(&["spec", "controller"]);
    if controller.len() > 250 {
        errors.too_long(&path.child("controller"), 250);
    }
    format::domain_path(controller, &path.child("controller"), errors);
    let Some(parameters) = object.at(&["spec", "parameters"]) else { return };
    let at = path.child("parameters");
    if let Some(group) = parameters.get("apiGroup").and_then(Value::as_str) {
        errors.messages(&at.child("apiGroup"), group, format::dns_subdomain(group));
    }
    for name in ["kind", "name"] {
        errors.required_text(&at.child(name), parameters.text(name), format::path_segment);
    }
    let namespace = parameters.get("namespace").and_then(Value::as_str);
    match parameters.get("scope").and_then(Value::as_str) {
        None => errors.required(&at.child("scope"), ""),
        Some("Namespace") => match namespace {
            None => {
                let detail = "`parameters.scope` is set to 'Namespace'";
                errors.required(&at.child("namespace"), detail);
            }
            Some(name) => errors.messages(&at.child("namespace"), name, format::dns_label(name)),
        },
        Some("Cluster") => {
            if namespace.is_some() {
                let detail = "`parameters.scope` is set to 'Cluster'";
                errors.forbidden(&at.child("namespace"), detail);
            }
        }
        Some(other) => errors.unsupported(&at.child("scope"), other, &["Cluster", "Namespace"]),
    }
}

/// IngressClass, updated.
pub fn class_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let path = ["spec", "controller"];
    if new.str_at(&path) != old.str_at(&path) {
        let root = Path::root("spec");
        errors.invalid(&root.child("controller"), new.str_at(&path), IMMUTABLE);
    }
    class(new, scope, errors);
}

/// IPAddress; its name is the address.
pub fn address(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("spec");
    let at = path.child("parentRef");
    let Some(parent) = object.at(&["spec", "parentRef"]) else {
        errors.required(&at, "");
        return;
    };
    let group = parent.text("group");
    if !group.is_empty() {
        errors.messages(&at.child("group"), group, format::dns_subdomain(group));
    }
    for name in ["resource", "name"] {
        errors.required_text(&at.child(name), parent.text(name), format::path_segment);
    }
    let namespace = parent.text("namespace");
    if !namespace.is_empty() {
        errors.messages(&at.child("namespace"), namespace, format::path_segment(namespace));
    }
}

/// IPAddress, updated.
pub fn address_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    address(new, scope, errors);
    let path = ["spec", "parentRef"];
    if !same(new.at(&path), old.at(&path)) {
        let root = Path::root("spec");
        let shown = match new.at(&path) {
            Some(parent) => go_form::compact(Some(parent), "networking.v1.ParentReference"),
            None => "null".to_owned(),
        };
        errors.invalid(&root.child("parentRef"), Verbatim(&shown), IMMUTABLE);
    }
}

/// ServiceCIDR.
pub fn range(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("spec");
    let path = root.child("cidrs");
    let list = object.list_at(&["spec", "cidrs"]);
    if list.is_empty() {
        errors.required(&path, "at least one CIDR required");
        return;
    }
    if list.len() > 2 {
        let shown = go_form::compact(object.get("spec"), "networking.v1.ServiceCIDRSpec");
        errors.invalid(&path, Verbatim(&shown), "may only hold up to 2 values");
        return;
    }
    let parsed: Vec<bool> = list
        .iter()
        .filter_map(|text| ip::parse_cidr(text.as_str()?))
        .map(|range| range.address.is_ipv4())
        .collect();
    if list.len() == 2 && parsed.len() == 2 && parsed.first() == parsed.get(1) {
        let shown = go_form::plain(object.at(&["spec", "cidrs"]));
        let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and \
                      2001:db8::/64";
        errors.invalid(&path, Verbatim(&shown), detail);
    }
    for (index, text) in list.iter().filter_map(Value::as_str).enumerate() {
        ip::strict_cidr(text, &path.index(index), errors);
    }
}

/// ServiceCIDR, updated: a second family may be added.
pub fn range_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("spec");
    let path = root.child("cidrs");
    let (now, was) = (new.list_at(&["spec", "cidrs"]), old.list_at(&["spec", "cidrs"]));
    if now.len() == was.len() {
        for (index, (now, was)) in now.iter().zip(was).enumerate() {
            if now != was {
                errors.invalid(&path.index(index), now, IMMUTABLE);
            }
        }
    } else if was.len() == 1 && now.len() == 2 {
        if let (Some(first), false) = (now.first(), now.first() == was.first()) {
            errors.invalid(&path.index(0), first, IMMUTABLE);
        }
        range(new, scope, errors);
    } else {
        let shown = go_form::plain(new.at(&["spec", "cidrs"]));
        errors.invalid(&path, Verbatim(&shown), IMMUTABLE);
    }
}

/// EndpointSlice.
pub fn slice(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    slice_against(object, None, errors);
}

/// A slice; endpoints that stay as `stored` has them are not checked again.
fn slice_against(object: &Value<'_>, stored: Option<&Value<'_>>, errors: &mut Errors) {
    let kind = object.text("addressType");
    let path = Path::root("addressType");
    if kind.is_empty() {
        errors.required(&path, "");
    }
    errors.one_of(&path, kind, &["FQDN", "IPv4", "IPv6"]);
    slice_ports(object.items("ports"), &Path::root("ports"), errors);
    if stored.is_some_and(|old| same(old.get("endpoints"), object.get("endpoints"))) {
        return;
    }
    let endpoints = object.items("endpoints");
    let path = Path::root("endpoints");
    if endpoints.len() > 1_000 {
        errors.too_many(&path, endpoints.len(), 1_000);
    } else {
        for (index, endpoint) in endpoints.iter().enumerate() {
            slice_endpoint(endpoint, kind, &path.index(index), errors);
        }
    }
}

fn slice_endpoint(endpoint: &Value<'_>, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let addresses = endpoint.items("addresses");
    let at = path.child("addresses");
    if addresses.is_empty() {
        errors.required(&at, "must contain at least 1 address");
    } else if addresses.len() > 100 {
        errors.too_many(&at, addresses.len(), 100);
    }
    for (index, text) in addresses.iter().filter_map(Value::as_str).enumerate() {
        let list = &at;
        let at = at.index(index);
        let before = errors.len();
        match kind {
            "IPv4" => ip::legacy_ip(text, &at, errors),
            "IPv6" => ip::strict_ip(text, &at, errors),
            "FQDN" => format::full_domain(text, &at, errors),
            _ => {}
        }
        if matches!(kind, "IPv4" | "IPv6") && errors.len() == before {
            let four = ip::parse(text).is_some_and(|ip| ip.is_ipv4());
            if four != (kind == "IPv4") {
                errors.invalid(list, text, &format!("must be an {kind} address"));
            }
            ip::not_special(text, &at, errors);
        }
    }
    if let Some(node) = endpoint.get("nodeName").and_then(Value::as_str) {
        errors.messages(&path.child("nodeName"), node, format::dns_subdomain(node));
    }
    if let Some(host) = endpoint.get("hostname").and_then(Value::as_str) {
        errors.messages(&path.child("hostname"), host, format::dns_label(host));
    }
    for (list, rule) in [
        ("forZones", format::label_value as fn(&str) -> super::Messages),
        ("forNodes", format::dns_subdomain),
    ] {
        let hints = endpoint.list_at(&["hints", list]);
        let at = path.child("hints");
        let at = at.child(list);
        if hints.len() > 8 {
            errors.too_many(&at, hints.len(), 8);
            return;
        }
        for (index, hint) in hints.iter().enumerate() {
            let name = hint.text("name");
            if hints.iter().take(index).any(|other| other.text("name") == name) {
                errors.duplicate(&at.index(index).child("name"), name);
            }
            errors.messages(&at.index(index).child("name"), name, rule(name));
        }
    }
}

fn slice_ports(ports: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    if ports.len() > 20_000 {
        errors.too_many(path, ports.len(), 20_000);
        return;
    }
    for (index, port) in ports.iter().enumerate() {
        let at = path.index(index);
        let name = port.text("name");
        if !name.is_empty() {
            errors.messages(&at.child("name"), name, format::dns_label(name));
        }
        if ports.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        match port.get("protocol").and_then(Value::as_str) {
            None => errors.required(&at.child("protocol"), ""),
            Some("SCTP" | "TCP" | "UDP") => {}
            Some(other) => {
                errors.unsupported(&at.child("protocol"), other, &["SCTP", "TCP", "UDP"]);
            }
        }
        if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
            errors.messages(&at.child("appProtocol"), protocol, format::label_key(protocol));
        }
    }
}

/// EndpointSlice, updated.
pub fn slice_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    slice_against(new, Some(old), errors);
    if new.text("addressType") != old.text("addressType") {
        errors.invalid(&Path::root("addressType"), new.text("addressType"), IMMUTABLE);
    }
}
