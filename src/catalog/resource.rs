//! What is served: one `Resource` per group, version and plural name, read from
//! `data/resources.txt`.
//!
//! ```text
//! resource [<group>/]<version> <plural> <singular> <Kind> [namespaced] [off] [virtual]
//!     [hash=<hash>] (on the same line)
//!   verbs <verb>…
//!   short <name>…
//!   categories <name>…
//!   columns <Name>:<type>:<priority>;…
//!   sub <name> [<group>/]<version> <Kind> <verb>…
//!     columns …            (`-` for none; without the line, those of the resource)
//! ```
//!
//! `off` marks what v1.36 does not serve by default, `virtual` what is not stored. Everything else
//! is stored under the row of `data/storages.txt` with the same plural name.

use super::custom::CustomVersion;
use super::storage::Storage;
use super::types::{Types, bad};
use crate::object::schema::Type;

const FILE: &str = include_str!("data/resources.txt");

/// One resource of one group version.
#[derive(Debug)]
pub struct Resource {
    /// Group; "" for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Plural name as in URLs: "pods".
    pub name: &'static str,
    /// Singular name: "pod".
    pub singular: &'static str,
    /// Kind of one object.
    pub kind: &'static str,
    /// Kind of a list; "" if it cannot be listed.
    pub list_kind: &'static str,
    /// URLs have a namespace.
    pub namespaced: bool,
    /// Verbs as discovery lists them.
    pub verbs: Vec<&'static str>,
    /// Names that kubectl accepts for it.
    pub short_names: Vec<&'static str>,
    /// Categories, as "all".
    pub categories: Vec<&'static str>,
    /// Subresources by name.
    pub subresources: Vec<Subresource>,
    /// What is stored; `None` for virtual resources (reviews, bindings, componentstatuses).
    pub storage: Option<&'static Storage>,
    /// The type served.
    pub ty: &'static Type,
    /// The type of a list of it, if it can be listed.
    pub list_ty: Option<&'static Type>,
    /// v1.36 serves it without further flags.
    pub served_by_default: bool,
    /// `storageVersionHash` of discovery; "" if there is none.
    pub storage_version_hash: &'static str,
    /// Table columns, without format and description.
    pub columns: &'static [Column],
    /// What a custom resource has more; `None` for a built-in one.
    pub custom: Option<&'static CustomVersion>,
}

/// One subresource.
#[derive(Debug)]
pub struct Subresource {
    /// Name as in URLs: "status".
    pub name: &'static str,
    /// Group of its kind; "" for core.
    pub group: &'static str,
    /// Version of its kind.
    pub version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Verbs as discovery lists them.
    pub verbs: Vec<&'static str>,
    /// The type of its kind.
    pub ty: &'static Type,
    /// Table columns; none where the answer is not an object.
    pub columns: &'static [Column],
}

/// One table column.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading, as "Restarts".
    pub name: &'static str,
    /// OpenAPI type of the cells.
    pub kind: &'static str,
    /// 0 is always shown, more only in wide output.
    pub priority: i32,
}

impl Resource {
    /// The subresource with this name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// True if `verb` is among `verbs`.
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }
}

/// Reads the data file.
///
/// # Panics
/// If it is malformed: it is part of the program.
pub(super) fn load(types: &Types, storages: &'static [Storage]) -> &'static [Resource] {
    let mut resources: Vec<Resource> = Vec::with_capacity(110);
    for line in FILE.lines().filter(|line| !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix("resource ") {
            resources.push(resource(heading, types, storages));
            continue;
        }
        let resource = resources.last_mut().unwrap_or_else(|| bad(line));
        let (key, rest) = line.trim_start().split_once(' ').unwrap_or_else(|| bad(line));
        match key {
            "verbs" => resource.verbs = rest.split(' ').collect(),
            "short" => resource.short_names = rest.split(' ').collect(),
            "categories" => resource.categories = rest.split(' ').collect(),
            "columns" => match resource.subresources.last_mut() {
                Some(sub) => sub.columns = columns(rest),
                None => resource.columns = columns(rest),
            },
            "sub" => {
                let sub = subresource(rest, resource.columns, types);
                resource.subresources.push(sub);
            }
            _ => bad(line),
        }
    }
    resources.leak()
}

fn resource(heading: &'static str, types: &Types, storages: &'static [Storage]) -> Resource {
    let mut words = heading.split(' ');
    let mut next = || words.next().unwrap_or_else(|| bad(heading));
    let (version, name, singular, kind) = (next(), next(), next(), next());
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let list_ty = types.list_of(group, version, kind);
    let mut resource = Resource {
        group,
        version,
        name,
        singular,
        kind,
        list_kind: list_ty.map_or("", |ty| ty.go_name),
        namespaced: false,
        verbs: Vec::new(),
        short_names: Vec::new(),
        categories: Vec::new(),
        subresources: Vec::new(),
        storage: storages.iter().find(|storage| storage.resource == name),
        ty: types.kind(group, version, kind).unwrap_or_else(|| bad(heading)),
        list_ty,
        served_by_default: true,
        storage_version_hash: "",
        columns: &[],
        custom: None,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("namespaced", "") => resource.namespaced = true,
            ("off", "") => resource.served_by_default = false,
            ("virtual", "") => resource.storage = None,
            ("hash", hash) => resource.storage_version_hash = hash,
            _ => bad(heading),
        }
    }
    resource
}

fn subresource(text: &'static str, columns: &'static [Column], types: &Types) -> Subresource {
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap_or_else(|| bad(text));
    let (name, version, kind) = (next(), next(), next());
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Subresource {
        name,
        group,
        version,
        kind,
        verbs: words.collect(),
        ty: types.kind(group, version, kind).unwrap_or_else(|| bad(text)),
        columns,
    }
}

fn columns(text: &'static str) -> &'static [Column] {
    if text == "-" {
        return &[];
    }
    let column = |text: &'static str| {
        let mut parts = text.split(':');
        let mut next = || parts.next().unwrap_or_else(|| bad(text));
        let (name, kind, priority) = (next(), next(), next());
        Column { name, kind, priority: priority.parse().unwrap_or_else(|_| bad(text)) }
    };
    text.split(';').map(column).collect::<Vec<_>>().leak()
}
