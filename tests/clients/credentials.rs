//! kubectl with each kind of credential, and what the server keeps and tells of it.

use super::authorize::Files;
use crate::harness::Server;
use crate::tools::Bench;
use kubering::authn::sign::Signer;
use rcgen::KeyPair;
use serde_json::json;

/// Who kubectl is with these flags; the administrator's certificate is left out.
pub(crate) fn who(bench: &Bench, flags: &[&str]) -> String {
    let config = bench.scratch().join("bare.kubeconfig");
    let own = std::fs::read_to_string(bench.server.kubeconfig()).expect("the kubeconfig");
    let bare: Vec<&str> =
        own.lines().filter(|line| !line.trim_start().starts_with("client-")).collect();
    std::fs::write(&config, bare.join("\n")).expect("a file");
    let config = config.display().to_string();
    let mut args = vec!["auth", "whoami", "-o", "json", "--kubeconfig", &config];
    args.extend_from_slice(flags);
    let ran = bench.kubectl_any(&args);
    format!("{}{}", ran.out, ran.err)
}

fn bench(flags: &[&str]) -> Option<Bench> {
    Bench::start_with(flags)
}

#[test]
fn the_administrators_certificate_names_him() {
    let Some(bench) = bench(&[]) else { return };
    let out = bench.kubectl(&["auth", "whoami"]);
    assert!(out.contains("kubernetes-admin"), "{out}");
    assert!(out.contains("X509SHA256="), "{out}");
}

#[test]
fn a_service_account_token_names_its_account_and_ends_with_it() {
    let Some(bench) = bench(&["--service-account-max-token-expiration=1h"]) else { return };
    bench.kubectl(&["create", "serviceaccount", "robot"]);
    let token = bench.kubectl(&["create", "token", "robot", "--duration=20m"]);
    let token = token.trim();
    let out = who(&bench, &["--token", token]);
    assert!(out.contains("system:serviceaccount:default:robot"), "{out}");
    assert!(out.contains("JTI="), "{out}");
    let shortened = bench.kubectl_any(&["create", "token", "robot", "--duration=3h"]);
    assert!(shortened.err.contains("10800 seconds shortened to 3600"), "{}", shortened.err);
    let other = bench.kubectl(&["create", "token", "robot", "--audience=vault"]);
    let out = who(&bench, &["--token", other.trim()]);
    assert!(out.contains("Unauthorized"), "for another audience: {out}");
    let parts: Vec<&str> = token.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(['A', 'B'], "C"));
    assert!(who(&bench, &["--token", &forged]).contains("Unauthorized"));
}

#[test]
fn a_token_ends_with_the_secret_that_it_is_bound_to() {
    let Some(bench) = bench(&[]) else { return };
    bench.kubectl(&["create", "serviceaccount", "robot"]);
    bench.kubectl(&["create", "secret", "generic", "bond"]);
    let bound = ["create", "token", "robot", "--bound-object-kind=Secret"];
    let token = bench.kubectl(&[&bound[..], &["--bound-object-name=bond"]].concat());
    bench.kubectl(&["delete", "secret", "bond"]);
    let out = who(&bench, &["--token", token.trim()]);
    assert!(out.contains("Unauthorized"), "{out}");
}

#[test]
fn a_secret_whose_token_is_used_is_labelled_with_the_day() {
    let files = Files::new();
    let key = KeyPair::generate().expect("a key").serialize_pem();
    let path = files.put("sa.key", &key);
    let flags = ["signing-key", "key"]
        .map(|kind| format!("--service-account-{kind}-file={}", path.display()));
    let Some(bench) = bench(&flags.each_ref().map(String::as_str)) else { return };
    bench.kubectl(&["create", "serviceaccount", "robot"]);
    let uid = bench.kubectl(&["get", "sa", "robot", "-o", "jsonpath={.metadata.uid}"]);
    let name = |field: &str| format!("kubernetes.io/serviceaccount/{field}");
    let claims = json!({
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:default:robot",
        (name("namespace")): "default",
        (name("secret.name")): "old",
        (name("service-account.name")): "robot",
        (name("service-account.uid")): uid.trim(),
    });
    let token = Signer::of_pem(key.as_bytes()).expect("a signer").sign(&claims).expect("signed");
    let manifest = json!({"apiVersion": "v1", "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "old",
            "annotations": {"kubernetes.io/service-account.name": "robot"}},
        "stringData": {"token": token}});
    let manifest = files.put("old.json", &manifest.to_string()).display().to_string();
    bench.kubectl(&["create", "-f", &manifest]);
    let out = who(&bench, &["--token", &token]);
    assert!(out.contains("system:serviceaccount:default:robot"), "{out}");
    let label = "{.metadata.labels.kubernetes\\.io/legacy-token-last-used}";
    let path = format!("jsonpath={label}");
    let day = || bench.kubectl(&["get", "secret", "old", "-o", &path]);
    let begun = std::time::Instant::now();
    while day().trim().is_empty() && begun.elapsed().as_secs() < 10 {
        crate::harness::pause(std::time::Duration::from_millis(200));
    }
    let day = day();
    assert!(day.len() == "2026-01-02".len() && day.starts_with("20"), "{day:?}");
}

#[test]
fn a_bootstrap_token_is_taken_where_it_is_asked_for() {
    const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-abcdef, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData: {token-id: abcdef, token-secret: 0123456789abcdef,
  usage-bootstrap-authentication: 'true'}
";
    for (flags, expected) in
        [(&["--enable-bootstrap-token-auth"][..], "system:bootstrap:abcdef"), (&[], "Unauthorized")]
    {
        let Some(bench) = bench(flags) else { return };
        bench.kubectl_with(&["apply", "-f", "-"], SECRET);
        let out = who(&bench, &["--token", "abcdef.0123456789abcdef"]);
        assert!(out.contains(expected), "{out}");
        assert!(who(&bench, &["--token", "abcdef.0123456789abcdee"]).contains("Unauthorized"));
    }
}

#[test]
fn a_token_review_says_whose_a_token_is() {
    let Some(bench) = bench(&[]) else { return };
    bench.kubectl(&["create", "serviceaccount", "robot"]);
    let token = bench.kubectl(&["create", "token", "robot"]);
    let review = format!(
        "{{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"spec\":{{\
         \"token\":\"{}\"}}}}",
        token.trim()
    );
    let out = bench.kubectl_with(&["create", "-f", "-", "-o", "json"], &review);
    let out: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(out["status"]["authenticated"], true);
    assert_eq!(out["status"]["user"]["username"], "system:serviceaccount:default:robot");
}

#[test]
fn secrets_are_sealed_on_disk_and_survive_a_change_of_keys() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("encryption.yaml");
    let flag = format!("--encryption-provider-config={}", file.display());
    let configure = |providers: &str| {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n";
        let text = format!("{head}resources:\n- resources: [secrets]\n  providers:\n{providers}");
        std::fs::write(&file, text).expect("a file");
    };
    let old = "  - aescbc: {keys: [{name: old, \
               secret: MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=}]}\n";
    let new = "  - secretbox: {keys: [{name: new, \
               secret: MjIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=}]}\n";
    configure(old);
    let Some(mut bench) = bench(&[&flag]) else { return };
    let literal = "--from-literal=word=hunter2hunter2";
    bench.kubectl(&["create", "secret", "generic", "s", literal]);
    bench.server.stop();
    assert!(!kept(&bench.server).contains("hunter2"), "plain on disk");
    assert!(kept(&bench.server).contains("k8s:enc:aescbc:v1:old:"));
    configure(&format!("{new}{old}"));
    bench.server.start_again();
    let read = ["get", "secret", "s", "-o", "jsonpath={.data.word}"];
    assert_eq!(bench.kubectl(&read), "aHVudGVyMmh1bnRlcjI=");
    let same = bench.kubectl(&["get", "secret", "s", "-o", "yaml"]);
    bench.kubectl_with(&["replace", "-f", "-"], &same);
    bench.server.stop();
    assert!(kept(&bench.server).contains("k8s:enc:secretbox:v1:new:"), "not written anew");
    bench.server.start_again();
    assert_eq!(bench.kubectl(&read), "aHVudGVyMmh1bnRlcjI=");
}

/// What stands in the store's files.
fn kept(server: &Server) -> String {
    fn collect(directory: &std::path::Path, text: &mut String) {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, text);
            } else if let Ok(bytes) = std::fs::read(&path) {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    let mut text = String::new();
    collect(&server.data_dir().join("store"), &mut text);
    text
}

#[test]
fn every_request_is_told_once_and_no_secret_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let (policy, log) = (directory.path().join("policy.yaml"), directory.path().join("audit.log"));
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\n\
                rules:\n- level: Metadata\n  resources: [{resources: [secrets]}]\n\
                - level: RequestResponse\n  resources: [{resources: [configmaps]}]\n";
    std::fs::write(&policy, text).expect("a file");
    let flags = [
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", log.display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let Some(bench) = bench(&flags) else { return };
    bench.kubectl(&["create", "secret", "generic", "s", "--from-literal=a=hunter2hunter2"]);
    let manifests: Vec<String> = (0..100)
        .map(|at| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{at}}}\ndata: {{k: v{at}}}"
            )
        })
        .collect();
    bench.kubectl_with(&["create", "-f", "-"], &manifests.join("\n---\n"));
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(!text.contains("aHVudGVyMmh1bnRlcjI"), "a secret was told");
    let events = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
    let events: Vec<serde_json::Value> = events.collect();
    for at in 0..100 {
        let name = format!("c{at}");
        let told: Vec<_> = events
            .iter()
            .filter(|event| event["verb"] == "create" && event["objectRef"]["name"] == name)
            .collect();
        assert_eq!(told.len(), 1, "{name}");
        assert_eq!(told[0]["requestObject"]["data"]["k"], format!("v{at}"));
        assert_eq!(told[0]["responseStatus"]["code"], 201);
        assert_eq!(told[0]["user"]["username"], "kubernetes-admin");
    }
}
