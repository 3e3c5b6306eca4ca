//! The aggregated document: every group, version and resource in one (`APIGroupDiscoveryList`).

use crate::api::discovery::Document;
use crate::api::discovery::group::GroupEntry;
use crate::api::discovery::group::ResourceEntry;
use crate::api::discovery::group::SubresourceEntry;
use crate::api::openapi::tree::Maker;
use crate::object::Value;
use bumpalo::Bump;
use sha2::Digest as _;
use std::fmt::Write as _;

/// The list of these groups.
pub(super) fn list<'g>(groups: impl Iterator<Item = &'g GroupEntry<'g>>) -> Document {
    let arena = Bump::new();
    let make = Maker(&arena);
    let document = make.map([
        ("kind", Value::Str("APIGroupDiscoveryList")),
        ("apiVersion", Value::Str("apidiscovery.k8s.io/v2")),
        ("metadata", Value::map_in(&arena)),
        ("items", make.list(groups.map(|group| group_value(make, group)))),
    ]);
    Document::new(&document, "io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList")
}

/// The quoted hash of a document's content: upper-case hexadecimal SHA-512.
pub(super) fn etag(document: &Document) -> String {
    let mut text = String::with_capacity(130);
    text.push('"');
    for byte in sha2::Sha512::digest(&document.json) {
        let _ = write!(text, "{byte:02X}");
    }
    text.push('"');
    text
}

fn group_value<'a>(make: Maker<'a>, group: &GroupEntry<'_>) -> Value<'a> {
    let name = match group.name {
        "" => Value::Null,
        name => Value::str_in(name, make.0),
    };
    let versions = group.versions.iter().map(|version| {
        let gv = (group.name, version.version);
        let resources = version.resources.iter().map(|resource| resource_value(make, gv, resource));
        make.map([
            ("version", Value::str_in(version.version, make.0)),
            ("resources", make.list(resources)),
            ("freshness", Value::Str(if version.current { "Current" } else { "Stale" })),
        ])
    });
    make.map([("metadata", make.map([("name", name)])), ("versions", make.list(versions))])
}

fn resource_value<'a>(
    make: Maker<'a>,
    group_version: (&str, &str),
    resource: &ResourceEntry<'_>,
) -> Value<'a> {
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    // Empty means the same as of the version around it; custom resources say it all the same.
    let (group, version) = if resource.custom { group_version } else { ("", "") };
    let around = if resource.custom { None } else { Some(group_version) };
    let subresources = resource.subresources.iter();
    let subresources = subresources.map(|sub| subresource_value(make, around, sub));
    make.map([
        ("resource", Value::str_in(resource.name, make.0)),
        ("responseKind", kind_value(make, group, version, resource.kind)),
        ("scope", Value::Str(scope)),
        ("singularResource", Value::str_in(resource.singular, make.0)),
        ("verbs", copied(make, &resource.verbs)),
        ("shortNames", some_copied(make, &resource.short_names)),
        ("categories", some_copied(make, &resource.categories)),
        (
            "subresources",
            if resource.subresources.is_empty() { Value::Null } else { make.list(subresources) },
        ),
    ])
}

fn subresource_value<'a>(
    make: Maker<'a>,
    around: Option<(&str, &str)>,
    sub: &SubresourceEntry<'_>,
) -> Value<'a> {
    let foreign = around != Some((sub.group, sub.version));
    let (group, version) = if foreign { (sub.group, sub.version) } else { ("", "") };
    make.map([
        ("subresource", Value::str_in(sub.name, make.0)),
        ("responseKind", kind_value(make, group, version, sub.kind)),
        ("verbs", copied(make, &sub.verbs)),
    ])
}

fn kind_value<'a>(make: Maker<'a>, group: &str, version: &str, kind: &str) -> Value<'a> {
    make.map([
        ("group", Value::str_in(group, make.0)),
        ("version", Value::str_in(version, make.0)),
        ("kind", Value::str_in(kind, make.0)),
    ])
}

fn copied<'a>(make: Maker<'a>, texts: &[&str]) -> Value<'a> {
    make.list(texts.iter().map(|text| Value::str_in(text, make.0)))
}

fn some_copied<'a>(make: Maker<'a>, texts: &[&str]) -> Value<'a> {
    if texts.is_empty() { Value::Null } else { copied(make, texts) }
}
