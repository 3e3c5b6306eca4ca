//! The objects that credentials are bound to, read from the cache.

use crate::base::timestamp;
use crate::cache::{Cache, Entry, ReadAt};
use crate::catalog::catalog;
use crate::codec::proto;
use crate::object::Value;
use crate::store::Item as _;
use bumpalo::Bump;
use std::sync::Arc;

/// Reads of one shard.
#[derive(Debug, Clone)]
pub struct Objects {
    cache: Cache,
}

/// Why there is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// There is none of this name.
    NotFound,
    /// The cache could not answer.
    Unreadable,
}

impl Objects {
    /// Reads through `cache`.
    pub const fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// One object of the core group. What this shard has heard of is enough; only what it has not
    /// is asked for at the last revision (`clientGetter`: lister first, then the server).
    ///
    /// # Errors
    /// [`Missing`].
    pub async fn get(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Entry>, Missing> {
        let storage = catalog().storage(resource).ok_or(Missing::Unreadable)?;
        for at in [ReadAt::Any, ReadAt::Latest] {
            let read = self.cache.get(storage, namespace, name, at).await;
            if let Some(entry) = read.map_err(|_| Missing::Unreadable)? {
                return Ok(entry);
            }
        }
        Err(Missing::NotFound)
    }
}

/// An entry's object in its stored version; `None` if its bytes are none.
pub(super) fn decode<'a>(entry: &'a Entry, arena: &'a Bump) -> Option<Value<'a>> {
    let unknown = proto::envelope::unwrap(entry.value()).ok()??;
    proto::decode(unknown.raw, entry.storage()?.ty, arena).ok()
}

/// True if the object was marked for deletion before `moment`, seconds since the epoch.
pub(super) fn was_deleted_before(entry: &Entry, moment: i64) -> bool {
    if !entry.deleting() {
        return false;
    }
    let arena = Bump::new();
    let marked = decode(entry, &arena).and_then(|object| {
        timestamp::parse_rfc3339(object.str_at(&["metadata", "deletionTimestamp"]))
    });
    marked.is_none_or(|at| at < moment)
}
