//! The tables are consistent in themselves and say what Kubernetes says at well-known places.

use super::{LabelSource, catalog};
use crate::object::schema::{Absent, ListKind, Shape};

#[test]
fn every_reference_resolves() {
    let catalog = catalog();
    assert!(catalog.types().len() > 780);
    for ty in catalog.types() {
        for field in &ty.fields {
            if let crate::object::schema::Kind::Message(cell) = field.kind {
                assert!(cell.get().is_some(), "{}.{} has no type", ty.name, field.name);
            }
        }
    }
}

#[test]
fn well_known_rows() {
    let catalog = catalog();
    let pod = catalog.kind("", "v1", "Pod").unwrap();
    assert_eq!(pod.name, "io.k8s.api.core.v1.Pod");
    let names: Vec<_> = pod.fields.iter().map(|f| f.name).collect();
    assert_eq!(names, ["kind", "apiVersion", "metadata", "spec", "status"]);
    let spec = pod.field("spec").unwrap().kind.message().unwrap();
    assert_eq!(spec.field("containers").unwrap().list, ListKind::Map(&["name"]));
    assert_eq!(spec.field("nodeSelector").unwrap().shape, Shape::Map);
    let service = catalog.type_named("core.v1.Service").unwrap();
    assert_eq!(service.field("status").unwrap().absent, Absent::Shown(r#"{"loadBalancer":{}}"#));
    assert!(catalog.kind("anything", "v9", "DeleteOptions").is_some());
    assert!(catalog.kind("", "v1", "Nonsense").is_none());
}

#[test]
fn keys_split_into_what_they_were_made_of() {
    let pods = catalog().storage("pods").unwrap();
    let key = pods.key("kube-system", "a.b");
    assert_eq!(&key[..], b"/registry/pods/kube-system/a.b");
    assert_eq!(pods.split_key(&key), Some(("kube-system", "a.b")));
    assert_eq!(pods.split_key(b"/registry/podtemplates/x/y"), None);
    assert_eq!(pods.split_key(b"/registry/pods/x"), None);
    assert_eq!(&pods.namespace_prefix("x")[..], b"/registry/pods/x/");
    assert_eq!(&pods.namespace_prefix("")[..], b"/registry/pods/");
    let nodes = catalog().storage("nodes").unwrap();
    assert_eq!(&nodes.key("", "n")[..], b"/registry/minions/n");
    assert_eq!(nodes.split_key(b"/registry/minions/n"), Some(("", "n")));
}

#[test]
fn field_labels_follow_the_group_of_the_request() {
    let events = catalog().storage("events").unwrap();
    let core = events.field_label("", "involvedObject.uid");
    assert!(matches!(core, Some(LabelSource::Selectable(_))));
    assert_eq!(core, events.field_label("events.k8s.io", "regarding.uid"));
    assert_eq!(events.field_label("events.k8s.io", "involvedObject.uid"), None);
    let slices = catalog().storage("resourceslices").unwrap();
    assert_eq!(
        slices.unsupported_label("v1", "x"),
        "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: x"
    );
    let leases = catalog().storage("leases").unwrap();
    assert_eq!(leases.field_label("", "metadata.name"), Some(LabelSource::Name));
    assert_eq!(
        leases.unsupported_label("v1", "spec.x"),
        "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
}
