//! Tokens that were found good a moment ago (`token/cache`): one request in ten seconds pays for
//! signatures and for reading what a token is bound to.

use super::{Identity, Notes};
use crate::base::clock;
use crate::base::hash::HashMap;
use crate::base::limits::TOKENS_CACHED_MAX;
use crate::metrics::{Recorder, Series, instruments};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a token counts as good (`tokenSuccessCacheTTL`).
const LIFETIME: Duration = Duration::from_secs(10);

/// SHA-256 of a token and of the audiences it was shown for.
pub(super) type Key = [u8; 32];

#[derive(Debug)]
struct Kept {
    until: Instant,
    identity: Identity,
    notes: Notes,
}

/// Two generations: when the young one is full it becomes the old one, and what nobody asked for
/// since is forgotten. So it is bounded, and nothing is ever searched for the oldest.
#[derive(Debug, Default)]
pub struct TokenCache {
    young: HashMap<Key, Kept>,
    old: HashMap<Key, Kept>,
}

impl TokenCache {
    /// What was found, if that still counts. HOT: benches/authn.rs `cached token`.
    pub fn get(&mut self, key: &Key, now: Instant) -> Option<(&Identity, &Notes)> {
        if !self.young.contains_key(key)
            && let Some(kept) = self.old.remove(key)
        {
            self.young.insert(*key, kept);
        }
        let kept = self.young.get(key).filter(|kept| kept.until > now)?;
        Some((&kept.identity, &kept.notes))
    }

    /// Keeps what was found, not beyond the token's own end.
    pub fn put(&mut self, key: Key, now: Instant, identity: Identity, notes: Notes) {
        let left = identity.expires.map(|at| at.saturating_sub(clock::unix_seconds()));
        let left = left.map_or(LIFETIME, |left| {
            Duration::from_secs(u64::try_from(left).unwrap_or_default()).min(LIFETIME)
        });
        if self.young.len() >= TOKENS_CACHED_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Kept { until: now + left, identity, notes });
    }
}

/// How often tokens were known already (`token/cache/stats.go`).
#[derive(Debug)]
pub struct CacheFigures {
    hits: [Rc<Series>; 2],
    misses: [Rc<Series>; 2],
    /// Those that were found, and those that were not.
    fetched: [Rc<Series>; 2],
}

impl CacheFigures {
    /// Of one shard.
    pub fn new(metrics: &Recorder) -> Self {
        let requests = |status| {
            [&instruments::TOKEN_CACHE_REQUESTS, &instruments::TOKEN_CACHE_SECONDS]
                .map(|instrument| metrics.series(instrument, &[status]))
        };
        let fetched = |status| metrics.series(&instruments::TOKEN_CACHE_FETCHES, &[status]);
        let fetched = ["ok", "error"].map(fetched);
        Self { hits: requests("hit"), misses: requests("miss"), fetched }
    }

    /// A token was known; times are told in whole milliseconds, so this took none.
    pub(super) fn hit(&self) {
        self.hits.iter().for_each(|series| series.add());
    }

    /// A token was not known, and asking for it took so long.
    pub(super) fn fetched(&self, known: bool, took: Duration) {
        let [requests, seconds] = &self.misses;
        requests.add();
        seconds.observe(took.as_millis() as f64 / 1e3);
        let [ok, error] = &self.fetched;
        if known { ok.add() } else { error.add() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::User;

    #[test]
    fn tokens_count_ten_seconds_and_are_bounded() {
        let mut cache = TokenCache::default();
        let now = clock::now();
        let identity = || Identity::of(Rc::new(User::anonymous()));
        for at in 0..TOKENS_CACHED_MAX * 2 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&at.to_le_bytes());
            cache.put(key, now, identity(), Notes::default());
            assert!(cache.get(&key, now).is_some());
            assert!(cache.get(&key, now + LIFETIME).is_none());
        }
        assert!(cache.young.len() + cache.old.len() <= TOKENS_CACHED_MAX);
    }
}
