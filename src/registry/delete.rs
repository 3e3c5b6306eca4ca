//! Delete of one object and of collections (behaviours.md section 1.6,
//! `genericregistry.Store.Delete`).

use super::deletion::{Deletion, decide, is_graceful};
use super::store::{Admit, Registry};
use super::{meta, stored};
use crate::base::{clock, timestamp};
use crate::cache::Entry;
use crate::catalog::Storage;
use crate::object::Value;
use crate::request::{Attributes, DeleteOptions, Fault, Result, Subject};
use crate::store::{Expected, Item as _, Outcome, Txn, Write};
use bumpalo::Bump;
use std::sync::Arc;

const ATTEMPTS_MAX: usize = 64;

/// How a delete ended.
#[derive(Debug, Clone)]
pub struct Deleted {
    /// The object as it went, or as it stands marked.
    pub entry: Arc<Entry>,
    /// The object is gone; false if it is only marked.
    pub removed: bool,
}

impl<A: Admit> Registry<A> {
    /// Deletes or marks the object of `at`.
    ///
    /// # Errors
    /// 404, 409 for preconditions, and what admission refuses.
    pub async fn delete(&self, at: &Attributes<'_>, options: &DeleteOptions) -> Result<Deleted> {
        let storage = stored::storage(at.resource)?;
        let mut current = self.read(storage, at.namespace, at.name).await?;
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = current else {
                return Err(stored::missing(at.resource, at.name));
            };
            match self.delete_attempt(at, options, storage, &entry).await? {
                Ok(deleted) => return Ok(deleted),
                Err(newer) => current = newer,
            }
        }
        Err(stored::modified(at.resource, at.name))
    }

    async fn delete_attempt(
        &self,
        at: &Attributes<'_>,
        options: &DeleteOptions,
        storage: &'static Storage,
        entry: &Arc<Entry>,
    ) -> Result<std::result::Result<Deleted, Option<Arc<Entry>>>> {
        let arena = Bump::new();
        let old = stored::decode(storage, entry, &arena)?;
        check_preconditions(at, &old, entry, options)?;
        let mut object = old.copy_in(&arena);
        self.admit.mutate(at, &mut object, Some(&old), &arena).await?;
        self.admit.validate(at, &object, Some(&old)).await?;
        let mut object = old.copy_in(&arena);
        let now = clock::unix_seconds();
        let how = if storage.resource == "namespaces" && storage.group.is_empty() {
            super::namespace::decide_delete(&mut object, now, &arena)
        } else {
            decide(&mut object, storage, options, now, &arena)
        };
        if how == Deletion::Remove && is_graceful(storage) {
            // What a pod's last answer and event show.
            if !meta::is_deleting(&object) {
                meta::bump_generation(&mut object, &arena);
            }
            meta::mark_deleting(&mut object, &timestamp::rfc3339(now), 0, &arena);
        }
        let (write, removed) = match how {
            Deletion::Keep => {
                return Ok(Ok(Deleted { entry: Arc::clone(entry), removed: false }));
            }
            Deletion::Mark => {
                let value = stored::encode(storage, &object, &arena);
                (Write::Put { value, ttl_seconds: None }, false)
            }
            Deletion::Remove => (Write::Delete, true),
        };
        if options.dry_run {
            let value = match write {
                Write::Put { value, .. } => value,
                Write::Delete => stored::encode(storage, &object, &arena),
            };
            let entry = Arc::new(Entry::new(entry.key().clone(), entry.revision(), value));
            return Ok(Ok(Deleted { entry, removed }));
        }
        let expected = Expected::Revision(entry.revision());
        let txn = Txn { key: entry.key().clone(), expected, write };
        Ok(match self.commit(txn).await? {
            Outcome::Applied { item, revision } => {
                if removed {
                    self.release(at, &old).await;
                }
                let gone = || {
                    let value = stored::encode(storage, &object, &arena);
                    Entry::new(item.key().clone(), revision, value)
                };
                let entry = if removed { Arc::new(gone()) } else { item };
                Ok(Deleted { entry, removed })
            }
            Outcome::Conflict { current } => Err(current),
        })
    }
}

/// uid and resourceVersion that the client insists on; the message names the Kind.
fn check_preconditions(
    at: &Attributes<'_>,
    object: &Value<'_>,
    entry: &Entry,
    options: &DeleteOptions,
) -> Result<()> {
    let conflict = |message: String| {
        let subject = Subject {
            group: at.resource.group.into(),
            resource: at.resource.kind.into(),
            name: at.name.into(),
        };
        Err(Fault::Conflict { subject, message })
    };
    if let Some(uid) = &options.uid {
        let own = meta::uid(object);
        if uid != own {
            return conflict(format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({own}). \
                 The object might have been deleted and then recreated"
            ));
        }
    }
    if let Some(version) = &options.resource_version {
        let own = entry.revision().to_string();
        if *version != own {
            return conflict(format!(
                "the ResourceVersion in the precondition ({version}) does not match the \
                 ResourceVersion in record ({own}). The object might have been modified"
            ));
        }
    }
    Ok(())
}
