//! Tokens of service accounts: signature, issuer, audiences, times, and whether what they are
//! bound to still stands (`pkg/serviceaccount`: jwt.go, claims.go, legacy.go).

mod bound;
mod issue;
mod legacy;

pub use issue::{Issued, Order, Reference, TokenIssuer};
pub use legacy::LAST_USED;

use super::jwt::{Token, claimed_issuer};
use super::key::PublicKey;
use super::objects::Objects;
use super::{Asked, Failure, Identity, Verdict};
use crate::metrics::{Recorder, Tally};
use crate::request::User;
use std::rc::Rc;

/// The issuer of tokens that stand in secrets.
const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";
/// What the names of service accounts begin with.
const USER_PREFIX: &str = "system:serviceaccount:";
/// Keys of the user's extra facts, sorted as `User::extra` is.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_UID: &str = "authentication.kubernetes.io/node-uid";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Verifies tokens of service accounts.
#[derive(Debug)]
pub struct ServiceAccounts {
    /// `--service-account-key-file`, or the signing key's public half.
    pub keys: Rc<[PublicKey]>,
    /// `--service-account-issuer`.
    pub issuers: Vec<String>,
    /// `--api-audiences`.
    pub audiences: Rc<[String]>,
    /// `--service-account-lookup`; holds for tokens that stand in secrets.
    pub lookup: bool,
    /// Where accounts, secrets, pods and nodes are read.
    pub objects: Objects,
    /// Told of secrets whose tokens are used.
    pub used: async_channel::Sender<UsedSecret>,
    /// Where tokens are counted.
    pub metrics: Rc<Recorder>,
}

/// A secret whose token is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Whom a token names and what it is bound to (`serviceaccount.ServiceAccountInfo`).
#[derive(Debug, Default)]
struct Account {
    namespace: String,
    name: String,
    uid: String,
    pod: Option<(String, String)>,
    node: Option<(String, String)>,
    /// The token's id; "" if it has none.
    token_id: String,
}

impl ServiceAccounts {
    /// The account that the token is for; nothing if another issuer made it.
    ///
    /// # Errors
    /// What is wrong with a token that claims one of our issuers.
    pub async fn authenticate(&self, text: &str, asked: &Asked<'_>) -> Verdict {
        let Some(issuer) = claimed_issuer(text) else { return Ok(None) };
        let legacy = issuer == LEGACY_ISSUER;
        if !legacy && !self.issuers.contains(&issuer) {
            return Ok(None);
        }
        let Some(token) = Token::parse(text) else { return Ok(None) };
        self.check_signature(&token)?;
        let mut own = token.audiences();
        if own.is_empty() {
            asked.annotate("authentication.k8s.io/legacy-token", token.text("sub"));
            own = self.audiences.to_vec();
        }
        let audiences: Vec<String> =
            own.iter().filter(|audience| asked.audiences.contains(audience)).cloned().collect();
        if audiences.is_empty() && !self.audiences.is_empty() {
            return Err(Failure::one(format!(
                "token audiences {} is invalid for the target audiences {}",
                quoted(&own),
                quoted(asked.audiences)
            )));
        }
        if token.audiences().is_empty() {
            self.metrics.tally(Tally::LegacyTokens);
        }
        let account = if legacy {
            legacy::check(self, text, &token, asked).await?
        } else {
            bound::check(self, &token, asked).await?
        };
        let expires = token.time("exp");
        Ok(Some(Identity { user: Rc::new(account.user()), audiences: audiences.into(), expires }))
    }

    /// The named key if we have it, otherwise any (`staticPublicKeysGetter`).
    fn check_signature(&self, token: &Token<'_>) -> Result<(), Failure> {
        let named = |key: &&PublicKey| !token.key_id().is_empty() && key.id() == token.key_id();
        let signed = match self.keys.iter().find(named) {
            Some(key) => token.is_signed_by(key),
            None => self.keys.iter().any(|key| token.is_signed_by(key)),
        };
        if signed {
            return Ok(());
        }
        Err(Failure::one("go-jose/go-jose: error in cryptographic primitive".to_owned()))
    }
}

impl Account {
    fn user(self) -> User {
        let mut extra = Vec::new();
        let mut add = |key: &str, value: String| {
            if !value.is_empty() {
                extra.push((key.to_owned(), vec![value]));
            }
        };
        if !self.token_id.is_empty() {
            add(CREDENTIAL_ID, format!("JTI={}", self.token_id));
        }
        if let Some((name, uid)) = self.node.filter(|(name, _)| !name.is_empty()) {
            add(NODE_NAME, name);
            add(NODE_UID, uid);
        }
        if let Some((name, uid)) =
            self.pod.filter(|(name, uid)| !name.is_empty() && !uid.is_empty())
        {
            add(POD_NAME, name);
            add(POD_UID, uid);
        }
        User {
            name: user_name(&self.namespace, &self.name),
            uid: self.uid,
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{}", self.namespace),
            ],
            extra,
        }
    }
}

/// The user name of a service account (`serviceaccount.MakeUsername`).
pub fn user_name(namespace: &str, name: &str) -> String {
    format!("{USER_PREFIX}{namespace}:{name}")
}

/// Texts as Go prints a slice with `%q`.
fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", texts.join(" "))
}
