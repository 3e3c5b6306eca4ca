//! Who asks: the request authenticators in kube-apiserver's order (features.md section 4). The
//! server's own token, front proxies, client certificates, bearer tokens, and last anonymous, which
//! is only for those who show nothing: a credential that does not hold is a refusal.
//!
//! Nothing here waits for another shard but through the cache, and what was found good is kept for
//! a moment. Secrets are compared by their digests and never logged.

mod bearer;
mod bootstrap;
mod certificate;
mod failure;
mod front_proxy;
pub mod jwt;
pub mod key;
mod objects;
pub mod oidc;
mod service_account;
pub mod sign;
mod token;
mod token_cache;
mod token_file;
mod webhook;

pub use certificate::{ClientCertificate, user_of_certificate};
pub use failure::Failure;
pub use front_proxy::{FrontProxy, unescaped};
pub use objects::Objects;
pub use service_account::{
    Issued, LAST_USED, Order, Reference, ServiceAccounts, TokenIssuer, UsedSecret, user_name,
};
pub use token::{Asked, Issuers, Tokens};
pub use token_cache::{CacheFigures, TokenCache};
pub use token_file::{TokenFile, TokenFileError};
pub use webhook::{TokenService, TokenWebhook};

use crate::http::{ClientCertificates, HeaderMap, header};
use crate::request::{Context, User};
use ring::digest::{SHA256, digest};
use std::rc::Rc;

/// Every authenticated user is in this group.
pub const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
/// What a token that nobody knows is called.
const INVALID_TOKEN: &str = "invalid bearer token";

/// Whom a credential names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: Rc<User>,
    /// Audiences that were asked for and that the credential is meant for; none if it knows none.
    pub audiences: Rc<[String]>,
    /// When the credential ends, seconds since the epoch.
    pub expires: Option<i64>,
}

/// What one authenticator says: the user, or nothing if the credential is none of its own.
pub type Verdict = Result<Option<Identity>, Failure>;

impl Identity {
    /// A user whose credential knows no audiences.
    pub fn of(user: Rc<User>) -> Self {
        Self { user, audiences: Rc::default(), expires: None }
    }

    /// With the user in `group`, unless he says of himself whether he is authenticated
    /// (`AuthenticatedGroupAdder`).
    fn in_group(mut self, group: &str) -> Self {
        let says = |user: &User| user.in_group(AUTHENTICATED) || user.in_group(UNAUTHENTICATED);
        if !says(&self.user) && self.user.name != "system:anonymous" {
            Rc::make_mut(&mut self.user).groups.push(group.to_owned());
        }
        self
    }
}

/// What authenticators tell beside the user.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    warnings: Vec<&'static str>,
    annotations: Vec<(&'static str, String)>,
}

impl Notes {
    fn tell(&self, context: &Context) {
        self.warnings.iter().for_each(|text| context.warn(*text));
        for (key, value) in &self.annotations {
            context.annotate(*key, value.as_str());
        }
    }
}

/// Who may go without credentials.
#[derive(Debug, Clone, Default)]
pub struct Anonymous {
    /// `--anonymous-auth`.
    pub enabled: bool,
    /// Paths at which; all if empty.
    pub paths: Vec<String>,
}

/// What a request shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'r> {
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// The certificates of its connection.
    pub certificates: Option<&'r ClientCertificates>,
    /// What is known of the first of them.
    pub certificate: Option<&'r ClientCertificate>,
    /// Its path, decoded.
    pub path: &'r str,
}

/// The authenticators of one shard.
#[derive(Debug)]
pub struct Authenticator {
    /// Front proxies.
    pub front_proxy: FrontProxy,
    /// Bearer tokens.
    pub tokens: Tokens,
    /// Those who show nothing.
    pub anonymous: Anonymous,
    /// SHA-256 of the server's own token, made at start.
    pub loopback_token: [u8; 32],
    /// The user of that token.
    pub loopback: Rc<User>,
}

impl Authenticator {
    /// The server's own token and user, for [`Authenticator::loopback_token`].
    pub fn own() -> Rc<User> {
        token::loopback()
    }

    /// Audiences of tokens for this server.
    pub fn audiences(&self) -> &[String] {
        &self.tokens.audiences
    }

    /// Finds the user of a request.
    ///
    /// # Errors
    /// [`Failure`]: answer 401, and say nothing of why.
    pub async fn authenticate(
        &self,
        shown: Shown<'_>,
        context: &Context,
    ) -> Result<Identity, Failure> {
        let mut failure = Failure::default();
        match self.front_proxy.authenticate(shown.certificates, shown.headers) {
            Ok(Some(identity)) => return Ok(identity.in_group(AUTHENTICATED)),
            Ok(None) => {}
            Err(error) => failure.add(error),
        }
        match shown.certificate.map(ClientCertificate::user) {
            Some(Ok(Some(user))) => return Ok(Identity::of(user)),
            Some(Err(error)) => failure.add(error),
            Some(Ok(None)) | None => {}
        }
        let authorization = shown.headers.get(header::AUTHORIZATION);
        let authorization = authorization.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let audiences = Rc::clone(&self.tokens.audiences);
        if let Some(token) = authorization.as_deref().and_then(|t| bearer::of_text(t, context)) {
            match self.token(token, &audiences, context).await {
                Ok(identity) => return Ok(identity),
                Err(error) => failure.add(error),
            }
        }
        match bearer::of_protocols(shown.headers) {
            Ok(Some((token, _))) => match self.token(&token, &audiences, context).await {
                Ok(identity) => return Ok(identity),
                Err(error) => failure.add(error),
            },
            Ok(None) => {}
            Err(error) => failure.add(error),
        }
        self.anonymous(failure, &audiences, shown.path)
    }

    /// Finds the user of a token that somebody shows on behalf of another (TokenReview).
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn review(
        &self,
        token: &str,
        audiences: &[String],
        context: &Context,
    ) -> Result<Identity, Failure> {
        match bearer::of_text(&format!("Bearer {token}"), context) {
            Some(token) => self.token(token, audiences, context).await,
            None => self.anonymous(Failure::default(), audiences, ""),
        }
    }

    /// Takes credentials out of a request that is authenticated.
    pub fn clear(&self, headers: &mut HeaderMap) {
        bearer::clear(headers);
        self.front_proxy.clear(headers);
    }

    async fn token(
        &self,
        token: &str,
        audiences: &[String],
        context: &Context,
    ) -> Result<Identity, Failure> {
        let hash = digest(&SHA256, token.as_bytes());
        if *hash.as_ref() == self.loopback_token {
            let own = Identity::of(Rc::clone(&self.loopback));
            return Ok(Identity { audiences: Rc::clone(&self.tokens.audiences), ..own });
        }
        // The own token comes first, and knows no other.
        let mut failure = Failure::one(INVALID_TOKEN);
        match self.tokens.authenticate(token, audiences, context).await {
            Ok(Some(identity)) => return Ok(identity),
            Ok(None) => {}
            Err(error) => failure.add(error),
        }
        Err(failure)
    }

    fn anonymous(
        &self,
        failure: Failure,
        audiences: &[String],
        path: &str,
    ) -> Result<Identity, Failure> {
        let Anonymous { enabled, paths } = &self.anonymous;
        let may = *enabled && (paths.is_empty() || paths.iter().any(|allowed| allowed == path));
        if !failure.is_empty() || !may {
            return Err(failure);
        }
        let identity = Identity::of(Rc::new(User::anonymous()));
        Ok(Identity { audiences: audiences.into(), ..identity })
    }
}
