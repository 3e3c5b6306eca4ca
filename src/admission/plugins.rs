//! Which plugins run: those that are on by default, and what `--enable-admission-plugins` and
//! `--disable-admission-plugins` make of them. Their order is fixed.

use crate::request::Operation;

/// A plugin, by kube-apiserver's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    /// Refuses everything.
    AlwaysDeny,
    /// [`super::always_pull_images`].
    AlwaysPullImages,
    /// [`super::certificate_approval`].
    CertificateApproval,
    /// [`super::certificate_signing`].
    CertificateSigning,
    /// [`super::certificate_subject_restriction`].
    CertificateSubjectRestriction,
    /// [`super::cluster_trust_bundle_attest`].
    ClusterTrustBundleAttest,
    /// [`super::default_ingress_class`].
    DefaultIngressClass,
    /// [`super::default_storage_class`].
    DefaultStorageClass,
    /// [`super::default_toleration_seconds`].
    DefaultTolerationSeconds,
    /// [`super::deny_service_external_ips`].
    DenyServiceExternalIps,
    /// [`super::event_rate_limit`].
    EventRateLimit,
    /// [`super::extended_resource_toleration`].
    ExtendedResourceToleration,
    /// [`super::image_policy_webhook`].
    ImagePolicyWebhook,
    /// [`super::limit_pod_hard_anti_affinity_topology`].
    LimitPodHardAntiAffinityTopology,
    /// [`super::limit_ranger`].
    LimitRanger,
    /// [`super::policy`], those that change objects.
    MutatingAdmissionPolicy,
    /// [`super::webhook`], those that change objects.
    MutatingAdmissionWebhook,
    /// [`super::namespace_auto_provision`].
    NamespaceAutoProvision,
    /// [`super::namespace_exists`].
    NamespaceExists,
    /// [`super::namespace_lifecycle`].
    NamespaceLifecycle,
    /// [`super::node_restriction`].
    NodeRestriction,
    /// [`super::owner_references_permission_enforcement`].
    OwnerReferencesPermissionEnforcement,
    /// [`super::persistent_volume_claim_resize`].
    PersistentVolumeClaimResize,
    /// [`super::pod_node_selector`].
    PodNodeSelector,
    /// [`super::pod_security`].
    PodSecurity,
    /// [`super::pod_toleration_restriction`].
    PodTolerationRestriction,
    /// [`super::pod_topology_labels`].
    PodTopologyLabels,
    /// [`super::priority`].
    Priority,
    /// [`super::resource_quota`].
    ResourceQuota,
    /// [`super::runtime_class`].
    RuntimeClass,
    /// [`super::service_account`].
    ServiceAccount,
    /// [`super::storage_object_in_use_protection`].
    StorageObjectInUseProtection,
    /// [`super::taint_nodes_by_condition`].
    TaintNodesByCondition,
    /// [`super::policy`], those that judge objects.
    ValidatingAdmissionPolicy,
    /// [`super::webhook`], those that judge objects.
    ValidatingAdmissionWebhook,
}

impl Plugin {
    /// How many there are.
    pub(super) const COUNT: usize = Self::ValidatingAdmissionWebhook as usize + 1;

    /// kube-apiserver's name.
    pub(super) fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(_, plugin, _)| *plugin == Some(self));
        named.map_or("AlwaysDeny", |(name, ..)| name)
    }

    /// True if the plugin looks at such requests at all (`admission.NewHandler`).
    pub(super) const fn handles(self, operation: Operation) -> bool {
        use Operation::{Connect, Create, Update};
        match self {
            Self::AlwaysDeny
            | Self::MutatingAdmissionWebhook
            | Self::ValidatingAdmissionPolicy
            | Self::ValidatingAdmissionWebhook => true,
            Self::MutatingAdmissionPolicy => matches!(operation, Connect | Create | Update),
            Self::NamespaceExists
            | Self::NamespaceLifecycle
            | Self::NodeRestriction
            | Self::Priority => !matches!(operation, Connect),
            Self::CertificateApproval
            | Self::CertificateSigning
            | Self::PersistentVolumeClaimResize => matches!(operation, Update),
            Self::CertificateSubjectRestriction
            | Self::DefaultIngressClass
            | Self::DefaultStorageClass
            | Self::NamespaceAutoProvision
            | Self::PodNodeSelector
            | Self::PodTopologyLabels
            | Self::RuntimeClass
            | Self::StorageObjectInUseProtection
            | Self::TaintNodesByCondition => matches!(operation, Create),
            Self::AlwaysPullImages
            | Self::ClusterTrustBundleAttest
            | Self::DefaultTolerationSeconds
            | Self::DenyServiceExternalIps
            | Self::EventRateLimit
            | Self::ExtendedResourceToleration
            | Self::ImagePolicyWebhook
            | Self::LimitPodHardAntiAffinityTopology
            | Self::LimitRanger
            | Self::OwnerReferencesPermissionEnforcement
            | Self::PodSecurity
            | Self::PodTolerationRestriction
            | Self::ResourceQuota
            | Self::ServiceAccount => matches!(operation, Create | Update),
        }
    }
}

/// Every name that upstream knows, the plugin if it is built, and whether it is on by default.
const NAMES: [(&str, Option<Plugin>, bool); 40] = [
    ("AlwaysAdmit", None, false),
    ("NamespaceAutoProvision", Some(Plugin::NamespaceAutoProvision), false),
    ("NamespaceLifecycle", Some(Plugin::NamespaceLifecycle), true),
    ("NamespaceExists", Some(Plugin::NamespaceExists), false),
    ("LimitPodHardAntiAffinityTopology", Some(Plugin::LimitPodHardAntiAffinityTopology), false),
    ("LimitRanger", Some(Plugin::LimitRanger), true),
    ("ServiceAccount", Some(Plugin::ServiceAccount), true),
    ("NodeRestriction", Some(Plugin::NodeRestriction), false),
    ("TaintNodesByCondition", Some(Plugin::TaintNodesByCondition), true),
    ("AlwaysPullImages", Some(Plugin::AlwaysPullImages), false),
    ("ImagePolicyWebhook", Some(Plugin::ImagePolicyWebhook), false),
    ("PodSecurity", Some(Plugin::PodSecurity), true),
    ("PodNodeSelector", Some(Plugin::PodNodeSelector), false),
    ("Priority", Some(Plugin::Priority), true),
    ("DefaultTolerationSeconds", Some(Plugin::DefaultTolerationSeconds), true),
    ("PodTolerationRestriction", Some(Plugin::PodTolerationRestriction), false),
    ("EventRateLimit", Some(Plugin::EventRateLimit), false),
    ("ExtendedResourceToleration", Some(Plugin::ExtendedResourceToleration), false),
    ("DefaultStorageClass", Some(Plugin::DefaultStorageClass), true),
    ("StorageObjectInUseProtection", Some(Plugin::StorageObjectInUseProtection), true),
    (
        "OwnerReferencesPermissionEnforcement",
        Some(Plugin::OwnerReferencesPermissionEnforcement),
        false,
    ),
    ("PersistentVolumeClaimResize", Some(Plugin::PersistentVolumeClaimResize), true),
    ("RuntimeClass", Some(Plugin::RuntimeClass), true),
    ("CertificateApproval", Some(Plugin::CertificateApproval), true),
    ("CertificateSigning", Some(Plugin::CertificateSigning), true),
    ("ClusterTrustBundleAttest", Some(Plugin::ClusterTrustBundleAttest), true),
    ("CertificateSubjectRestriction", Some(Plugin::CertificateSubjectRestriction), true),
    ("DefaultIngressClass", Some(Plugin::DefaultIngressClass), true),
    ("DenyServiceExternalIPs", Some(Plugin::DenyServiceExternalIps), false),
    ("PodTopologyLabels", Some(Plugin::PodTopologyLabels), true),
    // On by default upstream; not built yet, or behind a gate that is off.
    ("NodeDeclaredFeatureValidator", None, true),
    ("PodGroupProtection", None, true),
    ("PodGroupWorkloadExists", None, true),
    ("JobValidation", None, true),
    ("PodResizeValidator", None, true),
    ("MutatingAdmissionPolicy", Some(Plugin::MutatingAdmissionPolicy), true),
    ("MutatingAdmissionWebhook", Some(Plugin::MutatingAdmissionWebhook), true),
    ("ValidatingAdmissionPolicy", Some(Plugin::ValidatingAdmissionPolicy), true),
    ("ValidatingAdmissionWebhook", Some(Plugin::ValidatingAdmissionWebhook), true),
    ("ResourceQuota", Some(Plugin::ResourceQuota), true),
];

/// The plugins that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugins(u64);

impl Plugins {
    /// The defaults, more and less.
    ///
    /// # Errors
    /// The line for the operator: a name that is not known, or not built.
    pub fn chosen(enabled: &[String], disabled: &[String]) -> Result<Self, String> {
        let mut chosen = Self(0);
        for (_, plugin, on) in NAMES {
            if let Some(plugin) = plugin.filter(|_| on) {
                chosen.0 |= bit(plugin);
            }
        }
        for (flag, names) in
            [("enable-admission-plugins", enabled), ("disable-admission-plugins", disabled)]
        {
            for name in names {
                let on = flag.starts_with("enable");
                match find(name) {
                    Some(Some(plugin)) if on => chosen.0 |= bit(plugin),
                    Some(Some(plugin)) => chosen.0 &= !bit(plugin),
                    Some(None) if on && !is_default(name) && name != "AlwaysAdmit" => {
                        return Err(format!(
                            "{flag} plugin {name:?} is not built yet in this version of kubering"
                        ));
                    }
                    Some(None) => {}
                    None => return Err(format!("{flag} plugin {name:?} is unknown")),
                }
            }
        }
        Ok(chosen)
    }

    /// All plugins that are built, in the order in which they run.
    pub(super) fn in_order() -> impl Iterator<Item = Plugin> {
        NAMES.iter().filter_map(|(_, plugin, _)| *plugin)
    }

    /// True if the plugin runs.
    pub const fn have(self, plugin: Plugin) -> bool {
        self.0 & bit(plugin) != 0
    }
}

const fn bit(plugin: Plugin) -> u64 {
    1 << plugin as u32
}

fn is_default(name: &str) -> bool {
    NAMES.iter().any(|(known, _, on)| *known == name && *on)
}

/// The plugin of a name; `Some(None)` for one that is known and not built.
fn find(name: &str) -> Option<Option<Plugin>> {
    if name == "AlwaysDeny" {
        return Some(Some(Plugin::AlwaysDeny));
    }
    NAMES.iter().find(|(known, ..)| *known == name).map(|(_, plugin, _)| *plugin)
}

#[cfg(test)]
mod tests {
    use super::{Plugin, Plugins};

    fn chosen(enabled: &[&str], disabled: &[&str]) -> Result<Plugins, String> {
        let owned = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        Plugins::chosen(&owned(enabled), &owned(disabled))
    }

    #[test]
    fn flags_add_to_the_defaults_and_take_away() {
        let plugins = chosen(&[], &[]).unwrap();
        assert!(plugins.have(Plugin::LimitRanger) && !plugins.have(Plugin::NodeRestriction));
        let plugins = chosen(&["NodeRestriction"], &["LimitRanger"]).unwrap();
        assert!(!plugins.have(Plugin::LimitRanger) && plugins.have(Plugin::NodeRestriction));
    }

    #[test]
    fn names_that_nobody_knows_are_refused() {
        let error = chosen(&["Nope"], &[]).unwrap_err();
        assert_eq!(error, "enable-admission-plugins plugin \"Nope\" is unknown");
        let error = chosen(&[], &["Nope"]).unwrap_err();
        assert_eq!(error, "disable-admission-plugins plugin \"Nope\" is unknown");
        assert!(chosen(&["EventRateLimit"], &[]).unwrap().have(Plugin::EventRateLimit));
        assert!(chosen(&["ValidatingAdmissionWebhook"], &[]).is_ok());
    }
}
