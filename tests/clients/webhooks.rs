//! Webhooks that say who somebody is and what he may do, over TLS.

use super::authorize::{Files, TOKENS, with};
use super::credentials::who;
use super::service::Service;
use crate::tools::Bench;
use serde_json::{Value, json};

#[test]
fn a_token_webhook_names_users_and_its_answers_are_kept() {
    let service = Service::start(|path, body| {
        assert!(path.starts_with("/hook"), "{path}");
        let review: Value = serde_json::from_str(body).expect("a review");
        assert_eq!(review["kind"], "TokenReview");
        assert_eq!(review["apiVersion"], "authentication.k8s.io/v1");
        let status = match review["spec"]["token"].as_str() {
            Some("good") => json!({
                "authenticated": true,
                "user": { "username": "hooked", "groups": ["g"], "extra": { "k": ["v"] } },
            }),
            Some("broken") => return (500, "oh".to_owned()),
            _ => json!({ "authenticated": false, "error": "no such token" }),
        };
        (200, json!({ "kind": "TokenReview", "status": status }).to_string())
    });
    let files = Files::new();
    let config = files.put("config", &service.kubeconfig());
    let flags = [
        format!("--authentication-token-webhook-config-file={}", config.display()),
        "--authentication-token-webhook-version=v1".to_owned(),
        "--shards=1".to_owned(),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    let out = who(&bench, &["--token", "good"]);
    assert!(out.contains("hooked") && out.contains("system:authenticated"), "{out}");
    let asked = service.asked();
    assert!(who(&bench, &["--token", "good"]).contains("hooked"));
    assert_eq!(service.asked(), asked, "the answer is kept");
    assert!(who(&bench, &["--token", "bad"]).contains("Unauthorized"));
    assert!(who(&bench, &["--token", "broken"]).contains("Unauthorized"));
    let review = "apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec: {token: bad}\n";
    let told = bench.kubectl_with(&["create", "-o", "yaml", "-f", "-"], review);
    assert!(told.contains("no such token"), "{told}");
}

#[test]
fn an_authorization_webhook_decides_and_its_failure_is_told() {
    let service = Service::start(|_, body| {
        let review: Value = serde_json::from_str(body).expect("a review");
        assert_eq!(review["apiVersion"], "authorization.k8s.io/v1");
        let of = &review["spec"]["resourceAttributes"];
        let status = match (review["spec"]["user"].as_str(), of["resource"].as_str()) {
            (Some("ann"), Some("configmaps")) => json!({ "allowed": true, "reason": "is ann" }),
            (Some("ann"), Some("secrets")) => {
                json!({ "allowed": false, "denied": true, "reason": "never" })
            }
            (Some("bob"), _) => return (500, "oh".to_owned()),
            _ => json!({ "allowed": false }),
        };
        (200, json!({ "kind": "SubjectAccessReview", "status": status }).to_string())
    });
    let files = Files::new();
    let (tokens, hook) = (files.put("tokens", TOKENS), files.put("hook", &service.kubeconfig()));
    let flags = [
        format!("--token-auth-file={}", tokens.display()),
        "--authorization-mode=Webhook,RBAC".to_owned(),
        format!("--authorization-webhook-config-file={}", hook.display()),
        "--authorization-webhook-version=v1".to_owned(),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    assert!(with(&bench, "ann-token", &["get", "configmaps"]).contains("No resources found"));
    // What the webhook forbids no role allows.
    bench.kubectl(&[
        "create",
        "clusterrolebinding",
        "b",
        "--clusterrole=cluster-admin",
        "--user=ann",
    ]);
    let refused = with(&bench, "ann-token", &["get", "secrets"]);
    assert!(refused.contains("Forbidden") && refused.contains("never"), "{refused}");
    assert!(with(&bench, "ann-token", &["get", "pods"]).contains("No resources found"));
    let failed = with(&bench, "bob-token", &["get", "--raw", "/api/v1/namespaces/default/pods"]);
    let text = r#"an error on the server ("oh") has prevented the request from succeeding"#;
    assert!(failed.contains(text) || failed.contains("InternalError"), "{failed}");
}

#[test]
fn an_audit_webhook_is_sent_lists_of_events() {
    let (told, events) = std::sync::mpsc::channel::<Value>();
    let service = Service::start(move |_, body| {
        let list: Value = serde_json::from_str(body).expect("a list");
        assert_eq!(list["kind"], "EventList");
        for event in list["items"].as_array().expect("events") {
            told.send(event.clone()).ok();
        }
        (200, "{}".to_owned())
    });
    let files = Files::new();
    let hook = files.put("hook", &service.kubeconfig());
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\n\
                  rules: [{level: Request, resources: [{resources: [configmaps]}]}]\n";
    let policy = files.put("policy", policy);
    let flags = [
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-webhook-config-file={}", hook.display()),
        "--audit-webhook-batch-max-wait=100ms".to_owned(),
        "--audit-webhook-truncate-enabled".to_owned(),
        "--audit-webhook-truncate-max-event-size=4096".to_owned(),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    bench.kubectl(&["create", "configmap", "small", "--from-literal=a=b"]);
    let large = format!("--from-literal=a={}", "x".repeat(8_000));
    bench.kubectl(&["create", "configmap", "large", &large]);
    let second = std::time::Duration::from_secs(20);
    let mut created = Vec::new();
    while created.len() < 2 {
        let event = events.recv_timeout(second).expect("an event");
        if event["verb"] == "create" {
            created.push(event);
        }
    }
    assert_eq!(created[0]["objectRef"]["name"], "small");
    assert_eq!(created[0]["requestObject"]["data"]["a"], "b");
    assert_eq!(created[0]["annotations"]["authorization.k8s.io/decision"], "allow");
    assert_eq!(created[1].get("requestObject"), None, "it was too large");
    assert_eq!(created[1]["annotations"]["audit.k8s.io/truncated"], "true");
}
