//! What was found a moment ago, for as long as it counts; bounded.

use super::hash::HashMap;
use std::hash::Hash;
use std::time::Instant;

/// Two generations: when the young one is full it becomes the old one, and what nobody asked for
/// since is forgotten. So it is bounded, and nothing is ever searched for the oldest.
#[derive(Debug)]
pub struct Expiring<K, V> {
    young: HashMap<K, (Instant, V)>,
    old: HashMap<K, (Instant, V)>,
    max: usize,
}

impl<K: Eq + Hash + Clone, V> Expiring<K, V> {
    /// For at most `max` entries.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), max }
    }

    /// What was found, if that still counts.
    pub fn get(&mut self, key: &K, now: Instant) -> Option<&V> {
        if !self.young.contains_key(key)
            && let Some((key, kept)) = self.old.remove_entry(key)
        {
            self.young.insert(key, kept);
        }
        self.young.get(key).filter(|(until, _)| *until > now).map(|(_, value)| value)
    }

    /// Keeps what was found.
    pub fn put(&mut self, key: K, until: Instant, value: V) {
        if self.young.len() >= self.max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (until, value));
    }
}

#[cfg(test)]
mod tests {
    use super::Expiring;
    use crate::base::clock;
    use std::time::Duration;

    #[test]
    fn entries_count_until_their_end_and_are_bounded() {
        let (mut cache, now) = (Expiring::new(8), clock::now());
        let second = Duration::from_secs(1);
        for key in 0..100 {
            cache.put(key, now + second, key);
            assert_eq!(cache.get(&key, now), Some(&key));
            assert_eq!(cache.get(&key, now + second), None);
        }
        assert!(cache.young.len() + cache.old.len() <= 8);
        assert_eq!(cache.get(&0, now), None);
    }
}
