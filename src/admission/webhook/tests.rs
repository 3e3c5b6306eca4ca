//! Rules and reviews, without a server.

use super::Trusts;
use super::credentials::Credentials;
use super::hook::{Form, Hook};
use super::review;
use super::rule::{Asked, Rule};
use crate::codec::json;
use crate::request::Operation;
use bumpalo::Bump;

fn rule(text: &str) -> Rule {
    let arena = Bump::new();
    Rule::read(&json::parse_any(text.as_bytes(), &arena).expect("JSON"))
}

fn asked(path: &'static str, namespace: &'static str, operation: Operation) -> Asked<'static> {
    let parts: Vec<&str> = path.split(' ').collect();
    let [group, version, resource] = parts[..] else { panic!("{path}") };
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Asked { group, version, resource, subresource, namespace, operation }
}

#[test]
fn rules_match_operations_groups_versions_resources_and_scope() {
    let pods = rule(
        r#"{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"],
            "scope":"Namespaced"}"#,
    );
    assert!(pods.matches(asked(" v1 pods", "n", Operation::Create)));
    assert!(!pods.matches(asked(" v1 pods", "n", Operation::Update)));
    assert!(!pods.matches(asked(" v1 pods/status", "n", Operation::Create)));
    assert!(!pods.matches(asked("apps v1 pods", "n", Operation::Create)));
    assert!(!pods.matches(asked(" v2 pods", "n", Operation::Create)));
    let all = rule(
        r#"{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"],
            "scope":"*"}"#,
    );
    assert!(all.matches(asked("apps v1 deployments/scale", "n", Operation::Update)));
    assert!(all.matches(asked("apps v1 deployments", "n", Operation::Delete)));
    let subs = rule(
        r#"{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["pods/*"],
            "scope":"Cluster"}"#,
    );
    assert!(!subs.matches(asked(" v1 pods/exec", "n", Operation::Connect)));
    let cluster = rule(
        r#"{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"],
            "scope":"Cluster"}"#,
    );
    // A namespace itself is not in a namespace.
    assert!(cluster.matches(asked(" v1 namespaces", "n", Operation::Create)));
    assert!(!cluster.matches(asked(" v1 pods", "n", Operation::Create)));
}

fn hook() -> Hook {
    let arena = Bump::new();
    let text = r#"{"name":"w.example.com","clientConfig":{"url":"https://h/x"},
        "admissionReviewVersions":["v2","v1"],"sideEffects":"None","timeoutSeconds":3}"#;
    let webhook = json::parse_any(text.as_bytes(), &arena).expect("JSON");
    Hook::read("c", &webhook, (&mut Trusts::default(), &Credentials::default()))
}

fn read(mutating: bool, response: &str) -> Result<review::Verdict, String> {
    let body = format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{response}}}"#
    );
    review::read(&hook(), Form::V1, "u", mutating, body.as_bytes())
}

#[test]
fn answers_are_verified_as_upstream_verifies_them() {
    let refused = |mutating, response: &str| read(mutating, response).expect_err("refused");
    let head = "received invalid webhook response: ";
    assert_eq!(refused(false, "null"), format!("{head}webhook response was absent"));
    assert_eq!(
        refused(false, r#"{"uid":"x"}"#),
        format!(r#"{head}expected response.uid="u", got "x""#)
    );
    assert_eq!(
        refused(false, r#"{"uid":"u","patch":"W10="}"#),
        format!("{head}validating webhook may not return response.patch")
    );
    assert_eq!(
        refused(true, r#"{"uid":"u","patch":"W10="}"#),
        format!("{head}webhook returned response.patch but not response.patchType")
    );
    assert_eq!(
        refused(true, r#"{"uid":"u","patchType":"JSONPatch"}"#),
        format!("{head}webhook returned response.patchType but not response.patch")
    );
    let typeless = review::read(&hook(), Form::V1, "u", false, br#"{"response":{"uid":"u"}}"#);
    assert_eq!(
        typeless.expect_err("refused"),
        format!(
            "{head}expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, \
             Kind="
        )
    );
    assert_eq!(
        refused(false, r#"{"uid":"u","allowed":"yes"}"#),
        "failed to call webhook: json: cannot unmarshal string into Go struct field \
         AdmissionReview.response.allowed of type bool"
    );
}

#[test]
fn a_refusal_keeps_the_status_of_the_webhook() {
    let denial = |response: &str| read(false, response).expect("a verdict").denial;
    let bare = denial(r#"{"uid":"u","allowed":false}"#);
    let denied = "admission webhook \"w.example.com\" denied the request";
    assert_eq!((bare.code, bare.message), (400, format!("{denied} without explanation")));
    let told = denial(
        r#"{"uid":"u","status":{"code":403,"reason":"Forbidden","message":"no",
            "details":{"causes":[{"field":"a","message":"b"}]}}}"#,
    );
    assert_eq!((told.code, &*told.reason), (403, "Forbidden"));
    assert_eq!(told.message, format!("{denied}: no"));
    let causes = told.details.expect("details").causes;
    assert_eq!(causes, [(String::new(), "b".to_owned(), "a".to_owned())]);
    // A refusal is no success, whatever its code says.
    assert_eq!(denial(r#"{"uid":"u","status":{"code":200}}"#).code, 400);
}
