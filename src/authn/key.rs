//! Public keys of token signers: read from PEM or as JSON Web Keys, shown as such, and asked
//! whether a signature is theirs (`k8s.io/client-go/util/keyutil`, RFC 7517, RFC 7518).
//!
//! Left out: the curve P-521, which ring does not have. Such a key is an error where it is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, KeyPair as _, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use rustls_pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RSA.
    Rsa,
    /// The curve P-256.
    P256,
    /// The curve P-384.
    P384,
}

/// A public key with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: String,
    kind: Kind,
    /// RSA: RSAPublicKey of PKCS #1, DER. Curves: the uncompressed point.
    bytes: Vec<u8>,
}

/// Why a text holds no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// No section of it is a key.
    NoKey,
    /// A key of a kind that cannot be used: what it is.
    Unsupported(&'static str),
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKey => f.write_str("data does not contain any valid RSA or ECDSA public keys"),
            Self::Unsupported(what) => write!(f, "{what} cannot be used"),
        }
    }
}

impl PublicKey {
    /// All keys of a PEM text: public keys, certificates, and the public halves of private keys
    /// (`keyutil.ParsePublicKeysPEM`).
    ///
    /// # Errors
    /// [`KeyError`] if there is none, or one that cannot be used.
    pub fn all_of_pem(pem: &[u8]) -> Result<Vec<Self>, KeyError> {
        let mut keys = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
            let Ok((kind, der)) = section else { break };
            keys.extend(of_section(kind, &der)?);
        }
        if keys.is_empty() { Err(KeyError::NoKey) } else { Ok(keys) }
    }

    /// From a SubjectPublicKeyInfo, DER. Its id is its SHA-256 (`keyIDFromPublicKey`).
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn of_info(der: &[u8]) -> Result<Self, KeyError> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyError::NoKey)?;
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, der));
        let mut bytes = info.subject_public_key.data.to_vec();
        let kind = match info.parsed().map_err(|_| KeyError::NoKey)? {
            Parsed::RSA(key) => {
                // Written anew, so that a key has one form however its numbers were padded.
                bytes = rsa_public_key(key.modulus, key.exponent);
                Kind::Rsa
            }
            Parsed::EC(point) => match (point.data().first(), point.data().len()) {
                (Some(&UNCOMPRESSED), 65) => Kind::P256,
                (Some(&UNCOMPRESSED), 97) => Kind::P384,
                _ => return Err(KeyError::Unsupported("an elliptic curve beside P-256 and P-384")),
            },
            _ => return Err(KeyError::Unsupported("a key that is neither RSA nor ECDSA")),
        };
        Ok(Self { id, kind, bytes })
    }

    /// From a JSON Web Key; `None` for one that signs nothing we know.
    pub fn of_jwk(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let id = text("kid").unwrap_or_default().to_owned();
        let (kind, bytes) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (Kind::Rsa, rsa_public_key(&number("n")?, &number("e")?)),
            ("EC", Some("P-256")) => (Kind::P256, point(&number("x")?, &number("y")?, 32)?),
            ("EC", Some("P-384")) => (Kind::P384, point(&number("x")?, &number("y")?, 48)?),
            _ => return None,
        };
        Some(Self { id, kind, bytes })
    }

    /// The key's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The algorithm that this server signs with if the key is its own.
    pub const fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Rsa => "RS256",
            Kind::P256 => "ES256",
            Kind::P384 => "ES384",
        }
    }

    /// The key as a JSON Web Key for signatures.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let curve = match self.kind {
            Kind::Rsa => {
                let (modulus, exponent) = rsa_parts(&self.bytes).unwrap_or_default();
                return json!({
                    "use": "sig", "kty": "RSA", "kid": self.id, "alg": self.algorithm(),
                    "n": text(modulus), "e": text(exponent),
                });
            }
            Kind::P256 => "P-256",
            Kind::P384 => "P-384",
        };
        let coordinates = self.bytes.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        json!({
            "use": "sig", "kty": "EC", "kid": self.id, "alg": self.algorithm(), "crv": curve,
            "x": text(x), "y": text(y),
        })
    }

    /// True if `signature` is this key's over `message` by the algorithm `name` of RFC 7518.
    pub fn verifies(&self, name: &str, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match (self.kind, name) {
            (Kind::Rsa, "RS256") => &RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa, "RS384") => &RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa, "RS512") => &RSA_PKCS1_2048_8192_SHA512,
            (Kind::Rsa, "PS256") => &RSA_PSS_2048_8192_SHA256,
            (Kind::Rsa, "PS384") => &RSA_PSS_2048_8192_SHA384,
            (Kind::Rsa, "PS512") => &RSA_PSS_2048_8192_SHA512,
            (Kind::P256, "ES256") => &ECDSA_P256_SHA256_FIXED,
            (Kind::P384, "ES384") => &ECDSA_P384_SHA384_FIXED,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

fn of_section(kind: SectionKind, der: &[u8]) -> Result<Option<PublicKey>, KeyError> {
    let pair = |pair: Option<RsaKeyPair>| pair.map(|pair| pair.public_key().as_ref().to_vec());
    let pkcs1 = match kind {
        SectionKind::PublicKey => return PublicKey::of_info(der).map(Some),
        SectionKind::Certificate => {
            let (_, certificate) = X509Certificate::from_der(der).map_err(|_| KeyError::NoKey)?;
            return PublicKey::of_info(certificate.public_key().raw).map(Some);
        }
        SectionKind::RsaPrivateKey => {
            let key = PrivatePkcs1KeyDer::from(der);
            pair(RsaKeyPair::from_der(key.secret_pkcs1_der()).ok())
        }
        SectionKind::PrivateKey => {
            let key = PrivatePkcs8KeyDer::from(der);
            let rsa = pair(RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok());
            if rsa.is_none() {
                return super::sign::public_of_pkcs8(der)
                    .map(|der| PublicKey::of_info(&der))
                    .transpose();
            }
            rsa
        }
        SectionKind::EcPrivateKey => {
            let public = super::sign::pkcs8_of_sec1(der)
                .and_then(|pkcs8| super::sign::public_of_pkcs8(&pkcs8));
            return public.map(|der| PublicKey::of_info(&der)).transpose();
        }
        _ => return Ok(None),
    };
    pkcs1.map(|pkcs1| PublicKey::of_info(&rsa_info(&pkcs1))).transpose()
}

/// The SubjectPublicKeyInfo around an RSAPublicKey (RFC 8017, appendix A.1).
pub(super) fn rsa_info(pkcs1: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: &[u8] =
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    info(RSA_ENCRYPTION, pkcs1)
}

/// A SubjectPublicKeyInfo: the AlgorithmIdentifier and the key's bits.
pub(super) fn info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let mut bits = vec![0];
    bits.extend_from_slice(key);
    let mut inner = algorithm.to_vec();
    inner.extend(tagged(0x03, &bits));
    tagged(0x30, &inner)
}

/// An RSAPublicKey of big-endian numbers.
fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut inner = integer(modulus);
    inner.extend(integer(exponent));
    tagged(0x30, &inner)
}

/// Modulus and exponent of an RSAPublicKey, without leading zeros.
fn rsa_parts(pkcs1: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, key) = x509_parser::public_key::RSAPublicKey::from_der(pkcs1).ok()?;
    Some((strip(key.modulus), strip(key.exponent)))
}

/// What an uncompressed point begins with (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// An uncompressed point of two coordinates of `width` bytes.
fn point(x: &[u8], y: &[u8], width: usize) -> Option<Vec<u8>> {
    if x.len() != width || y.len() != width {
        return None;
    }
    let mut bytes = vec![UNCOMPRESSED];
    bytes.extend_from_slice(x);
    bytes.extend_from_slice(y);
    Some(bytes)
}

/// A positive INTEGER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let bytes = strip(bytes);
    let mut contents = Vec::with_capacity(bytes.len() + 1);
    if bytes.first().is_none_or(|first| *first >= 0x80) {
        contents.push(0);
    }
    contents.extend_from_slice(bytes);
    tagged(0x02, &contents)
}

/// A DER value: tag, length, contents.
pub(super) fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
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

fn strip(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}
