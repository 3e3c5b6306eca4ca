//! Update: the compare-and-swap loop that put, patch and every subresource share
//! (behaviours.md section 1.2, `genericregistry.Store.Update`).

use super::change::Change;
use super::create::{Owners, warn_of_owners};
use super::store::{Admit, First, Registry};
use super::{meta, stored};
use crate::base::{clock, timestamp};
use crate::cache::Entry;
use crate::object::field::{FieldError, Path};
use crate::object::managed::{self, Writer};
use crate::object::{Arena, Value};
use crate::request::{Attributes, Fault, Operation, Result, WriteOptions, parse_uint};
use crate::store::{Expected, Item as _, Outcome, Txn, Write};
use bumpalo::Bump;
use std::sync::Arc;

/// Attempts before a busy object is given up on; each one lost to another writer.
const ATTEMPTS_MAX: usize = 64;

/// How an update ended.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The object as it stands, or as it went.
    pub entry: Arc<Entry>,
    /// The update made the object.
    pub created: bool,
}

impl<A: Admit> Registry<A> {
    /// Changes the object of `at`.
    ///
    /// # Errors
    /// 404, 409, 422 and whatever admission and the change itself refuse.
    pub async fn update(
        &self,
        at: &Attributes<'_>,
        options: &WriteOptions,
        writer: &Writer<'_>,
        change: &impl Change,
    ) -> Result<Updated> {
        let storage = stored::storage(at.resource)?;
        let First { entry: mut current, mut is_current } = self.read_first(at, storage).await?;
        for _ in 0..ATTEMPTS_MAX {
            let arena = Arena::new();
            let Some(entry) = current else {
                let Some(object) = change.create(&arena) else {
                    return Err(stored::missing(at.resource, at.name));
                };
                let mut object = object?;
                check_uid(at, &object, "", &storage.key(at.namespace, at.name))?;
                // There is no revision yet that the client could mean.
                sent_revision(&object)?;
                meta::metadata_mut(&mut object, &arena).remove("resourceVersion");
                let operation = Operation::Create;
                let at = Attributes { operation, by_update: true, ..*at };
                let owner = (!change.owns_managed_fields()).then_some(writer);
                let entry = self.create(&at, options, owner, object, &arena).await?;
                return Ok(Updated { entry, created: true });
            };
            let ended = self.attempt(at, options, writer, change, (&entry, &arena)).await;
            current = match ended {
                Ok(Attempt::Lost(newer)) => newer,
                Ok(Attempt::Done(entry)) => return Ok(Updated { entry, created: false }),
                ended if is_current => return ended.map(|ended| ended.left(entry)),
                // What was read may have been old: neither a refusal nor "no change" counts then
                // (`etcd3 store.GuaranteedUpdate`).
                ended => {
                    let newer = self.read_for(at, storage).await?;
                    if newer.as_ref().is_some_and(|now| now.revision() == entry.revision()) {
                        return ended.map(|ended| ended.left(entry));
                    }
                    newer
                }
            };
            is_current = true;
        }
        Err(stored::modified(at.resource, at.name))
    }

    async fn attempt(
        &self,
        at: &Attributes<'_>,
        options: &WriteOptions,
        writer: &Writer<'_>,
        change: &impl Change,
        (entry, arena): (&Arc<Entry>, &Bump),
    ) -> Result<Attempt> {
        let storage = stored::storage(at.resource)?;
        let strategy = stored::strategy_of(at.resource);
        let shown = self.in_version(at.resource, entry).await?;
        let old = stored::decode(storage, &shown, arena)?;
        let converted;
        let old_served = if stored::is_stored_form(at.resource) {
            &old
        } else {
            converted = stored::to_served(at.resource, old.share_in(arena), arena)?;
            &converted
        };
        let mut new = change.apply(old_served, arena)?;
        if change.is_whole() {
            check_uid(at, &new, meta::uid(&old), entry.key())?;
            warn_of_owners(at, &mut new, Owners::Sent);
        }
        let ty = Some(at.resource.ty);
        if !change.owns_managed_fields() {
            managed::update(arena, ty, Some(old_served), &mut new, writer);
        }
        self.admit.mutate(at, &mut new, Some(old_served), arena).await?;
        warn_of_owners(at, &mut new, Owners::Admitted);
        check_revision(at, &mut new, entry.revision(), arena)?;
        let mut new = stored::to_storage(at.resource, new, arena)?;
        // Custom resources are compared in the version of the request.
        let old = if at.resource.custom.is_some() { old_served } else { &old };
        let mut warnings = Vec::new();
        let now = timestamp::rfc3339(clock::unix_seconds());
        let privileged = self.options.allow_privileged;
        let mut scope = stored::scope(at, storage, arena, &now, privileged, &mut warnings);
        strategy.begin_update(&mut new, old, &mut scope);
        let taken = self.allocate(at, &mut new, Some(old), arena).await?;
        let mut errors = strategy.check_update(&new, old, &scope);
        self.check_admin_access(at, &new, Some(old), &mut errors).await?;
        let finished = if errors.is_empty() {
            strategy.warn_update(&new, old, &mut scope);
            strategy.finish(&mut new, &mut scope);
            managed::keep_times(Some(storage.ty), old, &mut new, arena);
            warnings.into_iter().for_each(|text| at.context.warn(text));
            self.store_change(at, options, (&new, old), entry, arena).await
        } else {
            Err(stored::invalid(at.resource, at.name, errors))
        };
        let stays = matches!(&finished, Ok(Attempt::Done(_) | Attempt::Same)) && !options.dry_run;
        taken.settle(self, stays).await;
        finished
    }

    async fn store_change<'a>(
        &self,
        at: &Attributes<'_>,
        options: &WriteOptions,
        (new, old): (&Value<'a>, &Value<'a>),
        entry: &Arc<Entry>,
        arena: &'a Bump,
    ) -> Result<Attempt> {
        self.admit.validate(at, new, Some(old)).await?;
        let storage = stored::storage(at.resource)?;
        let value = self.encode_stored(storage, new, arena).await?;
        let goes = meta::is_free_to_go(new) && stored::may_go(storage, new);
        let sealer = self.options.sealer.as_ref();
        // What is stored is compared, not what readers are shown of it.
        let stale =
            entry.is_filled_in() || sealer.is_some_and(|sealer| sealer.may_be_stale(entry.key()));
        if !goes && value == *entry.value() && !stale {
            return Ok(Attempt::Same);
        }
        // The answer to the update that lets an object go shows it at its last revision.
        let as_written =
            || Arc::new(Entry::new(entry.key().clone(), entry.revision(), value.clone()));
        if options.dry_run {
            return Ok(Attempt::Done(as_written()));
        }
        let ttl_seconds = (storage.resource == "events").then_some(self.options.event_ttl_seconds);
        let write =
            if goes { Write::Delete } else { Write::Put { value: value.clone(), ttl_seconds } };
        let expected = Expected::Revision(entry.revision());
        let txn = Txn { key: entry.key().clone(), expected, write };
        match self.commit_for(at, txn).await? {
            Outcome::Applied { .. } if goes => {
                self.release(at, old).await;
                Ok(Attempt::Done(as_written()))
            }
            Outcome::Applied { item, .. } => Ok(Attempt::Done(item)),
            Outcome::Conflict { current } => Ok(Attempt::Lost(current)),
        }
    }
}

enum Attempt {
    Done(Arc<Entry>),
    Lost(Option<Arc<Entry>>),
    /// Nothing changes.
    Same,
}

impl Attempt {
    /// How an update ends that has written nothing.
    fn left(self, found: Arc<Entry>) -> Updated {
        let entry = match self {
            Self::Done(entry) => entry,
            Self::Lost(_) | Self::Same => found,
        };
        Updated { entry, created: false }
    }
}

/// The uid of a PUT's body is a precondition (`Preconditions.Check`); a missing object has none.
fn check_uid(at: &Attributes<'_>, new: &Value<'_>, old_uid: &str, key: &[u8]) -> Result<()> {
    let uid = meta::uid(new);
    if uid.is_empty() || uid == old_uid {
        return Ok(());
    }
    Err(failed_precondition(at, key, ("UID", uid, old_uid)))
}

/// The fault of a precondition that does not hold: what it is of, what was asked for, and what the
/// object has (`storage.NewInvalidObjError`).
pub fn failed_precondition(
    at: &Attributes<'_>,
    key: &[u8],
    (what, asked, found): (&str, &str, &str),
) -> Fault {
    let key = String::from_utf8_lossy(key);
    // What only looks like a write is checked before the prefix of all keys is added.
    let shown = key.strip_prefix("/registry").filter(|_| at.dry_run).unwrap_or(&key);
    let message = format!(
        "StorageError: invalid object, Code: 4, Key: {shown}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: {what} in precondition: {asked}, {what} in \
         object meta: {found}"
    );
    Fault::Conflict { subject: stored::subject(at.resource, at.name), message }
}

/// The resourceVersion of the new object is a precondition, once admission has had its say
/// (`Store.Update`).
fn check_revision<'a>(
    at: &Attributes<'_>,
    new: &mut Value<'a>,
    revision: u64,
    arena: &'a Bump,
) -> Result<()> {
    let asked = sent_revision(new)?;
    if asked == 0 && !stored::storage(at.resource)?.unconditional_update {
        let path = Path::root("metadata.resourceVersion");
        let error = FieldError::invalid(&path, 0_i64, "must be specified for an update");
        let subject = stored::subject(at.resource, at.name);
        return Err(Fault::Invalid { subject, errors: vec![error] });
    }
    if asked != 0 && asked != revision {
        return Err(stored::modified(at.resource, at.name));
    }
    let metadata = meta::metadata_mut(new, arena);
    metadata.insert("resourceVersion", Value::str_in(&revision.to_string(), arena));
    metadata.insert("name", Value::str_in(at.name, arena));
    Ok(())
}

/// `metadata.resourceVersion` as a number, 0 if there is none (`ObjectResourceVersion`).
fn sent_revision(object: &Value<'_>) -> Result<u64> {
    let text = meta::resource_version(object);
    if text.is_empty() { Ok(0) } else { parse_uint(text).map_err(Fault::Plain) }
}
