//! Tokens, keys and the files that say who is let in, what is audited and what is sealed.

use kubering::audit::Policy;
use kubering::authn::jwt::{Token, claimed_issuer};
use kubering::authn::key::PublicKey;
use kubering::authn::oidc::AuthenticationConfig;
use kubering::authn::{TokenFile, user_of_certificate};
use kubering::authz::AuthorizerConfig;
use kubering::authz::abac::Policies;
use kubering::seal::Sealer;

/// What can be read as a token says the same of itself both ways, and no key takes junk for its
/// signature.
pub(crate) fn run(data: &[u8]) {
    let _ = user_of_certificate(data);
    let _ = PublicKey::of_info(data);
    let keys = PublicKey::all_of_pem(data).unwrap_or_default();
    let _ = Policy::parse(data);
    let _ = Sealer::parse(data);
    let _ = AuthorizerConfig::parse(data, &|_| Ok(()));
    let _ = AuthenticationConfig::parse(data, &[]);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = TokenFile::parse(text);
    let _ = Policies::parse(text);
    for key in &keys {
        assert_eq!(PublicKey::of_jwk(&key.jwk()).as_ref(), Some(key));
    }
    if let Some(token) = Token::parse(text) {
        let issuer = token.claims().get("iss").map_or(Some(""), serde_json::Value::as_str);
        assert_eq!(claimed_issuer(text).as_deref(), issuer);
        let _ = token.check_times(0);
        let _ = token.audiences();
        assert!(keys.iter().all(|key| !token.is_signed_by(key)));
    }
}
