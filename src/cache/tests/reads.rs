//! Reads that wait, that fail, and that one shard alone must not hold up.

use super::sample::{Sample, put, storage};
use super::sim::Sim;
use crate::base::limits::{READ_WAIT_SECONDS, SHARD_INBOX_MAX};
use crate::cache::hop::{Answer, Hop};
use crate::cache::{ListQuery, ReadAt, ReadFault};
use crate::store::{Expected, Item};
use bytes::Bytes;
use std::time::Duration;

/// Writes an object on shard 0; its revision.
pub(super) fn write(sim: &mut Sim, resource: &str, namespace: &str, name: &str) -> u64 {
    let key = storage(resource).key(namespace, name);
    let value = Sample::default().stored(name);
    write_value(sim, key, value)
}

pub(super) fn write_value(sim: &mut Sim, key: Bytes, value: Bytes) -> u64 {
    let current = sim.store.at(u64::MAX).remove(&key).map(|entry| entry.revision());
    let txn = put(key, value, current.map_or(Expected::Absent, Expected::Revision));
    let cache = sim.caches[0].clone();
    sim.run(0, async move { cache.commit(txn).await }).expect("written");
    sim.store.revision
}

#[test]
fn revision_from_the_future_is_waited_for_and_then_refused() {
    let mut sim = Sim::new(2, 1);
    let last = write(&mut sim, "pods", "a", "web");
    for cache in sim.caches.clone() {
        let shard = cache.shard();
        let ahead = ReadAt::AtLeast(last + 1);
        let get = cache.clone();
        let early = sim.spawn(shard, async move {
            get.get(storage("pods"), "a", "web", ahead).await.map(|entry| entry.is_some())
        });
        sim.settle();
        assert!(early.borrow().is_none(), "it waits");
        sim.pass(Duration::from_secs(READ_WAIT_SECONDS));
        let refused = Err(ReadFault::TooLarge { asked: last + 1, current: last });
        assert_eq!(early.take(), Some(refused.clone()));
        let list = async move {
            let query =
                ListQuery { at: ReadAt::Exact(last + 1), ..ListQuery::all(storage("pods")) };
            cache.list(query).await.map(|page| !page.entries.is_empty())
        };
        let list = sim.spawn(shard, list);
        sim.settle();
        sim.pass(Duration::from_secs(READ_WAIT_SECONDS));
        assert_eq!(list.take(), Some(refused));
    }
}

#[test]
fn reader_that_waits_is_answered_once_the_revision_is_there() {
    let mut sim = Sim::new(3, 2);
    let last = write(&mut sim, "pods", "a", "web");
    let cache = sim.caches[2].clone();
    let waiting = sim.spawn(2, async move {
        let entry = cache.get(storage("pods"), "a", "web", ReadAt::AtLeast(last + 2)).await;
        entry.expect("reached").map(|entry| entry.revision())
    });
    write(&mut sim, "pods", "a", "web");
    assert!(waiting.borrow().is_none());
    write(&mut sim, "nodes", "", "n1");
    assert_eq!(waiting.take(), Some(Some(last + 1)));
}

#[test]
fn stuck_shard_times_out_and_others_go_on() {
    let mut sim = Sim::new(2, 3);
    for name in 0..20 {
        write(&mut sim, "persistentvolumes", "", &format!("n{name}"));
    }
    sim.stuck = Some(1);
    let (mut answered, mut waiting) = (0, Vec::new());
    for name in 0..20 {
        let cache = sim.caches[0].clone();
        let read = sim.spawn(0, async move {
            let name = format!("n{name}");
            cache
                .get(storage("persistentvolumes"), "", &name, ReadAt::Any)
                .await
                .map(|e| e.is_some())
        });
        sim.settle();
        match read.take() {
            Some(found) => answered += u32::from(found == Ok(true)),
            None => waiting.push(read),
        }
    }
    assert!(answered > 0 && !waiting.is_empty(), "both shards own volumes");
    let cache = sim.caches[0].clone();
    let listed =
        sim.spawn(0, async move { cache.list(ListQuery::all(storage("persistentvolumes"))).await });
    sim.pass(Duration::from_secs(10));
    for read in waiting {
        assert_eq!(read.take(), Some(Err(ReadFault::Timeout)));
    }
    assert_eq!(listed.take().expect("ended").map(drop), Err(ReadFault::Timeout));
    sim.stuck = None;
    let cache = sim.caches[0].clone();
    let listed =
        sim.run(0, async move { cache.list(ListQuery::all(storage("persistentvolumes"))).await });
    assert_eq!(listed.expect("all shards answer").entries.len(), 20);
}

#[test]
fn keys_of_no_known_resource_are_read_by_key() {
    let mut sim = Sim::new(3, 4);
    let key = Bytes::from_static(b"/registry/ranges/servicenodeports");
    let revision = write_value(&mut sim, key.clone(), Bytes::from_static(b"any bytes"));
    for cache in sim.caches.clone() {
        let (key, shard) = (key.clone(), cache.shard());
        let read = sim.run(shard, async move { cache.get_other(key, ReadAt::Latest).await });
        assert_eq!(read.expect("read").map(|e| e.revision()), Some(revision));
    }
}

#[test]
fn long_list_shows_one_revision_though_writes_come_between_its_steps() {
    let mut sim = Sim::new(2, 5);
    let count = crate::base::limits::LIST_CHUNK_MAX + 500;
    let value = Sample::default().stored("x");
    let mut commits = Vec::new();
    for name in 0..count {
        let txn =
            put(storage("pods").key("a", &format!("p{name:05}")), value.clone(), Expected::Absent);
        let cache = sim.caches[0].clone();
        commits.push(sim.spawn(0, async move { cache.commit(txn).await.is_ok() }));
    }
    sim.settle();
    assert!(commits.iter().all(|commit| commit.take() == Some(true)));
    let asked = sim.store.revision;
    let cache = sim.caches[0].clone();
    let listed = sim.spawn(0, async move {
        let query = ListQuery { namespace: Some("a".into()), ..ListQuery::all(storage("pods")) };
        cache.list(query).await.expect("list")
    });
    for round in 0..30 {
        // At both ends of what is being listed.
        for name in [round, count - 1 - round] {
            let key = storage("pods").key("a", &format!("p{name:05}"));
            let current = sim.store.at(u64::MAX).get(&key).map_or(0, |entry| entry.revision());
            let cache = sim.caches[0].clone();
            let txn = super::sample::delete(key, current);
            drop(sim.spawn(0, async move { cache.commit(txn).await.is_ok() }));
        }
        sim.poll_one();
        sim.store.step(1);
    }
    sim.settle();
    let page = listed.take().expect("ended");
    assert!(page.revision >= asked);
    let shown: Vec<_> = page.entries.iter().map(|e| (e.key().clone(), e.revision())).collect();
    let state = sim.store.at(page.revision);
    assert_eq!(shown, state.iter().map(|(k, e)| (k.clone(), e.revision())).collect::<Vec<_>>());
}

#[test]
fn list_beyond_the_window_comes_from_the_store() {
    let mut sim = Sim::new(2, 6);
    for at in 0..6 {
        write(&mut sim, "pods", if at % 2 == 0 { "a" } else { "b" }, &format!("p{at}"));
    }
    // The store knows more than the shards were given.
    let history = sim.store.history.clone();
    let mut sim = Sim::opened(2, 6, history, 5);
    sim.store.compact(0);
    for (limit, selector) in [(0, ""), (2, ""), (2, "metadata.name!=p1")] {
        let (mut start, mut names) = (None, Vec::new());
        loop {
            let cache = sim.caches[1].clone();
            let fields = crate::object::selector::FieldSelector::parse(selector).expect("fields");
            let at = ReadAt::Exact(4);
            let query = ListQuery { at, limit, fields, start, ..ListQuery::all(storage("pods")) };
            let page = sim.run(1, async move { cache.list(query).await }).expect("page");
            assert_eq!(page.revision, 4);
            assert!(limit == 0 || page.entries.len() <= limit);
            names.extend(page.entries.iter().map(|e| e.name().to_owned()));
            if selector.is_empty() && page.next.is_some() {
                assert_eq!(page.remaining, Some(4 - names.len() as u64));
            }
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        let all = ["p0", "p2", "p1", "p3"];
        let expected: Vec<_> =
            all.into_iter().filter(|n| selector.is_empty() || *n != "p1").collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn page_that_ends_at_the_limit_says_so_if_any_key_follows() {
    let mut sim = Sim::new(3, 9);
    for name in ["a", "b", "c"] {
        let labels: &[_] = if name == "c" { &[] } else { &[("app", "web")] };
        let value = Sample { labels, ..Sample::default() }.stored(name);
        write_value(&mut sim, storage("nodes").key("", name), value);
    }
    let cache = sim.caches[0].clone();
    let labels = crate::object::selector::LabelSelector::parse("app=web").expect("labels");
    let query = ListQuery { limit: 2, labels, ..ListQuery::all(storage("nodes")) };
    let page = sim.run(0, async move { cache.list(query).await }).expect("page");
    let names: Vec<_> = page.entries.iter().map(|e| e.name()).collect();
    assert_eq!((names, page.remaining), (vec!["a", "b"], None));
    assert_eq!(page.next, Some(Bytes::from_static(b"/registry/minions/b\0")));
}

#[test]
fn revision_before_the_start_is_not_answered_with_an_empty_list() {
    let mut sim = Sim::new(2, 10);
    for _ in 0..4 {
        write(&mut sim, "nodes", "", "n1");
    }
    let mut sim = Sim::opened(2, 10, sim.store.history.clone(), 3);
    sim.store.compact(3);
    for (revision, expected) in
        [(2, Err(ReadFault::Expired { requested: 2, oldest: 3 })), (3, Ok(0)), (4, Ok(0))]
    {
        let cache = sim.caches[0].clone();
        let query = ListQuery { at: ReadAt::Exact(revision), ..ListQuery::all(storage("secrets")) };
        let listed = sim.run(0, async move { cache.list(query).await.map(|p| p.entries.len()) });
        assert_eq!(listed, expected);
    }
}

#[test]
fn full_inbox_of_a_shard_refuses_and_its_own_reads_go_on() {
    let mut sim = Sim::new(2, 11);
    for name in 0..30 {
        write(&mut sim, "persistentvolumes", "", &format!("n{name}"));
    }
    sim.stuck = Some(1);
    let peers = std::sync::Arc::clone(&sim.caches[0].shard.peers);
    for _ in 0..SHARD_INBOX_MAX {
        let hop = Hop::Answer { ticket: u64::MAX, answer: Answer::Gone };
        peers[1].put(hop);
    }
    let mut refused = 0;
    for name in 0..30 {
        let cache = sim.caches[0].clone();
        let read = async move {
            let name = format!("n{name}");
            cache
                .get(storage("persistentvolumes"), "", &name, ReadAt::Any)
                .await
                .map(|e| e.is_some())
        };
        match sim.run(0, read) {
            Err(fault) => {
                assert_eq!(fault, ReadFault::Overloaded);
                refused += 1;
            }
            Ok(found) => assert!(found),
        }
    }
    assert!((1..30).contains(&refused), "both shards own volumes");
}

#[test]
fn what_is_held_everywhere_is_read_without_asking_another_shard() {
    let mut sim = Sim::new(2, 5);
    for name in 0..20 {
        write(&mut sim, "nodes", "", &format!("n{name}"));
    }
    let cache = sim.caches[1].clone();
    let listed = sim.run(1, async move { cache.list(ListQuery::all(storage("nodes"))).await });
    assert_eq!(listed.expect("a list").entries.len(), 20, "each is listed by its owner alone");
    sim.stuck = Some(1);
    for name in 0..20 {
        let cache = sim.caches[0].clone();
        let name = format!("n{name}");
        let read = async move { cache.get(storage("nodes"), "", &name, ReadAt::Latest).await };
        assert!(sim.run(0, read).expect("answered").is_some());
    }
    let cache = sim.caches[0].clone();
    let before = sim.run(0, async move { cache.changed(storage("nodes")).await });
    write(&mut sim, "nodes", "", "n20");
    write(&mut sim, "persistentvolumes", "", "v");
    let cache = sim.caches[0].clone();
    let after = sim.run(0, async move { cache.changed(storage("nodes")).await });
    assert_eq!(after, before.map(|revision| revision + 1));
}
