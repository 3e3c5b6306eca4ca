//! Which resource a key belongs to, found by the key alone, on any thread.

use crate::base::hash::HashMap;
use crate::catalog::{Storage, catalog};
use arc_swap::ArcSwapOption;
use std::fmt;
use std::sync::Arc;

type Rows = HashMap<&'static str, &'static Storage>;

/// The known rows, by prefix; none yet stands for the built-in ones.
static ROWS: ArcSwapOption<Rows> = ArcSwapOption::const_empty();

/// The stored bytes cannot be read as an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong with them.
    pub reason: String,
}

/// For `map_err`.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(super) fn unreadable(reason: impl ToString) -> Unreadable {
    Unreadable { reason: reason.to_string() }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored object cannot be read: {}", self.reason)
    }
}

impl std::error::Error for Unreadable {}

/// Makes further resources known, beside the built-in ones; a row of the same prefix replaces the
/// old. Entries made before keep what they were made with, but `Cache::open` looks again.
pub fn install(rows: &[&'static Storage]) {
    ROWS.rcu(|known| {
        let mut next = known.as_deref().cloned().unwrap_or_else(built_in);
        next.extend(rows.iter().map(|row| (row.prefix, *row)));
        Some(Arc::new(next))
    });
}

/// The row of a key, if it belongs to a known resource.
pub fn storage_of(key: &[u8]) -> Option<&'static Storage> {
    let rows = ROWS.load();
    let Some(rows) = rows.as_deref() else {
        install(&[]);
        return storage_of(key);
    };
    let key = std::str::from_utf8(key).ok()?;
    // `/registry/pods/…`, then `/registry/services/specs/…` and `/registry/group/resource/…`.
    let slashes = key.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(at, _)| at);
    let mut known = slashes.skip(2).filter_map(|at| rows.get(key.get(..=at)?).copied());
    known.next()
}

fn built_in() -> Rows {
    catalog().storages().iter().map(|row| (row.prefix, row)).collect()
}

#[cfg(test)]
mod tests {
    use super::storage_of;

    #[test]
    fn keys_lead_to_their_resource() {
        let cases = [
            ("/registry/pods/default/web", Some("pods")),
            ("/registry/services/specs/default/web", Some("services")),
            ("/registry/services/endpoints/default/web", Some("endpoints")),
            ("/registry/minions/n1", Some("nodes")),
            ("/registry/apiregistration.k8s.io/apiservices/v1.", Some("apiservices")),
            ("/registry/ranges/serviceips", None),
            ("/registry/pods", None),
            ("", None),
        ];
        for (key, resource) in cases {
            assert_eq!(storage_of(key.as_bytes()).map(|row| row.resource), resource, "{key}");
        }
    }
}
