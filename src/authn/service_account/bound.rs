//! Tokens of the TokenRequest API (`pkg/serviceaccount/claims.go`): they end with their account,
//! and with the pod, secret or node that they are bound to.

use super::super::jwt::{LEEWAY_SECONDS, TimeFault, Token, seconds};
use super::super::objects::{Missing, was_deleted_before};
use super::super::{Asked, Failure};
use super::{Account, ServiceAccounts};
use crate::base::clock;
use crate::cache::Entry;
use crate::metrics::{Recorder, Tally};
use serde_json::Value;
use std::sync::Arc;

const INVALIDATED: &str = "service account token has been invalidated";

/// The account of a token whose signature, issuer and audience are right.
pub(super) async fn check(
    accounts: &ServiceAccounts,
    token: &Token<'_>,
    asked: &Asked<'_>,
) -> Result<Account, Failure> {
    let now = clock::unix_seconds();
    token.check_times(now).map_err(|fault| {
        Failure::one(match fault {
            TimeFault::Expired => "service account token has expired",
            TimeFault::IssuedInTheFuture => "service account token is issued in the future",
            TimeFault::NotValidYet => "service account token is not valid yet",
        })
    })?;
    let claims = token.claims().get("kubernetes.io").unwrap_or(&Value::Null);
    let namespace = text(claims, "namespace");
    let Reference { name, uid } = Reference::of(claims, "serviceaccount").unwrap_or_default();
    // What is deleted may be used as long as clocks may differ.
    let limit = now.saturating_sub(LEEWAY_SECONDS);
    let found = accounts.objects.get("serviceaccounts", namespace, name).await;
    let account = found.map_err(|missing| not_found(&missing, name))?;
    if account.uid() != uid {
        return Err(Failure::one(format!(
            "service account UID ({}) does not match claim ({uid})",
            account.uid()
        )));
    }
    if was_deleted_before(&account, limit) {
        let text = format!("service account {namespace}/{name} has been deleted");
        return Err(Failure::one(text));
    }
    let secret = Reference::of(claims, "secret");
    let pod = Reference::of(claims, "pod");
    let node = Reference::of(claims, "node");
    if let Some(secret) = &secret {
        let found = accounts.objects.get("secrets", namespace, secret.name).await;
        stands(found, "secret UID", "secret ref", secret, limit)?;
    }
    if let Some(pod) = &pod {
        let found = accounts.objects.get("pods", namespace, pod.name).await;
        stands(found, "pod UID", "pod ref", pod, limit)?;
    } else if let Some(node) = &node {
        // The node of a pod's token is told, not checked: the pod is.
        let found = accounts.objects.get("nodes", "", node.name).await;
        stands(found, "node UID", "node ref", node, limit)?;
    }
    warn(token, claims, now, (asked, &accounts.metrics));
    let owned = |reference: Reference<'_>| (reference.name.to_owned(), reference.uid.to_owned());
    Ok(Account {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        pod: pod.map(owned),
        node: node.map(owned),
        token_id: token.text("jti").to_owned(),
    })
}

#[derive(Debug, Clone, Copy, Default)]
struct Reference<'c> {
    name: &'c str,
    uid: &'c str,
}

impl<'c> Reference<'c> {
    fn of(claims: &'c Value, name: &str) -> Option<Self> {
        let claim = claims.get(name).filter(|claim| !claim.is_null())?;
        Some(Self { name: text(claim, "name"), uid: text(claim, "uid") })
    }
}

fn text<'c>(value: &'c Value, name: &str) -> &'c str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the object that a token is bound to is still the same one.
fn stands(
    found: Result<Arc<Entry>, Missing>,
    what: &str,
    claim: &str,
    reference: &Reference<'_>,
    limit: i64,
) -> Result<(), Failure> {
    let entry = found.map_err(|_| Failure::one(INVALIDATED))?;
    if entry.uid() != reference.uid {
        return Err(Failure::one(format!(
            "{what} ({}) does not match service account {claim} claim ({})",
            entry.uid(),
            reference.uid
        )));
    }
    if was_deleted_before(&entry, limit) {
        return Err(Failure::one(INVALIDATED));
    }
    Ok(())
}

/// Tells the audit of a token that lives longer than its client asked for and is used after that.
fn warn(token: &Token<'_>, claims: &Value, now: i64, (asked, metrics): (&Asked<'_>, &Recorder)) {
    let Some(after) = claims.get("warnafter").and_then(seconds).filter(|after| *after != 0) else {
        metrics.tally(Tally::ValidTokens);
        return;
    };
    if now > after {
        let text = format!(
            "subject: {}, seconds after warning threshold: {}",
            token.text("sub"),
            now - after
        );
        asked.annotate("authentication.k8s.io/stale-token", &text);
        metrics.tally(Tally::StaleTokens);
    } else {
        metrics.tally(Tally::ValidTokens);
    }
}

pub(super) fn not_found(missing: &Missing, name: &str) -> Failure {
    Failure::one(match missing {
        Missing::NotFound => format!("serviceaccounts {name:?} not found"),
        Missing::Unreadable => format!("serviceaccounts {name:?} cannot be read"),
    })
}
