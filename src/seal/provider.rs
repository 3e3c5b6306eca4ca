//! The providers and their bytes (`pkg/storage/value/encrypt`): identity, aescbc, aesgcm,
//! secretbox. Nonces are random; ciphers are RustCrypto's, for ring has neither CBC nor 192-bit
//! keys nor XSalsa20.

use super::kms::{self, Plugin};
use super::{Opened, SEALED, SealError};
use crate::base::ids;
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{AesGcm, Nonce};
use bytes::{Bytes, BytesMut};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _};
use crypto_secretbox::XSalsa20Poly1305;
use std::fmt;
use std::sync::Arc;

const BLOCK_BYTES: usize = 16;
const GCM_NONCE_BYTES: usize = 12;
const BOX_NONCE_BYTES: usize = 24;

/// What a provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Cbc,
    Gcm,
    Identity,
    Kms,
    SecretBox,
}

impl Kind {
    /// What its bytes begin with, before the key's name.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Cbc => "k8s:enc:aescbc:v1:",
            Self::Gcm => "k8s:enc:aesgcm:v1:",
            Self::Identity => "",
            Self::Kms => kms::PREFIX,
            Self::SecretBox => "k8s:enc:secretbox:v1:",
        }
    }

    /// Bytes that a secret may have.
    pub(super) const fn lengths(self) -> &'static [usize] {
        match self {
            Self::Cbc | Self::Gcm => &[16, 24, 32],
            Self::Identity | Self::Kms => &[],
            Self::SecretBox => &[32],
        }
    }
}

/// The prefix that figures tell of stored bytes (`RecordTransformation`).
pub(super) fn prefix_of(stored: &[u8]) -> &'static str {
    let kinds = [Kind::Cbc, Kind::Gcm, Kind::Kms, Kind::SecretBox];
    let known = kinds.map(Kind::prefix).into_iter().find(|at| stored.starts_with(at.as_bytes()));
    known.unwrap_or(if stored.starts_with(SEALED) { "unknown" } else { "identity" })
}

/// A key with its name.
pub(super) struct Key {
    pub(super) name: String,
    cipher: Cipher,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// Ciphers with their expanded keys. CBC is set up anew for each value, with its IV.
enum Cipher {
    Cbc(Vec<u8>),
    Gcm128(Box<AesGcm<Aes128, U12>>),
    Gcm192(Box<AesGcm<Aes192, U12>>),
    Gcm256(Box<AesGcm<Aes256, U12>>),
    SecretBox(Box<XSalsa20Poly1305>),
}

impl Key {
    /// None if the secret has not the length that the provider wants.
    pub(super) fn new(kind: Kind, name: &str, secret: &[u8]) -> Option<Self> {
        let cipher = match (kind, secret.len()) {
            (Kind::Cbc, 16 | 24 | 32) => Cipher::Cbc(secret.to_vec()),
            (Kind::Gcm, 16) => Cipher::Gcm128(Box::new(AesGcm::new_from_slice(secret).ok()?)),
            (Kind::Gcm, 24) => Cipher::Gcm192(Box::new(AesGcm::new_from_slice(secret).ok()?)),
            (Kind::Gcm, 32) => Cipher::Gcm256(Box::new(AesGcm::new_from_slice(secret).ok()?)),
            (Kind::SecretBox, 32) => {
                Cipher::SecretBox(Box::new(XSalsa20Poly1305::new_from_slice(secret).ok()?))
            }
            _ => return None,
        };
        Some(Self { name: name.to_owned(), cipher })
    }

    fn seal(&self, key: &[u8], plain: &[u8], out: &mut BytesMut) -> Option<()> {
        match &self.cipher {
            Cipher::Cbc(secret) => {
                let iv: [u8; BLOCK_BYTES] = ids::random();
                out.extend_from_slice(&iv);
                out.extend_from_slice(&encrypt_cbc(secret, &iv, plain)?);
                Some(())
            }
            Cipher::Gcm128(cipher) => seal_gcm(&**cipher, key, plain, out),
            Cipher::Gcm192(cipher) => seal_gcm(&**cipher, key, plain, out),
            Cipher::Gcm256(cipher) => seal_gcm(&**cipher, key, plain, out),
            Cipher::SecretBox(cipher) => {
                let nonce: [u8; BOX_NONCE_BYTES] = ids::random();
                out.extend_from_slice(&nonce);
                out.extend_from_slice(&cipher.encrypt(&nonce.into(), plain).ok()?);
                Some(())
            }
        }
    }

    fn open(&self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        match &self.cipher {
            Cipher::Cbc(secret) => {
                let (iv, text) = sealed.split_first_chunk::<BLOCK_BYTES>()?;
                decrypt_cbc(secret, iv, text)
            }
            Cipher::SecretBox(cipher) => {
                let (nonce, text) = sealed.split_first_chunk::<BOX_NONCE_BYTES>()?;
                cipher.decrypt(&(*nonce).into(), text).ok()
            }
            Cipher::Gcm128(cipher) => open_gcm(&**cipher, key, sealed),
            Cipher::Gcm192(cipher) => open_gcm(&**cipher, key, sealed),
            Cipher::Gcm256(cipher) => open_gcm(&**cipher, key, sealed),
        }
    }
}

pub(super) fn seal_gcm<C: Aead<NonceSize = U12>>(
    cipher: &C,
    key: &[u8],
    plain: &[u8],
    out: &mut BytesMut,
) -> Option<()> {
    let nonce: [u8; GCM_NONCE_BYTES] = ids::random();
    out.extend_from_slice(&nonce);
    let payload = Payload { msg: plain, aad: key };
    out.extend_from_slice(&cipher.encrypt(Nonce::from_slice(&nonce), payload).ok()?);
    Some(())
}

pub(super) fn open_gcm<C: Aead<NonceSize = U12>>(
    cipher: &C,
    key: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_first_chunk::<GCM_NONCE_BYTES>()?;
    cipher.decrypt(Nonce::from_slice(nonce), Payload { msg: text, aad: key }).ok()
}

fn encrypt_cbc(secret: &[u8], iv: &[u8; BLOCK_BYTES], plain: &[u8]) -> Option<Vec<u8>> {
    let iv = iv.into();
    Some(match secret.len() {
        16 => {
            cbc::Encryptor::<Aes128>::new(secret.into(), iv).encrypt_padded_vec_mut::<Pkcs7>(plain)
        }
        24 => {
            cbc::Encryptor::<Aes192>::new(secret.into(), iv).encrypt_padded_vec_mut::<Pkcs7>(plain)
        }
        32 => {
            cbc::Encryptor::<Aes256>::new(secret.into(), iv).encrypt_padded_vec_mut::<Pkcs7>(plain)
        }
        _ => return None,
    })
}

fn decrypt_cbc(secret: &[u8], iv: &[u8; BLOCK_BYTES], text: &[u8]) -> Option<Vec<u8>> {
    let iv = iv.into();
    match secret.len() {
        16 => {
            let cipher = cbc::Decryptor::<Aes128>::new(secret.into(), iv);
            cipher.decrypt_padded_vec_mut::<Pkcs7>(text).ok()
        }
        24 => {
            let cipher = cbc::Decryptor::<Aes192>::new(secret.into(), iv);
            cipher.decrypt_padded_vec_mut::<Pkcs7>(text).ok()
        }
        32 => {
            let cipher = cbc::Decryptor::<Aes256>::new(secret.into(), iv);
            cipher.decrypt_padded_vec_mut::<Pkcs7>(text).ok()
        }
        _ => None,
    }
}

/// A provider with its keys; the first of them writes.
#[derive(Debug)]
pub(super) struct Provider {
    kind: Kind,
    keys: Vec<Key>,
    plugin: Option<Arc<Plugin>>,
}

impl Provider {
    pub(super) const fn new(kind: Kind, keys: Vec<Key>) -> Self {
        Self { kind, keys, plugin: None }
    }

    /// Plain bytes.
    pub(super) const fn identity() -> Self {
        Self { kind: Kind::Identity, keys: Vec::new(), plugin: None }
    }

    /// Keys of a plugin.
    pub(super) const fn plugin(plugin: Arc<Plugin>) -> Self {
        Self { kind: Kind::Kms, keys: Vec::new(), plugin: Some(plugin) }
    }
}

/// The providers of a resource; the first of them writes (`value.NewPrefixTransformers`).
#[derive(Debug)]
pub(super) struct Chain {
    providers: Vec<Provider>,
}

impl Chain {
    pub(super) const fn new(providers: Vec<Provider>) -> Self {
        Self { providers }
    }

    /// The plugin that writes, if one does.
    pub(super) fn writer(&self) -> Option<&Arc<Plugin>> {
        self.providers.first()?.plugin.as_ref()
    }

    /// The plugins that read.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.providers.iter().filter_map(|provider| provider.plugin.as_ref())
    }

    pub(super) fn seal(&self, key: &[u8], plain: &Bytes) -> Bytes {
        if let Some(plugin) = self.writer() {
            // Nothing is taken that cannot be sealed, see `Sealer::check`, and no plain text may be
            // stored.
            return plugin.seal(key, plain).expect("the plugin has answered at the start");
        }
        let Some((provider, secret)) =
            self.providers.first().and_then(|first| Some((first, first.keys.first()?)))
        else {
            return plain.clone();
        };
        let prefix = provider.kind.prefix();
        let mut out = BytesMut::with_capacity(prefix.len() + secret.name.len() + plain.len() + 64);
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(secret.name.as_bytes());
        out.extend_from_slice(b":");
        // The ciphers refuse nothing but texts of many gigabytes, and no plain text may be stored.
        secret.seal(key, plain, &mut out).expect("a value is small enough to be sealed");
        out.freeze()
    }

    pub(super) fn open(&self, key: &[u8], stored: &Bytes) -> Result<Opened, SealError> {
        let mut error = SealError::NoMatchingPrefix;
        for (at, provider) in self.providers.iter().enumerate() {
            if provider.kind == Kind::Identity {
                if stored.starts_with(SEALED) {
                    error = SealError::Sealed;
                    continue;
                }
                return Ok(Opened { plain: stored.clone(), stale: at > 0 });
            }
            let Some(rest) = stored.strip_prefix(provider.kind.prefix().as_bytes()) else {
                continue;
            };
            if let Some(plugin) = &provider.plugin {
                let Some(sealed) = rest
                    .strip_prefix(plugin.name().as_bytes())
                    .and_then(|rest| rest.strip_prefix(b":"))
                else {
                    continue;
                };
                match plugin.open(key, stored.slice_ref(sealed)) {
                    Ok(opened) => return Ok(Opened { stale: opened.stale || at > 0, ..opened }),
                    Err(why) => error = why,
                }
                continue;
            }
            for (number, secret) in provider.keys.iter().enumerate() {
                let named = rest.strip_prefix(secret.name.as_bytes());
                let Some(sealed) = named.and_then(|rest| rest.strip_prefix(b":")) else { continue };
                if let Some(plain) = secret.open(key, sealed) {
                    return Ok(Opened { plain: plain.into(), stale: at > 0 || number > 0 });
                }
            }
            error = SealError::NoMatchingKey;
        }
        Err(error)
    }
}
