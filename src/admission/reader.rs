//! Other objects, as plugins read them: from the cache, decoded on demand.

use crate::cache::{Cache, ListQuery, ReadAt, ReadFault};
use crate::catalog::{Storage, catalog};
use crate::codec::{json, proto};
use crate::object::Value;
use crate::request::{Fault, Result};
use crate::store::Item as _;
use bumpalo::Bump;

/// Reads of one shard.
#[derive(Debug, Clone)]
pub struct Reader {
    cache: Cache,
}

impl Reader {
    /// Reads through `cache`.
    pub const fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// One object in its stored version.
    ///
    /// # Errors
    /// 500 if the cache cannot answer or the object cannot be read.
    pub async fn get<'a>(
        &self,
        _group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
        arena: &'a Bump,
    ) -> Result<Option<Value<'a>>> {
        let storage = storage(resource)?;
        let entry =
            self.cache.get(storage, namespace, name, ReadAt::Latest).await.map_err(fault)?;
        entry.map(|entry| decode(storage, entry.value(), arena)).transpose()
    }

    /// All objects of a resource in a namespace ("" for all), in their stored version.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub async fn list<'a>(
        &self,
        _group: &str,
        resource: &str,
        namespace: &str,
        arena: &'a Bump,
    ) -> Result<Vec<Value<'a>>> {
        let storage = storage(resource)?;
        let namespace = (!namespace.is_empty()).then(|| namespace.into());
        let query = ListQuery { namespace, at: ReadAt::Latest, ..ListQuery::all(storage) };
        let page = self.cache.list(query).await.map_err(fault)?;
        page.entries.iter().map(|entry| decode(storage, entry.value(), arena)).collect()
    }

    /// The name of the newest object of a cluster-scoped resource that carries one of the
    /// annotations with the value `true`; of several of one age the first by name.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub async fn newest_marked(
        &self,
        group: &str,
        resource: &str,
        annotations: &[&str],
    ) -> Result<Option<String>> {
        let arena = Bump::new();
        let mut marked = self.list(group, resource, "", &arena).await?;
        let is_marked = |object: &Value<'_>| {
            annotations.iter().any(|key| object.str_at(&["metadata", "annotations", key]) == "true")
        };
        marked.retain(is_marked);
        let age = |object: &Value<'_>| {
            let made = object.str_at(&["metadata", "creationTimestamp"]).to_owned();
            (std::cmp::Reverse(made), object.str_at(&["metadata", "name"]).to_owned())
        };
        Ok(marked.iter().min_by_key(|object| age(object)).map(|object| age(object).1))
    }
}

fn storage(resource: &str) -> Result<&'static Storage> {
    catalog().storage(resource).ok_or_else(|| Fault::Internal(format!("{resource} are not stored")))
}

fn decode<'a>(storage: &Storage, value: &[u8], arena: &'a Bump) -> Result<Value<'a>> {
    let broken = || Fault::Internal(format!("a stored {} cannot be read", storage.kind));
    if storage.json {
        let decoded = json::decode(value, storage.ty, arena, json::Strictness::Ignore);
        return decoded.map(|decoded| decoded.value).map_err(|_| broken());
    }
    let unknown = proto::envelope::unwrap(value).ok().flatten().ok_or_else(broken)?;
    let raw = arena.alloc_slice_copy(unknown.raw);
    proto::decode(raw, storage.ty, arena).map_err(|_| broken())
}

fn fault(fault: ReadFault) -> Fault {
    match fault {
        ReadFault::Overloaded => Fault::TooManyRequests {
            message: "Too many requests, please try again later.".into(),
            retry_seconds: 1,
            cause: None,
        },
        other => Fault::Internal(format!("a related object cannot be read: {other:?}")),
    }
}
