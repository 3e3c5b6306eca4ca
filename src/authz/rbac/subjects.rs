//! Bindings by whom they bind.

use super::index::Binding;
use crate::base::hash::HashMap;
use crate::object::Value;
use crate::request::User;
use std::rc::Rc;

/// Bindings of one scope: of the cluster, or of one namespace.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    users: HashMap<Box<str>, Vec<Rc<Binding>>>,
    groups: HashMap<Box<str>, Vec<Rc<Binding>>>,
}

/// One subject of a binding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subject {
    kind: Kind,
    /// The user or group; of a service account its user name.
    pub(super) name: Box<str>,
    /// As messages show it.
    shown: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Group,
    User,
}

impl Subject {
    /// The subject that a binding in `namespace` names; `None` for one that is nobody
    /// (`appliesToUser`).
    pub(super) fn of(subject: &Value<'_>, namespace: &str) -> Option<Self> {
        let (kind, name) = (subject.str_at(&["kind"]), subject.str_at(&["name"]));
        match kind {
            "Group" | "User" => Some(Self {
                kind: if kind == "User" { Kind::User } else { Kind::Group },
                name: name.into(),
                shown: format!("{kind} {name:?}").into(),
            }),
            "ServiceAccount" => {
                let own = subject.str_at(&["namespace"]);
                let namespace = if own.is_empty() { namespace } else { own };
                (!namespace.is_empty()).then(|| Self {
                    kind: Kind::User,
                    name: format!("system:serviceaccount:{namespace}:{name}").into(),
                    shown: format!("{kind} {:?}", format!("{name}/{namespace}")).into(),
                })
            }
            _ => None,
        }
    }

    pub(super) fn is(&self, user: &User) -> bool {
        match self.kind {
            Kind::Group => user.in_group(&self.name),
            Kind::User => *self.name == *user.name,
        }
    }

    /// As messages show it (`describeSubject`).
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

impl Subjects {
    pub(super) fn insert(&mut self, binding: &Rc<Binding>) {
        for subject in &binding.subjects {
            let bindings = self.of_kind(subject.kind).entry(subject.name.clone()).or_default();
            let at = bindings.partition_point(|other| other.name < binding.name);
            // The same subject may stand in a binding twice.
            if !bindings.get(at).is_some_and(|other| Rc::ptr_eq(other, binding)) {
                bindings.insert(at, Rc::clone(binding));
            }
        }
    }

    pub(super) fn remove(&mut self, binding: &Rc<Binding>) {
        for subject in &binding.subjects {
            let of_kind = self.of_kind(subject.kind);
            let Some(bindings) = of_kind.get_mut(&subject.name) else { continue };
            bindings.retain(|other| !Rc::ptr_eq(other, binding));
            if bindings.is_empty() {
                of_kind.remove(&subject.name);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// The bindings of a user and of each of his groups.
    pub(super) fn bindings(&self, user: &User) -> impl Iterator<Item = &Rc<Binding>> {
        let own = self.users.get(user.name.as_str());
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group.as_str()));
        own.into_iter().chain(groups).flatten()
    }

    fn of_kind(&mut self, kind: Kind) -> &mut HashMap<Box<str>, Vec<Rc<Binding>>> {
        match kind {
            Kind::Group => &mut self.groups,
            Kind::User => &mut self.users,
        }
    }
}
