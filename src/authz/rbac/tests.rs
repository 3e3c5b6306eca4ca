//! Roles and bindings as they come and go.

use super::{Index, aggregate};
use crate::authz::action::Action;
use crate::authz::decision::{Decision, Verdict};
use crate::authz::rule::Rule;
use crate::codec::json;
use crate::request::User;
use bumpalo::Bump;

/// Puts a role with rules of one verb, group and resource each.
pub(in crate::authz) fn role(
    index: &Index,
    namespace: &str,
    name: &str,
    rules: &[(&str, &str, &str)],
) {
    let rules = rules.iter().map(|(verb, group, resource)| {
        format!(r#"{{"verbs":["{verb}"],"apiGroups":["{group}"],"resources":["{resource}"]}}"#)
    });
    let text = format!(r#"{{"rules":[{}]}}"#, rules.collect::<Vec<_>>().join(","));
    let arena = Bump::new();
    let object = json::parse_any(text.as_bytes(), &arena).expect("an object");
    index.put_role(namespace, name, Some(&object));
}

/// Puts a binding of subjects, each as kind and name.
pub(in crate::authz) fn binding(
    index: &Index,
    (namespace, name): (&str, &str),
    (kind, role): (&str, &str),
    subjects: &[(&str, &str)],
) {
    let subjects =
        subjects.iter().map(|(kind, name)| format!(r#"{{"kind":"{kind}","name":"{name}"}}"#));
    let text = format!(
        r#"{{"roleRef":{{"kind":"{kind}","name":"{role}"}},"subjects":[{}]}}"#,
        subjects.collect::<Vec<_>>().join(",")
    );
    let arena = Bump::new();
    let object = json::parse_any(text.as_bytes(), &arena).expect("an object");
    index.put_binding(namespace, name, Some(&object));
}

fn user(name: &str, groups: &[&str]) -> User {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    User { name: name.into(), groups, ..User::default() }
}

fn decide(index: &Index, user: &User, namespace: &str, resource: &str) -> Decision {
    let action = Action { verb: "get", namespace, ..Action::resource(resource) };
    index.decide(user, &action, true)
}

fn allows(index: &Index, user: &User, namespace: &str, resource: &str) -> bool {
    decide(index, user, namespace, resource).verdict == Verdict::Allow
}

#[test]
fn a_role_binding_counts_in_its_namespace_and_a_cluster_role_binding_everywhere() {
    let index = Index::default();
    role(&index, "", "r", &[("get", "", "pods")]);
    role(&index, "a", "r", &[("get", "", "nodes")]);
    let ann = user("ann", &["g"]);
    binding(&index, ("a", "b"), ("ClusterRole", "r"), &[("User", "ann")]);
    assert!(allows(&index, &ann, "a", "pods"));
    assert!(!allows(&index, &ann, "b", "pods") && !allows(&index, &ann, "", "pods"));
    binding(&index, ("a", "b2"), ("Role", "r"), &[("Group", "g")]);
    assert!(allows(&index, &ann, "a", "nodes") && !allows(&index, &ann, "b", "nodes"));
    binding(&index, ("", "b"), ("ClusterRole", "r"), &[("Group", "g")]);
    assert!(allows(&index, &ann, "b", "pods") && allows(&index, &ann, "", "pods"));
    assert!(!allows(&index, &user("bob", &[]), "a", "pods"));
}

#[test]
fn a_service_account_is_of_the_binding_s_namespace_unless_it_says_otherwise() {
    let index = Index::default();
    role(&index, "", "r", &[("get", "", "pods")]);
    binding(&index, ("a", "b"), ("ClusterRole", "r"), &[("ServiceAccount", "sa")]);
    binding(&index, ("", "b"), ("ClusterRole", "r"), &[("ServiceAccount", "nobody")]);
    let account = user("system:serviceaccount:a:sa", &[]);
    let reason = decide(&index, &account, "a", "pods").reason;
    let wanted = r#"RoleBinding "b/a" of ClusterRole "r" to ServiceAccount "sa/a""#;
    assert_eq!(reason, format!("RBAC: allowed by {wanted}"));
    assert!(!allows(&index, &user("system:serviceaccount:b:sa", &[]), "a", "pods"));
    assert!(!allows(&index, &user("system:serviceaccount::nobody", &[]), "", "pods"));
}

#[test]
fn a_binding_to_no_role_is_told_with_the_refusal_and_works_once_the_role_is_there() {
    let index = Index::default();
    let ann = user("ann", &[]);
    binding(&index, ("a", "b"), ("Role", "gone"), &[("User", "ann")]);
    let refused = decide(&index, &ann, "a", "pods");
    let missing = r#"role.rbac.authorization.k8s.io "gone" not found"#;
    assert_eq!(refused, Decision::no_opinion(format!("RBAC: {missing}")));
    assert_eq!(decide(&index, &ann, "b", "pods"), Decision::no_opinion(""));
    role(&index, "a", "gone", &[("get", "", "pods")]);
    assert!(allows(&index, &ann, "a", "pods"));
    index.put_role("a", "gone", None);
    assert!(!allows(&index, &ann, "a", "pods"));
    binding(&index, ("", "b"), ("ClusterRole", "gone"), &[("User", "ann")]);
    let both = format!(r#"RBAC: [cluster{missing}, {missing}]"#);
    assert_eq!(decide(&index, &ann, "a", "pods").reason, both);
}

#[test]
fn the_reason_names_the_binding_its_role_and_the_subject() {
    let index = Index::default();
    role(&index, "", "y", &[("get", "", "pods")]);
    binding(&index, ("", "x"), ("ClusterRole", "y"), &[("User", "bob"), ("Group", "z")]);
    let reason = decide(&index, &user("ann", &["z"]), "", "pods").reason;
    let wanted = r#"RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "y" to Group "z""#;
    assert_eq!(reason, wanted);
}

#[test]
fn nothing_is_left_of_what_is_gone() {
    let index = Index::default();
    binding(&index, ("a", "b"), ("Role", "r"), &[("User", "ann"), ("User", "ann")]);
    role(&index, "a", "r", &[("get", "", "pods")]);
    binding(&index, ("a", "b"), ("ClusterRole", "c"), &[("Group", "g")]);
    assert!(!allows(&index, &user("ann", &[]), "a", "pods"));
    index.put_role("a", "r", None);
    index.put_binding("a", "b", None);
    assert_eq!(index.places(), (0, 0, 0));
}

#[test]
fn rules_that_a_user_has_not_got_are_listed_and_joined_by_resource() {
    let index = Index::default();
    role(&index, "", "r", &[("get", "", "pods")]);
    let ann = user("ann", &["g", "h"]);
    binding(&index, ("a", "b"), ("ClusterRole", "r"), &[("User", "ann")]);
    let texts =
        |texts: &[&str]| -> Box<[Box<str>]> { texts.iter().map(|&text| text.into()).collect() };
    let rule = |verbs: &[&str], resources: &[&str]| {
        Rule::new(texts(verbs), texts(&[""]), texts(resources), texts(&[]), texts(&[]))
    };
    assert_eq!(index.escalation(&ann, "a", &[rule(&["get"], &["pods"])]), None);
    let wanted = [rule(&["get", "list", "watch"], &["pods"]), rule(&["get"], &["nodes"])];
    let why = index.escalation(&ann, "a", &wanted).expect("refused");
    assert_eq!(
        why,
        "user \"ann\" (groups=[\"g\" \"h\"]) is attempting to grant RBAC permissions not \
         currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}\n\
         {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\" \"watch\"]}"
    );
}

#[test]
fn several_errors_are_told_each_once() {
    let errors = ["a", "b", "a"].map(str::to_owned);
    assert_eq!(aggregate(&errors), "[a, b]");
    assert_eq!(aggregate(&errors[..1]), "a");
}
