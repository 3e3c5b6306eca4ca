//! Tokens that stand in secrets (`pkg/serviceaccount/legacy.go`): they do not expire, and end with
//! their secret.

use super::super::jwt::Token;
use super::super::objects::decode;
use super::super::{Asked, Failure};
use super::bound::not_found;
use super::{Account, ServiceAccounts, user_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use ring::digest::{SHA256, digest};

const INVALIDATED: &str = "Token has been invalidated";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
const AUTO_GENERATED: &str = "Use tokens from the TokenRequest API or manually created \
                              secret-based tokens instead of auto-generated secret-based tokens.";

/// The account of a token whose signature and audience are right.
pub(super) async fn check(
    accounts: &ServiceAccounts,
    text: &str,
    token: &Token<'_>,
    asked: &Asked<'_>,
) -> Result<Account, Failure> {
    let claim = |name: &str| token.text(&format!("kubernetes.io/serviceaccount/{name}"));
    let subject = token.text("sub");
    let namespace = claim("namespace");
    let secret_name = claim("secret.name");
    let name = claim("service-account.name");
    let uid = claim("service-account.uid");
    let needed = [
        (subject, "sub"),
        (namespace, "namespace"),
        (secret_name, "secretName"),
        (name, "serviceAccountName"),
        (uid, "serviceAccountUID"),
    ];
    if let Some((_, missing)) = needed.iter().find(|(value, _)| value.is_empty()) {
        return Err(Failure::one(format!("{missing} claim is missing")));
    }
    if subject != user_name(namespace, name) {
        return Err(Failure::one("sub claim is invalid"));
    }
    let account = Account {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        ..Account::default()
    };
    if !accounts.lookup {
        return Ok(account);
    }
    let secret = accounts.objects.get("secrets", namespace, secret_name).await;
    let secret = secret.map_err(|_| Failure::one(INVALIDATED))?;
    if secret.deleting() {
        return Err(Failure::one(INVALIDATED));
    }
    let arena = Bump::new();
    let object = decode(&secret, &arena).ok_or_else(|| Failure::one(INVALIDATED))?;
    let kept = STANDARD.decode(object.str_at(&["data", "token"])).unwrap_or_default();
    // Digests are compared, so that the time taken says nothing about the kept token.
    if digest(&SHA256, &kept).as_ref() != digest(&SHA256, text.as_bytes()).as_ref() {
        return Err(Failure::one("Token does not match server's copy"));
    }
    let found = accounts.objects.get("serviceaccounts", namespace, name).await;
    let owner = found.map_err(|missing| not_found(&missing, name))?;
    if owner.deleting() {
        let text = format!("ServiceAccount {namespace}/{name} has been deleted");
        return Err(Failure::one(text));
    }
    if owner.uid() != uid {
        let own = owner.uid();
        let text = format!("ServiceAccount UID ({own}) does not match claim ({uid})");
        return Err(Failure::one(text));
    }
    let arena = Bump::new();
    let listed = decode(&owner, &arena).is_some_and(|object| {
        object.list_at(&["secrets"]).iter().any(|secret| secret.str_at(&["name"]) == secret_name)
    });
    if listed {
        asked.warn(AUTO_GENERATED);
    }
    if secret.label(INVALID_SINCE).is_some_and(|since| !since.is_empty()) {
        let audited = format!("{secret_name}/{namespace}");
        asked.annotate("authentication.k8s.io/legacy-token-invalidated", &audited);
        return Err(Failure::one(format!(
            "the token in secret {namespace}/{secret_name} for service account {namespace}/{name} \
             has been marked invalid. Use tokens from the TokenRequest API or manually created \
             secret-based tokens, or remove the '{INVALID_SINCE}' label from the secret to \
             temporarily allow use of this token"
        )));
    }
    Ok(account)
}
