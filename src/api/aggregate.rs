//! API services that another server stands behind: which requests are theirs
//! (`APIAggregator`, `proxyHandler` of kube-aggregator).

use super::answer::Answer;
use crate::cache::{Cache, Entry};
use crate::catalog::catalog;
use bumpalo::Bump;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The API services of one shard; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Aggregator {
    remote: Rc<RefCell<BTreeMap<GroupVersion, Rc<Remote>>>>,
}

type GroupVersion = (Box<str>, Box<str>);

/// A group version that is served elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its condition `Available` is true.
    pub available: bool,
}

impl Aggregator {
    /// Follows the stored API services for as long as the shard runs.
    pub async fn follow(self, cache: Cache) {
        let Some(storage) = catalog().storage("apiservices") else { return };
        let mut services = cache.mirror(storage);
        loop {
            services.changed().await;
            let remote = services.entries().filter_map(|entry| read(entry)).collect();
            *self.remote.borrow_mut() = remote;
        }
    }

    /// Who serves the path, if it is another server.
    pub fn find(&self, path: &str) -> Option<Rc<Remote>> {
        let remote = self.remote.borrow();
        if remote.is_empty() {
            return None;
        }
        let mut parts = path.strip_prefix("/apis/")?.splitn(3, '/');
        let (group, version) = (parts.next()?, parts.next()?);
        remote.get(&(Box::from(group), Box::from(version))).cloned()
    }

    /// The answer to a request that another server should get.
    pub fn answer(remote: &Remote) -> Answer {
        if !remote.available {
            return Answer::text(503, "service unavailable\n");
        }
        Answer::text(503, "proxying to other API servers is not built yet in this version\n")
    }
}

fn read(entry: &Entry) -> Option<(GroupVersion, Rc<Remote>)> {
    let arena = Bump::new();
    let object = entry.object(&arena).ok()?;
    object.at(&["spec", "service"])?;
    let group = object.str_at(&["spec", "group"]);
    if group.is_empty() {
        return None;
    }
    let version = object.str_at(&["spec", "version"]);
    let mut conditions = object.list_at(&["status", "conditions"]).iter();
    let available = conditions.any(|condition| {
        condition.str_at(&["type"]) == "Available" && condition.str_at(&["status"]) == "True"
    });
    Some(((group.into(), version.into()), Rc::new(Remote { available })))
}
