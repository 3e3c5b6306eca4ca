//! Service account issuer discovery: the OpenID configuration and the keys with which tokens are
//! checked (features.md section 15, `pkg/serviceaccount/openidmetadata.go`).

use super::answer::Answer;
use crate::http::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::digest::{SHA256, digest};
use ring::signature::{KeyPair as _, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The two documents, made once.
#[derive(Debug, Clone)]
pub struct Issuer {
    configuration: Bytes,
    keys: Bytes,
}

/// A key as a JSON Web Key, with its signature algorithm.
struct Key {
    algorithm: &'static str,
    jwk: Value,
}

impl Issuer {
    /// The documents for `issuer` and the keys in `pems`; `None` if the issuer is no https URL or
    /// no key can be shown, as then upstream serves none.
    pub fn new(issuer: &str, jwks_uri: &str, pems: &[Vec<u8>]) -> Option<Self> {
        if !issuer.starts_with("https://") {
            return None;
        }
        let keys: Vec<Key> = pems.iter().flat_map(|pem| keys_of(pem)).collect();
        let mut algorithms: Vec<&str> = keys.iter().map(|key| key.algorithm).collect();
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
        let keys: Vec<Value> = keys.into_iter().map(|key| key.jwk).collect();
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

/// The public keys of a PEM file, which may hold public keys or an RSA private one.
fn keys_of(pem: &[u8]) -> Vec<Key> {
    let mut keys: Vec<Key> = SubjectPublicKeyInfoDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter_map(|der| public_key(&der))
        .collect();
    if keys.is_empty()
        && let Ok(private) = PrivateKeyDer::from_pem_slice(pem)
    {
        let pair = match &private {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            _ => None,
        };
        keys.extend(pair.and_then(|pair| rsa_of_pkcs1(pair.public_key().as_ref())));
    }
    keys
}

fn public_key(der: &[u8]) -> Option<Key> {
    let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
    let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, der));
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match info.parsed().ok()? {
        PublicKey::RSA(rsa) => {
            let modulus = strip(rsa.modulus);
            let exponent = strip(rsa.exponent);
            let jwk = json!({
                "use": "sig", "kty": "RSA", "kid": id, "alg": "RS256",
                "n": text(modulus), "e": text(exponent),
            });
            Some(Key { algorithm: "RS256", jwk })
        }
        PublicKey::EC(point) => {
            let data = point.data().strip_prefix(&[4])?;
            let (x, y) = data.split_at_checked(data.len() / 2)?;
            let (algorithm, curve) = match x.len() {
                32 => ("ES256", "P-256"),
                48 => ("ES384", "P-384"),
                66 => ("ES512", "P-521"),
                _ => return None,
            };
            let jwk = json!({
                "use": "sig", "kty": "EC", "kid": id, "alg": algorithm, "crv": curve,
                "x": text(x), "y": text(y),
            });
            Some(Key { algorithm, jwk })
        }
        _ => None,
    }
}

/// An RSA key given as PKCS #1; its id is that of the SubjectPublicKeyInfo around it.
fn rsa_of_pkcs1(der: &[u8]) -> Option<Key> {
    // AlgorithmIdentifier { rsaEncryption, NULL }, RFC 8017 appendix A.1.
    const ALGORITHM: &[u8] =
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let mut bits = vec![0];
    bits.extend_from_slice(der);
    let mut inner = ALGORITHM.to_vec();
    inner.extend(tagged(0x03, &bits));
    public_key(&tagged(0x30, &inner))
}

/// A DER value: tag, length, contents.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = contents.len().to_be_bytes();
            let length: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
            out.extend(length);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// Without the zero byte that keeps a DER integer positive.
fn strip(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[0]).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::Issuer;

    const EC: &[u8] = b"-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4C2RPNOxHGpxjSgofeX1oKbxpF6h\n\
        2FGeUkvtIM2ZZsIrXnZwyEOi3fWkT0CLC4n8DzHIPzlo8vDLWyWIh0rTmA==\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn an_issuer_that_is_no_https_url_has_no_documents() {
        assert!(Issuer::new("kubernetes/serviceaccount", "", &[EC.to_vec()]).is_none());
        assert!(Issuer::new("https://x", "", &[]).is_none());
    }

    #[test]
    fn elliptic_keys_show_their_curve() {
        let issuer = Issuer::new("https://x", "https://x/openid/v1/jwks", &[EC.to_vec()]).unwrap();
        let keys: serde_json::Value = serde_json::from_slice(&issuer.keys).unwrap();
        assert_eq!(keys["keys"][0]["crv"], "P-256");
        assert_eq!(keys["keys"][0]["alg"], "ES256");
        assert!(issuer.answer("/openid/v1/jwks").is_some());
        assert!(issuer.answer("/openid").is_none());
    }
}
