//! Lists: one owner for a namespace, all shards at one exact revision for the rest, and the store
//! for revisions that have left the window.

use crate::base::limits::LIST_CHUNK_MAX;
use crate::base::ticks::Ticks;
use crate::cache::entry::Entry;
use crate::cache::filter::Filter;
use crate::cache::hop::{Answer, Ask, ListAsk, Moment, Page};
use crate::cache::partition::{Resource, owner, slot};
use crate::cache::read::{ReadAt, ReadFault};
use crate::cache::scan::key_after;
use crate::cache::shard::Shard;
use crate::catalog::Storage;
use crate::object::selector::{FieldSelector, LabelSelector};
use crate::rt;
use crate::store::{Item, OldState};
use bytes::Bytes;
use std::sync::Arc;

/// What a list asks for.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// The resource.
    pub storage: &'static Storage,
    /// One namespace only.
    pub namespace: Option<Box<str>>,
    /// One name only.
    pub name: Option<Box<str>>,
    /// Only objects with such labels.
    pub labels: LabelSelector,
    /// Only objects with such fields.
    pub fields: FieldSelector,
    /// At most so many; 0 for all.
    pub limit: usize,
    /// The first key wanted, inclusive: `next` of the page before.
    pub start: Option<Bytes>,
    /// Which state.
    pub at: ReadAt,
}

impl ListQuery {
    /// All objects of a resource, as fresh as can be.
    pub fn all(storage: &'static Storage) -> Self {
        Self {
            storage,
            namespace: None,
            name: None,
            labels: LabelSelector::default(),
            fields: FieldSelector::default(),
            limit: 0,
            start: None,
            at: ReadAt::Latest,
        }
    }
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct ListPage {
    /// In key order.
    pub entries: Vec<Arc<Entry>>,
    /// The revision whose state this is.
    pub revision: u64,
    /// Where the next page starts, if there is more.
    pub next: Option<Bytes>,
    /// How many objects follow; known only without selectors.
    pub remaining: Option<u64>,
    /// How many objects were looked at.
    pub fetched: usize,
    /// The store was asked.
    pub from_store: bool,
}

/// The first key above all keys with this prefix, which ends in `/`.
fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    Bytes::from(end)
}

pub(super) async fn list(shard: &Shard, query: ListQuery) -> Result<ListPage, ReadFault> {
    let scope = (query.namespace, query.name);
    let filter = Filter::new(query.storage, scope, query.labels, &query.fields);
    let list = List { storage: query.storage, limit: query.limit, at: query.at };
    let begun = Ticks::now();
    let page = list.run(shard, filter, query.start).await?;
    let mut state = shard.state.borrow_mut();
    let held = state.resource(Some(query.storage));
    if !matches!(query.at, ReadAt::Any | ReadAt::Heard) {
        held.waits.since(begun);
    }
    let lists = &mut held.lists;
    let counts = if page.from_store { &mut lists.store } else { &mut lists.cache };
    counts.count += 1;
    counts.fetched += page.fetched as u64;
    counts.returned += page.entries.len() as u64;
    drop(state);
    Ok(page)
}

/// A list's parameters beside filter and start.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) storage: &'static Storage,
    pub(super) limit: usize,
    pub(super) at: ReadAt,
}

impl List {
    pub(super) async fn run(
        self,
        shard: &Shard,
        filter: Filter,
        start: Option<Bytes>,
    ) -> Result<ListPage, ReadFault> {
        let latest = match self.at {
            ReadAt::Heard => shard.committed(),
            ReadAt::Latest => shard.latest().await?,
            ReadAt::Any | ReadAt::AtLeast(_) | ReadAt::Exact(_) => 0,
        };
        let ask = Arc::new(self.ask(shard, filter, start, latest));
        let beyond_window = matches!(ask.at, Moment::Exactly(revision)
            if self.window_floor(shard).is_some_and(|floor| revision < floor));
        if beyond_window {
            return self.ask_store(shard, &ask).await;
        }
        let answers = match self.sole_owner(shard, &ask.filter) {
            Some(owner) => vec![shard.ask(owner, Ask::List(Arc::clone(&ask))).await],
            None => {
                let shards = 0..shard.peers.len();
                rt::all(shards.map(|to| shard.ask(to, Ask::List(Arc::clone(&ask)))).collect()).await
            }
        };
        let mut pages = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer? {
                Answer::Page(page) => pages.push(page),
                // As upstream: the store itself still can answer.
                Answer::Behind(_) if self.at.may_ask_store() && shard.is_shared => {
                    return self.ask_store(shard, &ask).await;
                }
                Answer::Behind(current) => return Err(ReadFault::behind(self.at, current)),
                Answer::Gone => return self.ask_store(shard, &ask).await,
                Answer::Entry(_) => return Err(ReadFault::Timeout),
            }
        }
        Ok(merge(pages, &ask))
    }

    fn ask(self, shard: &Shard, filter: Filter, start: Option<Bytes>, latest: u64) -> ListAsk {
        let prefix = self.storage.namespace_prefix(filter.namespace.as_deref().unwrap_or(""));
        let (mut first, mut end) = (prefix.clone(), prefix_end(&prefix));
        if let (Some(name), true) = (&filter.name, self.is_one_key(&filter)) {
            first = self.storage.key(filter.namespace.as_deref().unwrap_or(""), name);
            end = key_after(&first);
        }
        let start = start.filter(|start| *start > first).unwrap_or(first);
        let owner = self.sole_owner(shard, &filter);
        let newest = match self.at {
            ReadAt::Any => shard.applied(),
            ReadAt::AtLeast(revision) => revision.max(shard.applied()),
            ReadAt::Heard | ReadAt::Latest => latest,
            ReadAt::Exact(revision) => revision,
        };
        // One owner may show a newer state than asked for; several must show the same one.
        let at = match (self.at, owner) {
            (ReadAt::Any, Some(_)) => Moment::NotBefore(0),
            (ReadAt::AtLeast(revision), Some(_)) => Moment::NotBefore(revision),
            (ReadAt::Heard | ReadAt::Latest, Some(_)) => Moment::NotBefore(newest),
            _ => Moment::Exactly(newest),
        };
        ListAsk { storage: self.storage, start, end, filter, limit: self.limit, at }
    }

    fn is_one_key(self, filter: &Filter) -> bool {
        filter.name.is_some() && (filter.namespace.is_some() || !self.storage.namespaced)
    }

    /// The one shard that owns all that is asked for, if there is one.
    fn sole_owner(self, shard: &Shard, filter: &Filter) -> Option<usize> {
        let shards = shard.peers.len();
        let spread_on = match &filter.namespace {
            _ if shards == 1 => return Some(0),
            Some(namespace) => namespace,
            None if self.storage.namespaced => return None,
            None => filter.name.as_ref()?,
        };
        let slot = slot(Resource::of(Some(self.storage)), spread_on);
        Some(owner(slot, shards))
    }

    fn window_floor(self, shard: &Shard) -> Option<u64> {
        Some(shard.state.borrow().known(Resource::of(Some(self.storage)))?.window.floor())
    }

    /// Asks the store for a state that no window reaches, until the limit is met.
    async fn ask_store(self, shard: &Shard, ask: &ListAsk) -> Result<ListPage, ReadFault> {
        let revision = ask.at.revision();
        let everything = ask.filter.selects_everything();
        let chunk = if everything { ask.limit } else { LIST_CHUNK_MAX };
        let mut page = ListPage { revision, from_store: true, ..ListPage::default() };
        let mut start = ask.start.clone();
        loop {
            let old = old_state(shard, self.storage, ask, (start, chunk)).await?;
            let last = old.items.last().map(|entry| key_after(entry.key()));
            let count = old.items.len();
            page.fetched += count;
            for (at, entry) in old.items.into_iter().enumerate() {
                if entry.key()[..] >= ask.end[..] {
                    return Ok(page);
                }
                if !ask.filter.matches(&entry) {
                    continue;
                }
                page.entries.push(entry);
                let follow = old.remaining + (count - at - 1);
                if ask.limit > 0 && page.entries.len() >= ask.limit && follow > 0 {
                    page.next = page.entries.last().map(|entry| key_after(entry.key()));
                    page.remaining = everything.then_some(follow as u64);
                    return Ok(page);
                }
            }
            match last {
                Some(last) if old.remaining > 0 && last < ask.end => start = last,
                _ => return Ok(page),
            }
        }
    }
}

async fn old_state(
    shard: &Shard,
    storage: &Storage,
    ask: &ListAsk,
    (start, limit): (Bytes, usize),
) -> Result<OldState<Entry>, ReadFault> {
    let prefix = storage.namespace_prefix(ask.filter.namespace.as_deref().unwrap_or(""));
    shard.list_at((prefix, start, limit), ask.at.revision()).await
}

/// Joins the owners' shares.
fn merge(mut pages: Vec<Page>, ask: &ListAsk) -> ListPage {
    let revision = pages.first().map_or(0, |page| page.revision);
    let total = pages.iter().map(|page| page.total).sum::<usize>();
    let fetched = pages.iter().map(|page| page.looked).sum();
    let last = pages.iter_mut().filter_map(|page| page.last.take());
    let last = last.max_by(|a, b| a.key().cmp(b.key()));
    let mut entries = match pages.len() {
        1 => pages.pop().map(|page| page.entries).unwrap_or_default(),
        _ => {
            let mut entries: Vec<_> = pages.into_iter().flat_map(|page| page.entries).collect();
            // Each share is a sorted run, which the sort merges.
            entries.sort_by(|a, b| a.key().cmp(b.key()));
            entries
        }
    };
    let mut page = ListPage { revision, fetched, ..ListPage::default() };
    let cut = ask.limit > 0 && entries.len() >= ask.limit;
    if cut {
        entries.truncate(ask.limit);
        let end = entries.last().map(|entry| entry.key());
        // As upstream, any further key counts, also one that the selectors do not want.
        if let (Some(end), Some(last)) = (end, &last)
            && last.key() > end
        {
            page.next = Some(key_after(end));
            let follow = total.saturating_sub(entries.len()) as u64;
            page.remaining = ask.filter.selects_everything().then_some(follow);
        }
    }
    page.entries = entries;
    page
}
