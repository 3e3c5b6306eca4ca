//! Between the keys of this program, which begin with `/registry/`, and those in etcd, which begin
//! with what `--etcd-prefix` says; and between plain bytes and sealed ones.

use crate::base::limits::SEALED_MISSED_MAX;
use crate::seal::{SealError, Sealer};
use crate::store::etcd::Servers;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How keys begin here.
const OURS: &[u8] = b"/registry/";
/// Where kube-apiservers agree on compaction; outside of every prefix.
pub(super) const COMPACTION: &[u8] = b"compact_rev_key";

/// The keys that are ours.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// With a slash at its end; empty if keys are the same in etcd and all are ours.
    prefix: Vec<u8>,
    sealer: Option<Arc<Sealer>>,
    /// Beginnings of keys here; if there are any, only those keys are ours.
    only: Vec<&'static str>,
    /// Beginnings of keys here that are another store's.
    except: Vec<&'static str>,
    /// Keys whose values wait for a plugin.
    missed: RefCell<BTreeSet<Bytes>>,
}

impl Keys {
    pub(super) fn new(servers: &Servers, sealer: Option<Arc<Sealer>>) -> Self {
        let (only, except) = (servers.only.clone(), servers.except.clone());
        Self { only, except, ..Self::below(&servers.prefix, sealer) }
    }

    /// For a prefix without a slash at its end; an empty one takes keys as they are.
    fn below(prefix: &str, sealer: Option<Arc<Sealer>>) -> Self {
        let mut bytes = prefix.as_bytes().to_vec();
        if !bytes.is_empty() && !bytes.ends_with(b"/") {
            bytes.push(b'/');
        }
        let missed = RefCell::default();
        Self { prefix: bytes, sealer, only: Vec::new(), except: Vec::new(), missed }
    }

    /// The key in etcd of a key here.
    pub(super) fn outward(&self, key: &[u8]) -> Vec<u8> {
        match key.strip_prefix(OURS) {
            Some(rest) if !self.is_plain() => [&self.prefix, rest].concat(),
            _ => key.to_vec(),
        }
    }

    /// The key here of a key in etcd; `None` if it is not one of ours.
    pub(super) fn inward(&self, key: Vec<u8>) -> Option<Bytes> {
        if key == COMPACTION {
            return None;
        }
        let key: Bytes = if self.is_plain() {
            key.starts_with(&self.prefix).then(|| key.into())?
        } else {
            let rest = key.strip_prefix(&self.prefix[..])?;
            [OURS, rest].concat().into()
        };
        let begins = |all: &[&str]| all.iter().any(|prefix| key.starts_with(prefix.as_bytes()));
        let ours = (self.only.is_empty() || begins(&self.only)) && !begins(&self.except);
        ours.then_some(key)
    }

    /// What is stored in etcd of a value.
    pub(super) fn sealed(&self, key: &[u8], value: &Bytes) -> Bytes {
        let Some(sealer) = &self.sealer else { return value.clone() };
        sealer.seal(key, &self.outward(key), value)
    }

    /// The value of what is stored in etcd. What no key opens stays as it is, and is an object that
    /// cannot be read. A plugin that has the key is waited for, and nothing else waits.
    pub(super) async fn opened(&self, key: &Bytes, stored: Bytes) -> Bytes {
        let Some(sealer) = &self.sealer else { return stored };
        sealer.prepare(key, &stored).await;
        match sealer.open(key, &self.outward(key), &stored) {
            Ok(opened) => opened.plain,
            Err(SealError::Unavailable) => {
                let mut missed = self.missed.borrow_mut();
                if missed.len() < SEALED_MISSED_MAX {
                    missed.insert(key.clone());
                }
                stored
            }
            Err(_) => stored,
        }
    }

    /// Keys whose values could not be opened for want of a plugin, once it is back.
    pub(super) fn take_missed(&self) -> Vec<Bytes> {
        let back = || self.sealer.as_ref().is_some_and(|sealer| sealer.health().is_ok());
        if self.missed.borrow().is_empty() || !back() {
            return Vec::new();
        }
        std::mem::take(&mut *self.missed.borrow_mut()).into_iter().collect()
    }

    /// First key and the key after the last of all that are ours, in etcd.
    pub(super) fn range(&self) -> (Vec<u8>, Vec<u8>) {
        if self.prefix.is_empty() {
            return (vec![0], vec![0]);
        }
        (self.prefix.clone(), after_prefix(&self.prefix))
    }

    /// A key that nobody writes, to ask for no more than the revision.
    pub(super) fn probe(&self) -> Vec<u8> {
        [&self.prefix[..], b"health"].concat()
    }

    fn is_plain(&self) -> bool {
        self.prefix.is_empty() || self.prefix == OURS
    }
}

/// The first key above all keys with a prefix; `\0`, which stands for the end of all keys in etcd,
/// if there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte < 0xff);
    let mut end = kept.map(|last| prefix.iter().take(last + 1).copied().collect::<Vec<_>>());
    if let Some(last) = end.as_mut().and_then(|end| end.last_mut()) {
        *last += 1;
    }
    end.unwrap_or_else(|| vec![0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_prefix_stands_for_ours_in_etcd() {
        let keys = Keys::below("/other/place", None);
        assert_eq!(keys.outward(b"/registry/pods/a/b"), b"/other/place/pods/a/b");
        let inward = |key: &[u8]| keys.inward(key.to_vec());
        assert_eq!(inward(b"/other/place/pods/a/b").as_deref(), Some(&b"/registry/pods/a/b"[..]));
        assert_eq!(inward(b"/registry/pods/a/b"), None);
        assert_eq!(inward(b"compact_rev_key"), None);
        assert_eq!(keys.range(), (b"/other/place/".to_vec(), b"/other/place0".to_vec()));
    }

    #[test]
    fn the_usual_prefix_changes_no_key() {
        let keys = Keys::below("/registry", None);
        assert_eq!(keys.outward(b"/registry/pods/a/b"), b"/registry/pods/a/b");
        let key = keys.inward(b"/registry/pods/a/b".to_vec());
        assert_eq!(key.as_deref(), Some(&b"/registry/pods/a/b"[..]));
        assert_eq!(keys.inward(b"/registryx/a".to_vec()), None);
    }

    #[test]
    fn keys_of_other_stores_are_not_ours() {
        let keys = |only, except| Keys { only, except, ..Keys::below("/other", None) };
        let event = || b"/other/events/default/a".to_vec();
        let pod = || b"/other/pods/default/a".to_vec();
        let events = keys(vec!["/registry/events/"], Vec::new());
        assert_eq!((events.inward(event()).is_some(), events.inward(pod())), (true, None));
        let rest = keys(Vec::new(), vec!["/registry/events/"]);
        assert_eq!((rest.inward(event()), rest.inward(pod()).is_some()), (None, true));
    }

    #[test]
    fn a_range_ends_after_its_prefix() {
        assert_eq!(after_prefix(b"/a"), b"/b");
        assert_eq!(after_prefix(b"/\xff\xff"), b"0");
        assert_eq!(after_prefix(b"\xff"), b"\0");
        assert_eq!(after_prefix(b""), b"\0");
    }
}
