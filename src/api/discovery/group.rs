//! What discovery shows, whatever serves it: built-in groups from the catalog, custom and
//! aggregated ones from elsewhere.

use crate::catalog::Resource;
use crate::catalog::catalog;
use crate::catalog::custom::Served;
use std::cmp::Ordering;

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
    /// A definition stands behind it.
    pub custom: bool,
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

/// The built-in groups and behind them those of custom resources, by name.
pub fn with_custom(
    mut groups: Vec<GroupEntry<'static>>,
    served: &Served,
) -> Vec<GroupEntry<'static>> {
    let first = groups.len();
    for definition in served.definitions.values().filter(|found| found.established) {
        let group = definition.rows.group;
        let at = groups.iter().position(|known| known.name == group).unwrap_or_else(|| {
            groups.push(GroupEntry { name: group, versions: Vec::new() });
            groups.len() - 1
        });
        let Some(group) = groups.get_mut(at) else { continue };
        for row in definition.rows.resources.iter().filter(|row| row.served_by_default) {
            let versions = &mut group.versions;
            let at = versions.iter().position(|known| known.version == row.version);
            let at = at.unwrap_or_else(|| {
                versions.push(VersionEntry {
                    version: row.version,
                    resources: Vec::new(),
                    current: true,
                });
                versions.len() - 1
            });
            let mut entry = entry(row);
            if definition.terminating {
                entry.verbs.retain(|verb| !matches!(*verb, "create" | "patch" | "update"));
            }
            if let Some(version) = versions.get_mut(at) {
                version.resources.push(entry);
            }
        }
    }
    groups.retain(|group| !group.versions.is_empty());
    let custom = groups.get_mut(first..).unwrap_or_default();
    custom.sort_by_key(|group| group.name);
    for group in custom {
        group.versions.sort_by(|a, b| compare_versions(a.version, b.version));
        for version in &mut group.versions {
            version.resources.sort_by_key(|resource| resource.name);
        }
    }
    groups
}

/// The preferred version first: stable ones before betas before alphas, higher numbers first, then
/// all others by name (`CompareKubeAwareVersionStrings`, reversed).
pub(super) fn compare_versions(a: &str, b: &str) -> Ordering {
    match (rank(a), rank(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability, major and minor number of `v1`, `v1beta2`, `v2alpha1`.
fn rank(version: &str) -> Option<(u8, u64, u64)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| digits && !text.starts_with('0'))
    };
    let rest = version.strip_prefix('v')?;
    for (stability, name) in [(0, "alpha"), (1, "beta")] {
        if let Some((major, minor)) = rest.split_once(name) {
            return Some((stability, number(major)?, number(minor)?));
        }
    }
    Some((2, number(rest)?, 0))
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
        custom: resource.custom.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::compare_versions;

    #[test]
    fn versions_stand_by_stability_then_number_then_name() {
        let mut versions =
            ["foo1", "v1alpha2", "v10", "v2beta1", "v1", "bar", "v1beta1", "v11alpha1", "v2"];
        versions.sort_by(|a, b| compare_versions(a, b));
        let expected =
            ["v10", "v2", "v1", "v2beta1", "v1beta1", "v11alpha1", "v1alpha2", "bar", "foo1"];
        assert_eq!(versions, expected);
    }
}
