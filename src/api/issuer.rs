//! Service account issuer discovery: the OpenID configuration and the keys with which tokens are
//! checked (features.md section 15, `pkg/serviceaccount/openidmetadata.go`).

use super::answer::Answer;
use crate::authn::key::PublicKey;
use crate::http::Body;
use bytes::Bytes;
use serde_json::{Value, json};

/// The two documents, made once.
#[derive(Debug, Clone)]
pub struct Issuer {
    configuration: Bytes,
    keys: Bytes,
}

impl Issuer {
    /// The documents for `issuer` and its keys; `None` if the issuer is no https URL or
    /// no key can be shown, as then upstream serves none.
    pub fn new(issuer: &str, jwks_uri: &str, keys: &[PublicKey]) -> Option<Self> {
        if !issuer.starts_with("https://") {
            return None;
        }
        let mut algorithms: Vec<&str> = keys.iter().map(PublicKey::algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        if keys.is_empty() {
            return None;
        }
        let configuration = json!({
            "issuer": issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        });
        let keys: Vec<Value> = keys.iter().map(PublicKey::jwk).collect();
        let keys = json!({ "keys": keys });
        Some(Self {
            configuration: Bytes::from(configuration.to_string()),
            keys: Bytes::from(keys.to_string()),
        })
    }

    /// The document at `path`, if it is one of the two.
    pub fn answer(&self, path: &str) -> Option<Answer> {
        let (content_type, body) = match path.strip_suffix('/').unwrap_or(path) {
            "/.well-known/openid-configuration" => ("application/json", &self.configuration),
            "/openid/v1/jwks" => ("application/jwk-set+json", &self.keys),
            _ => return None,
        };
        let mut answer = Answer::stream(200, content_type, Body::full(body.clone()));
        answer.headers.push(("cache-control", "public, max-age=3600".into()));
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::Issuer;
    use crate::authn::key::PublicKey;

    const EC: &[u8] = b"-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4C2RPNOxHGpxjSgofeX1oKbxpF6h\n\
        2FGeUkvtIM2ZZsIrXnZwyEOi3fWkT0CLC4n8DzHIPzlo8vDLWyWIh0rTmA==\n\
        -----END PUBLIC KEY-----\n";

    fn keys() -> Vec<PublicKey> {
        PublicKey::all_of_pem(EC).unwrap()
    }

    #[test]
    fn an_issuer_that_is_no_https_url_has_no_documents() {
        assert!(Issuer::new("kubernetes/serviceaccount", "", &keys()).is_none());
        assert!(Issuer::new("https://x", "", &[]).is_none());
    }

    #[test]
    fn elliptic_keys_show_their_curve() {
        let issuer = Issuer::new("https://x", "https://x/openid/v1/jwks", &keys()).unwrap();
        let keys: serde_json::Value = serde_json::from_slice(&issuer.keys).unwrap();
        assert_eq!(keys["keys"][0]["crv"], "P-256");
        assert_eq!(keys["keys"][0]["alg"], "ES256");
        assert!(issuer.answer("/openid/v1/jwks").is_some());
        assert!(issuer.answer("/openid").is_none());
    }
}
