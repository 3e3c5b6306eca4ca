//! Who asks: client certificates, static bearer tokens, anonymous, in kube-apiserver's order
//! (features.md section 4). The other authenticators of that section are not built yet.

mod certificate;
mod token_file;

pub use certificate::{ClientCertificate, user_of_certificate};
pub use token_file::{TokenFile, TokenFileError};

use crate::request::User;
use ring::digest::{SHA256, digest};

/// Every authenticated user is in this group.
pub const AUTHENTICATED: &str = "system:authenticated";

/// What a request shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'r> {
    /// The `Authorization` header.
    pub authorization: Option<&'r str>,
    /// The client certificate of the connection.
    pub certificate: Option<&'r ClientCertificate>,
}

/// The authenticators of one shard.
#[derive(Debug)]
pub struct Authenticator {
    /// `--token-auth-file`.
    pub tokens: TokenFile,
    /// `--anonymous-auth`.
    pub anonymous: bool,
    /// The server's own token, made at start; user `system:apiserver`.
    pub loopback_token: [u8; 32],
}

/// The credentials are missing or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unauthenticated;

impl Authenticator {
    /// Finds the user. A credential that is shown and does not hold is a refusal, never a reason to
    /// go on as anonymous.
    ///
    /// # Errors
    /// [`Unauthenticated`]: answer 401.
    pub fn authenticate(&self, shown: Credentials<'_>) -> Result<User, Unauthenticated> {
        let mut failed = false;
        match shown.certificate {
            Some(ClientCertificate::Verified(user)) => return Ok(with_group(user.clone())),
            Some(ClientCertificate::Refused) => failed = true,
            None => {}
        }
        if let Some(token) = shown.authorization.and_then(bearer) {
            let hash: [u8; 32] =
                digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap_or_default();
            if hash == self.loopback_token {
                return Ok(loopback());
            }
            match self.tokens.user(&hash) {
                Some(user) => return Ok(user.clone()),
                None => failed = true,
            }
        }
        if failed || !self.anonymous {
            return Err(Unauthenticated);
        }
        Ok(User::anonymous())
    }
}

/// The token of `Authorization: Bearer TOKEN`. Any other scheme is not a credential here, as
/// upstream; `Basic` is gone there since 1.19.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn loopback() -> User {
    User {
        name: "system:apiserver".into(),
        groups: vec!["system:masters".into(), AUTHENTICATED.into()],
        ..User::default()
    }
}

/// Adds `system:authenticated` unless the user has it.
fn with_group(mut user: User) -> User {
    if !user.in_group(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.into());
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authenticator() -> Authenticator {
        let tokens = TokenFile::parse("secret,alice,u1,\"dev,ops\"\nplain,bob,u2\n").unwrap();
        Authenticator { tokens, anonymous: true, loopback_token: [7; 32] }
    }

    fn with_header(header: &str) -> Result<User, Unauthenticated> {
        let shown = Credentials { authorization: Some(header), certificate: None };
        authenticator().authenticate(shown)
    }

    #[test]
    fn a_known_token_names_its_user_and_groups() {
        let user = with_header("Bearer secret").unwrap();
        assert_eq!(user.name, "alice");
        assert_eq!(user.groups, ["dev", "ops", AUTHENTICATED]);
        assert_eq!(with_header("bearer plain").unwrap().groups, [AUTHENTICATED]);
    }

    #[test]
    fn a_wrong_token_is_refused_and_never_anonymous() {
        assert_eq!(with_header("Bearer wrong"), Err(Unauthenticated));
    }

    #[test]
    fn no_credential_is_anonymous_if_that_is_allowed() {
        let user = authenticator().authenticate(Credentials::default()).unwrap();
        assert_eq!(user.name, "system:anonymous");
        let strict = Authenticator { anonymous: false, ..authenticator() };
        assert_eq!(strict.authenticate(Credentials::default()), Err(Unauthenticated));
    }

    #[test]
    fn a_certificate_that_does_not_verify_is_refused() {
        let refused = ClientCertificate::Refused;
        let shown = Credentials { authorization: None, certificate: Some(&refused) };
        assert_eq!(authenticator().authenticate(shown), Err(Unauthenticated));
    }
}
