//! May they: the authorizers in the order of `--authorization-mode`, after the group that may do
//! everything (features.md section 5).
//!
//! Each shard has its own, with indexes of its own that [`Authorizer::follow`] keeps from the
//! shard's cache. Only a webhook is elsewhere; what it answered is kept for a while.

pub mod abac;
mod action;
pub mod conditions;
mod config;
mod decision;
mod impersonation;
mod node;
pub mod policy;
pub mod rbac;
mod rule;
mod stored;
mod webhook;

pub use action::Action;
pub use config::{AuthorizerConfig, WebhookConfig};
pub use decision::{Decision, Verdict};
pub use impersonation::{Successes, wanted_user};
pub use node::node_of;
pub use rule::{Quoted, Rule};
pub use webhook::{Service, Webhook};

use crate::cache::{Cache, Entry, Observer};
use crate::catalog::{Storage, catalog};
use crate::metrics::{Recorder, Series, instruments};
use crate::request::{Fault, User};
use crate::rt;
use bumpalo::Bump;
use node::{Graph, NodeAuthorizer};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

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

    /// Its name, as the flag has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Abac => "ABAC",
            Self::AlwaysAllow => "AlwaysAllow",
            Self::AlwaysDeny => "AlwaysDeny",
            Self::Node => "Node",
            Self::Rbac => "RBAC",
            Self::Webhook => "Webhook",
        }
    }
}

/// What an authorizer of the chain decides by.
#[derive(Debug, Clone)]
pub enum Part {
    /// A policy file.
    Abac(Arc<abac::Policies>),
    /// Everything is allowed.
    AlwaysAllow,
    /// Nothing is allowed.
    AlwaysDeny,
    /// What a kubelet needs.
    Node,
    /// Roles and bindings.
    Rbac,
    /// A remote service; none if there is nothing to ask.
    Webhook(Option<Rc<Webhook>>),
}

/// One authorizer of the chain.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What it decides by.
    pub part: Part,
    /// How often it allowed and denied, if that is counted.
    decisions: Option<[Rc<Series>; 2]>,
}

impl Link {
    /// An authorizer whose decisions are counted (`InstrumentedAuthorizer`).
    pub fn new(mode: Mode, name: &str, part: Part, metrics: &Recorder) -> Self {
        let series = |decision| {
            metrics.series(&instruments::AUTHORIZER_DECISIONS, &[decision, name, mode.name()])
        };
        let decisions = Some(["allowed", "denied"].map(series));
        Self { name: name.into(), part, decisions }
    }

    fn decided(&self, verdict: Verdict) {
        let Some([allowed, denied]) = &self.decisions else { return };
        match verdict {
            Verdict::Allow => allowed.add(),
            Verdict::Deny => denied.add(),
            Verdict::NoOpinion => {}
        }
    }

    /// An authorizer that needs no settings; a mode that does has no opinion.
    pub fn plain(mode: Mode) -> Self {
        let part = match mode {
            Mode::Abac => Part::Abac(Arc::default()),
            Mode::AlwaysAllow => Part::AlwaysAllow,
            Mode::AlwaysDeny => Part::AlwaysDeny,
            Mode::Node => Part::Node,
            Mode::Rbac => Part::Rbac,
            Mode::Webhook => Part::Webhook(None),
        };
        Self { name: mode.name().to_ascii_lowercase().into(), part, decisions: None }
    }
}

/// The chain of one shard; clones share it.
#[derive(Debug, Clone)]
pub struct Authorizer {
    links: Rc<RefCell<Rc<[Link]>>>,
    node: Rc<NodeAuthorizer>,
    graph: Graph,
    roles: rbac::Index,
    successes: Arc<Successes>,
    metrics: Rc<Recorder>,
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
    pub fn new(modes: &[Mode]) -> Self {
        let links = modes.iter().copied().map(Link::plain).collect();
        Self::of_links(links, Arc::default(), Rc::default())
    }

    /// The chain of these authorizers, in order; it knows no roles yet, and counts in `metrics`.
    pub fn of_links(links: Vec<Link>, successes: Arc<Successes>, metrics: Rc<Recorder>) -> Self {
        let (graph, roles) = (Graph::default(), rbac::Index::default());
        let node = Rc::new(NodeAuthorizer::new(graph.clone()));
        let links = Rc::new(RefCell::new(links.into()));
        Self { links, node, graph, roles, successes, metrics }
    }

    /// Decides by these authorizers from now on. Questions under way keep theirs.
    pub fn replace(&self, links: Vec<Link>) {
        *self.links.borrow_mut() = links.into();
        self.successes.clear();
    }

    /// Takes in what the cache holds and follows its changes from then on. While the cache cannot
    /// read, as when the store answers too late, it is asked again.
    pub async fn follow(&self, cache: &Cache) {
        let roles: Rc<dyn Observer> = Rc::new(self.roles.clone());
        for resource in ["roles", "clusterroles", "rolebindings", "clusterrolebindings"] {
            let Some(storage) = catalog().storage(resource) else { continue };
            observe(cache, storage, &roles).await;
        }
        if !self.links.borrow().iter().any(|link| matches!(link.part, Part::Node)) {
            return;
        }
        let graph: Rc<dyn Observer> = Rc::new(self.graph.clone());
        for storage in Graph::storages() {
            observe(cache, storage, &graph).await;
        }
    }

    /// The roles and bindings.
    pub const fn roles(&self) -> &rbac::Index {
        &self.roles
    }

    /// Decides; a refusal is 403 with upstream's message.
    ///
    /// # Errors
    /// The refusal.
    pub async fn authorize(&self, user: &User, action: &Action<'_>) -> Result<(), Fault> {
        let decision = self.run(user, action, false).await;
        match decision.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny | Verdict::NoOpinion => Err(action.forbidden(user, &decision.reason)),
        }
    }

    /// True if the user may.
    pub async fn allows(&self, user: &User, action: &Action<'_>) -> bool {
        self.run(user, action, false).await.verdict == Verdict::Allow
    }

    /// Decides, and says why; whom RBAC allows is told by which binding only to who asks for it.
    pub async fn decide(&self, user: &User, action: &Action<'_>, explain: bool) -> Decision {
        self.run(user, action, explain).await
    }

    /// True if the user may, as far as is known here and now: what an authorizer elsewhere would
    /// have to be asked for is not allowed.
    pub fn allows_now(&self, user: &User, action: &Action<'_>) -> bool {
        if user.in_group(MASTERS) {
            return true;
        }
        for link in &**self.links.borrow() {
            match self.ask_here(&link.part, user, action, false) {
                None => return false,
                Some(decision) if decision.verdict != Verdict::NoOpinion => {
                    return decision.verdict == Verdict::Allow;
                }
                Some(_) => {}
            }
        }
        false
    }

    /// The union of the authorizers (`unionAuthzHandler.Authorize`): the first verdict counts,
    /// reasons and errors of those without one are joined.
    async fn run(&self, user: &User, action: &Action<'_>, explain: bool) -> Decision {
        if user.in_group(MASTERS) {
            return Decision::allow("");
        }
        let links = Rc::clone(&self.links.borrow());
        let (mut reasons, mut errors) = (Vec::new(), Vec::new());
        for link in &*links {
            let decision = match &link.part {
                Part::Webhook(Some(webhook)) => webhook.decide(user, action).await,
                part => {
                    let Some(decision) = self.ask_here(part, user, action, explain) else {
                        continue;
                    };
                    decision
                }
            };
            link.decided(decision.verdict);
            if decision.verdict != Verdict::NoOpinion {
                return decision;
            }
            if !decision.reason.is_empty() {
                reasons.push(decision.reason);
            }
            errors.extend(decision.error);
        }
        let error = (!errors.is_empty()).then(|| rbac::aggregate(&errors));
        Decision { error, ..Decision::no_opinion(reasons.join("\n")) }
    }

    /// What an authorizer of this process says, or one elsewhere has said a moment ago.
    fn ask_here(
        &self,
        part: &Part,
        user: &User,
        action: &Action<'_>,
        explain: bool,
    ) -> Option<Decision> {
        Some(match part {
            Part::Abac(policies) => policies.decide(user, action),
            Part::AlwaysAllow => Decision::allow(""),
            Part::AlwaysDeny => Decision::no_opinion("Everything is forbidden."),
            Part::Node => self.node.decide(user, action),
            Part::Rbac => self.roles.decide(user, action, explain),
            Part::Webhook(Some(webhook)) => return webhook.known(user, action),
            Part::Webhook(None) => return None,
        })
    }

    /// All rules of a user in a namespace, as far as authorizers can tell.
    pub fn rules_for(&self, user: &User, namespace: &str) -> RulesFor {
        let mut found = RulesFor::default();
        let cannot = |found: &mut RulesFor, what: &str| {
            found.incomplete = true;
            found.errors.push(format!("{what} authorizer does not support user rule resolution"));
        };
        for link in &**self.links.borrow() {
            match &link.part {
                Part::Abac(policies) => found.rules.extend(policies.rules_for(user, namespace)),
                Part::AlwaysAllow => found.rules.extend(Rule::everything()),
                Part::AlwaysDeny => {}
                Part::Node if node_of(user).is_some() => cannot(&mut found, "node"),
                Part::Node => {}
                Part::Rbac => self.roles.visit(user, namespace, &mut |rule| match rule {
                    Ok((_, rule)) => found.rules.push(rule.clone()),
                    Err(error) => found.errors.push(error),
                }),
                Part::Webhook(_) => cannot(&mut found, "webhook"),
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

/// Shows the observer a resource, however long that takes: nobody is let in before.
async fn observe(cache: &Cache, storage: &'static Storage, observer: &Rc<dyn Observer>) {
    let what = format!("{} cannot be read yet", storage.resource);
    let observing =
        rt::again(&what, Duration::MAX, async || cache.observe(storage, Rc::clone(observer)).await);
    // It ends only when it has succeeded.
    drop(observing.await);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(groups: &[&str]) -> User {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        User { name: "u".into(), groups, ..User::default() }
    }

    fn decide(chain: &Authorizer, user: &User, action: &Action<'_>) -> Decision {
        let decision = futures_lite::future::block_on(chain.decide(user, action, false));
        assert_eq!(chain.allows_now(user, action), decision.verdict == Verdict::Allow);
        decision
    }

    #[test]
    fn masters_may_do_everything_under_every_mode() {
        let chain = Authorizer::new(&[Mode::AlwaysDeny]);
        let action = Action { verb: "list", ..Action::resource("pods") };
        assert_eq!(decide(&chain, &user(&[MASTERS]), &action), Decision::allow(""));
        assert_eq!(decide(&chain, &user(&[]), &action).verdict, Verdict::NoOpinion);
    }

    #[test]
    fn what_no_mode_allows_is_denied() {
        let action = Action { verb: "list", ..Action::resource("pods") };
        for modes in [&[][..], &[Mode::Rbac], &[Mode::Node, Mode::Rbac], &[Mode::Webhook]] {
            let decision = decide(&Authorizer::new(modes), &user(&[]), &action);
            assert_eq!(decision, Decision::no_opinion(""));
        }
        let allowed = Authorizer::new(&[Mode::Rbac, Mode::AlwaysAllow]);
        assert_eq!(decide(&allowed, &user(&[]), &action), Decision::allow(""));
        allowed.replace(vec![Link::plain(Mode::AlwaysDeny)]);
        assert_eq!(decide(&allowed, &user(&[]), &action).verdict, Verdict::NoOpinion);
    }

    #[test]
    fn reasons_of_authorizers_without_an_opinion_are_joined() {
        let chain = Authorizer::new(&[Mode::Node, Mode::AlwaysDeny]);
        let node = User { name: "system:node:n".into(), ..user(&["system:nodes"]) };
        let action = Action { verb: "list", ..Action::resource("nodes") };
        let reason = decide(&chain, &node, &action).reason;
        let own = "node 'n' cannot read all nodes, only its own Node object";
        assert_eq!(reason, format!("{own}\nEverything is forbidden."));
    }
}
