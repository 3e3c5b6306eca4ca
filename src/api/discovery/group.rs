//! What discovery shows, whatever serves it: built-in groups from the catalog, custom and
//! aggregated ones from elsewhere.

use crate::catalog::Resource;
use crate::catalog::catalog;

/// A served group.
#[derive(Debug, Clone)]
pub struct GroupEntry<'a> {
    /// Name; "" for core.
    pub name: &'a str,
    /// Served versions, the preferred one first.
    pub versions: Vec<VersionEntry<'a>>,
}

/// A served version of a group.
#[derive(Debug, Clone)]
pub struct VersionEntry<'a> {
    /// Version.
    pub version: &'a str,
    /// Its resources by name.
    pub resources: Vec<ResourceEntry<'a>>,
    /// The list of resources is up to date; false where a remote server does not answer.
    pub current: bool,
}

/// A served resource.
#[derive(Debug, Clone)]
pub struct ResourceEntry<'a> {
    /// Plural name.
    pub name: &'a str,
    /// Singular name.
    pub singular: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// URLs have a namespace.
    pub namespaced: bool,
    /// Verbs, sorted.
    pub verbs: Vec<&'a str>,
    /// Short names.
    pub short_names: Vec<&'a str>,
    /// Categories.
    pub categories: Vec<&'a str>,
    /// `storageVersionHash`; "" for none.
    pub storage_version_hash: &'a str,
    /// Subresources by name.
    pub subresources: Vec<SubresourceEntry<'a>>,
}

/// A served subresource.
#[derive(Debug, Clone)]
pub struct SubresourceEntry<'a> {
    /// Name.
    pub name: &'a str,
    /// Group of its kind; "" for core.
    pub group: &'a str,
    /// Version of its kind.
    pub version: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Verbs, sorted.
    pub verbs: Vec<&'a str>,
}

/// The built-in groups that are served by default, core first, in the order of discovery.
pub fn built_in() -> Vec<GroupEntry<'static>> {
    let groups = catalog().groups().iter().map(|group| GroupEntry {
        name: group.name,
        versions: group
            .served()
            .map(|version| VersionEntry {
                version: version.version,
                resources: version
                    .resources
                    .iter()
                    .filter(|resource| resource.served_by_default)
                    .map(|resource| entry(resource))
                    .collect(),
                current: true,
            })
            .collect(),
    });
    groups.filter(|group| !group.versions.is_empty()).collect()
}

fn entry(resource: &'static Resource) -> ResourceEntry<'static> {
    ResourceEntry {
        name: resource.name,
        singular: resource.singular,
        kind: resource.kind,
        namespaced: resource.namespaced,
        verbs: resource.verbs.clone(),
        short_names: resource.short_names.clone(),
        categories: resource.categories.clone(),
        storage_version_hash: resource.storage_version_hash,
        subresources: resource
            .subresources
            .iter()
            .map(|sub| SubresourceEntry {
                name: sub.name,
                group: sub.group,
                version: sub.version,
                kind: sub.kind,
                verbs: sub.verbs.clone(),
            })
            .collect(),
    }
}
