//! All rows, by group and resource.

use super::{Generation, MetaCheck, Recheck, Status, StatusMeta, Strategy};
use super::{core as base, groups, pod, service, workload};
use crate::registry::defaulting::{core as plain, workload as load};
use crate::registry::validation as check;
use crate::registry::validation::format;
use crate::registry::warning as warn;

pub(super) const SPEC: Generation = Generation::Members(&["spec"]);
pub(super) const FREE: Status = Status::Split(StatusMeta::Free);

/// The row of a kind with no behaviour of its own.
pub(super) const BASE: Strategy = Strategy {
    name: format::dns_subdomain,
    meta: MetaCheck::Kube,
    recheck: Recheck::No,
    generation: Generation::Unset,
    status: Status::Plain,
    default: |_, _| (),
    prepare_create: |_, _| (),
    prepare_update: |_, _, _| (),
    validate_create: |_, _, _| (),
    validate_update: |_, _, _, _| (),
    validate_status: |_, _, _, _| (),
    warn: |_, _, _, _| (),
    finish: |_, _| (),
};

/// Custom resources of a version without a status subresource.
pub static CUSTOM: Strategy = Strategy {
    meta: MetaCheck::Plain,
    generation: Generation::AllButMetadata { status: false },
    validate_create: check::custom::create,
    validate_update: check::custom::update,
    validate_status: check::custom::status,
    warn: check::custom::warn,
    ..BASE
};

/// `CUSTOM` for a version with a status subresource.
pub static CUSTOM_WITH_STATUS: Strategy = Strategy {
    generation: Generation::AllButMetadata { status: true },
    status: Status::Split(StatusMeta::KeepAll),
    ..CUSTOM
};

/// The row of `resource` (plural) of `group` ("" for core); custom resources have theirs elsewhere.
pub fn strategy(group: &str, resource: &str) -> &'static Strategy {
    match group {
        "" => core(resource),
        "admissionregistration.k8s.io" => groups::admission(resource),
        "apps" | "batch" | "autoscaling" | "policy" => groups::workload(resource),
        "networking.k8s.io" | "discovery.k8s.io" | "events.k8s.io" => groups::network(resource),
        "storage.k8s.io" | "storagemigration.k8s.io" => groups::storage(resource),
        "resource.k8s.io" => groups::device(resource),
        _ => groups::other(group, resource),
    }
}

#[expect(clippy::too_many_lines, reason = "one table, a row for each resource")]
fn core(resource: &str) -> &'static Strategy {
    static PLAIN: Strategy = BASE;
    static CLAIM: Strategy = Strategy {
        status: FREE,
        default: plain::claim,
        prepare_create: base::claim_create,
        prepare_update: base::claim_update,
        validate_create: check::claim::create,
        validate_update: check::claim::update,
        validate_status: check::claim::status,
        warn: warn::storage::claim,
        recheck: Recheck::After,
        ..BASE
    };
    static CONFIG: Strategy = Strategy {
        validate_create: check::core::config_map,
        validate_update: check::core::config_map_update,
        recheck: Recheck::After,
        ..BASE
    };
    static CONTROLLER: Strategy = Strategy {
        status: FREE,
        generation: SPEC,
        default: load::replication_controller,
        prepare_update: workload::controller_update,
        validate_create: check::workload::replication_controller,
        validate_update: check::workload::replication_controller_update,
        validate_status: check::workload::status,
        warn: warn::workload::controller,
        ..BASE
    };
    static ENDPOINTS: Strategy = Strategy {
        validate_create: check::core::endpoints,
        validate_update: check::core::endpoints_update,
        warn: warn::network::endpoints,
        recheck: Recheck::After,
        ..BASE
    };
    static EVENT: Strategy = Strategy {
        meta: MetaCheck::Generic,
        validate_create: check::event::create,
        validate_update: check::event::update,
        ..BASE
    };
    static LIMITS: Strategy = Strategy {
        default: plain::limit_range,
        prepare_create: base::limit_range_create,
        validate_create: check::quota::limit_range,
        validate_update: check::quota::limit_range_update,
        recheck: Recheck::Instead,
        ..BASE
    };
    static NAMESPACE: Strategy = Strategy {
        name: format::dns_label,
        status: FREE,
        default: plain::name_label,
        prepare_create: base::namespace_create,
        prepare_update: base::namespace_update,
        finish: plain::name_label,
        validate_create: check::core::namespace,
        validate_update: check::core::namespace_update,
        validate_status: check::core::namespace_status,
        recheck: Recheck::Before,
        ..BASE
    };
    static NODE: Strategy = Strategy {
        status: Status::SplitKeptOnCreate(StatusMeta::Free),
        default: base::node_default,
        validate_create: check::node::node,
        validate_update: check::node::node_update,
        validate_status: check::node::node_status,
        warn: warn::core::node,
        recheck: Recheck::Before,
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
        validate_status: check::pod_status::status,
        warn: warn::pod::pod,
        ..BASE
    };
    static QUOTA: Strategy = Strategy {
        status: FREE,
        default: plain::quota,
        validate_create: check::quota::resource_quota,
        validate_update: check::quota::resource_quota_update,
        validate_status: check::quota::resource_quota_status,
        ..BASE
    };
    static SECRET: Strategy = Strategy {
        default: base::secret_default,
        prepare_update: base::secret_update,
        validate_create: check::core::secret,
        validate_update: check::core::secret_update,
        warn: warn::core::secret,
        recheck: Recheck::After,
        ..BASE
    };
    static ACCOUNT: Strategy = Strategy {
        prepare_create: base::account_create,
        prepare_update: base::account_update,
        warn: warn::core::account,
        recheck: Recheck::After,
        ..BASE
    };
    static SERVICE: Strategy = Strategy {
        name: format::dns_label,
        status: FREE,
        default: plain::service,
        prepare_create: service::create,
        prepare_update: service::update,
        validate_create: check::service::create,
        validate_update: check::service::update,
        validate_status: check::service::status,
        warn: warn::network::service,
        ..BASE
    };
    static TEMPLATE: Strategy = Strategy {
        generation: Generation::Members(&["template"]),
        default: load::pod_template,
        validate_create: check::workload::pod_template,
        validate_update: check::workload::pod_template_update,
        warn: warn::workload::pod_template,
        ..BASE
    };
    static VOLUME: Strategy = Strategy {
        status: FREE,
        default: plain::volume,
        prepare_create: base::volume_create,
        prepare_update: base::volume_update,
        validate_create: check::persistent::create,
        validate_update: check::persistent::update,
        validate_status: check::persistent::status,
        warn: warn::storage::volume,
        recheck: Recheck::Twice,
        ..BASE
    };
    match resource {
        "configmaps" => &CONFIG,
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
        "serviceaccounts" => &ACCOUNT,
        "services" => &SERVICE,
        _ => &PLAIN,
    }
}
