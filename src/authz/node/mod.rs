//! What a kubelet may do (`plugin/pkg/auth/authorizer/node`): read what the pods of its node
//! refer to, and keep its own node, lease, CSINode and slices. What is not subdivided here the
//! cluster role `system:node` tells.

mod graph;
mod references;

pub(super) use graph::Graph;

use super::action::Action;
use super::decision::Decision;
use super::policy;
use super::rule::{Asked, Rule, Rules};
use crate::request::User;

const NODES_GROUP: &str = "system:nodes";
const USER_PREFIX: &str = "system:node:";
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// The Node authorizer of one shard.
#[derive(Debug)]
pub(super) struct NodeAuthorizer {
    graph: Graph,
    rules: Rules,
}

/// The kinds that nodes get at by way of their pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Related {
    Attachment,
    Claim,
    ConfigMap,
    Pod,
    ResourceClaim,
    Secret,
    ServiceAccount,
    Slice,
    Volume,
}

impl NodeAuthorizer {
    /// An authorizer that decides by this graph.
    pub(super) fn new(graph: Graph) -> Self {
        let role = policy::cluster_roles().find(|role| role.name == "system:node");
        let rules: Vec<Rule> = role.map(|role| role.rules.clone()).unwrap_or_default();
        Self { graph, rules: Rules::new(rules) }
    }

    /// Decides (`NodeAuthorizer.Authorize`).
    pub(super) fn decide(&self, user: &User, action: &Action<'_>) -> Decision {
        let Some(node) = node_of(user) else { return Decision::no_opinion("") };
        if action.is_resource {
            let decided = match (action.group, action.resource) {
                ("", "secrets") => self.read(node, Related::Secret, action),
                ("", "configmaps") => self.read(node, Related::ConfigMap, action),
                ("", "persistentvolumeclaims") if action.subresource == "status" => {
                    self.update_status(node, action)
                }
                ("", "persistentvolumeclaims") => self.get(node, Related::Claim, action),
                ("", "persistentvolumes") => self.get(node, Related::Volume, action),
                ("resource.k8s.io", "resourceclaims") => {
                    self.get(node, Related::ResourceClaim, action)
                }
                ("storage.k8s.io", "volumeattachments") => {
                    self.get(node, Related::Attachment, action)
                }
                ("", "serviceaccounts") => self.service_account(node, action),
                ("coordination.k8s.io", "leases") => lease(node, action),
                ("storage.k8s.io", "csinodes") => csi_node(node, action),
                ("resource.k8s.io", "resourceslices") => self.slice(node, action),
                ("", "nodes") => own_node(node, action),
                ("", "pods") => self.pod(node, action),
                _ => self.by_role(action),
            };
            return decided;
        }
        self.by_role(action)
    }

    fn by_role(&self, action: &Action<'_>) -> Decision {
        if self.rules.allow(&Asked::new(action)) {
            return Decision::allow("");
        }
        Decision::no_opinion("")
    }

    /// `authorizeReadNamespacedObject`.
    fn read(&self, node: &str, kind: Related, action: &Action<'_>) -> Decision {
        if !matches!(action.verb, "get" | "list" | "watch") {
            return Decision::no_opinion("can only read resources of this type");
        }
        if !action.subresource.is_empty() {
            return Decision::no_opinion("cannot read subresource");
        }
        if action.namespace.is_empty() {
            return Decision::no_opinion("can only read namespaced object of this type");
        }
        self.related(node, kind, action)
    }

    /// `authorizeGet`.
    fn get(&self, node: &str, kind: Related, action: &Action<'_>) -> Decision {
        if action.verb != "get" {
            return Decision::no_opinion("can only get individual resources of this type");
        }
        if !action.subresource.is_empty() {
            return Decision::no_opinion("cannot get subresource");
        }
        self.related(node, kind, action)
    }

    /// `authorizeStatusUpdate`.
    fn update_status(&self, node: &str, action: &Action<'_>) -> Decision {
        if !matches!(action.verb, "update" | "patch") {
            return Decision::no_opinion("can only get/update/patch this type");
        }
        self.related(node, Related::Claim, action)
    }

    /// `authorizeCreateToken`; accounts themselves can be read (gate
    /// `KubeletServiceAccountTokenForCredentialProviders`).
    fn service_account(&self, node: &str, action: &Action<'_>) -> Decision {
        if action.verb == "get" {
            return self.get(node, Related::ServiceAccount, action);
        }
        if action.verb != "create" || action.name.is_empty() {
            let text = "can only create tokens for individual service accounts";
            return Decision::no_opinion(text);
        }
        if action.subresource != "token" {
            return Decision::no_opinion("can only create token subresource of serviceaccount");
        }
        self.related(node, Related::ServiceAccount, action)
    }

    /// `authorizeResourceSlice`.
    fn slice(&self, node: &str, action: &Action<'_>) -> Decision {
        if !action.subresource.is_empty() {
            return Decision::no_opinion("cannot authorize ResourceSlice subresources");
        }
        match action.verb {
            // Admission sees to it that the slice is the node's.
            "create" => Decision::allow(""),
            "get" | "update" | "patch" | "delete" => self.related(node, Related::Slice, action),
            "watch" | "list" | "deletecollection" if selects_node(node, action) => {
                Decision::allow("")
            }
            "watch" | "list" | "deletecollection" => Decision::no_opinion(
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            _ => Decision::no_opinion(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, \
                 create, update, patch, delete, deletecollection",
            ),
        }
    }

    /// `authorizePod`.
    fn pod(&self, node: &str, action: &Action<'_>) -> Decision {
        match (action.subresource, action.verb) {
            ("", "get") => self.related(node, Related::Pod, action),
            ("", "list" | "watch") if selects_node(node, action) => Decision::allow(""),
            ("", "list" | "watch") if !action.name.is_empty() => {
                self.related(node, Related::Pod, action)
            }
            ("", "list" | "watch") => {
                let text = "can only list/watch pods with spec.nodeName field selector";
                Decision::no_opinion(text)
            }
            // Admission limits these to the node's own pods.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => {
                Decision::allow("")
            }
            _ => Decision::no_opinion(""),
        }
    }

    fn related(&self, node: &str, kind: Related, action: &Action<'_>) -> Decision {
        if action.name.is_empty() {
            return Decision::no_opinion("No Object name found");
        }
        if self.graph.relates(node, kind, (action.namespace, action.name)) {
            return Decision::allow("");
        }
        Decision::no_opinion(format!("no relationship found between node '{node}' and this object"))
    }
}

/// The node that the user is (`NodeIdentity`).
pub fn node_of(user: &User) -> Option<&str> {
    let node = user.name.strip_prefix(USER_PREFIX)?;
    user.in_group(NODES_GROUP).then_some(node)
}

fn selects_node(node: &str, action: &Action<'_>) -> bool {
    let mut fields = action.fields.iter();
    fields.any(|field| field.field == "spec.nodeName" && !field.negated && field.value == node)
}

/// `authorizeLease`.
fn lease(node: &str, action: &Action<'_>) -> Decision {
    if !matches!(action.verb, "get" | "create" | "update" | "patch" | "delete") {
        let text = "can only get, create, update, patch, or delete a node lease";
        return Decision::no_opinion(text);
    }
    if action.namespace != LEASE_NAMESPACE {
        return Decision::no_opinion(format!(
            "can only access leases in the {LEASE_NAMESPACE:?} system namespace"
        ));
    }
    // The name of what is created is not known yet; admission sees to it.
    if action.verb != "create" && action.name != node {
        return Decision::no_opinion(
            "can only access node lease with the same name as the requesting node",
        );
    }
    Decision::allow("")
}

/// `authorizeCSINode`.
fn csi_node(node: &str, action: &Action<'_>) -> Decision {
    if !matches!(action.verb, "get" | "create" | "update" | "patch" | "delete") {
        let text = "can only get, create, update, patch, or delete a CSINode";
        return Decision::no_opinion(text);
    }
    if !action.subresource.is_empty() {
        return Decision::no_opinion("cannot authorize CSINode subresources");
    }
    if action.verb != "create" && action.name != node {
        return Decision::no_opinion(
            "can only access CSINode with the same name as the requesting node",
        );
    }
    Decision::allow("")
}

/// `authorizeNode`.
fn own_node(node: &str, action: &Action<'_>) -> Decision {
    match (action.subresource, action.verb) {
        // Admission limits these to the node's own object.
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Decision::allow(""),
        ("", "get" | "list" | "watch") if action.name == node => Decision::allow(""),
        ("", "get" | "list" | "watch") if action.name.is_empty() => Decision::no_opinion(format!(
            "node '{node}' cannot read all nodes, only its own Node object"
        )),
        ("", "get" | "list" | "watch") => {
            let name = action.name;
            Decision::no_opinion(format!(
                "node '{node}' cannot read '{name}', only its own Node object"
            ))
        }
        _ => Decision::no_opinion(""),
    }
}

#[cfg(test)]
mod tests;
