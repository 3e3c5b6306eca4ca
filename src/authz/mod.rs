//! May they: the authorizers in the order of `--authorization-mode`, after the group that may do
//! everything (features.md section 5).
//!
//! Each shard has its own, with indexes of its own that [`Authorizer::follow`] keeps from the
//! shard's cache. ABAC and Webhook have their places in the chain but are not built yet: they have
//! no opinion, so what no other mode allows is denied.

mod action;
mod decision;
mod impersonation;
mod node;
pub mod policy;
pub mod rbac;
mod rule;
mod stored;

pub use action::Action;
pub use decision::{Decision, Verdict};
pub use impersonation::wanted_user;
pub use node::node_of;
pub use rule::{Quoted, Rule};

use crate::cache::{Cache, Entry, Observer, ReadFault};
use crate::catalog::catalog;
use crate::request::{Fault, User};
use bumpalo::Bump;
use node::{Graph, NodeAuthorizer};
use std::rc::Rc;
use std::sync::Arc;

/// The group that every mode lets pass.
pub const MASTERS: &str = "system:masters";

/// One authorizer of `--authorization-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A policy file.
    Abac,
    /// Everything.
    AlwaysAllow,
    /// Nothing.
    AlwaysDeny,
    /// What a kubelet needs.
    Node,
    /// Roles and bindings.
    Rbac,
    /// A remote service.
    Webhook,
}

impl Mode {
    /// The mode as the flag names it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ABAC" => Self::Abac,
            "AlwaysAllow" => Self::AlwaysAllow,
            "AlwaysDeny" => Self::AlwaysDeny,
            "Node" => Self::Node,
            "RBAC" => Self::Rbac,
            "Webhook" => Self::Webhook,
            _ => return None,
        })
    }

    /// True if the mode decides anything yet.
    pub const fn is_built(self) -> bool {
        matches!(self, Self::AlwaysAllow | Self::AlwaysDeny | Self::Node | Self::Rbac)
    }
}

/// The chain of one shard; clones share it.
#[derive(Debug, Clone)]
pub struct Authorizer {
    modes: Rc<[Mode]>,
    node: Rc<NodeAuthorizer>,
    graph: Graph,
    roles: rbac::Index,
    successes: impersonation::Successes,
}

/// All rules of one user in one namespace (`RuleResolver.RulesFor`).
#[derive(Debug, Default)]
pub struct RulesFor {
    /// What is known of them.
    pub rules: Vec<Rule>,
    /// There may be more.
    pub incomplete: bool,
    /// Why, and what else went wrong.
    pub errors: Vec<String>,
}

impl Authorizer {
    /// The chain for these modes, in order; it knows no roles yet.
    pub fn new(modes: Vec<Mode>) -> Self {
        let (graph, roles) = (Graph::default(), rbac::Index::default());
        let node = Rc::new(NodeAuthorizer::new(graph.clone()));
        let successes = impersonation::Successes::default();
        Self { modes: modes.into(), node, graph, roles, successes }
    }

    /// Takes in what the cache holds and follows its changes from then on.
    ///
    /// # Errors
    /// The cache cannot be read.
    pub async fn follow(&self, cache: &Cache) -> Result<(), ReadFault> {
        let roles: Rc<dyn Observer> = Rc::new(self.roles.clone());
        for resource in ["roles", "clusterroles", "rolebindings", "clusterrolebindings"] {
            let Some(storage) = catalog().storage(resource) else { continue };
            cache.observe(storage, Rc::clone(&roles)).await?;
        }
        if !self.modes.contains(&Mode::Node) {
            return Ok(());
        }
        let graph: Rc<dyn Observer> = Rc::new(self.graph.clone());
        for storage in Graph::storages() {
            cache.observe(storage, Rc::clone(&graph)).await?;
        }
        Ok(())
    }

    /// The roles and bindings.
    pub const fn roles(&self) -> &rbac::Index {
        &self.roles
    }

    /// Decides, for a request.
    ///
    /// # Errors
    /// 403 with upstream's message.
    pub fn authorize(&self, user: &User, action: &Action<'_>) -> Result<(), Fault> {
        let decision = self.run(user, action, false);
        match decision.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny | Verdict::NoOpinion => Err(action.forbidden(user, &decision.reason)),
        }
    }

    /// True if the user may.
    pub fn allows(&self, user: &User, action: &Action<'_>) -> bool {
        self.run(user, action, false).verdict == Verdict::Allow
    }

    /// Decides, and says why.
    pub fn decide(&self, user: &User, action: &Action<'_>) -> Decision {
        self.run(user, action, true)
    }

    /// The union of the authorizers (`unionAuthzHandler.Authorize`): the first verdict counts,
    /// reasons of those without one are joined.
    fn run(&self, user: &User, action: &Action<'_>, explain: bool) -> Decision {
        if user.in_group(MASTERS) {
            return Decision::allow("");
        }
        let mut reasons: Vec<String> = Vec::new();
        for mode in &*self.modes {
            let decision = match mode {
                Mode::AlwaysAllow => Decision::allow(""),
                Mode::AlwaysDeny => Decision::no_opinion("Everything is forbidden."),
                Mode::Node => self.node.decide(user, action),
                Mode::Rbac => self.roles.decide(user, action, explain),
                Mode::Abac | Mode::Webhook => continue,
            };
            if decision.verdict != Verdict::NoOpinion {
                return decision;
            }
            if !decision.reason.is_empty() {
                reasons.push(decision.reason);
            }
        }
        Decision::no_opinion(reasons.join("\n"))
    }

    /// All rules of a user in a namespace, as far as authorizers can tell.
    pub fn rules_for(&self, user: &User, namespace: &str) -> RulesFor {
        let mut found = RulesFor::default();
        for mode in &*self.modes {
            match mode {
                Mode::AlwaysAllow => found.rules.extend(Rule::everything()),
                Mode::Node if node_of(user).is_some() => {
                    let text = "node authorizer does not support user rule resolution";
                    found.incomplete = true;
                    found.errors.push(text.to_owned());
                }
                Mode::Rbac => self.roles.visit(user, namespace, &mut |rule| match rule {
                    Ok((_, rule)) => found.rules.push(rule.clone()),
                    Err(error) => found.errors.push(error),
                }),
                Mode::Abac | Mode::AlwaysDeny | Mode::Node | Mode::Webhook => {}
            }
        }
        found
    }
}

impl Observer for rbac::Index {
    fn change(&self, current: Option<&Arc<Entry>>, previous: Option<&Arc<Entry>>) {
        let Some(subject) = current.or(previous) else { return };
        let arena = Bump::new();
        let object = current.and_then(|entry| stored::decode(entry, &arena));
        let (namespace, name) = (subject.namespace(), subject.name());
        match subject.storage().map(|storage| storage.resource) {
            Some("roles" | "clusterroles") => self.put_role(namespace, name, object.as_ref()),
            Some("rolebindings" | "clusterrolebindings") => {
                self.put_binding(namespace, name, object.as_ref());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(groups: &[&str]) -> User {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        User { name: "u".into(), groups, ..User::default() }
    }

    #[test]
    fn masters_may_do_everything_under_every_mode() {
        let chain = Authorizer::new(vec![Mode::AlwaysDeny]);
        let action = Action { verb: "list", ..Action::resource("pods") };
        assert_eq!(chain.authorize(&user(&[MASTERS]), &action), Ok(()));
        assert!(chain.authorize(&user(&[]), &action).is_err());
    }

    #[test]
    fn what_no_mode_allows_is_denied() {
        let action = Action { verb: "list", ..Action::resource("pods") };
        for modes in [vec![], vec![Mode::Rbac], vec![Mode::Node, Mode::Rbac], vec![Mode::Abac]] {
            let decision = Authorizer::new(modes).decide(&user(&[]), &action);
            assert_eq!(decision, Decision::no_opinion(""));
        }
        let allowed = Authorizer::new(vec![Mode::Rbac, Mode::AlwaysAllow]);
        assert_eq!(allowed.authorize(&user(&[]), &action), Ok(()));
    }

    #[test]
    fn reasons_of_authorizers_without_an_opinion_are_joined() {
        let chain = Authorizer::new(vec![Mode::Node, Mode::AlwaysDeny]);
        let node = User { name: "system:node:n".into(), ..user(&["system:nodes"]) };
        let action = Action { verb: "list", ..Action::resource("nodes") };
        let reason = chain.decide(&node, &action).reason;
        let own = "node 'n' cannot read all nodes, only its own Node object";
        assert_eq!(reason, format!("{own}\nEverything is forbidden."));
    }
}
