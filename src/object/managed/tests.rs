//! Ownership through create, update and patch, as recorded from kube-apiserver.

use super::{Reset, Writer, keep_times, manager_or_user_agent, update};
use crate::object::Value;
use crate::object::fixture::{deployment, value};
use bumpalo::Bump;

fn writer<'r>(manager: &'r str, time: &'r str) -> Writer<'r> {
    let (api_version, subresource, reset) = ("v1", "", Reset::Nothing);
    Writer { manager, api_version, subresource, time, reset, versions: &[], convert: None }
}

fn written<'a>(
    arena: &'a Bump,
    live: Option<&Value<'a>>,
    new: &str,
    writer: &Writer<'_>,
) -> Value<'a> {
    let mut new = value(arena, new);
    update(arena, Some(deployment()), live, &mut new, writer);
    new
}

/// One line an entry: manager, time, fields.
fn owners(object: &Value<'_>) -> Vec<String> {
    let show = |entry: &Value<'_>| {
        let Some(Value::Raw(fields)) = entry.get("fieldsV1") else { return String::new() };
        let (manager, time) = (entry.str_at(&["manager"]), entry.str_at(&["time"]));
        format!("{manager} {time} {fields}")
    };
    object.list_at(&["metadata", "managedFields"]).iter().map(show).collect()
}

#[test]
fn managers_of_create_and_patch_share_and_lose_fields() {
    let arena = Bump::new();
    let labels = |labels: &str| format!(r#"{{"metadata":{{"name":"d"{labels}}}}}"#);
    let made = written(&arena, None, &labels(r#","labels":{"a":"1"}"#), &writer("oracle", "1"));
    assert_eq!(owners(&made), [r#"oracle 1 {"f:metadata":{"f:labels":{".":{},"f:a":{}}}}"#]);
    let two = labels(r#","labels":{"a":"1","b":"1"}"#);
    let two = written(&arena, Some(&made), &two, &writer("oracle", "2"));
    let both = r#"{"f:metadata":{"f:labels":{".":{},"f:a":{},"f:b":{}}}}"#;
    assert_eq!(owners(&two), [format!("oracle 2 {both}")]);
    let other = labels(r#","labels":{"a":"2","b":"1"}"#);
    let other = written(&arena, Some(&two), &other, &writer("other", "3"));
    assert_eq!(
        owners(&other),
        [
            r#"oracle 2 {"f:metadata":{"f:labels":{".":{},"f:b":{}}}}"#,
            r#"other 3 {"f:metadata":{"f:labels":{"f:a":{}}}}"#
        ]
    );
    let removed = labels(r#","labels":{"b":"1"}"#);
    let removed = written(&arena, Some(&other), &removed, &writer("third", "4"));
    assert_eq!(owners(&removed), [r#"oracle 2 {"f:metadata":{"f:labels":{".":{},"f:b":{}}}}"#]);
    let none = written(&arena, Some(&removed), &labels(""), &writer("x", "5"));
    assert!(owners(&none).is_empty() && none.at(&["metadata", "managedFields"]).is_none());
}

#[test]
fn a_write_that_changes_nothing_changes_no_owner() {
    let arena = Bump::new();
    let text = r#"{"metadata":{"name":"d","labels":{"a":"1"}},"spec":{"replicas":1}}"#;
    let made = written(&arena, None, text, &writer("m", "1"));
    let again = written(&arena, Some(&made), text, &writer("n", "2"));
    assert_eq!(again, made);
    let shown = r#"{"status":{},"metadata":{"name":"d","labels":{"a":"1"}},
        "spec":{"replicas":1,"strategy":{}}}"#;
    let again = written(&arena, Some(&made), shown, &writer("n", "2"));
    assert_eq!(owners(&again), owners(&made));
}

#[test]
fn reset_fields_are_nobodys_and_subresources_are_managers_of_their_own() {
    let arena = Bump::new();
    let text =
        r#"{"metadata":{"name":"d"},"spec":{"replicas":1},"status":{"observedGeneration":1}}"#;
    let main = Writer { reset: Reset::Paths(&[&["status"]]), ..writer("m", "1") };
    let made = written(&arena, None, text, &main);
    let spec = r#"{"f:spec":{".":{},"f:replicas":{},"f:strategy":{}}}"#;
    assert_eq!(owners(&made), [format!("m 1 {spec}")]);
    let status = Writer {
        subresource: "status",
        reset: Reset::Paths(&[&["spec"], &["metadata", "labels"]]),
        ..writer("m", "2")
    };
    let text = r#"{"metadata":{"name":"d","labels":{"x":"y"},"managedFields":[]},
        "spec":{"replicas":2},"status":{"observedGeneration":2}}"#;
    let updated = written(&arena, Some(&made), text, &status);
    assert_eq!(
        owners(&updated),
        [format!("m 1 {spec}"), r#"m 2 {"f:status":{"f:observedGeneration":{}}}"#.to_owned()]
    );
    assert_eq!(
        updated.list_at(&["metadata", "managedFields"])[1].str_at(&["subresource"]),
        "status"
    );
    let scale = Writer { reset: Reset::AllBut(&[&["spec", "replicas"]]), ..writer("h", "3") };
    let text = r#"{"metadata":{"name":"d","labels":{"x":"y"}},"spec":{"replicas":3}}"#;
    let updated = written(&arena, Some(&updated), text, &scale);
    assert!(owners(&updated).contains(&r#"h 3 {"f:spec":{"f:replicas":{}}}"#.to_owned()));
}

#[test]
fn what_a_client_sends_counts_if_it_is_valid() {
    let arena = Bump::new();
    let wrap = |fields: &str| {
        format!(r#"{{"metadata":{{"name":"d","managedFields":{fields}}},"spec":{{"replicas":1}}}}"#)
    };
    let made = written(&arena, None, &wrap("null"), &writer("m", "1"));
    assert_eq!(owners(&made).len(), 1);
    let kept = written(&arena, Some(&made), &wrap("null"), &writer("n", "2"));
    assert_eq!(owners(&kept), owners(&made));
    let bogus = r#"[{"manager":"x","operation":"Bogus"}]"#;
    let kept = written(&arena, Some(&made), &wrap(bogus), &writer("n", "2"));
    assert_eq!(owners(&kept), owners(&made));
    for reset in ["[]", "[{}]"] {
        let found = written(&arena, Some(&made), &wrap(reset), &writer("n", "2"));
        assert!(owners(&found).is_empty());
        let found = written(&arena, Some(&found), &wrap("null"), &writer("n", "2"));
        assert!(owners(&found).is_empty(), "no one begins to be tracked");
    }
    let sent = r#"[{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1",
        "fieldsV1":{"f:z":{}, "f:data":{}}}]"#;
    let found = written(&arena, Some(&made), &wrap(sent), &writer("n", "2"));
    assert_eq!(owners(&found), [r#"x  {"f:data":{},"f:z":{}}"#]);
}

#[test]
fn sets_follow_a_schema_that_became_atomic_and_unknown_versions_go() {
    let arena = Bump::new();
    let live = value(
        &arena,
        r#"{"metadata":{"managedFields":[
            {"manager":"a","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1",
             "fieldsV1":{"f:spec":{"f:template":{"f:spec":{"f:nodeSelector":{"f:x":{}}}}}}},
            {"manager":"b","operation":"Apply","apiVersion":"v0","fieldsType":"FieldsV1",
             "fieldsV1":{"f:spec":{"f:replicas":{}}}}]}}"#,
    );
    let by = Writer { versions: &["v1"], ..writer("n", "2") };
    let new = written(&arena, Some(&live), r#"{"metadata":{"labels":{"x":"b"}}}"#, &by);
    assert_eq!(
        owners(&new),
        [
            r#"a  {"f:spec":{"f:template":{"f:spec":{"f:nodeSelector":{}}}}}"#,
            r#"n 2 {"f:metadata":{"f:labels":{".":{},"f:x":{}}}}"#
        ]
    );
}

#[test]
fn times_alone_make_no_change() {
    let arena = Bump::new();
    let text = r#"{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":1}}"#;
    let old = written(&arena, None, text, &writer("m", "1"));
    let mut new = written(&arena, None, text, &writer("m", "2"));
    keep_times(Some(deployment()), &old, &mut new, &arena);
    assert_eq!(new, old);
    let text = r#"{"metadata":{"labels":{"a":"2"}},"spec":{"replicas":1}}"#;
    let mut new = written(&arena, None, text, &writer("m", "2"));
    keep_times(Some(deployment()), &old, &mut new, &arena);
    assert!(owners(&new)[0].starts_with("m 2 "));
}

#[test]
fn managers_are_named_by_option_or_user_agent() {
    assert_eq!(manager_or_user_agent("m", "kubectl/v1"), "m");
    assert_eq!(manager_or_user_agent("", "kube\u{1}ctl/v1.36 (linux)"), "kubectl");
    assert_eq!(manager_or_user_agent("", &"é".repeat(100)).len(), 128);
}

#[test]
fn owners_that_have_nothing_to_do_with_a_change_keep_their_text() {
    let arena = Bump::new();
    let text = r#"{"metadata":{"name":"d","labels":{"a":"1"}},"spec":{"replicas":1}}"#;
    let made = written(&arena, None, text, &writer("m", "1"));
    let before = made.list_at(&["metadata", "managedFields"])[0].get("fieldsV1");
    let Some(Value::Raw(before)) = before else { panic!("no text") };
    let text = r#"{"metadata":{"name":"d","labels":{"a":"1"}},"spec":{"replicas":1},
        "status":{"observedGeneration":1}}"#;
    let status = Writer { subresource: "status", ..writer("kcm", "2") };
    let new = written(&arena, Some(&made), text, &status);
    assert_eq!(owners(&new)[1], r#"kcm 2 {"f:status":{"f:observedGeneration":{}}}"#);
    let after = new.list_at(&["metadata", "managedFields"])[0].get("fieldsV1");
    let Some(Value::Raw(after)) = after else { panic!("no text") };
    assert!(std::ptr::eq(*before, *after));
}

#[test]
fn what_json_leaves_out_is_nobodys() {
    let arena = Bump::new();
    let text = r#"{"metadata":{"name":"d","labels":{},"finalizers":[]},"spec":{"replicas":1}}"#;
    let made = written(&arena, None, text, &writer("w", "1"));
    let fields = r#"{"f:spec":{".":{},"f:replicas":{},"f:strategy":{}}}"#;
    assert_eq!(owners(&made), [format!("w 1 {fields}")]);
    let again = written(&arena, Some(&made), text, &writer("other", "2"));
    assert_eq!(owners(&again), owners(&made));
}
