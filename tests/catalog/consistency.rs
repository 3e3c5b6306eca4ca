//! What must hold between rows, whatever their source.

use base64::Engine;
use kubering::catalog::{Fallback, Resource, catalog};
use kubering::object::schema::{Absent, Field, Kind, ListKind, Scalar, Shape, Slot, Type, Wire};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

#[test]
fn kinds_resolve_to_types_of_that_name() {
    let kinds: Vec<_> = catalog().kinds().collect();
    assert!(kinds.len() > 200, "{} kinds", kinds.len());
    for ((group, version, kind), ty) in kinds {
        assert_eq!(ty.go_name, kind, "{group}/{version}");
        assert_eq!(catalog().kind(group, version, kind).unwrap().id, ty.id);
    }
}

#[test]
fn names_and_numbers_are_unique() {
    for ty in catalog().types() {
        let names: BTreeSet<_> = ty.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), ty.fields.len(), "{}", ty.name);
        check_wire(&ty.wire, ty);
        for field in &ty.fields {
            assert_eq!(ty.field(field.name).unwrap().number, field.number);
        }
    }
}

fn check_wire(wire: &Wire, ty: &Type) {
    let number = |slot: &Slot| match slot {
        Slot::Group(number, _) => *number,
        Slot::Field(at) => {
            let field = &ty.fields[usize::from(*at)];
            *field.nested.last().unwrap_or(&field.number)
        }
    };
    for pair in wire.slots.windows(2) {
        assert!(number(&pair[0]) < number(&pair[1]), "{}: numbers clash", ty.name);
    }
    for slot in &wire.slots {
        if let Slot::Group(_, inner) = slot {
            check_wire(inner, ty);
        }
    }
}

#[test]
fn shown_values_are_the_zero_values_of_their_types() {
    for ty in catalog().types() {
        for field in &ty.fields {
            let Absent::Shown(shown) = field.absent else { continue };
            let list_items = field.name == "items" && ty.go_name.ends_with("List");
            let zero = if list_items { "[]".to_owned() } else { zero(field) };
            assert_eq!(shown, zero, "{}.{}", ty.name, field.name);
        }
    }
}

fn zero(field: &Field) -> String {
    if field.pointer || field.shape != Shape::One {
        return "null".to_owned();
    }
    let scalar = match field.kind {
        Kind::Scalar(scalar) => scalar,
        Kind::Message(_) => return zero_message(field.kind.message().unwrap()),
    };
    let text = match scalar {
        Scalar::Bool => "false",
        Scalar::Duration => "\"0s\"",
        Scalar::Float64 | Scalar::Int32 | Scalar::Int64 | Scalar::IntOrString => "0",
        Scalar::Quantity => "\"0\"",
        Scalar::String => "\"\"",
        Scalar::Bytes
        | Scalar::FieldsV1
        | Scalar::Json
        | Scalar::MicroTime
        | Scalar::RawExtension
        | Scalar::Time => "null",
    };
    text.to_owned()
}

fn zero_message(ty: &Type) -> String {
    let shown = ty.fields.iter().filter_map(|field| match field.absent {
        Absent::Omitted => None,
        Absent::Shown(json) => Some(format!("\"{}\":{json}", field.name)),
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

#[test]
fn merge_keys_are_fields_of_the_elements() {
    for ty in catalog().types() {
        for field in &ty.fields {
            let mut keys: Vec<&str> = field.patch.key.into_iter().collect();
            if let ListKind::Map(names) = field.list {
                keys.extend(names);
            }
            for key in keys {
                let element = field.kind.message().unwrap();
                assert!(element.field(key).is_some(), "{}.{}: {key}", ty.name, field.name);
            }
        }
    }
}

#[test]
fn value_structs_say_what_they_show() {
    // With `omitzero` a struct may stay away; the API has few of them, so that a forgotten flag
    // would stand out here.
    let mut omitted = BTreeSet::new();
    for ty in catalog().types() {
        for field in &ty.fields {
            let value = field.kind.message().is_some() && field.shape == Shape::One;
            if value && !field.pointer && field.absent == Absent::Omitted {
                omitted.insert(format!("{}.{}", ty.go_name, field.name));
            }
        }
    }
    assert_eq!(omitted, BTreeSet::new());
}

#[test]
fn resources_and_storages_fit() {
    for resource in catalog().resources() {
        let label = format!("{}/{} {}", resource.group, resource.version, resource.name);
        let known = catalog().resource(resource.group, resource.version, resource.name).unwrap();
        assert_eq!(known.kind, resource.kind, "{label}");
        assert_eq!(resource.has_verb("list"), resource.list_ty.is_some(), "{label}");
        assert!(!resource.verbs.is_empty(), "{label}");
        let Some(storage) = resource.storage else { continue };
        assert_eq!(storage.namespaced, resource.namespaced, "{label}");
        assert_eq!(storage.kind, resource.kind, "{label}");
        check_hash(resource);
    }
    for (at, storage) in catalog().storages().iter().enumerate() {
        assert_eq!(usize::from(storage.id), at);
        let shown = |r: &Resource| r.storage.is_some_and(|s| s.id == storage.id);
        // What servers tell each other is not for clients.
        let served = storage.resource != "masterleases";
        assert_eq!(catalog().resources().iter().any(shown), served, "{}", storage.resource);
        assert!(storage.prefix.starts_with("/registry/") && storage.prefix.ends_with('/'));
        let kind = (storage.group, storage.version, storage.kind);
        assert_eq!(catalog().kind(kind.0, kind.1, kind.2).unwrap().id, storage.ty.id);
    }
}

/// `storageVersionHash` is that of group, version and kind as stored.
fn check_hash(resource: &Resource) {
    let storage = resource.storage.unwrap();
    // kube-apiserver stores these in a version that is not served.
    let crd = storage.resource == "customresourcedefinitions";
    let version = if crd { "v1beta1" } else { storage.version };
    let stored = format!("{}/{version}/{}", storage.group, storage.kind);
    let hash = Sha256::digest(stored.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(&hash[..8]);
    assert_eq!(resource.storage_version_hash, hash, "{stored}");
}

#[test]
fn prefixes_do_not_contain_each_other() {
    for a in catalog().storages() {
        for b in catalog().storages().iter().filter(|b| b.id != a.id) {
            assert!(!a.prefix.starts_with(b.prefix), "{} {}", a.prefix, b.prefix);
        }
    }
}

#[test]
fn selectable_fields_are_fields_of_the_stored_type() {
    for storage in catalog().storages() {
        for selectable in &storage.selectable {
            check_path(storage.ty, &selectable.path);
            if let Fallback::Path(path) = &selectable.fallback {
                check_path(storage.ty, path);
            }
        }
    }
}

fn check_path(ty: &Type, path: &[&str]) {
    let (name, rest) = path.split_first().unwrap();
    let field = ty.field(name).unwrap_or_else(|| panic!("{} has no {name}", ty.name));
    match field.kind.message() {
        Some(inner) => check_path(inner, rest),
        None => assert!(rest.is_empty() && field.shape == Shape::One, "{}.{name}", ty.name),
    }
}

#[test]
fn groups_stand_in_order_of_priority() {
    let groups = catalog().groups();
    assert_eq!((groups[0].name, groups[1].name), ("", "apiregistration.k8s.io"));
    for pair in groups[2..].windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert!((-a.priority, a.name) < (-b.priority, b.name), "{} before {}", a.name, b.name);
    }
    let mut count = 0;
    for version in groups.iter().flat_map(|group| &group.versions) {
        assert!(!version.resources.is_empty(), "{}", version.api_version());
        assert!(version.resources.is_sorted_by_key(|resource| resource.name));
        count += version.resources.len();
    }
    assert_eq!(count, catalog().resources().len());
}
