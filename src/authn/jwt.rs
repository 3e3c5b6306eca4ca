//! JSON Web Tokens in compact form (RFC 7515, RFC 7519): taken apart, not trusted until a key
//! verifies them.

use super::key::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Algorithms that a token may name; `none` and those with shared secrets are not among them.
const ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
/// Clocks may differ by this much (`jwt.DefaultLeeway`).
pub const LEEWAY_SECONDS: i64 = 60;

/// A token whose signature has not been looked at.
#[derive(Debug, Clone)]
pub struct Token<'t> {
    algorithm: String,
    key_id: String,
    signed: &'t str,
    signature: Vec<u8>,
    claims: Value,
}

/// Why a token does not hold now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// After `exp`.
    Expired,
    /// Before `iat`.
    IssuedInTheFuture,
    /// Before `nbf`.
    NotValidYet,
}

/// The claims of a token in three parts, signature unseen; `None` if it is none.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// The issuer that a token claims, which says whom to ask about it; `None` if it is no token.
pub fn claimed_issuer(token: &str) -> Option<String> {
    claims(token)?.get("iss").map_or(Some(""), Value::as_str).map(str::to_owned)
}

impl<'t> Token<'t> {
    /// Takes a token apart; `None` if it is none, or names an algorithm we do not take.
    pub fn parse(text: &'t str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let algorithm = header.get("alg")?.as_str()?;
        // Extensions that must be understood are none that we understand (RFC 7515, 4.1.11).
        if !ALGORITHMS.contains(&algorithm) || header.get("crit").is_some() || !claims.is_object() {
            return None;
        }
        let key_id = header.get("kid").and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            algorithm: algorithm.to_owned(),
            key_id: key_id.to_owned(),
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            claims,
        })
    }

    /// The id of the key that is said to have signed it; "" if none is named.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The algorithm it is said to be signed with.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// True if `key` has signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(&self.algorithm, self.signed.as_bytes(), &self.signature)
    }

    /// All claims.
    pub const fn claims(&self) -> &Value {
        &self.claims
    }

    /// The token with one claim more.
    pub fn with_claim(mut self, name: &str, value: Value) -> Self {
        if let Some(claims) = self.claims.as_object_mut() {
            claims.insert(name.to_owned(), value);
        }
        self
    }

    /// A claim that is text; "" for anything else.
    pub fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The claim at a path; "" for what is no text.
    pub fn text_at(&self, path: &[&str]) -> &str {
        let found = path.iter().try_fold(&self.claims, |value, name| value.get(name));
        found.and_then(Value::as_str).unwrap_or_default()
    }

    /// The audiences: `aud` is a text or a list of them.
    pub fn audiences(&self) -> Vec<String> {
        texts(self.claims.get("aud"))
    }

    /// A point in time, seconds since the epoch.
    pub fn time(&self, name: &str) -> Option<i64> {
        seconds(self.claims.get(name)?)
    }

    /// Whether the token holds at `now` (`jwt.Claims.ValidateWithLeeway`).
    ///
    /// # Errors
    /// The first time that is wrong.
    pub fn check_times(&self, now: i64) -> Result<(), TimeFault> {
        if self.time("nbf").is_some_and(|at| now.saturating_add(LEEWAY_SECONDS) < at) {
            return Err(TimeFault::NotValidYet);
        }
        if self.time("exp").is_some_and(|at| now.saturating_sub(LEEWAY_SECONDS) > at) {
            return Err(TimeFault::Expired);
        }
        if self.time("iat").is_some_and(|at| now.saturating_add(LEEWAY_SECONDS) < at) {
            return Err(TimeFault::IssuedInTheFuture);
        }
        Ok(())
    }
}

/// A NumericDate, its fraction cut off.
pub fn seconds(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is far enough")]
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

/// A claim that is a text or a list of texts.
pub fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeFault, Token, claimed_issuer};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(claims), part("sig"))
    }

    #[test]
    fn the_issuer_is_read_before_anything_is_trusted() {
        let text = token(r#"{"alg":"RS256"}"#, r#"{"iss":"me"}"#);
        assert_eq!(claimed_issuer(&text).as_deref(), Some("me"));
        for bad in ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", &format!("{text}.x")] {
            assert_eq!(claimed_issuer(bad), None, "{bad}");
        }
    }

    #[test]
    fn unsigned_tokens_and_shared_secrets_are_no_tokens() {
        for algorithm in ["none", "HS256", "EdDSA", ""] {
            let text = token(&format!(r#"{{"alg":"{algorithm}"}}"#), "{}");
            assert!(Token::parse(&text).is_none(), "{algorithm}");
        }
        assert!(Token::parse(&token(r#"{"alg":"ES256","crit":["x"]}"#, "{}")).is_none());
        assert!(Token::parse(&token(r#"{"alg":"ES256"}"#, "[]")).is_none());
    }

    #[test]
    fn times_have_a_minute_of_leeway() {
        let text = token(r#"{"alg":"ES256"}"#, r#"{"nbf":1000,"iat":1000,"exp":2000.7}"#);
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.check_times(940), Ok(()));
        assert_eq!(token.check_times(939), Err(TimeFault::NotValidYet));
        assert_eq!(token.check_times(2060), Ok(()));
        assert_eq!(token.check_times(2061), Err(TimeFault::Expired));
    }

    #[test]
    fn an_audience_may_be_one_text() {
        let text = token(r#"{"alg":"ES256"}"#, r#"{"aud":"a"}"#);
        assert_eq!(Token::parse(&text).unwrap().audiences(), ["a"]);
    }
}
