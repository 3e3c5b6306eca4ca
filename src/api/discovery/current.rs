//! The documents of now: built anew when custom resources have changed.

use super::remote::with_remote;
use super::{Discovery, RemoteList, built_in, with_custom};
use crate::catalog::custom;
use bumpalo::Bump;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Documents, with the numbers of what they were made from: custom resources, remote groups.
type Kept = ((u64, u64), Rc<Discovery>);

/// One shard's documents.
#[derive(Debug)]
pub struct Current {
    address: String,
    /// With no custom resources: shared by all shards.
    built_in: Arc<Discovery>,
    kept: RefCell<Option<Kept>>,
}

/// The documents, shared by the process or of the shard.
#[derive(Debug)]
pub enum Found {
    /// Those of the built-in groups.
    BuiltIn(Arc<Discovery>),
    /// Those with custom resources.
    Own(Rc<Discovery>),
}

impl std::ops::Deref for Found {
    type Target = Discovery;

    fn deref(&self) -> &Discovery {
        match self {
            Self::BuiltIn(found) => found,
            Self::Own(found) => found,
        }
    }
}

impl Current {
    /// Starts with the built-in groups. `address` is what clients are told to connect to.
    pub fn new(built_in: Arc<Discovery>, address: String) -> Self {
        Self { address, built_in, kept: RefCell::default() }
    }

    /// The documents that show what is served now, `remote` by other servers.
    pub fn get(&self, remote: &RemoteList) -> Found {
        let served = custom::served();
        if served.definitions.is_empty() && remote.versions.is_empty() {
            return Found::BuiltIn(Arc::clone(&self.built_in));
        }
        let mut kept = self.kept.borrow_mut();
        let numbers = (served.number, remote.number);
        if let Some((known, found)) = &*kept
            && *known == numbers
        {
            return Found::Own(Rc::clone(found));
        }
        let arena = Bump::new();
        let groups = with_remote(with_custom(built_in(), &served), remote, &arena);
        let found = Rc::new(Discovery::new(&groups, &self.address));
        *kept = Some((numbers, Rc::clone(&found)));
        Found::Own(found)
    }
}
