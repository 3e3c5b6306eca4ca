//! Which objects belong to which node, by way of its pods.
//!
//! The graph is kept from events without a look into pods: entries tell their node. What a pod
//! refers to is found out when its node first asks.

use super::Related;
use super::references::{Place, PodReferences, VolumeReferences};
use crate::authz::stored::decode;
use crate::base::hash::HashMap;
use crate::cache::{Entry, Observer};
use crate::catalog::{Storage, catalog};
use crate::store::Item as _;
use bumpalo::Bump;
use bytes::Bytes;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// The resources that the graph is made of.
const RESOURCES: [&str; 4] = ["persistentvolumes", "pods", "resourceslices", "volumeattachments"];

/// The graph of one shard; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Nodes' pods by key.
    pods: HashMap<Box<str>, HashMap<Bytes, Pod>>,
    /// Nodes of resource slices and of volume attachments, by name.
    slices: HashMap<Box<str>, Box<str>>,
    attachments: HashMap<Box<str>, Box<str>>,
    /// Bound volumes by name.
    volumes: HashMap<Box<str>, VolumeReferences>,
    /// Names of volumes by namespace and name of the secrets they refer to.
    volume_secrets: HashMap<Place, Vec<Box<str>>>,
}

#[derive(Debug)]
struct Pod {
    entry: Arc<Entry>,
    references: OnceCell<PodReferences>,
}

impl Pod {
    fn references(&self) -> &PodReferences {
        self.references.get_or_init(|| {
            let arena = Bump::new();
            let pod = decode(&self.entry, &arena);
            pod.as_ref().map(PodReferences::of).unwrap_or_default()
        })
    }
}

impl Graph {
    /// The resources to show to the graph.
    pub(crate) fn storages() -> impl Iterator<Item = &'static Storage> {
        RESOURCES.into_iter().filter_map(|resource| catalog().storage(resource))
    }

    /// True if the object of this namespace and name is the node's, or one of its pods refers to
    /// it (`hasPathFrom`).
    pub(super) fn relates(
        &self,
        node: &str,
        kind: Related,
        (namespace, name): (&str, &str),
    ) -> bool {
        let state = self.state.borrow();
        let is = |of: &HashMap<Box<str>, Box<str>>| of.get(name).is_some_and(|on| **on == *node);
        match kind {
            Related::Attachment => is(&state.attachments),
            Related::Slice => is(&state.slices),
            Related::Volume => state.uses_volume(node, name),
            Related::Pod => state
                .pods_of(node)
                .any(|pod| pod.entry.namespace() == namespace && pod.entry.name() == name),
            Related::Secret => {
                state.refers(node, namespace, |pod| pod.secrets.contains(name))
                    || state.volume_secret(node, &(namespace.into(), name.into()))
            }
            Related::Claim => state.refers(node, namespace, |pod| pod.claims.contains(name)),
            Related::ConfigMap => {
                state.refers(node, namespace, |pod| pod.config_maps.contains(name))
            }
            Related::ResourceClaim => {
                state.refers(node, namespace, |pod| pod.resource_claims.contains(name))
            }
            Related::ServiceAccount => {
                state.refers(node, namespace, |pod| *pod.service_account == *name)
            }
        }
    }
}

impl State {
    fn pods_of(&self, node: &str) -> impl Iterator<Item = &Pod> {
        self.pods.get(node).into_iter().flat_map(HashMap::values)
    }

    fn refers(&self, node: &str, namespace: &str, by: impl Fn(&PodReferences) -> bool) -> bool {
        let mut pods = self.pods_of(node).filter(|pod| pod.entry.namespace() == namespace);
        pods.any(|pod| by(pod.references()))
    }

    fn uses_volume(&self, node: &str, volume: &str) -> bool {
        self.volumes.get(volume).is_some_and(|volume| {
            let (namespace, claim) = &volume.claim;
            self.refers(node, namespace, |pod| pod.claims.contains(claim))
        })
    }

    fn volume_secret(&self, node: &str, secret: &Place) -> bool {
        let volumes = self.volume_secrets.get(secret);
        volumes.into_iter().flatten().any(|volume| self.uses_volume(node, volume))
    }

    fn change_pod(&mut self, current: Option<&Arc<Entry>>, previous: Option<&Arc<Entry>>) {
        if let Some(old) = previous
            && let Some(pods) = self.pods.get_mut(node_name(old))
        {
            pods.remove(old.key());
            if pods.is_empty() {
                self.pods.remove(node_name(old));
            }
        }
        if let Some(new) = current
            && !node_name(new).is_empty()
        {
            let pods = self.pods.entry(node_name(new).into()).or_default();
            let pod = Pod { entry: Arc::clone(new), references: OnceCell::new() };
            pods.insert(new.key().clone(), pod);
        }
    }

    fn change_volume(&mut self, name: &str, current: Option<&Arc<Entry>>) {
        if let Some(old) = self.volumes.remove(name) {
            for secret in &old.secrets {
                let Some(volumes) = self.volume_secrets.get_mut(secret) else { continue };
                volumes.retain(|volume| **volume != *name);
                if volumes.is_empty() {
                    self.volume_secrets.remove(secret);
                }
            }
        }
        let arena = Bump::new();
        let volume = current.and_then(|entry| decode(entry, &arena));
        let Some(references) = volume.as_ref().and_then(VolumeReferences::of) else { return };
        for secret in &references.secrets {
            self.volume_secrets.entry(secret.clone()).or_default().push(name.into());
        }
        self.volumes.insert(name.into(), references);
    }
}

/// `spec.nodeName` of a pod or slice.
fn node_name(entry: &Entry) -> &str {
    let fields = entry.storage().map_or(&[][..], |storage| &storage.selectable);
    let at = fields.iter().position(|field| field.label == "spec.nodeName");
    at.map_or("", |at| entry.field(at))
}

fn place(of: &mut HashMap<Box<str>, Box<str>>, name: &str, node: &str) {
    if node.is_empty() {
        of.remove(name);
    } else {
        of.insert(name.into(), node.into());
    }
}

impl Observer for Graph {
    fn change(&self, current: Option<&Arc<Entry>>, previous: Option<&Arc<Entry>>) {
        let Some(subject) = current.or(previous) else { return };
        let mut state = self.state.borrow_mut();
        match subject.storage().map(|storage| storage.resource) {
            Some("pods") => state.change_pod(current, previous),
            Some("persistentvolumes") => state.change_volume(subject.name(), current),
            Some("resourceslices") => {
                let node = current.map_or("", |entry| node_name(entry));
                place(&mut state.slices, subject.name(), node);
            }
            Some("volumeattachments") => {
                let arena = Bump::new();
                let attachment = current.and_then(|entry| decode(entry, &arena));
                let node = attachment.map_or("", |found| found.str_at(&["spec", "nodeName"]));
                place(&mut state.attachments, subject.name(), node);
            }
            _ => {}
        }
    }
}
