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
mod event_rate_limit;
mod extended_resource_toleration;
mod image_policy_webhook;
mod limit_pod_hard_anti_affinity_topology;
mod limit_ranger;
mod namespace_auto_provision;
mod namespace_exists;
mod namespace_lifecycle;
mod node_restriction;
mod owner_references_permission_enforcement;
mod persistent_volume_claim_resize;
mod plugins;
mod pod_node_selector;
mod pod_security;
mod pod_toleration_restriction;
mod pod_topology_labels;
mod policy;
mod priority;
mod reader;
mod refusal;
mod resource_quota;
mod resources;
mod runtime_class;
mod service_account;
mod settings;
mod signing_request;
mod storage_object_in_use_protection;
mod taint_nodes_by_condition;
mod times;
pub mod webhook;

pub use authority::{Answer, Authority, Question};
pub use default_toleration_seconds::Seconds;
pub use plugins::{Plugin, Plugins};
pub use reader::Reader;
pub use settings::{CheckTolerations, Settings};

use crate::metrics::Recorder;
use crate::object::Value;
use crate::request::{Attributes, Result};
use bumpalo::Bump;
use std::rc::Rc;
use std::sync::Arc;
use times::{Clock, Step, Times};
use webhook::{Round, Webhooks};

/// The chain of one shard; clones share it.
#[derive(Debug, Clone)]
pub struct Chain {
    reader: Reader,
    authority: Rc<dyn Authority>,
    plugins: Plugins,
    tolerated: Seconds,
    settings: Arc<Settings>,
    webhooks: Webhooks,
    images: Rc<image_policy_webhook::Kept>,
    times: Rc<Times>,
}

impl Chain {
    /// A chain of these plugins with their settings, that reads other objects through `reader` and
    /// counts in `metrics`.
    pub fn new(
        reader: Reader,
        authority: Rc<dyn Authority>,
        plugins: Plugins,
        (tolerated, settings): (Seconds, Arc<Settings>),
        webhooks: Webhooks,
        metrics: Rc<Recorder>,
    ) -> Self {
        let times = Rc::new(Times::new(metrics));
        let images = Rc::new(image_policy_webhook::kept());
        Self { reader, authority, plugins, tolerated, settings, webhooks, images, times }
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
        let title = arena.alloc_str(title(at, object));
        let at = &Attributes { title, ..*at };
        let mut clock = self.times.begin(at.operation, Step::Admit);
        let told = self.mutate_all(at, object, old, &mut clock, arena).await;
        clock.end(told)
    }

    async fn mutate_all<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        clock: &mut Clock<'_>,
        arena: &'a Bump,
    ) -> Result<()> {
        let on = |plugin: Plugin| self.plugins.have(plugin) && plugin.handles(at.operation);
        let (mut round, mut policies) = (Round::default(), policy::Round::default());
        loop {
            self.mutate_first(at, object, old, clock, arena).await?;
            self.mutate_last(at, object, clock, arena).await?;
            if on(Plugin::MutatingAdmissionPolicy) {
                let working = (&self.reader, &*self.authority, &mut policies);
                let changed = policy::mutate(at, object, old, working, arena).await;
                if let Ok(true) = changed {
                    self.webhooks.fill_defaults(at.resource, object, arena);
                }
                clock.lap(Plugin::MutatingAdmissionPolicy, changed.map(drop))?;
            }
            if on(Plugin::MutatingAdmissionWebhook) {
                let working = (&self.reader, &mut round);
                let told = self.webhooks.mutate(at, object, old, working, arena).await;
                clock.lap(Plugin::MutatingAdmissionWebhook, told)?;
            }
            if on(Plugin::AlwaysDeny) {
                let why = "admission control is denying all modifications";
                clock.lap(Plugin::AlwaysDeny, Err(refusal::refuse(at, why)))?;
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
        clock: &mut Clock<'_>,
        arena: &'a Bump,
    ) -> Result<()> {
        let (reader, settings) = (&self.reader, &self.settings);
        let on = |plugin: Plugin| self.plugins.have(plugin) && plugin.handles(at.operation);
        if on(Plugin::NamespaceAutoProvision) {
            let told = namespace_auto_provision::admit(at, reader).await;
            clock.lap(Plugin::NamespaceAutoProvision, told)?;
        }
        if on(Plugin::NamespaceLifecycle) {
            let told = namespace_lifecycle::admit(at, reader).await;
            clock.lap(Plugin::NamespaceLifecycle, told)?;
        }
        if on(Plugin::LimitRanger) {
            let told = limit_ranger::admit(at, object, old, reader, arena).await;
            clock.lap(Plugin::LimitRanger, told)?;
        }
        if on(Plugin::ServiceAccount) {
            let told = service_account::admit(at, object, reader, arena).await;
            clock.lap(Plugin::ServiceAccount, told)?;
        }
        if on(Plugin::NodeRestriction) {
            let authority = &*self.authority;
            let told = node_restriction::admit(at, object, old, reader, authority).await;
            clock.lap(Plugin::NodeRestriction, told)?;
        }
        if on(Plugin::TaintNodesByCondition) {
            taint_nodes_by_condition::admit(at, object, arena);
            clock.lap(Plugin::TaintNodesByCondition, Ok(()))?;
        }
        if on(Plugin::AlwaysPullImages) {
            always_pull_images::admit(at, object);
            clock.lap(Plugin::AlwaysPullImages, Ok(()))?;
        }
        if on(Plugin::PodNodeSelector) {
            let told =
                pod_node_selector::admit(at, object, reader, &settings.node_selectors, arena);
            let told = told.await;
            clock.lap(Plugin::PodNodeSelector, told)?;
        }
        if on(Plugin::Priority) {
            let told = priority::admit(at, object, old, reader, arena).await;
            clock.lap(Plugin::Priority, told)?;
        }
        if on(Plugin::DefaultTolerationSeconds) {
            default_toleration_seconds::admit(at, object, self.tolerated, arena);
            clock.lap(Plugin::DefaultTolerationSeconds, Ok(()))?;
        }
        if on(Plugin::PodTolerationRestriction) {
            let with = (reader, &settings.tolerations);
            let told = pod_toleration_restriction::admit(at, object, with, arena).await;
            clock.lap(Plugin::PodTolerationRestriction, told)?;
        }
        if on(Plugin::ExtendedResourceToleration) {
            extended_resource_toleration::admit(at, object, arena);
            clock.lap(Plugin::ExtendedResourceToleration, Ok(()))?;
        }
        Ok(())
    }

    /// The second half of [`Self::mutate`].
    async fn mutate_last<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        clock: &mut Clock<'_>,
        arena: &'a Bump,
    ) -> Result<()> {
        let reader = &self.reader;
        let on = |plugin: Plugin| self.plugins.have(plugin) && plugin.handles(at.operation);
        if on(Plugin::DefaultStorageClass) {
            let told = default_storage_class::admit(at, object, reader, arena).await;
            clock.lap(Plugin::DefaultStorageClass, told)?;
        }
        if on(Plugin::StorageObjectInUseProtection) {
            storage_object_in_use_protection::admit(at, object, arena);
            clock.lap(Plugin::StorageObjectInUseProtection, Ok(()))?;
        }
        if on(Plugin::RuntimeClass) {
            let told = runtime_class::admit(at, object, reader, arena).await;
            clock.lap(Plugin::RuntimeClass, told)?;
        }
        if on(Plugin::DefaultIngressClass) {
            let told = default_ingress_class::admit(at, object, reader, arena).await;
            clock.lap(Plugin::DefaultIngressClass, told)?;
        }
        if on(Plugin::PodTopologyLabels) {
            let told = pod_topology_labels::admit(at, object, reader, arena).await;
            clock.lap(Plugin::PodTopologyLabels, told)?;
        }
        Ok(())
    }

    /// Asks policies and webhooks about a connect, whose object is its options.
    ///
    /// # Errors
    /// The refusal of one of them.
    pub async fn admit_connect<'a>(
        &self,
        at: &Attributes<'_>,
        options: &mut Value<'a>,
        arena: &'a Bump,
    ) -> Result<()> {
        self.mutate(at, options, None, arena).await?;
        self.validate(at, options, None).await
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
        let at = &Attributes { title: title(at, object), ..*at };
        let mut clock = self.times.begin(at.operation, Step::Validate);
        let mut told = self.validate_first(at, object, old, &mut clock).await;
        if told.is_ok() {
            told = self.validate_last(at, object, old, &mut clock).await;
        }
        clock.end(told)
    }

    /// The first half of [`Self::validate`].
    async fn validate_first(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
        clock: &mut Clock<'_>,
    ) -> Result<()> {
        let reader = &self.reader;
        let on = |plugin: Plugin| self.plugins.have(plugin) && plugin.handles(at.operation);
        let authority = &*self.authority;
        if on(Plugin::NamespaceExists) {
            let told = namespace_exists::validate(at, reader).await;
            clock.lap(Plugin::NamespaceExists, told)?;
        }
        if on(Plugin::LimitPodHardAntiAffinityTopology) {
            clock.lap(
                Plugin::LimitPodHardAntiAffinityTopology,
                limit_pod_hard_anti_affinity_topology::validate(at, object),
            )?;
        }
        if on(Plugin::LimitRanger) {
            let told = limit_ranger::validate(at, object, old, reader).await;
            clock.lap(Plugin::LimitRanger, told)?;
        }
        if on(Plugin::ServiceAccount) {
            let told = service_account::validate(at, object, reader).await;
            clock.lap(Plugin::ServiceAccount, told)?;
        }
        if on(Plugin::AlwaysPullImages) {
            clock.lap(Plugin::AlwaysPullImages, always_pull_images::validate(at, object))?;
        }
        if on(Plugin::ImagePolicyWebhook)
            && let Some(service) = &self.settings.image_policy
        {
            let with = (service, self.webhooks.client());
            let told = image_policy_webhook::validate(at, object, with, &self.images).await;
            clock.lap(Plugin::ImagePolicyWebhook, told)?;
        }
        if on(Plugin::PodSecurity) {
            let (settings, metrics) = (&self.settings.pod_security, self.times.metrics());
            let judge = pod_security::Judge { reader, settings, metrics };
            let told = pod_security::validate(at, object, old, judge).await;
            clock.lap(Plugin::PodSecurity, told)?;
        }
        if on(Plugin::Priority) {
            let told = priority::validate(at, object, old, reader).await;
            clock.lap(Plugin::Priority, told)?;
        }
        if on(Plugin::PodTolerationRestriction) {
            let tolerations = &self.settings.tolerations;
            let told = pod_toleration_restriction::validate(at, object, reader, tolerations).await;
            clock.lap(Plugin::PodTolerationRestriction, told)?;
        }
        if on(Plugin::EventRateLimit) {
            let told = self.settings.event_limits.validate(at, object);
            clock.lap(Plugin::EventRateLimit, told)?;
        }
        if on(Plugin::OwnerReferencesPermissionEnforcement) {
            let told =
                owner_references_permission_enforcement::validate(at, object, old, authority).await;
            clock.lap(Plugin::OwnerReferencesPermissionEnforcement, told)?;
        }
        if on(Plugin::PersistentVolumeClaimResize) {
            let told = persistent_volume_claim_resize::validate(at, object, old, reader).await;
            clock.lap(Plugin::PersistentVolumeClaimResize, told)?;
        }
        if on(Plugin::RuntimeClass) {
            let told = runtime_class::validate(at, object, reader).await;
            clock.lap(Plugin::RuntimeClass, told)?;
        }
        Ok(())
    }

    /// The second half of [`Self::validate`].
    async fn validate_last(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
        clock: &mut Clock<'_>,
    ) -> Result<()> {
        let on = |plugin: Plugin| self.plugins.have(plugin) && plugin.handles(at.operation);
        let authority = &*self.authority;
        if on(Plugin::CertificateApproval) {
            let told = certificate_approval::validate(at, old, authority).await;
            clock.lap(Plugin::CertificateApproval, told)?;
        }
        if on(Plugin::CertificateSigning) {
            let told = certificate_signing::validate(at, object, old, authority).await;
            clock.lap(Plugin::CertificateSigning, told)?;
        }
        if on(Plugin::ClusterTrustBundleAttest) {
            let told = cluster_trust_bundle_attest::validate(at, object, authority).await;
            clock.lap(Plugin::ClusterTrustBundleAttest, told)?;
        }
        if on(Plugin::CertificateSubjectRestriction) {
            clock.lap(
                Plugin::CertificateSubjectRestriction,
                certificate_subject_restriction::validate(at, object),
            )?;
        }
        if on(Plugin::DenyServiceExternalIps) {
            clock.lap(
                Plugin::DenyServiceExternalIps,
                deny_service_external_ips::validate(at, object, old),
            )?;
        }
        if on(Plugin::ValidatingAdmissionPolicy) {
            let told =
                policy::validate(at, object, old, &self.reader, (authority, self.times.metrics()))
                    .await;
            clock.lap(Plugin::ValidatingAdmissionPolicy, told)?;
        }
        if on(Plugin::ValidatingAdmissionWebhook) {
            let told = self.webhooks.validate(at, object, old, &self.reader).await;
            clock.lap(Plugin::ValidatingAdmissionWebhook, told)?;
        }
        if on(Plugin::ResourceQuota) {
            let told =
                resource_quota::validate(at, object, old, (&self.reader, &self.settings.limited));
            let told = told.await;
            clock.lap(Plugin::ResourceQuota, told)?;
        }
        Ok(())
    }
}

/// What refusals call the object (`extractResourceName`).
fn title<'t>(at: &Attributes<'t>, object: &'t Value<'_>) -> &'t str {
    let of = |field| object.str_at(&["metadata", field]);
    let all = [at.name, of("name"), of("generateName"), "Unknown"];
    all.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}
