//! The maps to use: seeded per process, fast on short keys.

/// A hash map; seeded, so peers cannot aim for collisions.
#[expect(clippy::disallowed_types, reason = "this is the replacement")]
pub type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
/// A hash set; seeded.
#[expect(clippy::disallowed_types, reason = "this is the replacement")]
pub type HashSet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
