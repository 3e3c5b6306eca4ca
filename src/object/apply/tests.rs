//! Sequences of applies, as recorded from kube-apiserver.

use super::{ApplyError, Request, apply};
use crate::object::Value;
use crate::object::field::Shown as _;
use crate::object::fixture::{deployment, value};
use crate::object::managed::{self, Reset, Writer};
use bumpalo::Bump;
use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

struct Store<'a> {
    arena: &'a Bump,
    live: Option<Value<'a>>,
    clock: u32,
}

impl<'a> Store<'a> {
    fn new(arena: &'a Bump) -> Self {
        Self { arena, live: None, clock: 0 }
    }

    fn config(&self, body: &str) -> Value<'a> {
        let text = format!(r#"{{"apiVersion":"apps/v1","kind":"Deployment",{body}}}"#);
        value(self.arena, &text)
    }

    fn apply(&mut self, manager: &str, force: bool, body: &str) -> Result<(), ApplyError> {
        self.clock += 1;
        let time = self.clock.to_string();
        let (api_version, subresource) = ("apps/v1", "");
        let reset = Reset::Paths(&[&["status"]]);
        let writer = Writer {
            manager,
            api_version,
            subresource,
            time: &time,
            reset,
            versions: &[],
            convert: None,
        };
        let config = self.config(body);
        let last = self.live.as_ref().map(|live| {
            let text = live.str_at(&["metadata", "annotations", super::LAST_APPLIED]);
            crate::object::json_text::parse(text, self.arena).unwrap_or(Value::Null)
        });
        let last_applied = last.as_ref().filter(|last| !last.is_null());
        let request = Request { writer: &writer, kind: "Deployment", force, last_applied };
        let live = self.live.as_ref();
        self.live = Some(apply(self.arena, Some(deployment()), live, &config, &request)?);
        Ok(())
    }

    fn conflict(&mut self, manager: &str, body: &str) -> String {
        match self.apply(manager, false, body) {
            Err(ApplyError::Conflict { message, .. }) => message,
            other => panic!("no conflict: {other:?}"),
        }
    }

    fn update(&mut self, manager: &str, body: &str) {
        let (api_version, subresource, reset) = ("apps/v1", "", Reset::Nothing);
        let writer = Writer {
            manager,
            api_version,
            subresource,
            time: "0",
            reset,
            versions: &[],
            convert: None,
        };
        let mut new = self.config(body);
        managed::update(self.arena, Some(deployment()), self.live.as_ref(), &mut new, &writer);
        self.live = Some(new);
    }

    fn owners(&self) -> Vec<String> {
        let show = |entry: &Value<'_>| {
            let Some(Value::Raw(fields)) = entry.get("fieldsV1") else { return String::new() };
            let (manager, time) = (entry.str_at(&["manager"]), entry.str_at(&["time"]));
            format!("{manager} {time} {fields}")
        };
        let live = self.live.as_ref().expect("an object");
        live.list_at(&["metadata", "managedFields"]).iter().map(show).collect()
    }

    fn shown(&self, path: &[&str]) -> String {
        let mut out = String::new();
        if let Some(value) = self.live.as_ref().and_then(|live| live.at(path)) {
            value.show(&mut out);
        }
        out
    }
}

fn labels(labels: &str) -> String {
    format!(r#""metadata":{{"name":"d","labels":{labels}}}"#)
}

#[test]
fn applying_again_is_no_change_and_what_is_not_applied_any_more_goes() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    store.apply("a", false, &labels(r#"{"x":"1","y":"2"}"#)).expect("create");
    let owned = r#"a 1 {"f:metadata":{"f:labels":{"f:x":{},"f:y":{}}}}"#;
    assert_eq!(store.owners(), [owned]);
    store.apply("a", false, &labels(r#"{"x":"1","y":"2"}"#)).expect("again");
    assert_eq!(store.owners(), [owned]);
    store.apply("a", false, &labels(r#"{"x":"3"}"#)).expect("less");
    assert_eq!(store.owners(), [r#"a 3 {"f:metadata":{"f:labels":{"f:x":{}}}}"#]);
    assert_eq!(store.shown(&["metadata", "labels"]), r#"{"x":"3"}"#);
    store.apply("a", false, r#""metadata":{"name":"d"}"#).expect("none");
    assert!(store.owners().is_empty());
    assert_eq!(store.shown(&["metadata", "labels"]), "");
}

#[test]
fn shared_fields_stay_until_their_last_owner_lets_go() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    store.apply("a", false, &labels(r#"{"x":"1","y":"2"}"#)).expect("create");
    store.apply("b", false, &labels(r#"{"y":"2"}"#)).expect("share");
    let b = r#"b  {"f:metadata":{"f:labels":{"f:y":{}}}}"#;
    assert_eq!(store.owners()[0], b, "without a time, since the object did not change");
    store.apply("a", false, &labels("{}")).expect("let go");
    assert_eq!(store.shown(&["metadata", "labels"]), r#"{"y":"2"}"#);
    assert_eq!(store.owners(), [b, r#"a 3 {"f:metadata":{"f:labels":{}}}"#]);
    store.apply("b", false, r#""metadata":{"name":"d"}"#).expect("let go");
    assert_eq!(store.shown(&["metadata", "labels"]), "{}");
}

#[test]
fn conflicts_name_owners_and_fields_and_force_takes_them() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    store.apply("a", false, &labels(r#"{"x":"1","y":"2"}"#)).expect("create");
    assert_eq!(
        store.conflict("b", &labels(r#"{"x":"9"}"#)),
        "Apply failed with 1 conflict: conflict with \"a\": .metadata.labels.x"
    );
    assert_eq!(
        store.conflict("b", &labels(r#"{"x":"9","y":"8"}"#)),
        "Apply failed with 2 conflicts: conflicts with \"a\":\n- .metadata.labels.x\n- \
         .metadata.labels.y"
    );
    store.apply("b", true, &labels(r#"{"x":"9"}"#)).expect("force");
    assert_eq!(
        store.owners(),
        [
            r#"a 1 {"f:metadata":{"f:labels":{"f:y":{}}}}"#,
            r#"b 4 {"f:metadata":{"f:labels":{"f:x":{}}}}"#
        ]
    );
    let message = store.conflict("a", &labels(r#"{"x":"1","y":"2"}"#));
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"b\": .metadata.labels.x");
}

fn containers(list: &str) -> String {
    format!(r#""metadata":{{"name":"d"}},"spec":{{"template":{{"spec":{{"containers":{list}}}}}}}"#)
}

#[test]
fn two_managers_keep_containers_of_their_own() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    let path = ["spec", "template", "spec", "containers"];
    store.apply("a", false, &containers(r#"[{"name":"c","image":"i:1"}]"#)).expect("create");
    store.apply("b", false, &containers(r#"[{"name":"s","image":"s:1"}]"#)).expect("other");
    let both = r#"[{"name":"c","image":"i:1"},{"name":"s","image":"s:1"}]"#;
    assert_eq!(store.shown(&path), both);
    assert_eq!(
        store.conflict("x", &containers(r#"[{"name":"c","image":"z"}]"#)),
        "Apply failed with 1 conflict: conflict with \"a\": \
         .spec.template.spec.containers[name=\"c\"].image"
    );
    store.apply("b", false, r#""metadata":{"name":"d"}"#).expect("let go");
    assert_eq!(store.shown(&path), r#"[{"name":"c","image":"i:1"}]"#);
}

#[test]
fn objects_that_nobody_managed_belong_to_before_first_apply() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    store.live = Some(store.config(&labels(r#"{"x":"1"}"#)));
    assert_eq!(
        store.conflict("a", &labels(r#"{"x":"2"}"#)),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: \
         .metadata.labels.x"
    );
    store.apply("a", false, &labels(r#"{"z":"2"}"#)).expect("apply");
    assert_eq!(
        store.owners(),
        [
            r#"a 2 {"f:metadata":{"f:labels":{"f:z":{}}}}"#,
            r#"before-first-apply 2 {"f:metadata":{"f:labels":{".":{},"f:x":{}}}}"#
        ]
    );
}

#[test]
fn client_side_apply_hands_over_to_kubectl() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    let last = r#"{'apiVersion':'apps/v1','metadata':{'labels':{'x':'1'}}}"#.replace('\'', "\\\"");
    let body = format!(
        r#""metadata":{{"name":"d","labels":{{"x":"1"}},"annotations":{{"{}":"{last}"}}}}"#,
        super::LAST_APPLIED
    );
    store.update("kubectl-client-side-apply", &body);
    let message = store.conflict("other", &labels(r#"{"x":"2"}"#));
    assert!(message.contains("\"kubectl-client-side-apply\" using apps/v1"), "{message}");
    store.apply("kubectl", false, &labels(r#"{"x":"2"}"#)).expect("take over");
    let text = store.live.as_ref().expect("object");
    let text = text.str_at(&["metadata", "annotations", super::LAST_APPLIED]);
    let metadata = r#""metadata":{"labels":{"x":"2"},"name":"d"}"#;
    let kind = r#""apiVersion":"apps/v1","kind":"Deployment""#;
    assert_eq!(text, format!("{{{kind},{metadata}}}\n"));
    assert_eq!(store.owners()[0], r#"kubectl 2 {"f:metadata":{"f:labels":{"f:x":{}}}}"#);
    assert!(store.owners()[1].contains(r#""f:labels":{}}}"#), "{:?}", store.owners());
}

#[test]
fn status_is_not_owned_through_the_main_resource() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    let body = format!(r#"{},"status":{{"observedGeneration":7}}"#, labels(r#"{"x":"1"}"#));
    store.apply("a", false, &body).expect("create");
    assert_eq!(store.owners(), [r#"a 1 {"f:metadata":{"f:labels":{"f:x":{}}}}"#]);
}

#[test]
fn what_cannot_be_applied_is_told_as_upstream_tells_it() {
    let arena = Bump::new();
    let mut store = Store::new(&arena);
    let error = store.apply("a", false, r#""bogus":1,"metadata":{"name":"d"}"#);
    let text = "failed to create typed patch object (/d; apps/v1, Kind=Deployment): .bogus: field \
                not declared in schema";
    assert_eq!(error, Err(ApplyError::Plain(text.to_owned())));
    let error = store.apply("a", false, r#""metadata":{"name":"d","managedFields":[]}"#);
    let text = "metadata.managedFields must be nil";
    assert_eq!(error, Err(ApplyError::BadRequest(text.to_owned())));
    for (config, kind) in [
        (r#"{"apiVersion":"v1","kind":"Secret"}"#, "/v1, Kind=Secret"),
        ("{}", "/, Kind="),
        (r#"{"apiVersion":"a/b/c","kind":"X"}"#, "/, Kind=X"),
    ] {
        let (api_version, subresource, reset) = ("apps/v1", "", Reset::Nothing);
        let writer = Writer {
            manager: "m",
            api_version,
            subresource,
            time: "",
            reset,
            versions: &[],
            convert: None,
        };
        let (kind_name, force, last_applied) = ("Deployment", false, None);
        let request = Request { writer: &writer, kind: kind_name, force, last_applied };
        let config = value(&arena, config);
        let error = apply(&arena, Some(deployment()), None, &config, &request);
        let text = format!("invalid object type: {kind}");
        assert_eq!(error, Err(ApplyError::BadRequest(text)));
    }
}

fn body() -> impl Strategy<Value = String> {
    let labels = prop::collection::btree_map("[a-c]", "[0-1]", 0..3);
    let finalizers = prop::collection::btree_set("[a-d]", 0..3);
    let items = prop::collection::btree_map("[a-c]", prop::option::of("[0-1]"), 0..3);
    (labels, finalizers, items).prop_map(|(labels, finalizers, items)| {
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!(r#""{k}":"{v}""#)).collect();
        let finalizers: Vec<_> = finalizers.iter().map(|f| format!(r#""{f}""#)).collect();
        let items: Vec<_> = items
            .iter()
            .map(|(name, image)| match image {
                Some(image) => format!(r#"{{"name":"{name}","image":"{image}"}}"#),
                None => format!(r#"{{"name":"{name}"}}"#),
            })
            .collect();
        // An empty list is not there once it is decoded, so it makes a change each time.
        let list = |name: &str, items: Vec<String>| match items.as_slice() {
            [] => r#""name":"d""#.to_owned(),
            items => format!(r#""{name}":[{}]"#, items.join(",")),
        };
        let spec = match items.as_slice() {
            [] => r#""apiVersion":"apps/v1""#.to_owned(),
            _ => format!(r#""spec":{{"template":{{"spec":{{{}}}}}}}"#, list("containers", items)),
        };
        let finalizers = list("finalizers", finalizers);
        format!(r#""metadata":{{"labels":{{{}}},{finalizers}}},{spec}"#, labels.join(","))
    })
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(
        steps in prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), body()), 1..5),
    ) {
        let arena = Bump::new();
        let mut store = Store::new(&arena);
        for (manager, body) in &steps {
            store.apply(manager, true, body).expect("forced");
            let (owners, object) = (store.owners(), store.shown(&[]));
            store.apply(manager, false, body).expect("again");
            prop_assert_eq!(store.owners(), owners);
            prop_assert_eq!(store.shown(&[]), object);
        }
        // When all let go, nothing is left of what they applied.
        for manager in ["a", "b", "c"] {
            store.apply(manager, false, r#""metadata":{}"#).expect("let go");
        }
        prop_assert!(store.owners().is_empty());
        let left = store.shown(&["metadata", "labels"]) + &store.shown(&["metadata", "finalizers"]);
        prop_assert!(left.is_empty(), "{}", left);
    }
}
