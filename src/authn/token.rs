//! What a bearer token is worth: the authenticators of tokens in upstream's order, and the cache
//! before those that have to ask.

use super::objects::Objects;
use super::oidc::Issuer;
use super::token_cache::{CacheFigures, Key, TokenCache};
use super::{AUTHENTICATED, Failure, Identity, Notes, Verdict, bootstrap};
use super::{ServiceAccounts, TokenFile, TokenWebhook};
use crate::base::clock;
use crate::request::{Context, User};
use ring::digest;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// What a token is shown for, and what is found on the way.
#[derive(Debug)]
pub struct Asked<'r> {
    /// Audiences of which the token must be meant for one.
    pub audiences: &'r [String],
    notes: RefCell<Notes>,
}

impl Asked<'_> {
    /// An annotation of the request's audit event.
    pub fn annotate(&self, key: &'static str, value: &str) {
        self.notes.borrow_mut().annotations.push((key, value.to_owned()));
    }

    /// A warning for the client.
    pub fn warn(&self, text: &'static str) {
        self.notes.borrow_mut().warnings.push(text);
    }
}

/// OpenID issuers, for all shards.
pub type Issuers = Arc<[Arc<Issuer>]>;

/// The authenticators of tokens.
#[derive(Debug)]
pub struct Tokens {
    /// `--token-auth-file`.
    pub file: TokenFile,
    /// Service accounts.
    pub accounts: ServiceAccounts,
    /// Where bootstrap tokens stand, if they are taken.
    pub bootstrap: Option<Objects>,
    /// OpenID issuers; they may change while the server runs.
    pub issuers: RefCell<Issuers>,
    /// A service that knows more tokens.
    pub webhook: Option<TokenWebhook>,
    /// `--api-audiences`.
    pub audiences: Rc<[String]>,
    /// What was found a moment ago.
    pub cache: RefCell<TokenCache>,
    /// How often it was of use.
    pub figures: CacheFigures,
}

impl Tokens {
    /// The user of a token that is meant for one of `audiences`.
    ///
    /// # Errors
    /// What the authenticators that know the token say against it.
    pub async fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
        context: &Context,
    ) -> Verdict {
        let key = key(token, audiences);
        if let Some(user) = self.file.user(&key.token) {
            self.figures.hit();
            return Ok(self.for_any_audience(Identity::of(Rc::clone(user)), audiences));
        }
        let now = clock::now();
        if let Some((identity, notes)) = self.cache.borrow_mut().get(&key.both, now) {
            self.figures.hit();
            notes.tell(context);
            return Ok(Some(identity.clone()));
        }
        let found = Box::pin(self.fetch(token, audiences, key.both, context)).await;
        self.figures.fetched(found.is_ok(), clock::now().saturating_duration_since(now));
        found
    }

    /// Asks the authenticators that have to work for it.
    async fn fetch(
        &self,
        token: &str,
        audiences: &[String],
        key: Key,
        context: &Context,
    ) -> Verdict {
        let asked = Asked { audiences, notes: RefCell::default() };
        let mut failure = Failure::default();
        let mut found = None;
        // Boxed: each request has room for this future, and few need it.
        match Box::pin(self.accounts.authenticate(token, &asked)).await {
            Ok(identity) => found = identity,
            Err(error) => failure.add(error),
        }
        if found.is_none()
            && let Some(objects) = &self.bootstrap
        {
            match Box::pin(bootstrap::authenticate(objects, token)).await {
                Ok(identity) => {
                    found = identity.and_then(|one| self.for_any_audience(one, audiences));
                }
                Err(error) => failure.add(error),
            }
        }
        let issuers = Arc::clone(&self.issuers.borrow());
        for issuer in &*issuers {
            if found.is_some() {
                break;
            }
            match issuer.authenticate(token).await {
                Ok(identity) => {
                    found = identity.and_then(|one| self.for_any_audience(one, audiences));
                }
                Err(error) => failure.add(error),
            }
        }
        if found.is_none()
            && let Some(webhook) = &self.webhook
        {
            match webhook.authenticate(token, audiences, &key).await {
                Ok(identity) => found = identity,
                Err(error) => failure.add(error),
            }
        }
        let notes = asked.notes.into_inner();
        notes.tell(context);
        let Some(identity) = found else {
            return if failure.is_empty() { Ok(None) } else { Err(failure) };
        };
        let identity = identity.in_group(AUTHENTICATED);
        self.cache.borrow_mut().put(key, clock::now(), identity.clone(), notes);
        Ok(Some(identity))
    }

    /// Tokens that know no audience are meant for this server (`WrapAudienceAgnosticToken`).
    fn for_any_audience(&self, identity: Identity, audiences: &[String]) -> Option<Identity> {
        if audiences.is_empty() || *audiences == *self.audiences {
            return Some(Identity { audiences: Rc::clone(&self.audiences), ..identity });
        }
        let own = self.audiences.iter().filter(|audience| audiences.contains(audience));
        let audiences: Rc<[String]> = own.cloned().collect();
        (!audiences.is_empty()).then_some(Identity { audiences, ..identity })
    }
}

struct Keys {
    token: Key,
    both: Key,
}

/// The token's digest, and that of the token for other audiences than this server's own.
fn key(token: &str, audiences: &[String]) -> Keys {
    let hash = |context: digest::Context| -> Key {
        context.finish().as_ref().try_into().unwrap_or_default()
    };
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(token.as_bytes());
    let alone = hash(context.clone());
    for audience in audiences {
        context.update(&[0]);
        context.update(audience.as_bytes());
    }
    Keys { token: alone, both: hash(context) }
}

/// The server's own user, of the token that it makes at start.
pub(super) fn loopback() -> Rc<User> {
    Rc::new(User {
        name: "system:apiserver".into(),
        groups: vec![AUTHENTICATED.into(), "system:masters".into()],
        ..User::default()
    })
}
