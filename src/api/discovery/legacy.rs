//! The documents of old: APIVersions, APIGroupList, APIGroup, APIResourceList.

use crate::api::discovery::Document;
use crate::api::discovery::group::GroupEntry;
use crate::api::discovery::group::ResourceEntry;
use crate::api::discovery::group::VersionEntry;
use crate::api::openapi::tree::Maker;
use crate::object::Value;
use bumpalo::Bump;

/// `/api`: the versions of the core group.
pub(super) fn api_versions(groups: &[GroupEntry<'_>], address: &str) -> Document {
    let arena = Bump::new();
    let make = Maker(&arena);
    let core = groups.iter().find(|group| group.name.is_empty());
    let versions = core.into_iter().flat_map(|group| &group.versions);
    let server = make.map([
        ("clientCIDR", Value::Str("0.0.0.0/0")),
        ("serverAddress", make.format(format_args!("{address}"))),
    ]);
    let document = make.map([
        ("kind", Value::Str("APIVersions")),
        ("versions", make.list(versions.map(|version| Value::str_in(version.version, &arena)))),
        ("serverAddressByClientCIDRs", make.list([server])),
    ]);
    Document::new(&document, "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions")
}

/// `/apis`: all groups but core.
pub(super) fn group_list(groups: &[GroupEntry<'_>]) -> Document {
    let arena = Bump::new();
    let make = Maker(&arena);
    let named = groups.iter().filter(|group| !group.name.is_empty());
    let document = make.map([
        ("kind", Value::Str("APIGroupList")),
        ("apiVersion", Value::Str("v1")),
        ("groups", make.list(named.map(|group| group_value(make, group, false)))),
    ]);
    Document::new(&document, "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList")
}

/// `/apis/<group>`.
pub(super) fn group(group: &GroupEntry<'_>) -> Document {
    let arena = Bump::new();
    let document = group_value(Maker(&arena), group, true);
    Document::new(&document, "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup")
}

fn group_value<'a>(make: Maker<'a>, group: &GroupEntry<'a>, alone: bool) -> Value<'a> {
    let version = |version: &VersionEntry<'a>| {
        make.map([
            ("groupVersion", make.format(format_args!("{}/{}", group.name, version.version))),
            ("version", Value::Str(version.version)),
        ])
    };
    let only = |value| if alone { value } else { Value::Null };
    make.map([
        ("kind", only(Value::Str("APIGroup"))),
        ("apiVersion", only(Value::Str("v1"))),
        ("name", Value::Str(group.name)),
        ("versions", make.list(group.versions.iter().map(version))),
        ("preferredVersion", group.versions.first().map_or(Value::Null, version)),
    ])
}

/// `/api/v1` and `/apis/<group>/<version>`.
pub(super) fn resource_list(group: &str, version: &VersionEntry<'_>) -> Document {
    let arena = Bump::new();
    let make = Maker(&arena);
    let group_version = match group {
        "" => make.format(format_args!("{}", version.version)),
        group => make.format(format_args!("{group}/{}", version.version)),
    };
    let mut resources = Vec::with_capacity(version.resources.len() * 2);
    for resource in &version.resources {
        resources.push(resource_value(make, resource));
        subresource_values(make, (group, version.version), resource, &mut resources);
    }
    let document = make.map([
        ("kind", Value::Str("APIResourceList")),
        // Upstream sets it on the documents of named groups alone.
        ("apiVersion", if group.is_empty() { Value::Null } else { Value::Str("v1") }),
        ("groupVersion", group_version),
        ("resources", make.list(resources)),
    ]);
    Document::new(&document, "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList")
}

fn resource_value<'a>(make: Maker<'a>, resource: &ResourceEntry<'a>) -> Value<'a> {
    make.map([
        ("name", Value::Str(resource.name)),
        ("singularName", Value::Str(resource.singular)),
        ("namespaced", Value::Bool(resource.namespaced)),
        ("kind", Value::Str(resource.kind)),
        ("verbs", make.texts(&resource.verbs)),
        ("shortNames", make.some_texts(&resource.short_names)),
        ("categories", make.some_texts(&resource.categories)),
        (
            "storageVersionHash",
            match resource.storage_version_hash {
                "" => Value::Null,
                hash => Value::Str(hash),
            },
        ),
    ])
}

fn subresource_values<'a>(
    make: Maker<'a>,
    group_version: (&str, &str),
    resource: &ResourceEntry<'a>,
    out: &mut Vec<Value<'a>>,
) {
    for sub in &resource.subresources {
        let foreign = group_version != (sub.group, sub.version);
        let text = |text: &'a str| {
            if foreign && !text.is_empty() { Value::Str(text) } else { Value::Null }
        };
        out.push(make.map([
            ("name", make.format(format_args!("{}/{}", resource.name, sub.name))),
            ("singularName", Value::Str("")),
            ("namespaced", Value::Bool(resource.namespaced)),
            ("group", text(sub.group)),
            ("version", text(sub.version)),
            ("kind", Value::Str(sub.kind)),
            ("verbs", make.texts(&sub.verbs)),
        ]));
    }
}
