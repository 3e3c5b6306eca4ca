//! The catalog: every built-in type, resource and default of Kubernetes v1.36, as one table.
//!
//! It is read once, at first use, from the text files under `data/` into rows that live as long as
//! the process. Everything generic asks it: routing, decoding, defaulting, storage keys, field
//! selectors, discovery, tables. A kind needs code of its own only where its behaviour is special.
//!
//! Custom resources are not in here: they compile their schemas into rows of the same types.

pub mod custom;
pub mod defaults;
mod group;
mod resource;
mod storage;
mod types;

pub use group::{Group, GroupVersion};
pub use resource::{Column, Resource, Subresource};
pub use storage::{
    Fallback, FilledIn, LabelSource, Older, Propagation, Selectable, Storage, Written,
};

use crate::base::hash::HashMap;
use crate::object::schema::Type;
use defaults::{Defaults, FieldDefault};
use std::sync::OnceLock;
use types::Types;

/// All tables.
#[derive(Debug)]
pub struct Catalog {
    types: Types,
    defaults: Defaults,
    groups: Vec<Group>,
    storages: &'static [Storage],
    resources: &'static [Resource],
    /// Group, version, plural name.
    by_name: HashMap<(&'static str, &'static str, &'static str), &'static Resource>,
    /// Group, version, kind.
    by_kind: HashMap<(&'static str, &'static str, &'static str), &'static Resource>,
}

/// The catalog; the first call reads it (a few milliseconds), so make it at start.
pub fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::load)
}

impl Catalog {
    /// The type with this OpenAPI name (`io.k8s.api.core.v1.Pod`), the well-known prefix optional.
    /// Types with a JSON form of their own (`Quantity`, `Time`, …) are scalars and not in here.
    pub fn type_named(&self, name: &str) -> Option<&'static Type> {
        self.types.named(name)
    }

    /// All types, in the order of the data files.
    pub fn types(&self) -> &[&'static Type] {
        &self.types.all
    }

    /// The type of a kind, lists and options included. Kinds that every group version has
    /// (`DeleteOptions`, `WatchEvent`, …) are found in any group version, even an unknown one.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&'static Type> {
        self.types.kind(group, version, kind)
    }

    /// All kinds that belong to one group version (group, version, kind), in no order.
    pub fn kinds(
        &self,
    ) -> impl Iterator<Item = ((&'static str, &'static str, &'static str), &'static Type)> {
        self.types.kinds()
    }

    /// The resource with this plural name, served by default or not.
    pub fn resource(&self, group: &str, version: &str, name: &str) -> Option<&'static Resource> {
        self.by_name.get(&(group, version, name)).copied()
    }

    /// The resource whose objects are of this kind.
    pub fn resource_of_kind(
        &self,
        group: &str,
        version: &str,
        kind: &str,
    ) -> Option<&'static Resource> {
        self.by_kind.get(&(group, version, kind)).copied()
    }

    /// All resources, those not served by default included, grouped by group version and sorted by
    /// name within.
    pub fn resources(&self) -> &'static [Resource] {
        self.resources
    }

    /// The unconditional defaults of one built-in type's own fields; none for other types.
    pub fn defaults(&self, ty: &Type) -> &[FieldDefault] {
        self.defaults.of(ty)
    }

    /// What is stored, by `Storage::id`.
    pub fn storages(&self) -> &'static [Storage] {
        self.storages
    }

    /// The storage with this plural name.
    pub fn storage(&self, resource: &str) -> Option<&'static Storage> {
        self.storages.iter().find(|storage| storage.resource == resource)
    }

    /// The groups in discovery order, core ("") first; groups of which nothing is served by default
    /// included.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn load() -> Self {
        let types = Types::load();
        let storages = storage::load(&types);
        let resources = resource::load(&types, storages);
        let mut by_name = HashMap::default();
        let mut by_kind = HashMap::default();
        for resource in resources {
            by_name.insert((resource.group, resource.version, resource.name), resource);
            by_kind.insert((resource.group, resource.version, resource.kind), resource);
        }
        let groups = group::load(resources);
        let defaults = Defaults::load(&types);
        Self { types, defaults, groups, storages, resources, by_name, by_kind }
    }
}

#[cfg(test)]
mod tests;
