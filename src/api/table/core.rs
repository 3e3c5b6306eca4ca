//! Kinds of the core group other than pods and services.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::NAME;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::api::table::select::pairs;
use crate::object::Map;
use crate::object::Value;
use std::fmt::Write as _;

pub(super) static NAMESPACE: Printer = Printer {
    columns: &[NAME, text("Status").says("The status of the namespace"), AGE],
    cells: |namespace, row| {
        row.name(namespace);
        row.text(namespace.str_at(&["status", "phase"]));
        row.age(namespace);
    },
    ..Printer::PLAIN
};

pub(super) static SECRET: Printer = Printer {
    columns: &[
        NAME,
        text("Type").of("core.v1.Secret", "type"),
        text("Data").of("core.v1.Secret", "data"),
        AGE,
    ],
    cells: |secret, row| {
        row.name(secret);
        row.text(secret.str_at(&["type"]));
        row.count(entries(secret, "data"));
        row.age(secret);
    },
    ..Printer::PLAIN
};

pub(super) static CONFIG_MAP: Printer = Printer {
    columns: &[NAME, text("Data").of("core.v1.ConfigMap", "data"), AGE],
    cells: |config_map, row| {
        row.name(config_map);
        row.count(entries(config_map, "data") + entries(config_map, "binaryData"));
        row.age(config_map);
    },
    ..Printer::PLAIN
};

fn entries(object: &Value<'_>, field: &str) -> usize {
    object.get(field).and_then(Value::as_map).map_or(0, Map::len)
}

pub(super) static COMPONENT_STATUS: Printer = Printer {
    columns: &[
        NAME,
        text("Status").says("Status of the component conditions"),
        text("Message").says("Message of the component conditions"),
        text("Error").says("Error of the component conditions"),
    ],
    cells: |component, row| {
        row.name(component);
        let conditions = component.list_at(&["conditions"]);
        match conditions.iter().find(|c| c.str_at(&["type"]) == "Healthy") {
            Some(healthy) => {
                let good = healthy.str_at(&["status"]) == "True";
                row.text(if good { "Healthy" } else { "Unhealthy" });
                row.text(healthy.str_at(&["message"]));
                row.text(healthy.str_at(&["error"]));
            }
            None => ["Unknown", "", ""].into_iter().for_each(|cell| row.text(cell)),
        }
    },
    ..Printer::PLAIN
};

pub(super) static NODE: Printer = Printer {
    columns: &[
        NAME,
        text("Status").says("The status of the node"),
        text("Roles").says("The roles of the node"),
        AGE,
        text("Version").of("core.v1.NodeSystemInfo", "kubeletVersion"),
        text("Internal-IP").of("core.v1.NodeStatus", "addresses").wide(),
        text("External-IP").of("core.v1.NodeStatus", "addresses").wide(),
        text("OS-Image").of("core.v1.NodeSystemInfo", "osImage").wide(),
        text("Kernel-Version").of("core.v1.NodeSystemInfo", "kernelVersion").wide(),
        text("Container-Runtime").of("core.v1.NodeSystemInfo", "containerRuntimeVersion").wide(),
    ],
    cells: node,
    ..Printer::PLAIN
};

fn node(node: &Value<'_>, row: &mut Row<'_>) {
    row.name(node);
    let conditions = node.list_at(&["status", "conditions"]);
    let ready = conditions.iter().rfind(|c| c.str_at(&["type"]) == "Ready");
    let ready = match ready.map(|condition| condition.str_at(&["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = node.bool_at(&["spec", "unschedulable"]);
    row.format(format_args!("{ready}{}", if cordoned { ",SchedulingDisabled" } else { "" }));
    row.text_or(&roles(node), "<none>");
    row.age(node);
    let info = |field| node.str_at(&["status", "nodeInfo", field]);
    row.text(info("kubeletVersion"));
    let addresses = node.list_at(&["status", "addresses"]);
    for kind in ["InternalIP", "ExternalIP"] {
        let address = addresses.iter().find(|a| a.str_at(&["type"]) == kind);
        row.text(address.map_or("<none>", |address| address.str_at(&["address"])));
    }
    row.text_or(info("osImage"), "<unknown>");
    let kernel = match info("kernelVersion") {
        "" => "<unknown>",
        version => version,
    };
    match info("architecture") {
        "" => row.text(kernel),
        architecture => row.format(format_args!("{kernel} ({architecture})")),
    }
    row.text_or(info("containerRuntimeVersion"), "<unknown>");
}

/// The roles that a node's labels name, sorted.
fn roles(node: &Value<'_>) -> String {
    let mut roles: Vec<&str> = pairs(node.at(&["metadata", "labels"]))
        .into_iter()
        .filter_map(|(key, value)| match key {
            "kubernetes.io/role" => Some(value),
            _ => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles.join(",")
}

pub(super) static EVENT: Printer = Printer {
    columns: &[
        text("Last Seen").of("core.v1.Event", "lastTimestamp"),
        text("Type").of("core.v1.Event", "type"),
        text("Reason").of("core.v1.Event", "reason"),
        text("Object").of("core.v1.Event", "involvedObject"),
        text("Subobject").of("core.v1.ObjectReference", "fieldPath").wide(),
        text("Source").of("core.v1.Event", "source").wide(),
        text("Message").of("core.v1.Event", "message"),
        text("First Seen").of("core.v1.Event", "firstTimestamp").wide(),
        text("Count").of("core.v1.Event", "count").wide(),
        NAME.wide(),
    ],
    cells: event,
    ..Printer::PLAIN
};

fn event(event: &Value<'_>, row: &mut Row<'_>) {
    let seen = |field| event.str_at(&[field]);
    let first = either(seen("firstTimestamp"), seen("eventTime"));
    let series = event.get("series");
    row.since(match series {
        Some(series) => series.str_at(&["lastObservedTime"]),
        None => either(seen("lastTimestamp"), first),
    });
    row.text(seen("type"));
    row.text(seen("reason"));
    let object = |field| event.str_at(&["involvedObject", field]);
    let kind = object("kind").to_lowercase();
    match object("name") {
        "" => row.text(&kind),
        name => row.format(format_args!("{kind}/{name}")),
    }
    row.text(object("fieldPath"));
    let component = either(event.str_at(&["source", "component"]), seen("reportingComponent"));
    match either(event.str_at(&["source", "host"]), seen("reportingInstance")) {
        "" => row.text(component),
        host => row.format(format_args!("{component}, {host}")),
    }
    row.text(seen("message").trim());
    row.since(first);
    let count = event.i64_at(&["count"]).unwrap_or(0);
    row.int(match series {
        Some(series) => series.i64_at(&["count"]).unwrap_or(0),
        None => count.max(1),
    });
    row.name(event);
}

/// The first text that is not empty.
fn either<'a>(first: &'a str, second: &'a str) -> &'a str {
    if first.is_empty() { second } else { first }
}

pub(super) static ENDPOINTS: Printer = Printer {
    columns: &[NAME, text("Endpoints").of("core.v1.Endpoints", "subsets"), AGE],
    cells: |endpoints, row| {
        row.name(endpoints);
        row.text(&addresses(endpoints));
        row.age(endpoints);
    },
    ..Printer::PLAIN
};

/// The first three addresses, with each port.
fn addresses(endpoints: &Value<'_>) -> String {
    const SHOWN: usize = 3;
    let subsets = endpoints.list_at(&["subsets"]);
    if subsets.is_empty() {
        return "<none>".to_owned();
    }
    let mut shown = Vec::with_capacity(SHOWN);
    let mut count = 0;
    for subset in subsets {
        let ports = subset.list_at(&["ports"]);
        let addresses = subset.list_at(&["addresses"]);
        count += addresses.len() * ports.len().max(1);
        for port in 0..ports.len().max(1) {
            let port = ports.get(port).map(|port| port.i64_at(&["port"]).unwrap_or(0));
            for address in addresses.iter().take(SHOWN - shown.len()) {
                let ip = address.str_at(&["ip"]);
                shown.push(match port {
                    None => ip.to_owned(),
                    Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
                    Some(port) => format!("{ip}:{port}"),
                });
            }
        }
    }
    let mut text = shown.join(",");
    if count > SHOWN {
        let _ = write!(text, " + {} more...", count - SHOWN);
    }
    text
}

pub(super) static RESOURCE_QUOTA: Printer = Printer {
    columns: &[
        NAME,
        text("Request").says(
            "Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        text("Limit").says(
            "Limits control the maximum amount of cpu/memory that a container may use independent \
             of contention on the node.",
        ),
        AGE,
    ],
    cells: |quota, row| {
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (resource, hard) in pairs(quota.at(&["status", "hard"])) {
            let used = match quota.str_at(&["status", "used", resource]) {
                "" => "0",
                used => used,
            };
            let list = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
            list.push(format!("{resource}: {used}/{hard}"));
        }
        row.name(quota);
        row.text(&requests.join(", "));
        row.text(&limits.join(", "));
        row.age(quota);
    },
    ..Printer::PLAIN
};
