//! All rows, by group and resource.

use super::{Generation, MetaCheck, Status, StatusMeta, Strategy};
use super::{certificate, namespace, pod, secret, service, volume};
use crate::registry::defaulting::{cluster, core as plain, workload as load};
use crate::registry::validation as check;
use crate::registry::validation::Messages;
use crate::registry::validation::format;

const SPEC: Generation = Generation::Members(&["spec"]);
const FREE: Status = Status::Split(StatusMeta::Free);

/// The row of a kind with no behaviour of its own.
const BASE: Strategy = Strategy {
    name: format::dns_subdomain,
    meta: MetaCheck::Kube,
    generation: Generation::Unset,
    status: Status::Plain,
    default: |_, _| (),
    prepare_create: |_, _| (),
    prepare_update: |_, _, _| (),
    validate_create: |_, _, _| (),
    validate_update: |_, _, _, _| (),
    validate_status: |_, _, _, _| (),
    warn: |_, _, _| (),
    finish: |_, _| (),
};

/// Custom resources with no status subresource: the caller switches `status` and `generation` to
/// what the version's `subresources` say, and validates against the schema.
pub static CUSTOM: Strategy = Strategy {
    meta: MetaCheck::Plain,
    generation: Generation::AllButMetadata { status: false },
    ..BASE
};

/// `CUSTOM` for a version with a status subresource.
pub static CUSTOM_WITH_STATUS: Strategy = Strategy {
    generation: Generation::AllButMetadata { status: true },
    status: Status::Split(StatusMeta::KeepAll),
    ..CUSTOM
};

fn any_name(_: &str) -> Messages {
    Messages::new()
}

/// The row of `resource` (plural) of `group` ("" for core); custom resources get [`CUSTOM`].
pub fn strategy(group: &str, resource: &str) -> &'static Strategy {
    match group {
        "" => core(resource),
        "admissionregistration.k8s.io" => admission(resource),
        "apps" | "batch" | "autoscaling" | "policy" => workload(resource),
        "networking.k8s.io" | "discovery.k8s.io" | "events.k8s.io" => network(resource),
        "storage.k8s.io" | "storagemigration.k8s.io" => storage(resource),
        "resource.k8s.io" => device(resource),
        _ => other(group, resource),
    }
}

fn core(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static CLAIM: Strategy = Strategy {
        status: FREE,
        default: plain::claim,
        prepare_create: volume::create_claim,
        validate_create: check::claim::create,
        validate_update: check::claim::update,
        validate_status: check::claim::status,
        ..BASE
    };
    static CONTROLLER: Strategy =
        Strategy { status: FREE, generation: SPEC, default: load::replication_controller, ..BASE };
    static ENDPOINTS: Strategy = Strategy { ..BASE };
    static EVENT: Strategy = Strategy { meta: MetaCheck::Generic, ..BASE };
    static LIMITS: Strategy = Strategy { default: plain::limit_range, ..BASE };
    static NAMESPACE: Strategy = Strategy {
        name: format::dns_label,
        status: FREE,
        default: plain::name_label,
        prepare_create: namespace::create,
        prepare_update: namespace::update,
        finish: plain::name_label,
        ..BASE
    };
    static NODE: Strategy = Strategy {
        status: Status::SplitKeptOnCreate(StatusMeta::Free),
        default: plain::node,
        ..BASE
    };
    static POD: Strategy = Strategy {
        status: Status::Split(StatusMeta::KeepOwners),
        generation: SPEC,
        default: pod::default,
        prepare_create: pod::create,
        prepare_update: pod::update,
        validate_create: check::pod::create,
        validate_update: check::pod::update,
        validate_status: check::pod::status,
        ..BASE
    };
    static QUOTA: Strategy = Strategy { status: FREE, default: plain::quota, ..BASE };
    static SECRET: Strategy =
        Strategy { default: secret::default, prepare_update: secret::update, ..BASE };
    static SERVICE: Strategy = Strategy {
        name: format::dns_label,
        status: FREE,
        default: plain::service,
        prepare_update: service::update,
        ..BASE
    };
    static TEMPLATE: Strategy = Strategy {
        generation: Generation::Members(&["template"]),
        default: load::pod_template,
        ..BASE
    };
    static VOLUME: Strategy = Strategy {
        status: FREE,
        default: plain::volume,
        prepare_create: volume::create,
        prepare_update: volume::update,
        ..BASE
    };
    match resource {
        "endpoints" => &ENDPOINTS,
        "events" => &EVENT,
        "limitranges" => &LIMITS,
        "namespaces" => &NAMESPACE,
        "nodes" => &NODE,
        "persistentvolumeclaims" => &CLAIM,
        "persistentvolumes" => &VOLUME,
        "pods" => &POD,
        "podtemplates" => &TEMPLATE,
        "replicationcontrollers" => &CONTROLLER,
        "resourcequotas" => &QUOTA,
        "secrets" => &SECRET,
        "services" => &SERVICE,
        _ => &PLAIN,
    }
}

fn admission(resource: &str) -> &'static Strategy {
    const ROW: Strategy = Strategy { meta: MetaCheck::Plain, generation: SPEC, ..BASE };
    static BINDING: Strategy = Strategy { ..ROW };
    static POLICY: Strategy = Strategy { ..ROW };
    static POLICY_WITH_STATUS: Strategy =
        Strategy { status: Status::Split(StatusMeta::Reset), ..POLICY_ROW };
    const POLICY_ROW: Strategy = Strategy { ..ROW };
    static WEBHOOKS: Strategy = Strategy { generation: Generation::Members(&["webhooks"]), ..ROW };
    match resource {
        "mutatingadmissionpolicies" => &POLICY,
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => &WEBHOOKS,
        "validatingadmissionpolicies" => &POLICY_WITH_STATUS,
        _ => &BINDING,
    }
}

fn workload(resource: &str) -> &'static Strategy {
    const SET: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static REVISION: Strategy = BASE;
    static DAEMON_SET: Strategy = Strategy { default: load::daemon_set, ..SET };
    static DEPLOYMENT: Strategy = Strategy {
        status: Status::Split(StatusMeta::KeepLabels),
        generation: Generation::SpecOrAnnotations,
        default: load::deployment,
        ..BASE
    };
    static REPLICA_SET: Strategy = Strategy { default: load::replica_set, ..SET };
    static STATEFUL_SET: Strategy =
        Strategy { name: format::dns_label, default: load::stateful_set, ..SET };
    static JOB: Strategy = Strategy { default: load::job, ..SET };
    static CRON_JOB: Strategy = Strategy { default: load::cron_job, ..SET };
    static AUTOSCALER: Strategy = Strategy { status: FREE, default: load::autoscaler, ..BASE };
    static BUDGET: Strategy = Strategy { meta: MetaCheck::Generic, ..SET };
    static PLAIN: Strategy = BASE;
    match resource {
        "controllerrevisions" => &REVISION,
        "cronjobs" => &CRON_JOB,
        "daemonsets" => &DAEMON_SET,
        "deployments" => &DEPLOYMENT,
        "horizontalpodautoscalers" => &AUTOSCALER,
        "jobs" => &JOB,
        "poddisruptionbudgets" => &BUDGET,
        "replicasets" => &REPLICA_SET,
        "statefulsets" => &STATEFUL_SET,
        _ => &PLAIN,
    }
}

fn network(resource: &str) -> &'static Strategy {
    const WITH_SPEC: Strategy = Strategy { generation: SPEC, ..BASE };
    static PLAIN: Strategy = BASE;
    static CIDR: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static CLASS: Strategy = Strategy { ..WITH_SPEC };
    static EVENT: Strategy = Strategy { meta: MetaCheck::Generic, ..BASE };
    static INGRESS: Strategy = Strategy { status: FREE, ..WITH_SPEC };
    static POLICY: Strategy = Strategy { default: cluster::network_policy, ..WITH_SPEC };
    static SLICE: Strategy = Strategy { generation: Generation::AllOrLabels, ..BASE };
    match resource {
        "endpointslices" => &SLICE,
        "events" => &EVENT,
        "ingressclasses" => &CLASS,
        "ingresses" => &INGRESS,
        "networkpolicies" => &POLICY,
        "servicecidrs" => &CIDR,
        _ => &PLAIN,
    }
}

fn storage(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static ATTACHMENT: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static CLASS: Strategy = Strategy { ..BASE };
    static DRIVER: Strategy = Strategy { generation: Generation::SpecLate, ..BASE };
    match resource {
        "csidrivers" => &DRIVER,
        "storageclasses" => &CLASS,
        "storageversionmigrations" | "volumeattachments" => &ATTACHMENT,
        _ => &PLAIN,
    }
}

fn device(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static CLAIM: Strategy = Strategy {
        status: Status::Split(StatusMeta::Reset),
        default: cluster::resource_claim,
        ..BASE
    };
    static CLASS: Strategy = Strategy { generation: SPEC, ..BASE };
    static POOL: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static SLICE: Strategy =
        Strategy { generation: SPEC, default: cluster::resource_slice, ..BASE };
    static TAINT: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static TEMPLATE: Strategy = Strategy { default: cluster::resource_claim, ..BASE };
    match resource {
        "deviceclasses" => &CLASS,
        "devicetaintrules" => &TAINT,
        "resourceclaims" => &CLAIM,
        "resourceclaimtemplates" => &TEMPLATE,
        "resourcepoolstatusrequests" => &POOL,
        "resourceslices" => &SLICE,
        _ => &PLAIN,
    }
}

fn other(group: &str, resource: &str) -> &'static Strategy {
    const FLOW: Strategy =
        Strategy { status: Status::Split(StatusMeta::KeepAll), generation: SPEC, ..BASE };
    const DEFINED: Strategy = Strategy { meta: MetaCheck::Plain, ..FLOW };
    static PLAIN: Strategy = BASE;
    static BINDING: Strategy =
        Strategy { name: format::path_segment, default: cluster::role_binding, ..BASE };
    static CANDIDATE: Strategy =
        Strategy { name: format::config_key, meta: MetaCheck::Plain, ..BASE };
    static CERTIFICATE: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static DEFINITION: Strategy = Strategy { default: cluster::definition, ..DEFINED };
    static FLOW_SCHEMA: Strategy = Strategy { ..FLOW };
    static GROUP: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static LEASE: Strategy = Strategy { meta: MetaCheck::Plain, ..BASE };
    static LEVEL: Strategy = Strategy { ..FLOW };
    static PRIORITY: Strategy = Strategy { generation: Generation::Created, ..BASE };
    static ROLE: Strategy = Strategy { name: format::path_segment, ..BASE };
    static SERVICE: Strategy = Strategy { generation: Generation::Unset, ..DEFINED };
    static SIGNING: Strategy = Strategy {
        name: any_name,
        status: FREE,
        prepare_create: certificate::create,
        prepare_update: certificate::update,
        ..BASE
    };
    static VERSION: Strategy =
        Strategy { meta: MetaCheck::Plain, status: Status::Split(StatusMeta::Reset), ..BASE };
    match (group, resource) {
        ("apiextensions.k8s.io", _) => &DEFINITION,
        ("apiregistration.k8s.io", _) => &SERVICE,
        ("authentication.k8s.io" | "authorization.k8s.io" | "node.k8s.io", _) => &PLAIN,
        ("certificates.k8s.io", "certificatesigningrequests") => &SIGNING,
        ("certificates.k8s.io", "podcertificaterequests") => &CERTIFICATE,
        ("certificates.k8s.io", _) => &PLAIN,
        ("coordination.k8s.io", "leases") => &LEASE,
        ("coordination.k8s.io", _) => &CANDIDATE,
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => &FLOW_SCHEMA,
        ("flowcontrol.apiserver.k8s.io", _) => &LEVEL,
        ("internal.apiserver.k8s.io", _) => &VERSION,
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => &BINDING,
        ("rbac.authorization.k8s.io", _) => &ROLE,
        ("scheduling.k8s.io", "podgroups") => &GROUP,
        ("scheduling.k8s.io", "priorityclasses") => &PRIORITY,
        ("scheduling.k8s.io", _) => &PLAIN,
        _ => &CUSTOM,
    }
}
