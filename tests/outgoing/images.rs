//! What the file of admission settings says: whom a server asks about images, and how it is known
//! to webhooks.

use super::harness::Server;
use super::other::{Answer, Asked, Other};
use super::{ask, configuration, create, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A file with these settings, as a flag.
fn flag(directory: &Path, plugins: &Value) -> String {
    let file = directory.join("admission.json");
    let config = json!({"apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration", "plugins": plugins});
    std::fs::write(&file, config.to_string()).expect("a file");
    format!("--admission-control-config-file={}", file.display())
}

fn kubeconfig(directory: &Path, config: &Value) -> PathBuf {
    let path = directory.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("a file");
    path
}

fn pod(name: &str, image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": image}]}})
}

/// Refuses images by their names, and only whom it knows.
fn review(asked: &Asked) -> Answer {
    if asked.header("authorization") != ["Bearer of-the-server"] {
        return (401, "text/plain", "who?".to_owned());
    }
    let review: Value = serde_json::from_slice(&asked.body).expect("a review");
    assert_eq!(review["kind"], "ImageReview");
    let image = review["spec"]["containers"][0]["image"].as_str().expect("an image");
    let status = json!({"allowed": image != "bad", "reason": "it is bad"});
    let answer = json!({"apiVersion": "imagepolicy.k8s.io/v1alpha1", "kind": "ImageReview",
        "status": status});
    (200, "application/json", answer.to_string())
}

#[test]
fn a_service_says_which_images_may_run() {
    let other = Other::start(&["127.0.0.1"], review);
    let directory = tempfile::tempdir().expect("a directory");
    let file = kubeconfig(
        directory.path(),
        &json!({"apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "x", "cluster": {
                "server": format!("https://127.0.0.1:{}/", other.port),
                "certificate-authority-data": other.ca_bundle}}],
            "users": [{"name": "x", "user": {"token": "of-the-server"}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}),
    );
    let settings = json!([{"name": "ImagePolicyWebhook",
        "configuration": {"imagePolicy": {"kubeConfigFile": file, "allowTTL": 50}}}]);
    let server = Server::start(&[
        &flag(directory.path(), &settings),
        "--enable-admission-plugins=ImagePolicyWebhook",
        "--disable-admission-plugins=ServiceAccount",
    ]);
    let pods = "/api/v1/namespaces/default/pods";
    create(&server, pods, &pod("good", "good"));
    assert_eq!(
        ask(&server, "POST", pods, &pod("bad", "bad")),
        Err("pods \"bad\" is forbidden: image policy webhook backend denied one or more images: \
             it is bad"
            .to_owned())
    );
}

#[test]
fn settings_of_plugins_hold_and_webhooks_know_the_server_by_its_token() {
    let other = Other::start(&["127.0.0.1"], |asked| {
        let known = asked.header("authorization") == ["Bearer of-the-server"];
        let review: Value = serde_json::from_slice(&asked.body).expect("a review");
        let response = json!({"uid": review["request"]["uid"], "allowed": false,
            "status": {"message": format!("known: {known}")}});
        let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": response});
        (200, "application/json", answer.to_string())
    });
    let directory = tempfile::tempdir().expect("a directory");
    let file = kubeconfig(
        directory.path(),
        &json!({"apiVersion": "v1", "kind": "Config", "users": [{
            "name": format!("127.0.0.1:{}", other.port), "user": {"token": "of-the-server"}}]}),
    );
    let settings = json!([
        {"name": "ValidatingAdmissionWebhook", "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": file}},
        {"name": "PodSecurity", "configuration": {
            "apiVersion": "pod-security.admission.config.k8s.io/v1",
            "kind": "PodSecurityConfiguration",
            "defaults": {"enforce": "baseline"}, "exemptions": {"namespaces": ["free"]}}},
    ]);
    let server = Server::start(&[
        &flag(directory.path(), &settings),
        "--enable-admission-plugins=NamespaceAutoProvision",
        "--disable-admission-plugins=ServiceAccount",
    ]);
    let base = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    create(&server, base, &configuration("ValidatingWebhookConfiguration", "judge", &other));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let maps = "/api/v1/namespaces/default/configmaps?dryRun=All";
    let refused = until(|| ask(&server, "POST", maps, &map), Result::is_err);
    let text = "admission webhook \"judge.example.com\" denied the request: known: true";
    assert_eq!(refused, Err(text.to_owned()));

    let mut bad = pod("bad", "i");
    bad["spec"]["hostNetwork"] = true.into();
    let refused = ask(&server, "POST", "/api/v1/namespaces/default/pods", &bad);
    assert!(refused.is_err_and(|why| why.contains("violates PodSecurity \"baseline:latest\"")));
    // The namespace is exempt, and is made by what is made in it.
    create(&server, "/api/v1/namespaces/free/pods", &bad);
    let figures = server.get("/metrics").expect("its figures");
    let exempt = "pod_security_exemptions_total{request_operation=\"create\",resource=\"pod\",\
                  subresource=\"\"} 1";
    assert!(figures.contains(exempt), "{figures}");
}
