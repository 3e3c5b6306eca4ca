//! The rows of all groups but core.

use super::table::{BASE, CUSTOM, FREE, SPEC};
use super::{Generation, MetaCheck, Recheck, Status, StatusMeta, Strategy};
use super::{cluster as own, workload as work};
use crate::object::field::Path;
use crate::registry::defaulting::{cluster, workload as load};
use crate::registry::validation as check;
use crate::registry::validation::{Messages, format};
use crate::registry::warning as warn;

fn any_name(_: &str) -> Messages {
    Messages::new()
}

/// `validate.LongName`, which counts bytes.
fn device_class_name(name: &str) -> Messages {
    let messages = format::dns_subdomain(name).into_iter();
    let counted = |message: std::borrow::Cow<'static, str>| match message.strip_suffix("characters")
    {
        Some(text) if text.starts_with("must be no more than") => format!("{text}bytes").into(),
        _ => message,
    };
    messages.map(counted).collect()
}

/// The name of an IPAddress is the address.
fn ip_name(name: &str) -> Messages {
    let mut errors = check::Errors::new();
    check::ip::strict_ip(name, &Path::root(""), &mut errors);
    let shown = format!("Invalid value: {name:?}: ");
    errors
        .iter()
        .map(|e| e.body.strip_prefix(&shown).unwrap_or(&e.body).to_owned().into())
        .collect()
}

pub(super) fn admission(resource: &str) -> &'static Strategy {
    const ROW: Strategy = Strategy { meta: MetaCheck::Plain, generation: SPEC, ..BASE };
    static BINDING: Strategy = Strategy {
        validate_create: check::binding::binding,
        validate_update: check::binding::binding_update,
        ..ROW
    };
    static MUTATING: Strategy = Strategy {
        validate_create: check::admission::mutating_policy,
        validate_update: check::admission::mutating_policy_update,
        ..ROW
    };
    static VALIDATING: Strategy = Strategy {
        status: Status::Split(StatusMeta::Reset),
        validate_create: check::admission::validating_policy,
        validate_update: check::admission::validating_policy_update,
        validate_status: check::admission::validating_policy_status,
        ..ROW
    };
    static WEBHOOKS: Strategy = Strategy {
        generation: Generation::Members(&["webhooks"]),
        validate_create: check::admission::webhooks,
        validate_update: check::admission::webhooks_update,
        ..ROW
    };
    match resource {
        "mutatingadmissionpolicies" => &MUTATING,
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => &WEBHOOKS,
        "validatingadmissionpolicies" => &VALIDATING,
        _ => &BINDING,
    }
}

#[expect(clippy::too_many_lines, reason = "one table, a row for each resource")]
pub(super) fn workload(resource: &str) -> &'static Strategy {
    const SET: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static PLAIN: Strategy = BASE;
    static REVISION: Strategy = Strategy {
        validate_create: check::workload::revision,
        validate_update: check::workload::revision_update,
        recheck: Recheck::After,
        ..BASE
    };
    static DAEMON_SET: Strategy = Strategy {
        default: work::daemon_default,
        prepare_create: work::daemon_create,
        prepare_update: work::daemon_update,
        validate_create: check::workload::daemon_set,
        validate_update: check::workload::daemon_set_update,
        validate_status: check::workload::status,
        warn: warn::workload::set,
        ..SET
    };
    static DEPLOYMENT: Strategy = Strategy {
        status: Status::Split(StatusMeta::KeepLabels),
        generation: Generation::SpecOrAnnotations,
        default: load::deployment,
        validate_create: check::workload::deployment,
        validate_update: check::workload::deployment_update,
        validate_status: check::workload::status,
        warn: warn::workload::named_set,
        ..BASE
    };
    static REPLICA_SET: Strategy = Strategy {
        default: load::replica_set,
        validate_create: check::workload::replica_set,
        validate_update: check::workload::replica_set_update,
        validate_status: check::workload::status,
        warn: warn::workload::named_set,
        ..SET
    };
    static STATEFUL_SET: Strategy = Strategy {
        name: format::dns_label,
        default: load::stateful_set,
        validate_create: check::workload::stateful_set,
        validate_update: check::workload::stateful_set_update,
        validate_status: check::workload::status,
        warn: warn::workload::stateful_set,
        ..SET
    };
    static JOB: Strategy = Strategy {
        default: load::job,
        prepare_create: work::job_create,
        validate_create: check::job::create,
        validate_update: check::job::update,
        validate_status: check::job_status::status,
        warn: warn::workload::job,
        recheck: Recheck::Before,
        ..SET
    };
    static CRON_JOB: Strategy = Strategy {
        default: load::cron_job,
        validate_create: check::cron::create,
        validate_update: check::cron::update,
        warn: warn::workload::cron_job,
        ..SET
    };
    static AUTOSCALER: Strategy = Strategy {
        status: FREE,
        default: load::autoscaler,
        finish: work::autoscaler_finish,
        validate_create: check::autoscaling::create,
        validate_update: check::autoscaling::update,
        validate_status: check::autoscaling::status,
        ..BASE
    };
    static BUDGET: Strategy = Strategy {
        meta: MetaCheck::Generic,
        validate_create: check::workload::budget,
        validate_update: check::workload::budget_update,
        validate_status: check::workload::budget_status,
        ..SET
    };
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

pub(super) fn network(resource: &str) -> &'static Strategy {
    const WITH_SPEC: Strategy = Strategy { generation: SPEC, ..BASE };
    static PLAIN: Strategy = BASE;
    static ADDRESS: Strategy = Strategy {
        name: ip_name,
        validate_create: check::network::address,
        validate_update: check::network::address_update,
        ..BASE
    };
    static CIDR: Strategy = Strategy {
        status: Status::Split(StatusMeta::Reset),
        validate_create: check::network::range,
        validate_update: check::network::range_update,
        ..BASE
    };
    static CLASS: Strategy = Strategy {
        validate_create: check::network::class,
        validate_update: check::network::class_update,
        ..WITH_SPEC
    };
    static EVENT: Strategy = Strategy {
        meta: MetaCheck::Generic,
        validate_create: check::event::create,
        validate_update: check::event::update,
        ..BASE
    };
    static INGRESS: Strategy = Strategy {
        status: FREE,
        validate_create: check::network::ingress,
        validate_update: check::network::ingress_update,
        validate_status: check::network::ingress_status,
        warn: warn::network::ingress,
        ..WITH_SPEC
    };
    static POLICY: Strategy = Strategy {
        default: cluster::network_policy,
        validate_create: check::network::policy,
        validate_update: check::network::policy_update,
        warn: warn::network::policy,
        recheck: Recheck::After,
        ..WITH_SPEC
    };
    static SLICE: Strategy = Strategy {
        generation: Generation::AllOrLabels,
        prepare_create: own::slice_create,
        prepare_update: own::slice_update,
        validate_create: check::network::slice,
        validate_update: check::network::slice_update,
        warn: warn::network::slice,
        recheck: Recheck::After,
        ..BASE
    };
    match resource {
        "endpointslices" => &SLICE,
        "events" => &EVENT,
        "ingressclasses" => &CLASS,
        "ingresses" => &INGRESS,
        "ipaddresses" => &ADDRESS,
        "networkpolicies" => &POLICY,
        "servicecidrs" => &CIDR,
        _ => &PLAIN,
    }
}

pub(super) fn storage(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static ATTACHMENT: Strategy = Strategy {
        status: Status::Split(StatusMeta::Reset),
        validate_create: check::storage::attachment,
        validate_update: check::storage::attachment_update,
        recheck: Recheck::After,
        ..BASE
    };
    static ATTRIBUTES: Strategy = Strategy {
        validate_create: check::storage::attributes,
        validate_update: check::storage::attributes_update,
        ..BASE
    };
    static CAPACITY: Strategy = Strategy {
        validate_create: check::storage::capacity,
        validate_update: check::storage::capacity_update,
        warn: warn::storage::capacity,
        ..BASE
    };
    static CLASS: Strategy = Strategy {
        validate_create: check::storage::class,
        validate_update: check::storage::class_update,
        warn: warn::storage::class,
        recheck: Recheck::After,
        ..BASE
    };
    static DRIVER: Strategy = Strategy {
        generation: Generation::SpecLate,
        warn: warn::storage::driver,
        validate_create: check::storage::driver,
        validate_update: check::storage::driver_update,
        ..BASE
    };
    static MIGRATION: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static NODE: Strategy = Strategy {
        validate_create: check::storage::node,
        validate_update: check::storage::node_update,
        ..BASE
    };
    match resource {
        "csidrivers" => &DRIVER,
        "csinodes" => &NODE,
        "csistoragecapacities" => &CAPACITY,
        "storageclasses" => &CLASS,
        "storageversionmigrations" => &MIGRATION,
        "volumeattachments" => &ATTACHMENT,
        "volumeattributesclasses" => &ATTRIBUTES,
        _ => &PLAIN,
    }
}

pub(super) fn device(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static CLAIM: Strategy = Strategy {
        status: Status::Split(StatusMeta::Reset),
        prepare_update: own::claim_update,
        default: cluster::resource_claim,
        validate_create: check::device::claim,
        validate_update: check::device::claim_update,
        validate_status: check::device_status::update,
        ..BASE
    };
    static CLASS: Strategy = Strategy {
        name: device_class_name,
        meta: MetaCheck::Generated,
        generation: SPEC,
        validate_create: check::device::class,
        validate_update: check::device::class_update,
        ..BASE
    };
    static POOL: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static SLICE: Strategy = Strategy {
        generation: Generation::SpecAsSent,
        warn: warn::storage::slice,
        default: cluster::resource_slice,
        prepare_create: own::slice_taints,
        prepare_update: own::slice_taints_update,
        validate_create: check::device_slice::create,
        validate_update: check::device_slice::update,
        ..BASE
    };
    static TAINT: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static TEMPLATE: Strategy = Strategy {
        default: cluster::resource_claim,
        validate_create: check::device::template,
        validate_update: check::device::template_update,
        ..BASE
    };
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

pub(super) fn other(group: &str, resource: &str) -> &'static Strategy {
    match group {
        "apiextensions.k8s.io" | "apiregistration.k8s.io" => extension(group),
        "certificates.k8s.io" => certificate(resource),
        "rbac.authorization.k8s.io" => rbac(resource),
        _ => small(group, resource),
    }
}

fn extension(group: &str) -> &'static Strategy {
    const DEFINED: Strategy = Strategy {
        // Their names are checked with the rest: they follow from the spec.
        meta: MetaCheck::Generic,
        status: Status::Split(StatusMeta::Reset),
        generation: SPEC,
        ..BASE
    };
    static DEFINITION: Strategy = Strategy {
        default: cluster::definition,
        prepare_create: own::definition_create,
        prepare_update: own::definition_update,
        validate_create: check::extension::definition,
        validate_update: check::extension::definition_update,
        // Upstream's reset of what a status may not change copies the new object to itself.
        status: Status::Split(StatusMeta::Free),
        validate_status: check::extension::definition_status,
        warn: check::definition::warn,
        ..DEFINED
    };
    static SERVICE: Strategy = Strategy {
        generation: Generation::Unset,
        prepare_create: own::api_service_create,
        validate_create: check::extension::service,
        validate_update: check::extension::service_update,
        validate_status: check::extension::service_status,
        ..DEFINED
    };
    if group == "apiextensions.k8s.io" { &DEFINITION } else { &SERVICE }
}

fn certificate(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static REQUEST: Strategy = Strategy { status: Status::Split(StatusMeta::Reset), ..BASE };
    static SIGNING: Strategy = Strategy {
        name: any_name,
        status: FREE,
        prepare_create: own::signing_create,
        prepare_update: own::signing_update,
        validate_create: check::signing::create,
        validate_update: check::signing::update,
        validate_status: check::signing::status,
        ..BASE
    };
    match resource {
        "certificatesigningrequests" => &SIGNING,
        "podcertificaterequests" => &REQUEST,
        _ => &PLAIN,
    }
}

fn rbac(resource: &str) -> &'static Strategy {
    const ROW: Strategy = Strategy { name: format::path_segment, recheck: Recheck::After, ..BASE };
    static BINDING: Strategy = Strategy {
        default: cluster::role_binding,
        validate_create: check::rbac::binding,
        validate_update: check::rbac::binding_update,
        ..ROW
    };
    static ROLE: Strategy = Strategy {
        validate_create: check::rbac::role,
        validate_update: check::rbac::role_update,
        ..ROW
    };
    match resource {
        "clusterrolebindings" | "rolebindings" => &BINDING,
        _ => &ROLE,
    }
}

fn small(group: &str, resource: &str) -> &'static Strategy {
    const FLOW: Strategy =
        Strategy { status: Status::Split(StatusMeta::KeepAll), generation: SPEC, ..BASE };
    static PLAIN: Strategy = BASE;
    static CANDIDATE: Strategy =
        Strategy { name: format::config_key, meta: MetaCheck::Plain, ..BASE };
    static GROUP: Strategy = Strategy { status: FREE, generation: SPEC, ..BASE };
    static FLOW_SCHEMA: Strategy = Strategy {
        validate_create: check::flow::schema,
        validate_update: check::flow::schema_update,
        validate_status: check::flow::status,
        ..FLOW
    };
    static LEASE: Strategy = Strategy {
        meta: MetaCheck::Plain,
        prepare_create: own::lease_create,
        prepare_update: own::lease_update,
        validate_create: check::class::lease,
        validate_update: check::class::lease_update,
        ..BASE
    };
    static LEVEL: Strategy = Strategy {
        validate_create: check::flow::level,
        validate_update: check::flow::level_update,
        validate_status: check::flow::status,
        ..FLOW
    };
    static PRIORITY: Strategy = Strategy {
        generation: Generation::Created,
        validate_create: check::class::priority,
        validate_update: check::class::priority_update,
        ..BASE
    };
    static RUNTIME: Strategy = Strategy {
        validate_create: check::class::runtime,
        validate_update: check::class::runtime_update,
        warn: warn::core::runtime_class,
        recheck: Recheck::After,
        ..BASE
    };
    static VERSION: Strategy =
        Strategy { meta: MetaCheck::Plain, status: Status::Split(StatusMeta::Reset), ..BASE };
    match (group, resource) {
        ("authentication.k8s.io" | "authorization.k8s.io", _) => &PLAIN,
        ("coordination.k8s.io", "leases") => &LEASE,
        ("coordination.k8s.io", _) => &CANDIDATE,
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => &FLOW_SCHEMA,
        ("flowcontrol.apiserver.k8s.io", _) => &LEVEL,
        ("internal.apiserver.k8s.io", _) => &VERSION,
        ("node.k8s.io", _) => &RUNTIME,
        ("scheduling.k8s.io", "podgroups") => &GROUP,
        ("scheduling.k8s.io", "priorityclasses") => &PRIORITY,
        ("scheduling.k8s.io", _) => &PLAIN,
        _ => &CUSTOM,
    }
}
