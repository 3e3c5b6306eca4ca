//! Services, ingresses and what else concerns the network.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::NAME;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::api::table::select::labels;
use crate::api::table::select::selector;
use crate::object::Value;

/// How many of a list are shown.
const SHOWN: usize = 3;

pub(super) static SERVICE: Printer = Printer {
    columns: &[
        NAME,
        text("Type").of("core.v1.ServiceSpec", "type"),
        text("Cluster-IP").of("core.v1.ServiceSpec", "clusterIP"),
        text("External-IP").of("core.v1.ServiceSpec", "externalIPs"),
        text("Port(s)").of("core.v1.ServiceSpec", "ports"),
        AGE,
        text("Selector").of("core.v1.ServiceSpec", "selector").wide(),
    ],
    cells: service,
    ..Printer::PLAIN
};

fn service(service: &Value<'_>, row: &mut Row<'_>) {
    row.name(service);
    row.text(service.str_at(&["spec", "type"]));
    let ips = strings(service.list_at(&["spec", "clusterIPs"]));
    let ip = ips.first().copied().unwrap_or_else(|| service.str_at(&["spec", "clusterIP"]));
    row.text_or(ip, "<none>");
    row.text(&external_ip(service));
    let ports: Vec<String> = service
        .list_at(&["spec", "ports"])
        .iter()
        .map(|port| {
            let (number, protocol) =
                (port.i64_at(&["port"]).unwrap_or(0), port.str_at(&["protocol"]));
            match port.i64_at(&["nodePort"]) {
                Some(node_port) if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    row.text_or(&ports.join(","), "<none>");
    row.age(service);
    row.text(&labels(service.at(&["spec", "selector"])));
}

/// Where a service can be reached from outside.
fn external_ip(service: &Value<'_>) -> String {
    let own = strings(service.list_at(&["spec", "externalIPs"])).join(",");
    match service.str_at(&["spec", "type"]) {
        "ClusterIP" | "NodePort" if own.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => own,
        "ExternalName" => service.str_at(&["spec", "externalName"]).to_owned(),
        "LoadBalancer" => {
            let balanced = load_balancer(service);
            match (balanced.is_empty(), own.is_empty()) {
                (true, true) => "<pending>".to_owned(),
                (true, false) => own,
                (false, true) => balanced,
                (false, false) => format!("{balanced},{own}"),
            }
        }
        _ => "<unknown>".to_owned(),
    }
}

/// The ingress points of a load balancer, sorted.
fn load_balancer(object: &Value<'_>) -> String {
    let points = object.list_at(&["status", "loadBalancer", "ingress"]);
    let mut points: Vec<&str> = points
        .iter()
        .map(|point| match point.str_at(&["ip"]) {
            "" => point.str_at(&["hostname"]),
            ip => ip,
        })
        .filter(|point| !point.is_empty())
        .collect();
    points.sort_unstable();
    points.dedup();
    points.join(",")
}

fn strings<'a>(list: &[Value<'a>]) -> Vec<&'a str> {
    list.iter().filter_map(Value::as_str).collect()
}

pub(super) static INGRESS: Printer = Printer {
    columns: &[
        NAME,
        text("Class").says(
            "The name of the IngressClass resource that should be used for additional \
             configuration",
        ),
        text("Hosts")
            .says("Hosts that incoming requests are matched against before the ingress rule"),
        text("Address").says("Address is a list containing ingress points for the load-balancer"),
        text("Ports").says("Ports of TLS configurations that open"),
        AGE,
    ],
    cells: |ingress, row| {
        row.name(ingress);
        let class = ingress.at(&["spec", "ingressClassName"]).and_then(Value::as_str);
        row.text(class.unwrap_or("<none>"));
        row.text(&hosts(ingress.list_at(&["spec", "rules"])));
        row.text(&load_balancer(ingress));
        row.text(if ingress.list_at(&["spec", "tls"]).is_empty() { "80" } else { "80, 443" });
        row.age(ingress);
    },
    ..Printer::PLAIN
};

/// The first three hosts; the number of further *rules* is what upstream adds.
fn hosts(rules: &[Value<'_>]) -> String {
    let mut shown = Vec::with_capacity(SHOWN);
    let mut more = false;
    for rule in rules {
        more |= shown.len() == SHOWN;
        let host = rule.str_at(&["host"]);
        if !more && !host.is_empty() {
            shown.push(host);
        }
    }
    match shown.join(",") {
        _ if shown.is_empty() => "*".to_owned(),
        text if more => format!("{text} + {} more...", rules.len().saturating_sub(SHOWN)),
        text => text,
    }
}

pub(super) static INGRESS_CLASS: Printer = Printer {
    columns: &[
        NAME,
        text("Controller").says("Controller that is responsible for handling this class"),
        text("Parameters").says("A reference to a resource with additional parameters"),
        AGE,
    ],
    cells: |class, row| {
        const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
        let is_default = class.str_at(&["metadata", "annotations", DEFAULT]) == "true";
        let name = class.str_at(&["metadata", "name"]);
        row.format(format_args!("{name}{}", if is_default { " (default)" } else { "" }));
        row.text(class.str_at(&["spec", "controller"]));
        match class.at(&["spec", "parameters"]) {
            Some(parameters) => {
                let (kind, name) = (parameters.str_at(&["kind"]), parameters.str_at(&["name"]));
                match parameters.get("apiGroup").and_then(Value::as_str) {
                    Some(group) => row.format(format_args!("{kind}.{group}/{name}")),
                    None => row.format(format_args!("{kind}/{name}")),
                }
            }
            None => row.text("<none>"),
        }
        row.age(class);
    },
    ..Printer::PLAIN
};

pub(super) static NETWORK_POLICY: Printer = Printer {
    columns: &[
        NAME,
        text("Pod-Selector").of("networking.v1.NetworkPolicySpec", "podSelector"),
        AGE,
    ],
    cells: |policy, row| {
        row.name(policy);
        row.text(&selector(policy.at(&["spec", "podSelector"])));
        row.age(policy);
    },
    ..Printer::PLAIN
};

pub(super) static ENDPOINT_SLICE: Printer = Printer {
    columns: &[
        NAME,
        text("AddressType").of("discovery.v1.EndpointSlice", "addressType"),
        text("Ports").of("discovery.v1.EndpointSlice", "ports"),
        text("Endpoints").of("discovery.v1.EndpointSlice", "endpoints"),
        AGE,
    ],
    cells: |slice, row| {
        row.name(slice);
        row.text(slice.str_at(&["addressType"]));
        let ports = slice.list_at(&["ports"]).iter().map(|port| {
            match (port.i64_at(&["port"]), port.get("name").and_then(Value::as_str)) {
                (Some(number), _) => number.to_string(),
                (None, Some(name)) => name.to_owned(),
                (None, None) => "*".to_owned(),
            }
        });
        row.text(&first_three(ports));
        let endpoints = slice.list_at(&["endpoints"]);
        let addresses = endpoints.iter().flat_map(|endpoint| endpoint.list_at(&["addresses"]));
        row.text(&first_three(addresses.filter_map(Value::as_str).map(str::to_owned)));
        row.age(slice);
    },
    ..Printer::PLAIN
};

fn first_three(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    let text = all.get(..SHOWN.min(all.len())).unwrap_or_default().join(",");
    match all.len().saturating_sub(SHOWN) {
        0 if text.is_empty() => "<unset>".to_owned(),
        0 => text,
        more => format!("{text} + {more} more..."),
    }
}

pub(super) static SERVICE_CIDR: Printer = Printer {
    columns: &[NAME, text("CIDRs").of("networking.v1.ServiceCIDRSpec", "cidrs"), AGE],
    cells: |cidr, row| {
        row.name(cidr);
        row.text(&strings(cidr.list_at(&["spec", "cidrs"])).join(","));
        row.age(cidr);
    },
    ..Printer::PLAIN
};

pub(super) static IP_ADDRESS: Printer = Printer {
    // Upstream declares two columns and fills three cells.
    columns: &[NAME, text("ParentRef").of("networking.v1.IPAddressSpec", "parentRef")],
    cells: |address, row| {
        row.name(address);
        match address.at(&["spec", "parentRef"]) {
            Some(parent) => {
                let field = |field| parent.str_at(&[field]);
                let mut text = field("resource").to_lowercase();
                if !field("group").is_empty() {
                    text = format!("{text}.{}", field("group").to_lowercase());
                }
                if !field("namespace").is_empty() {
                    text = format!("{text}/{}", field("namespace"));
                }
                row.format(format_args!("{text}/{}", field("name")));
            }
            None => row.text("<none>"),
        }
        row.age(address);
    },
    ..Printer::PLAIN
};
