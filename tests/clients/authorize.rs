//! Who may do what by files: ABAC policies, the AuthorizationConfiguration and its reload.

use super::service::Service;
use crate::tools::Bench;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// A directory for files that flags name.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

pub(crate) const TOKENS: &str = "ann-token,ann,1\nbob-token,bob,2,ops\n";
/// Lines of a policy file.
fn policy() -> String {
    let line = |spec: &str| {
        let kind = r#""apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy""#;
        format!("{{{kind},\"spec\":{{{spec}}}}}\n")
    };
    let ann = r#""user":"ann","namespace":"default","resource":"configmaps","readonly":true"#;
    let paths = r#""group":"system:authenticated","nonResourcePath":"*","readonly":true"#;
    let reviews = r#""user":"*","namespace":"*","resource":"*","apiGroup":"authorization.k8s.io""#;
    format!("# who may do what\n{}{}{}", line(ann), line(paths), line(reviews))
}

/// What kubectl says with a token.
pub(crate) fn with(bench: &Bench, token: &str, args: &[&str]) -> String {
    let config = bench.scratch().join("bare.kubeconfig");
    let own = std::fs::read_to_string(bench.server.kubeconfig()).expect("the kubeconfig");
    let bare: Vec<&str> =
        own.lines().filter(|line| !line.trim_start().starts_with("client-")).collect();
    std::fs::write(&config, bare.join("\n")).expect("a file");
    let config = config.display().to_string();
    let ran = bench.kubectl_any(&[args, &["--kubeconfig", &config, "--token", token]].concat());
    format!("{}{}", ran.out, ran.err)
}

#[test]
fn abac_allows_what_a_line_of_its_file_says() {
    let files = Files::new();
    let (tokens, policy) = (files.put("tokens", TOKENS), files.put("policy", &policy()));
    let (tokens, policy) = (tokens.display(), policy.display());
    let flags = [
        format!("--token-auth-file={tokens}"),
        format!("--authorization-policy-file={policy}"),
        "--authorization-mode=ABAC".to_owned(),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    assert!(with(&bench, "ann-token", &["get", "configmaps"]).contains("No resources found"));
    let refused = with(&bench, "ann-token", &["create", "configmap", "c"]);
    assert!(refused.contains("No policy matched."), "{refused}");
    assert!(with(&bench, "bob-token", &["get", "configmaps"]).contains("Forbidden"));
    let list = with(&bench, "ann-token", &["auth", "can-i", "--list"]);
    assert!(list.lines().any(|line| line.starts_with("configmaps") && line.contains("[get list")));
}

const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n";

#[test]
fn a_changed_authorization_configuration_counts_and_a_broken_one_does_not() {
    let files = Files::new();
    let tokens = files.put("tokens", TOKENS);
    let policy = files.put("policy", &policy());
    let both = "{type: ABAC, name: abac}, {type: RBAC, name: rbac}";
    let config = files.put("config", &format!("{HEAD}authorizers: [{both}]"));
    let flags = [
        format!("--token-auth-file={}", tokens.display()),
        format!("--authorization-policy-file={}", policy.display()),
        format!("--authorization-config={}", config.display()),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    let refused = || with(&bench, "bob-token", &["get", "pods"]);
    assert!(refused().contains("No policy matched."), "{}", refused());
    let ask = ["auth", "can-i", "get", "configmaps"];
    assert!(with(&bench, "ann-token", &ask).starts_with("yes"));
    // What was there at start may neither go nor come.
    files.put("config", &format!("{HEAD}authorizers: [{{type: RBAC, name: rbac}}]"));
    crate::harness::pause(Duration::from_secs(3));
    assert!(with(&bench, "ann-token", &ask).starts_with("yes"));
    let turned = "{type: RBAC, name: rbac}, {type: ABAC, name: abac}";
    files.put("config", &format!("{HEAD}authorizers: [{turned}]"));
    crate::harness::pause(Duration::from_secs(3));
    assert!(with(&bench, "ann-token", &ask).starts_with("yes"));
}

#[test]
fn who_may_update_but_not_create_makes_nothing_by_an_update() {
    let files = Files::new();
    let tokens = files.put("tokens", TOKENS);
    let flags = [format!("--token-auth-file={}", tokens.display())];
    let flags = [flags[0].as_str(), "--authorization-mode=RBAC"];
    let Some(bench) = Bench::start_with(&flags) else { return };
    let verbs = "--verb=get,update,patch";
    bench.kubectl(&[
        "create",
        "role",
        "r",
        verbs,
        "--resource=configmaps,leases.coordination.k8s.io",
    ]);
    bench.kubectl(&["create", "rolebinding", "b", "--role=r", "--user=ann"]);
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: default}\n";
    let path = bench.scratch().join("c.yaml");
    std::fs::write(&path, manifest).expect("a file");
    let path = path.display().to_string();
    let apply = ["apply", "--server-side", "-f", &path];
    let refused = with(&bench, "ann-token", &apply);
    assert!(refused.contains("configmaps \"c\" is forbidden"), "{refused}");
    bench.kubectl(&["create", "configmap", "c"]);
    let applied = with(&bench, "ann-token", &apply);
    assert!(applied.contains("serverside-applied"), "{applied}");
}

#[test]
fn a_webhook_is_asked_only_what_meets_its_match_conditions() {
    let service = Service::start(|_, body| {
        let review: Value = serde_json::from_str(body).expect("JSON");
        let allowed = review["spec"]["resourceAttributes"]["resource"] == "configmaps";
        let status = json!({"allowed": allowed, "denied": !allowed, "reason": "the hook says"});
        let answer = json!({"apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview", "status": status});
        (200, answer.to_string())
    });
    let files = Files::new();
    let tokens = files.put("tokens", TOKENS);
    let kubeconfig = files.put("hook.kubeconfig", &service.kubeconfig());
    let hook = format!(
        "authorizers:\n- type: Webhook\n  name: hook.example\n  webhook:\n    timeout: 3s\n    \
         subjectAccessReviewVersion: v1\n    matchConditionSubjectAccessReviewVersion: v1\n    \
         failurePolicy: Deny\n    connectionInfo: {{type: KubeConfigFile, kubeConfigFile: \
         '{}'}}\n    matchConditions:\n    - expression: has(request.resourceAttributes)\n    - \
         expression: request.user == 'ann'\n- {{type: RBAC, name: rbac}}\n",
        kubeconfig.display()
    );
    let config = files.put("config", &format!("{HEAD}{hook}"));
    let flags = [
        format!("--token-auth-file={}", tokens.display()),
        format!("--authorization-config={}", config.display()),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    let ask = |token: &str, resource: &str| {
        with(&bench, token, &["get", resource, "--namespace=default"])
    };
    // Discovery is asked for by path, and so is nothing that the hook sees.
    assert!(ask("ann-token", "configmaps").contains("kube-root-ca.crt") || service.asked() > 0);
    let asked = service.asked();
    assert!(asked > 0);
    let refused = ask("ann-token", "pods");
    assert!(refused.contains("Forbidden") && refused.contains("the hook says"), "{refused}");
    assert!(service.asked() > asked);
    let asked = service.asked();
    let refused = ask("bob-token", "configmaps");
    assert!(refused.contains("Forbidden") && !refused.contains("the hook"), "{refused}");
    assert_eq!(service.asked(), asked, "he is none of the hook's");
    let figures = bench.server.get("/metrics").expect("its figures");
    for name in [
        "webhook_evaluations_total{name=\"hook.example\",result=\"success\"}",
        "match_condition_exclusions_total{name=\"hook.example\",type=\"Webhook\"}",
        "match_condition_evaluation_seconds_count{name=\"hook.example\",type=\"Webhook\"}",
        "decisions_total{decision=\"denied\",name=\"hook.example\",type=\"Webhook\"}",
    ] {
        assert!(figures.contains(&format!("apiserver_authorization_{name}")), "{name}");
    }
}

/// As with everything that is created (`WipeObjectMetaSystemFields`).
#[test]
fn a_review_may_bring_what_only_the_server_sets() {
    let Some(bench) = Bench::start() else { return };
    let review = |metadata: &str| {
        format!(
            "{{apiVersion: authorization.k8s.io/v1, kind: SelfSubjectAccessReview, metadata: \
             {metadata}, spec: {{resourceAttributes: {{verb: get, resource: pods}}}}}}"
        )
    };
    let ask = ["create", "-f", "-", "-o", "jsonpath={.status.allowed} {.metadata.uid}"];
    let answer = bench.kubectl_with(&ask, &review("{uid: u, selfLink: /x}"));
    assert_eq!(answer, "true ");
}
