//! Watches: who gets what, when they end, what they cost.

use super::reads::{write, write_value};
use super::sample::{Sample, storage};
use super::sim::{Sim, TextEncoder};
use crate::base::limits::{BOOKMARK_SECONDS, WATCHER_QUEUE_MAX};
use crate::cache::watcher::WatchCell;
use crate::cache::{FrameKind, ReadAt, ReadFault, WatchEnd, WatchFrom, WatchQuery, Watcher};
use crate::object::selector::{FieldSelector, LabelSelector};
use std::rc::Rc;
use std::time::Duration;

const NOW: WatchFrom = WatchFrom::After(u64::MAX);

/// Starts a watch on shard 0, polled once so that it is live.
fn watch(sim: &mut Sim, mut query: WatchQuery) -> Watcher {
    let cache = sim.caches[0].clone();
    if query.from == NOW {
        query.from = WatchFrom::After(cache.applied());
    }
    let mut watcher = sim.run(0, async move { cache.watch(query).await }).expect("watch");
    let mut none = Vec::new();
    let next = watcher.next_batch(&mut none, 1);
    assert!(futures_lite::future::block_on(futures_lite::future::poll_once(next)).is_none());
    watcher
}

/// A watch from now on.
fn pods(encoder: &Rc<TextEncoder>) -> WatchQuery {
    let from = NOW;
    let encoder = Rc::clone(encoder);
    WatchQuery::all(storage("pods"), from, encoder)
}

/// All that is there, as the encoder writes it; then whether the watch has ended.
fn drain(watcher: &mut Watcher) -> (Vec<String>, Option<WatchEnd>) {
    let (mut frames, mut texts) = (Vec::new(), Vec::new());
    loop {
        let next = watcher.next_batch(&mut frames, 100);
        let polled = futures_lite::future::block_on(futures_lite::future::poll_once(next));
        let text =
            |frame: Rc<crate::cache::Frame>| String::from_utf8_lossy(&frame.bytes()).into_owned();
        texts.extend(frames.drain(..).map(text));
        match polled {
            Some(Ok(())) => {}
            Some(Err(end)) => return (texts, Some(end)),
            None => return (texts, None),
        }
    }
}

#[test]
fn event_is_encoded_once_for_all_watchers_that_show_it_alike() {
    let mut sim = Sim::new(1, 1);
    let (json, other) = (TextEncoder::new(1), TextEncoder::new(2));
    let labels = || LabelSelector::parse("app=web").expect("labels");
    let all = pods(&json);
    let some = WatchQuery { labels: labels(), ..pods(&json) };
    let foreign = WatchQuery { labels: labels(), ..pods(&other) };
    let elsewhere = WatchQuery { namespace: Some("b".into()), ..pods(&json) };
    let mut watchers: Vec<_> =
        [all, some, foreign, elsewhere].map(|query| watch(&mut sim, query)).into();
    let value = Sample { labels: &[("app", "web")], ..Sample::default() }.stored("web");
    write_value(&mut sim, storage("pods").key("a", "web"), value);
    let shown: Vec<_> = watchers.iter_mut().map(|watcher| drain(watcher).0).collect();
    let event = vec!["Added /registry/pods/a/web@1 1".to_owned()];
    assert_eq!(shown, [event.clone(), event.clone(), event, vec![]]);
    assert_eq!((json.made.get(), other.made.get()), (1, 1));
}

#[test]
fn object_that_leaves_a_selector_is_shown_deleted_as_it_was() {
    let mut sim = Sim::new(1, 2);
    let encoder = TextEncoder::new(1);
    let fields = FieldSelector::parse("spec.nodeName=n1").expect("fields");
    let mut bound = watch(&mut sim, WatchQuery { fields, ..pods(&encoder) });
    for node in ["", "n1", "n1", "n2", "n1"] {
        let value = Sample { node, ..Sample::default() }.stored("web");
        write_value(&mut sim, storage("pods").key("a", "web"), value);
    }
    let cache = sim.caches[0].clone();
    let txn = super::sample::delete(storage("pods").key("a", "web"), 5);
    sim.run(0, async move { cache.commit(txn).await }).expect("deleted");
    let expected = [
        "Added /registry/pods/a/web@2 2",
        "Modified /registry/pods/a/web@3 3",
        "Deleted /registry/pods/a/web@3 4",
        "Added /registry/pods/a/web@5 5",
        "Deleted /registry/pods/a/web@5 6",
    ];
    assert_eq!(drain(&mut bound), (expected.map(str::to_owned).into(), None));
}

#[test]
fn slow_watcher_is_ended_and_others_miss_nothing() {
    let mut sim = Sim::new(1, 3);
    let encoder = TextEncoder::new(1);
    let mut slow = watch(&mut sim, pods(&encoder));
    let mut quick = watch(&mut sim, pods(&encoder));
    let mut seen = 0;
    for _ in 0..=WATCHER_QUEUE_MAX {
        write(&mut sim, "pods", "a", "web");
        seen += drain(&mut quick).0.len();
    }
    assert_eq!(seen, WATCHER_QUEUE_MAX + 1);
    assert_eq!(sim.caches[0].slow_watchers(), 1);
    assert_eq!(drain(&mut slow), (vec![], Some(WatchEnd::Slow)));
    write(&mut sim, "pods", "a", "web");
    assert_eq!(drain(&mut quick).0.len(), 1);
    drop((slow, quick));
    assert!(sim.caches[0].counts().iter().all(|count| count.watchers == 0));
}

#[test]
fn client_that_reads_its_initial_state_slowly_is_not_ended() {
    let mut sim = Sim::new(2, 4);
    for name in ["one", "two"] {
        write(&mut sim, "pods", "a", name);
    }
    let from = WatchFrom::Initial(ReadAt::Latest);
    let query = WatchQuery { from, initial_events_end: true, ..pods(&TextEncoder::new(1)) };
    let cache = sim.caches[0].clone();
    let mut watcher = sim.run(0, async move { cache.watch(query).await }).expect("watch");
    let count = WATCHER_QUEUE_MAX + 10;
    for _ in 0..count {
        write(&mut sim, "pods", "a", "one");
    }
    let (frames, end) = drain(&mut watcher);
    assert_eq!(end, None);
    let expected = [
        "Added /registry/pods/a/one@1 1",
        "Added /registry/pods/a/two@2 2",
        "BOOKMARK 2 true",
        "Modified /registry/pods/a/one@3 3",
    ];
    assert_eq!(frames[..4], expected);
    assert_eq!(frames.len(), 3 + count);
}

#[test]
fn bookmarks_come_every_minute_and_before_the_end() {
    let mut sim = Sim::new(1, 5);
    let timeout = Some(Duration::from_secs(BOOKMARK_SECONDS + 30));
    let encoder = TextEncoder::new(1);
    let mut marked = watch(&mut sim, WatchQuery { bookmarks: true, timeout, ..pods(&encoder) });
    let mut plain = watch(&mut sim, WatchQuery { timeout, ..pods(&encoder) });
    write(&mut sim, "nodes", "", "n1");
    sim.pass(Duration::from_secs(BOOKMARK_SECONDS - 1));
    assert_eq!(drain(&mut marked), (vec![], None));
    sim.pass(Duration::from_secs(2));
    assert_eq!(drain(&mut marked), (vec!["BOOKMARK 1 false".to_owned()], None));
    write(&mut sim, "nodes", "", "n1");
    sim.pass(Duration::from_secs(27));
    assert_eq!(drain(&mut marked), (vec!["BOOKMARK 2 false".to_owned()], None));
    assert_eq!(drain(&mut plain), (vec![], None));
    sim.pass(Duration::from_secs(2));
    assert_eq!(drain(&mut marked), (vec![], Some(WatchEnd::Deadline)));
    assert_eq!(drain(&mut plain), (vec![], Some(WatchEnd::Deadline)));
}

#[test]
fn watch_from_before_the_window_is_expired() {
    let mut sim = Sim::new(1, 6);
    for _ in 0..4 {
        write(&mut sim, "pods", "a", "web");
    }
    let history = sim.store.history.clone();
    let mut sim = Sim::opened(2, 6, history, 2);
    let start = |sim: &mut Sim, revision| {
        let from = WatchFrom::After(revision);
        let query = WatchQuery { from, ..pods(&TextEncoder::new(1)) };
        let cache = sim.caches[0].clone();
        sim.run(0, async move { cache.watch(query).await })
    };
    let early = start(&mut sim, 1).map(drop);
    assert_eq!(early, Err(ReadFault::Expired { requested: 1, oldest: 2 }));
    let frames = drain(&mut start(&mut sim, 2).expect("known")).0;
    let expected = ["Modified /registry/pods/a/web@3 3", "Modified /registry/pods/a/web@4 4"];
    assert_eq!(frames, expected);
}

#[test]
fn watch_from_the_future_gets_only_what_comes_after() {
    let mut sim = Sim::new(1, 7);
    let from = WatchFrom::After(2);
    let mut watcher = watch(&mut sim, WatchQuery { from, ..pods(&TextEncoder::new(1)) });
    for _ in 0..3 {
        write(&mut sim, "pods", "a", "web");
    }
    assert_eq!(drain(&mut watcher).0, ["Modified /registry/pods/a/web@3 3"]);
}

#[test]
fn all_watches_end_on_shutdown() {
    let mut sim = Sim::new(1, 8);
    let encoder = TextEncoder::new(1);
    let mut live = watch(&mut sim, pods(&encoder));
    write(&mut sim, "pods", "a", "web");
    sim.caches[0].end_watches();
    let (frames, end) = drain(&mut live);
    assert_eq!((frames.len(), end), (1, Some(WatchEnd::Shutdown)));
}

#[test]
fn unreadable_object_is_kept_listed_and_watched() {
    let mut sim = Sim::new(2, 9);
    let mut watcher = watch(&mut sim, pods(&TextEncoder::new(1)));
    let key = storage("pods").key("a", "broken");
    for value in [&b"k8s\0\xff\xff"[..], b"", b"{", b"k8s"] {
        write_value(&mut sim, key.clone(), value.to_vec().into());
        let cache = sim.caches[0].clone();
        let read = cache.get(storage("pods"), "a", "broken", ReadAt::Latest);
        let read = futures_lite::future::block_on(futures_lite::future::poll_once(read));
        if let Some(Ok(Some(entry))) = read {
            assert!(entry.unreadable() && entry.json().is_err() && entry.protobuf().is_err());
        }
    }
    assert_eq!(drain(&mut watcher).0.len(), 4);
}

#[test]
fn idle_watch_costs_less_than_a_kibibyte() {
    // A watcher in a group of its own, as a kubelet's: the cell and the watcher, the group and its
    // filter with one field, index entries, the watcher's place in the heap of what is due.
    let group = 200 + 2 * 64;
    assert!(size_of::<Watcher>() + size_of::<WatchCell>() + group < 700);
    assert_eq!(FrameKind::Added, FrameKind::Added);
}

#[test]
fn mirror_holds_the_state_and_follows_it() {
    let mut sim = Sim::new(2, 9);
    write(&mut sim, "nodes", "", "a");
    write(&mut sim, "nodes", "", "b");
    let mut mirror = sim.caches[0].mirror(storage("nodes"));
    let mut mirror = sim.run(0, async move {
        mirror.changed().await;
        mirror
    });
    let names = |mirror: &crate::cache::Mirror| {
        mirror.entries().map(|entry| entry.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&mirror), ["a", "b"]);
    let cache = sim.caches[0].clone();
    let gone = super::sample::delete(storage("nodes").key("", "a"), 1);
    sim.run(0, async move { cache.commit(gone).await }).expect("deleted");
    write(&mut sim, "nodes", "", "c");
    while names(&mirror) != ["b", "c"] {
        mirror = sim.run(0, async move {
            mirror.changed().await;
            mirror
        });
    }
    assert!(mirror.get("c").is_some() && mirror.get("a").is_none());
}
