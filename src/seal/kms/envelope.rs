//! How values are sealed with what a plugin has opened (`NewHKDFExtendedNonceGCMTransformer`): a
//! key for each value, derived from the seed, and the value under AES-256-GCM, bound to where it is
//! stored.

use super::super::provider::{open_gcm, seal_gcm};
use crate::base::ids;
use aes::Aes256;
use aes_gcm::AesGcm;
use aes_gcm::aead::KeyInit as _;
use aes_gcm::aead::consts::U12;
use bytes::{Bytes, BytesMut};
use ring::hkdf;
use std::fmt;

/// Bytes of a seed, of what a key is derived with, and of a key.
pub(super) const SEED_BYTES: usize = 32;

/// What seals and opens values.
pub(super) enum Source {
    /// A key for all values; only read, for it was written by versions that had no seeds.
    Key(Box<AesGcm<Aes256, U12>>),
    /// A seed of keys.
    Seed(hkdf::Prk),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(..)")
    }
}

impl Source {
    /// A seed; none if it is too short.
    pub(super) fn seed(bytes: &[u8]) -> Option<Self> {
        let long = bytes.len() >= SEED_BYTES;
        long.then(|| Self::Seed(hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, bytes)))
    }

    /// A key; none if it has another length.
    pub(super) fn key(bytes: &[u8]) -> Option<Self> {
        AesGcm::new_from_slice(bytes).ok().map(|cipher| Self::Key(Box::new(cipher)))
    }

    /// What is to be stored of a value at a place; none of a source that only reads.
    pub(super) fn seal(&self, place: &[u8], plain: &[u8]) -> Option<Bytes> {
        let Self::Seed(seed) = self else { return None };
        let info: [u8; SEED_BYTES] = ids::random();
        let mut out = BytesMut::with_capacity(plain.len() + SEED_BYTES + 32);
        out.extend_from_slice(&info);
        seal_gcm(&derive(seed, &info)?, place, plain, &mut out)?;
        Some(out.freeze())
    }

    /// The value again.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Key(cipher) => open_gcm(&**cipher, place, sealed),
            Self::Seed(seed) => {
                let (info, rest) = sealed.split_first_chunk::<SEED_BYTES>()?;
                open_gcm(&derive(seed, info)?, place, rest)
            }
        }
    }
}

/// The key of one value: HKDF's expansion alone.
fn derive(seed: &hkdf::Prk, info: &[u8; SEED_BYTES]) -> Option<AesGcm<Aes256, U12>> {
    let mut key = [0; SEED_BYTES];
    let info = [&info[..]];
    seed.expand(&info, hkdf::HKDF_SHA256).ok()?.fill(&mut key).ok()?;
    AesGcm::new_from_slice(&key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_key_of_its_own_and_its_place() {
        let source = Source::seed(&[7; SEED_BYTES]).expect("long enough");
        let [one, other] = [(); 2].map(|()| source.seal(b"/place", b"plain").expect("sealed"));
        assert_ne!(one, other);
        assert_eq!(source.open(b"/place", &one).as_deref(), Some(&b"plain"[..]));
        assert_eq!(source.open(b"/elsewhere", &one), None);
        assert_eq!(source.open(b"/place", b"short"), None);
        assert!(Source::seed(&[7; 31]).is_none() && Source::key(&[7; 16]).is_none());
    }

    /// RFC 5869, A.1: the expansion of its pseudo-random key.
    #[test]
    fn keys_are_derived_by_hkdf_with_sha_256() {
        let prk = [
            0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f, 0x0d, 0xc4, 0x7b,
            0xba, 0x63, 0x90, 0xb6, 0xc7, 0x3b, 0xb5, 0x0f, 0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a,
            0xd7, 0xc2, 0xb3, 0xe5,
        ];
        let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &prk);
        let info = [0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9];
        let mut key = [0; 32];
        let expanded = [&info[..]];
        prk.expand(&expanded, hkdf::HKDF_SHA256).unwrap().fill(&mut key).unwrap();
        assert_eq!(key[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
    }
}
