//! Which shard owns a key: keys are hashed on a fixed number of slots, slots are dealt to shards.

use crate::base::limits::PARTITION_SLOTS;
use crate::catalog::Storage;
use std::hash::BuildHasher;
use std::sync::OnceLock;

/// Every thread must agree on the slot of a key, so the seed is the process's.
static SEED: OnceLock<foldhash::fast::RandomState> = OnceLock::new();

/// A resource's place in a shard's tables: 0 for keys of no known resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Resource(u16);

impl Resource {
    pub(super) fn of(storage: Option<&Storage>) -> Self {
        Self(storage.map_or(0, |storage| storage.id.saturating_add(1)))
    }

    pub(super) fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// The slot of a resource's namespace, or of the name of a cluster-scoped object.
pub(super) fn slot(resource: Resource, spread_on: &str) -> u16 {
    let seed = SEED.get_or_init(foldhash::fast::RandomState::default);
    let hash = seed.hash_one((resource, spread_on));
    #[expect(clippy::cast_possible_truncation, reason = "the number of slots fits")]
    let slot = (hash % PARTITION_SLOTS as u64) as u16;
    slot
}

/// Resources whose entries every shard holds, not their owner alone: what other writes look at
/// (admission, authorization, workers' heartbeats), so that those ask no other shard. An entry held
/// is a pointer, about twenty bytes for each shard. Group, resource.
const EVERYWHERE: [(&str, &str); 21] = [
    ("", "limitranges"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "resourcequotas"),
    ("", "serviceaccounts"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("coordination.k8s.io", "leases"),
    ("networking.k8s.io", "ingressclasses"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "storageclasses"),
];

/// True if every shard holds the resource's entries.
pub(super) fn is_everywhere(storage: Option<&Storage>) -> bool {
    storage.is_some_and(|storage| EVERYWHERE.contains(&(storage.group, storage.resource)))
}

/// The shard that owns a slot.
pub(super) fn owner(slot: u16, shards: usize) -> usize {
    usize::from(slot) % shards.max(1)
}
