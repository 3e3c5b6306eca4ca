//! A real OpenID issuer, over TLS, whose keys change while the server runs; and its file, which
//! does so too.

use super::authorize::Files;
use super::credentials::who;
use super::service::Service;
use crate::tools::Bench;
use kubering::authn::sign::Signer;
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An issuer that shows the keys that it was last sent.
fn issuer(first: &Signer) -> (Service, mpsc::Sender<Value>) {
    let (keys, changes) = mpsc::channel();
    let shown = json!({ "keys": [first.public().jwk()] });
    let url = Arc::new(OnceLock::<String>::new());
    let own = Arc::clone(&url);
    let shown = std::cell::RefCell::new(shown);
    let service = Service::start(move |path, _| {
        if let Some(newest) = changes.try_iter().last() {
            shown.replace(newest);
        }
        let url = own.get().expect("started");
        let body = match path.starts_with("/.well-known/") {
            true => json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }),
            false => shown.borrow().clone(),
        };
        (200, body.to_string())
    });
    url.set(service.url.clone()).expect("once");
    (service, keys)
}

fn signer() -> Signer {
    let key = KeyPair::generate().expect("a key");
    Signer::of_pem(key.serialize_pem().as_bytes()).expect("a signer")
}

fn token(signer: &Signer, issuer: &str, audience: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = json!({
        "iss": issuer, "sub": "ann", "aud": audience, "exp": now + 600, "groups": ["blue"],
    });
    signer.sign(&claims).expect("random bytes")
}

#[test]
fn an_issuers_tokens_name_their_users_also_after_its_keys_have_changed() {
    let (first, second) = (signer(), signer());
    let (service, keys) = issuer(&first);
    let files = Files::new();
    let ca = files.put("ca.pem", &service.ca);
    let flags = [
        format!("--oidc-issuer-url={}", service.url),
        "--oidc-client-id=me".to_owned(),
        "--oidc-groups-claim=groups".to_owned(),
        "--oidc-groups-prefix=oidc:".to_owned(),
        "--oidc-username-prefix=oidc:".to_owned(),
        "--oidc-signing-algs=ES256".to_owned(),
        format!("--oidc-ca-file={}", ca.display()),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    let who = |token: &str| who(&bench, &["--token", token]);
    let out = who(&token(&first, &service.url, "me"));
    assert!(out.contains("oidc:ann") && out.contains("oidc:blue"), "{out}");
    assert!(who(&token(&first, &service.url, "you")).contains("Unauthorized"));
    assert!(who(&token(&second, &service.url, "me")).contains("Unauthorized"));
    keys.send(json!({ "keys": [second.public().jwk()] })).expect("it runs");
    // Keys are fetched at most every five seconds.
    crate::harness::pause(Duration::from_secs(6));
    let out = who(&token(&second, &service.url, "me"));
    assert!(out.contains("oidc:ann"), "{out}");
    assert!(who(&token(&first, &service.url, "me")).contains("Unauthorized"));
}

#[test]
fn a_changed_authentication_configuration_counts_and_a_broken_one_does_not() {
    let signer = signer();
    let (service, _keys) = issuer(&signer);
    let files = Files::new();
    let file = |prefix: &str| {
        let ca: String = service.ca.lines().map(|line| format!("      {line}\n")).collect();
        let name = format!("\"'{prefix}' + claims.sub\"");
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- \
             issuer:\n    url: {}\n    audiences: [me]\n    certificateAuthority: |\n{ca}  \
             claimMappings: {{username: {{expression: {name}}}}}\n  userValidationRules: \
             [{{expression: \"user.username != 'third:ann'\", message: not him}}]\nanonymous: \
             {{enabled: true, conditions: [{{path: /livez}}]}}\n",
            service.url
        )
    };
    let config = files.put("config", &file("first:"));
    let flag = format!("--authentication-config={}", config.display());
    let Some(bench) = Bench::start_with(&[&flag]) else { return };
    let token = token(&signer, &service.url, "me");
    let who = || who(&bench, &["--token", &token]);
    assert!(who().contains("first:ann"), "{}", who());
    files.put("config", "broken");
    crate::harness::pause(Duration::from_secs(2));
    assert!(who().contains("first:ann"));
    files.put("config", &file("second:"));
    // What was found good counts for ten seconds.
    crate::harness::pause(Duration::from_secs(12));
    assert!(who().contains("second:ann"), "{}", who());
    files.put("config", &file("third:"));
    crate::harness::pause(Duration::from_secs(12));
    assert!(who().contains("Unauthorized"), "{}", who());
}

#[test]
fn groups_that_stand_elsewhere_are_asked_for_there() {
    let (own, other) = (signer(), signer());
    let keys = |signer: &Signer| json!({ "keys": [signer.public().jwk()] }).to_string();
    let (own_keys, other_keys) = (keys(&own), keys(&other));
    let url = Arc::new(OnceLock::<String>::new());
    let mine = Arc::clone(&url);
    let service = Service::start(move |path, _| {
        let url = mine.get().expect("started");
        let document =
            |issuer: &str| json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        let body = match path {
            "/.well-known/openid-configuration" => document(url).to_string(),
            "/far/.well-known/openid-configuration" => document(&format!("{url}/far")).to_string(),
            "/keys" => own_keys.clone(),
            "/far/keys" => other_keys.clone(),
            // Signed by the other issuer, or by one that has no such key.
            "/groups" => signed(&other, &format!("{url}/far"), &json!({"groups": ["distant"]})),
            _ => signed(&other, url, &json!({"groups": ["forged"]})),
        };
        (200, body)
    });
    url.set(service.url.clone()).expect("once");
    let files = Files::new();
    let ca = files.put("ca.pem", &service.ca);
    let flags = [
        format!("--oidc-issuer-url={}", service.url),
        "--oidc-client-id=me".to_owned(),
        "--oidc-groups-claim=groups".to_owned(),
        "--oidc-signing-algs=ES256".to_owned(),
        "--oidc-username-prefix=-".to_owned(),
        format!("--oidc-ca-file={}", ca.display()),
    ];
    let Some(bench) = Bench::start_with(&flags.each_ref().map(String::as_str)) else { return };
    let token = |endpoint: &str| {
        let source = json!({"endpoint": format!("{}/{endpoint}", service.url)});
        let more = json!({"_claim_names": {"groups": "s"}, "_claim_sources": {"s": source}});
        signed(&own, &service.url, &more)
    };
    let out = who(&bench, &["--token", &token("groups")]);
    assert!(out.contains("ann") && out.contains("distant"), "{out}");
    let out = who(&bench, &["--token", &token("forged")]);
    assert!(out.contains("Unauthorized"), "{out}");
}

/// A token of `ann` for `me`, with more claims.
fn signed(signer: &Signer, issuer: &str, more: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut claims = json!({"iss": issuer, "sub": "ann", "aud": "me", "exp": now + 600});
    let (all, more) = (claims.as_object_mut(), more.as_object());
    all.expect("claims").extend(more.expect("claims").clone());
    signer.sign(&claims).expect("random bytes")
}
