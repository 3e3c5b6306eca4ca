//! NodeRestriction: a kubelet changes its own node, and what belongs to it (features.md section
//! 6.4; `plugin/pkg/admission/noderestriction`).

use super::Reader;
use super::authority::{Authority, Question};
use super::refusal::refuse;
use super::signing_request;
use crate::object::Value;
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;
use std::collections::BTreeSet;

const USER_PREFIX: &str = "system:node:";
const GROUP: &str = "system:nodes";
const MIRROR: &str = "kubernetes.io/config.mirror";
const LEASES: &str = "kube-node-lease";
const SERVING_SIGNER: &str = "kubernetes.io/kubelet-serving";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// Labels of Kubernetes that a kubelet may set on its node.
const LABELS: [&str; 10] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
];
const ZONE: &str = "topology.kubernetes.io/zone";

/// Judges what a kubelet writes; it runs with the plugins that change objects, as upstream.
///
/// # Errors
/// 403 for what is not its own, 404 for a pod that is not there.
pub(super) async fn admit(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
    authority: &dyn Authority,
) -> Result<()> {
    let user = &at.context.user;
    if at.operation == Operation::Connect || !user.in_group(GROUP) {
        return Ok(());
    }
    let Some(node) = user.name.strip_prefix(USER_PREFIX) else { return Ok(()) };
    if node.is_empty() {
        let name = &user.name;
        return Err(refuse(at, format!("could not determine node from user {name:?}")));
    }
    match (at.resource.group, at.resource.name, at.subresource) {
        ("", "pods", "") => pod(at, node, object, old, reader).await,
        ("", "pods", "status") => pod_status(at, node, object, old),
        ("", "pods", "eviction") => eviction(at, node, reader).await,
        ("", "pods", subresource) => {
            let text = format!(
                "unexpected pod subresource {subresource:?}, only 'status' and 'eviction' are \
                 allowed"
            );
            Err(refuse(at, text))
        }
        ("", "nodes", _) => own_node(at, node, object, old),
        ("", "persistentvolumeclaims", "status") => claim_status(at, node, object, old),
        ("", "persistentvolumeclaims", _) => Err(refuse(at, "may only update PVC status")),
        ("", "serviceaccounts", "token") => token(at, node, object, reader, authority).await,
        ("coordination.k8s.io", "leases", _) => lease(at, node),
        ("storage.k8s.io", "csinodes", _) if at.name != node => {
            Err(refuse(at, "can only access CSINode with the same name as the requesting node"))
        }
        ("resource.k8s.io", "resourceslices", _) => slice(at, node, object, old),
        ("certificates.k8s.io", "certificatesigningrequests", "") => request(at, object),
        _ => Ok(()),
    }
}

async fn pod(
    at: &Attributes<'_>,
    node: &str,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    match at.operation {
        Operation::Create => new_pod(at, node, object, reader).await,
        Operation::Delete => {
            if old.is_some_and(|old| old.str_at(&["spec", "nodeName"]) != node) {
                let text =
                    format!("node {node:?} can only delete pods with spec.nodeName set to itself");
                return Err(refuse(at, text));
            }
            Ok(())
        }
        Operation::Connect | Operation::Update => {
            let text = format!(
                "unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror \
                 pods"
            );
            Err(refuse(at, text))
        }
    }
}

async fn new_pod(at: &Attributes<'_>, node: &str, pod: &Value<'_>, reader: &Reader) -> Result<()> {
    if pod.at(&["metadata", "annotations", MIRROR]).is_none() {
        let text = format!(
            "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
        );
        return Err(refuse(at, text));
    }
    let only = |what: &str| Err(refuse(at, format!("node {node:?} can only create pods {what}")));
    if pod.str_at(&["spec", "nodeName"]) != node {
        return only("with spec.nodeName set to itself");
    }
    let owner = match pod.list_at(&["metadata", "ownerReferences"]) {
        [] => return only("with an owner reference set to itself"),
        [owner] => owner,
        _ => return only("with a single owner reference set to itself"),
    };
    let named = owner.str_at(&["apiVersion"]) == "v1"
        && owner.str_at(&["kind"]) == "Node"
        && owner.str_at(&["name"]) == node;
    if !named {
        return only("with an owner reference set to itself");
    }
    if !owner.bool_at(&["controller"]) {
        return only("with a controller owner reference set to itself");
    }
    if owner.bool_at(&["blockOwnerDeletion"]) {
        let text = format!("node {node:?} must not set blockOwnerDeletion on an owner reference");
        return Err(refuse(at, text));
    }
    let arena = Bump::new();
    let Some(found) = reader.get("", "nodes", "", node, &arena).await? else {
        return Err(missing("nodes", node));
    };
    let (uid, own) = (owner.str_at(&["uid"]), found.str_at(&["metadata", "uid"]));
    if uid != own {
        return Err(refuse(at, format!("node {node} UID mismatch: expected {uid} got {own}")));
    }
    if let Some(kind) = referenced(pod) {
        return Err(refuse(at, format!("node {node:?} can not create pods that reference {kind}")));
    }
    Ok(())
}

/// The first kind of API object that the pod refers to.
fn referenced(pod: &Value<'_>) -> Option<&'static str> {
    let spec = pod.at(&["spec"])?;
    if !spec.str_at(&["serviceAccountName"]).is_empty() {
        return Some("a service account");
    }
    let containers = ["initContainers", "containers", "ephemeralContainers"];
    let containers = || containers.iter().flat_map(|kind| spec.list_at(&[kind]));
    let env = |from: &str, value: &str| {
        containers().any(|container| {
            let whole = container.list_at(&["envFrom"]).iter();
            let single = container.list_at(&["env"]).iter();
            whole.clone().any(|source| source.at(&[from]).is_some())
                || single.clone().any(|one| one.at(&["valueFrom", value]).is_some())
        })
    };
    let volumes = || spec.list_at(&["volumes"]).iter();
    let projected = |kind: &str| {
        volumes().any(|volume| {
            let sources = volume.list_at(&["projected", "sources"]);
            sources.iter().any(|source| source.at(&[kind]).is_some())
        })
    };
    let volume = |path: &[&str]| volumes().any(|volume| volume.at(path).is_some());
    let drivers: [&[&str]; 7] = [
        &["azureFile", "secretName"],
        &["cephfs", "secretRef"],
        &["cinder", "secretRef"],
        &["flexVolume", "secretRef"],
        &["iscsi", "secretRef"],
        &["rbd", "secretRef"],
        &["csi", "nodePublishSecretRef"],
    ];
    let pulls = !spec.list_at(&["imagePullSecrets"]).is_empty();
    if pulls
        || env("secretRef", "secretKeyRef")
        || projected("secret")
        || volume(&["secret"])
        || drivers.iter().any(|path| volume(path))
    {
        return Some("secrets");
    }
    if env("configMapRef", "configMapKeyRef") || projected("configMap") || volume(&["configMap"]) {
        return Some("configmaps");
    }
    if projected("clusterTrustBundle") {
        return Some("clustertrustbundles");
    }
    volume(&["persistentVolumeClaim"]).then_some("persistentvolumeclaims")
}

fn pod_status(
    at: &Attributes<'_>,
    node: &str,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
) -> Result<()> {
    let Some(old) = old else { return Ok(()) };
    if old.str_at(&["spec", "nodeName"]) != node {
        let text = format!(
            "node {node:?} can only update pod status for pods with spec.nodeName set to \
                itself"
        );
        return Err(refuse(at, text));
    }
    if !same(object, old, &["metadata", "labels"]) {
        let text = format!("node {node:?} cannot update labels through pod status");
        return Err(refuse(at, text));
    }
    if !same(object, old, &["status", "resourceClaimStatuses"]) {
        return Err(refuse(at, format!("node {node:?} cannot update resource claim statues")));
    }
    Ok(())
}

async fn eviction(at: &Attributes<'_>, node: &str, reader: &Reader) -> Result<()> {
    let arena = Bump::new();
    let Some(pod) = reader.get("", "pods", at.namespace, at.name, &arena).await? else {
        return Err(missing("pods", at.name));
    };
    if pod.str_at(&["spec", "nodeName"]) != node {
        let text = format!("node {node} can only evict pods with spec.nodeName set to itself");
        return Err(refuse(at, text));
    }
    Ok(())
}

fn own_node(
    at: &Attributes<'_>,
    node: &str,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
) -> Result<()> {
    if at.name != node {
        let name = at.name;
        let text = format!("node {node:?} is not allowed to modify node {name:?}");
        return Err(refuse(at, text));
    }
    let source = ["spec", "configSource"];
    let changed = changed_labels(object, old.filter(|_| at.operation == Operation::Update));
    let forbidden: Vec<&str> = changed.into_iter().filter(|key| is_forbidden(key)).collect();
    let not = |what: &str| Err(refuse(at, format!("node {node:?} is not allowed to {what}")));
    match (at.operation, old) {
        (Operation::Create, _) => {
            if object.at(&source).is_some() {
                return not("create pods with a non-nil configSource");
            }
            if !forbidden.is_empty() {
                return not(&format!("set the following labels: {}", forbidden.join(", ")));
            }
        }
        (Operation::Update, Some(old)) => {
            if object.at(&source).is_some() && object.at(&source) != old.at(&source) {
                return not("update configSource to a new non-nil configSource");
            }
            if !same(object, old, &["spec", "taints"]) {
                return not("modify taints");
            }
            if !same(object, old, &["metadata", "ownerReferences"]) {
                return not("modify ownerReferences");
            }
            if !forbidden.is_empty() {
                let text = format!("is not allowed to modify labels: {}", forbidden.join(", "));
                return Err(refuse(at, text));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Keys of labels that are not the same before and after.
fn changed_labels<'a>(new: &Value<'a>, old: Option<&Value<'a>>) -> BTreeSet<&'a str> {
    let labels = |object: Option<&Value<'a>>| {
        let map = object.and_then(|object| object.at(&["metadata", "labels"])?.as_map());
        let entries = map.into_iter().flat_map(|map| map.iter());
        entries.map(|(key, value)| (key, value.as_str())).collect::<BTreeSet<_>>()
    };
    let (new, old) = (labels(Some(new)), labels(old));
    new.symmetric_difference(&old).map(|(key, _)| *key).collect()
}

/// True for labels that steer pods, or belong to Kubernetes and not to kubelets.
fn is_forbidden(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let below = |parent: &str| {
        domain == parent || domain.strip_suffix(parent).is_some_and(|before| before.ends_with('.'))
    };
    let kubernetes = below("kubernetes.io") || below("k8s.io");
    let kubelet = LABELS.contains(&key)
        || key == ZONE
        || below("kubelet.kubernetes.io")
        || below("node.kubernetes.io");
    below("node-restriction.kubernetes.io") || (kubernetes && !kubelet)
}

fn claim_status(
    at: &Attributes<'_>,
    node: &str,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
) -> Result<()> {
    const FREE: [&str; 4] =
        ["allocatedResourceStatuses", "allocatedResources", "capacity", "conditions"];
    let Some(old) = old else { return Ok(()) };
    let arena = Bump::new();
    let rest = |object: &Value<'_>| {
        let mut copy = object.copy_in(&arena);
        if let Some(map) = copy.at_mut(&["status"]).and_then(Value::as_map_mut) {
            map.retain(|key, _| !FREE.contains(&key));
        }
        if let Some(map) = copy.at_mut(&["metadata"]).and_then(Value::as_map_mut) {
            map.retain(|key, _| key != "resourceVersion" && key != "managedFields");
        }
        copy
    };
    if rest(object) == rest(old) {
        return Ok(());
    }
    let text = format!(
        "node {node:?} is not allowed to update fields other than status.quantity and \
         status.conditions"
    );
    Err(refuse(at, text))
}

/// A token for a pod of the node, with an audience that the pod asks for.
async fn token(
    at: &Attributes<'_>,
    node: &str,
    object: &Value<'_>,
    reader: &Reader,
    authority: &dyn Authority,
) -> Result<()> {
    if at.operation != Operation::Create {
        return Ok(());
    }
    let bound = |field: &str| object.str_at(&["spec", "boundObjectRef", field]);
    let name = bound("name");
    if bound("apiVersion") != "v1" || bound("kind") != "Pod" || name.is_empty() {
        return Err(refuse(at, "node requested token not bound to a pod"));
    }
    let uid = bound("uid");
    if uid.is_empty() {
        return Err(refuse(at, "node requested token with a pod binding without a uid"));
    }
    let arena = Bump::new();
    let Some(pod) = reader.get("", "pods", at.namespace, name, &arena).await? else {
        return Err(missing("pods", name));
    };
    if pod.str_at(&["metadata", "uid"]) != uid {
        let text = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The \
             object might have been deleted and then recreated"
        );
        return Err(refuse(at, text));
    }
    if pod.str_at(&["spec", "nodeName"]) != node {
        let text = "node requested token bound to a pod scheduled on a different node";
        return Err(refuse(at, text));
    }
    let audience = match object.list_at(&["spec", "audiences"]) {
        [] => "",
        [one] => one.as_str().unwrap_or_default(),
        _ => return Err(refuse(at, "node may only request 0 or 1 audiences")),
    };
    let mounts = pod.list_at(&["spec", "volumes"]).iter().any(|volume| {
        volume.list_at(&["projected", "sources"]).iter().any(|source| {
            let token = source.at(&["serviceAccountToken"]);
            token.is_some_and(|token| token.str_at(&["audience"]) == audience)
        })
    });
    let question = Question {
        verb: "request-serviceaccounts-token-audience",
        resource: audience,
        namespace: at.namespace,
        name: at.name,
        version: "v1",
        ..Question::default()
    };
    if mounts || authority.allows(&at.context.user, question).await {
        return Ok(());
    }
    let text = format!(
        "audience {audience:?} not found in pod spec volume, {} is not authorized to request \
         tokens for this audience",
        at.context.user.name
    );
    Err(refuse(at, text))
}

fn lease(at: &Attributes<'_>, node: &str) -> Result<()> {
    if at.namespace != LEASES {
        let text = format!("can only access leases in the {LEASES:?} system namespace");
        return Err(refuse(at, text));
    }
    if at.name != node {
        let text = "can only access node lease with the same name as the requesting node";
        return Err(refuse(at, text));
    }
    Ok(())
}

fn slice(
    at: &Attributes<'_>,
    node: &str,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
) -> Result<()> {
    let (object, verb) = match at.operation {
        Operation::Create => (Some(object), "create"),
        Operation::Update => (Some(object), "update"),
        Operation::Connect | Operation::Delete => (old, "delete"),
    };
    if object.is_some_and(|slice| slice.str_at(&["spec", "nodeName"]) == node) {
        return Ok(());
    }
    let text =
        format!("can only {verb} ResourceSlice with the same NodeName as the requesting node");
    Err(refuse(at, text))
}

fn request(at: &Attributes<'_>, object: &Value<'_>) -> Result<()> {
    let signer = object.str_at(&["spec", "signerName"]);
    if at.operation != Operation::Create || !matches!(signer, SERVING_SIGNER | CLIENT_SIGNER) {
        return Ok(());
    }
    let Some(subject) = signing_request::subject(object) else {
        return Err(refuse(at, "unable to parse csr: PEM block type must be CERTIFICATE REQUEST"));
    };
    let name = &at.context.user.name;
    if subject.common_name == *name {
        return Ok(());
    }
    Err(refuse(at, format!("can only create a node CSR with CN={name}")))
}

/// Equal, where nothing and empty are the same.
fn same(new: &Value<'_>, old: &Value<'_>, path: &[&str]) -> bool {
    let of = |object: &Value<'_>| object.at(path).is_none_or(Value::is_empty);
    (of(new) && of(old)) || new.at(path) == old.at(path)
}

fn missing(resource: &str, name: &str) -> Fault {
    Fault::NotFound(Subject { group: String::new(), resource: resource.into(), name: name.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    #[test]
    fn kubelets_set_their_own_labels_and_those_of_no_one() {
        let free = [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
            "kubelet.kubernetes.io/x",
            "node.kubernetes.io/x",
            "a.node.kubernetes.io/x",
            "example.com/x",
            "plain",
        ];
        assert!(free.iter().all(|key| !is_forbidden(key)));
        let forbidden = [
            "node-restriction.kubernetes.io/x",
            "a.node-restriction.kubernetes.io/x",
            "kubernetes.io/evil",
            "x.k8s.io/y",
        ];
        assert!(forbidden.iter().all(|key| is_forbidden(key)));
    }

    #[test]
    fn a_mirror_pod_refers_to_no_object() {
        let arena = Bump::new();
        let of = |spec: &str| {
            let text = format!(r#"{{"spec":{spec}}}"#);
            referenced(&json::parse_any(text.as_bytes(), &arena).unwrap())
        };
        assert_eq!(of(r#"{"containers":[{"name":"c"}]}"#), None);
        assert_eq!(of(r#"{"serviceAccountName":"x"}"#), Some("a service account"));
        let env = r#"{"containers":[{"env":[{"valueFrom":{"secretKeyRef":{}}}]}]}"#;
        assert_eq!(of(env), Some("secrets"));
        let projected = r#"{"volumes":[{"projected":{"sources":[{"configMap":{}}]}}]}"#;
        assert_eq!(of(projected), Some("configmaps"));
    }

    #[test]
    fn removed_labels_count_as_changed() {
        let arena = Bump::new();
        let node = |labels: &str| {
            let text = format!(r#"{{"metadata":{{"labels":{{{labels}}}}}}}"#);
            json::parse_any(arena.alloc_str(&text).as_bytes(), &arena).unwrap()
        };
        let (new, old) = (node(r#""a":"1","b":"2""#), node(r#""b":"3","c":"4""#));
        assert_eq!(changed_labels(&new, Some(&old)), BTreeSet::from(["a", "b", "c"]));
    }
}
