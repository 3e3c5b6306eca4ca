//! Claims that stand elsewhere (OpenID Connect Core 1.0, section 5.6.2): a token names where its
//! groups are asked for, and another token, which an issuer has signed too, has them
//! (`claimResolver` of `plugin/pkg/authenticator/token/oidc`).

use super::IssuerConfig;
use super::keys::{KeySource, Place};
use crate::authn::jwt::claimed_issuer;
use crate::base::hash::HashMap;
use crate::base::limits::OIDC_CLAIM_ISSUERS_MAX;
use crate::client::Client;
use arc_swap::ArcSwap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const NAMES: &str = "_claim_names";
const SOURCES: &str = "_claim_sources";

/// Where a claim is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    endpoint: String,
    access_token: String,
}

/// The source of a claim that the token does not have itself.
///
/// # Errors
/// What is wrong with the names or sources.
pub(super) fn source(claims: &Value, claim: &str) -> Result<Option<Source>, String> {
    let Some(names) = claims.get(NAMES).filter(|_| claims.get(claim).is_none()) else {
        return Ok(None);
    };
    let names: BTreeMap<String, String> = serde_json::from_value(names.clone())
        .map_err(|error| format!("oidc: error parsing distributed claim names: {error}"))?;
    let sources = claims.get(SOURCES).ok_or("oidc: no claim sources")?;
    let sources: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_value(sources.clone())
            .map_err(|error| format!("oidc: could not parse claim sources: {error}"))?;
    let Some(name) = names.get(claim) else { return Ok(None) };
    let found = sources.get(name).ok_or_else(|| {
        format!("id token _claim_names contained a source {name} missing in _claims_sources")
    })?;
    let text =
        |field: &str| found.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let source = Source { endpoint: text("endpoint"), access_token: text("access_token") };
    // One without an endpoint may be an aggregated claim.
    Ok(Some(source).filter(|source| !source.endpoint.is_empty()))
}

/// Issuers of such claims, whose keys are fetched when the first one comes.
#[derive(Debug)]
pub(super) struct Resolver {
    client: Client,
    ca: Option<Vec<u8>>,
    issuers: ArcSwap<HashMap<String, Arc<KeySource>>>,
}

impl Resolver {
    /// Trusts servers that these CAs vouch for.
    pub(super) fn new(client: Client, ca: Option<Vec<u8>>) -> Self {
        Self { client, ca, issuers: ArcSwap::default() }
    }

    /// The value of a claim, from its source.
    ///
    /// # Errors
    /// The source does not answer, or with what is no good token that has the claim.
    pub(super) async fn resolve(
        &self,
        config: &IssuerConfig,
        own: &KeySource,
        (source, claim): (&Source, &str),
    ) -> Result<Value, String> {
        let text = own.get(&source.endpoint, &source.access_token).await;
        let text =
            text.map_err(|why| format!("while getting distributed claim {claim:?}: {why}"))?;
        let text = text.trim();
        let issuer = claimed_issuer(text).ok_or_else(|| {
            let endpoint = &source.endpoint;
            format!(
                "getting untrusted issuer from endpoint {endpoint} failed for claim {claim:?}: \
                 malformed JWT"
            )
        })?;
        let failed = |why: String| format!("verify distributed claim token: {why}");
        let token = if issuer == config.url {
            config.verified(text, own).await.map_err(failed)?
        } else {
            let keys = self.keys(&issuer);
            let keys =
                keys.map_err(|why| format!("verifying untrusted issuer {issuer} failed: {why}"))?;
            config.verified(text, &keys).await.map_err(failed)?
        };
        token.claims().get(claim).cloned().ok_or_else(|| {
            format!(
                "jwt returned by distributed claim endpoint {:?} did not contain claim: {claim}",
                source.endpoint
            )
        })
    }

    fn keys(&self, issuer: &str) -> Result<Arc<KeySource>, String> {
        if let Some(known) = self.issuers.load().get(issuer) {
            return Ok(Arc::clone(known));
        }
        if self.issuers.load().len() >= OIDC_CLAIM_ISSUERS_MAX {
            return Err(format!("verifier not initialized for issuer: {issuer:?}"));
        }
        let place =
            Place { issuer: issuer.to_owned(), discovery_url: String::new(), ca: self.ca.clone() };
        let source = Arc::new(KeySource::start(place, self.client.clone())?);
        self.issuers.rcu(|issuers| {
            let mut issuers = HashMap::clone(issuers);
            issuers.insert(issuer.to_owned(), Arc::clone(&source));
            issuers
        });
        Ok(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_stands_where_the_token_says() {
        let of = |claims: Value| source(&claims, "groups");
        let sources = json!({"s": {"endpoint": "https://x", "access_token": "t"}});
        let both = json!({"_claim_names": {"groups": "s"}, "_claim_sources": sources});
        let found = Source { endpoint: "https://x".into(), access_token: "t".into() };
        assert_eq!(of(both), Ok(Some(found)));
        let own = json!({"groups": [], "_claim_names": {"groups": "s"}});
        assert_eq!(of(own), Ok(None));
        assert_eq!(of(json!({})), Ok(None));
        let other = json!({"_claim_names": {"roles": "s"}, "_claim_sources": sources});
        assert_eq!(of(other), Ok(None));
        let aggregated =
            json!({"_claim_names": {"groups": "s"}, "_claim_sources": {"s": {"JWT": "x"}}});
        assert_eq!(of(aggregated), Ok(None));
        let none = json!({"_claim_names": {"groups": "s"}});
        assert_eq!(of(none), Err("oidc: no claim sources".to_owned()));
        let missing = json!({"_claim_names": {"groups": "t"}, "_claim_sources": sources});
        assert!(of(missing).unwrap_err().contains("a source t missing"));
        let broken = json!({"_claim_names": 1, "_claim_sources": sources});
        assert!(of(broken).unwrap_err().starts_with("oidc: error parsing distributed claim names"));
    }
}
