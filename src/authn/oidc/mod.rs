//! Tokens of OpenID issuers (`plugin/pkg/authenticator/token/oidc`): who is named by which claims,
//! and the issuer's keys, which a thread of its own fetches.

mod config;
mod distributed;
mod expression;
mod keys;

pub use config::{AuthenticationConfig, FlagIssuer};

use super::jwt::{Token, claimed_issuer, texts};
use super::key::PublicKey;
use super::{Failure, Identity, Verdict};
use crate::base::{clock, timestamp};
use crate::client::Client;
use crate::request::User;
use distributed::Resolver;
use expression::{Expression, Said, of_claims, of_user};
use keys::{KeySource, Place};
use serde_json::Value;
use std::rc::Rc;
use std::sync::Arc;

/// How far from now a token's beginning may be (go-oidc's `leeway`).
const LEEWAY_SECONDS: i64 = 5 * 60;

/// Where a value comes from.
#[derive(Debug, Clone)]
enum Mapping {
    /// A claim, behind a prefix.
    Claim(String, String),
    /// An expression over the claims.
    Expression(Expression),
}

/// A rule that must hold, and what is told if it does not.
type Rule = (Expression, String);

/// An issuer and what its tokens mean.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    url: String,
    discovery_url: String,
    ca: Option<Vec<u8>>,
    audiences: Vec<String>,
    algorithms: Vec<String>,
    username: Mapping,
    groups: Option<Mapping>,
    uid: Option<Mapping>,
    extra: Vec<(String, Expression)>,
    /// Claims and the values that they must have.
    required: Vec<(String, String)>,
    claim_rules: Vec<Rule>,
    user_rules: Vec<Rule>,
}

/// An issuer with its keys, for all shards.
#[derive(Debug)]
pub struct Issuer {
    config: IssuerConfig,
    source: KeySource,
    resolver: Resolver,
}

impl Issuer {
    /// Starts to fetch the keys.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(config: IssuerConfig, client: &Client) -> Result<Arc<Self>, String> {
        let place = Place {
            issuer: config.url.clone(),
            discovery_url: config.discovery_url.clone(),
            ca: config.ca.clone(),
        };
        let resolver = Resolver::new(client.clone(), config.ca.clone());
        let source = KeySource::start(place, client.clone())?;
        Ok(Arc::new(Self { config, source, resolver }))
    }

    /// The user that the token names; nothing if another issuer made it.
    ///
    /// # Errors
    /// What is wrong with a token that claims this issuer.
    pub async fn authenticate(&self, text: &str) -> Verdict {
        if claimed_issuer(text).is_none_or(|issuer| issuer != self.config.url) {
            return Ok(None);
        }
        if self.source.keys().is_none() {
            return Err(Failure::one("oidc: authenticator not initialized"));
        }
        let verified = self.config.verified(text, &self.source).await;
        let token = verified.map_err(|why| Failure::one(format!("oidc: verify token: {why}")))?;
        let token = self.expanded(token).await.map_err(|why| {
            Failure::one(format!("oidc: could not expand distributed claims: {why}"))
        })?;
        let user = self.config.user(&token);
        let user = user.map_err(|why| Failure::one(format!("oidc: {why}")))?;
        let identity = Identity::of(Rc::new(user));
        Ok(Some(Identity { expires: token.time("exp"), ..identity }))
    }

    /// The token with its groups, if they stand elsewhere.
    async fn expanded<'t>(&self, token: Token<'t>) -> Result<Token<'t>, String> {
        let Some(Mapping::Claim(claim, _)) = &self.config.groups else { return Ok(token) };
        let Some(source) = distributed::source(token.claims(), claim)? else { return Ok(token) };
        let wanted = (&source, &**claim);
        // Boxed: each request has room for this future, and few need it.
        let value = Box::pin(self.resolver.resolve(&self.config, &self.source, wanted)).await?;
        Ok(token.with_claim(claim, value))
    }
}

/// The named key if there is one, otherwise any.
fn is_signed(token: &Token<'_>, keys: &[PublicKey]) -> bool {
    let named = |key: &&PublicKey| !token.key_id().is_empty() && key.id() == token.key_id();
    match keys.iter().find(named) {
        Some(key) => token.is_signed_by(key),
        None => keys.iter().any(|key| token.is_signed_by(key)),
    }
}

/// Texts as Go prints a slice with `%q`.
fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", texts.join(" "))
}

/// A claim that must be a text.
fn claim(token: &Token<'_>, name: &str) -> Result<String, String> {
    match token.claims().get(name) {
        None => Err("claim not present".to_owned()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) => Ok(String::new()),
        Some(other) => {
            let kind = match other {
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::Array(_) => "array",
                _ => "object",
            };
            Err(format!("json: cannot unmarshal {kind} into Go value of type string"))
        }
    }
}

impl IssuerConfig {
    /// A token that one of the keys has signed, for one of the audiences, and that holds now.
    async fn verified<'t>(&self, text: &'t str, source: &KeySource) -> Result<Token<'t>, String> {
        let token = Token::parse(text).ok_or("oidc: malformed jwt")?;
        if !self.algorithms.iter().any(|known| known == token.algorithm()) {
            return Err(format!(
                "oidc: malformed jwt: go-jose/go-jose: unexpected signature algorithm {:?}; \
                 expected {}",
                token.algorithm(),
                quoted(&self.algorithms)
            ));
        }
        if !source.keys().is_some_and(|keys| is_signed(&token, &keys)) {
            // The issuer may have new keys.
            let keys = source.refreshed().await;
            if !keys.is_some_and(|keys| is_signed(&token, &keys)) {
                let why = "failed to verify signature: failed to verify id token signature";
                return Err(why.to_owned());
            }
        }
        self.check(&token, clock::unix_seconds())?;
        Ok(token)
    }

    /// Audience and times (`IDTokenVerifier.Verify`).
    fn check(&self, token: &Token<'_>, now: i64) -> Result<(), String> {
        let own = token.audiences();
        let shown = |at: i64| timestamp::rfc3339(at).replace('T', " ").replace('Z', " +0000 UTC");
        let expiry = token.time("exp").unwrap_or_default();
        if expiry < now {
            return Err(format!("oidc: token is expired (Token Expiry: {})", shown(expiry)));
        }
        if let Some(begin) = token.time("nbf")
            && now + LEEWAY_SECONDS < begin
        {
            let (now, begin) = (shown(now), shown(begin));
            return Err(format!(
                "oidc: current time {now} before the nBf (not before) time: {begin}"
            ));
        }
        if own.iter().any(|audience| self.audiences.contains(audience)) {
            return Ok(());
        }
        let mut wanted = self.audiences.clone();
        wanted.sort_unstable();
        Err(format!("oidc: expected audience in {} got {}", quoted(&wanted), quoted(&own)))
    }

    /// The user whom the claims of a good token name.
    fn user(&self, token: &Token<'_>) -> Result<User, String> {
        let mut user =
            User { name: self.username(token)?, groups: self.groups(token)?, ..User::default() };
        user.uid = match &self.uid {
            None => String::new(),
            Some(Mapping::Claim(name, _)) => {
                claim(token, name).map_err(|why| format!("parse uid claim {name:?}: {why}"))?
            }
            Some(Mapping::Expression(expression)) => {
                let failed = |why: &str| format!("error evaluating uid claim expression: {why}");
                match of_claims(expression, token.claims()).map_err(|why| failed(&why))? {
                    Said::Text(text) => text,
                    _ => return Err(failed("uid claim expression must return a string")),
                }
            }
        };
        user.extra = self.extra(token)?;
        self.keep_rules(token, &user)?;
        Ok(user)
    }

    fn username(&self, token: &Token<'_>) -> Result<String, String> {
        let (name, prefix) = match &self.username {
            Mapping::Claim(name, prefix) => (name, prefix),
            Mapping::Expression(expression) => {
                let failed =
                    |why: &str| format!("error evaluating username claim expression: {why}");
                return match of_claims(expression, token.claims()).map_err(|why| failed(&why))? {
                    Said::Text(text) if text.is_empty() => {
                        Err("empty username via CEL expression is not allowed".to_owned())
                    }
                    Said::Text(text) => Ok(text),
                    _ => Err(failed("username claim expression must return a string")),
                };
            }
        };
        let found =
            claim(token, name).map_err(|why| format!("parse username claims {name:?}: {why}"))?;
        if name == "email" {
            match token.claims().get("email_verified") {
                None | Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => return Err("email not verified".to_owned()),
                Some(_) => {
                    let why = "json: cannot unmarshal a value into Go value of type bool";
                    return Err(format!("parse 'email_verified' claim: {why}"));
                }
            }
        }
        Ok(format!("{prefix}{found}"))
    }

    fn groups(&self, token: &Token<'_>) -> Result<Vec<String>, String> {
        match &self.groups {
            None => Ok(Vec::new()),
            Some(Mapping::Claim(name, prefix)) => {
                let own = texts(token.claims().get(name));
                Ok(own.iter().map(|group| format!("{prefix}{group}")).collect())
            }
            Some(Mapping::Expression(expression)) => of_claims(expression, token.claims())
                .and_then(Said::texts)
                .map_err(|why| format!("error evaluating group claim expression: {why}")),
        }
    }

    fn extra(&self, token: &Token<'_>) -> Result<Vec<(String, Vec<String>)>, String> {
        let mut extra = Vec::new();
        let id = token.text("jti");
        if !id.is_empty() {
            let key = "authentication.kubernetes.io/credential-id";
            extra.push((key.to_owned(), vec![format!("JTI={id}")]));
        }
        for (key, expression) in &self.extra {
            let values = of_claims(expression, token.claims()).and_then(Said::texts);
            let values = values.map_err(|why| {
                let text = expression.text();
                format!("error evaluating extra claim expression: {text}: {why}")
            })?;
            if !values.is_empty() {
                extra.push((key.clone(), values));
            }
        }
        extra.sort_unstable();
        Ok(extra)
    }

    fn keep_rules(&self, token: &Token<'_>, user: &User) -> Result<(), String> {
        for (name, value) in &self.required {
            let own = match claim(token, name) {
                Ok(own) => own,
                Err(_) if token.claims().get(name).is_none() => {
                    return Err(format!("required claim {name} not present in ID token"));
                }
                Err(why) => return Err(format!("parse claim {name}: {why}")),
            };
            if own != *value {
                return Err(format!(
                    "required claim {name} value does not match. Got = {own}, want = {value}"
                ));
            }
        }
        let kept = |(rule, message): &Rule, said: Result<Said, String>| match said? {
            Said::Bool(true) => Ok(()),
            Said::Bool(false) => {
                Err(format!("validation expression '{}' failed: {message}", rule.text()))
            }
            _ => Err("validation expression must return a boolean".to_owned()),
        };
        for rule in &self.claim_rules {
            kept(rule, of_claims(&rule.0, token.claims()))
                .map_err(|why| format!("error evaluating claim validation expression: {why}"))?;
        }
        for rule in &self.user_rules {
            kept(rule, of_user(&rule.0, user))
                .map_err(|why| format!("error evaluating user info validation rule: {why}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
