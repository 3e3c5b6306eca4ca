//! Server-side tables: what `kubectl get` prints (`as=Table` in the Accept header).
//!
//! A `Printer` is a kind's columns and a function that writes an object's cells as JSON straight
//! into the answer. Cells are computed from the object in its *stored* version, whatever version
//! the request names, as upstream computes them from its internal one. Clients hide columns of
//! priority 1; the server sends all.
//!
//! `encode` writes whole documents: a list, one object, an event of a watch.

mod access;
mod autoscale;
mod cluster;
mod column;
mod core;
mod custom;
mod encode;
mod network;
mod pod;
mod policy;
mod row;
mod select;
mod since;
mod storage;
#[cfg(test)]
mod tests;
mod workload;

pub use self::column::Column;
pub use self::custom::CustomColumns;
pub use self::encode::Include;
pub use self::encode::ListMeta;
pub use self::encode::MetaVersion;
pub use self::encode::RowObject;
pub use self::encode::Source;
pub use self::encode::Table;
pub use self::row::Row;
pub use self::since::Human;
pub use self::since::Moment;

use crate::catalog::Resource;
use crate::object::Value;
use std::cmp::Ordering;

/// How a kind is shown as rows of a table.
#[derive(Debug)]
pub struct Printer {
    /// The header.
    pub columns: &'static [Column],
    /// Writes the cells of one object in its stored version.
    pub cells: fn(&Value<'_>, &mut Row<'_>),
    /// The order of rows, where it is not that of the list.
    pub order: Option<fn(&Value<'_>, &Value<'_>) -> Ordering>,
    /// Reason and message of the row condition `Completed`, for objects that are done.
    pub completed: fn(&Value<'_>) -> Option<(&'static str, &'static str)>,
}

impl Printer {
    /// What is the same for nearly all kinds.
    const PLAIN: Self = Self { columns: &[], cells: |_, _| {}, order: None, completed: |_| None };
}

/// Where the columns of a served resource come from.
pub fn source(resource: &Resource, subresource: &str) -> Source {
    match resource.custom {
        Some(version) if subresource != "scale" => Source::Custom(CustomColumns::new(version)),
        _ => Source::BuiltIn(printer(resource.group, resource.name, subresource)),
    }
}

/// The printer of a served resource; `subresource` is "" or as in the path. Resources that have
/// none of their own get the default one: name and creation time.
pub fn printer(group: &str, resource: &str, subresource: &str) -> &'static Printer {
    if subresource == "scale" {
        return &autoscale::SCALE;
    }
    match (group, resource) {
        ("", _) => core_printer(resource),
        ("admissionregistration.k8s.io", _) => admission_printer(resource),
        ("apiregistration.k8s.io", "apiservices") => &cluster::API_SERVICE,
        ("apps", "controllerrevisions") => &workload::CONTROLLER_REVISION,
        ("apps", "daemonsets") => &workload::DAEMON_SET,
        ("apps", "deployments") => &workload::DEPLOYMENT,
        ("apps", "replicasets") => &workload::REPLICA_SET,
        ("apps", "statefulsets") => &workload::STATEFUL_SET,
        ("autoscaling", "horizontalpodautoscalers") => &autoscale::HORIZONTAL_POD_AUTOSCALER,
        ("batch", "cronjobs") => &workload::CRON_JOB,
        ("batch", "jobs") => &workload::JOB,
        ("certificates.k8s.io", "certificatesigningrequests") => {
            &access::CERTIFICATE_SIGNING_REQUEST
        }
        ("coordination.k8s.io", "leases") => &cluster::LEASE,
        ("discovery.k8s.io", "endpointslices") => &network::ENDPOINT_SLICE,
        ("events.k8s.io", "events") => &core::EVENT,
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => &policy::FLOW_SCHEMA,
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => {
            &policy::PRIORITY_LEVEL_CONFIGURATION
        }
        ("networking.k8s.io", "ingressclasses") => &network::INGRESS_CLASS,
        ("networking.k8s.io", "ingresses") => &network::INGRESS,
        ("networking.k8s.io", "ipaddresses") => &network::IP_ADDRESS,
        ("networking.k8s.io", "networkpolicies") => &network::NETWORK_POLICY,
        ("networking.k8s.io", "servicecidrs") => &network::SERVICE_CIDR,
        ("node.k8s.io", "runtimeclasses") => &cluster::RUNTIME_CLASS,
        ("policy", "poddisruptionbudgets") => &autoscale::POD_DISRUPTION_BUDGET,
        ("rbac.authorization.k8s.io", "clusterrolebindings") => &access::CLUSTER_ROLE_BINDING,
        ("rbac.authorization.k8s.io", "rolebindings") => &access::ROLE_BINDING,
        ("resource.k8s.io", "deviceclasses" | "resourceclaimtemplates") => &cluster::NAME_AND_AGE,
        ("resource.k8s.io", "resourceclaims") => &cluster::RESOURCE_CLAIM,
        ("resource.k8s.io", "resourceslices") => &cluster::RESOURCE_SLICE,
        ("scheduling.k8s.io", "priorityclasses") => &cluster::PRIORITY_CLASS,
        ("storage.k8s.io", "csidrivers") => &storage::CSI_DRIVER,
        ("storage.k8s.io", "csinodes") => &storage::CSI_NODE,
        ("storage.k8s.io", "storageclasses") => &storage::STORAGE_CLASS,
        ("storage.k8s.io", "volumeattachments") => &storage::VOLUME_ATTACHMENT,
        ("storage.k8s.io", "volumeattributesclasses") => &storage::VOLUME_ATTRIBUTES_CLASS,
        _ => &cluster::DEFAULT,
    }
}

fn core_printer(resource: &str) -> &'static Printer {
    match resource {
        "componentstatuses" => &core::COMPONENT_STATUS,
        "configmaps" => &core::CONFIG_MAP,
        "endpoints" => &core::ENDPOINTS,
        "events" => &core::EVENT,
        "namespaces" => &core::NAMESPACE,
        "nodes" => &core::NODE,
        "persistentvolumeclaims" => &storage::PERSISTENT_VOLUME_CLAIM,
        "persistentvolumes" => &storage::PERSISTENT_VOLUME,
        "pods" => &pod::POD,
        "podtemplates" => &workload::POD_TEMPLATE,
        "replicationcontrollers" => &workload::REPLICATION_CONTROLLER,
        "resourcequotas" => &core::RESOURCE_QUOTA,
        "secrets" => &core::SECRET,
        "serviceaccounts" => &cluster::NAME_AND_AGE,
        "services" => &network::SERVICE,
        _ => &cluster::DEFAULT,
    }
}

fn admission_printer(resource: &str) -> &'static Printer {
    match resource {
        "mutatingadmissionpolicies" => &policy::MUTATING_ADMISSION_POLICY,
        "validatingadmissionpolicies" => &policy::VALIDATING_ADMISSION_POLICY,
        "mutatingadmissionpolicybindings" | "validatingadmissionpolicybindings" => {
            &policy::ADMISSION_POLICY_BINDING
        }
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            &policy::WEBHOOK_CONFIGURATION
        }
        _ => &cluster::DEFAULT,
    }
}
