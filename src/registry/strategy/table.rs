//! All rows, by group and resource.

use super::{Generation, MetaCheck, Status, StatusMeta, Strategy};
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
    static WITH_STATUS: Strategy = Strategy { status: FREE, ..BASE };
    static NAMESPACE: Strategy = Strategy { name: format::dns_label, status: FREE, ..BASE };
    static NODE: Strategy =
        Strategy { status: Status::SplitKeptOnCreate(StatusMeta::Free), ..BASE };
    static POD: Strategy =
        Strategy { status: Status::Split(StatusMeta::KeepOwners), generation: SPEC, ..BASE };
    static POD_TEMPLATE: Strategy =
        Strategy { generation: Generation::Members(&["template"]), ..BASE };
    static CONTROLLER: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static SERVICE: Strategy = Strategy { name: format::dns_label, status: FREE, ..BASE };
    static UPSERT: Strategy = Strategy { ..BASE };
    static EVENT: Strategy = Strategy { meta: MetaCheck::Generic, ..UPSERT };
    match resource {
        "namespaces" => &NAMESPACE,
        "nodes" => &NODE,
        "pods" => &POD,
        "podtemplates" => &POD_TEMPLATE,
        "replicationcontrollers" => &CONTROLLER,
        "services" => &SERVICE,
        "endpoints" | "limitranges" => &UPSERT,
        "events" => &EVENT,
        "persistentvolumes" | "persistentvolumeclaims" | "resourcequotas" => &WITH_STATUS,
        _ => &PLAIN,
    }
}

fn admission(resource: &str) -> &'static Strategy {
    const ROW: Strategy = Strategy { meta: MetaCheck::Plain, generation: SPEC, ..BASE };
    static POLICY: Strategy = ROW;
    static POLICY_WITH_STATUS: Strategy =
        Strategy { status: Status::Split(StatusMeta::Reset), ..ROW };
    static WEBHOOKS: Strategy = Strategy { generation: Generation::Members(&["webhooks"]), ..ROW };
    match resource {
        "validatingadmissionpolicies" => &POLICY_WITH_STATUS,
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => &WEBHOOKS,
        _ => &POLICY,
    }
}

fn workload(resource: &str) -> &'static Strategy {
    static REVISION: Strategy = BASE;
    static SET: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static STATEFUL_SET: Strategy = Strategy { name: format::dns_label, ..SET };
    static DEPLOYMENT: Strategy = Strategy {
        status: Status::Split(StatusMeta::KeepLabels),
        generation: Generation::SpecOrAnnotations,
        ..BASE
    };
    static AUTOSCALER: Strategy = Strategy { status: FREE, ..BASE };
    static BUDGET: Strategy = Strategy { meta: MetaCheck::Generic, ..SET };
    match resource {
        "controllerrevisions" => &REVISION,
        "deployments" => &DEPLOYMENT,
        "horizontalpodautoscalers" => &AUTOSCALER,
        "poddisruptionbudgets" => &BUDGET,
        "statefulsets" => &STATEFUL_SET,
        _ => &SET,
    }
}

fn network(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static WITH_SPEC: Strategy = Strategy { generation: SPEC, ..BASE };
    static INGRESS: Strategy = Strategy { status: FREE, ..WITH_SPEC };
    static CIDR: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static SLICE: Strategy = Strategy { generation: Generation::AllOrLabels, ..BASE };
    static EVENT: Strategy = Strategy { meta: MetaCheck::Generic, ..BASE };
    match resource {
        "endpointslices" => &SLICE,
        "events" => &EVENT,
        "ingresses" => &INGRESS,
        "ingressclasses" | "networkpolicies" => &WITH_SPEC,
        "servicecidrs" => &CIDR,
        _ => &PLAIN,
    }
}

fn storage(resource: &str) -> &'static Strategy {
    static CLASS: Strategy = BASE;
    static STRICT: Strategy = Strategy { ..BASE };
    static DRIVER: Strategy = Strategy { generation: Generation::SpecLate, ..STRICT };
    static WITH_STATUS: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..STRICT };
    match resource {
        "csidrivers" => &DRIVER,
        "csinodes" | "csistoragecapacities" => &STRICT,
        "volumeattachments" | "storageversionmigrations" => &WITH_STATUS,
        _ => &CLASS,
    }
}

fn device(resource: &str) -> &'static Strategy {
    static CLASS: Strategy = Strategy { generation: SPEC, ..BASE };
    static PLAIN: Strategy = BASE;
    static CLAIM: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static TAINT: Strategy = Strategy { status: FREE, ..CLASS };
    static POOL: Strategy = Strategy { ..CLAIM };
    match resource {
        "deviceclasses" | "resourceslices" => &CLASS,
        "devicetaintrules" => &TAINT,
        "resourceclaims" => &CLAIM,
        "resourcepoolstatusrequests" => &POOL,
        _ => &PLAIN,
    }
}

fn other(group: &str, resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static ROLE: Strategy = Strategy { name: format::path_segment, ..BASE };
    static LEASE: Strategy = Strategy { meta: MetaCheck::Plain, ..BASE };
    static CANDIDATE: Strategy = Strategy { name: format::config_key, ..LEASE };
    static RUNTIME: Strategy = Strategy { ..BASE };
    static PRIORITY: Strategy = Strategy { generation: Generation::Created, ..BASE };
    static FLOW: Strategy =
        Strategy { status: Status::Split(StatusMeta::KeepAll), generation: SPEC, ..BASE };
    static SIGNING: Strategy = Strategy { name: any_name, status: FREE, ..BASE };
    static CERTIFICATE: Strategy = Strategy { ..BASE };
    static CERTIFICATE_STATUS: Strategy =
        Strategy { status: Status::Split(StatusMeta::Reset), ..CERTIFICATE };
    static DEFINITION: Strategy = Strategy {
        meta: MetaCheck::Plain,
        status: Status::Split(StatusMeta::KeepAll),
        generation: SPEC,
        ..BASE
    };
    static VERSION: Strategy =
        Strategy { meta: MetaCheck::Plain, status: Status::Split(StatusMeta::Reset), ..BASE };
    static GROUP: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    match (group, resource) {
        ("rbac.authorization.k8s.io", _) => &ROLE,
        ("coordination.k8s.io", "leases") => &LEASE,
        ("coordination.k8s.io", _) => &CANDIDATE,
        ("node.k8s.io", _) => &RUNTIME,
        ("scheduling.k8s.io", "priorityclasses") => &PRIORITY,
        ("scheduling.k8s.io", "podgroups") => &GROUP,
        ("scheduling.k8s.io", _) => &PLAIN,
        ("flowcontrol.apiserver.k8s.io", _) => &FLOW,
        ("certificates.k8s.io", "certificatesigningrequests") => &SIGNING,
        ("certificates.k8s.io", "podcertificaterequests") => &CERTIFICATE_STATUS,
        ("certificates.k8s.io", _) => &CERTIFICATE,
        ("apiextensions.k8s.io" | "apiregistration.k8s.io", _) => &DEFINITION,
        ("internal.apiserver.k8s.io", _) => &VERSION,
        ("authentication.k8s.io" | "authorization.k8s.io", _) => &PLAIN,
        _ => &CUSTOM,
    }
}
