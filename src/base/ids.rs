//! Identifiers that the server makes: uids, audit ids, name suffixes.

use ring::rand::{SecureRandom, SystemRandom};
use std::cell::RefCell;

/// What generated names end in: no vowels, nothing that reads like another letter
/// (`k8s.io/apimachinery/pkg/util/rand`).
const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Characters of a suffix.
const SUFFIX_LENGTH: usize = 5;
/// Random bytes fetched at once; a system call each would cost more than the rest of an id.
const POOL_BYTES: usize = 1_024;

struct Pool {
    bytes: [u8; POOL_BYTES],
    left: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], left: 0 }) };
}

/// `N` random bytes from the system's generator.
pub fn random<const N: usize>() -> [u8; N] {
    const { assert!(N <= POOL_BYTES) };
    POOL.with_borrow_mut(|pool| {
        if pool.left < N {
            // The generator cannot fail once the kernel's pool is seeded, long before we start.
            SystemRandom::new().fill(&mut pool.bytes).expect("the system has random bytes");
            pool.left = POOL_BYTES;
        }
        let mut out = [0; N];
        let start = POOL_BYTES - pool.left;
        out.copy_from_slice(&pool.bytes[start..start + N]);
        pool.left -= N;
        out
    })
}

/// A random UUID, version 4, in its text form.
pub fn uuid() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digit = |half: u8| char::from(HEX[usize::from(half)]);
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0x0f));
    }
    text
}

/// Five characters for a generated name.
pub fn name_suffix() -> String {
    random::<SUFFIX_LENGTH>()
        .iter()
        .map(|byte| char::from(SUFFIX_ALPHABET[usize::from(*byte) % SUFFIX_ALPHABET.len()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{name_suffix, uuid};

    #[test]
    fn uuids_are_version_4_and_differ() {
        let (a, b) = (uuid(), uuid());
        assert_ne!(a, b);
        assert_eq!(a.len(), 36);
        assert_eq!(a.as_bytes()[14], b'4');
        assert!(matches!(a.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn suffixes_hold_only_safe_characters() {
        for _ in 0..300 {
            assert!(name_suffix().bytes().all(|b| super::SUFFIX_ALPHABET.contains(&b)));
        }
    }
}
