//! Groups that other API servers serve, as discovery shows them (`discoveryManager` of
//! kube-aggregator).

use super::group::{GroupEntry, ResourceEntry, SubresourceEntry, VersionEntry, compare_versions};
use crate::codec::json;
use crate::object::Value;
use bumpalo::Bump;
use bytes::Bytes;

/// All remote group versions at one time.
#[derive(Debug, Clone, Default)]
pub struct RemoteList {
    /// Counts the changes.
    pub number: u64,
    /// The versions.
    pub versions: Vec<RemoteVersion>,
}

/// A group version that is served elsewhere.
#[derive(Debug, Clone)]
pub struct RemoteVersion {
    /// Group.
    pub group: String,
    /// Version.
    pub version: String,
    /// `versionPriority`: the highest comes first.
    pub priority: i64,
    /// The other server's `APIResourceList`, JSON, if it has told it.
    pub resources: Option<Bytes>,
}

/// The groups, and behind them the remote ones by name. What borrows from documents of other
/// servers lives in `arena`.
pub(super) fn with_remote<'a>(
    mut groups: Vec<GroupEntry<'a>>,
    list: &'a RemoteList,
    arena: &'a Bump,
) -> Vec<GroupEntry<'a>> {
    let mut remote: Vec<&RemoteVersion> = list.versions.iter().collect();
    remote.sort_by(|a, b| {
        let by_version = || b.priority.cmp(&a.priority);
        let by_name = || compare_versions(&a.version, &b.version);
        a.group.cmp(&b.group).then_with(by_version).then_with(by_name)
    });
    for found in remote {
        let resources = found.resources.as_deref().map(|text| resources(text, arena));
        let version = VersionEntry {
            version: &found.version,
            current: resources.is_some(),
            resources: resources.unwrap_or_default(),
        };
        match groups.iter_mut().find(|group| group.name == found.group) {
            Some(group) if group.versions.iter().any(|v| v.version == found.version) => {}
            Some(group) => group.versions.push(version),
            None => groups.push(GroupEntry { name: &found.group, versions: vec![version] }),
        }
    }
    groups
}

/// The resources of an `APIResourceList`; none if it is not one.
fn resources<'a>(text: &[u8], arena: &'a Bump) -> Vec<ResourceEntry<'a>> {
    let Ok(list) = json::parse_any(text, arena) else { return Vec::new() };
    let mut found: Vec<ResourceEntry<'a>> = Vec::new();
    let items = list.list_at(&["resources"]);
    let texts = |item: &Value<'a>, field: &str| {
        item.list_at(&[field]).iter().filter_map(Value::as_str).collect::<Vec<&'a str>>()
    };
    for item in items {
        let name = item.str_at(&["name"]);
        let (group, version) = (item.str_at(&["group"]), item.str_at(&["version"]));
        let (kind, verbs) = (item.str_at(&["kind"]), texts(item, "verbs"));
        match name.split_once('/') {
            None => found.push(ResourceEntry {
                name,
                singular: item.str_at(&["singularName"]),
                kind,
                namespaced: item.bool_at(&["namespaced"]),
                verbs,
                short_names: texts(item, "shortNames"),
                categories: texts(item, "categories"),
                storage_version_hash: item.str_at(&["storageVersionHash"]),
                subresources: Vec::new(),
                custom: true,
            }),
            Some((parent, name)) => {
                if let Some(parent) = found.iter_mut().find(|known| known.name == parent) {
                    let sub = SubresourceEntry { name, group, version, kind, verbs };
                    parent.subresources.push(sub);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_groups_come_last_and_are_stale_until_they_have_answered() {
        let list = br#"{"kind":"APIResourceList","groupVersion":"b/v1","resources":[
            {"name":"flunders","singularName":"flunder","namespaced":true,"kind":"Flunder",
             "verbs":["get","list"],"shortNames":["fl"]},
            {"name":"flunders/status","namespaced":true,"kind":"Flunder","verbs":["get"]}]}"#;
        let version = |group: &str, version: &str, resources: Option<Bytes>| RemoteVersion {
            group: group.to_owned(),
            version: version.to_owned(),
            priority: 10,
            resources,
        };
        let versions = vec![
            version("b", "v1beta1", None),
            version("b", "v1", Some(Bytes::from_static(list))),
            version("a", "v1", None),
        ];
        let remote = RemoteList { number: 1, versions };
        let arena = Bump::new();
        let own = vec![GroupEntry { name: "z", versions: Vec::new() }];
        let groups = with_remote(own, &remote, &arena);
        let names: Vec<&str> = groups.iter().map(|group| group.name).collect();
        assert_eq!(names, ["z", "a", "b"]);
        let versions = &groups[2].versions;
        assert_eq!((versions[0].version, versions[0].current), ("v1", true));
        assert_eq!((versions[1].version, versions[1].current), ("v1beta1", false));
        let flunders = &versions[0].resources[0];
        assert_eq!((flunders.name, flunders.subresources[0].name), ("flunders", "status"));
    }
}
