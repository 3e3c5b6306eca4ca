//! Other objects, as plugins read them: from the cache, decoded on demand.

use crate::base::hash::HashMap;
use crate::base::limits::ADMISSION_FACTS_MAX;
use crate::base::{clock, ids, timestamp};
use crate::cache::{Cache, Entry, ListQuery, ReadAt, ReadFault, decode_json};
use crate::catalog::{Storage, catalog};
use crate::codec::proto;
use crate::object::managed::{self, Reset, Writer};
use crate::object::{Arena, List, Map, Value};
use crate::request::{Fault, Result};
use crate::store::{Expected, Item as _, Outcome, Txn, Write};
use bumpalo::Bump;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// An object as it was found, to be replaced.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// The object.
    pub(super) object: Value<'a>,
    entry: Arc<Entry>,
}

/// Reads of one shard.
#[derive(Clone)]
pub struct Reader {
    cache: Cache,
    derived: Rc<RefCell<Derived>>,
    facts: Rc<RefCell<Facts>>,
}

/// What was made of all objects of a resource, and the revision of its last change then.
type Derived = HashMap<(TypeId, &'static str), (u64, Rc<dyn Any>)>;
/// What was made of single objects, by their keys, and their revisions.
type Facts = HashMap<TypeId, HashMap<Box<[u8]>, (u64, Rc<dyn Any>)>>;

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Reader {
    /// Reads through `cache`.
    pub fn new(cache: Cache) -> Self {
        Self { cache, derived: Rc::default(), facts: Rc::default() }
    }

    /// An object as this process has heard of it; one of which it has not is asked for in the store
    /// (upstream's plugins read informers, and the store for what these lack).
    async fn entry(
        &self,
        storage: &'static Storage,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Entry>>> {
        let mut found = self.cache.get(storage, namespace, name, ReadAt::Heard).await;
        if self.cache.is_shared() && matches!(found, Ok(None)) {
            found = self.cache.get(storage, namespace, name, ReadAt::Latest).await;
        }
        found.map_err(fault)
    }

    /// What `derive` makes of all objects of a resource, in all namespaces; made again only after
    /// one of them has changed.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub async fn derived<T: 'static>(
        &self,
        group: &str,
        resource: &'static str,
        derive: impl FnOnce(&[Value<'_>]) -> T,
    ) -> Result<Rc<T>> {
        let changed = self.cache.changed(storage(resource)?).await.map_err(fault)?;
        let key = (TypeId::of::<T>(), resource);
        if let Some((at, known)) = self.derived.borrow().get(&key)
            && *at == changed
            && let Ok(known) = Rc::clone(known).downcast()
        {
            return Ok(known);
        }
        let arena = Arena::new();
        // May see a later change as well; then it is made again once more than needed.
        let objects = self.list(group, resource, "", &arena).await?;
        let made = Rc::new(derive(&objects));
        self.derived.borrow_mut().insert(key, (changed, Rc::<T>::clone(&made)));
        Ok(made)
    }

    /// What `derive` makes of one object, `None` if there is none; made once for each revision.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub async fn fact<T: 'static>(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        derive: impl FnOnce(&Value<'_>) -> T,
    ) -> Result<Option<Rc<T>>> {
        let storage = storage(resource)?;
        let Some(entry) = self.entry(storage, namespace, name).await? else { return Ok(None) };
        let of_type = TypeId::of::<T>();
        let known = self.facts.borrow().get(&of_type).and_then(|facts| {
            let (revision, fact) = facts.get(&entry.key()[..])?;
            (*revision == entry.revision()).then(|| Rc::clone(fact))
        });
        if let Some(Ok(known)) = known.map(Rc::downcast) {
            return Ok(Some(known));
        }
        let arena = Arena::new();
        let made = Rc::new(derive(&decode(storage, entry.value(), &arena)?));
        let mut facts = self.facts.borrow_mut();
        let facts = facts.entry(of_type).or_default();
        if facts.len() >= ADMISSION_FACTS_MAX {
            facts.clear();
        }
        facts.insert(Box::from(&entry.key()[..]), (entry.revision(), Rc::<T>::clone(&made)));
        Ok(Some(made))
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
        let entry = self.entry(storage, namespace, name).await?;
        entry.map(|entry| decode(storage, entry.value(), arena)).transpose()
    }

    /// One object of any stored resource, in its stored version.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub(super) async fn get_stored<'a>(
        &self,
        storage: &'static Storage,
        namespace: &str,
        name: &str,
        arena: &'a Bump,
    ) -> Result<Option<Value<'a>>> {
        let entry = self.entry(storage, namespace, name).await?;
        entry.map(|entry| decode(storage, entry.value(), arena)).transpose()
    }

    /// All objects of any stored resource in a namespace, in their stored version.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub(super) async fn list_stored<'a>(
        &self,
        storage: &'static Storage,
        namespace: &str,
        arena: &'a Bump,
    ) -> Result<Vec<Value<'a>>> {
        let namespace = (!namespace.is_empty()).then(|| namespace.into());
        let query = ListQuery { namespace, at: ReadAt::Heard, ..ListQuery::all(storage) };
        let page = self.cache.list(query).await.map_err(fault)?;
        page.entries.iter().map(|entry| decode(storage, entry.value(), arena)).collect()
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
        let query = ListQuery { namespace, at: ReadAt::Heard, ..ListQuery::all(storage) };
        let page = self.cache.list(query).await.map_err(fault)?;
        page.entries.iter().map(|entry| decode(storage, entry.value(), arena)).collect()
    }

    /// All objects of a resource in a namespace, to be replaced.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub(super) async fn find<'a>(
        &self,
        resource: &str,
        namespace: &str,
        arena: &'a Bump,
    ) -> Result<Vec<Found<'a>>> {
        let storage = storage(resource)?;
        let namespace = Some(namespace.into());
        let query = ListQuery { namespace, at: ReadAt::Heard, ..ListQuery::all(storage) };
        let page = self.cache.list(query).await.map_err(fault)?;
        let found = page.entries.into_iter().map(|entry| {
            let object = decode(storage, entry.value(), arena)?;
            Ok(Found { object, entry })
        });
        found.collect()
    }

    /// Puts `object` in the place of what was found; false if another writer was faster.
    ///
    /// # Errors
    /// 500 if the store cannot write.
    pub(super) async fn replace(&self, found: &Found<'_>, object: &Value<'_>) -> Result<bool> {
        let entry = &found.entry;
        let Some(storage) = entry.storage() else { return Ok(false) };
        let version = match storage.group {
            "" => storage.version.to_owned(),
            group => format!("{group}/{}", storage.version),
        };
        let mut value = Vec::with_capacity(entry.value().len() + 64);
        proto::envelope::wrap_with(&version, storage.kind, &mut value, |out| {
            proto::encode(object, storage.ty, out);
        });
        let write = Write::Put { value: value.into(), ttl_seconds: None };
        let expected = Expected::Revision(entry.revision());
        let txn = Txn { key: entry.key().clone(), expected, write };
        match self.cache.commit(txn).await {
            Ok(Outcome::Applied { .. }) => Ok(true),
            Ok(Outcome::Conflict { .. }) => Ok(false),
            Err(error) => Err(Fault::Internal(format!("a quota cannot be counted: {error:?}"))),
        }
    }

    /// Makes a namespace, as a client would that names nothing else; one that is there by now is as
    /// good. No plugin is asked about it.
    ///
    /// # Errors
    /// 500 if the store cannot write.
    pub(super) async fn create_namespace(&self, name: &str) -> Result<()> {
        let storage = storage("namespaces")?;
        let arena = Bump::new();
        let time = timestamp::rfc3339(clock::unix_seconds());
        let mut metadata = Map::new_in(&arena);
        metadata.push_unique("name", Value::str_in(name, &arena));
        metadata
            .entry_map("labels")
            .insert("kubernetes.io/metadata.name", Value::str_in(name, &arena));
        metadata.push_unique("uid", Value::str_in(&ids::uuid(), &arena));
        metadata.push_unique("creationTimestamp", Value::str_in(&time, &arena));
        let mut object = Map::new_in(&arena);
        object.push_unique("metadata", Value::Map(metadata));
        let mut object = Value::Map(object);
        let writer = Writer {
            manager: "kube-apiserver",
            api_version: "v1",
            subresource: "",
            time: &time,
            reset: Reset::Nothing,
            versions: &[],
            convert: None,
        };
        managed::update(&arena, Some(storage.ty), None, &mut object, &writer);
        let mut finalizers = List::new_in(&arena);
        finalizers.push(Value::Str("kubernetes"));
        if let Some(object) = object.as_map_mut() {
            object.entry_map("spec").insert("finalizers", Value::List(finalizers));
            object.entry_map("status").insert("phase", Value::Str("Active"));
        }
        let mut value = Vec::new();
        proto::envelope::wrap_with("v1", storage.kind, &mut value, |out| {
            proto::encode(&object, storage.ty, out);
        });
        let write = Write::Put { value: value.into(), ttl_seconds: None };
        let txn = Txn { key: storage.key("", name), expected: Expected::Absent, write };
        match self.cache.commit(txn).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Internal(format!("a namespace cannot be made: {error:?}"))),
        }
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
        return decode_json(storage, value, arena).map_err(|_| broken());
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
        // As every write that waits for a store that does not answer.
        ReadFault::Timeout => Fault::Timeout {
            message:
                "request did not complete within requested timeout - context deadline exceeded"
                    .into(),
            retry_seconds: 0,
            cause: None,
        },
        ReadFault::Remote(text) => Fault::Plain(text),
        other => Fault::Internal(format!("a related object cannot be read: {other:?}")),
    }
}
