//! Definitions become rows, and newer ones take the place of older ones.

use super::{forget, observe, served};
use crate::object::json_text;
use bumpalo::Bump;

fn definition(group: &str, established: bool, columns: &str) -> String {
    let names =
        r#"{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"}"#;
    let status = if established { "True" } else { "False" };
    format!(
        r#"{{"metadata":{{"name":"widgets.{group}"}},
            "spec":{{"group":"{group}","scope":"Namespaced","names":{names},"versions":[
            {{"name":"v1","served":true,"storage":true,"subresources":{{"status":{{}}}},
                "selectableFields":[{{"jsonPath":".spec.color"}}],
                "additionalPrinterColumns":[{columns}],
                "schema":{{"openAPIV3Schema":{{"type":"object"}}}}}},
            {{"name":"v2","served":false,"storage":false}}]}},
            "status":{{"acceptedNames":{names},
                "conditions":[{{"type":"Established","status":"{status}"}},
                    {{"type":"NamesAccepted","status":"{status}"}}]}}}}"#
    )
}

fn note(text: &str, revision: u64) -> Option<&'static crate::catalog::Storage> {
    let arena = Bump::new();
    observe(&json_text::parse(text, &arena).expect("JSON"), revision)
}

#[test]
fn definitions_become_rows_once_their_names_are_accepted() {
    let group = "rows.example.com";
    assert!(note(&definition(group, false, ""), 1).is_none());
    assert!(served().resource(group, "v1", "widgets").is_none());
    let storage = note(&definition(group, true, ""), 2).expect("a row");
    assert_eq!(storage.prefix, "/registry/rows.example.com/widgets/");
    assert_eq!(storage.selectable.len(), 1);
    let resource = served().resource(group, "v1", "widgets").expect("served");
    assert!(std::ptr::eq(resource.storage.expect("stored"), storage));
    assert!(resource.subresource("status").is_some() && resource.subresource("scale").is_none());
    assert!(served().resource(group, "v2", "widgets").is_none(), "not served");
    assert_eq!(resource.ty.name, "com.example.rows.v1.Widget");
    forget("widgets.rows.example.com", 3);
    assert!(served().resource(group, "v1", "widgets").is_none());
}

#[test]
fn older_news_is_ignored_and_what_was_compiled_is_found_again() {
    let group = "news.example.com";
    let column = r#"{"name":"A","type":"string","jsonPath":".spec.a"}"#;
    let first = note(&definition(group, true, ""), 10).expect("a row");
    assert!(note(&definition(group, true, column), 9).is_none());
    let second = note(&definition(group, true, column), 11).expect("a row");
    assert!(!std::ptr::eq(first, second) && first.id == second.id);
    let third = note(&definition(group, true, ""), 12).expect("a row");
    assert!(std::ptr::eq(first, third));
}
