//! The API groups and their versions in the order of discovery, read from `data/groups.txt`.

use super::resource::Resource;
use super::types::bad;

const FILE: &str = include_str!("data/groups.txt");

/// One API group.
#[derive(Debug)]
pub struct Group {
    /// Name; "" for core.
    pub name: &'static str,
    /// `groupPriorityMinimum` of its APIServices; 0 for apiregistration.k8s.io, which has none.
    pub priority: i32,
    /// Versions, the preferred one first.
    pub versions: Vec<GroupVersion>,
}

/// One version of a group.
#[derive(Debug)]
pub struct GroupVersion {
    /// Group; "" for core.
    pub group: &'static str,
    /// Version: "v1".
    pub version: &'static str,
    /// `versionPriority` of its APIService.
    pub priority: i32,
    /// All its resources by name, those not served by default included.
    pub resources: Vec<&'static Resource>,
}

impl Group {
    /// The versions of which something is served by default, the preferred one first.
    pub fn served(&self) -> impl Iterator<Item = &GroupVersion> {
        self.versions.iter().filter(|version| version.served_by_default())
    }
}

impl GroupVersion {
    /// True if any resource is served by default.
    pub fn served_by_default(&self) -> bool {
        self.resources.iter().any(|resource| resource.served_by_default)
    }

    /// "v1" or "apps/v1".
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }
}

/// Reads the data file and hangs `resources` below their versions.
///
/// # Panics
/// If it is malformed: it is part of the program.
pub(super) fn load(resources: &'static [Resource]) -> Vec<Group> {
    let lines = FILE.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| group(line, resources)).collect()
}

fn group(line: &'static str, resources: &'static [Resource]) -> Group {
    let mut words = line.split(' ').skip(1);
    let mut next = || words.next().unwrap_or_else(|| bad(line));
    let (name, priority) = (next(), next());
    let name = if name == "core" { "" } else { name };
    let version = |word: &'static str| {
        let (version, priority) = word.split_once('=').unwrap_or_else(|| bad(line));
        let resources = resources.iter().filter(|r| r.group == name && r.version == version);
        let priority = priority.parse().unwrap_or_else(|_| bad(line));
        GroupVersion { group: name, version, priority, resources: resources.collect() }
    };
    let versions = words.map(version).collect();
    Group { name, priority: priority.parse().unwrap_or_else(|_| bad(line)), versions }
}
