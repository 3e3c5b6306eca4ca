//! Which definitions there are and what of them is served: one snapshot for the process.

use super::rows::{Definition, compile};
use crate::base::hash::HashMap;
use crate::catalog::{Resource, Storage, catalog};
use crate::object::Value;
use crate::object::field::Shown as _;
use arc_swap::ArcSwapOption;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

static SERVED: ArcSwapOption<Served> = ArcSwapOption::const_empty();

/// A snapshot of all definitions.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Counts the changes, so that what is made from a snapshot can be kept beside its number.
    pub number: u64,
    /// By name, those that are accepted.
    pub definitions: BTreeMap<&'static str, ServedDefinition>,
    /// By name, every one ever heard of.
    known: BTreeMap<String, Known>,
    /// Compiled rows by content.
    compiled: HashMap<u128, &'static Definition>,
    /// Group, version and plural name.
    by_name: HashMap<(&'static str, &'static str, &'static str), &'static Resource>,
}

/// An accepted definition.
#[derive(Debug, Clone, Copy)]
pub struct ServedDefinition {
    /// Its rows.
    pub rows: &'static Definition,
    /// It is established: discovery shows it.
    pub established: bool,
    /// It is being deleted: nothing new is created.
    pub terminating: bool,
}

/// What is remembered of a definition, also after its end.
#[derive(Debug, Clone)]
struct Known {
    /// The storage row's id, the same for every definition of this name.
    id: u16,
    /// The revision last heard of.
    revision: u64,
}

/// The snapshot of now.
pub fn served() -> Arc<Served> {
    SERVED.load_full().unwrap_or_default()
}

impl Served {
    /// The resource with this plural name, if its version is served.
    pub fn resource(&self, group: &str, version: &str, name: &str) -> Option<&'static Resource> {
        let resource = self.by_name.get(&(group, version, name)).copied()?;
        resource.served_by_default.then_some(resource)
    }

    /// The definition of a resource.
    pub fn definition(&self, resource: &Resource) -> Option<ServedDefinition> {
        let name = format!("{}.{}", resource.name, resource.group);
        self.definitions.get(name.as_str()).copied()
    }

    /// The resource whose objects are of this kind, if its version is served.
    pub fn resource_of_kind(
        &self,
        group: &str,
        version: &str,
        kind: &str,
    ) -> Option<&'static Resource> {
        self.definitions
            .values()
            .filter(|definition| definition.rows.group == group)
            .flat_map(|definition| &definition.rows.resources)
            .find(|row| row.version == version && row.kind == kind && row.served_by_default)
            .copied()
    }

    /// True if a definition of this group is accepted.
    pub fn has_group(&self, group: &str) -> bool {
        self.definitions.values().any(|definition| definition.rows.group == group)
    }

    fn index(&mut self) {
        self.number += 1;
        self.by_name = self
            .definitions
            .values()
            .flat_map(|definition| &definition.rows.resources)
            .map(|row| ((row.group, row.version, row.name), *row))
            .collect();
    }

    /// Takes note of a revision; false if a newer one is known.
    fn is_news(&mut self, name: &str, revision: u64) -> bool {
        let built_in = catalog().storages().len();
        let next = u16::try_from(built_in + self.known.len());
        match self.known.get_mut(name) {
            Some(known) if known.revision >= revision => false,
            Some(known) => {
                known.revision = revision;
                true
            }
            None => {
                // More definitions than ids: the last ones are not served.
                let Ok(id) = next else { return false };
                self.known.insert(name.to_owned(), Known { id, revision });
                true
            }
        }
    }
}

/// Takes note of a definition as it stands at `revision`; older news is ignored. Returns the row of
/// what it stores, if its names are accepted.
pub fn observe(object: &Value<'_>, revision: u64) -> Option<&'static Storage> {
    let name = object.str_at(&["metadata", "name"]);
    let condition = |kind: &str| {
        let conditions = object.list_at(&["status", "conditions"]);
        conditions.iter().any(|condition| {
            condition.str_at(&["type"]) == kind && condition.str_at(&["status"]) == "True"
        })
    };
    let established = condition("Established");
    let accepted = established || condition("NamesAccepted");
    let deleted = object.at(&["metadata", "deletionTimestamp"]).is_some();
    let terminating = deleted || condition("Terminating");
    let mut content = String::new();
    for part in [object.get("spec"), object.at(&["status", "acceptedNames"])] {
        part.unwrap_or(&Value::Null).show(&mut content);
    }
    let content = xxh3_128(content.as_bytes());
    let mut found = None;
    SERVED.rcu(|current| {
        let mut next = current.as_deref().cloned().unwrap_or_default();
        if !next.is_news(name, revision) {
            found = None;
            return current.clone();
        }
        let id = next.known.get(name).map(|known| known.id);
        let known = next.compiled.get(&content).copied();
        let rows = id.filter(|_| accepted).and_then(|id| known.or_else(|| compile(object, id)));
        found = rows.map(|rows| rows.storage);
        match rows {
            Some(rows) => {
                next.compiled.insert(content, rows);
                let served = ServedDefinition { rows, established, terminating };
                next.definitions.insert(rows.name, served);
            }
            None => drop(next.definitions.remove(name)),
        }
        next.index();
        Some(Arc::new(next))
    });
    found
}

/// Takes note that a definition is gone since `revision`.
pub fn forget(name: &str, revision: u64) {
    SERVED.rcu(|current| {
        let mut next = current.as_deref().cloned().unwrap_or_default();
        if !next.is_news(name, revision) {
            return current.clone();
        }
        next.definitions.remove(name);
        next.index();
        Some(Arc::new(next))
    });
}
