//! The private key that signs service account tokens (`pkg/serviceaccount.JWTTokenGenerator`).

use super::key::{PublicKey, info, rsa_info, tagged};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use std::fmt;

/// AlgorithmIdentifiers of keys on curves (RFC 5480): id-ecPublicKey and the curve.
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
const P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];
/// The curves with how ring names them.
const CURVES: [(&[u8], &EcdsaSigningAlgorithm); 2] =
    [(P256, &ECDSA_P256_SHA256_FIXED_SIGNING), (P384, &ECDSA_P384_SHA384_FIXED_SIGNING)];

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A key that signs tokens.
pub struct Signer {
    pair: Pair,
    public: PublicKey,
    random: SystemRandom,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public.id())
    }
}

impl Signer {
    /// From the PEM text of a private key: PKCS #8, PKCS #1 or SEC 1.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_pem(pem: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|error| format!("private key cannot be read: {error}"))?;
        let rsa = match &key {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            _ => None,
        };
        let random = SystemRandom::new();
        let wrong = "must be an RSA key of 2048 bits or more, or one of the curves P-256 and P-384";
        if let Some(pair) = rsa {
            let info = rsa_info(pair.public_key().as_ref());
            let public = PublicKey::of_info(&info).map_err(|error| error.to_string())?;
            return Ok(Self { pair: Pair::Rsa(pair), public, random });
        }
        let pkcs8 = match &key {
            PrivateKeyDer::Pkcs8(der) => Some(der.secret_pkcs8_der().to_vec()),
            PrivateKeyDer::Sec1(der) => pkcs8_of_sec1(der.secret_sec1_der()),
            _ => None,
        };
        let (info, pair) = pkcs8.and_then(|der| ec_pair(&der)).ok_or(wrong)?;
        let public = PublicKey::of_info(&info).map_err(|error| error.to_string())?;
        Ok(Self { pair: Pair::Ec(pair), public, random })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A token with these claims. `None` if the system has no random bytes.
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "alg": self.public.algorithm(), "kid": self.public.id() });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(&self.random, token.as_bytes()).ok()?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, token.as_bytes(), &mut signature)
                    .ok()?;
                signature
            }
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

/// The pair of a PKCS #8 key on a curve, and the SubjectPublicKeyInfo of its public half.
fn ec_pair(pkcs8: &[u8]) -> Option<(Vec<u8>, EcdsaKeyPair)> {
    CURVES.iter().find_map(|(identifier, algorithm)| {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new()).ok()?;
        Some((info(identifier, pair.public_key().as_ref()), pair))
    })
}

/// The SubjectPublicKeyInfo of a PKCS #8 key on a curve.
pub(super) fn public_of_pkcs8(pkcs8: &[u8]) -> Option<Vec<u8>> {
    ec_pair(pkcs8).map(|(info, _)| info)
}

/// An ECPrivateKey (RFC 5915) as PKCS #8, which is what ring reads. The curve is found by trying.
pub(super) fn pkcs8_of_sec1(sec1: &[u8]) -> Option<Vec<u8>> {
    CURVES.iter().find_map(|(identifier, algorithm)| {
        let mut inner = vec![0x02, 0x01, 0x00];
        inner.extend_from_slice(identifier);
        inner.extend(tagged(0x04, sec1));
        let pkcs8 = tagged(0x30, &inner);
        let fits = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, &SystemRandom::new()).is_ok();
        fits.then_some(pkcs8)
    })
}

#[cfg(test)]
mod tests {
    use super::Signer;
    use crate::authn::jwt::Token;
    use crate::authn::key::PublicKey;
    use serde_json::json;

    #[test]
    fn what_a_key_signs_its_public_half_verifies() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let signer = Signer::of_pem(pair.serialize_pem().as_bytes()).unwrap();
            let text = signer.sign(&json!({ "iss": "x" })).unwrap();
            let token = Token::parse(&text).unwrap();
            let public = PublicKey::all_of_pem(pair.public_key_pem().as_bytes()).unwrap();
            assert_eq!(public[0].id(), token.key_id());
            assert!(token.is_signed_by(&public[0]));
            let private = PublicKey::all_of_pem(pair.serialize_pem().as_bytes()).unwrap();
            assert_eq!(private, public, "a private key names the same public one");
            let other = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let other = PublicKey::all_of_pem(other.public_key_pem().as_bytes()).unwrap();
            assert!(!token.is_signed_by(&other[0]));
            assert_eq!(PublicKey::of_jwk(&public[0].jwk()).unwrap(), public[0]);
        }
    }
}
