//! What a pod or a volume refers to.

use crate::base::hash::HashSet;
use crate::object::Value;

/// Names that a pod refers to, all in its namespace.
#[derive(Debug, Default)]
pub(super) struct PodReferences {
    pub(super) secrets: HashSet<Box<str>>,
    pub(super) config_maps: HashSet<Box<str>>,
    pub(super) claims: HashSet<Box<str>>,
    pub(super) resource_claims: HashSet<Box<str>>,
    pub(super) service_account: Box<str>,
}

/// Lists of containers in a pod's spec.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// Where the volumes of pods name a secret.
const VOLUME_SECRETS: [&[&str]; 10] = [
    &["azureFile", "secretName"],
    &["cephfs", "secretRef", "name"],
    &["cinder", "secretRef", "name"],
    &["csi", "nodePublishSecretRef", "name"],
    &["flexVolume", "secretRef", "name"],
    &["iscsi", "secretRef", "name"],
    &["rbd", "secretRef", "name"],
    &["scaleIO", "secretRef", "name"],
    &["secret", "secretName"],
    &["storageos", "secretRef", "name"],
];
/// Where persistent volumes name a secret that kubelets need.
const PERSISTENT_SECRETS: [&[&str]; 10] = [
    &["cephfs", "secretRef"],
    &["cinder", "secretRef"],
    &["csi", "nodeExpandSecretRef"],
    &["csi", "nodePublishSecretRef"],
    &["csi", "nodeStageSecretRef"],
    &["flexVolume", "secretRef"],
    &["iscsi", "secretRef"],
    &["rbd", "secretRef"],
    &["scaleIO", "secretRef"],
    &["storageos", "secretRef"],
];

impl PodReferences {
    /// What the pod refers to (`Graph.AddPod`). A mirror pod, which its node has made, refers to
    /// nothing.
    pub(super) fn of(pod: &Value<'_>) -> Self {
        let mut found = Self::default();
        if pod.at(&["metadata", "annotations", "kubernetes.io/config.mirror"]).is_some() {
            return found;
        }
        found.service_account = pod.str_at(&["spec", "serviceAccountName"]).into();
        for secret in pod.list_at(&["spec", "imagePullSecrets"]) {
            insert(&mut found.secrets, secret.str_at(&["name"]));
        }
        for list in CONTAINERS {
            for container in pod.list_at(&["spec", list]) {
                found.container(container);
            }
        }
        for volume in pod.list_at(&["spec", "volumes"]) {
            found.volume(volume, pod.str_at(&["metadata", "name"]));
        }
        found.resource_claims(pod);
        found
    }

    fn container(&mut self, container: &Value<'_>) {
        for source in container.list_at(&["envFrom"]) {
            insert(&mut self.config_maps, source.str_at(&["configMapRef", "name"]));
            insert(&mut self.secrets, source.str_at(&["secretRef", "name"]));
        }
        for variable in container.list_at(&["env"]) {
            let Some(source) = variable.get("valueFrom") else { continue };
            insert(&mut self.config_maps, source.str_at(&["configMapKeyRef", "name"]));
            insert(&mut self.secrets, source.str_at(&["secretKeyRef", "name"]));
        }
    }

    fn volume(&mut self, volume: &Value<'_>, pod: &str) {
        for path in VOLUME_SECRETS {
            insert(&mut self.secrets, volume.str_at(path));
        }
        insert(&mut self.config_maps, volume.str_at(&["configMap", "name"]));
        for source in volume.list_at(&["projected", "sources"]) {
            insert(&mut self.secrets, source.str_at(&["secret", "name"]));
            insert(&mut self.config_maps, source.str_at(&["configMap", "name"]));
        }
        if volume.get("persistentVolumeClaim").is_some() {
            insert(&mut self.claims, volume.str_at(&["persistentVolumeClaim", "claimName"]));
        } else if volume.get("ephemeral").is_some() {
            self.claims.insert(format!("{pod}-{}", volume.str_at(&["name"])).into());
        }
    }

    /// A claim made from a template is named by the pod's status.
    fn resource_claims(&mut self, pod: &Value<'_>) {
        let made = pod.list_at(&["status", "resourceClaimStatuses"]);
        for claim in pod.list_at(&["spec", "resourceClaims"]) {
            insert(&mut self.resource_claims, claim.str_at(&["resourceClaimName"]));
            if claim.get("resourceClaimTemplateName").is_none() {
                continue;
            }
            let name = claim.str_at(&["name"]);
            let mut made = made.iter().filter(|made| made.str_at(&["name"]) == name);
            let made = made.next().map_or("", |made| made.str_at(&["resourceClaimName"]));
            insert(&mut self.resource_claims, made);
        }
        let path = ["status", "extendedResourceClaimStatus", "resourceClaimName"];
        insert(&mut self.resource_claims, pod.str_at(&path));
    }
}

fn insert(names: &mut HashSet<Box<str>>, name: &str) {
    if !name.is_empty() {
        names.insert(name.into());
    }
}

/// A namespace and a name in it.
pub(super) type Place = (Box<str>, Box<str>);

/// What a bound volume refers to.
#[derive(Debug)]
pub(super) struct VolumeReferences {
    pub(super) claim: Place,
    pub(super) secrets: Vec<Place>,
}

impl VolumeReferences {
    /// What the volume refers to (`Graph.AddPV`); `None` while no claim is bound to it.
    pub(super) fn of(volume: &Value<'_>) -> Option<Self> {
        let spec = volume.get("spec")?;
        let claim = spec.get("claimRef")?;
        let namespace = claim.str_at(&["namespace"]);
        let or_own = |text: &'_ str| -> Box<str> {
            if text.is_empty() { namespace.into() } else { text.into() }
        };
        let mut secrets: Vec<Place> = Vec::new();
        let azure = spec.str_at(&["azureFile", "secretName"]);
        if !azure.is_empty() {
            let namespace = or_own(spec.str_at(&["azureFile", "secretNamespace"]));
            secrets.push((namespace, azure.into()));
        }
        for path in PERSISTENT_SECRETS {
            let Some(secret) = spec.at(path) else { continue };
            let name = secret.str_at(&["name"]);
            if !name.is_empty() {
                secrets.push((or_own(secret.str_at(&["namespace"])), name.into()));
            }
        }
        let claim = (namespace.into(), claim.str_at(&["name"]).into());
        Some(Self { claim, secrets })
    }
}
