//! The admission chain: plugins in kube-apiserver's order, first those that change objects, then
//! those that only look (features.md section 6).
//!
//! A plugin is a file with the functions `admit` (may change the object) and `validate`; what a
//! plugin needs of other objects it reads through [`Reader`], what it asks the authorizers through
//! [`Authority`].

mod always_pull_images;
mod authority;
mod certificate_approval;
mod certificate_signing;
mod certificate_subject_restriction;
mod cluster_trust_bundle_attest;
mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod deny_service_external_ips;
mod extended_resource_toleration;
mod limit_pod_hard_anti_affinity_topology;
mod limit_ranger;
mod namespace_exists;
mod namespace_lifecycle;
mod node_restriction;
mod owner_references_permission_enforcement;
mod persistent_volume_claim_resize;
mod plugins;
mod pod_node_selector;
mod pod_security;
mod pod_topology_labels;
mod policy;
mod priority;
mod reader;
mod refusal;
mod resource_quota;
mod resources;
mod runtime_class;
mod service_account;
mod signing_request;
mod storage_object_in_use_protection;
mod taint_nodes_by_condition;
pub mod webhook;

pub use authority::{Answer, Authority, Question};
pub use default_toleration_seconds::Seconds;
pub use plugins::{Plugin, Plugins};
pub use reader::Reader;

use crate::object::Value;
use crate::request::{Attributes, Result};
use bumpalo::Bump;
use std::rc::Rc;
use webhook::{Round, Webhooks};

/// The chain of one shard; clones share it.
#[derive(Debug, Clone)]
pub struct Chain {
    reader: Reader,
    authority: Rc<dyn Authority>,
    plugins: Plugins,
    tolerated: Seconds,
    webhooks: Webhooks,
}

impl Chain {
    /// A chain of these plugins, that reads other objects through `reader`.
    pub fn new(
        reader: Reader,
        authority: Rc<dyn Authority>,
        plugins: Plugins,
        tolerated: Seconds,
        webhooks: Webhooks,
    ) -> Self {
        Self { reader, authority, plugins, tolerated, webhooks }
    }

    /// The webhooks of the chain.
    pub const fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// Runs the plugins that may change `object`, in order; `old` is the state before an update
    /// or delete. If a webhook changes it, all run once more (`reinvoker.Admit`).
    ///
    /// # Errors
    /// The first plugin's refusal.
    pub async fn mutate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<()> {
        let (mut round, mut policies) = (Round::default(), policy::Round::default());
        loop {
            self.mutate_first(at, object, old, arena).await?;
            self.mutate_last(at, object, arena).await?;
            if self.plugins.have(Plugin::MutatingAdmissionPolicy) {
                let working = (&self.reader, &*self.authority, &mut policies);
                if policy::mutate(at, object, old, working, arena).await? {
                    self.webhooks.fill_defaults(at.resource, object, arena);
                }
            }
            if self.plugins.have(Plugin::MutatingAdmissionWebhook) {
                let working = (&self.reader, &mut round);
                self.webhooks.mutate(at, object, old, working, arena).await?;
            }
            if self.plugins.have(Plugin::AlwaysDeny) {
                return Err(refusal::refuse(at, "admission control is denying all modifications"));
            }
            if !round.begin_second() {
                return Ok(());
            }
        }
    }

    /// The first half of [`Self::mutate`].
    async fn mutate_first<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<()> {
        let (reader, on) = (&self.reader, |plugin| self.plugins.have(plugin));
        if on(Plugin::NamespaceLifecycle) {
            namespace_lifecycle::admit(at, reader).await?;
        }
        if on(Plugin::LimitRanger) {
            limit_ranger::admit(at, object, old, reader, arena).await?;
        }
        if on(Plugin::ServiceAccount) {
            service_account::admit(at, object, reader, arena).await?;
        }
        if on(Plugin::NodeRestriction) {
            let authority = &*self.authority;
            node_restriction::admit(at, object, old, reader, authority).await?;
        }
        if on(Plugin::TaintNodesByCondition) {
            taint_nodes_by_condition::admit(at, object, arena);
        }
        if on(Plugin::AlwaysPullImages) {
            always_pull_images::admit(at, object);
        }
        if on(Plugin::PodNodeSelector) {
            pod_node_selector::admit(at, object, reader, arena).await?;
        }
        if on(Plugin::Priority) {
            priority::admit(at, object, old, reader, arena).await?;
        }
        if on(Plugin::DefaultTolerationSeconds) {
            default_toleration_seconds::admit(at, object, self.tolerated, arena);
        }
        if on(Plugin::ExtendedResourceToleration) {
            extended_resource_toleration::admit(at, object, arena);
        }
        Ok(())
    }

    /// The second half of [`Self::mutate`].
    async fn mutate_last<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        arena: &'a Bump,
    ) -> Result<()> {
        let (reader, on) = (&self.reader, |plugin| self.plugins.have(plugin));
        if on(Plugin::DefaultStorageClass) {
            default_storage_class::admit(at, object, reader, arena).await?;
        }
        if on(Plugin::StorageObjectInUseProtection) {
            storage_object_in_use_protection::admit(at, object, arena);
        }
        if on(Plugin::RuntimeClass) {
            runtime_class::admit(at, object, reader, arena).await?;
        }
        if on(Plugin::DefaultIngressClass) {
            default_ingress_class::admit(at, object, reader, arena).await?;
        }
        if on(Plugin::PodTopologyLabels) {
            pod_topology_labels::admit(at, object, reader, arena).await?;
        }
        Ok(())
    }

    /// Asks the webhooks about a connect, whose object is its options; no other plugin that is on
    /// looks at one.
    ///
    /// # Errors
    /// The refusal of a hook.
    pub async fn admit_connect<'a>(
        &self,
        at: &Attributes<'_>,
        options: &mut Value<'a>,
        arena: &'a Bump,
    ) -> Result<()> {
        let mut round = Round::default();
        while self.plugins.have(Plugin::MutatingAdmissionWebhook) {
            let working = (&self.reader, &mut round);
            self.webhooks.mutate(at, options, None, working, arena).await?;
            if !round.begin_second() {
                break;
            }
        }
        if self.plugins.have(Plugin::ValidatingAdmissionWebhook) {
            self.webhooks.validate(at, options, None, &self.reader).await?;
        }
        Ok(())
    }

    /// Runs the plugins that judge the final object.
    ///
    /// # Errors
    /// The first plugin's refusal.
    pub async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()> {
        let (reader, on) = (&self.reader, |plugin| self.plugins.have(plugin));
        let authority = &*self.authority;
        if on(Plugin::NamespaceExists) {
            namespace_exists::validate(at, reader).await?;
        }
        if on(Plugin::LimitPodHardAntiAffinityTopology) {
            limit_pod_hard_anti_affinity_topology::validate(at, object)?;
        }
        if on(Plugin::LimitRanger) {
            limit_ranger::validate(at, object, old, reader).await?;
        }
        if on(Plugin::ServiceAccount) {
            service_account::validate(at, object, reader).await?;
        }
        if on(Plugin::AlwaysPullImages) {
            always_pull_images::validate(at, object)?;
        }
        if on(Plugin::PodSecurity) {
            pod_security::validate(at, object, old, reader).await?;
        }
        if on(Plugin::Priority) {
            priority::validate(at, object, old, reader).await?;
        }
        if on(Plugin::OwnerReferencesPermissionEnforcement) {
            owner_references_permission_enforcement::validate(at, object, old, authority).await?;
        }
        if on(Plugin::PersistentVolumeClaimResize) {
            persistent_volume_claim_resize::validate(at, object, old, reader).await?;
        }
        if on(Plugin::RuntimeClass) {
            runtime_class::validate(at, object, reader).await?;
        }
        self.validate_last(at, object, old).await
    }

    /// The second half of [`Self::validate`].
    async fn validate_last(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()> {
        let on = |plugin| self.plugins.have(plugin);
        let authority = &*self.authority;
        if on(Plugin::CertificateApproval) {
            certificate_approval::validate(at, old, authority).await?;
        }
        if on(Plugin::CertificateSigning) {
            certificate_signing::validate(at, object, old, authority).await?;
        }
        if on(Plugin::ClusterTrustBundleAttest) {
            cluster_trust_bundle_attest::validate(at, object, authority).await?;
        }
        if on(Plugin::CertificateSubjectRestriction) {
            certificate_subject_restriction::validate(at, object)?;
        }
        if on(Plugin::DenyServiceExternalIps) {
            deny_service_external_ips::validate(at, object, old)?;
        }
        if on(Plugin::ValidatingAdmissionPolicy) {
            policy::validate(at, object, old, &self.reader, authority).await?;
        }
        if on(Plugin::ValidatingAdmissionWebhook) {
            self.webhooks.validate(at, object, old, &self.reader).await?;
        }
        if on(Plugin::ResourceQuota) {
            resource_quota::validate(at, object, old, &self.reader).await?;
        }
        Ok(())
    }
}
