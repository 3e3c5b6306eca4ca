//! Rules of the pod security standards.

use super::super::level::{Level, Policy};
use super::{Pod, evaluate};
use crate::codec::json;
use bumpalo::Bump;

fn restricted(minor: Option<u32>, spec: &str) -> String {
    check(Policy { level: Level::Restricted, minor }, spec)
}

fn baseline(spec: &str) -> String {
    check(Policy { level: Level::Baseline, minor: None }, spec)
}

fn check(policy: Policy, spec: &str) -> String {
    let arena = Bump::new();
    let spec = json::parse_any(spec.as_bytes(), &arena).unwrap();
    evaluate(policy, &Pod { metadata: None, spec: &spec }).details()
}

#[test]
fn the_baseline_allows_a_plain_pod_and_restricted_does_not() {
    let plain = r#"{"containers":[{"name":"c"}]}"#;
    assert_eq!(baseline(plain), "");
    let expected = "allowPrivilegeEscalation != false (container \"c\" must set \
        securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \
        \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or \
        container \"c\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or \
        container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \
        \"Localhost\")";
    assert_eq!(restricted(None, plain), expected);
}

#[test]
fn a_restricted_check_takes_the_place_of_the_baseline_one() {
    let spec = r#"{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}"#;
    assert_eq!(baseline(spec), "hostPath volumes (volume \"v\")");
    let expected =
        "restricted volume types (volume \"v\" uses restricted volume type \"hostPath\")";
    assert_eq!(restricted(None, spec), expected);
}

#[test]
fn windows_pods_need_no_linux_fields_from_1_25_on() {
    let spec = r#"{"os":{"name":"windows"},"containers":[{"name":"c"}],
        "securityContext":{"runAsNonRoot":true}}"#;
    assert_eq!(restricted(None, spec), "");
    assert!(restricted(Some(24), spec).starts_with("allowPrivilegeEscalation"));
}

#[test]
fn sysctls_are_safe_since_their_version() {
    let spec = r#"{"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem"}]}}"#;
    assert_eq!(baseline(spec), "");
    let old = Policy { level: Level::Baseline, minor: Some(31) };
    assert_eq!(check(old, spec), "forbidden sysctls (net.ipv4.tcp_rmem)");
}

#[test]
fn both_pod_and_containers_are_named() {
    let spec = r#"{"securityContext":{"seccompProfile":{"type":"Unconfined"}},"containers":[
        {"name":"a","securityContext":{"seccompProfile":{"type":"Unconfined"}}},
        {"name":"b","securityContext":{"seccompProfile":{"type":"Unconfined"}}}]}"#;
    let expected = "seccompProfile (pod and containers \"a\", \"b\" must not set \
        securityContext.seccompProfile.type to \"Unconfined\")";
    assert_eq!(baseline(spec), expected);
}
