//! All roles and bindings, by whom they bind.

use super::subjects::{Subject, Subjects};
use crate::authz::action::Action;
use crate::authz::rule::{Asked, Rule, Rules};
use crate::base::hash::HashMap;
use crate::object::Value;
use crate::request::User;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// The roles and bindings that a shard knows; clones share them.
#[derive(Debug, Default, Clone)]
pub struct Index {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Roles that are there, and those that bindings name, by namespace and name.
    roles: HashMap<Place, Rc<Slot>>,
    bindings: HashMap<Place, Rc<Binding>>,
    cluster: Subjects,
    namespaces: HashMap<Box<str>, Subjects>,
}

/// Namespace and name; "" is the cluster.
type Place = (Box<str>, Box<str>);

/// A role, or its place while it is not there.
#[derive(Debug)]
struct Slot {
    namespace: Box<str>,
    name: Box<str>,
    rules: RefCell<Option<Rules>>,
}

/// One binding.
#[derive(Debug)]
pub(super) struct Binding {
    namespace: Box<str>,
    pub(super) name: Box<str>,
    pub(super) subjects: Box<[Subject]>,
    role: Role,
}

/// What a binding refers to.
#[derive(Debug)]
enum Role {
    Is(Rc<Slot>),
    /// Of a kind that is no role; validation lets none in.
    Unknown(Box<str>),
}

/// A rule of a user and where it comes from, or what stands in the way of knowing his rules.
pub type Found<'f> = Result<(&'f RuleSource, &'f Rule), String>;

/// Where a rule comes from, as messages show it.
#[derive(Debug, Clone)]
pub struct RuleSource {
    binding: Rc<Binding>,
    subject: usize,
}

impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binding = &self.binding;
        match &*binding.namespace {
            "" => write!(f, "ClusterRoleBinding {:?}", binding.name)?,
            namespace => {
                write!(f, "RoleBinding {:?}", format!("{}/{namespace}", binding.name))?;
            }
        }
        match &binding.role {
            Role::Is(slot) => write!(f, " of {} {:?}", slot.kind(), slot.name)?,
            Role::Unknown(kind) => write!(f, " of {kind}")?,
        }
        match binding.subjects.get(self.subject) {
            Some(subject) => write!(f, " to {}", subject.shown()),
            None => Ok(()),
        }
    }
}

impl Slot {
    const fn kind(&self) -> &'static str {
        if self.namespace.is_empty() { "ClusterRole" } else { "Role" }
    }

    fn missing(&self) -> String {
        let resource = if self.namespace.is_empty() { "clusterrole" } else { "role" };
        format!("{resource}.rbac.authorization.k8s.io {:?} not found", self.name)
    }
}

impl Binding {
    /// True if the binding's role allows what is asked.
    fn allows(&self, asked: &Asked<'_>) -> bool {
        let Role::Is(slot) = &self.role else { return false };
        slot.rules.borrow().as_ref().is_some_and(|rules| rules.allow(asked))
    }
}

impl Index {
    /// Takes in what stands at a role's place now; "" is the namespace of cluster roles.
    pub fn put_role(&self, namespace: &str, name: &str, role: Option<&Value<'_>>) {
        let mut state = self.state.borrow_mut();
        let slot = state.slot(namespace, name);
        let rules = role.map(|role| {
            let rules = role.list_at(&["rules"]).iter().map(Rule::of);
            Rules::new(rules.collect())
        });
        let is_gone = rules.is_none();
        *slot.rules.borrow_mut() = rules;
        if is_gone {
            state.forget(&slot);
        }
    }

    /// Takes in what stands at a binding's place now; "" is the namespace of cluster role
    /// bindings.
    pub fn put_binding(&self, namespace: &str, name: &str, binding: Option<&Value<'_>>) {
        let mut state = self.state.borrow_mut();
        let place: Place = (namespace.into(), name.into());
        if let Some(old) = state.bindings.remove(&place) {
            state.scope(namespace).remove(&old);
            if state.namespaces.get(namespace).is_some_and(Subjects::is_empty) {
                state.namespaces.remove(namespace);
            }
            let slot = match &old.role {
                Role::Is(slot) => Some(Rc::clone(slot)),
                Role::Unknown(_) => None,
            };
            drop(old);
            if let Some(slot) = slot {
                state.forget(&slot);
            }
        }
        let Some(object) = binding else { return };
        let role = object.str_at(&["roleRef", "name"]);
        let role = match object.str_at(&["roleRef", "kind"]) {
            "ClusterRole" => Role::Is(state.slot("", role)),
            "Role" if !namespace.is_empty() => Role::Is(state.slot(namespace, role)),
            other => Role::Unknown(other.into()),
        };
        let subjects = object.list_at(&["subjects"]).iter();
        let binding = Rc::new(Binding {
            namespace: namespace.into(),
            name: name.into(),
            subjects: subjects.filter_map(|subject| Subject::of(subject, namespace)).collect(),
            role,
        });
        state.scope(namespace).insert(&binding);
        state.bindings.insert(place, binding);
    }

    /// The first binding that allows the action, if one does; who it is is told only on demand.
    pub(super) fn find(
        &self,
        user: &User,
        action: &Action<'_>,
        tell: bool,
    ) -> Option<Option<RuleSource>> {
        let state = self.state.borrow();
        let asked = Asked::new(action);
        let mut scopes = state.scopes(action.namespace);
        let found = scopes.find_map(|scope| {
            let mut bindings = scope.bindings(user);
            bindings.find(|binding| binding.allows(&asked))
        })?;
        Some(tell.then(|| RuleSource::new(found, user)))
    }

    /// What stands in the way of knowing all rules of a user: roles that are not there.
    pub(super) fn errors(&self, user: &User, namespace: &str) -> Vec<String> {
        let mut errors = Vec::new();
        self.visit_bindings(user, namespace, &mut |_, rules| {
            if let Err(error) = rules {
                errors.push(error);
            }
        });
        errors
    }

    /// Shows each rule of a user in a namespace, and each role that is not there
    /// (`VisitRulesFor`): first those of the cluster, each binding once, by name.
    pub fn visit(&self, user: &User, namespace: &str, visit: &mut dyn FnMut(Found<'_>)) {
        self.visit_bindings(user, namespace, &mut |source, rules| match rules {
            Ok(rules) => rules.iter().for_each(|rule| visit(Ok((source, rule)))),
            Err(error) => visit(Err(error)),
        });
    }

    fn visit_bindings(
        &self,
        user: &User,
        namespace: &str,
        visit: &mut dyn FnMut(&RuleSource, Result<&Rules, String>),
    ) {
        let state = self.state.borrow();
        for scope in state.scopes(namespace) {
            let bindings = scope.bindings(user).map(|binding| (&*binding.name, binding));
            for binding in bindings.collect::<BTreeMap<_, _>>().into_values() {
                let source = RuleSource::new(binding, user);
                match &binding.role {
                    Role::Is(slot) => {
                        let rules = slot.rules.borrow();
                        visit(&source, rules.as_ref().ok_or_else(|| slot.missing()));
                    }
                    Role::Unknown(kind) => {
                        visit(&source, Err(format!("unsupported role reference kind: {kind:?}")));
                    }
                }
            }
        }
    }

    /// The rules of a role; `None` if it is not there. "" is the namespace of cluster roles.
    pub fn rules_of(&self, namespace: &str, name: &str) -> Option<Vec<Rule>> {
        let state = self.state.borrow();
        let slot = state.roles.get(&(namespace.into(), name.into()))?;
        let rules = slot.rules.borrow();
        rules.as_ref().map(|rules| rules.iter().cloned().collect())
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> (usize, usize, usize) {
        let state = self.state.borrow();
        (state.roles.len(), state.bindings.len(), state.namespaces.len())
    }
}

impl RuleSource {
    fn new(binding: &Rc<Binding>, user: &User) -> Self {
        let subject = binding.subjects.iter().position(|subject| subject.is(user));
        Self { binding: Rc::clone(binding), subject: subject.unwrap_or(usize::MAX) }
    }
}

impl State {
    fn slot(&mut self, namespace: &str, name: &str) -> Rc<Slot> {
        let place: Place = (namespace.into(), name.into());
        let made = || {
            let (namespace, name) = (namespace.into(), name.into());
            Rc::new(Slot { namespace, name, rules: RefCell::new(None) })
        };
        Rc::clone(self.roles.entry(place).or_insert_with(made))
    }

    /// Drops the place of a role that is not there, unless a binding names it.
    fn forget(&mut self, slot: &Rc<Slot>) {
        // One count is the map's, one the caller's.
        if slot.rules.borrow().is_none() && Rc::strong_count(slot) == 2 {
            self.roles.remove(&(slot.namespace.clone(), slot.name.clone()));
        }
    }

    fn scope(&mut self, namespace: &str) -> &mut Subjects {
        if namespace.is_empty() {
            return &mut self.cluster;
        }
        self.namespaces.entry(namespace.into()).or_default()
    }

    fn scopes(&self, namespace: &str) -> impl Iterator<Item = &Subjects> {
        let own = if namespace.is_empty() { None } else { self.namespaces.get(namespace) };
        std::iter::once(&self.cluster).chain(own)
    }
}
