//! Changes that the server makes itself, around the kind's strategy: a binding, a condition
//! (`Store.GuaranteedUpdate` called directly upstream).

use super::store::{Admit, First, Registry};
use super::stored;
use crate::cache::Entry;
use crate::object::Value;
use crate::request::{Attributes, Result};
use crate::store::{Expected, Item as _, Outcome, Txn, Write};
use bumpalo::Bump;
use std::sync::Arc;

const ATTEMPTS_MAX: usize = 64;

impl<A: Admit> Registry<A> {
    /// Changes the stored object of `at` by `change`, tried again until no other writer comes
    /// between.
    ///
    /// # Errors
    /// 404, and what `change` refuses.
    pub async fn change_stored(
        &self,
        at: &Attributes<'_>,
        change: impl for<'a> Fn(&mut Value<'a>, &'a Bump) -> Result<()>,
    ) -> Result<Arc<Entry>> {
        let storage = stored::storage(at.resource)?;
        let First { entry: mut current, mut is_current } = self.read_first(at, storage).await?;
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = current else {
                return Err(stored::missing(at.resource, at.name));
            };
            let arena = Bump::new();
            let mut object = stored::decode(storage, &entry, &arena)?;
            let changed = change(&mut object, &arena);
            let value = stored::encode(storage, &object, &arena);
            drop(object);
            let is_same = value == *entry.value() && !entry.is_filled_in();
            if !is_current && (changed.is_err() || is_same) {
                // What was read may have been old.
                current = self.read_for(at, storage).await?;
                is_current = true;
                continue;
            }
            changed?;
            if at.dry_run || is_same {
                return Ok(Arc::clone(&entry));
            }
            let expected = Expected::Revision(entry.revision());
            let write = Write::Put { value, ttl_seconds: None };
            let txn = Txn { key: entry.key().clone(), expected, write };
            match self.commit_for(at, txn).await? {
                Outcome::Applied { item, .. } => return Ok(item),
                Outcome::Conflict { current: newer } => current = newer,
            }
            is_current = true;
        }
        Err(stored::modified(at.resource, at.name))
    }
}
