//! The resources against recorded discovery documents.

use crate::oracle_dir;
use kubering::catalog::{GroupVersion, Resource, Subresource, catalog};
use serde_json::Value;
use std::path::Path;

fn read(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn groups_and_versions_are_those_of_discovery_in_its_order() {
    let Some(dir) = oracle_dir("discovery") else { return };
    let apis = read(&dir.join("apis.json"));
    let recorded: Vec<(String, Vec<String>)> = apis["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let versions = group["versions"].as_array().unwrap();
            let versions = versions.iter().map(|v| v["version"].as_str().unwrap().to_owned());
            (group["name"].as_str().unwrap().to_owned(), versions.collect())
        })
        .collect();
    let ours: Vec<(String, Vec<String>)> = catalog()
        .groups()
        .iter()
        .map(|g| (g.name.to_owned(), g.served().map(|v| v.version.to_owned()).collect()))
        .filter(|(name, versions): &(String, Vec<String>)| !name.is_empty() && !versions.is_empty())
        .collect();
    assert_eq!(ours, recorded);
}

#[test]
fn resource_lists_are_those_of_discovery() {
    let Some(dir) = oracle_dir("discovery") else { return };
    for version in catalog().groups().iter().flat_map(|group| group.served()) {
        let file = match version.group {
            "" => format!("api__{}.json", version.version),
            group => format!("apis__{group}__{}.json", version.version),
        };
        let recorded = read(&dir.join(file));
        let recorded = recorded["resources"].as_array().unwrap();
        let ours = rows(version);
        let names: Vec<String> = ours.iter().map(|(name, _, _)| name.clone()).collect();
        let theirs: Vec<_> = recorded.iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(names, theirs, "{}", version.api_version());
        for ((name, resource, sub), recorded) in ours.iter().zip(recorded) {
            compare(name, resource, *sub, recorded);
        }
    }
}

/// Resources and subresources under their full names, in discovery's order.
fn rows(version: &GroupVersion) -> Vec<(String, &Resource, Option<&Subresource>)> {
    let mut rows = Vec::new();
    for resource in version.resources.iter().filter(|resource| resource.served_by_default) {
        rows.push((resource.name.to_owned(), *resource, None));
        for sub in &resource.subresources {
            rows.push((format!("{}/{}", resource.name, sub.name), *resource, Some(sub)));
        }
    }
    rows
}

fn compare(name: &str, resource: &Resource, sub: Option<&Subresource>, recorded: &Value) {
    let text = |key: &str| recorded[key].as_str().unwrap_or("").to_owned();
    let (kind, verbs) = sub.map_or((resource.kind, &resource.verbs), |s| (s.kind, &s.verbs));
    assert_eq!(kind, text("kind"), "{name}");
    assert_eq!(*verbs, strings(&recorded["verbs"]), "{name}");
    assert_eq!(Some(resource.namespaced), recorded["namespaced"].as_bool(), "{name}");
    if let Some(sub) = sub {
        let foreign = (sub.group, sub.version) != (resource.group, resource.version);
        let expected = if foreign { (sub.group, sub.version) } else { ("", "") };
        assert_eq!(expected, (&*text("group"), &*text("version")), "{name}");
        return;
    }
    assert_eq!(resource.singular, text("singularName"), "{name}");
    assert_eq!(resource.short_names, strings(&recorded["shortNames"]), "{name}");
    assert_eq!(resource.categories, strings(&recorded["categories"]), "{name}");
    assert_eq!(resource.storage_version_hash, text("storageVersionHash"), "{name}");
}
