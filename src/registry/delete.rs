//! Delete of one object and of collections (behaviours.md section 1.6,
//! `genericregistry.Store.Delete`).

use super::deletion::{Deletion, decide};
use super::store::{Admit, Registry};
use super::{meta, stored};
use crate::base::clock;
use crate::cache::Entry;
use crate::catalog::Storage;
use crate::object::Value;
use crate::request::{Attributes, DeleteOptions, Fault, Result, Subject, bad_read_error_option};
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
        let mut current = self.read_for(at, storage).await?;
        // The object as this delete stored it, marked, before it is to go.
        let mut marked: Option<Arc<Entry>> = None;
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = current else {
                // Who else wanted it gone was faster: it is.
                let gone = marked.map(|entry| Deleted { entry, removed: true });
                return gone.ok_or_else(|| stored::missing(at.resource, at.name));
            };
            match self.delete_attempt(at, options, storage, &entry, marked.is_some()).await? {
                Step::Done(deleted) => return Ok(deleted),
                Step::Lost(newer) => current = newer,
                Step::Marked(entry) => {
                    current = Some(Arc::clone(&entry));
                    marked = Some(entry);
                }
            }
        }
        Err(stored::modified(at.resource, at.name))
    }

    /// Removes an object that cannot be read (`corruptObjectDeleter`).
    ///
    /// # Errors
    /// 422 for one that can, or is not there; 409 if it changes meanwhile.
    pub async fn delete_unreadable(&self, at: &Attributes<'_>) -> Result<()> {
        let storage = stored::storage(at.resource)?;
        let entry = self.read_for(at, storage).await?;
        let is_broken = |entry: &Arc<Entry>| {
            entry.unreadable() || stored::decode(storage, entry, &Bump::new()).is_err()
        };
        let Some(entry) = entry.filter(is_broken) else {
            let why = "is exclusively used to delete corrupt object(s), try again by removing \
                       this option";
            return Err(bad_read_error_option(stored::subject(at.resource, at.name), why));
        };
        let expected = Expected::Revision(entry.revision());
        let txn = Txn { key: entry.key().clone(), expected, write: Write::Delete };
        match self.commit_for(at, txn).await? {
            Outcome::Applied { .. } | Outcome::Conflict { current: None } => Ok(()),
            Outcome::Conflict { current: Some(_) } => Err(stored::modified(at.resource, at.name)),
        }
    }

    async fn delete_attempt(
        &self,
        at: &Attributes<'_>,
        options: &DeleteOptions,
        storage: &'static Storage,
        entry: &Arc<Entry>,
        marked: bool,
    ) -> Result<Step> {
        let arena = Bump::new();
        let shown = self.in_version(at.resource, entry).await?;
        let old = stored::decode(storage, &shown, &arena)?;
        if !marked {
            check_preconditions(at, &old, entry, options)?;
        }
        let mut object = old.copy_in(&arena);
        self.admit.mutate(at, &mut object, Some(&old), &arena).await?;
        self.admit.validate(at, &object, Some(&old)).await?;
        let mut object = old.copy_in(&arena);
        let now = clock::unix_seconds();
        let how = if is_namespace(storage) {
            super::namespace::decide_delete(&mut object, storage, options, now, &arena)
        } else if storage.resource == "customresourcedefinitions" && storage.custom.is_none() {
            super::definition::decide_delete(&mut object, now, &arena)
        } else {
            decide(&mut object, storage, options, now, &arena)
        };
        let value = self.encode_stored(storage, &object, &arena).await?;
        let same = value == *entry.value();
        if how == Deletion::Keep || (how == Deletion::Mark && same) {
            return Ok(Step::Done(Deleted { entry: Arc::clone(entry), removed: false }));
        }
        let removed = how != Deletion::Mark;
        if options.dry_run {
            let entry = Arc::new(Entry::new(entry.key().clone(), entry.revision(), value));
            return Ok(Step::Done(Deleted { entry, removed }));
        }
        let write = match how {
            Deletion::Remove => Write::Delete,
            _ => Write::Put { value: value.clone(), ttl_seconds: None },
        };
        let expected = Expected::Revision(entry.revision());
        let txn = Txn { key: entry.key().clone(), expected, write };
        match self.commit_for(at, txn).await? {
            Outcome::Conflict { current } => Ok(Step::Lost(current)),
            Outcome::Applied { item, .. } if how == Deletion::MarkAndRemove => {
                Ok(Step::Marked(item))
            }
            Outcome::Applied { item, .. } if how == Deletion::Mark => {
                Ok(Step::Done(Deleted { entry: item, removed }))
            }
            Outcome::Applied { item, revision } => {
                self.release(at, &old).await;
                let entry = Arc::new(Entry::new(item.key().clone(), revision, value));
                Ok(Step::Done(Deleted { entry, removed }))
            }
        }
    }
}

enum Step {
    Done(Deleted),
    Lost(Option<Arc<Entry>>),
    Marked(Arc<Entry>),
}

fn is_namespace(storage: &Storage) -> bool {
    storage.resource == "namespaces" && storage.group.is_empty()
}

/// uid and resourceVersion that the client insists on; the message names the Kind.
fn check_preconditions(
    at: &Attributes<'_>,
    object: &Value<'_>,
    entry: &Entry,
    options: &DeleteOptions,
) -> Result<()> {
    let namespace = stored::storage(at.resource).is_ok_and(is_namespace);
    let conflict = |field: &str, asked: &str, own: &str, more: &str| {
        if namespace {
            let message = format!(
                "Precondition failed: {field} in precondition: {asked}, {field} in object meta: \
                 {own}"
            );
            return Err(Fault::Conflict {
                subject: stored::subject(at.resource, at.name),
                message,
            });
        }
        let subject = Subject {
            group: at.resource.group.into(),
            resource: at.resource.kind.into(),
            name: at.name.into(),
        };
        let message = format!(
            "the {field} in the precondition ({asked}) does not match the {field} in record \
             ({own}). The object might have been {more}"
        );
        Err(Fault::Conflict { subject, message })
    };
    if let Some(uid) = &options.uid {
        let own = meta::uid(object);
        if uid != own {
            return conflict("UID", uid, own, "deleted and then recreated");
        }
    }
    if let Some(version) = &options.resource_version {
        let own = entry.revision().to_string();
        if *version != own {
            return conflict("ResourceVersion", version, &own, "modified");
        }
    }
    Ok(())
}
