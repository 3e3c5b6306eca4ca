//! The tables are consistent in themselves and say what Kubernetes says at well-known places.

use super::{LabelSource, catalog};
use crate::object::Value;
use crate::object::schema::{Absent, ListKind, Shape};
use bumpalo::Bump;

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

#[test]
fn unset_selectable_fields_read_as_go_prints_their_zero_value() {
    let arena = Bump::new();
    let value = |resource: &str, label: &str, object: &Value<'_>| {
        let storage = catalog().storage(resource).unwrap();
        let selectable = storage.selectable.iter().find(|s| s.label == label).unwrap();
        selectable.value(object).into_owned()
    };
    let mut object = Value::map_in(&arena);
    assert_eq!(value("pods", "spec.hostNetwork", &object), "false");
    assert_eq!(value("pods", "spec.nodeName", &object), "");
    assert_eq!(value("jobs", "status.successful", &object), "0");
    assert_eq!(value("events", "source", &object), "");
    let map = object.as_map_mut().unwrap();
    map.insert("reportingComponent", Value::Str("kubelet"));
    map.entry_map("spec").insert("hostNetwork", Value::Bool(true));
    map.entry_map("status").insert("succeeded", Value::Int(3));
    assert_eq!(value("pods", "spec.hostNetwork", &object), "true");
    assert_eq!(value("jobs", "status.successful", &object), "3");
    assert_eq!(value("events", "source", &object), "kubelet");
    object.as_map_mut().unwrap().entry_map("source").insert("component", Value::Str("sched"));
    assert_eq!(value("events", "source", &object), "sched");
}

#[test]
fn labels_that_are_accepted_but_never_set() {
    let pods = catalog().storage("pods").unwrap();
    assert_eq!(pods.field_label("", "status.podIPs"), Some(LabelSource::Unset));
    assert_eq!(pods.field_label("", "spec.host"), pods.field_label("", "spec.nodeName"));
    let nodes = catalog().storage("nodes").unwrap();
    assert_eq!(nodes.field_label("", "metadata.namespace"), None);
}
