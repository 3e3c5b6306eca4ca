//! Create: from a decoded object to a stored one (behaviours.md section 1.1,
//! `genericregistry.Store.Create`).

use super::store::{Admit, Registry};
use super::{meta, stored};
use crate::base::{clock, ids, timestamp};
use crate::cache::Entry;
use crate::object::Value;
use crate::object::managed::{self, Writer};
use crate::request::{Attributes, Fault, Result, WriteOptions};
use crate::store::{Expected, Item as _, Outcome, Txn, Write};
use bumpalo::Bump;
use std::sync::Arc;

/// A name made from `generateName` is tried this often (gate RetryGenerateName).
const GENERATE_ATTEMPTS: usize = 8;
/// A generated name keeps this many bytes of its base.
const GENERATE_BASE_BYTES_MAX: usize = 58;

impl<A: Admit> Registry<A> {
    /// Stores a new object. `object` is the decoded, defaulted body in the version of the URL; the
    /// answer is the entry as stored, or for a dry run as it would be. Without a `writer` the
    /// managed fields are taken as they are.
    ///
    /// # Errors
    /// Whatever the steps refuse: 400, 403, 409, 422.
    pub async fn create<'a>(
        &self,
        at: &Attributes<'_>,
        options: &WriteOptions,
        writer: Option<&Writer<'_>>,
        mut object: Value<'a>,
        arena: &'a Bump,
    ) -> Result<Arc<Entry>> {
        let generates = meta::name(&object).is_empty()
            && !object.str_at(&["metadata", "generateName"]).is_empty();
        meta::wipe_system_fields(&mut object, arena);
        warn_of_owners(at, &mut object, Owners::Sent);
        if let Some(writer) = writer {
            managed::update(arena, Some(at.resource.ty), None, &mut object, writer);
        }
        // A name that is to be made is not there yet for those who may change the object.
        self.admit.mutate(at, &mut object, None, arena).await?;
        warn_of_owners(at, &mut object, Owners::Admitted);
        let generates = generates && meta::name(&object).is_empty();
        if !generates {
            // Upstream does not tell a given name from a made one.
            let prefixed = !object.str_at(&["metadata", "generateName"]).is_empty();
            let created = self.create_named(at, options, object, arena).await;
            return created.map_err(|fault| match fault {
                Fault::AlreadyExists { subject, terminating, .. } if prefixed => {
                    Fault::AlreadyExists { subject, generated: true, terminating }
                }
                other => other,
            });
        }
        for attempt in 1.. {
            let mut named = object.share_in(arena);
            generate_name(&mut named, at.resource.name, arena);
            let name = meta::name(&named);
            let at = Attributes { name, ..*at };
            match self.create_named(&at, options, named, arena).await {
                Err(Fault::AlreadyExists { .. }) if attempt < GENERATE_ATTEMPTS => {}
                Err(Fault::AlreadyExists { subject, terminating, .. }) => {
                    return Err(Fault::AlreadyExists { subject, generated: true, terminating });
                }
                done => return done,
            }
        }
        unreachable!("the loop returns at its last attempt")
    }

    /// From the name on.
    async fn create_named<'a>(
        &self,
        at: &Attributes<'_>,
        options: &WriteOptions,
        mut object: Value<'a>,
        arena: &'a Bump,
    ) -> Result<Arc<Entry>> {
        let storage = stored::storage(at.resource)?;
        let strategy = stored::strategy_of(at.resource);
        let metadata = meta::metadata_mut(&mut object, arena);
        let now = timestamp::rfc3339(clock::unix_seconds());
        metadata.insert("creationTimestamp", Value::str_in(&now, arena));
        metadata.insert("uid", Value::str_in(&ids::uuid(), arena));
        let mut object = stored::to_storage(at.resource, object, arena)?;

        let mut warnings = Vec::new();
        let privileged = self.options.allow_privileged;
        let mut scope = stored::scope(at, storage, arena, &now, privileged, &mut warnings);
        strategy.begin_create(&mut object, &mut scope);
        let taken = self.allocate(at, &mut object, None, arena).await?;
        let mut errors = strategy.check_create(&object, &scope);
        self.check_admin_access(at, &object, None, &mut errors).await?;
        let finished = if errors.is_empty() {
            strategy.warn_create(&object, &mut scope);
            strategy.finish(&mut object, &mut scope);
            warnings.into_iter().for_each(|text| at.context.warn(text));
            self.store_new(at, options, &object, arena).await
        } else {
            Err(stored::invalid(at.resource, meta::name(&object), errors))
        };
        taken.settle(self, finished.is_ok() && !options.dry_run).await;
        finished
    }

    async fn store_new<'a>(
        &self,
        at: &Attributes<'_>,
        options: &WriteOptions,
        object: &Value<'a>,
        arena: &'a Bump,
    ) -> Result<Arc<Entry>> {
        self.admit.validate(at, object, None).await?;
        let storage = stored::storage(at.resource)?;
        let (namespace, name) = (meta::namespace(object), meta::name(object));
        let value = self.encode_stored(storage, object, arena).await?;
        let key = storage.key(namespace, name);
        if options.dry_run {
            if let Some(entry) = self.read(storage, namespace, name).await? {
                return Err(stored::exists(at.resource, name, entry.deleting()));
            }
            // As sent: nothing gives it another one.
            let revision = meta::resource_version(object).parse().unwrap_or(0);
            return Ok(Arc::new(Entry::new(key, revision, value)));
        }
        let ttl_seconds = (storage.resource == "events").then_some(self.options.event_ttl_seconds);
        if meta::resource_version(object).parse::<u64>().is_ok_and(|revision| revision != 0) {
            let text = "resourceVersion should not be set on objects to be created";
            return Err(Fault::Plain(text.into()));
        }
        let txn = Txn { key, expected: Expected::Absent, write: Write::Put { value, ttl_seconds } };
        match self.commit_for(at, txn).await? {
            Outcome::Applied { item, .. } => Ok(item),
            Outcome::Conflict { current } => {
                let terminating = current.is_some_and(|entry| entry.deleting());
                Err(stored::exists(at.resource, name, terminating))
            }
        }
    }
}

/// `metadata.name` from `generateName` and five random characters; the name of an IPAddress is the
/// address, to which nothing is added (`noopNameGenerator`).
fn generate_name<'a>(object: &mut Value<'a>, resource: &str, arena: &'a Bump) {
    let base = object.str_at(&["metadata", "generateName"]);
    if resource == "ipaddresses" {
        let name = Value::str_in(base, arena);
        meta::metadata_mut(object, arena).insert("name", name);
        return;
    }
    let mut cut = base.len().min(GENERATE_BASE_BYTES_MAX);
    while !base.is_char_boundary(cut) {
        cut -= 1;
    }
    let name = format!("{}{}", base.get(..cut).unwrap_or(base), ids::name_suffix());
    meta::metadata_mut(object, arena).insert("name", Value::str_in(&name, arena));
}

/// When owner references are looked at for those that stand twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// As the client sent them: create and PUT.
    Sent,
    /// After mutating admission: every write, and the first look at those of a patch.
    Admitted,
}

/// Drops owner references that stand twice and says so (`dedupOwnerReferencesAndAddWarning`).
pub(super) fn warn_of_owners(at: &Attributes<'_>, object: &mut Value<'_>, when: Owners) {
    let Some(uids) = meta::dedup_owner_references(object) else { return };
    let after = match when {
        Owners::Sent => "",
        Owners::Admitted => " after mutating admission happens",
    };
    at.context.warn(format!(
        ".metadata.ownerReferences contains duplicate entries{after}; API server dedups owner \
         references in 1.20+, and may reject such requests as early as 1.24; please fix your \
         requests; duplicate UID(s) observed: {uids}"
    ));
}
