//! Nodes, their pods and what those refer to.

use super::{Graph, NodeAuthorizer};
use crate::authz::action::Action;
use crate::authz::decision::{Decision, Verdict};
use crate::cache::{Entry, Observer as _};
use crate::catalog::catalog;
use crate::codec::{json, proto};
use crate::object::selector::FieldSelector;
use crate::request::User;
use crate::store::Item as _;
use bumpalo::Bump;
use bytes::Bytes;
use std::sync::Arc;

fn entry(resource: &str, namespace: &str, name: &str, text: &str) -> Arc<Entry> {
    let storage = catalog().storage(resource).expect("stored");
    let arena = Bump::new();
    let strictness = json::Strictness::Ignore;
    let object = json::decode(text.as_bytes(), storage.ty, &arena, strictness).expect("decodes");
    let mut raw = Vec::new();
    proto::encode(&object.value, storage.ty, &mut raw);
    let mut value = Vec::new();
    proto::envelope::wrap(&storage.api_version(), storage.kind, &raw, &mut value);
    Arc::new(Entry::new(storage.key(namespace, name), 1, Bytes::from(value)))
}

fn pod(name: &str, node: &str, spec: &str) -> Arc<Entry> {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"d"}},
            "spec":{{"nodeName":"{node}","serviceAccountName":"sa",{spec}}},
            "status":{{"resourceClaimStatuses":[{{"name":"t","resourceClaimName":"made"}}]}}}}"#
    );
    entry("pods", "d", name, &text)
}

fn kubelet(node: &str) -> User {
    let groups = vec!["system:nodes".to_owned()];
    User { name: format!("system:node:{node}"), groups, ..User::default() }
}

struct Bed {
    graph: Graph,
    authorizer: NodeAuthorizer,
}

impl Bed {
    fn new() -> Self {
        let graph = Graph::default();
        Self { graph: graph.clone(), authorizer: NodeAuthorizer::new(graph) }
    }

    fn asks(&self, node: &str, action: &Action<'_>) -> Decision {
        self.authorizer.decide(&kubelet(node), action)
    }

    fn gets(&self, node: &str, (group, resource): (&str, &str), name: &str) -> bool {
        let cluster = matches!(resource, "persistentvolumes" | "volumeattachments");
        let namespace = if cluster { "" } else { "d" };
        let action = Action { verb: "get", group, namespace, name, ..Action::resource(resource) };
        self.asks(node, &action).verdict == Verdict::Allow
    }
}

const SPEC: &str = r#"
    "imagePullSecrets":[{"name":"pull"}],
    "containers":[{"name":"c","image":"i",
        "env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"env-secret","key":"k"}}},
               {"name":"B","valueFrom":{"configMapKeyRef":{"name":"env-map","key":"k"}}}],
        "envFrom":[{"secretRef":{"name":"from-secret"}},{"configMapRef":{"name":"from-map"}}]}],
    "volumes":[{"name":"v","secret":{"secretName":"volume-secret"}},
        {"name":"e","ephemeral":{}},
        {"name":"p","persistentVolumeClaim":{"claimName":"claim"}},
        {"name":"j","projected":{"sources":[{"configMap":{"name":"projected-map"}}]}}],
    "resourceClaims":[{"name":"t","resourceClaimTemplateName":"x"},
        {"name":"u","resourceClaimName":"given"}]"#;

#[test]
fn a_node_gets_what_its_pods_refer_to_and_nothing_else() {
    let bed = Bed::new();
    let web = pod("web", "n", SPEC);
    bed.graph.change(Some(&web), None);
    let (secrets, maps) = (("", "secrets"), ("", "configmaps"));
    for secret in ["pull", "env-secret", "from-secret", "volume-secret"] {
        assert!(bed.gets("n", secrets, secret), "{secret}");
        assert!(!bed.gets("m", secrets, secret), "{secret} of another node");
    }
    for map in ["env-map", "from-map", "projected-map"] {
        assert!(bed.gets("n", maps, map), "{map}");
    }
    for claim in ["claim", "web-e"] {
        assert!(bed.gets("n", ("", "persistentvolumeclaims"), claim), "{claim}");
    }
    for claim in ["made", "given"] {
        assert!(bed.gets("n", ("resource.k8s.io", "resourceclaims"), claim), "{claim}");
    }
    assert!(bed.gets("n", ("", "serviceaccounts"), "sa") && bed.gets("n", ("", "pods"), "web"));
    assert!(!bed.gets("n", secrets, "other") && !bed.gets("n", maps, "volume-secret"));
    bed.graph.change(None, Some(&web));
    assert!(!bed.gets("n", secrets, "pull"), "the pod is gone");
}

#[test]
fn a_mirror_pod_gives_its_node_nothing() {
    let bed = Bed::new();
    let text = r#"{"metadata":{"name":"m","namespace":"d",
            "annotations":{"kubernetes.io/config.mirror":"x"}},
        "spec":{"nodeName":"n","imagePullSecrets":[{"name":"pull"}]}}"#;
    bed.graph.change(Some(&entry("pods", "d", "m", text)), None);
    assert!(!bed.gets("n", ("", "secrets"), "pull") && bed.gets("n", ("", "pods"), "m"));
}

#[test]
fn a_volume_is_related_by_its_claim_and_its_secrets_by_it() {
    let bed = Bed::new();
    bed.graph.change(Some(&pod("web", "n", SPEC)), None);
    let text = r#"{"metadata":{"name":"pv"},"spec":{
        "claimRef":{"namespace":"d","name":"claim"},
        "csi":{"driver":"x","volumeHandle":"h","nodeStageSecretRef":{"name":"staged"},
            "controllerPublishSecretRef":{"name":"hidden"}}}}"#;
    let volume = entry("persistentvolumes", "", "pv", text);
    bed.graph.change(Some(&volume), None);
    assert!(bed.gets("n", ("", "persistentvolumes"), "pv"));
    assert!(!bed.gets("m", ("", "persistentvolumes"), "pv"));
    assert!(bed.gets("n", ("", "secrets"), "staged"));
    assert!(!bed.gets("n", ("", "secrets"), "hidden"), "kubelets do not need it");
    bed.graph.change(None, Some(&volume));
    assert!(!bed.gets("n", ("", "secrets"), "staged"));
}

#[test]
fn attachments_and_slices_are_their_node_s() {
    let bed = Bed::new();
    let text = r#"{"metadata":{"name":"va"},"spec":{"nodeName":"n","attacher":"a","source":{}}}"#;
    bed.graph.change(Some(&entry("volumeattachments", "", "va", text)), None);
    assert!(bed.gets("n", ("storage.k8s.io", "volumeattachments"), "va"));
    assert!(!bed.gets("m", ("storage.k8s.io", "volumeattachments"), "va"));
    let text = r#"{"metadata":{"name":"s"},"spec":{"nodeName":"n","driver":"d"}}"#;
    bed.graph.change(Some(&entry("resourceslices", "", "s", text)), None);
    assert!(bed.gets("n", ("resource.k8s.io", "resourceslices"), "s"));
    assert!(!bed.gets("m", ("resource.k8s.io", "resourceslices"), "s"));
}

#[test]
fn lists_of_pods_need_the_node_s_own_selector() {
    let bed = Bed::new();
    let list = Action { verb: "list", ..Action::resource("pods") };
    let refused = "can only list/watch pods with spec.nodeName field selector";
    assert_eq!(bed.asks("n", &list), Decision::no_opinion(refused));
    for (node, verdict) in [("n", Verdict::Allow), ("m", Verdict::NoOpinion)] {
        let selector = FieldSelector::equals("spec.nodeName", node);
        let list = Action { fields: selector.requirements(), ..list };
        assert_eq!(bed.asks("n", &list).verdict, verdict);
    }
}

#[test]
fn refusals_speak_as_upstreams_do() {
    let bed = Bed::new();
    let reason = |verb, group, resource, namespace, name| {
        let action = Action { verb, group, namespace, name, ..Action::resource(resource) };
        bed.asks("n", &action).reason
    };
    let unrelated = "no relationship found between node 'n' and this object";
    assert_eq!(reason("get", "", "secrets", "d", "s"), unrelated);
    assert_eq!(reason("list", "", "secrets", "d", ""), "No Object name found");
    assert_eq!(reason("update", "", "secrets", "d", "s"), "can only read resources of this type");
    assert_eq!(
        reason("get", "", "nodes", "", "m"),
        "node 'n' cannot read 'm', only its own Node object"
    );
    assert_eq!(
        reason("get", "coordination.k8s.io", "leases", "d", "n"),
        "can only access leases in the \"kube-node-lease\" system namespace"
    );
    assert_eq!(
        reason("delete", "coordination.k8s.io", "leases", "kube-node-lease", "m"),
        "can only access node lease with the same name as the requesting node"
    );
}

#[test]
fn only_members_of_the_group_of_nodes_are_nodes() {
    let bed = Bed::new();
    let action = Action { verb: "create", ..Action::resource("pods") };
    assert_eq!(bed.asks("n", &action).verdict, Verdict::Allow);
    let imitator = User { groups: Vec::new(), ..kubelet("n") };
    assert_eq!(bed.authorizer.decide(&imitator, &action), Decision::no_opinion(""));
    let services = Action { verb: "list", ..Action::resource("services") };
    assert_eq!(bed.asks("n", &services).verdict, Verdict::Allow, "by the role system:node");
}
