//! Which objects of a resource a list or a watch wants.

use crate::cache::entry::Entry;
use crate::catalog::Storage;
use crate::object::selector::{FieldSelector, LabelSelector};

/// Scope and selectors, with fields resolved to places in the entry's header. Equal filters select
/// the same objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Filter {
    pub(super) namespace: Option<Box<str>>,
    pub(super) name: Option<Box<str>>,
    labels: LabelSelector,
    fields: Box<[Condition]>,
}

/// One condition of a field selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Condition {
    field: Field,
    negated: bool,
    value: Box<str>,
}

/// A field that a selector names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Name,
    Namespace,
    /// A selectable field of the storage row.
    Nth(u16),
    /// A field that no object of the resource has; it reads as "".
    Unknown,
}

impl Field {
    fn of(storage: &Storage, path: &str) -> Self {
        match path {
            "metadata.name" => Self::Name,
            "metadata.namespace" => Self::Namespace,
            _ => {
                let at = storage.selectable.iter().position(|field| field.label == path);
                at.and_then(|at| u16::try_from(at).ok()).map_or(Self::Unknown, Self::Nth)
            }
        }
    }

    /// The field's value.
    pub(super) fn read(self, entry: &Entry) -> &[u8] {
        match self {
            Self::Name => entry.name_bytes(),
            Self::Namespace => entry.namespace_bytes(),
            Self::Nth(at) => entry.field_bytes(usize::from(at)),
            Self::Unknown => b"",
        }
    }
}

impl Filter {
    /// What a query asks for. Exact conditions on name and namespace narrow the scope.
    pub(super) fn new(
        storage: &Storage,
        scope: (Option<Box<str>>, Option<Box<str>>),
        labels: LabelSelector,
        fields: &FieldSelector,
    ) -> Self {
        let (mut namespace, mut name) = scope;
        let mut conditions = Vec::new();
        for requirement in fields.requirements() {
            let field = Field::of(storage, &requirement.field);
            let value = requirement.value.as_str();
            let narrowed = match field {
                Field::Name => Some(&mut name),
                Field::Namespace if storage.namespaced => Some(&mut namespace),
                Field::Namespace | Field::Nth(_) | Field::Unknown => None,
            };
            match narrowed {
                Some(scope) if !requirement.negated && scope.is_none() => {
                    *scope = Some(value.into())
                }
                Some(Some(scope)) if !requirement.negated && **scope == *value => {}
                _ => {
                    let (negated, value) = (requirement.negated, value.into());
                    conditions.push(Condition { field, negated, value });
                }
            }
        }
        if !storage.namespaced {
            namespace = None;
        }
        Self { namespace, name, labels, fields: conditions.into() }
    }

    /// True if the entry is wanted.
    pub(super) fn matches(&self, entry: &Entry) -> bool {
        self.namespace.as_deref().is_none_or(|n| entry.namespace_bytes() == n.as_bytes())
            && self.name.as_deref().is_none_or(|name| entry.name_bytes() == name.as_bytes())
            && self.selects(entry)
    }

    /// `matches` without the namespace, for entries that are known to lie in it.
    pub(super) fn selects(&self, entry: &Entry) -> bool {
        self.fields.iter().all(|condition| {
            (condition.field.read(entry) == condition.value.as_bytes()) != condition.negated
        }) && (self.labels.is_everything() || self.labels.matches(|key| entry.label(key)))
    }

    /// No selector: every object in scope is wanted.
    pub(super) fn selects_everything(&self) -> bool {
        self.fields.is_empty() && self.labels.is_everything() && self.name.is_none()
    }

    /// A condition that few objects meet, by which watchers are indexed: the name, else an exact
    /// value of a field of the row.
    pub(super) fn rare(&self) -> Option<(Field, &str)> {
        if let Some(name) = &self.name {
            return Some((Field::Name, name));
        }
        let exact = |c: &&Condition| !c.negated && matches!(c.field, Field::Nth(_));
        self.fields.iter().find(exact).map(|c| (c.field, &*c.value))
    }
}
